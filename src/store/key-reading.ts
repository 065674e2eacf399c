/**
 * Key reading: keys compared from their first byte on, or, the other reading, from their last byte back.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Records } from './records.ts'

export class KeyReading {
  readonly reversed: boolean
  readonly #records: Records

  constructor(records: Records, reversed: boolean) {
    this.#records = records
    this.reversed = reversed
  }

  /** A held key against another, in this reading's order. */
  compare(address: number, key: Bytes, start: number, end: number): number {
    return this.reversed ? this.#records.compareReversedKey(address, key, start, end) : this.#records.compareKey(address, key, start, end)
  }

  /** Two held keys. */
  compareHeld(a: number, b: number): number {
    const start = this.#records.keyStart(b)
    return this.compare(a, this.#records.bytesOf(b), start, start + this.#records.keyLength(b))
  }

  begins(address: number, key: Bytes): boolean {
    return this.reversed ? this.#records.keyEndsWith(address, key) : this.#records.keyBeginsWith(address, key)
  }

  /** Below 0 if a held key is below all that begin with `key`, 0 if it is one of them. */
  compareBeginning(address: number, key: Bytes): number {
    return this.begins(address, key) ? 0 : this.compare(address, key, 0, key.length)
  }

  /** How many bytes two held keys share from where they are read. */
  shared(a: number, b: number): number {
    const records = this.#records
    const ofA = records.bytesOf(a)
    const ofB = records.bytesOf(b)
    const startA = records.keyStart(a)
    const startB = records.keyStart(b)
    const lengthA = records.keyLength(a)
    const lengthB = records.keyLength(b)
    const most = Math.min(lengthA, lengthB)
    let shared = 0
    if (this.reversed) {
      while (shared < most && ofA[startA + lengthA - 1 - shared] === ofB[startB + lengthB - 1 - shared]) shared++
    } else {
      while (shared < most && ofA[startA + shared] === ofB[startB + shared]) shared++
    }
    return shared
  }

  /** The order of a key's first `count` bytes and those of a held key, which has so many: 0 if they are the same. */
  compareFirst(address: number, count: number, key: Bytes, start: number, end: number): number {
    const records = this.#records
    const held = records.bytesOf(address)
    const most = Math.min(count, end - start)
    let at = this.reversed ? records.keyStart(address) + records.keyLength(address) - 1 : records.keyStart(address)
    let other = this.reversed ? end - 1 : start
    const step = this.reversed ? -1 : 1
    for (let i = 0; i < most; i++, at += step, other += step) {
      const difference = (held[at] as number) - (key[other] as number)
      if (difference !== 0) return difference
    }
    return count - most
  }

  /** Four bytes of a key after the first `skipped`, as a number that orders as they do; what the key is too short for is zero. */
  head(key: Bytes, start: number, end: number, skipped: number): number {
    let head = 0
    if (this.reversed) {
      const from = end - 1 - skipped
      for (let i = 0; i < 4; i++) head = (head << 8) | (from - i >= start ? (key[from - i] as number) : 0)
    } else {
      const from = start + skipped
      for (let i = 0; i < 4; i++) head = (head << 8) | (from + i < end ? (key[from + i] as number) : 0)
    }
    return head >>> 0
  }

  /** The same of a held key. */
  heldHead(address: number, skipped: number): number {
    const start = this.#records.keyStart(address)
    return this.head(this.#records.bytesOf(address), start, start + this.#records.keyLength(address), skipped)
  }
}
