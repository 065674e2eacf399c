/**
 * The cache as the faces see it: keys in, entries out, wherever they live. A face knows nothing else.
 *
 * Answers come by callback, at once (inside the call) when the slot is served here and later when it was forwarded or had to wait: so a hot
 * path makes no promise. An `Entry` in an answer may be read until the callback returns. Every call is answered exactly once, with an error
 * from lib/errors.ts in the worst case, within `forwardTimeoutMs` and the time the network takes.
 *
 * Limits on keys and values are checked here, so that all faces have the same: a request that is refused has changed nothing.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Entry, ValueKind } from '../lib/entry.ts'
import type { CacheError } from '../lib/errors.ts'

/** `entry` is `null` on a miss, and on an error. */
export type GetDone = (error: CacheError | null, entry: Entry | null) => void
export type WriteDone = (error: CacheError | null, result: WriteResult | null) => void

export interface WriteResult {
  /** Whether the key had a live value before. */
  readonly existed: boolean
}

export interface SetRequest {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: ValueKind
  /** Time to live in ms; `null` for one that does not expire. */
  readonly ttlMs: number | null
}

export interface SetManyResult {
  readonly set: number
  /** Keys that could not be written, in request order, and the first reason. Empty when all is well. */
  readonly failed: readonly Buffer[]
  readonly error: CacheError | null
}

export interface ScanQuery {
  readonly prefix: Bytes
  readonly suffix: Bytes
  /** Only keys above this one in byte order. */
  readonly after: Bytes | null
  /** False: keys only, the entries' values are empty. */
  readonly values: boolean
}

export interface ScanPage {
  /** Ascending by key, and above all earlier pages. The entries are the receiver's to keep. */
  readonly entries: readonly Entry[]
  /** True for the last page. */
  readonly done: boolean
}

/** One walk over all keys of the cluster in byte order; every key that stays is met exactly once, also while slots move. */
export interface Scan {
  /** One page at a time: not to be called again before `done` was. */
  next(done: (error: CacheError | null, page: ScanPage | null) => void): void
  /** The walk is abandoned; a `next` under way is not answered. */
  close(): void
}

export interface Limits {
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
}

export interface Cache {
  readonly limits: Limits
  get(key: Buffer, start: number, end: number, done: GetDone): void
  set(request: SetRequest, done: WriteDone): void
  /** Checks all before it writes any; then each is written by itself, and a failure of one does not undo the others. */
  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void
  delete(key: Buffer, start: number, end: number, done: WriteDone): void
  scan(query: ScanQuery): Scan
}
