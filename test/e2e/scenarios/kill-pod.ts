/**
 * A pod's process dies at once. Writers hammer keys of all slots meanwhile; the longest time in which one of them had no success is what the
 * failure cost: it covers the time from SIGKILL to the first accepted write on the slots of the dead, and at most one interval more.
 *
 * Writes that were acknowledged in the last moment may be lost, for replication is asynchronous; they are counted. What was at rest before must
 * all be there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { runWords } from '../command.ts'
import { IngressClient } from '../ingress-client.ts'
import { requireKeys } from '../key-set.ts'
import type { Context, Scenario } from '../scenario.ts'

const WRITERS = 16
const INTERVAL_MS = 20
const VICTIM = 'jackdaw-1'
const STEADY_MS = 3_000
/** No acceptable failover takes as long. */
const LONGEST_GAP_MS = 15_000

interface Writer {
  readonly key: string
  acknowledged: number
  attempted: number
  failures: number
  longestGapMs: number
}

export const podKilled: Scenario = {
  name: 'a pod whose process is killed costs seconds of writes on its slots and none of the keys at rest',
  timeoutMs: 180_000,
  async run(context) {
    const { kube, client, settings, note } = context
    const http = new IngressClient(settings.ingressUrl, WRITERS, LONGEST_GAP_MS)
    const writers = Array.from({ length: WRITERS }, (_, i): Writer => {
      return { key: `hammered-${i}`, acknowledged: 0, attempted: 0, failures: 0, longestGapMs: 0 }
    })
    const stop = new AbortController()
    const hammering = Promise.all(writers.map((writer) => hammer(http, writer, stop.signal)))
    try {
      // The first answers wait for connections to be made.
      await sleep(STEADY_MS)
      forgetGaps(writers)
      await sleep(STEADY_MS)
      const steadyMs = longest(writers)
      forgetGaps(writers)
      const killedAt = performance.now()
      await kill(context)
      note('milliseconds that the killing command took', Math.round(performance.now() - killedAt))
      await sleep(STEADY_MS)
      await kube.settled(90)
      await sleep(STEADY_MS)
      note('longest gap between accepted writes of a key before the kill, in ms', Math.round(steadyMs))
      note('longest gap between accepted writes of a key over the kill, in ms', Math.round(longest(writers)))
      note(
        'writes refused or broken over the kill',
        writers.reduce((sum, { failures }) => sum + failures, 0),
      )
    } finally {
      stop.abort()
      await hammering
    }
    const lost = await countLost(http, writers)
    note('acknowledged writes lost in the moment of the kill', lost)
    http.close()
    if (longest(writers) > LONGEST_GAP_MS) throw new Error(`${longest(writers)} ms without an accepted write`)
    note('keys checked after the kill', await requireKeys(client, 'after a process was killed'))
  },
}

async function kill({ settings, kube }: Context): Promise<void> {
  if (settings.kill !== null) {
    await runWords(settings.kill, [VICTIM])
    return
  }
  console.log('      E2E_KILL is not set: the pod is deleted with force, which is gentler than a kill')
  await kube.kubectl(['delete', 'pod', VICTIM, '--grace-period=0', '--force'])
}

async function hammer(http: IngressClient, writer: Writer, signal: AbortSignal): Promise<void> {
  let acceptedAt = performance.now()
  while (!signal.aborted) {
    const due = performance.now() + INTERVAL_MS
    writer.attempted++
    const { status } = await http.set({ [writer.key]: writer.attempted })
    const now = performance.now()
    if (status === 200) {
      writer.acknowledged = writer.attempted
      writer.longestGapMs = Math.max(writer.longestGapMs, now - acceptedAt)
      acceptedAt = now
    } else {
      writer.failures++
    }
    await sleep(Math.max(1, due - now))
  }
  // A writer that never succeeded again has the longest gap of all.
  writer.longestGapMs = Math.max(writer.longestGapMs, performance.now() - acceptedAt - INTERVAL_MS)
}

function forgetGaps(writers: readonly Writer[]): void {
  for (const writer of writers) writer.longestGapMs = 0
}

function longest(writers: readonly Writer[]): number {
  return Math.max(...writers.map(({ longestGapMs }) => longestGapMs))
}

/** Keys that now have an older value than the last one acknowledged. */
async function countLost(http: IngressClient, writers: readonly Writer[]): Promise<number> {
  const values = await Promise.all(writers.map(({ key }) => http.getKey(key)))
  return values.filter(({ status, body }, i) => status !== 200 || Number(body) < (writers[i] as Writer).acknowledged).length
}
