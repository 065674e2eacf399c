/**
 * A rolling update under load: every pod is replaced, nobody notices.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CheckingOptions, whileChecking } from '../checking-client.ts'
import { whileFacesAreChecked } from '../faces-client.ts'
import { load, requirePerfect, type Target } from '../fortio.ts'
import { requireKeys } from '../key-set.ts'
import type { Context, Scenario } from '../scenario.ts'
import { LIST, READS, WRITES } from '../targets.ts'
import { install } from './install.ts'

/** fortio is under way before the roll begins, and has to outlive it. */
const HEAD_START_MS = 5_000
const UNBOUNDED = 1_000_000
const ROLL_TIMEOUT_MS = 600_000

export const rolledOnManyKeys: Scenario = {
  name: 'a rolling update under load on many keys fails no request over HTTP, RESP, text and gRPC, and loses no key',
  timeoutMs: ROLL_TIMEOUT_MS,
  async run(context) {
    await whileFacesAreChecked(context, () => rollUnderLoad(context, READS, { maxKeys: UNBOUNDED, listed: null }))
    context.note('keys checked after the roll', await requireKeys(context.client, 'after the roll'))
  },
}

export const rolledUnderWrites: Scenario = {
  name: 'a rolling update under writing load fails no request and loses no key',
  timeoutMs: ROLL_TIMEOUT_MS,
  long: true,
  async run(context) {
    await rollUnderLoad(context, WRITES, { maxKeys: UNBOUNDED, listed: null })
    context.note('keys checked after the roll under writes', await requireKeys(context.client, 'after the roll under writes'))
  },
}

export const rolledOnTheList: Scenario = {
  name: 'a rolling update under load on the list of some twenty pairs fails no request and loses no pair',
  timeoutMs: ROLL_TIMEOUT_MS,
  async run(context) {
    await context.kube.remove()
    await install(context)
    const listed = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`pair-${i}`, i % 3 === 0 ? i : `value ${i}`]))
    const { status, body } = await context.client.set(listed)
    if (status !== 200) throw new Error(`POST /set: ${status} ${body}`)
    await rollUnderLoad(context, LIST, { maxKeys: 8, listed })
  },
}

async function rollUnderLoad(context: Context, target: Target, options: CheckingOptions): Promise<void> {
  const { kube, settings, signal, note, loaded } = context
  const seconds = settings.rollSeconds
  const what = target.name
  const before = await kube.uids()
  const startedAt = performance.now()
  const judged = load(settings, target, seconds, signal).then((result) => {
    loaded(result)
    return result
  })
  // It is awaited below; until then, its failure is not an unhandled one.
  judged.catch(() => undefined)
  const checked = await whileChecking(settings.ingressUrl, options, async () => {
    await Promise.race([sleep(HEAD_START_MS), judged])
    await kube.kubectl(['rollout', 'restart', 'statefulset/jackdaw'])
    await kube.settled(seconds + 60)
    note(`seconds of the roll under ${what}`, ((performance.now() - startedAt - HEAD_START_MS) / 1000).toFixed(1))
    const rolledMs = performance.now() - startedAt
    await judged
    if (rolledMs > seconds * 1000) throw new Error(`the roll took longer than the load: ${rolledMs} ms`)
  })
  note(`checked beside it under ${what}`, `${checked.writes} writes and ${checked.reads} reads of ${checked.keys} keys`)
  requirePerfect(await judged)
  const stayed = (await kube.uids()).filter((uid) => before.includes(uid))
  if (stayed.length > 0) throw new Error(`${stayed.length} pods were not replaced`)
}
