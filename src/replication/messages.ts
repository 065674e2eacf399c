/**
 * What members ask each other about slots, over the request channel. Bodies are read with `ByteReader`, which throws `MalformedError`; fields after
 * the last one known here are ignored.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeStamp, encodeStamp } from '../lib/stamp-codec.ts'
import { type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { decodeTerm, encodeTerm, type Term } from '../placement/index.ts'
import type { StreamEnd } from './ledger.ts'

/** Tell: my table. */
export const KIND_TABLE = 1
/** Call: your table, please. */
export const KIND_TABLE_GET = 2
/** Call: what do you know of, and hold of, these slots? */
export const KIND_QUERY = 3
/** Call: would you take these slots over? */
export const KIND_OFFER = 4
/** Call: which slots did you take of what I granted under this number? What is not among them is not taken, for good. */
export const KIND_CONFIRM = 5
/** Call: send me, by bulk, what you hold of these slots from this stamp on; answered when it has arrived. */
export const KIND_PULL = 6
/** Call: may my copies of these slots be deleted? */
export const KIND_SURPLUS = 7
/** Tell: these terms are higher than what you act on. */
export const KIND_TERMS = 8
/** Tell: the digests of these slots differ from yours at one position of your stream. */
export const KIND_DIFFERS = 9
/** Tell, or call where something is newer here: what I made of your list of a slot. */
export const KIND_CORRECTION = 10
/** Call: what do you hold for this key, of this slot? */
export const KIND_ENTRY = 11

/** What a member publishes: complete slots, and the slots it is primary of by term. */
export interface TableMessage {
  readonly version: number
  readonly primaryVersion: number
  /** Everything up to it was flushed. */
  readonly floor: Stamp
  readonly complete: SlotSet
  readonly primaries: ReadonlyMap<Term, SlotSet>
  /** Where streams ended of members that were held to be gone. */
  readonly ends: readonly StreamEnd[]
}

/** The latest of the lives that a table tells of. */
const MAX_ENDS = 255

export function encodeTable(table: TableMessage): Buffer {
  const writer = new ByteWriter(8 * 1024).u48(table.version).u48(table.primaryVersion)
  encodeStamp(writer, table.floor)
  table.complete.encode(writer)
  encodeTerms(writer, table.primaries)
  const ends = table.ends.slice(-MAX_ENDS)
  writer.u8(ends.length)
  for (const { name, generation, position } of ends) encodeStamp(writer.text(name).u48(generation), position)
  return writer.toBuffer()
}

export function decodeTable(body: Buffer): TableMessage {
  const reader = new ByteReader(body)
  const version = reader.u48()
  const primaryVersion = reader.u48()
  const floor = decodeStamp(reader)
  const complete = SlotSet.decode(reader)
  const primaries = decodeTerms(reader)
  // A member of an earlier version tells of none.
  const ends = Array.from({ length: reader.remaining > 0 ? reader.u8() : 0 }, () => ({
    name: reader.text(),
    generation: reader.u48(),
    position: decodeStamp(reader),
  }))
  return { version, primaryVersion, floor, complete, primaries, ends }
}

export function encodeTerms(writer: ByteWriter, terms: ReadonlyMap<Term, SlotSet>): ByteWriter {
  writer.u16(terms.size)
  for (const [term, slots] of terms) {
    encodeTerm(writer, term)
    slots.encode(writer)
  }
  return writer
}

export function decodeTerms(reader: ByteReader): Map<Term, SlotSet> {
  const terms = new Map<Term, SlotSet>()
  const count = Math.min(reader.u16(), SLOT_COUNT)
  for (let i = 0; i < count; i++) {
    const term = decodeTerm(reader)
    const slots = SlotSet.decode(reader)
    // Two who grant slots in the same millisecond may give the heir equal terms, which it need not know for one.
    terms.set(term, terms.get(term)?.addAll(slots) ?? slots)
  }
  return terms
}

export function encodeSlots(slots: SlotSet): Buffer {
  const writer = new ByteWriter(64)
  slots.encode(writer)
  return writer.toBuffer()
}

export function decodeSlots(body: Buffer): SlotSet {
  return SlotSet.decode(new ByteReader(body))
}

/** How good a member's copy of a slot is. */
export const COPY_NONE = 0
export const COPY_PARTIAL = 1
export const COPY_COMPLETE = 2
/** It is primary, or about to be. */
export const COPY_HELD = 3

export interface Holding {
  readonly term: Term | null
  readonly copy: number
  /** Nothing of its copy below this stamp is missing. */
  readonly position: Stamp
  /** The highest tombstone of the slot that is known to have been collected. */
  readonly mark: Stamp
}

export function encodeHoldings(slots: SlotSet, holdingOf: (slot: number) => Holding): Buffer {
  const groups = new Map<string, { holding: Holding; slots: SlotSet }>()
  for (const slot of slots) {
    const holding = holdingOf(slot)
    const { term, copy, position, mark } = holding
    const id = `${copy} ${position.ms} ${position.counter} ${mark.ms} ${mark.counter} ${term === null ? '' : `${term.ms} ${term.counter} ${term.name} ${term.generation} ${term.strong}`}`
    let group = groups.get(id)
    if (group === undefined) {
      group = { holding, slots: new SlotSet() }
      groups.set(id, group)
    }
    group.slots.add(slot)
  }
  const writer = new ByteWriter(1024).u16(groups.size)
  for (const { holding, slots: members } of groups.values()) {
    encodeStamp(writer.u8(holding.copy), holding.position).u8(holding.term === null ? 0 : 1)
    if (holding.term !== null) encodeTerm(writer, holding.term)
    members.encode(writer)
  }
  // Behind all groups, where an earlier version does not look.
  for (const { holding } of groups.values()) encodeStamp(writer, holding.mark)
  return writer.toBuffer()
}

/** By slot; slots that were not asked for, or not answered, are absent. */
export function decodeHoldings(body: Buffer): Map<number, Holding> {
  const reader = new ByteReader(body)
  const groups: { copy: number; position: Stamp; term: Term | null; slots: SlotSet }[] = []
  const count = Math.min(reader.u16(), SLOT_COUNT)
  for (let i = 0; i < count; i++) {
    const copy = reader.u8()
    const position = decodeStamp(reader)
    const term = reader.u8() === 1 ? decodeTerm(reader) : null
    groups.push({ copy, position, term, slots: SlotSet.decode(reader) })
  }
  const holdings = new Map<number, Holding>()
  for (const { copy, position, term, slots } of groups) {
    const mark = reader.remaining > 0 ? decodeStamp(reader) : ZERO_STAMP
    for (const slot of slots) holdings.set(slot, { term, copy, position, mark })
  }
  return holdings
}
