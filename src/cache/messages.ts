/**
 * What members ask each other for the cache: operations on keys, pages of walks, counts, flushes, messages. Carried by the request channel; read with
 * `ByteReader`, which throws `MalformedError`. A TTL becomes an expiry only at the primary, by its clock.
 */
import { ByteReader, ByteWriter, copyBytes, MalformedError } from '../lib/bytes.ts'
import { Entry, VALUE_JSON, VALUE_STRING } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { ERRORS } from '../lib/errors.ts'
import { encodeStamp } from '../lib/stamp-codec.ts'
import {
  ACK_ALL,
  ACK_LOCAL,
  ACK_REPLICA,
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_KEEP,
  EXPIRY_NONE,
  IF_UNCHANGED,
  IF_VERSION,
  MAX_EXPIRY_MS,
  Operation,
  type Outcome,
  UNLESS_VERSION,
} from './operation.ts'

/** Call: do this at the slot's primary. */
export const KIND_OPERATION = 20
/** Call: a page of keys, in byte order, of the slots you are primary of. */
export const KIND_SCAN = 21
/** Call: do these at the slot's primary, with nothing in between. */
export const KIND_TRANSACTION = 22
/** Call: keys of a range of the slots you are primary of. */
export const KIND_SLOTS = 23
/** Call: how many keys are in the slots you are primary of. */
export const KIND_SIZE = 24
/** Call: any key of the slots you are primary of. */
export const KIND_RANDOM_KEY = 25
/** Call: what does your hybrid clock say? */
export const KIND_CLOCK = 26
/** Call: everything up to this stamp is gone. */
export const KIND_FLOOR = 27
/** Call: a message for the subscribers of a channel. */
export const KIND_PUBLISH = 28
/** Call: how many followers hold what was written to these slots? */
export const KIND_CONFIRM = 29

const HAS_EXPIRY = 1
const HAS_VERSION = 2
const HAS_OFFSET = 4
const MAX_OFFSET = 0xffffffff
const HAS_ACK = 8
/** Of an operation that has none of these: code, what it has, kind, flags, condition, and the lengths of key and value. */
const PLAIN_BYTES = 13

/** `patienceMs`: how long the asker will wait; after that the operation is not to be begun. */
export function encodeOperation(operation: Operation, slot: number, patienceMs: number): Buffer {
  const writer = new ByteWriter(48 + operation.bytes).u16(slot).u32(Math.max(0, patienceMs))
  writeOperation(writer, operation)
  return writer.toBuffer()
}

export function encodeTransaction(operations: readonly Operation[], slot: number, patienceMs: number): Buffer {
  const writer = new ByteWriter(256).u16(slot).u32(Math.max(0, patienceMs)).u32(operations.length)
  for (const operation of operations) writeOperation(writer, operation)
  return writer.toBuffer()
}

export interface Asked {
  readonly slot: number
  readonly patienceMs: number
  /** Their bytes are views of the body. */
  readonly operations: readonly Operation[]
}

export function decodeOperation(body: Buffer): Asked {
  const reader = new ByteReader(body)
  const slot = reader.u16()
  const patienceMs = reader.u32()
  return { slot, patienceMs, operations: [readOperation(reader, new Operation())] }
}

export function decodeTransaction(body: Buffer): Asked {
  const reader = new ByteReader(body)
  const slot = reader.u16()
  const patienceMs = reader.u32()
  const count = reader.u32()
  const operations: Operation[] = []
  for (let i = 0; i < count; i++) operations.push(readOperation(reader, new Operation()))
  return { slot, patienceMs, operations }
}

/** Its last bytes are those of the key, a u32, and those of the value. */
export function writeOperation(writer: ByteWriter, operation: Operation): void {
  const { code, flags, condition, expiry, expiryMs, ack, kind, offset, key, keyStart, keyEnd, value, valueStart, valueEnd } = operation
  const named = condition === IF_VERSION || condition === UNLESS_VERSION || condition === IF_UNCHANGED
  const present =
    (expiry === EXPIRY_NONE ? 0 : HAS_EXPIRY) |
    (named ? HAS_VERSION : 0) |
    (offset === 0 ? 0 : HAS_OFFSET) |
    (ack === ACK_LOCAL ? 0 : HAS_ACK)
  if (present === 0) {
    writePlain(writer, operation)
    return
  }
  writer.u8(code).u8(present).u8(kind).u8(flags).u8(condition)
  if ((present & HAS_EXPIRY) !== 0) writer.u8(expiry).f64(expiryMs)
  if ((present & HAS_VERSION) !== 0) encodeStamp(writer, operation).text(operation.writer)
  // One that does not fit is out of any value's reach, as is the largest that does.
  if ((present & HAS_OFFSET) !== 0) writer.u32(Math.min(offset, MAX_OFFSET))
  if ((present & HAS_ACK) !== 0) writer.u8(ack)
  writer.block(key, keyStart, keyEnd).block(value, valueStart, valueEnd)
}

