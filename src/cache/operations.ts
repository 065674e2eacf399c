/**
 * Operations: what is done to one key at the member that executes its slot. Synchronous, on the store and the stream alone.
 *
 * A table by code says how to run an operation and whether it may be sent twice when its answer was lost. Frames carry the resulting entry, never
 * the operation, so a follower decides nothing.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import { Entry, NEVER, VALUE_STRING } from '../lib/entry.ts'
import type { ErrorCode } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Store } from '../store/index.ts'
import type { Authority } from './authority.ts'
import { OPERATION_DELETE, OPERATION_GET, OPERATION_SET, type Operation } from './messages.ts'

export interface Outcome {
  /** `null`: done. */
  error: ErrorCode | null
  /** Whether the key had a live value before. */
  existed: boolean
  /** The live entry of a get; a window into the store. */
  entry: Entry | null
}

interface OperationRow {
  readonly name: string
  /** May be sent again when it is not known whether it was executed. */
  readonly repeatable: boolean
  readonly run: (operations: Operations, operation: Operation, slot: number) => Outcome
}

const ROWS = new Map<number, OperationRow>([
  [OPERATION_GET, { name: 'get', repeatable: true, run: (operations, { key }) => operations.get(key, 0, key.length) }],
  [OPERATION_SET, { name: 'set', repeatable: true, run: (operations, operation, slot) => operations.set(operation, slot) }],
  [OPERATION_DELETE, { name: 'delete', repeatable: true, run: (operations, { key }, slot) => operations.delete(key, slot) }],
])

export function operationRow(code: number): OperationRow | undefined {
  return ROWS.get(code)
}

export class Operations {
  readonly #store: Store
  readonly #authority: Authority
  readonly #hybrid: HybridClock
  readonly #name: () => string
  readonly #found = new Entry()
  readonly #written = new Entry()
  /** Reused: read it before the next operation. */
  readonly #outcome: Outcome = { error: null, existed: false, entry: null }

  constructor(store: Store, authority: Authority, hybrid: HybridClock, name: () => string) {
    this.#store = store
    this.#authority = authority
    this.#hybrid = hybrid
    this.#name = name
  }

  get(key: Buffer, start: number, end: number): Outcome {
    const hit = this.#store.get(key, start, end, this.#hybrid.physicalMs(), this.#found)
    return this.#done(null, hit, hit ? this.#found : null)
  }

  set(operation: Operation, slot: number): Outcome {
    const nowMs = this.#hybrid.physicalMs()
    const entry = this.#written
    entry.tombstone = false
    entry.kind = operation.kind
    entry.expiresAtMs = operation.ttlMs === null ? NEVER : Math.ceil(nowMs + operation.ttlMs)
    entry.setKey(operation.key).setValue(operation.value)
    return this.#write(entry, slot, nowMs)
  }

  delete(key: Buffer, slot: number): Outcome {
    const entry = this.#written
    entry.tombstone = true
    entry.kind = VALUE_STRING
    entry.expiresAtMs = NEVER
    entry.setKey(key).setValue(NO_BYTES)
    return this.#write(entry, slot, this.#hybrid.physicalMs())
  }

  /** Gives the entry a version above what it replaces. Deleting what is not there writes nothing. */
  #write(entry: Entry, slot: number, nowMs: number): Outcome {
    const found = this.#found
    const known = this.#store.peek(entry.key, entry.keyStart, entry.keyEnd, found)
    const existed = known && !found.tombstone && !found.isExpired(nowMs)
    if (entry.tombstone && !existed) return this.#done(null, false, null)
    const stamp = known ? this.#hybrid.nextAbove(found) : this.#hybrid.next()
    entry.setVersion(stamp.ms, stamp.counter, this.#name())
    const outcome = this.#authority.write(entry, slot)
    return this.#done(outcome === 'full' ? 'OUT_OF_MEMORY' : null, existed, null)
  }

  #done(error: ErrorCode | null, existed: boolean, entry: Entry | null): Outcome {
    this.#outcome.error = error
    this.#outcome.existed = existed
    this.#outcome.entry = entry
    return this.#outcome
  }
}
