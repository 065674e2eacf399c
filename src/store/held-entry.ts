/**
 * One entry as the map store holds it: a record on the JavaScript heap with its own copy of the bytes, and its places in the orders of use and
 * of sweeping.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import { type Entry, NEVER, VALUE_STRING, type ValueKind } from '../lib/entry.ts'
import { Link } from './chain.ts'

/**
 * What an entry takes beyond its bytes: this record, its two links, the `Buffer` and its own allocation, the string's header, and its share of
 * the map and of both indexes. Measured on Node 26 as growth of resident memory from 200,000 to 600,000 entries: 740 bytes at values of 100
 * bytes, 820 at 1,000. The map doubles in steps, so the true share swings about it; the collector's young space comes on top, once.
 */
const OVERHEAD_BYTES = 760

/** What an entry with a key and a value of these lengths is charged, in bytes. The key is there twice: in the record and as the map's string. */
export function heldBytes(keyLength: number, valueLength: number): number {
  return OVERHEAD_BYTES + 2 * keyLength + valueLength
}

export class HeldEntry {
  /** The key, each byte as the character of the same number (latin1). */
  readonly name: string
  readonly slot: number
  /** Larger than that of every entry whose key came earlier; overwriting keeps it. */
  readonly sequence: number
  /** In the order of use while live, among the tombstones while one. */
  readonly use: Link<HeldEntry> = new Link<HeldEntry>(this)
  /** In the round of sweeping while perishable. */
  readonly round: Link<HeldEntry> = new Link<HeldEntry>(this)
  /** The key, then the value. Never written again once filled: windows handed out stay true to what they showed. */
  #bytes: Buffer = NO_BYTES
  #keyLength = 0
  #kind: ValueKind = VALUE_STRING
  #expiresAtMs: number = NEVER
  tombstone = false
  /** With `counter` and `writer` its version: a `HeldEntry` is a `Version`. */
  ms = 0
  counter = 0
  writer = ''

  constructor(name: string, slot: number, sequence: number) {
    this.name = name
    this.slot = slot
    this.sequence = sequence
  }

  /** Takes over all that the entry says. Its bytes are copied first, so they may be this record's own. */
  fill(entry: Entry, writer: string): void {
    const keyLength = entry.keyEnd - entry.keyStart
    // Out of Node's shared pool: a slice of it would keep 8 KiB alive for one small survivor.
    const bytes = Buffer.allocUnsafeSlow(entry.bytes)
    entry.key.copy(bytes, 0, entry.keyStart, entry.keyEnd)
    entry.value.copy(bytes, keyLength, entry.valueStart, entry.valueEnd)
    this.#bytes = bytes
    this.#keyLength = keyLength
    this.#kind = entry.kind
    this.#expiresAtMs = entry.expiresAtMs
    this.tombstone = entry.tombstone
    this.ms = entry.ms
    this.counter = entry.counter
    this.writer = writer
  }

  /** Sets every field of `into`. */
  show(into: Entry): void {
    into.setKey(this.#bytes, 0, this.#keyLength)
    into.setValue(this.#bytes, this.#keyLength, this.#bytes.length)
    into.setVersion(this.ms, this.counter, this.writer)
    into.kind = this.#kind
    into.tombstone = this.tombstone
    into.expiresAtMs = this.#expiresAtMs
  }

  /** What the entry is charged, in bytes. */
  get cost(): number {
    return heldBytes(this.#keyLength, this.#bytes.length - this.#keyLength)
  }

  /** A view of the key. */
  get key(): Buffer {
    return this.#bytes.subarray(0, this.#keyLength)
  }

  /** Whether time alone will remove it. */
  get perishable(): boolean {
    return this.tombstone || this.#expiresAtMs !== NEVER
  }

  /** A tombstone has an age, but does not expire. */
  isExpired(nowMs: number): boolean {
    return !this.tombstone && this.#expiresAtMs !== NEVER && this.#expiresAtMs <= nowMs
  }

  /** Whether `get` and `search` show it. */
  isLive(nowMs: number): boolean {
    return !this.tombstone && !this.isExpired(nowMs)
  }
}