/** `writeOperation` of one that has none of what is optional, as nearly all have not: one check for room, and no call for each field. */
function writePlain(writer: ByteWriter, operation: Operation): void {
  const { key, keyStart, keyEnd, value, valueStart, valueEnd } = operation
  const keyBytes = keyEnd - keyStart
  const valueBytes = valueEnd - valueStart
  let at = writer.claim(PLAIN_BYTES + keyBytes + valueBytes)
  const { buffer } = writer
  buffer[at] = operation.code
  buffer[at + 1] = 0
  buffer[at + 2] = operation.kind
  buffer[at + 3] = operation.flags
  buffer[at + 4] = operation.condition
  at = putLength(buffer, at + 5, keyBytes)
  copyBytes(key, keyStart, keyEnd, buffer, at)
  at = putLength(buffer, at + keyBytes, valueBytes)
  copyBytes(value, valueStart, valueEnd, buffer, at)
}

/** Answers where what has that length begins. */
function putLength(buffer: Buffer, at: number, length: number): number {
  buffer[at] = length >>> 24
  buffer[at + 1] = length >>> 16
  buffer[at + 2] = length >>> 8
  buffer[at + 3] = length
  return at + 4
}

/** Points `operation` into the reader's bytes. */
export function readOperation(reader: ByteReader, operation: Operation): Operation {
  operation.reset(reader.u8())
  const present = reader.u8()
  operation.kind = reader.u8() === VALUE_JSON ? VALUE_JSON : VALUE_STRING
  operation.flags = reader.u8()
  operation.condition = reader.u8()
  if ((present & HAS_EXPIRY) !== 0) {
    const mode = reader.u8()
    if (mode !== EXPIRY_KEEP && mode !== EXPIRY_IN && mode !== EXPIRY_AT) throw new MalformedError(`there is no expiry mode ${mode}`)
    const expiryMs = reader.f64()
    if (!(Math.abs(expiryMs) <= MAX_EXPIRY_MS)) throw new MalformedError(`${expiryMs} ms is no expiry`)
    operation.setExpiry(mode, expiryMs)
  }
  if ((present & HAS_VERSION) !== 0) operation.setVersion(reader.u48(), reader.u16(), reader.text())
  if ((present & HAS_OFFSET) !== 0) operation.offset = reader.u32()
  if ((present & HAS_ACK) !== 0) operation.ack = reader.u8() === ACK_ALL ? ACK_ALL : ACK_REPLICA
  const keyBytes = reader.u32()
  const keyStart = reader.skip(keyBytes)
  const valueBytes = reader.u32()
  const valueStart = reader.skip(valueBytes)
  return operation.setKey(reader.buffer, keyStart, keyStart + keyBytes).setValue(reader.buffer, valueStart, valueStart + valueBytes)
}

/** Bits of an outcome. */
export const EXISTED = 1
export const WRITTEN = 2
const HAS_ENTRY = 4
const FAILED = 8
const DESCRIBED = 16

/** After the `ANSWER_DONE` of an operation, and after each index in that of a transaction. */
export function writeOutcome(writer: ByteWriter, outcome: Outcome): void {
  const { error, existed, written, entry, length, idleMs, frequency, writer: author } = outcome
  const described = idleMs >= 0 || frequency >= 0
  writer.u8(
    (existed ? EXISTED : 0) |
      (written ? WRITTEN : 0) |
      (entry === null ? 0 : HAS_ENTRY) |
      (error === null ? 0 : FAILED) |
      (described ? DESCRIBED : 0),
  )
  if (error !== null) writer.text(error)
  encodeStamp(writer.u32(length), outcome).text(author)
  if (described) writer.f64(idleMs).f64(frequency)
  if (entry !== null) encodeEntry(writer, entry)
}

