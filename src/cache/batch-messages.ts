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
import { NO_VALUE, type RequestRun, RUN_CAPACITY } from '../lib/request-run.ts'
import { slotOf } from '../lib/slot.ts'
import { encodeStamp } from '../lib/stamp-codec.ts'
import { encodeTerm, type Term } from '../placement/index.ts'
import { ANSWER_DONE, ANSWER_ERROR, ANSWER_REFUSED, EXISTED, readOutcome, WRITTEN, writeOutcome } from './messages.ts'
import { OPERATION_GET, OPERATION_SET, type Operation, type Outcome } from './operation.ts'
import type { RunAnswers } from './plain-runs.ts'

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
  writeValue(writer, entry)
}

function writeValue(writer: ByteWriter, entry: Entry): void {
  const expires = entry.expiresAtMs !== NEVER
  writer.u8(ANSWER_VALUE).u8((entry.kind === VALUE_JSON ? JSON_VALUE : 0) | (expires ? EXPIRES : 0))
  encodeStamp(writer, entry).text(entry.writer)
  if (expires) writer.u48(entry.expiresAtMs)
  writer.block(entry.value, entry.valueStart, entry.valueEnd)
}

/** The answers of a run of a batch: what the same operations would be answered one by one. */
export class BatchRunAnswers implements RunAnswers {
  writer: ByteWriter

  constructor(writer: ByteWriter) {
    this.writer = writer
  }

  bulk(_bytes: Buffer, _start: number, _end: number, entry: Entry): void {
    writeValue(this.writer, entry)
  }

  /** An outcome without a version: nothing is known of the key. */
  nil(): void {
    this.writer.u8(ANSWER_DONE).u8(0).u32(0).u48(0).u16(0).u8(0)
  }

  ok(written: Entry, existed: boolean): void {
    this.writer.u8(ANSWER_DONE).u8(WRITTEN | (existed ? EXISTED : 0))
    encodeStamp(this.writer.u32(written.valueEnd - written.valueStart), written).text(written.writer)
  }
}

/** Where an operation of a call has what, as `writeOperation` puts it there behind the slot, and where the key is of one that has nothing else. */
const CODE_AT = 2
const PRESENT_AT = 3
const KIND_AT = 4
const FLAGS_AT = 5
const CONDITION_AT = 6
const LENGTH_BYTES = 4
const PLAIN_KEY_AT = CONDITION_AT + 1 + LENGTH_BYTES

/**
 * Fills `run` with the operations that begin at `buffer[at]`, at most `count`, as far as they are reads and writes without any option of the slots that
 * they say. The first that is another, or is not whole, is left to `readOperation`. Returns how many.
 */
export function readRun(buffer: Buffer, at: number, count: number, run: RequestRun): number {
  const most = Math.min(count, RUN_CAPACITY)
  let i = 0
  for (; i < most; i++) {
    const keyAt = at + PLAIN_KEY_AT
    if (keyAt > buffer.length) break
    const code = buffer[at + CODE_AT] as number
    const writes = code === OPERATION_SET
    if (!writes && code !== OPERATION_GET) break
    const options = (buffer[at + PRESENT_AT] as number) | (buffer[at + FLAGS_AT] as number) | (buffer[at + CONDITION_AT] as number)
    if (options !== 0 || (writes && buffer[at + KIND_AT] !== VALUE_STRING)) break
    const keyEnd = keyAt + buffer.readUInt32BE(keyAt - LENGTH_BYTES)
    if (keyEnd + LENGTH_BYTES > buffer.length || buffer.readUInt16BE(at) !== slotOf(buffer, keyAt, keyEnd)) break
    const valueStart = keyEnd + LENGTH_BYTES
    const valueEnd = valueStart + buffer.readUInt32BE(keyEnd)
    if (valueEnd > buffer.length) break
    run.keyStart[i] = keyAt
    run.keyEnd[i] = keyEnd
    run.valueStart[i] = writes ? valueStart : NO_VALUE
    run.valueEnd[i] = writes ? valueEnd : NO_VALUE
    run.end[i] = valueEnd
    at = valueEnd
  }
  run.buffer = buffer
  run.count = i
  return i
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
