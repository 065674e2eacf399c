/**
 * Entries as the store's tests write them down: plain objects with strings, and the way from there to an `Entry` and back.
 */
import type { Entry, ValueKind } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import type { Version } from '../../src/lib/version.ts'

/** Keys and values are latin1 strings here: each character one byte. */
export interface Held extends Version {
  readonly key: string
  readonly value: string
  readonly kind: ValueKind
  readonly tombstone: boolean
  readonly expiresAtMs: number
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

export function slotOfKey(key: string): number {
  return slotOf(latin1(key))
}

/** Sets every field of `entry`; key and value lie in the midst of other bytes, as they do in a frame. */
export function fill(entry: Entry, held: Held): Entry {
  const key = embedded(held.key)
  const value = embedded(held.value)
  entry.setKey(key.bytes, key.start, key.end).setValue(value.bytes, value.start, value.end)
  entry.setVersion(held.ms, held.counter, held.writer)
  entry.kind = held.kind
  entry.tombstone = held.tombstone
  entry.expiresAtMs = held.expiresAtMs
  return entry
}

/** Copies what the window shows. */
export function read(entry: Entry): Held {
  return {
    key: entry.keyBytes().toString('latin1'),
    value: entry.valueBytes().toString('latin1'),
    kind: entry.kind,
    tombstone: entry.tombstone,
    expiresAtMs: entry.expiresAtMs,
    ms: entry.ms,
    counter: entry.counter,
    writer: entry.writer,
  }
}

/** The bytes of `text` with others around them. */
export function embedded(text: string): { bytes: Buffer; start: number; end: number } {
  return { bytes: latin1(`<<${text}>`), start: 2, end: 2 + text.length }
}
