/**
 * When the members agree: all see each other alive, every slot has one primary, and no copy is incomplete.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kube, metricOf } from './kube.ts'

const SLOTS = 16_384
const POLL_MS = 500

interface Standing {
  readonly pod: string
  readonly alive: number | null
  readonly primaries: number | null
  readonly incomplete: number | null
}

async function standings(kube: Kube): Promise<readonly Standing[]> {
  return Promise.all(
    (await kube.pods()).map(async (pod) => {
      const metrics = await kube.metrics(pod).catch(() => '')
      return {
        pod,
        alive: metricOf(metrics, 'jackdaw_members', 'state="alive"'),
        primaries: metricOf(metrics, 'jackdaw_slots', 'role="primary"'),
        incomplete: metricOf(metrics, 'jackdaw_followings_incomplete'),
      }
    }),
  )
}

/** Resolves with the milliseconds until each of `members` pods saw all of them alive; rejects when it takes longer than `withinMs`. */
export function viewsAgree(kube: Kube, members: number, withinMs: number): Promise<number> {
  return until(kube, withinMs, (all) => all.length === members && all.every(({ alive }) => alive === members))
}

/** The same, and every slot has one primary and complete copies. */
export function converged(kube: Kube, members: number, withinMs: number): Promise<number> {
  return until(kube, withinMs, (all) => {
    const primaries = all.reduce((sum, one) => sum + (one.primaries ?? 0), 0)
    return all.length === members && primaries === SLOTS && all.every(({ alive, incomplete }) => alive === members && incomplete === 0)
  })
}

async function until(kube: Kube, withinMs: number, holds: (all: readonly Standing[]) => boolean): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const all = await standings(kube)
    const elapsedMs = performance.now() - startedAt
    // What holds too late does not count, nor does a time that was over when it began.
    if (elapsedMs <= withinMs && holds(all)) return elapsedMs
    if (elapsedMs > withinMs) throw new Error(`the members do not agree within ${Math.round(withinMs)} ms: ${JSON.stringify(all)}`)
    await sleep(POLL_MS)
  }
}

/** The sum of a counter over all pods; a pod that restarted meanwhile begins at zero again. */
export async function total(kube: Kube, metric: string): Promise<number> {
  const texts = await Promise.all((await kube.pods()).map((pod) => kube.metrics(pod)))
  return texts.reduce((sum, text) => sum + (metricOf(text, metric) ?? 0), 0)
}
