/**
 * Operation: what a face asks to be done with one key, whoever serves it. One shape for all of them, so that a hot path fills the same object again
 * and again: the cache copies what it has to keep before `execute` returns.
 *
 * An operation is atomic. What it changes gets one version; conditions are judged where the key is executed, at the moment it is.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import type { Entry } from '../lib/entry.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { Item, VALUE_STRING } from '../lib/item.ts'
import { slotOf } from '../lib/slot.ts'

/** The entry, counted as a use for eviction; see `HEAD` and `UNTOUCHED`. */
export const OPERATION_GET = 1
/** Stores `value` as `kind`, with the expiry and under the condition given; `WANT_OLD` answers the entry it replaced. */
export const OPERATION_SET = 2
/** `WANT_OLD` answers the entry that went. Deleting what is not there writes nothing. */
export const OPERATION_DELETE = 3
/** Gives the entry another expiry, or takes it away (`EXPIRY_NONE`). An expiry that has passed deletes the key. `WANT_OLD` answers the entry as it was. */
export const OPERATION_EXPIRE = 4
/** Adds the decimal integer in `value` to the integer stored (none: 0), both of 64 bits. Leaves a JSON number, keeps the expiry, answers the entry. */
export const OPERATION_INCREMENT = 5
/** The same with decimal fractions, in the arithmetic of 80-bit floating point that Redis has. */
export const OPERATION_INCREMENT_FLOAT = 6
/** Adds `value` at the end of what is stored; the result is a string and keeps the expiry. */
export const OPERATION_APPEND = 7
/** Overwrites from byte `offset` on, filling a gap with zero bytes; the result is a string and keeps the expiry. An empty `value` changes nothing. */
export const OPERATION_SET_RANGE = 8
/** Moves the entry to the key in `value`, with its expiry; `IF_ABSENT` asks for that key to be free. `KEY_NOT_FOUND` where there is nothing to move. */
export const OPERATION_RENAME = 9
/** As RENAME, but the entry stays, and where there is none nothing is written. */
export const OPERATION_COPY = 10
/**
 * For transactions: asks that the key is free (`IF_ABSENT`) or as a read said it was (`IF_UNCHANGED`). Where it is not, `written` is false and the
 * next `offset` operations of the transaction are left out.
 */
export const OPERATION_REQUIRE = 11
/** What the store knows of the entry: `length` is the memory that it takes, with `idleMs` and `frequency`. No use for eviction. */
export const OPERATION_DESCRIBE = 12

/** What becomes of the expiry. */
export const EXPIRY_NONE = 0
/** As it was; none for a new key. */
export const EXPIRY_KEEP = 1
/** `expiryMs` from now, by the clock of whoever executes it. */
export const EXPIRY_IN = 2
/** At `expiryMs`, milliseconds since 1970. */
export const EXPIRY_AT = 3
/** No expiry is later: milliseconds since 1970 have 48 bits where entries are stored and sent, and half of that is the year 6429. */
export const MAX_EXPIRY_MS = 2 ** 47
export type ExpiryMode = typeof EXPIRY_NONE | typeof EXPIRY_KEEP | typeof EXPIRY_IN | typeof EXPIRY_AT

/** Under which condition a write happens. Not met: nothing is written, the outcome says so, and that is no error. */
export const ALWAYS = 0
export const IF_ABSENT = 1
export const IF_PRESENT = 2
/** The entry has exactly the version in `ms`, `counter`, `writer`. */
export const IF_VERSION = 3
/** There is none, or it has another version. */
export const UNLESS_VERSION = 4
/** For EXPIRE: it has no expiry; it has one; the new one is later; the new one is earlier. Without an expiry it counts as infinitely late. */
export const IF_LASTING = 5
export const IF_EXPIRING = 6
export const IF_LATER = 7
export const IF_EARLIER = 8
/** It has an expiry, and the new one is earlier. */
export const IF_EXPIRING_AND_EARLIER = 9
/**
 * For REQUIRE: a read would answer the version in `ms`, `counter`, `writer`, and find the key live if and only if the flag `WAS_LIVE` is set. Of what
 * was not live, the version may have been forgotten since.
 */
export const IF_UNCHANGED = 10

/** Flags. */
export const WANT_OLD = 1
/** The answer's entry comes without its value; `length` says how long that is. */
export const HEAD = 2
/** Reading counts as no use for eviction. */
export const UNTOUCHED = 4
export const WAS_LIVE = 8

/** When a write is answered: once its primary has it, once one replica has it too, or once all replicas that are there have it. */
export const ACK_LOCAL = 0
export const ACK_REPLICA = 1
export const ACK_ALL = 2
export type AckMode = typeof ACK_LOCAL | typeof ACK_REPLICA | typeof ACK_ALL

/** No read allows more: what is older than that is not worth an answer. */
export const MAX_STALE_MS = 86_400_000

