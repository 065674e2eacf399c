/**
 * The API server is away for minutes. Membership lives on gossip alone: nobody is removed, nobody restarts, every request is answered.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { runWords } from '../command.ts'
import { controlPlaneAwake } from '../control-plane.ts'
import { requireKeys } from '../key-set.ts'
import { type Kube, metricOf } from '../kube.ts'
import type { Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'

/** In which Kubernetes, back again, may do something foolish. */
const AFTERWARDS_MS = 10_000

interface Witness {
  readonly pod: string
  readonly restarts: number
  readonly alive: number | null
  readonly changes: number | null
}

export const apiAway: Scenario = {
  name: 'with the API server away for minutes no request fails and the membership does not change',
  timeoutMs: 600_000,
  leftOut: ({ api }) => (api === null ? 'E2E_API is not set: nobody here can stop the API server' : null),
  async run(context) {
    const { kube, client, settings, note } = context
    const { api } = settings
    if (api === null) return
    const before = await witnesses(kube)
    if (before.some(({ alive, changes }) => alive !== before.length || changes === null))
      throw new Error(`not all see all: ${JSON.stringify(before)}`)
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, () =>
      underLoad(context, sideReads('GET, no API server'), async () => {
        await runWords(api, ['stop'])
        await sleep(settings.apiAwaySeconds * 1000)
        await runWords(api, ['start'], { timeoutMs: 90_000 })
        await sleep(AFTERWARDS_MS)
      }),
    )
    note(`checked in ${settings.apiAwaySeconds} s without the API server`, `${checked.writes} writes and ${checked.reads} reads`)
    await kube.settled(60)
    const after = await witnesses(kube)
    if (JSON.stringify(after) !== JSON.stringify(before)) {
      throw new Error(`the members changed:\n${JSON.stringify(before)}\n${JSON.stringify(after)}`)
    }
    note('keys checked after the API server came back', await requireKeys(client, 'after the API server came back'))
    note('seconds until Kubernetes itself was at work again', (await controlPlaneAwake(kube, settings.image)).toFixed(1))
  },
}

async function witnesses(kube: Kube): Promise<readonly Witness[]> {
  const pods = await kube.pods()
  return Promise.all(
    pods.map(async (pod) => {
      const metrics = await kube.metrics(pod)
      return {
        pod,
        restarts: await kube.restarts(pod),
        alive: metricOf(metrics, 'jackdaw_members', 'state="alive"'),
        changes: metricOf(metrics, 'jackdaw_member_changes_total'),
      }
    }),
  )
}