/** An entry in it is a view of the reader's bytes. */
export function readOutcome(reader: ByteReader): Outcome {
  const bits = reader.u8()
  const error = (bits & FAILED) !== 0 ? errorCode(reader.text()) : null
  const length = reader.u32()
  const ms = reader.u48()
  const counter = reader.u16()
  const writer = reader.text()
  const described = (bits & DESCRIBED) !== 0
  const idleMs = described ? reader.f64() : -1
  const frequency = described ? reader.f64() : -1
  const entry = (bits & HAS_ENTRY) !== 0 ? decodeEntry(reader, new Entry()) : null
  const existed = (bits & EXISTED) !== 0
  return { error, existed, written: (bits & WRITTEN) !== 0, entry, length, idleMs, frequency, ms, counter, writer }
}

/** First byte of an answer to an operation or a scan. */
export const ANSWER_DONE = 0
/** Not executed: this member does not hold the slot (or the table the scan was planned by is outdated). Terms it knows may follow. */
export const ANSWER_REFUSED = 2
/** Not executed: an error's code and message follow. */
export const ANSWER_ERROR = 3

export function encodeError(code: ErrorCode, message: string): Buffer {
  return new ByteWriter(64).u8(ANSWER_ERROR).text(code).block(Buffer.from(message)).toBuffer()
}

export function decodeError(reader: ByteReader): { code: ErrorCode; message: string } {
  const text = reader.text()
  const message = reader.block().toString()
  return { code: errorCode(text), message }
}

function errorCode(text: string): ErrorCode {
  return Object.hasOwn(ERRORS, text) ? (text as ErrorCode) : 'INTERNAL'
}

export interface ScanRequest {
  /** The version of the callee's primaries that the walk was planned by. */
  readonly primaryVersion: number
  readonly prefix: Buffer
  readonly suffix: Buffer
  readonly after: Buffer | null
  readonly values: boolean
}

export function encodeScan(request: ScanRequest): Buffer {
  const writer = new ByteWriter(64).u48(request.primaryVersion).block(request.prefix).block(request.suffix)
  writer.u8((request.values ? 1 : 0) | (request.after === null ? 0 : 2))
  if (request.after !== null) writer.block(request.after)
  return writer.toBuffer()
}

export function decodeScan(body: Buffer): ScanRequest {
  const reader = new ByteReader(body)
  const primaryVersion = reader.u48()
  const prefix = reader.block()
  const suffix = reader.block()
  const flags = reader.u8()
  return { primaryVersion, prefix, suffix, values: (flags & 1) !== 0, after: (flags & 2) !== 0 ? reader.block() : null }
}

export interface SlotsRequest {
  readonly primaryVersion: number
  /** The position from which on. */
  readonly cursor: number
  readonly count: number
}

export function encodeSlots({ primaryVersion, cursor, count }: SlotsRequest): Buffer {
  return new ByteWriter(16).u48(primaryVersion).u32(cursor).u32(count).toBuffer()
}

export function decodeSlots(body: Buffer): SlotsRequest {
  const reader = new ByteReader(body)
  return { primaryVersion: reader.u48(), cursor: reader.u32(), count: reader.u32() }
}

/** A member's part of a page: entries above `after`, and how far it looked: `null` when to the end. */
export interface PartialPage {
  readonly entries: Entry[]
  readonly lookedTo: Buffer | null
}

export function encodePage(page: PartialPage, values: boolean): Buffer {
  const writer = new ByteWriter(4096).u8(ANSWER_DONE).u8(page.lookedTo === null ? 0 : 1)
  if (page.lookedTo !== null) writer.block(page.lookedTo)
  writer.u32(page.entries.length)
  for (const entry of page.entries) encodeEntry(writer, entry, values)
  return writer.toBuffer()
}

/** Reads what follows `ANSWER_DONE`; the entries own their bytes. */
export function decodePage(reader: ByteReader): PartialPage {
  const lookedTo = reader.u8() === 1 ? Buffer.from(reader.block()) : null
  const count = reader.u32()
  const entries: Entry[] = []
  const owned = new ByteReader(Buffer.from(reader.raw(reader.remaining)))
  for (let i = 0; i < count; i++) entries.push(decodeEntry(owned, new Entry()))
  return { entries, lookedTo }
}
