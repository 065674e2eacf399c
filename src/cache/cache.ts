/**
 * The cache as the faces see it: keys in, entries out, wherever they live. A face knows nothing else.
 *
 * Answers come by callback, at once (inside the call) when the slot is served here and later when it was forwarded or had to wait: so a hot path
 * makes no promise. Every call is answered exactly once, with an error from lib/errors.ts in the worst case, within `forwardTimeoutMs` and the time
 * the network takes. An `Outcome` and its entry may be read until the callback returns, and not after another call to the cache.
 *
 * Limits on keys and values are checked here, so that all faces have the same: a request that is refused has changed nothing.
 *
 * Order: two operations on keys of one slot, the second asked for after the first was answered, are executed in that order. What is asked for while
 * another is still unanswered may be executed before it.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Entry, ValueKind } from '../lib/entry.ts'
import type { CacheError } from '../lib/errors.ts'
import type { RequestRun } from '../lib/request-run.ts'
import type { AckMode, Operation, Outcome } from './operation.ts'
import type { RunAnswers } from './plain-runs.ts'
import type { Topology } from './topology.ts'

export type { ClusterMember, ClusterReport, MemberReport, Picture, SlotRange, Topology } from './topology.ts'

/** Just one of the two is `null`. An outcome's own `error` is never set here: it has become the error. */
export type OutcomeDone = (error: CacheError | null, outcome: Outcome | null) => void

export interface SetRequest {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: ValueKind
  /** Time to live in ms; `null` for one that does not expire. */
  readonly ttlMs: number | null
  /** Default `ACK_LOCAL`. */
  readonly ack?: AckMode
}

export interface SetManyResult {
  readonly set: number
  /** Keys that could not be written, or not as safely as was asked, in request order, and the first reason. Empty when all is well. */
  readonly failed: readonly Buffer[]
  /** Those of `failed` that are written and were not confirmed in time. */
  readonly unconfirmed: readonly Buffer[]
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

/** A page of a walk in the order of slots. */
export interface SlotPage {
  /** The receiver's to keep; without values. */
  readonly entries: readonly Entry[]
  /** Where to go on; 0 at the end. */
  readonly cursor: number
}

export interface FlushResult {
  /** Members that did not answer: what they hold may come back. */
  readonly unreached: readonly string[]
}

/** Called for every message published on any member. The bytes are valid during the call. Answers how many subscribers got it. */
export type Subscriber = (channel: Buffer, message: Buffer) => number

export interface Limits {
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
}

export interface Cache {
  readonly limits: Limits

  /** Who is there and who serves what: for clients that go there by themselves, and for people. */
  readonly topology: Topology

  /** True while the cache is this one node: then nothing that spans keys is limited to a slot, and every call but `scan` answers at once. */
  readonly alone: boolean

  /** Milliseconds since 1970, by the clock that judges expiry here. */
  readonly nowMs: number

  /** Grows whenever a slot passes from one member to another, as far as is known here. */
  readonly holderVersion: number

  execute(operation: Operation, done: OutcomeDone): void

  /**
   * Executes plain reads and writes in order, as long as each is answered at once and without an error, and answers how many were. All their keys and
   * values are within the limits. What is not executed has changed nothing.
   */
  executeRun(run: RequestRun, answers: RunAnswers): number

  /**
   * Executes operations in order with nothing in between; those that fail by themselves (see `Outcome.error`) do not stop the others, and
   * `OPERATION_REQUIRE` leaves out such as depend on it. All keys are of one slot, unless the cache is one node: else `CROSS_SLOT`. `each` is called
   * for every operation that was not left out, in order, before `done`. An error means that nothing was executed, but for `OUTCOME_UNKNOWN` and
   * `NOT_CONFIRMED`. The acknowledgement that is waited for is the strongest that any of them asks for.
   */
  transact(
    operations: readonly Operation[],
    each: (index: number, outcome: Outcome) => void,
    done: (error: CacheError | null) => void,
  ): void

  /** Checks all before it writes any; then each is written by itself, and a failure of one does not undo the others. */
  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void

  scan(query: ScanQuery): Scan

  /**
   * A page of about `count` keys (1 to 100,000) in the order of slots, from `cursor` on: 0, or what an earlier page answered, on any member. A key
   * that stays is met exactly once on the way from 0 to 0, also while slots move. Cursors are whole numbers below 2^48.
   */
  scanSlots(cursor: number, count: number, done: (error: CacheError | null, page: SlotPage | null) => void): void

  /** How many keys there are, those that have expired unnoticed included. */
  size(done: (error: CacheError | null, keys: number) => void): void

  /** Any key, or `null` when there is none. */
  randomKey(done: (error: CacheError | null, key: Buffer | null) => void): void

  /** Removes every key that was written before. An error means that nothing was removed. */
  flush(done: (error: CacheError | null, result: FlushResult | null) => void): void

  /**
   * Delivers to the subscribers on every member, at most once, and answers how many got it. `PARTLY_PUBLISHED` when a member that is there could not be told,
   * or did not say that it was: some have the message, and its text says how many.
   */
  publish(channel: Buffer, message: Buffer, done: (error: CacheError | null, receivers: number) => void): void

  /**
   * Waits until everything written to these slots is held by `wanted` replicas beside the primary, or `timeoutMs` have passed; answers how many hold it of
   * the slot that has the fewest. At once, if there are so many already. `since`: what `holderVersion` was before the first of those writes was asked for. A
   * slot that has passed to another member after that may have lost it, and counts as held by none.
   */
  confirm(slots: Iterable<number>, since: number, wanted: number, timeoutMs: number, done: (replicas: number) => void): void

  /** Messages of all members come here. Answers a function that ends it. */
  subscribe(subscriber: Subscriber): () => void
}
