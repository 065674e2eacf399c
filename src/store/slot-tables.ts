/**
 * Slot tables: the hash table, a part to each slot, so that it is the index of the slots' contents too.
 *
 * A slot's entries lie in buckets of at most 1,024: arrays of (hash, address) in ascending order of the hash, in blocks of the arena. A keyed
 * hash is spread evenly, so its share of the hash's range foretells an entry's place to within a few (interpolation search; Peterson, 1957).
 * A full bucket is lengthened by an eighth, a bucket that may not grow is split in two, and a directory of the slot by the hash's top bits tells
 * one from the other (extendible hashing; Fagin and others, 1979). So no write ever moves more than one bucket, however many entries there are
 * and even if all of them share a slot.
 *
 * Order by hash is also what makes a scan of a slot resumable: what comes or goes in between moves nothing across the point it stopped at.
 */
import type { Bytes } from '../lib/bytes.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { type Arena, BLOCK_BUCKET } from './arena.ts'
import type { Records } from './records.ts'
import { UNIT_BYTES } from './segments.ts'

const MAX_BUCKET = 1024
const MIN_CAPACITY = 2
/** Words: 1 the slot and, in the low 5 bits, the depth; 2 how many entries; 3 the least hash that belongs here; pairs from 4 on. */
const OWNER = 1
const COUNT = 2
const BASE = 3
export const PAIRS = 4
const DEPTH_BITS = 31
const SLOT_SHIFT = 5
/** By depth: what part of the bucket's range one hash is. */
const SHARES = Float64Array.from({ length: 32 }, (_, depth) => 2 ** (depth - 32))

/** A block of the arena of at least so many units, or 0. May change the tables before it returns. */
export type Allocate = (units: number) => number

export class SlotTables {
  readonly #arena: Arena
  readonly #records: Records
  /** By slot, side by side: its only bucket (0 if it has none, or has a directory), and how many entries it has. */
  readonly slots: Uint32Array = new Uint32Array(2 * SLOT_COUNT)
  /** Of slots with more than one bucket: 2^d buckets by the top d bits of the hash, with repetitions. */
  readonly #directories = new Map<number, Uint32Array>()
  #directoryBytes = 0

  constructor(arena: Arena, records: Records) {
    this.#arena = arena
    this.#records = records
  }

  /** What lies outside the arena and grows with the entries. */
  get directoryBytes(): number {
    return this.#directoryBytes
  }

  count(slot: number): number {
    return this.slots[2 * slot + 1] as number
  }

