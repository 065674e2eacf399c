/**
 * What fortio reads and writes: keys of several sizes, so that small and large answers, different slots and different primaries are all under load.
 */
import type { Target } from './fortio.ts'
import { keyAt } from './key-set.ts'

const SIDE_CALLS_PER_SECOND = 250
/** A number, and strings of some 90, 80 (under a key with slashes and letters beyond ASCII), 1,000 and 15,000 characters. */
const READ = [7, 100, 99, 93, 13].map((i) => ({ path: `get/${encodeURIComponent(keyAt(i))}` }))
/** Characters of a value, and pairs of a body. */
const WRITTEN = [
  [1, 10],
  [1, 100],
  [3, 100],
  [1, 2_000],
  [10, 300],
] as const

export const READS: Target = { name: 'GET /get/{key}', parts: READ }

/** Reads beside something else, at half the rate; `name` is what the report calls them. */
export function sideReads(name: string, host?: string): Target {
  return { ...READS, name, callsPerSecond: SIDE_CALLS_PER_SECOND, ...(host === undefined ? {} : { host }) }
}

export const WRITES: Target = {
  name: 'POST /set',
  parts: WRITTEN.map(([pairs, size], part) => {
    const entries = Array.from({ length: pairs }, (_, i) => [`written-under-load-${part}-${i}`, `${part}${i}`.padEnd(size, 'v')])
    return { path: 'set', body: JSON.stringify(Object.fromEntries(entries)) }
  }),
}
export const LIST: Target = { name: 'GET /', parts: [{ path: '' }] }
