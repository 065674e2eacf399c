/**
 * Leaves: what the leaves of a key order hold, by their index in its directory, which knows where each is, how many entries it has and how many of
 * them, from the first on, are in order.
 *
 * A leaf is a block of the arena with up to 254 addresses. New ones go to its end, whatever is there. It is put in order when somebody asks, and
 * what is in order stays so.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Arena } from './arena.ts'
import type { KeyReading } from './key-reading.ts'
import type { LeafDirectory } from './leaf-directory.ts'
import type { Records } from './records.ts'

export const LEAF_REFERENCES = 254
/** Words: 1 which order; addresses from 2 on. */
const OWNER = 1
const FIRST = 2
const REVERSED = 1
export const LEAF_UNITS = (FIRST + LEAF_REFERENCES) / 2
/** Words of an entry that are there even in the shortest, counting the unit behind it: one is behind each, the last of a segment being nobody's. */
const HEAD_WORD = 4
const KEY_WORD = 9
const LINE_WORDS = 16
/** So few entries are as soon compared as fetched. */
const FEW = 4

export class Leaves {
  readonly #arena: Arena
  readonly #records: Records
  readonly #reading: KeyReading
  readonly #directory: LeafDirectory
  /** Of no use but that what is read for it must be read. */
  readonly #fetched = new Int32Array(1)

  constructor(arena: Arena, records: Records, reading: KeyReading, directory: LeafDirectory) {
    this.#arena = arena
    this.#records = records
    this.#reading = reading
    this.#directory = directory
  }

  /** Makes a block of `LEAF_UNITS` a leaf. */
  begin(block: number): void {
    const { words, shift, mask } = this.#arena
    ;(words[block >>> shift] as Uint32Array)[((block & mask) << 1) + OWNER] = this.#reading.reversed ? REVERSED : 0
  }

  /** Any entry of the leaf in a block. */
  anyOf(block: number): number {
    const { words, shift, mask } = this.#arena
    return (words[block >>> shift] as Uint32Array)[((block & mask) << 1) + FIRST] as number
  }

  reference(at: number, place: number): number {
    return this.#wordsAt(at)[this.#firstWordAt(at) + place] as number
  }

  append(at: number, address: number): void {
    const count = this.#directory.counts[at] as number
    this.#wordsAt(at)[this.#firstWordAt(at) + count] = address
    this.#directory.counts[at] = count + 1
  }

  /** The address must be there. */
  remove(at: number, address: number): void {
    const { counts, sorted } = this.#directory
    const words = this.#wordsAt(at)
    const first = this.#firstWordAt(at)
    const last = first + (counts[at] as number) - 1
    this.#fetched[0] = touched(words, first, last)
    const place = placeOf(words, first, address)
    if (place - first < (sorted[at] as number)) sorted[at] = (sorted[at] as number) - 1
    for (let to = place; to < last; to++) words[to] = words[to + 1] as number
    counts[at] = last - first
  }

  /** Puts `to` where `from` must be; they have one key. */
  replace(at: number, from: number, to: number): void {
    const words = this.#wordsAt(at)
    words[placeOf(words, this.#firstWordAt(at), from)] = to
  }

  /** Moves all from a place on to the end of another leaf, which has lesser keys or none. */
  moveFrom(at: number, place: number, target: number): void {
    const { counts, sorted } = this.#directory
    const count = counts[at] as number
    const held = counts[target] as number
    const from = this.#firstWordAt(at)
    this.#wordsAt(target).set(this.#wordsAt(at).subarray(from + place, from + count), this.#firstWordAt(target) + held)
    if (sorted[target] === held) sorted[target] = held + Math.max(0, (sorted[at] as number) - place)
    counts[target] = held + count - place
    counts[at] = place
    sorted[at] = Math.min(place, sorted[at] as number)
  }

  /** Puts what stands at a leaf's end among what is in order. */
  sort(at: number): void {
    const count = this.#directory.counts[at] as number
    const sorted = this.#directory.sorted[at] as number
    if (sorted === count) return
    const words = this.#wordsAt(at)
    const first = this.#firstWordAt(at)
    const records = this.#records
    if (count - sorted > FEW) this.fetch(at)
    for (let next = sorted; next < count; next++) {
      const address = words[first + next] as number
      const start = records.keyStart(address)
      const place = this.lowerBound(at, next, records.bytesOf(address), start, start + records.keyLength(address))
      for (let to = first + next; to > first + place; to--) words[to] = words[to - 1] as number
      words[first + place] = address
    }
    this.#directory.sorted[at] = count
  }

  /** The first of a leaf's places below `limit`, which are in order, whose key is not below this one. */
  lowerBound(at: number, limit: number, key: Bytes, start: number, end: number): number {
    const words = this.#wordsAt(at)
    const first = this.#firstWordAt(at)
    let low = 0
    let high = limit
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#reading.compare(words[first + middle] as number, key, start, end) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Those of a leaf that pass, in order, though the leaf is not. For few: O(leaf + their square). */
  fewOf(at: number, passes: (address: number) => boolean): number[] {
    const words = this.#wordsAt(at)
    const first = this.#firstWordAt(at)
    const last = first + (this.#directory.counts[at] as number)
    const few: number[] = []
    this.fetch(at)
    for (let place = first; place < last; place++) {
      const address = words[place] as number
      if (!passes(address)) continue
      let to = few.length
      for (; to > 0 && this.#reading.compareHeld(few[to - 1] as number, address) > 0; to--) few[to] = few[to - 1] as number
      few[to] = address
    }
    return few
  }

  /**
   * Reads a word of each of a leaf's entries at its head and at its key, for nothing but that they be in the cache. Reads that do not wait for
   * one another overlap in the processor, so this takes a tenth of the time that comparing the keys one by one would wait for them.
   */
  fetch(at: number): void {
    const { words: segments, shift, mask } = this.#arena
    const words = this.#wordsAt(at)
    const first = this.#firstWordAt(at)
    const last = first + (this.#directory.counts[at] as number)
    let sum = 0
    for (let place = first; place < last; place++) {
      const address = words[place] as number
      const entry = segments[address >>> shift] as Uint32Array
      const head = (address & mask) << 1
      sum = (sum + (entry[head + HEAD_WORD] as number) + (entry[head + KEY_WORD] as number)) | 0
    }
    this.#fetched[0] = sum
  }

  #wordsAt(at: number): Uint32Array {
    return this.#arena.words[(this.#directory.addresses[at] as number) >>> this.#arena.shift] as Uint32Array
  }

  /** The word of a leaf's first entry. */
  #firstWordAt(at: number): number {
    return (((this.#directory.addresses[at] as number) & this.#arena.mask) << 1) + FIRST
  }
}

/** Whether a leaf belongs to the order of keys read backwards, by its block's second word. */
export function isReversedLeaf(word: number): boolean {
  return word === REVERSED
}

/** Reads a word of each of the cache's lines: see `fetch`. */
function touched(words: Uint32Array, first: number, last: number): number {
  let sum = 0
  for (let at = first; at <= last; at += LINE_WORDS) sum = (sum + (words[at] as number)) | 0
  return sum
}

/** The word at which an address stands that must be there. */
function placeOf(words: Uint32Array, first: number, address: number): number {
  let place = first
  while (words[place] !== address) place++
  return place
}
