/**
 * Records: how an entry lies in its block of the arena, and the reading and writing of it.
 *
 * Words of 32 bits after the block's first: 1 the mark of eviction, 2 the version's milliseconds (low), 3 its milliseconds (high 16 bits) and
 * counter, 4 the value's length and flags, 5 the key's length and the writer's number. A perishable entry, one that expires or is a tombstone,
 * has three more: the expiry (low, high) and its place in the list of its kind. Then come the key's bytes and the value's.
 */
import { type Bytes, compareBytes, copyBytes } from '../lib/bytes.ts'
import { type Entry, NEVER, VALUE_JSON, VALUE_STRING } from '../lib/entry.ts'
import type { Arena } from './arena.ts'
import { SIZE_SHIFT } from './free-lists.ts'
import { UNIT_BYTES } from './segments.ts'
import type { Writers } from './writers.ts'

export const MAX_KEY_BYTES = 0xffff
export const MAX_VALUE_BYTES = 2 ** 28 - 1

const MARK = 1
const MS_LOW = 2
const MS_HIGH = 3
const VALUE = 4
const KEY = 5
const EXPIRY_LOW = 6
const EXPIRY_HIGH = 7
const PLACE = 8

const UNIT_SHIFT = Math.log2(UNIT_BYTES)
const HEADER_BYTES = 24
const PERISHABLE_BYTES = 12

const JSON_BIT = 1
const TOMBSTONE_BIT = 2
const PERISHABLE_BIT = 4
const OUTLIVED_BIT = 8
const LENGTH_SHIFT = 4

/** A stamp to be written to. */
export interface Stamped {
  ms: number
  counter: number
}

export class Records {
  readonly #arena: Arena
  readonly #writers: Writers

  constructor(arena: Arena, writers: Writers) {
    this.#arena = arena
    this.#writers = writers
  }

  /** The length of the block that an entry needs. */
  unitsFor(entry: Entry): number {
    const header = isPerishable(entry) ? HEADER_BYTES + PERISHABLE_BYTES : HEADER_BYTES
    return Math.ceil((header + entry.bytes) / UNIT_BYTES)
  }

  /**
   * Writes all that an entry says but its mark and place into a block long enough. Its bytes must not lie in the arena. The number is the
   * writer's.
   */
  write(address: number, entry: Entry, writer: number): void {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const unit = address & arena.mask
    const at = unit << 1
    const keyLength = entry.keyEnd - entry.keyStart
    const valueLength = entry.valueEnd - entry.valueStart
    const perishable = isPerishable(entry)
    words[at + MS_LOW] = entry.ms
    words[at + MS_HIGH] = Math.floor(entry.ms / 2 ** 32) | (entry.counter << 16)
    words[at + VALUE] =
      (valueLength << LENGTH_SHIFT) |
      (entry.kind === VALUE_JSON ? JSON_BIT : 0) |
      (entry.tombstone ? TOMBSTONE_BIT : 0) |
      (perishable ? PERISHABLE_BIT : 0) |
      (perishable && entry.outlived ? OUTLIVED_BIT : 0)
    words[at + KEY] = keyLength | (writer << 16)
    let to = unit * UNIT_BYTES + HEADER_BYTES
    if (perishable) {
      words[at + EXPIRY_LOW] = entry.expiresAtMs
      words[at + EXPIRY_HIGH] = Math.floor(entry.expiresAtMs / 2 ** 32)
      to += PERISHABLE_BYTES
    }
    const bytes = arena.bytes[address >>> arena.shift] as Buffer
    copyBytes(entry.key, entry.keyStart, entry.keyEnd, bytes, to)
    copyBytes(entry.value, entry.valueStart, entry.valueEnd, bytes, to + keyLength)
  }

  /**
   * Writes another version of an entry over it, where nothing but the version, the kind and the value are another: both stay until they are deleted, are
   * of the same writer, and the block is as long as it has to be. False, and nothing done, if that is not so. `into` gets the version that was there.
   */
  overwrite(address: number, entry: Entry, writer: number, replaced: Stamped): boolean {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const at = (address & arena.mask) << 1
    const key = words[at + KEY] as number
    const { valueStart, valueEnd } = entry
    const keyLength = key & 0xffff
    const valueLength = valueEnd - valueStart
    const units = (HEADER_BYTES + keyLength + valueLength + UNIT_BYTES - 1) >>> UNIT_SHIFT
    if (
      key >>> 16 !== writer ||
      (words[at] as number) >>> SIZE_SHIFT !== units ||
      ((words[at + VALUE] as number) & PERISHABLE_BIT) !== 0 ||
      units > arena.sharedUnits ||
      isPerishable(entry)
    )
      return false
    const high = words[at + MS_HIGH] as number
    replaced.ms = (high & 0xffff) * 2 ** 32 + (words[at + MS_LOW] as number)
    replaced.counter = high >>> 16
    words[at + MS_LOW] = entry.ms
    words[at + MS_HIGH] = Math.floor(entry.ms / 2 ** 32) | (entry.counter << 16)
    words[at + VALUE] = (valueLength << LENGTH_SHIFT) | (entry.kind === VALUE_JSON ? JSON_BIT : 0)
    copyBytes(entry.value, valueStart, valueEnd, arena.bytes[address >>> arena.shift] as Buffer, 4 * at + HEADER_BYTES + keyLength)
    return true
  }

