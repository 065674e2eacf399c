/**
 * How an entry looks between members (proto/peer.proto states the same layout): flags, version, expiry, key, value. The decoder points the given
 * entry into the bytes it reads, so nothing is copied until the store takes it.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'
import { type Entry, NEVER, VALUE_JSON, VALUE_STRING } from './entry.ts'
import { encodeStamp } from './stamp-codec.ts'

const FLAG_JSON = 1
const FLAG_TOMBSTONE = 2
const FLAG_EXPIRES = 4

/** Bytes that `encodeEntry` adds to key, value and writer at the most: for sizing messages. */
export const ENTRY_OVERHEAD = 24

export function encodeEntry(writer: ByteWriter, entry: Entry, withValue: boolean = true): void {
  const expires = entry.expiresAtMs !== NEVER
  const flags = (entry.kind === VALUE_JSON ? FLAG_JSON : 0) | (entry.tombstone ? FLAG_TOMBSTONE : 0) | (expires ? FLAG_EXPIRES : 0)
  encodeStamp(writer.u8(flags), entry).text(entry.writer)
  if (expires) writer.u48(entry.expiresAtMs)
  writer.u16(entry.keyEnd - entry.keyStart).raw(entry.key, entry.keyStart, entry.keyEnd)
  if (withValue) writer.block(entry.value, entry.valueStart, entry.valueEnd)
  else writer.u32(0)
}

export function decodeEntry(reader: ByteReader, into: Entry): Entry {
  const flags = reader.u8()
  into.kind = (flags & FLAG_JSON) !== 0 ? VALUE_JSON : VALUE_STRING
  into.tombstone = (flags & FLAG_TOMBSTONE) !== 0
  into.ms = reader.u48()
  into.counter = reader.u16()
  into.writer = reader.text()
  into.expiresAtMs = (flags & FLAG_EXPIRES) !== 0 ? reader.u48() : NEVER
  const keyLength = reader.u16()
  const keyStart = reader.skip(keyLength)
  into.setKey(reader.buffer, keyStart, keyStart + keyLength)
  const valueLength = reader.u32()
  const valueStart = reader.skip(valueLength)
  into.setValue(reader.buffer, valueStart, valueStart + valueLength)
  return into
}
