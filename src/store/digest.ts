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

/** The words of the longest key: 2^16 bytes, and what may follow them. */
const MAX_WORDS = 2 ** 14 + 2

/**
 * The hash of one entry, in `high` and `low` (unsigned 32 bits each) until the next call. Made once and used again: allocates nothing.
 *
 * Two versions of one key share the first part of the work, so it is kept between `takeKey` and the `takeVersion` that follow.
 */
export class EntryHash {
  high = 0
  low = 0
  /** What is mixed in next, word by word. */
  readonly #words = new Int32Array(MAX_WORDS)
  /** After the key. */
  #keyHigh = 0
  #keyLow = 0

  /** Hashes the key in `bytes[start, end)` with its version. O(key + writer). */
  take(bytes: Bytes, start: number, end: number, version: Version, tombstone: boolean): this {
    this.takeKey(bytes, start, end, version.writer.length)
    return this.takeVersion(version, tombstone)
  }

  /** The first part, the same for all versions of a key whose writers' names are so long. */
  takeKey(bytes: Bytes, start: number, end: number, writerLength: number): void {
    const words = this.#words
    // Lengths go first, so that no byte can pass from one field into the next unseen.
    words[0] = end - start
    words[1] = writerLength
    let count = 2
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
    const words = this.#words
    words[0] = ms
    words[1] = Math.floor(ms / 2 ** 32)
    words[2] = (counter << 1) | (tombstone ? 1 : 0)
    for (let i = 0; i < writer.length; i++) words[3 + i] = writer.charCodeAt(i)
    this.#mix(this.#keyHigh, this.#keyLow, 3 + writer.length)
    const sum = (this.high + this.low) | 0
    const high = avalanche(sum)
    const low = avalanche((this.low + sum) | 0)
    this.high = (high + low) >>> 0
    this.low = (low + this.high) >>> 0
    return this
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
  readonly #high = new Uint32Array(SLOT_COUNT)
  readonly #low = new Uint32Array(SLOT_COUNT)
  readonly #hash = new EntryHash()

  of(slot: number): SlotDigest {
    return { high: this.#high[slot] as number, low: this.#low[slot] as number }
  }

  add(slot: number, key: Bytes, start: number, end: number, version: Version, tombstone: boolean): void {
    const { high, low } = this.#hash.take(key, start, end, version, tombstone)
    this.#high[slot] = (this.#high[slot] as number) + high
    this.#low[slot] = (this.#low[slot] as number) + low
  }

  /** Exactly what was added must be taken away. */
  subtract(slot: number, key: Bytes, start: number, end: number, version: Version, tombstone: boolean): void {
    const { high, low } = this.#hash.take(key, start, end, version, tombstone)
    this.#high[slot] = (this.#high[slot] as number) - high
    this.#low[slot] = (this.#low[slot] as number) - low
  }

  /** `subtract` of one live version of a key and `add` of another by the same writer, for little more than one of them. */
  replace(slot: number, key: Bytes, start: number, end: number, from: Version, to: Version): void {
    const hash = this.#hash
    hash.takeKey(key, start, end, from.writer.length)
    const old = hash.takeVersion(from, false)
    let high = (this.#high[slot] as number) - old.high
    let low = (this.#low[slot] as number) - old.low
    const next = hash.takeVersion(to, false)
    high += next.high
    low += next.low
    this.#high[slot] = high
    this.#low[slot] = low
  }

  clear(): void {
    this.#high.fill(0)
    this.#low.fill(0)
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
