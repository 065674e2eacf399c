/**
 * What the chart renders, as the API server itself judges it, and the installs that come with the chart.
 */
import { globSync } from 'node:fs'
import { basename } from 'node:path'
import { run, runWords } from '../command.ts'
import { CHART, inNamespace, Release } from '../helm.ts'
import type { Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-manifests'
/** Kinds of the Gateway API and the Prometheus Operator that the chart can make, and as the API lists them. */
const OPTIONAL_KINDS = {
  HTTPRoute: 'httproutes.',
  GRPCRoute: 'grpcroutes.',
  ServiceMonitor: 'servicemonitors.',
  PodMonitor: 'podmonitors.',
  PrometheusRule: 'prometheusrules.',
}
const VALUES = globSync(`${CHART}/ci/*-values.yaml`).sort()
const RENDERINGS = [
  ...VALUES.map((file) => ({ name: basename(file), args: ['--values', file] })),
  // It excludes the ServiceMonitor, which a file of values has.
  { name: 'a PodMonitor', args: ['--set', 'metrics.podMonitor.enabled=true'] },
]

export const judged: Scenario = {
  name: 'the API server accepts every field of what the chart renders',
  timeoutMs: 120_000,
  async run({ settings, note, leftOut }) {
    const lacking = await lackingKinds()
    const defined = lacking.length > 0 && settings.definitions !== null ? await defineKinds(settings.definitions) : []
    try {
      await inNamespace(settings, NAMESPACE, async () => {
        for (const { name, args } of RENDERINGS) {
          const rendered = await run('helm', ['template', 'jackdaw', CHART, '--namespace', NAMESPACE, ...args])
          const unknown = defined.length > 0 ? [] : lacking.filter((kind) => rendered.includes(`kind: ${kind}\n`))
          if (unknown.length > 0) {
            leftOut(`what the chart renders with ${name}`, `E2E_DEFINITIONS is not set, and the cluster lacks ${unknown.join(', ')}`)
            continue
          }
          const judge = ['apply', '--dry-run=server', '--validate=strict', '--namespace', NAMESPACE, '--filename', '-']
          const accepted = await run('kubectl', judge, { input: rendered })
          note(`objects of ${name} that the API server accepts`, accepted.trim().split('\n').length)
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

async function lackingKinds(): Promise<readonly string[]> {
  const kinds = await run('kubectl', ['api-resources', '--output', 'name'])
  return Object.entries(OPTIONAL_KINDS).flatMap(([kind, resource]) => (kinds.includes(resource) ? [] : [kind]))
}

/** Gives the cluster their definitions for a while; resolves with the files that have them. */
async function defineKinds(words: string): Promise<readonly string[]> {
  const paths = (await runWords(words, [], { timeoutMs: 60_000 })).trim().split('\n')
  for (const path of paths) await run('kubectl', ['apply', '--server-side', '--filename', path])
  for (const path of paths) await run('kubectl', ['wait', '--for=condition=Established', '--timeout=30s', '--filename', path])
  return paths
}
