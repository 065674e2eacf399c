/**
 * Key order: the addresses of all entries in ascending byte order of their keys, or of their keys read backwards. It answers searches by prefix
 * or by suffix.
 *
 * It is a B+ tree of two levels. Leaves are blocks of the arena with up to 126 addresses; a directory, an array of the leaves' addresses, stands
 * above them, with the first address of each. Keys are not kept here but read where the entries lie, so an entry costs four bytes and its share of a leaf's room. Two binary
 * searches find a place; a full leaf is split, a nearly empty one joins its neighbour, and only then the directory moves: twice 400 KiB for ten
 * million entries, some ten microseconds, once in more than sixty insertions. A leaf that is full at the very end is left full, so keys that
 * come in order fill their leaves.
 */
import type { Bytes } from '../lib/bytes.ts'
import { type Arena, BLOCK_LEAF } from './arena.ts'
import type { Records } from './records.ts'

const LEAF_REFERENCES = 126
/** Words: 1 how many, and in the top bit which order; addresses from 2 on. */
const COUNT = 1
const FIRST = 2
const REVERSED_BIT = 2 ** 31
export const LEAF_UNITS = (FIRST + LEAF_REFERENCES) / 2
/** A leaf below this looks for a neighbour to join. */
const SMALL_LEAF = 40
/** Two leaves join if together they leave room to grow, or they would soon be split again. */
const JOINED_LEAVES = 96

export class KeyOrder {
  readonly #arena: Arena
  readonly #records: Records
  readonly #reversed: boolean
  #directory = new Uint32Array(16)
  /** The first address of each leaf, so that the upper search need not look into leaves. */
  #firsts = new Uint32Array(16)
  #leaves = 0
  /** Found by `#locate`: a leaf's place in the directory, and a place in the leaf. */
  #leafAt = 0
  #place = 0

  constructor(arena: Arena, records: Records, reversed: boolean) {
    this.#arena = arena
    this.#records = records
    this.#reversed = reversed
  }

  /** What lies outside the arena. */
  get directoryBytes(): number {
    return this.#directory.byteLength + this.#firsts.byteLength
  }

  /** Puts in an entry whose key is not in yet; `leaf` is a block of `LEAF_UNITS` for it to use. Answers whether it did. */
  insert(address: number, leaf: number): boolean {
    if (this.#leaves === 0) {
      this.#begin(leaf)
      this.#open(0, leaf)
      this.#put(0, 0, 0, address)
      return true
    }
    this.#locateEntry(address)
    const place = this.#place
    const found = this.#directory[this.#leafAt] as number
    const count = this.#countOf(found)
    if (count < LEAF_REFERENCES) {
      this.#put(this.#leafAt, place, count, address)
      return false
    }
    this.#begin(leaf)
    const atEnd = place === count && this.#leafAt === this.#leaves - 1
    const kept = atEnd ? count : LEAF_REFERENCES / 2
    const from = this.#firstWord(found) + FIRST
    const words = this.#wordsOf(found)
    this.#wordsOf(leaf).set(words.subarray(from + kept, from + count), this.#firstWord(leaf) + FIRST)
    this.#setCount(found, kept)
    this.#setCount(leaf, count - kept)
    this.#open(this.#leafAt + 1, leaf)
    if (place > kept || atEnd) this.#put(this.#leafAt + 1, place - kept, count - kept, address)
    else this.#put(this.#leafAt, place, kept, address)
    return true
  }

