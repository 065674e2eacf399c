/**
 * Item: a key, a value and a version, as windows into bytes that somebody else owns. What an entry and an operation on one have in common.
 *
 * One object is pointed at other bytes again and again, so the paths that carry every request allocate none.
 */
import { NO_BYTES } from './bytes.ts'

/** What the value's bytes are. */
export const VALUE_STRING = 0
export const VALUE_JSON = 1
export type ValueKind = typeof VALUE_STRING | typeof VALUE_JSON

export abstract class Item {
  key: Buffer = NO_BYTES
  keyStart = 0
  keyEnd = 0
  value: Buffer = NO_BYTES
  valueStart = 0
  valueEnd = 0
  kind: ValueKind = VALUE_STRING
  /** A version: see `version.ts`. An `Item` is a `Version`. */
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
}
