/**
 * `npm run test:e2e`: the product on a real Kubernetes, through its ingress. Needs KUBECONFIG, the image in the nodes, and kubectl, helm and fortio
 * on the PATH; settings.ts has what else can be said.
 *
 * The scenarios run in order on one installation, in a namespace of their own which is removed at the end. The first ones lay the ground: if one
 * of those fails, nothing else is tried. What did not run is listed at the end, before the last line, which is `N passed, N failed`.
 */
import { run, runWords } from './command.ts'
import { IngressClient } from './ingress-client.ts'
import { Kube, NAMESPACE } from './kube.ts'
import { Report } from './report.ts'
import type { Context, Scenario } from './scenario.ts'
import { apiAway } from './scenarios/api-away.ts'
import { allDeleted } from './scenarios/delete-all.ts'
import { podDeleted } from './scenarios/delete-pod.ts'
import { foundByDns } from './scenarios/dns.ts'
import { memoryFilled } from './scenarios/full-memory.ts'
import { keysRotated } from './scenarios/gossip-keys.ts'
import { grpcServed } from './scenarios/grpc.ts'
import { applied, installedByHelm } from './scenarios/install.ts'
import { keysWritten } from './scenarios/keys.ts'
import { podDeletedByForce, podKilled, rolledAfterKill } from './scenarios/kill-pod.ts'
import { installedWithFiles, judged } from './scenarios/manifests.ts'
import { nodeCut } from './scenarios/node-cut.ts'
import { drained, nodeCrashed } from './scenarios/nodes.ts'
import { rolledOnManyKeys, rolledOnTheList, rolledUnderWrites } from './scenarios/roll.ts'
import { scaled } from './scenarios/scale.ts'
import { twoReleases } from './scenarios/two-releases.ts'
import { badImage, upgradedValues, upgradedVersion } from './scenarios/upgrade.ts'
import { readSettings, type Settings } from './settings.ts'

const SCENARIOS: readonly Scenario[] = [
  applied,
  judged,
  installedByHelm,
  installedWithFiles,
  grpcServed,
  twoReleases,
  foundByDns,
  upgradedValues,
  upgradedVersion,
  badImage,
  keysRotated,
  memoryFilled,
  rolledOnTheList,
  keysWritten,
  rolledOnManyKeys,
  rolledUnderWrites,
  podDeleted,
  podDeletedByForce,
  podKilled,
  rolledAfterKill,
  scaled,
  drained,
  nodeCrashed,
  nodeCut,
  apiAway,
  allDeleted,
]
const CONNECTIONS = 12
const READ_TIMEOUT_MS = 10_000

async function main(settings: Settings): Promise<void> {
  const kube = new Kube(settings.image)
  const report = new Report()
  let passed = 0
  let failed = 0
  try {
    await requireTools(settings)
    const chosen = SCENARIOS.filter(({ name, foundation }) => foundation || settings.only.some((part) => name.includes(part)))
    if (chosen.length < SCENARIOS.length)
      report.leftOut(`${SCENARIOS.length - chosen.length} other scenarios`, 'E2E_ONLY does not name them')
    let groundless: string | null = null
    for (const scenario of chosen) {
      const reason = groundless ?? whyLeftOut(scenario, settings)
      if (reason !== null) {
        report.leftOut(scenario.name, reason)
        continue
      }
      const succeeded = await attempt(scenario, settings, kube, report)
      if (succeeded) passed++
      else failed++
      if (!succeeded && scenario.foundation) groundless = `it stands on "${scenario.name}", which failed`
    }
    await kube.dropNamespace(NAMESPACE)
  } catch (error) {
    console.log(`FAIL  the test itself\n${(error as Error).stack}`)
    failed++
  }
  report.print()
  if (settings.reportPath !== null) report.write(settings.reportPath)
  console.log(`${passed} passed, ${failed} failed`)
  // What a scenario out of time left running is not waited for.
  process.exit(failed === 0 ? 0 : 1)
}

function whyLeftOut({ long = false, leftOut }: Scenario, settings: Settings): string | null {
  if (long && !settings.full) return 'it takes long: `npm run test:e2e:full` has it'
  return leftOut?.(settings) ?? null
}

async function requireTools(settings: Settings): Promise<void> {
  await run('kubectl', ['version'])
  await run('helm', ['version'])
  await runWords(`${settings.loadPrefix} fortio`, ['version'])
}

async function attempt(scenario: Scenario, settings: Settings, kube: Kube, report: Report): Promise<boolean> {
  console.log(`      ${scenario.name} ...`)
  const startedAt = performance.now()
  const client = new IngressClient(settings.ingressUrl, CONNECTIONS, READ_TIMEOUT_MS)
  const signal = AbortSignal.timeout(scenario.timeoutMs)
  const context: Context = {
    settings,
    kube,
    client,
    signal,
    note: (what, value) => report.note(what, value),
    loaded: (result) => report.loaded(result),
    leftOut: (what, reason) => report.leftOut(what, reason),
  }
  const tooLate = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`not done after ${scenario.timeoutMs} ms`)))
  })
  const error = await Promise.race([scenario.run(context), tooLate]).then(
    () => null,
    (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))),
  )
  client.close()
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  report.scenario(scenario.name, seconds, error?.message ?? null)
  if (error === null) {
    console.log(`ok    ${scenario.name}  (${seconds} s)`)
    return true
  }
  console.log(`FAIL  ${scenario.name}  (${seconds} s)\n${error.stack}\n${await kube.diagnosis()}`)
  return false
}

await main(readSettings(process.env, process.argv.slice(2)))