  /** The entry must be in, and its record whole. */
  remove(address: number): void {
    this.#locateEntry(address)
    const leaf = this.#directory[this.#leafAt] as number
    const words = this.#wordsOf(leaf)
    const first = this.#firstWord(leaf) + FIRST
    const count = this.#countOf(leaf)
    words.copyWithin(first + this.#place, first + this.#place + 1, first + count)
    this.#setCount(leaf, count - 1)
    this.#firsts[this.#leafAt] = words[first] as number
    if (count === 1) this.#close(this.#leafAt)
    else if (count - 1 < SMALL_LEAF) this.#join(this.#leafAt)
  }

  /** The entry at `from` has moved to `to`; both records are whole. */
  replace(from: number, to: number): void {
    this.#locateEntry(from)
    const leaf = this.#directory[this.#leafAt] as number
    this.#wordsOf(leaf)[this.#firstWord(leaf) + FIRST + this.#place] = to
    if (this.#place === 0) this.#firsts[this.#leafAt] = to
  }

  /** A leaf was copied to `to`. */
  moveLeaf(leaf: number, to: number): void {
    this.#locateEntry(this.#wordsOf(leaf)[this.#firstWord(leaf) + FIRST] as number)
    this.#directory[this.#leafAt] = to
    this.#arena.setType(to, BLOCK_LEAF)
  }

  /**
   * Visits entries in order, from the first whose key is not below `key[start, end)` (in this order's reading), until told to stop. The visitor
   * must not change the order.
   */
  visitFrom(key: Bytes, start: number, end: number, visitor: (address: number) => boolean): void {
    if (this.#leaves === 0) return
    this.#locate(key, start, end)
    let place = this.#place
    for (let at = this.#leafAt; at < this.#leaves; at++) {
      const leaf = this.#directory[at] as number
      const words = this.#wordsOf(leaf)
      const first = this.#firstWord(leaf) + FIRST
      const count = this.#countOf(leaf)
      for (; place < count; place++) if (!visitor(words[first + place] as number)) return
      place = 0
    }
  }

  /** How many entries begin with `key` (in this order's reading); more than `limit` if it finds that there are. O(log n + limit / leaf). */
  countOf(key: Bytes, limit: number): number {
    if (this.#leaves === 0) return 0
    this.#locate(key, 0, key.length)
    let left = -this.#place
    let at = this.#leafAt
    for (; at < this.#leaves; at++) {
      const leaf = this.#directory[at] as number
      const count = this.#countOf(leaf)
      const last = this.#wordsOf(leaf)[this.#firstWord(leaf) + FIRST + count - 1] as number
      if (left > limit) return left
      if (!this.#begins(last, key) && (at > this.#leafAt || this.#place < count)) break
      left += count
    }
    if (at === this.#leaves) return left
    // The last leaf in question ends with another key.
    const leaf = this.#directory[at] as number
    const words = this.#wordsOf(leaf)
    const first = this.#firstWord(leaf) + FIRST
    let low = at === this.#leafAt ? this.#place : 0
    let high = this.#countOf(leaf)
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#begins(words[first + middle] as number, key)) low = middle + 1
      else high = middle
    }
    return left + low
  }

  /** An entry by two numbers in [0, 1): nearly evenly chosen. There must be one. */
  pick(leafShare: number, share: number): number {
    const leaf = this.#directory[Math.floor(leafShare * this.#leaves)] as number
    return this.#wordsOf(leaf)[this.#firstWord(leaf) + FIRST + Math.floor(share * this.#countOf(leaf))] as number
  }

  clear(): void {
    this.#directory = new Uint32Array(16)
    this.#firsts = new Uint32Array(16)
    this.#leaves = 0
  }

  #begins(address: number, key: Bytes): boolean {
    const length = this.#records.keyLength(address)
    if (length < key.length) return false
    const bytes = this.#records.bytesOf(address)
    const from = this.#records.keyStart(address) + (this.#reversed ? length - key.length : 0)
    for (let i = 0; i < key.length; i++) if (bytes[from + i] !== key[i]) return false
    return true
  }

  #locateEntry(address: number): void {
    const start = this.#records.keyStart(address)
    this.#locate(this.#records.bytesOf(address), start, start + this.#records.keyLength(address))
  }

  /** The last leaf that begins at or below the key, else the first; and the first place in it whose key is not below. */
  #locate(key: Bytes, start: number, end: number): void {
    let low = 0
    let high = this.#leaves - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#compare(this.#firsts[middle] as number, key, start, end) <= 0) low = middle
      else high = middle - 1
    }
    this.#leafAt = low
    const leaf = this.#directory[low] as number
    const words = this.#wordsOf(leaf)
    const first = this.#firstWord(leaf) + FIRST
    low = 0
    high = this.#countOf(leaf)
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(words[first + middle] as number, key, start, end) < 0) low = middle + 1
      else high = middle
    }
    this.#place = low
  }

  #compare(address: number, key: Bytes, start: number, end: number): number {
    return this.#reversed ? this.#records.compareReversedKey(address, key, start, end) : this.#records.compareKey(address, key, start, end)
  }

  #put(leafAt: number, place: number, count: number, address: number): void {
    const leaf = this.#directory[leafAt] as number
    const words = this.#wordsOf(leaf)
    const at = this.#firstWord(leaf) + FIRST + place
    words.copyWithin(at + 1, at, at + count - place)
    words[at] = address
    this.#setCount(leaf, count + 1)
    if (place === 0) this.#firsts[leafAt] = address
  }

  #join(at: number): void {
    for (const left of [at, at - 1]) {
      if (left < 0 || left + 1 >= this.#leaves) continue
      const leaf = this.#directory[left] as number
      const next = this.#directory[left + 1] as number
      const count = this.#countOf(leaf)
      const more = this.#countOf(next)
      if (count + more > JOINED_LEAVES) continue
      const from = this.#firstWord(next) + FIRST
      this.#wordsOf(leaf).set(this.#wordsOf(next).subarray(from, from + more), this.#firstWord(leaf) + FIRST + count)
      this.#setCount(leaf, count + more)
      this.#close(left + 1)
      return
    }
  }

  #begin(leaf: number): void {
    this.#wordsOf(leaf)[this.#firstWord(leaf) + COUNT] = this.#reversed ? REVERSED_BIT : 0
    this.#arena.setType(leaf, BLOCK_LEAF)
  }

  #open(at: number, leaf: number): void {
    if (this.#leaves === this.#directory.length) {
      this.#directory = lengthened(this.#directory)
      this.#firsts = lengthened(this.#firsts)
    }
    this.#directory.copyWithin(at + 1, at, this.#leaves)
    this.#firsts.copyWithin(at + 1, at, this.#leaves)
    this.#directory[at] = leaf
    this.#firsts[at] = this.#wordsOf(leaf)[this.#firstWord(leaf) + FIRST] as number
    this.#leaves++
  }

  #close(at: number): void {
    this.#arena.free(this.#directory[at] as number)
    this.#directory.copyWithin(at, at + 1, this.#leaves)
    this.#firsts.copyWithin(at, at + 1, this.#leaves)
    this.#leaves--
  }

  #countOf(leaf: number): number {
    return (this.#wordsOf(leaf)[this.#firstWord(leaf) + COUNT] as number) & ~REVERSED_BIT
  }

  #setCount(leaf: number, count: number): void {
    this.#wordsOf(leaf)[this.#firstWord(leaf) + COUNT] = this.#reversed ? (count | REVERSED_BIT) >>> 0 : count
  }

  #wordsOf(leaf: number): Uint32Array {
    return this.#arena.words[leaf >>> this.#arena.shift] as Uint32Array
  }

  #firstWord(leaf: number): number {
    return (leaf & this.#arena.mask) << 1
  }
}

/** Whether a leaf belongs to the order of keys read backwards. */
export function isReversedLeaf(word: number): boolean {
  return word >= REVERSED_BIT
}

function lengthened(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.ceil((array.length * 5) / 4))
  larger.set(array)
  return larger
}
