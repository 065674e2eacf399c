/**
 * More is written than the caches can hold. The kernel must not end a pod for it, nobody is held dead, what has to go goes by eviction, what stays is right,
 * and pods that are full can be rolled: a newcomer is complete although it evicts while it fills.
 */
import { whileChecking } from '../checking-client.ts'
import { converged } from '../convergence.ts'
import { withRelease } from '../helm.ts'
import type { IngressClient } from '../ingress-client.ts'
import { type Kube, metricOf } from '../kube.ts'
import type { Context, Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-full'
/** Of each pod; the store takes its part of it by default. */
const LIMIT = '512Mi'
const VALUES = [`resources.limits.memory=${LIMIT}`, `resources.requests.memory=${LIMIT}`]
/** Times what fits. */
const OVERFILL = 2
/** One at its primary, one at a replica. */
const COPIES = 2
const VALUE_BYTES = 16 * 1024
const BATCH = 16
const IN_PARALLEL = 8
/** Few, so that they are used again before they are the least recently used. */
const CHECKED_KEYS = 200
const ROLL_SECONDS = 240

interface Fullness {
  readonly pod: string
  readonly alive: number
  readonly changes: number
  readonly entries: number
  readonly evictions: number
  readonly bytes: number
  readonly limitBytes: number
  readonly residentBytes: number
}

export const memoryFilled: Scenario = {
  name: 'twice what fits is written: full pods evict, none is killed, no member is lost, and a roll becomes ready',
  timeoutMs: 600_000,
  long: true,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, NAMESPACE, { values: VALUES }, async ({ kube, client, host }) => {
      await converged(kube, 3, 30_000)
      const before = await fullness(kube)
      const uids = await kube.uids()
      const options = { maxKeys: CHECKED_KEYS, listed: null, host, mayMiss: true }
      const checked = await whileChecking(settings.ingressUrl, options, async () => {
        await fill(context, client, before)
        const full = await requireFull(context, kube, 'when they were full')
        if (full.some(({ changes }, i) => changes !== before[i]?.changes)) throw new Error(`the members changed: ${JSON.stringify(full)}`)
        if ((await kube.uids()).join() !== uids.join()) throw new Error('a pod was replaced before the roll')
        const startedAt = performance.now()
        await kube.roll(ROLL_SECONDS)
        note('seconds of the roll of full pods', ((performance.now() - startedAt) / 1000).toFixed(1))
        await converged(kube, 3, 60_000)
        const rolled = await requireFull(context, kube, 'after the roll', false)
        const [had, have] = [full, rolled].map((all) => all.reduce((sum, { entries }) => sum + entries, 0)) as [number, number]
        note('entries, copies included, before and after the roll of full pods', `${had} and ${have}`)
        if (have < had / 2) throw new Error(`the roll left ${have} of ${had} entries`)
      })
      note('checked beside the full pods', `${checked.writes} writes and ${checked.reads} reads, ${checked.missed} of evicted keys`)
    })
  },
}

/** Writes values of 16 KiB until they are twice what the pods can hold. Throws on the first answer that is not 200. */
async function fill({ note }: Context, client: IngressClient, pods: readonly Fullness[]): Promise<void> {
  const fits = pods.reduce((sum, { limitBytes }) => sum + limitBytes, 0) / COPIES
  const batches = Math.ceil((OVERFILL * fits) / (BATCH * VALUE_BYTES))
  const startedAt = performance.now()
  const numbers = Array.from({ length: batches }, (_, i) => i).values()
  const writer = async () => {
    for (const batch of numbers) {
      const pairs = Object.fromEntries(
        Array.from({ length: BATCH }, (_, i) => [`filling-${batch * BATCH + i}`, fillingAt(batch * BATCH + i)]),
      )
      const { status, body } = await client.set(pairs)
      if (status !== 200) throw new Error(`writing batch ${batch} of ${batches}: ${status} ${body.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: IN_PARALLEL }, writer))
  const seconds = (performance.now() - startedAt) / 1000
  note(
    'megabytes written into full pods, and what fits',
    `${mega(batches * BATCH * VALUE_BYTES)} in ${seconds.toFixed(1)} s, ${mega(fits)}`,
  )
}

/** Throws unless every pod runs on, within its limit, sees all others, and, if `evicting`, has evicted. */
async function requireFull({ note }: Context, kube: Kube, when: string, evicting: boolean = true): Promise<readonly Fullness[]> {
  const all = await fullness(kube)
  note(
    `megabytes of the store and of the process, by pod, ${when}`,
    all.map((one) => `${mega(one.bytes)}/${mega(one.residentBytes)}`).join(', '),
  )
  note(`evictions ${when}`, all.map(({ evictions }) => evictions).join(', '))
  for (const { pod, alive, bytes, limitBytes, evictions } of all) {
    const restarts = await kube.restarts(pod)
    if (restarts !== 0) throw new Error(`${pod} was restarted ${restarts} times ${when}`)
    if (alive !== all.length) throw new Error(`${pod} sees ${alive} members alive ${when}`)
    if (bytes > limitBytes) throw new Error(`${pod} holds ${bytes} bytes ${when}, and its limit is ${limitBytes}`)
    if (evicting && evictions === 0) throw new Error(`${pod} evicted nothing ${when}`)
  }
  return all
}

async function fullness(kube: Kube): Promise<readonly Fullness[]> {
  return Promise.all(
    (await kube.pods()).map(async (pod) => {
      const metrics = await kube.metrics(pod)
      const figure = (name: string, labels?: string) => {
        const value = metricOf(metrics, name, labels)
        if (value === null) throw new Error(`${pod} does not say ${name}`)
        return value
      }
      return {
        pod,
        alive: figure('jackdaw_members', 'state="alive"'),
        changes: figure('jackdaw_member_changes_total'),
        entries: figure('jackdaw_entries'),
        evictions: figure('jackdaw_evictions_total'),
        bytes: figure('jackdaw_memory_bytes'),
        limitBytes: figure('jackdaw_memory_limit_bytes'),
        residentBytes: figure('jackdaw_process_resident_memory_bytes'),
      }
    }),
  )
}

function fillingAt(i: number): string {
  return `${i}:`.padEnd(VALUE_BYTES, `${i.toString(36)} abcdefghij`)
}

function mega(bytes: number): number {
  return Math.round(bytes / 1_000_000)
}
