/**
 * Free lists: the free blocks of the arena by their length, as TLSF has them (Masmano, Ripoll, Crespo and Real, 2004): 16 lists to each power of two, and
 * a bitmap that tells which have any. Adding, removing and finding are O(1).
 *
 * A list goes through the blocks themselves: the second word of a free block is the next in its list, the third the previous.
 */
import type { Segments } from './segments.ts'

const LIST_COUNT = 512
/** Of the list in which a long enough block may stand among shorter ones, this many are tried before the lists where every block will do. */
const TRIES = 4

/** A block's first word is its length above some flags. */
export const SIZE_SHIFT = 5
const NEXT = 1
const PREVIOUS = 2

export class FreeLists {
  readonly #segments: Segments
  readonly #heads = new Uint32Array(LIST_COUNT)
  readonly #bitmap = new Uint32Array(LIST_COUNT / 32)
  #units = 0

  constructor(segments: Segments) {
    this.#segments = segments
  }

  /** All together. */
  get units(): number {
    return this.#units
  }

  add(block: number, units: number): void {
    const words = this.#wordsOf(block)
    const at = this.#wordAt(block)
    const list = listOf(units)
    const head = this.#heads[list] as number
    words[at + NEXT] = head
    words[at + PREVIOUS] = 0
    if (head !== 0) this.#wordsOf(head)[this.#wordAt(head) + PREVIOUS] = block
    this.#heads[list] = block
    this.#bitmap[list >>> 5] = (this.#bitmap[list >>> 5] as number) | (1 << (list & 31))
    this.#units += units
  }

  remove(block: number, units: number): void {
    const words = this.#wordsOf(block)
    const at = this.#wordAt(block)
    const next = words[at + NEXT] as number
    const previous = words[at + PREVIOUS] as number
    if (next !== 0) this.#wordsOf(next)[this.#wordAt(next) + PREVIOUS] = previous
    if (previous !== 0) {
      this.#wordsOf(previous)[this.#wordAt(previous) + NEXT] = next
    } else {
      const list = listOf(units)
      this.#heads[list] = next
      if (next === 0) this.#bitmap[list >>> 5] = (this.#bitmap[list >>> 5] as number) & ~(1 << (list & 31))
    }
    this.#units -= units
  }

  /** A block of at least so many units, which stays in its list; 0 if there is none. */
  find(units: number): number {
    const list = listOf(units)
    let block = this.#heads[list] as number
    for (let tries = 0; block !== 0 && tries < TRIES; tries++) {
      if ((this.#wordsOf(block)[this.#wordAt(block)] as number) >>> SIZE_SHIFT >= units) return block
      block = this.#wordsOf(block)[this.#wordAt(block) + NEXT] as number
    }
    // Every block of a list above is long enough.
    let word = (list + 1) >>> 5
    let bits = (this.#bitmap[word] as number) & (-1 << ((list + 1) & 31))
    while (bits === 0) {
      if (++word === this.#bitmap.length) return 0
      bits = this.#bitmap[word] as number
    }
    return this.#heads[32 * word + 31 - Math.clz32(bits & -bits)] as number
  }

  reset(): void {
    this.#heads.fill(0)
    this.#bitmap.fill(0)
    this.#units = 0
  }

  #wordsOf(block: number): Uint32Array {
    return this.#segments.words[block >>> this.#segments.shift] as Uint32Array
  }

  #wordAt(block: number): number {
    return (block & this.#segments.mask) << 1
  }
}

/** Blocks below 16 units have a list for each length, longer ones 16 lists to each power of two. Ascending in length. */
function listOf(units: number): number {
  if (units < 16) return units
  const log = 31 - Math.clz32(units)
  return (log - 3) * 16 + ((units >>> (log - 4)) & 15)
}
