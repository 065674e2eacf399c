/**
 * Segments: the memory of the arena, in pieces off the JavaScript heap, made when they are needed and let go when they are not.
 *
 * An address is a segment's number and a unit of 8 bytes in it, in 32 bits. Words and bytes are reached through `words` and `bytes`, by
 * `address >>> shift` and `address & mask`. A shared segment has many blocks and is of one length, but for the last that the limit allows, which
 * may be shorter. A segment of one block is as long as that, in pages, and its number covers no more addresses than another's.
 */
import assert from 'node:assert/strict'
import { NO_BYTES } from '../lib/bytes.ts'

export const UNIT_BYTES = 8
export const PAGE_UNITS: number = 4096 / UNIT_BYTES
const NO_WORDS = new Uint32Array(0)

export class Segments {
  /** By segment. Empty for a number that is not in use. */
  readonly words: Uint32Array[] = []
  readonly bytes: Buffer[] = []
  readonly shift: number
  readonly mask: number
  /** Of a whole shared segment. */
  readonly units: number
  readonly limitUnits: number
  /** Segments of one block, by number. */
  readonly #own: boolean[] = []
  readonly #buffers = new Set<ArrayBufferLike>()
  readonly #unused: number[] = []
  #takenUnits = 0

  /** `segmentBytes` is a power of two from 1 KiB to 16 MiB. */
  constructor(limitBytes: number, segmentBytes: number) {
    this.units = segmentBytes / UNIT_BYTES
    this.shift = Math.log2(this.units)
    assert(Number.isInteger(this.shift), 'segments are a power of two')
    this.mask = this.units - 1
    this.limitUnits = Math.floor(limitBytes / UNIT_BYTES)
  }

  /** All there are, whatever is used of them. Never above the limit. */
  get takenUnits(): number {
    return this.#takenUnits
  }

  /** A new segment's number, -1 if the limit or the reach of addresses does not allow it. */
  add(units: number, own: boolean): number {
    if (this.#takenUnits + units > this.limitUnits) return -1
    const segment = this.#unused.pop() ?? this.words.length
    if ((segment + 1) * this.units > 2 ** 32) {
      this.#unused.push(segment)
      return -1
    }
    const buffer = new ArrayBuffer(units * UNIT_BYTES)
    this.words[segment] = new Uint32Array(buffer)
    this.bytes[segment] = Buffer.from(buffer)
    this.#own[segment] = own
    this.#buffers.add(buffer)
    this.#takenUnits += units
    return segment
  }

  release(segment: number): void {
    const words = this.words[segment] as Uint32Array
    this.#takenUnits -= words.length >>> 1
    this.#buffers.delete(words.buffer)
    this.words[segment] = NO_WORDS
    this.bytes[segment] = NO_BYTES
    this.#own[segment] = false
    this.#unused.push(segment)
  }

  isOwn(segment: number): boolean {
    return this.#own[segment] === true
  }

  isShared(segment: number): boolean {
    return this.words[segment] !== NO_WORDS && this.#own[segment] !== true
  }

  /** Whether bytes lie in one of these. Cheap for small buffers, such as sockets read into. */
  have(bytes: Buffer): boolean {
    const { buffer } = bytes
    if (buffer.byteLength <= (this.units >>> 1) * UNIT_BYTES) return false
    return this.#buffers.has(buffer)
  }

  /** Lets all go. */
  reset(): void {
    this.words.length = 0
    this.bytes.length = 0
    this.#own.length = 0
    this.#unused.length = 0
    this.#buffers.clear()
    this.#takenUnits = 0
  }
}
