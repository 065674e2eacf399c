/**
 * What the chart renders, as the API server itself judges it, and the installs that come with the chart.
 */
import { globSync } from 'node:fs'
import { basename } from 'node:path'
import { run, runWords } from '../command.ts'
import { CHART, inNamespace, Release } from '../helm.ts'
import type { Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-manifests'
/** Has kinds of the Gateway API and the Prometheus Operator. */
const MONITORED = 'monitored-values.yaml'
const VALUES = globSync(`${CHART}/ci/*-values.yaml`).sort()

export const judged: Scenario = {
  name: 'the API server accepts every field of what the chart renders',
  timeoutMs: 120_000,
  async run({ settings, note }) {
    const lacking = await lackingKinds()
    const defined = lacking && settings.definitions !== null ? await defineKinds(settings.definitions) : []
    try {
      await inNamespace(settings, NAMESPACE, async () => {
        for (const file of VALUES) {
          if (basename(file) === MONITORED && lacking && defined.length === 0) {
            console.log(`      E2E_DEFINITIONS is not set, and the cluster lacks kinds that ${MONITORED} has: it is left out`)
            continue
          }
          const rendered = await run('helm', ['template', 'jackdaw', CHART, '--namespace', NAMESPACE, '--values', file])
          const judge = ['apply', '--dry-run=server', '--validate=strict', '--namespace', NAMESPACE, '--filename', '-']
          const accepted = await run('kubectl', judge, { input: rendered })
          note(`objects of ${basename(file)} that the API server accepts`, accepted.trim().split('\n').length)
        }
      })
    } finally {
      for (const path of defined) await run('kubectl', ['delete', '--filename', path])
    }
  },
}

export const installedWithFiles: Scenario = {
  name: "the chart's minimal and production values install and pass helm test",
  timeoutMs: 500_000,
  long: true,
  async run({ settings, note }) {
    for (const file of VALUES.filter((path) => /(minimal|production)-values/.test(path))) {
      await inNamespace(settings, NAMESPACE, async () => {
        const release = new Release(settings, NAMESPACE)
        const startedAt = performance.now()
        await release.installFile(settings.image, file)
        note(`seconds to install ${basename(file)}`, ((performance.now() - startedAt) / 1000).toFixed(1))
        await release.test()
        await release.uninstall()
        release.client.close()
      })
    }
  },
}

async function lackingKinds(): Promise<boolean> {
  const kinds = await run('kubectl', ['api-resources', '--output', 'name'])
  return !['httproutes.', 'grpcroutes.', 'servicemonitors.', 'podmonitors.', 'prometheusrules.'].every((kind) => kinds.includes(kind))
}

/** Gives the cluster their definitions for a while; resolves with the files that have them. */
async function defineKinds(words: string): Promise<readonly string[]> {
  const paths = (await runWords(words, [], { timeoutMs: 60_000 })).trim().split('\n')
  for (const path of paths) await run('kubectl', ['apply', '--server-side', '--filename', path])
  for (const path of paths) await run('kubectl', ['wait', '--for=condition=Established', '--timeout=30s', '--filename', path])
  return paths
}
