/**
 * Batch: how the operations that one turn of the event loop has for one peer travel, as one call, and how they are answered.
 *
 *     call      u16 n | n x (u16 slot | operation, as in a call of kind 20)
 *     answer    n x (u8 how | what follows it), in the order of the call
 *       0 done      outcome, as in the answer of kind 20
 *       1 value     u8 flags (1 JSON, 4 expires) | stamp | text writer | [u48 expiry, ms since 1970] | u32 length | value: a get that found something
 *       2 refused   as in the answer of kind 20
 *       3 error     as in the answer of kind 20
 *       4 alone     not begun here: it is to be asked for by itself
 *
 * Bytes after these are ignored. Who does not know the kind answers a failure, and has executed nothing.
 */
import type { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { Entry, NEVER, VALUE_JSON, VALUE_STRING } from '../lib/entry.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { NameMemory } from '../lib/name-memory.ts'
import { encodeStamp } from '../lib/stamp-codec.ts'
import { encodeTerm, type Term } from '../placement/index.ts'
import { ANSWER_DONE, ANSWER_ERROR, ANSWER_REFUSED, EXISTED, readOutcome, WRITTEN, writeOutcome } from './messages.ts'
import { OPERATION_GET, type Operation, type Outcome } from './operation.ts'

/** Call: do these at the primary of their slots, each by itself, in order. */
export const KIND_BATCH = 30

/** Of one call. */
export const MAX_BATCH_OPERATIONS = 2048

export const ANSWER_VALUE = 1
export const ANSWER_ALONE = 4

const JSON_VALUE = 1
const EXPIRES = 4

export function writeAnswer(writer: ByteWriter, operation: Operation, outcome: Outcome): void {
  const { entry } = outcome
  // The flags of a get are those that leave something out of its answer, or tell more.
  if (entry === null || operation.code !== OPERATION_GET || operation.flags !== 0) {
    writeOutcome(writer.u8(ANSWER_DONE), outcome)
    return
  }
  const expires = entry.expiresAtMs !== NEVER
  writer.u8(ANSWER_VALUE).u8((entry.kind === VALUE_JSON ? JSON_VALUE : 0) | (expires ? EXPIRES : 0))
  encodeStamp(writer, entry).text(entry.writer)
  if (expires) writer.u48(entry.expiresAtMs)
  writer.block(entry.value, entry.valueStart, entry.valueEnd)
}

export function writeRefusal(writer: ByteWriter, term: Term | null): void {
  writer.u8(ANSWER_REFUSED).u8(term === null ? 0 : 1)
  if (term !== null) encodeTerm(writer, term)
}

export function writeError(writer: ByteWriter, code: ErrorCode, message: string): void {
  writer.u8(ANSWER_ERROR).text(code).block(Buffer.from(message))
}

/**
 * The outcome of an operation of a batch, read from what follows the first byte of its answer. One is filled again and again; it is valid until the next,
 * and no longer than the bytes it was read from.
 */
export class BatchOutcome implements Outcome {
  error: ErrorCode | null = null
  existed = false
  written = false
  entry: Entry | null = null
  idleMs = -1
  frequency = -1
  length = 0
  ms = 0
  counter = 0
  writer = ''
  readonly #value = new Entry()
  readonly #writers = new NameMemory()

  /** After `ANSWER_VALUE`; `key[keyStart, keyEnd)` is what was asked for. */
  readValue(reader: ByteReader, key: Buffer, keyStart: number, keyEnd: number): this {
    const entry = this.#value
    this.#clear()
    const flags = reader.u8()
    this.existed = true
    this.#readVersion(reader)
    entry.setVersion(this.ms, this.counter, this.writer)
    entry.kind = (flags & JSON_VALUE) !== 0 ? VALUE_JSON : VALUE_STRING
    entry.expiresAtMs = (flags & EXPIRES) !== 0 ? reader.u48() : NEVER
    const length = reader.u32()
    const start = reader.skip(length)
    this.entry = entry.setKey(key, keyStart, keyEnd).setValue(reader.buffer, start, start + length)
    this.length = length
    return this
  }

  /** After `ANSWER_DONE`. */
  readDone(reader: ByteReader): Outcome {
    const bits = reader.peek()
    if (bits !== (bits & (EXISTED | WRITTEN))) return readOutcome(reader)
    reader.skip(1)
    this.#clear()
    this.existed = (bits & EXISTED) !== 0
    this.written = (bits & WRITTEN) !== 0
    this.length = reader.u32()
    this.#readVersion(reader)
    return this
  }

  #readVersion(reader: ByteReader): void {
    this.ms = reader.u48()
    this.counter = reader.u16()
    const length = reader.u8()
    this.writer = this.#writers.nameAt(reader.buffer, reader.skip(length), length)
  }

  #clear(): void {
    this.written = false
    this.entry = null
  }
}
