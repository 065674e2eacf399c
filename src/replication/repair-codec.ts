/** What the repair round says, in the stream and back: digests to compare, lists of a slot's keys and versions, and what the follower makes of them. */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, ENTRY_OVERHEAD, encodeEntry } from '../lib/entry-codec.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { decodeStamp, encodeStamp } from '../lib/stamp-codec.ts'
import type { Stamp, Version } from '../lib/version.ts'
import { decodeTerm, encodeTerm, type Term } from '../placement/index.ts'

/** Keys and versions of one list, at most. */
export const MAX_LISTED = 2048
export const MAX_LIST_BYTES = 256 * 1024
/** Wanted keys, and entries that are newer here, of one answer. What is beyond waits for the next round. */
const MAX_ANSWER_BYTES = 256 * 1024

/** Of one slot, the keys whose `shareOf` is `share` of `shares`; whatever else of that share the follower has, the primary has not. */
export interface SlotList {
  readonly term: Term
  readonly slot: number
  readonly share: number
  readonly shares: number
  /** Of the primary's clock when it made the list. */
  readonly stamp: Stamp
  /** By key, as latin1. */
  readonly versions: Map<string, Version>
}

/** Which part of a slot that is listed in several a key belongs to: FNV-1a, the same on every member. */
export function shareOf(key: Buffer, start: number, end: number, shares: number): number {
  if (shares === 1) return 0
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  return (hash >>> 0) % shares
}

export function encodeList(writer: ByteWriter, { term, slot, share, shares, stamp, versions }: SlotList): void {
  encodeTerm(writer, term)
  encodeStamp(writer.u16(slot).u16(share).u16(shares), stamp).u16(versions.size)
  for (const [key, version] of versions) {
    const bytes = Buffer.from(key, 'latin1')
    encodeStamp(writer.u16(bytes.length).raw(bytes), version).text(version.writer)
  }
}

/** Throws `MalformedError`. */
export function decodeList(reader: ByteReader): SlotList {
  const term = decodeTerm(reader)
  const slot = reader.u16() % SLOT_COUNT
  const share = reader.u16()
  const shares = reader.u16()
  if (share >= shares) throw new MalformedError(`share ${share} of ${shares}`)
  const stamp = decodeStamp(reader)
  const versions = new Map<string, Version>()
  const count = reader.u16()
  if (count > MAX_LISTED) throw new MalformedError(`a list of ${count} keys`)
  for (let i = 0; i < count; i++) {
    const key = reader.raw(reader.u16()).toString('latin1')
    versions.set(key, { ...decodeStamp(reader), writer: reader.text() })
  }
  return { term, slot, share, shares, stamp, versions }
}

/** The primary's digest less the follower's: it stays the same while both take the same writes. */
export interface Difference {
  readonly slot: number
  readonly high: number
  readonly low: number
}

export function encodeDifferences(differences: readonly Difference[]): Buffer {
  const writer = new ByteWriter(64).u16(differences.length)
  for (const { slot, high, low } of differences) writer.u16(slot).u32(high).u32(low)
  return writer.toBuffer()
}

/** Throws `MalformedError`. */
export function decodeDifferences(body: Buffer): Difference[] {
  const reader = new ByteReader(body)
  const count = Math.min(reader.u16(), SLOT_COUNT)
  return Array.from({ length: count }, () => ({ slot: reader.u16() % SLOT_COUNT, high: reader.u32(), low: reader.u32() }))
}

/** First byte of the answer to a correction whose newer entries are now the primary's too. */
export const NEWER_TAKEN = 1

/** What a follower made of a list. */
export interface Correction {
  readonly slot: number
  readonly share: number
  readonly shares: number
  /** Entries that it dropped, because the primary has none of that key. */
  readonly dropped: number
  /** Entries that it lacks and could not hold. */
  readonly left: number
  readonly wanted: readonly Buffer[]
  readonly newer: readonly Entry[]
}

/** Leaves out what exceeds the limit. */
export function encodeCorrection({ slot, share, shares, dropped, left, wanted, newer }: Correction): Buffer {
  const writer = new ByteWriter(256).u16(slot).u16(share).u16(shares).u32(dropped).u32(left)
  const wantedAt = writer.u16(0).length - 2
  let count = 0
  for (const key of wanted) {
    if (writer.length + key.length > MAX_ANSWER_BYTES) break
    writer.u16(key.length).raw(key)
    count++
  }
  writer.patchU8(wantedAt, count >> 8)
  writer.patchU8(wantedAt + 1, count & 0xff)
  for (const entry of newer) {
    if (writer.length + entry.bytes + entry.writer.length + ENTRY_OVERHEAD > MAX_ANSWER_BYTES && writer.length > 64 * 1024) break
    writer.u8(1)
    encodeEntry(writer, entry)
  }
  return writer.u8(0).toBuffer()
}

/** Throws `MalformedError`. The entries are windows into `body`. */
export function decodeCorrection(body: Buffer): Correction {
  const reader = new ByteReader(body)
  const slot = reader.u16() % SLOT_COUNT
  const share = reader.u16()
  const shares = reader.u16()
  const dropped = reader.u32()
  const left = reader.u32()
  const count = reader.u16()
  if (count > MAX_LISTED) throw new MalformedError(`${count} wanted keys`)
  const wanted = Array.from({ length: count }, () => reader.raw(reader.u16()))
  const newer: Entry[] = []
  while (reader.u8() === 1) newer.push(decodeEntry(reader, new Entry()))
  return { slot, share, shares, dropped, left, wanted, newer }
}