  /** Sets every field of `into`: a window on the block. */
  show(address: number, into: Entry): void {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const bytes = arena.bytes[address >>> arena.shift] as Buffer
    const unit = address & arena.mask
    const at = unit << 1
    const value = words[at + VALUE] as number
    const key = words[at + KEY] as number
    const high = words[at + MS_HIGH] as number
    let keyStart = unit * UNIT_BYTES + HEADER_BYTES
    into.expiresAtMs = NEVER
    if ((value & PERISHABLE_BIT) !== 0) {
      keyStart += PERISHABLE_BYTES
      into.expiresAtMs = (words[at + EXPIRY_HIGH] as number) * 2 ** 32 + (words[at + EXPIRY_LOW] as number)
    }
    const keyEnd = keyStart + (key & 0xffff)
    into.key = bytes
    into.keyStart = keyStart
    into.keyEnd = keyEnd
    into.value = bytes
    into.valueStart = keyEnd
    into.valueEnd = keyEnd + (value >>> LENGTH_SHIFT)
    into.kind = (value & JSON_BIT) !== 0 ? VALUE_JSON : VALUE_STRING
    into.tombstone = (value & TOMBSTONE_BIT) !== 0
    into.outlived = (value & OUTLIVED_BIT) !== 0
    into.ms = (high & 0xffff) * 2 ** 32 + (words[at + MS_LOW] as number)
    into.counter = high >>> 16
    into.writer = this.#writers.nameOf(key >>> 16)
  }

  /** Sets the value of `into`, a window on the block, and nothing else. */
  showValue(address: number, into: Entry): void {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const at = (address & arena.mask) << 1
    const value = words[at + VALUE] as number
    const key = 4 * at + HEADER_BYTES + ((value & PERISHABLE_BIT) !== 0 ? PERISHABLE_BYTES : 0)
    const start = key + ((words[at + KEY] as number) & 0xffff)
    into.value = arena.bytes[address >>> arena.shift] as Buffer
    into.valueStart = start
    into.valueEnd = start + (value >>> LENGTH_SHIFT)
  }

