/** Tombstone marks as they travel: in frames, and with a claimant's request to pull. */
import type { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { decodeStamp, encodeStamp } from '../lib/stamp-codec.ts'
import type { Stamp } from '../lib/version.ts'

/** By slot; a slot without a mark is absent. */
export type SlotMarks = ReadonlyMap<number, Stamp>

export function encodeMarks(writer: ByteWriter, marks: SlotMarks): void {
  writer.u16(marks.size)
  for (const [slot, mark] of marks) encodeStamp(writer.u16(slot), mark)
}

/** Throws `MalformedError`. */
export function decodeMarks(reader: ByteReader): Map<number, Stamp> {
  const marks = new Map<number, Stamp>()
  const count = Math.min(reader.u16(), SLOT_COUNT)
  for (let i = 0; i < count; i++) marks.set(reader.u16() % SLOT_COUNT, decodeStamp(reader))
  return marks
}
