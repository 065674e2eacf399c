/**
 * Slot digests: for each slot one order-free sum that two members compare to learn whether they hold the same entries.
 *
 * An entry is hashed to 64 bits over its key, its version and whether it is a tombstone. Value, kind and expiry are left out: the version
 * stands for them. The hash is added to its slot when the entry comes and subtracted when it goes, each half modulo 2^32, so the sum does not
 * depend on the order of arrival and a change costs O(key), not O(slot). An exclusive or would do as well for sets, but two equal mistakes
 * would cancel each other.
 *
 * The hash is MurmurHash3 (Austin Appleby) narrowed to two lanes, each of which takes every word. Members compare its results, so its
 * definition is part of the protocol between them: a test pins it. It is no defence against someone who may choose versions; clients may not.
 */
import type { Bytes } from '../lib/bytes.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Version } from '../lib/version.ts'
import type { SlotDigest } from './store.ts'

const SEED_HIGH = 0x9747b28c
const SEED_LOW = 0x3c6ef372
const C1 = 0x239b961b
const C2 = 0xab0e9789 | 0
const C3 = 0x38b34ae5

/** The words of the longest key: 2^16 bytes; and its length. */
const MAX_WORDS = 2 ** 14 + 1
const VERSION_WORDS = 4

/**
 * The hash of one entry, in `high` and `low` (32 bits each, signed) until the next call. Made once and used again: allocates nothing.
 *
 * Two versions of one key share the first part of the work, so it is kept between `takeKey` and the `takeVersion` that follow. A writer's name goes in as
 * a hash of its own, which is kept too: versions that follow each other mostly have the same.
 */
export class EntryHash {
  high = 0
  low = 0
  /** What is mixed in next, word by word. */
  readonly #words = new Int32Array(MAX_WORDS)
  /** After the key. */
  #keyHigh = 0
  #keyLow = 0
  #writer: string | null = null
  #writerHigh = 0
  #writerLow = 0

  /** Hashes the key in `bytes[start, end)` with its version. O(key), and O(writer) when that is another than before. */
  take(bytes: Bytes, start: number, end: number, version: Version, tombstone: boolean): this {
    this.takeKey(bytes, start, end)
    return this.takeVersion(version, tombstone)
  }

  /** The first part, the same for all versions of a key. */
  takeKey(bytes: Bytes, start: number, end: number): void {
    const words = this.#words
    // The length goes first, so that the zeros that fill the last word up do not pass for bytes.
    words[0] = end - start
    let count = 1
    let at = start
    for (; at + 4 <= end; at += 4) {
      words[count++] =
        (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
    }
    if (at < end) {
      let tail = 0
      for (let shift = 0; at < end; at++, shift += 8) tail |= (bytes[at] as number) << shift
      words[count++] = tail
    }
    this.#mix(SEED_HIGH | 0, SEED_LOW | 0, count)
    this.#keyHigh = this.high
    this.#keyLow = this.low
  }

  /** The second part: of the key that was taken last, with this version. */
  takeVersion({ ms, counter, writer }: Version, tombstone: boolean): this {
    if (writer !== this.#writer) this.#takeWriter(writer)
    const words = this.#words
    words[0] = ms
    words[1] = (Math.floor(ms / 2 ** 32) << 16) | counter
    words[2] = this.#writerHigh
    words[3] = this.#writerLow + (tombstone ? 1 : 0)
    this.#mix(this.#keyHigh, this.#keyLow, VERSION_WORDS)
    const sum = (this.high + this.low) | 0
    const high = avalanche(sum)
    const low = avalanche((this.low + sum) | 0)
    this.high = (high + low) | 0
    this.low = (low + this.high) | 0
    return this
  }

  #takeWriter(writer: string): void {
    const words = this.#words
    words[0] = writer.length
    for (let i = 0; i < writer.length; i++) words[1 + i] = writer.charCodeAt(i)
    this.#mix(SEED_HIGH | 0, SEED_LOW | 0, 1 + writer.length)
    this.#writer = writer
    this.#writerHigh = this.high
    this.#writerLow = this.low
  }

  #mix(fromHigh: number, fromLow: number, count: number): void {
    const words = this.#words
    let high = fromHigh
    let low = fromLow
    for (let i = 0; i < count; i++) {
      const word = words[i] as number
      high ^= Math.imul(rotate(Math.imul(word, C1), 15), C2)
      high = (Math.imul(rotate(high, 19) + low, 5) + 0x561ccd1b) | 0
      low ^= Math.imul(rotate(Math.imul(word, C2), 16), C3)
      low = (Math.imul(rotate(low, 17) + high, 5) + 0x0bcaa747) | 0
    }
    this.high = high
    this.low = low
  }
}

/** The digests of all slots: 128 KiB, whatever they hold. An empty slot has (0, 0). */
export class SlotDigests {
  /** By slot: high and low, side by side. */
  readonly #sums = new Uint32Array(2 * SLOT_COUNT)
  readonly #hash = new EntryHash()

  of(slot: number): SlotDigest {
    return { high: this.#sums[2 * slot] as number, low: this.#sums[2 * slot + 1] as number }
  }

  add(slot: number, key: Bytes, start: number, end: number, version: Version, tombstone: boolean): void {
    const { high, low } = this.#hash.take(key, start, end, version, tombstone)
    this.#move(slot, high, low)
  }

  /** Exactly what was added must be taken away. */
  subtract(slot: number, key: Bytes, start: number, end: number, version: Version, tombstone: boolean): void {
    const { high, low } = this.#hash.take(key, start, end, version, tombstone)
    this.#move(slot, -high, -low)
  }

  /** `subtract` of one live version of a key and `add` of another by the same writer, for little more than one of them. */
  replace(slot: number, key: Bytes, start: number, end: number, from: Version, to: Version): void {
    const hash = this.#hash
    hash.takeKey(key, start, end)
    const { high, low } = hash.takeVersion(from, false)
    const next = hash.takeVersion(to, false)
    this.#move(slot, next.high - high, next.low - low)
  }

  clear(): void {
    this.#sums.fill(0)
  }

  #move(slot: number, high: number, low: number): void {
    const sums = this.#sums
    sums[2 * slot] = (sums[2 * slot] as number) + high
    sums[2 * slot + 1] = (sums[2 * slot + 1] as number) + low
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** MurmurHash3's 32-bit finalizer: every bit in reaches every bit out. */
function avalanche(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
