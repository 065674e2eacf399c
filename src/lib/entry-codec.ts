/**
 * How an entry looks between members (proto/peer.proto states the same layout): flags, version, expiry, key, value. The decoder points the given
 * entry into the bytes it reads, so nothing is copied until the store takes it.
 *
 * Every write passes through here once for each follower, and there again: both ways are straight stores and loads, one check of bounds for all
 * fields of a fixed size, and no object is made.
 */
import { type ByteReader, type ByteWriter, copyBytes } from './bytes.ts'
import { type Entry, NEVER, VALUE_JSON, VALUE_STRING } from './entry.ts'
import { NameMemory } from './name-memory.ts'
import { checkedMs } from './stamp-codec.ts'

const FLAG_JSON = 1
const FLAG_TOMBSTONE = 2
const FLAG_EXPIRES = 4
/** Members of earlier versions pass over it. */
const FLAG_OUTLIVED = 8

const STAMP_BYTES = 8
const EXPIRY_BYTES = 6
/** Before the value. */
const LENGTH_BYTES = 4
/** Flags, stamp, and the lengths of the writer, the key and the value. */
const FIXED_BYTES = 1 + STAMP_BYTES + 1 + 2 + LENGTH_BYTES
const MAX_NAME_BYTES = 255
const MAX_KEY_BYTES = 0xffff
const HIGH = 2 ** 32

/** Bytes that `encodeEntry` adds to key, value and writer at the most: for sizing messages. */
export const ENTRY_OVERHEAD = 24

const NAMES = new NameMemory()

/** Throws a `RangeError` for a key or a writer's name that is longer than its field can say. */
export function encodeEntry(writer: ByteWriter, entry: Entry, withValue: boolean = true): void {
  const { key, keyStart, keyEnd, expiresAtMs } = entry
  const name = NAMES.bytesOf(entry.writer)
  const expires = expiresAtMs !== NEVER
  const keyLength = keyEnd - keyStart
  const valueLength = withValue ? entry.valueEnd - entry.valueStart : 0
  if (name.length > MAX_NAME_BYTES) throw new RangeError(`a name of ${name.length} bytes does not fit a field of ${MAX_NAME_BYTES}`)
  if (keyLength > MAX_KEY_BYTES) throw new RangeError(`a key of ${keyLength} bytes does not fit a field of ${MAX_KEY_BYTES}`)
  let at = writer.claim(FIXED_BYTES + name.length + (expires ? EXPIRY_BYTES : 0) + keyLength + valueLength)
  const { buffer } = writer
  buffer[at] = (entry.kind === VALUE_JSON ? FLAG_JSON : 0) | (entry.tombstone ? FLAG_TOMBSTONE : 0)
  if (expires) buffer[at] = (buffer[at] as number) | FLAG_EXPIRES | (entry.outlived ? FLAG_OUTLIVED : 0)
  putMs(buffer, at + 1, entry.ms)
  buffer[at + 7] = entry.counter >>> 8
  buffer[at + 8] = entry.counter
  buffer[at + 9] = name.length
  at += 10
  for (let i = 0; i < name.length; i++) buffer[at + i] = name[i] as number
  at += name.length
  if (expires) {
    putMs(buffer, at, expiresAtMs)
    at += EXPIRY_BYTES
  }
  buffer[at] = keyLength >>> 8
  buffer[at + 1] = keyLength
  at += 2
  copyBytes(key, keyStart, keyEnd, buffer, at)
  at += keyLength
  buffer[at] = valueLength >>> 24
  buffer[at + 1] = valueLength >>> 16
  buffer[at + 2] = valueLength >>> 8
  buffer[at + 3] = valueLength
  if (valueLength > 0) copyBytes(entry.value, entry.valueStart, entry.valueEnd, buffer, at + 4)
}

/** Throws a `MalformedError` where the bytes end before the entry does, and for a name or a stamp that could not be written again or followed. */
export function decodeEntry(reader: ByteReader, into: Entry): Entry {
  const { buffer } = reader
  const at = reader.skip(STAMP_BYTES + 2)
  const flags = buffer[at] as number
  into.kind = (flags & FLAG_JSON) !== 0 ? VALUE_JSON : VALUE_STRING
  into.tombstone = (flags & FLAG_TOMBSTONE) !== 0
  into.outlived = (flags & FLAG_OUTLIVED) !== 0
  into.ms = checkedMs(msAt(buffer, at + 1))
  into.counter = ((buffer[at + 7] as number) << 8) | (buffer[at + 8] as number)
  const nameLength = buffer[at + 9] as number
  into.writer = NAMES.nameAt(buffer, reader.skip(nameLength), nameLength)
  into.expiresAtMs = (flags & FLAG_EXPIRES) !== 0 ? msAt(buffer, reader.skip(EXPIRY_BYTES)) : NEVER
  const keyAt = reader.skip(2)
  const keyLength = ((buffer[keyAt] as number) << 8) | (buffer[keyAt + 1] as number)
  const keyStart = reader.skip(keyLength)
  into.setKey(buffer, keyStart, keyStart + keyLength)
  const valueLength = reader.u32()
  const valueStart = reader.skip(valueLength)
  into.setValue(buffer, valueStart, valueStart + valueLength)
  return into
}

/** Where the key of the entry in `buffer[start, end)` begins; -1 if the bytes end before it does. */
export function keyStartAt(buffer: Buffer, start: number, end: number): number {
  if (end - start < FIXED_BYTES) return -1
  const expires = ((buffer[start] as number) & FLAG_EXPIRES) !== 0
  const at = start + FIXED_BYTES - LENGTH_BYTES + (buffer[start + 9] as number) + (expires ? EXPIRY_BYTES : 0)
  return keyEndAt(buffer, at) <= end - LENGTH_BYTES ? at : -1
}

/** Where the key ends that begins at `keyStart`. */
export function keyEndAt(buffer: Buffer, keyStart: number): number {
  return keyStart + (((buffer[keyStart - 2] as number) << 8) | (buffer[keyStart - 1] as number))
}

function putMs(buffer: Buffer, at: number, ms: number): void {
  const high = (ms / HIGH) | 0
  const low = ms >>> 0
  buffer[at] = high >>> 8
  buffer[at + 1] = high
  buffer[at + 2] = low >>> 24
  buffer[at + 3] = low >>> 16
  buffer[at + 4] = low >>> 8
  buffer[at + 5] = low
}

function msAt(buffer: Buffer, at: number): number {
  const high = ((buffer[at] as number) << 8) | (buffer[at + 1] as number)
  const low =
    ((buffer[at + 2] as number) << 24) | ((buffer[at + 3] as number) << 16) | ((buffer[at + 4] as number) << 8) | (buffer[at + 5] as number)
  return high * HIGH + (low >>> 0)
}