  isTombstone(address: number): boolean {
    return (this.#word(address, VALUE) & TOMBSTONE_BIT) !== 0
  }

  isPerishable(address: number): boolean {
    return (this.#word(address, VALUE) & PERISHABLE_BIT) !== 0
  }

  valueLength(address: number): number {
    return this.#word(address, VALUE) >>> LENGTH_SHIFT
  }

  writerOf(address: number): number {
    return this.#word(address, KEY) >>> 16
  }

  /** Milliseconds of the version. */
  msOf(address: number): number {
    return (this.#word(address, MS_HIGH) & 0xffff) * 2 ** 32 + this.#word(address, MS_LOW)
  }

  /** The version's counter. */
  counterOf(address: number): number {
    return this.#word(address, MS_HIGH) >>> 16
  }

  expiryOf(address: number): number {
    if (!this.isPerishable(address)) return NEVER
    return this.#word(address, EXPIRY_HIGH) * 2 ** 32 + this.#word(address, EXPIRY_LOW)
  }

  /** Tombstones have an age, but do not expire. */
  isExpired(address: number, nowMs: number): boolean {
    const flags = this.#word(address, VALUE) & (PERISHABLE_BIT | TOMBSTONE_BIT)
    if (flags !== PERISHABLE_BIT) return false
    return this.#word(address, EXPIRY_HIGH) * 2 ** 32 + this.#word(address, EXPIRY_LOW) <= nowMs
  }

  isLive(address: number, nowMs: number): boolean {
    const flags = this.#word(address, VALUE)
    if ((flags & (PERISHABLE_BIT | TOMBSTONE_BIT)) === 0) return true
    return (flags & TOMBSTONE_BIT) === 0 && !this.isExpired(address, nowMs)
  }

  /** Would a copy that misses what replaces this entry at `expiresAtMs` have something of the key for longer, or know less of what was deleted? */
  outlives(address: number, expiresAtMs: number): boolean {
    const flags = this.#word(address, VALUE)
    if ((flags & PERISHABLE_BIT) === 0 || (flags & (TOMBSTONE_BIT | OUTLIVED_BIT)) !== 0) return true
    return this.expiryOf(address) > expiresAtMs
  }

  /** Orders an entry's version against this one, as `compareVersions` does. */
  compareVersion(address: number, ms: number, counter: number, writer: string): number {
    const ours = this.msOf(address)
    if (ours !== ms) return ours - ms
    const ourCounter = this.counterOf(address)
    if (ourCounter !== counter) return ourCounter - counter
    const name = this.#writers.nameOf(this.writerOf(address))
    return name < writer ? -1 : name > writer ? 1 : 0
  }

  /** What the eviction policy remembers of an entry. */
  markOf(address: number): number {
    return this.#word(address, MARK)
  }

  setMark(address: number, mark: number): void {
    this.#set(address, MARK, mark)
  }

  /** The place of a perishable entry in the list of its kind. */
  placeOf(address: number): number {
    return this.#word(address, PLACE)
  }

  setPlace(address: number, place: number): void {
    this.#set(address, PLACE, place)
  }

  bytesOf(address: number): Buffer {
    return this.#arena.bytes[address >>> this.#arena.shift] as Buffer
  }

  /** Where the key begins in `bytesOf`. */
  keyStart(address: number): number {
    const header = this.isPerishable(address) ? HEADER_BYTES + PERISHABLE_BYTES : HEADER_BYTES
    return (address & this.#arena.mask) * UNIT_BYTES + header
  }

  keyLength(address: number): number {
    return this.#word(address, KEY) & 0xffff
  }

  hasKey(address: number, key: Bytes, start: number, end: number): boolean {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const at = (address & arena.mask) << 1
    if (((words[at + KEY] as number) & 0xffff) !== end - start) return false
    const bytes = arena.bytes[address >>> arena.shift] as Buffer
    const from = 4 * at + HEADER_BYTES + ((words[at + VALUE] as number) & PERISHABLE_BIT ? PERISHABLE_BYTES : 0) - start
    for (let i = start; i < end; i++) if (bytes[from + i] !== key[i]) return false
    return true
  }

  keyBeginsWith(address: number, bytes: Bytes): boolean {
    return bytes.length <= this.keyLength(address) && this.#holdsAt(address, this.keyStart(address), bytes)
  }

  keyEndsWith(address: number, bytes: Bytes): boolean {
    const from = this.keyLength(address) - bytes.length
    return from >= 0 && this.#holdsAt(address, this.keyStart(address) + from, bytes)
  }

  /** The held key against another, in byte order. */
  compareKey(address: number, key: Bytes, start: number, end: number): number {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const bytes = arena.bytes[address >>> arena.shift] as Buffer
    const at = (address & arena.mask) << 1
    const from = 4 * at + HEADER_BYTES + ((words[at + VALUE] as number) & PERISHABLE_BIT ? PERISHABLE_BYTES : 0)
    return compareBytes(bytes, from, from + ((words[at + KEY] as number) & 0xffff), key, start, end)
  }

  /** The held key against another, both read from their last byte to their first. */
  compareReversedKey(address: number, key: Bytes, start: number, end: number): number {
    const arena = this.#arena
    const words = arena.words[address >>> arena.shift] as Uint32Array
    const bytes = arena.bytes[address >>> arena.shift] as Buffer
    const at = (address & arena.mask) << 1
    const from = 4 * at + HEADER_BYTES + ((words[at + VALUE] as number) & PERISHABLE_BIT ? PERISHABLE_BYTES : 0)
    let i = from + ((words[at + KEY] as number) & 0xffff)
    let j = end
    while (i > from && j > start) {
      const difference = (bytes[--i] as number) - (key[--j] as number)
      if (difference !== 0) return difference
    }
    return i - from - (j - start)
  }

  #holdsAt(address: number, from: number, bytes: Bytes): boolean {
    const held = this.bytesOf(address)
    for (let i = 0; i < bytes.length; i++) if (held[from + i] !== bytes[i]) return false
    return true
  }

  #word(address: number, word: number): number {
    const arena = this.#arena
    return (arena.words[address >>> arena.shift] as Uint32Array)[((address & arena.mask) << 1) + word] as number
  }

  #set(address: number, word: number, value: number): void {
    const arena = this.#arena
    ;(arena.words[address >>> arena.shift] as Uint32Array)[((address & arena.mask) << 1) + word] = value
  }
}

/** Whether time alone will remove it. */
export function isPerishable(entry: Entry): boolean {
  return entry.tombstone || entry.expiresAtMs !== NEVER
}
