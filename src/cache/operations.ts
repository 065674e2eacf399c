/**
 * Operations where they are executed: synchronous, on the store and the stream alone, at the member that serves the slot.
 *
 * Frames carry the resulting entry, never the operation, so a follower decides nothing. A write gets a version above that of what it replaces, above
 * all that this member gave, and above the floor of the last flush; writing nothing gives none.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import { Entry, NEVER, VALUE_JSON, VALUE_STRING, type ValueKind } from '../lib/entry.ts'
import type { ErrorCode } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { Place } from '../lib/place.ts'
import { slotOf } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import { answerBytes, type LengthOf } from './answer-size.ts'
import type { Authority } from './authority.ts'
import { addFloat, addInteger } from './numbers.ts'
import {
  ALWAYS,
  EXPIRY_IN,
  EXPIRY_KEEP,
  EXPIRY_NONE,
  HEAD,
  IF_ABSENT,
  IF_EARLIER,
  IF_EXPIRING,
  IF_EXPIRING_AND_EARLIER,
  IF_LASTING,
  IF_LATER,
  IF_PRESENT,
  IF_UNCHANGED,
  IF_VERSION,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_DESCRIBE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  type Outcome,
  UNLESS_VERSION,
  UNTOUCHED,
  WANT_OLD,
  WAS_LIVE,
} from './operation.ts'

class Result implements Outcome {
  error: ErrorCode | null = null
  existed = false
  written = false
  entry: Entry | null = null
  length = 0
  idleMs = -1
  frequency = -1
  ms = 0
  counter = 0
  writer = ''

  clear(): this {
    this.error = null
    this.existed = false
    this.written = false
    this.entry = null
    this.length = 0
    this.idleMs = -1
    this.frequency = -1
    this.ms = 0
    this.counter = 0
    this.writer = ''
    return this
  }

  versionOf({ ms, counter, writer }: Entry): this {
    this.ms = ms
    this.counter = counter
    this.writer = writer
    return this
  }
}

export class Operations {
  readonly #store: Store
  readonly #authority: Authority
  readonly #hybrid: HybridClock
  readonly #name: () => string
  readonly #maxValueBytes: number
  /** A window into the store: what is known of the key before the operation. */
  readonly #found = new Entry()
  /** The same of a second key. */
  readonly #other = new Entry()
  readonly #written = new Entry()
  readonly #result = new Result()
  /** Of the operation under way: is there a live entry? */
  #live = false
  #known = false
  #nowMs = 0
  readonly #place = new Place()

  constructor(store: Store, authority: Authority, hybrid: HybridClock, name: () => string, maxValueBytes: number) {
    this.#store = store
    this.#authority = authority
    this.#hybrid = hybrid
    this.#name = name
    this.#maxValueBytes = maxValueBytes
  }

  /** The hot half of `run(GET)`: `null` for a miss. */
  get(key: Buffer, start: number, end: number, slot: number): Outcome {
    const result = this.#result.clear()
    const found = this.#found
    if (!this.#store.get(key, start, end, this.#hybrid.physicalMs(), found, slot)) return result
    result.existed = true
    result.entry = found
    result.length = found.valueEnd - found.valueStart
    return result.versionOf(found)
  }

  /** Executes one operation; the outcome is valid until the next. Limits on keys and values that the asker gave have been checked. */
  run(operation: Operation, slot: number): Outcome {
    if (operation.code === OPERATION_GET) return this.#read(operation, slot)
    this.#result.clear()
    this.#look(operation.key, operation.keyStart, operation.keyEnd, slot)
    switch (operation.code) {
      case OPERATION_SET:
        return this.#set(operation, slot)
      case OPERATION_DELETE:
        return this.#delete(operation, slot)
      case OPERATION_EXPIRE:
        return this.#expire(operation, slot)
      case OPERATION_INCREMENT:
      case OPERATION_INCREMENT_FLOAT:
        return this.#increment(operation, slot)
      case OPERATION_APPEND:
        return this.#append(operation, slot)
      case OPERATION_SET_RANGE:
        return this.#setRange(operation, slot)
      case OPERATION_RENAME:
      case OPERATION_COPY:
        return this.#transfer(operation, slot)
      case OPERATION_REQUIRE:
        return this.#require(operation)
      case OPERATION_DESCRIBE:
        return this.#describe(operation)
      default:
        return this.#fail('INTERNAL')
    }
  }

  /** How long the answer to these may become at the most, before any of them is run. */
  answerBytes(list: readonly Operation[]): number {
    const found = this.#other
    const nowMs = this.#hybrid.physicalMs()
    const lengthOf: LengthOf = (key, start, end) => {
      const known = this.#store.peek(key, start, end, found)
      return known && !found.tombstone && !found.isExpired(nowMs) ? found.valueEnd - found.valueStart : 0
    }
    return answerBytes(list, lengthOf, this.#maxValueBytes)
  }

  #look(key: Buffer, start: number, end: number, slot: number): void {
    const found = this.#found
    this.#nowMs = this.#hybrid.physicalMs()
    this.#known = this.#store.peek(key, start, end, found, slot, this.#place)
    this.#live = this.#known && !found.tombstone && !found.isExpired(this.#nowMs)
    const result = this.#result
    result.existed = this.#live
    if (this.#known) result.versionOf(found)
    if (this.#live) result.length = found.valueEnd - found.valueStart
  }

  #read(operation: Operation, slot: number): Outcome {
    const { flags, key, keyStart, keyEnd } = operation
    if ((flags & (HEAD | UNTOUCHED)) === 0) return this.get(key, keyStart, keyEnd, slot)
    const result = this.#result.clear()
    this.#look(key, keyStart, keyEnd, slot)
    const found = this.#found
    if (!this.#live) return result
    if ((flags & UNTOUCHED) === 0) this.#store.get(key, keyStart, keyEnd, this.#nowMs, found)
    result.entry = found
    if ((flags & HEAD) !== 0) found.setValue(NO_BYTES)
    return result
  }

  #set(operation: Operation, slot: number): Outcome {
    const { flags, value, valueStart, valueEnd } = operation
    const old = (flags & WANT_OLD) !== 0 && this.#live ? this.#found.copy() : null
    if (operation.condition !== ALWAYS && !this.#holds(operation, NEVER)) return this.#unwritten(old)
    const expiresAtMs = this.#expiryOf(operation)
    if (this.#isPast(expiresAtMs)) return this.#bury(operation, slot, old)
    const entry = this.#written
    entry.setValue(value, valueStart, valueEnd)
    return this.#write(operation, slot, operation.kind, expiresAtMs, old)
  }

  #delete(operation: Operation, slot: number): Outcome {
    const old = (operation.flags & WANT_OLD) !== 0 && this.#live ? this.#found.copy() : null
    if (operation.condition !== ALWAYS && !this.#holds(operation, NEVER)) return this.#unwritten(old)
    return this.#bury(operation, slot, old)
  }

  #expire(operation: Operation, slot: number): Outcome {
    if (!this.#live) return this.#unwritten(null)
    const found = this.#found
    const old = (operation.flags & WANT_OLD) !== 0 ? found.copy() : null
    const expiresAtMs = this.#expiryOf(operation)
    if (expiresAtMs === found.expiresAtMs && expiresAtMs === NEVER) return this.#unwritten(old)
    if (operation.condition !== ALWAYS && !this.#holds(operation, expiresAtMs)) return this.#unwritten(old)
    if (this.#isPast(expiresAtMs)) return this.#bury(operation, slot, old)
    // What is read from the store must not lie in it while it is written.
    this.#written.setValue(Buffer.from(found.valueBytes()))
    return this.#write(operation, slot, found.kind, expiresAtMs, old)
  }

  #increment(operation: Operation, slot: number): Outcome {
    if (operation.condition !== ALWAYS && !this.#holds(operation, NEVER)) return this.#unwritten(null)
    const stored = this.#live ? this.#found.valueBytes() : null
    const add = operation.code === OPERATION_INCREMENT ? addInteger : addFloat
    const sum = add(stored, operation.value.subarray(operation.valueStart, operation.valueEnd))
    if (!Buffer.isBuffer(sum)) return this.#fail(sum)
    this.#written.setValue(sum)
    return this.#write(operation, slot, VALUE_JSON, this.#expiryKept(), this.#written)
  }

  #append(operation: Operation, slot: number): Outcome {
    if (operation.condition !== ALWAYS && !this.#holds(operation, NEVER)) return this.#unwritten(null)
    const { value, valueStart, valueEnd } = operation
    const stored = this.#live ? this.#found.valueBytes() : NO_BYTES
    if (stored.length + valueEnd - valueStart > this.#maxValueBytes) return this.#fail('VALUE_TOO_LARGE')
    this.#written.setValue(Buffer.concat([stored, value.subarray(valueStart, valueEnd)]))
    return this.#write(operation, slot, VALUE_STRING, this.#expiryKept(), null)
  }

  #setRange(operation: Operation, slot: number): Outcome {
    const { value, valueStart, valueEnd, offset } = operation
    if (valueEnd === valueStart) return this.#unwritten(null)
    if (operation.condition !== ALWAYS && !this.#holds(operation, NEVER)) return this.#unwritten(null)
    const end = offset + valueEnd - valueStart
    if (end > this.#maxValueBytes) return this.#fail('VALUE_TOO_LARGE')
    const stored = this.#live ? this.#found.valueBytes() : NO_BYTES
    const result = Buffer.alloc(Math.max(stored.length, end))
    stored.copy(result)
    value.copy(result, offset, valueStart, valueEnd)
    this.#written.setValue(result)
    return this.#write(operation, slot, VALUE_STRING, this.#expiryKept(), null)
  }

  /** RENAME and COPY: the second key is written first, so that what cannot be stored leaves the first one where it is. */
  #transfer(operation: Operation, slot: number): Outcome {
    const { value, valueStart, valueEnd, key, keyStart, keyEnd, condition } = operation
    if (!this.#live) return operation.code === OPERATION_RENAME ? this.#fail('KEY_NOT_FOUND') : this.#unwritten(null)
    const target = Buffer.from(value.subarray(valueStart, valueEnd))
    const other = this.#other
    const known = this.#store.peek(target, 0, target.length, other)
    const taken = known && !other.tombstone && !other.isExpired(this.#nowMs)
    if ((condition === IF_ABSENT && taken) || target.equals(key.subarray(keyStart, keyEnd))) return this.#unwritten(null)
    const source = this.#found.copy()
    const entry = this.#written
    entry.tombstone = false
    entry.outlived = false
    entry.kind = source.kind
    entry.expiresAtMs = source.expiresAtMs
    entry.setKey(target).setValue(source.value)
    // The asker has seen to it that both keys are of one slot, or that all slots are served here.
    if (!this.#put(entry, known ? other : null, slotOf(target, 0, target.length))) return this.#fail('OUT_OF_MEMORY')
    if (operation.code === OPERATION_COPY) {
      this.#result.written = true
      return this.#result
    }
    // Storing may have evicted the source.
    this.#look(key, keyStart, keyEnd, slot)
    const outcome = this.#bury(operation, slot, null)
    this.#result.existed = true
    this.#result.written = true
    return outcome
  }

  #require(operation: Operation): Outcome {
    this.#result.written = this.#holds(operation, NEVER)
    return this.#result
  }

  #describe({ key, keyStart, keyEnd }: Operation): Outcome {
    const facts = this.#store.describe(key, keyStart, keyEnd, this.#nowMs)
    const result = this.#result
    if (!this.#live || facts === null) return result
    result.length = facts.bytes
    result.idleMs = facts.idleMs ?? -1
    result.frequency = facts.frequency ?? -1
    return result
  }

  /** `expiresAtMs`: the one that would be given. */
  #holds(operation: Operation, expiresAtMs: number): boolean {
    const { condition, flags } = operation
    const found = this.#found
    const live = this.#live
    const oldMs = lastingUntil(live ? found.expiresAtMs : NEVER)
    const newMs = lastingUntil(expiresAtMs)
    switch (condition) {
      case ALWAYS:
        return true
      case IF_ABSENT:
        return !live
      case IF_PRESENT:
        return live
      case IF_VERSION:
        return live && isVersion(found, operation)
      case UNLESS_VERSION:
        return !live || !isVersion(found, operation)
      case IF_LASTING:
        return live && found.expiresAtMs === NEVER
      case IF_EXPIRING:
        return live && found.expiresAtMs !== NEVER
      case IF_LATER:
        return live && newMs > oldMs
      case IF_EARLIER:
        return live && newMs < oldMs
      case IF_EXPIRING_AND_EARLIER:
        return live && found.expiresAtMs !== NEVER && newMs < oldMs
      case IF_UNCHANGED:
        if (live !== ((flags & WAS_LIVE) !== 0)) return false
        return !this.#known || isVersion(found, operation)
      default:
        return false
    }
  }

  #expiryKept(): number {
    return this.#live ? this.#found.expiresAtMs : NEVER
  }

  #expiryOf({ expiry, expiryMs }: Operation): number {
    if (expiry === EXPIRY_NONE) return NEVER
    if (expiry === EXPIRY_KEEP) return this.#expiryKept()
    // 0 would be no expiry.
    return Math.max(1, Math.ceil(expiry === EXPIRY_IN ? this.#nowMs + expiryMs : expiryMs))
  }

  #isPast(expiresAtMs: number): boolean {
    return expiresAtMs !== NEVER && expiresAtMs <= this.#nowMs
  }

  /** Leaves a tombstone where a live entry is, and nothing where none is. */
  #bury(operation: Operation, slot: number, old: Entry | null): Outcome {
    const result = this.#result
    result.length = 0
    if (!this.#live) {
      result.entry = old
      return result
    }
    const entry = this.#written
    entry.tombstone = true
    entry.kind = VALUE_STRING
    entry.expiresAtMs = NEVER
    entry.setKey(operation.key, operation.keyStart, operation.keyEnd).setValue(NO_BYTES)
    if (!this.#put(entry, this.#found, slot, this.#place)) return this.#fail('OUT_OF_MEMORY')
    result.written = true
    result.entry = old
    return result.versionOf(entry)
  }

  /** Writes `#written`, whose value is set, under the operation's key. */
  #write(operation: Operation, slot: number, kind: ValueKind, expiresAtMs: number, answer: Entry | null): Outcome {
    const entry = this.#written
    entry.tombstone = false
    entry.outlived = false
    entry.kind = kind
    entry.expiresAtMs = expiresAtMs
    entry.setKey(operation.key, operation.keyStart, operation.keyEnd)
    if (!this.#put(entry, this.#known ? this.#found : null, slot, this.#place)) return this.#fail('OUT_OF_MEMORY')
    const result = this.#result
    result.written = true
    result.entry = answer
    result.length = entry.valueEnd - entry.valueStart
    return result.versionOf(entry)
  }

  /** Gives the entry its version and stores it; false if there is no room. */
  #put(entry: Entry, replaced: Entry | null, slot: number, place?: Place): boolean {
    this.#hybrid.stamp(entry, this.#store.floor, replaced)
    entry.writer = this.#name()
    return this.#authority.write(entry, slot, place) !== 'full'
  }

  #unwritten(entry: Entry | null): Outcome {
    this.#result.entry = entry
    return this.#result
  }

  #fail(error: ErrorCode): Outcome {
    const result = this.#result
    result.error = error
    result.entry = null
    result.written = false
    return result
  }
}

function lastingUntil(expiresAtMs: number): number {
  return expiresAtMs === NEVER ? Number.POSITIVE_INFINITY : expiresAtMs
}

function isVersion(found: Entry, { ms, counter, writer }: Operation): boolean {
  return found.ms === ms && found.counter === counter && found.writer === writer
}
