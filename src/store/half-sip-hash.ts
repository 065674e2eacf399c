/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 32-bit variant of its reference code, with one compression
 * round and three final ones): the keyed hash of the table. Who does not know the key cannot choose keys that fall into one place.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Random } from '../lib/random.ts'

export class HalfSipHash {
  readonly #k0: number
  readonly #k1: number

  /** The two halves of the 64-bit key, each read as little-endian. */
  constructor(k0: number, k1: number) {
    this.#k0 = k0 | 0
    this.#k1 = k1 | 0
  }

  static keyedBy(random: Random): HalfSipHash {
    return new HalfSipHash(Math.floor(random.next() * 2 ** 32), Math.floor(random.next() * 2 ** 32))
  }

  /** 32 bits, unsigned, of `bytes[start, end)`. Allocates nothing. */
  of(bytes: Bytes, start: number, end: number): number {
    let v0 = this.#k0
    let v1 = this.#k1
    let v2 = 0x6c796765 ^ v0
    let v3 = 0x74656462 ^ v1
    const words = (end - start) >>> 2
    let at = start
    // One round a word; then one for what is left with the length, and three without a word to finish.
    for (let round = 0; round < words + 4; round++) {
      let word = 0
      if (round < words) {
        word =
          (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
        at += 4
      } else if (round === words) {
        word = (end - start) << 24
        for (let shift = 0; at < end; at++, shift += 8) word |= (bytes[at] as number) << shift
      }
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
      if (round === words) v2 ^= 0xff
    }
    return (v1 ^ v3) >>> 0
  }
}