/** The version is the one that a condition names. */
export class Operation extends Item {
  code = OPERATION_GET
  flags = 0
  condition = ALWAYS
  expiry: ExpiryMode = EXPIRY_NONE
  expiryMs = 0
  ack: AckMode = ACK_LOCAL
  offset = 0
  /** Of one that writes nothing: a copy that was as its primary so many ms ago, at most, may answer. 0: the primary alone. */
  maxStaleMs = 0

  /** Begins anew: everything but the code has its default. */
  reset(code: number): this {
    this.code = code
    this.flags = 0
    this.condition = ALWAYS
    this.expiry = EXPIRY_NONE
    this.expiryMs = 0
    this.ack = ACK_LOCAL
    this.kind = VALUE_STRING
    this.offset = 0
    this.maxStaleMs = 0
    return this.setKey(NO_BYTES).setValue(NO_BYTES).setVersion(0, 0, '')
  }

  setExpiry(expiry: ExpiryMode, expiryMs: number = 0): this {
    this.expiry = expiry
    this.expiryMs = expiryMs
    return this
  }

  /** An independent copy with bytes of its own. */
  copy(): Operation {
    const copy = new Operation().reset(this.code).setExpiry(this.expiry, this.expiryMs).setVersion(this.ms, this.counter, this.writer)
    copy.flags = this.flags
    copy.condition = this.condition
    copy.ack = this.ack
    copy.kind = this.kind
    copy.offset = this.offset
    copy.maxStaleMs = this.maxStaleMs
    return copy.setKey(Buffer.from(this.keyBytes())).setValue(Buffer.from(this.valueBytes()))
  }
}

/** What an operation did. Reused: it is to be read before the callback returns and before the next call to the cache. */
export interface Outcome {
  /** `null`: done. Else nothing was changed. */
  readonly error: ErrorCode | null
  /** Whether the key had a live entry before. */
  readonly existed: boolean
  /** Whether something was written. False when a condition was not met, and for what changes nothing. */
  readonly written: boolean
  /** The entry asked for; `null` when there is none. May be read until the callback returns. */
  readonly entry: Entry | null
  /** Of the value as it is after the operation, in bytes; 0 without one. */
  readonly length: number
  /** Of DESCRIBE: since its last use, and how often it was used as the eviction policy counts; -1 when the policy does not keep it. */
  readonly idleMs: number
  readonly frequency: number
  /**
   * The version of the key after the operation, a deleted key's included; `ms` 0 when nothing is known of it. With `existed` it tells whether a key
   * has changed since: see `IF_UNCHANGED`. Of a GET only with the flag `HEAD` or `UNTOUCHED`, or when it found something.
   */
  readonly ms: number
  readonly counter: number
  readonly writer: string
}

/** A copy that outlives the call, with bytes of its own. */
export function saveOutcome(outcome: Outcome): Outcome {
  const { error, existed, written, entry, length, idleMs, frequency, ms, counter, writer } = outcome
  return { error, existed, written, entry: entry === null ? null : entry.copy(), length, idleMs, frequency, ms, counter, writer }
}

/** How one kind of operation is treated. */
export interface OperationRow {
  readonly name: string
  readonly writes: boolean
  /** May be sent again when it is not known whether it was executed: what it leaves is the same, whatever was there before and came in between. */
  readonly repeatable: boolean
  /** `value` names a second key. */
  readonly twoKeys: boolean
}

const ROWS: readonly (OperationRow | undefined)[] = [
  undefined,
  row('get', { writes: false, repeatable: true }),
  row('set', { repeatable: true }),
  row('delete', { repeatable: true }),
  row('expire', {}),
  row('increment', {}),
  row('increment-float', {}),
  row('append', {}),
  row('set-range', {}),
  row('rename', { twoKeys: true }),
  row('copy', { twoKeys: true }),
  row('require', { writes: false, repeatable: true }),
  row('describe', { writes: false, repeatable: true }),
]

/** `undefined` for a code that is not known here. */
export function operationRow(code: number): OperationRow | undefined {
  return ROWS[code]
}

/**
 * Whether it may be executed again, and leaves the same: a read, a plain SET, a DELETE. A conditional write, or one that answers what it replaced, tells
 * another story the second time, and so does a DELETE that finds nothing: who repeats it has to see to that.
 */
export function isRepeatable(operation: Operation): boolean {
  const known = ROWS[operation.code]
  if (known === undefined || !known.writes) return true
  if (operation.expiry === EXPIRY_KEEP) return false
  return known.repeatable && operation.condition === ALWAYS && (operation.flags & WANT_OLD) === 0
}

function row(name: string, { writes = true, repeatable = false, twoKeys = false }: Partial<OperationRow>): OperationRow {
  return { name, writes, repeatable, twoKeys }
}

/** A peer names the slot that it has found; a write under a wrong one would be lost. */
export function belongs({ key, keyStart, keyEnd, value, valueStart, valueEnd }: Operation, slot: number, twoKeys: boolean): boolean {
  return slotOf(key, keyStart, keyEnd) === slot && (!twoKeys || slotOf(value, valueStart, valueEnd) === slot)
}
