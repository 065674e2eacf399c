/**
 * Ten thousand keys whose values can be told from their number alone: sizes from nothing to 64 KiB, mostly small, about 28 MB in all. Every
 * hundredth key is awkward (slashes, a space, letters beyond ASCII), every tenth value is not a string.
 */
import type { IngressClient } from './ingress-client.ts'

export const KEY_COUNT = 10_000
const IN_PARALLEL = 12
const BATCH_BYTES = 256 * 1024
const SHOWN = 5
const BULK_BYTES = 64 * 1024

interface Verdict {
  readonly checked: number
  /** Keys that the cache says it does not have. */
  readonly missing: number
  /** One sentence for each other key that is not as it was written. */
  readonly wrong: readonly string[]
}

export function keyAt(i: number): string {
  const number = String(i).padStart(5, '0')
  return i % 100 === 99 ? `dir/é ${number}/ü` : `key-${number}`
}

function valueAt(i: number): unknown {
  if (i % 20 === 7) return i / 2
  if (i % 20 === 17) return { whole: i, list: [null, true, 'é'] }
  const size = sizeAt(i)
  return `${i}:`.padEnd(size, `${i.toString(36)} ✓ abcdefghij`).slice(0, size)
}

/** In characters: sixty in a hundred up to 100, then up to 2 Ki, 16 Ki, 64 Ki. */
function sizeAt(i: number): number {
  const share = (i * 61) % 100
  const spread = (i * 7919) % 1000
  if (share < 60) return spread % 101
  if (share < 85) return 100 + spread * 2
  if (share < 98) return 2_000 + spread * 14
  return 16_000 + Math.floor(spread * 49.536)
}

/** Writes all of them in batches. Throws on the first answer that is not 200. */
export async function writeKeys(client: IngressClient): Promise<void> {
  const batches = splitIntoBatches()
  await each(batches, async (pairs) => {
    const { status, body } = await client.set(pairs)
    if (status !== 200) throw new Error(`POST /set of ${Object.keys(pairs).length} pairs: ${status} ${body.slice(0, 300)}`)
  })
}

/** Reads every key and compares. */
async function verifyKeys(client: IngressClient): Promise<Verdict> {
  const wrong: string[] = []
  let missing = 0
  await each(
    Array.from({ length: KEY_COUNT }, (_, i) => i),
    async (i) => {
      const { status, body } = await client.getKey(keyAt(i))
      if (status === 404) missing++
      else if (status !== 200) wrong.push(`${keyAt(i)}: ${status} ${body.slice(0, 100)}`)
      else if (!isValue(body, valueAt(i))) wrong.push(`${keyAt(i)}: another value, ${body.length} characters: ${body.slice(0, 60)}`)
    },
  )
  return { checked: KEY_COUNT, missing, wrong }
}

/** Throws unless every key reads back as it was written. */
export async function requireKeys(client: IngressClient, when: string): Promise<number> {
  const { checked, missing, wrong } = await verifyKeys(client)
  if (missing + wrong.length > 0) {
    throw new Error(`of ${checked} keys ${missing} are missing and ${wrong.length} wrong ${when}:\n${wrong.slice(0, SHOWN).join('\n')}`)
  }
  return checked
}

/** How many are missing. Throws when one that is there is not as it was written. */
export async function countMissingKeys(client: IngressClient, when: string): Promise<number> {
  const { checked, missing, wrong } = await verifyKeys(client)
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${checked} keys are wrong ${when}:\n${wrong.slice(0, SHOWN).join('\n')}`)
  return missing
}

/** Large keys beside the others, 64 KiB each: a pod that has to fetch many of them is busy for a while. */
export async function writeBulk(client: IngressClient, count: number): Promise<void> {
  await each(
    Array.from({ length: count }, (_, i) => i),
    async (i) => {
      const { status, body } = await client.set({ [`bulk-${i}`]: bulkAt(i) })
      if (status !== 200) throw new Error(`POST /set of bulk-${i}: ${status} ${body.slice(0, 300)}`)
    },
  )
}

/** Throws unless every one of them reads back as it was written. */
export async function requireBulk(client: IngressClient, count: number, when: string): Promise<number> {
  const wrong: string[] = []
  await each(
    Array.from({ length: count }, (_, i) => i),
    async (i) => {
      const { status, body } = await client.getKey(`bulk-${i}`)
      if (status !== 200 || !isValue(body, bulkAt(i))) wrong.push(`bulk-${i}: ${status} ${body.slice(0, 60)}`)
    },
  )
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${count} large keys are wrong ${when}:\n${wrong.slice(0, SHOWN).join('\n')}`)
  return count
}

function bulkAt(i: number): string {
  return `${i}:`.padEnd(BULK_BYTES, `${i.toString(36)} abcdefghij`)
}

function isValue(body: string, value: unknown): boolean {
  try {
    return JSON.stringify(JSON.parse(body)) === JSON.stringify(value)
  } catch {
    return false
  }
}

function splitIntoBatches(): Record<string, unknown>[] {
  const batches: Record<string, unknown>[] = []
  let batch: Record<string, unknown> = {}
  let bytes = 0
  for (let i = 0; i < KEY_COUNT; i++) {
    const value = valueAt(i)
    batch[keyAt(i)] = value
    bytes += JSON.stringify(value).length
    if (bytes < BATCH_BYTES && i < KEY_COUNT - 1) continue
    batches.push(batch)
    batch = {}
    bytes = 0
  }
  return batches
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: IN_PARALLEL }, worker))
}
