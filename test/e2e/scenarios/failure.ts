/**
 * What the sudden loss of a pod is measured by, however it is lost.
 *
 * Writes that were acknowledged in the last moment may be lost, for replication is asynchronous: they are counted, none may be older than a
 * moment, and the members' own ledger must not say less. What was at rest before must all be there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Hammer } from '../hammer.ts'
import { requireKeys } from '../key-set.ts'
import { type Kube, metricOf } from '../kube.ts'
import type { Context } from '../scenario.ts'

const STEADY_MS = 3_000
/** After the failure, with writers at work: longer than detection and claims. */
const FAILING_MS = 10_000
/** No acceptable failover takes as long. */
const LONGEST_GAP_MS = 3_000
/** Acknowledged longer before the failure than this, a write has reached a replica or is known to be late. */
const OLDEST_LOSS_MS = 1_000

/** Lets `fail` happen under writes, then `mend`, and checks what both cost. `name` is what the report calls it. */
export async function whileHammering(context: Context, name: string, fail: () => Promise<void>, mend: () => Promise<void>): Promise<void> {
  const { client, kube, settings, note } = context
  const before = await mostLost(kube)
  const hammer = new Hammer(settings.ingressUrl, `hammered-${Date.now()}`)
  let failedAtMs = 0
  let gapMs = 0
  try {
    // The first answers wait for connections to be made.
    await sleep(STEADY_MS)
    hammer.forget()
    await sleep(STEADY_MS)
    note(`longest gap between accepted writes to a slot before ${name}, in ms`, Math.round(hammer.longestGapMs()))
    hammer.forget()
    failedAtMs = performance.now()
    await fail()
    note(`milliseconds that the command for ${name} took`, Math.round(performance.now() - failedAtMs))
    await sleep(FAILING_MS)
    gapMs = hammer.longestGapMs()
    note(`longest gap between accepted writes to a slot over ${name}, in ms`, Math.round(gapMs))
    note(`writes refused or broken over ${name}`, hammer.failures())
    await mend()
  } finally {
    await hammer.stop()
  }
  const { acknowledged, lost, firstMs, lastMs } = await hammer.losses(failedAtMs)
  const when = lost === 0 ? '' : `, acknowledged ${firstMs} to ${lastMs} ms after the command began`
  note(`writes lost by ${name}`, `${lost} of ${acknowledged} acknowledged${when}`)
  const after = await mostLost(kube)
  const most = after === null ? null : after - (before ?? 0)
  note(`most writes that the members say ${name} may have taken`, most ?? 'this version does not say')
  if (most !== null && lost > most) throw new Error(`${lost} acknowledged writes were lost, and the members say at most ${most}`)
  if (firstMs !== null && firstMs < -OLDEST_LOSS_MS) throw new Error(`a write was lost ${-firstMs} ms after it was acknowledged`)
  note(`keys checked after ${name}`, await requireKeys(client, `after ${name}`))
  if (gapMs > LONGEST_GAP_MS) throw new Error(`${Math.round(gapMs)} ms without an accepted write`)
}

/** What the ledgers of all members allow for together; `null` from a version that keeps none. */
async function mostLost(kube: Kube): Promise<number | null> {
  const texts = await Promise.all((await kube.pods()).map((pod) => kube.metrics(pod)))
  const bounds = texts.map((text) => metricOf(text, 'jackdaw_lost_writes_bound', 'bound="most"')).filter((bound) => bound !== null)
  return bounds.length === 0 ? null : bounds.reduce((sum, bound) => sum + bound, 0)
}
