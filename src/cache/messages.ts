/**
 * What members ask each other for the cache: an operation on a key, a page of a walk. Carried by the request channel; read with `ByteReader`, which
 * throws `MalformedError`. Requests carry resulting facts (a TTL becomes an expiry only at the primary, by its clock).
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { Entry, VALUE_JSON, VALUE_STRING, type ValueKind } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { ERRORS } from '../lib/errors.ts'

/** Call: do this at the slot's primary. */
export const KIND_OPERATION = 20
/** Call: a page of keys of the slots you are primary of. */
export const KIND_SCAN = 21

export const OPERATION_GET = 1
export const OPERATION_SET = 2
export const OPERATION_DELETE = 3

/** One request on one key. `key` and `value` live until the operation is answered. */
export interface Operation {
  readonly code: number
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: ValueKind
  /** In ms; `null`: it does not expire. */
  readonly ttlMs: number | null
}

/** `patienceMs`: how long the asker will wait; after that the operation is not to be begun. */
export function encodeOperation(operation: Operation, patienceMs: number): Buffer {
  const writer = new ByteWriter(40 + operation.key.length + operation.value.length)
  writer
    .u8(operation.code)
    .u8(operation.kind)
    .f64(operation.ttlMs ?? -1)
    .u32(Math.max(0, patienceMs))
  return writer.block(operation.key).block(operation.value).toBuffer()
}

/** The key and value are views of `body`. */
export function decodeOperation(body: Buffer): { readonly operation: Operation; readonly patienceMs: number } {
  const reader = new ByteReader(body)
  const code = reader.u8()
  const kind = reader.u8() === VALUE_JSON ? VALUE_JSON : VALUE_STRING
  const ttlMs = reader.f64()
  const patienceMs = reader.u32()
  const operation: Operation = { code, kind, ttlMs: ttlMs < 0 ? null : ttlMs, key: reader.block(), value: reader.block() }
  return { operation, patienceMs }
}

/** First byte of an answer to an operation or a scan. */
export const ANSWER_DONE = 0
/** A get's hit: the entry follows. */
export const ANSWER_ENTRY = 1
/** Not executed: this member does not hold the slot (or the table the scan was planned by is outdated). Terms it knows may follow. */
export const ANSWER_REFUSED = 2
/** Not executed: an error's code and message follow. */
export const ANSWER_ERROR = 3

const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[]

export function encodeError(code: ErrorCode, message: string): Buffer {
  return new ByteWriter(64).u8(ANSWER_ERROR).text(code).block(Buffer.from(message)).toBuffer()
}

export function decodeError(reader: ByteReader): { code: ErrorCode; message: string } {
  const text = reader.text()
  const message = reader.block().toString()
  return { code: ERROR_CODES.find((code) => code === text) ?? 'INTERNAL', message }
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
