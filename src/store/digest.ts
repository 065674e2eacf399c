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

/** The hash of one entry, in `high` and `low` (unsigned 32 bits each) until the next call of `take`. Made once and used again: allocates nothing. */
export class EntryHash {
  high = 0
  low = 0

  /** Hashes the key in `bytes[start, end)` with its version. O(key + writer). */
  take(bytes: Bytes, start: number, end: number, version: Version, tombstone: boolean): this {
    this.high = SEED_HIGH | 0
    this.low = SEED_LOW | 0
    // Lengths go first, so that no byte can pass from one field into the next unseen.
    this.#mix(end - start)
    this.#mix(version.writer.length)
    let at = start
    for (; at + 4 <= end; at += 4) {
      this.#mix(
        (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24),
      )
    }
    if (at < end) {
      let tail = 0
      for (let shift = 0; at < end; at++, shift += 8) tail |= (bytes[at] as number) << shift
      this.#mix(tail)
    }
    this.#mix(version.ms | 0)
    this.#mix(Math.floor(version.ms / 2 ** 32))
    this.#mix((version.counter << 1) | (tombstone ? 1 : 0))
    for (let i = 0; i < version.writer.length; i++) this.#mix(version.writer.charCodeAt(i))
    this.#finish()
    return this
  }

  #mix(word: number): void {
    let high = this.high ^ Math.imul(rotate(Math.imul(word, C1), 15), C2)
    high = (rotate(high, 19) + this.low) | 0
    this.high = (Math.imul(high, 5) + 0x561ccd1b) | 0
    let low = this.low ^ Math.imul(rotate(Math.imul(word, C2), 16), C3)
    low = (rotate(low, 17) + this.high) | 0
    this.low = (Math.imul(low, 5) + 0x0bcaa747) | 0
  }

  #finish(): void {
    this.high = (this.high + this.low) | 0
    this.low = (this.low + this.high) | 0
    const high = avalanche(this.high)
    const low = avalanche(this.low)
    this.high = (high + low) >>> 0
    this.low = (low + this.high) >>> 0
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