  /** The address of a key's entry, 0 for none. */
  find(slot: number, hash: number, key: Bytes, start: number, end: number): number {
    const arena = this.#arena
    let bucket = this.slots[2 * slot] as number
    let words: Uint32Array
    let at: number
    let last: number
    if (bucket !== 0) {
      // What its head says of an only bucket is known without fetching it from memory.
      words = arena.words[bucket >>> arena.shift] as Uint32Array
      const count = this.slots[2 * slot + 1] as number
      at = ((bucket & arena.mask) << 1) + PAIRS
      last = at + 2 * count
      at = seek(words, at, count, hash / 2 ** 32, hash)
    } else {
      bucket = this.#bucketOf(slot, hash)
      if (bucket === 0) return 0
      words = arena.words[bucket >>> arena.shift] as Uint32Array
      const first = (bucket & arena.mask) << 1
      last = first + PAIRS + 2 * (words[first + COUNT] as number)
      at = lowerBound(words, first, hash)
    }
    for (; at < last && words[at] === hash; at += 2) {
      const address = words[at + 1] as number
      if (this.#records.hasKey(address, key, start, end)) return address
    }
    return 0
  }

  /** What one entry of the bucket for this hash takes there; there must be one. */
  bytesOfPair(slot: number, hash: number): number {
    const bucket = this.#bucketOf(slot, hash)
    return (this.#arena.sizeOf(bucket) * UNIT_BYTES) / this.#countOf(bucket)
  }

  /** Sees to it that `insert` of this hash will find room. False if there was no memory for it. */
  makeRoom(slot: number, hash: number, allocate: Allocate): boolean {
    for (;;) {
      const bucket = this.#bucketOf(slot, hash)
      const count = bucket === 0 ? 0 : this.#countOf(bucket)
      if (bucket !== 0 && count < this.#capacityOf(bucket)) return true
      if (bucket !== 0 && count < MAX_BUCKET && this.#arena.grow(bucket, unitsFor(grown(count)))) continue
      const splits = count >= MAX_BUCKET
      const block = allocate(unitsFor(bucket === 0 ? MIN_CAPACITY : splits ? MAX_BUCKET : grown(count)))
      if (block === 0) return false
      // The allocation may have changed or moved all there is.
      if (this.#bucketOf(slot, hash) !== bucket || (bucket !== 0 && this.#countOf(bucket) !== count)) {
        this.#arena.free(block)
      } else if (bucket === 0) {
        this.#begin(block, slot, 0, 0)
        this.slots[2 * slot] = block
      } else if (splits) {
        this.#split(bucket, block)
      } else {
        this.#copy(bucket, block)
        this.#redirect(bucket, block)
        this.#arena.free(bucket)
      }
    }
  }

  /** The key must not be in, and `makeRoom` must have been asked. */
  insert(slot: number, hash: number, address: number): void {
    const bucket = this.#bucketOf(slot, hash)
    const words = this.#wordsOf(bucket)
    const first = this.#firstWord(bucket)
    const last = first + PAIRS + 2 * (words[first + COUNT] as number)
    const at = lowerBound(words, first, hash)
    words.copyWithin(at + 2, at, last)
    words[at] = hash
    words[at + 1] = address
    words[first + COUNT] = (words[first + COUNT] as number) + 1
    this.slots[2 * slot + 1] = (this.slots[2 * slot + 1] as number) + 1
  }

  /** The address must be in. */
  remove(slot: number, hash: number, address: number): void {
    const bucket = this.#bucketOf(slot, hash)
    const words = this.#wordsOf(bucket)
    const first = this.#firstWord(bucket)
    const count = words[first + COUNT] as number
    const at = this.#placeOf(words, first, hash, address)
    words.copyWithin(at, at + 2, first + PAIRS + 2 * count)
    words[first + COUNT] = count - 1
    const left = (this.slots[2 * slot + 1] as number) - 1
    this.slots[2 * slot + 1] = left
    if (left === 0) this.#freeSlot(slot)
    else if (this.#capacityOf(bucket) > 2 * count + 8) this.#arena.shrink(bucket, unitsFor(grown(count - 1)))
  }

  /** The entry of this hash has moved. */
  replace(slot: number, hash: number, from: number, to: number): void {
    const bucket = this.#bucketOf(slot, hash)
    const words = this.#wordsOf(bucket)
    words[this.#placeOf(words, this.#firstWord(bucket), hash, from) + 1] = to
  }

  /** Visits a slot's entries in ascending order of their hashes, from `hash` on, until told to stop. The visitor must not change the tables. */
  visit(slot: number, hash: number, visitor: (hash: number, address: number) => boolean): void {
    let from = hash
    while (from < 2 ** 32) {
      const bucket = this.#bucketOf(slot, from)
      if (bucket === 0) return
      const words = this.#wordsOf(bucket)
      const first = this.#firstWord(bucket)
      const last = first + PAIRS + 2 * (words[first + COUNT] as number)
      for (let at = lowerBound(words, first, from); at < last; at += 2) {
        if (!visitor(words[at] as number, words[at + 1] as number)) return
      }
      from = (words[first + BASE] as number) + 2 ** (32 - ((words[first + OWNER] as number) & DEPTH_BITS))
    }
  }

  /** A bucket was copied to `to`, a block at least as long. */
  moveBucket(bucket: number, to: number): void {
    this.#arena.setType(to, BLOCK_BUCKET)
    this.#redirect(bucket, to)
  }

  clear(): void {
    this.slots.fill(0)
    this.#directories.clear()
    this.#directoryBytes = 0
  }

  #bucketOf(slot: number, hash: number): number {
    const root = this.slots[2 * slot] as number
    if (root !== 0) return root
    const directory = this.#directories.get(slot)
    if (directory === undefined) return 0
    return directory[Math.floor((hash / 2 ** 32) * directory.length)] as number
  }

  #begin(block: number, slot: number, depth: number, base: number): void {
    const words = this.#wordsOf(block)
    const first = this.#firstWord(block)
    words[first + OWNER] = (slot << SLOT_SHIFT) | depth
    words[first + COUNT] = 0
    words[first + BASE] = base
    this.#arena.setType(block, BLOCK_BUCKET)
  }

  /** Moves the upper half of a bucket's range into a new bucket. */
  #split(bucket: number, block: number): void {
    const words = this.#wordsOf(bucket)
    const first = this.#firstWord(bucket)
    const owner = words[first + OWNER] as number
    const slot = owner >>> SLOT_SHIFT
    const depth = (owner & DEPTH_BITS) + 1
    const middle = (words[first + BASE] as number) + 2 ** (32 - depth)
    const count = words[first + COUNT] as number
    const at = lowerBound(words, first, middle)
    const kept = (at - first - PAIRS) / 2
    this.#begin(block, slot, depth, middle)
    const target = this.#firstWord(block)
    const targetWords = this.#wordsOf(block)
    targetWords.set(words.subarray(at, first + PAIRS + 2 * count), target + PAIRS)
    targetWords[target + COUNT] = count - kept
    words[first + OWNER] = (slot << SLOT_SHIFT) | depth
    words[first + COUNT] = kept
    this.#deepen(slot, depth)
    this.#redirect(bucket, bucket)
    this.#redirect(block, block)
    this.#arena.shrink(bucket, unitsFor(grown(kept)))
    this.#arena.shrink(block, unitsFor(grown(count - kept)))
  }

  /** Sees to it that the slot's directory tells buckets of this depth apart. */
  #deepen(slot: number, depth: number): void {
    const old = this.#directories.get(slot)
    if (old !== undefined && old.length >= 2 ** depth) return
    const directory = new Uint32Array(2 ** depth)
    const root = this.slots[2 * slot] as number
    for (let i = 0; i < directory.length; i++)
      directory[i] = old === undefined ? root : (old[Math.floor((i * old.length) / directory.length)] as number)
    this.#directories.set(slot, directory)
    this.#directoryBytes += directory.byteLength - (old?.byteLength ?? 0)
    this.slots[2 * slot] = 0
  }

  /** Lets all that leads to a bucket lead to `to`, which has its range already. */
  #redirect(bucket: number, to: number): void {
    const words = this.#wordsOf(bucket)
    const first = this.#firstWord(bucket)
    const owner = words[first + OWNER] as number
    const slot = owner >>> SLOT_SHIFT
    const directory = this.#directories.get(slot)
    if (directory === undefined) {
      this.slots[2 * slot] = to
      return
    }
    const share = directory.length / 2 ** (owner & DEPTH_BITS)
    const from = Math.floor(((words[first + BASE] as number) / 2 ** 32) * directory.length)
    directory.fill(to, from, from + share)
  }

  #copy(bucket: number, block: number): void {
    const first = this.#firstWord(bucket)
    const words = this.#wordsOf(bucket)
    const used = words.subarray(first + 1, first + PAIRS + 2 * (words[first + COUNT] as number))
    this.#wordsOf(block).set(used, this.#firstWord(block) + 1)
    this.#arena.setType(block, BLOCK_BUCKET)
  }

