/**
 * Reference list: addresses in no order, each at a place its owner remembers, in chunks of the arena. Entries that time will remove stand in
 * such lists, to be gone round and to be drawn from. O(1) to append, to remove and to read.
 */
import { type Arena, BLOCK_CHUNK } from './arena.ts'

const CHUNK_REFERENCES = 254
const FIRST = 2
export const CHUNK_UNITS = (FIRST + CHUNK_REFERENCES) / 2

export class RefList {
  readonly #arena: Arena
  /** Told to a chunk, with its index, so that it can be found again when it moves: below 256. */
  readonly #id: number
  readonly #chunks: number[] = []
  #size = 0

  constructor(arena: Arena, id: number) {
    this.#arena = arena
    this.#id = id
  }

  get size(): number {
    return this.#size
  }

  /** Whether `append` will need a chunk. */
  get full(): boolean {
    return this.#size === this.#chunks.length * CHUNK_REFERENCES
  }

  at(place: number): number {
    const chunk = this.#chunks[Math.floor(place / CHUNK_REFERENCES)] as number
    return this.#words(chunk)[this.#word(chunk, place)] as number
  }

  set(place: number, address: number): void {
    const chunk = this.#chunks[Math.floor(place / CHUNK_REFERENCES)] as number
    this.#words(chunk)[this.#word(chunk, place)] = address
  }

  /** Takes a block of `CHUNK_UNITS` into use. */
  addChunk(chunk: number): void {
    this.#words(chunk)[((chunk & this.#arena.mask) << 1) + 1] = (this.#id << 24) | this.#chunks.length
    this.#arena.setType(chunk, BLOCK_CHUNK)
    this.#chunks.push(chunk)
  }

  /** The list must not be full. Returns the place. */
  append(address: number): number {
    this.set(this.#size, address)
    return this.#size++
  }

  /** The last one takes the place; returns its address, or 0 if the place was the last. */
  remove(place: number): number {
    const last = --this.#size
    const moved = place === last ? 0 : this.at(last)
    if (moved !== 0) this.set(place, moved)
    // One chunk is kept in hand, so that a list that hovers about the end of a chunk does not take and give it all the time.
    while (this.#size <= (this.#chunks.length - 2) * CHUNK_REFERENCES) this.#arena.free(this.#chunks.pop() as number)
    return moved
  }

  /** A chunk was copied to `to`. */
  moveChunk(index: number, to: number): void {
    this.#chunks[index] = to
  }

  clear(): void {
    this.#chunks.length = 0
    this.#size = 0
  }

  #words(chunk: number): Uint32Array {
    return this.#arena.words[chunk >>> this.#arena.shift] as Uint32Array
  }

  #word(chunk: number, place: number): number {
    return ((chunk & this.#arena.mask) << 1) + FIRST + (place % CHUNK_REFERENCES)
  }
}

/** To which list, by its id, and where in it a chunk belongs. */
export function chunkOwner(word: number): { readonly id: number; readonly index: number } {
  return { id: word >>> 24, index: word & 0xffffff }
}
