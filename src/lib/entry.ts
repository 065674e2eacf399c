/**
 * Entry: one key and all that belongs to it, as a window into bytes that somebody else owns.
 *
 * It is the one shape in which entries pass between the rooms: the store fills one when it is read, a frame decoder fills one from the bytes
 * that came, and whoever receives it reads it before the next call and keeps nothing. One object is used again and again, so the paths that
 * carry every request allocate none.
 */
import { NO_BYTES } from './bytes.ts'

/** What the value's bytes are. */
export const VALUE_STRING = 0
export const VALUE_JSON = 1
export type ValueKind = typeof VALUE_STRING | typeof VALUE_JSON

/** `expiresAtMs` of an entry that does not expire. */
export const NEVER = 0

export class Entry {
  key: Buffer = NO_BYTES
  keyStart = 0
  keyEnd = 0
  value: Buffer = NO_BYTES
  valueStart = 0
  valueEnd = 0
  kind: ValueKind = VALUE_STRING
  /** The entry says that the key was deleted; its value is empty. */
  tombstone = false
  /** Milliseconds since 1970 at which the entry ceases to exist; `NEVER` (0) for one that does not. */
  expiresAtMs: number = NEVER
  /** The version: see `version.ts`. An `Entry` is a `Version`. */
  ms = 0
  counter = 0
  writer = ''

  /** Key and value together. */
  get bytes(): number {
    return this.keyEnd - this.keyStart + this.valueEnd - this.valueStart
  }

  setKey(bytes: Buffer, start: number = 0, end: number = bytes.length): this {
    this.key = bytes
    this.keyStart = start
    this.keyEnd = end
    return this
  }

  setValue(bytes: Buffer, start: number = 0, end: number = bytes.length): this {
    this.value = bytes
    this.valueStart = start
    this.valueEnd = end
    return this
  }

  setVersion(ms: number, counter: number, writer: string): this {
    this.ms = ms
    this.counter = counter
    this.writer = writer
    return this
  }

  /** A view that lives as long as the owner of the bytes lets it. */
  keyBytes(): Buffer {
    return this.key.subarray(this.keyStart, this.keyEnd)
  }

  valueBytes(): Buffer {
    return this.value.subarray(this.valueStart, this.valueEnd)
  }

  /** An independent copy with bytes of its own. */
  copy(): Entry {
    const copy = new Entry().setVersion(this.ms, this.counter, this.writer)
    copy.kind = this.kind
    copy.tombstone = this.tombstone
    copy.expiresAtMs = this.expiresAtMs
    return copy.setKey(Buffer.from(this.keyBytes())).setValue(Buffer.from(this.valueBytes()))
  }

  /** True once `nowMs` (milliseconds since 1970) has reached the expiry. */
  isExpired(nowMs: number): boolean {
    return this.expiresAtMs !== NEVER && this.expiresAtMs <= nowMs
  }
}