  #freeSlot(slot: number): void {
    const directory = this.#directories.get(slot)
    if (directory === undefined) {
      this.#arena.free(this.slots[2 * slot] as number)
    } else {
      let freed = 0
      for (const bucket of directory) {
        if (bucket !== freed) this.#arena.free(bucket)
        freed = bucket
      }
      this.#directories.delete(slot)
      this.#directoryBytes -= directory.byteLength
    }
    this.slots[2 * slot] = 0
  }

  /** The word of the pair. */
  #placeOf(words: Uint32Array, first: number, hash: number, address: number): number {
    let at = lowerBound(words, first, hash)
    while (words[at + 1] !== address) at += 2
    return at
  }

  #wordsOf(bucket: number): Uint32Array {
    return this.#arena.words[bucket >>> this.#arena.shift] as Uint32Array
  }

  #firstWord(bucket: number): number {
    return (bucket & this.#arena.mask) << 1
  }

  #countOf(bucket: number): number {
    return this.#wordsOf(bucket)[this.#firstWord(bucket) + COUNT] as number
  }

  #capacityOf(bucket: number): number {
    return this.#arena.sizeOf(bucket) - PAIRS / 2
  }
}

/** The word of the first pair in a bucket whose hash is not below `hash`; the word after the last pair if there is none. */
function lowerBound(words: Uint32Array, first: number, hash: number): number {
  const count = words[first + COUNT] as number
  const share = (hash - (words[first + BASE] as number)) * (SHARES[(words[first + OWNER] as number) & DEPTH_BITS] as number)
  return seek(words, first + PAIRS, count, share, hash)
}

/** The same among `count` pairs from `begin` on; `share` is how far along the hash may be expected. */
export function seek(words: Uint32Array, begin: number, count: number, share: number, hash: number): number {
  const end = begin + 2 * count
  let at = begin + 2 * Math.floor(share * count)
  if (at > end) at = end
  while (at > begin && (words[at - 2] as number) >= hash) at -= 2
  while (at < end && (words[at] as number) < hash) at += 2
  return at
}

function unitsFor(capacity: number): number {
  return capacity + PAIRS / 2
}

/** The capacity for so many entries and some more. */
function grown(count: number): number {
  return Math.min(MAX_BUCKET, count + Math.max(2, count >>> 3))
}
