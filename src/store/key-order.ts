/**
 * Key order: the addresses of all entries in ascending byte order of their keys, or of their keys read backwards. It answers searches by prefix
 * or by suffix.
 *
 * It is a B+ tree: leaves in the arena (`leaves.ts`) under a directory (`leaf-directory.ts`). Keys are not kept here but read where the entries
 * lie, so an entry costs four bytes and its share of a leaf's room.
 *
 * Leaves are put in order no sooner than it matters, as database cracking does (Idreos, Kersten and Manegold, 2007): to compare a new entry with
 * those in its leaf would fetch a key from memory at each step, and most leaves are never walked. A leaf is sorted when a walk comes by, when it
 * is full and has to be split, and when its least entry leaves. Sorting one takes some tens of microseconds.
 *
 * A full leaf is split, a nearly empty one joins its neighbour. A leaf that is full at the very end is left full, so keys that come in order fill
 * their leaves.
 */
import type { Bytes } from '../lib/bytes.ts'
import { type Random, randomBelow } from '../lib/random.ts'
import { type Arena, BLOCK_LEAF } from './arena.ts'
import { KeyReading } from './key-reading.ts'
import { LeafDirectory } from './leaf-directory.ts'
import { LEAF_REFERENCES, LEAF_UNITS, Leaves } from './leaves.ts'
import type { Records } from './records.ts'
import { UNIT_BYTES } from './segments.ts'

/** A leaf below this looks for a neighbour to join. */
const SMALL_LEAF = 80
/** Two leaves join if together they leave room to grow, or they would soon be split again. */
const JOINED_LEAVES = 192
/** How many `draw` draws at most. */
const MAX_DRAWN = 8

export class KeyOrder {
  readonly #arena: Arena
  readonly #records: Records
  readonly #reading: KeyReading
  readonly #directory: LeafDirectory
  readonly #leaves: Leaves
  readonly #drawnLeaves = new Uint32Array(MAX_DRAWN)
  readonly #drawnPlaces = new Uint8Array(MAX_DRAWN)
  readonly #picked = new Uint32Array(1)
  #entries = 0

  constructor(arena: Arena, records: Records, reversed: boolean) {
    this.#arena = arena
    this.#records = records
    this.#reading = new KeyReading(records, reversed)
    this.#directory = new LeafDirectory(this.#reading)
    this.#leaves = new Leaves(arena, records, this.#reading, this.#directory)
  }

  /** What lies outside the arena. */
  get directoryBytes(): number {
    return this.#directory.bytes
  }

  /** Everything. */
  get bytes(): number {
    return this.#directory.bytes + this.#directory.leaves * LEAF_UNITS * UNIT_BYTES
  }

  /** Puts in an entry whose key is not in yet; `leaf` is a block of `LEAF_UNITS` for it to use. Answers whether it did. */
  insert(address: number, leaf: number): boolean {
    const directory = this.#directory
    const leaves = this.#leaves
    const reading = this.#reading
    this.#entries++
    if (directory.leaves === 0) {
      this.#begin(leaf, -1, address)
      return true
    }
    const key = this.#records.bytesOf(address)
    const start = this.#records.keyStart(address)
    const end = start + this.#records.keyLength(address)
    const at = directory.find(key, start, end)
    const count = directory.counts[at] as number
    const last = at === directory.last
    if (at === directory.first && reading.compare(directory.least[at] as number, key, start, end) > 0) directory.setLeast(at, address)
    if (count < LEAF_REFERENCES) {
      // What comes in order is known to be in order.
      const follows = last && directory.sorted[at] === count && reading.compare(leaves.reference(at, count - 1), key, start, end) < 0
      leaves.append(at, address)
      if (follows) directory.sorted[at] = count + 1
      return false
    }
    leaves.sort(at)
    if (last && reading.compare(leaves.reference(at, count - 1), key, start, end) < 0) {
      this.#begin(leaf, at, address)
      return true
    }
    const middle = LEAF_REFERENCES / 2
    const next = this.#open(leaf, at, leaves.reference(at, middle))
    // The directory may have moved what was there.
    const lower = directory.previous(next)
    leaves.moveFrom(lower, middle, next)
    leaves.append(reading.compare(directory.least[next] as number, key, start, end) < 0 ? next : lower, address)
    return true
  }

  /** The entry must be in, and its record whole. */
  remove(address: number): void {
    const directory = this.#directory
    const at = this.#leafOf(address)
    this.#entries--
    this.#leaves.remove(at, address)
    const count = directory.counts[at] as number
    if (count === 0) {
      this.#close(at)
      return
    }
    if (directory.least[at] === address) {
      this.#leaves.sort(at)
      directory.setLeast(at, this.#leaves.reference(at, 0))
    }
    if (count < SMALL_LEAF) this.#join(at)
  }

  /** The entry at `from` has moved to `to`; both records are whole. */
  replace(from: number, to: number): void {
    const at = this.#leafOf(from)
    this.#leaves.replace(at, from, to)
    // It has the same key.
    if (this.#directory.least[at] === from) this.#directory.least[at] = to
  }

  /** A leaf was copied to `to`. */
  moveLeaf(leaf: number, to: number): void {
    this.#directory.addresses[this.#leafOf(this.#leaves.anyOf(leaf))] = to
    this.#arena.setType(to, BLOCK_LEAF)
  }

  /**
   * Of keys read forwards: visits, in order, the entries that pass, of those whose keys begin with `prefix` and are not below `from`, which begins with it too, until
   * told to stop or `maxLooks` entries were looked at: returns the last of these, 0 if there are no more. `passes` and `visit` must not change
   * the order; if `few` are expected to pass, leaves are not sorted for their sake.
   */
  walk(
    prefix: Bytes,
    from: Bytes,
    maxLooks: number,
    few: boolean,
    passes: (address: number) => boolean,
    visit: (address: number) => boolean,
  ): number {
    const directory = this.#directory
    const leaves = this.#leaves
    if (directory.leaves === 0) return 0
    const begin = directory.find(from, 0, from.length)
    const end = directory.findLast(prefix)
    let looksLeft = maxLooks
    for (let at = begin; ; at = directory.next(at)) {
      const count = directory.counts[at] as number
      if (few && at !== begin && count < looksLeft && (directory.sorted[at] as number) < count) {
        for (const address of leaves.fewOf(at, passes)) if (!visit(address)) return address
        looksLeft -= count
      } else {
        leaves.sort(at)
        for (let place = at === begin ? leaves.lowerBound(at, count, from, 0, from.length) : 0; place < count; place++) {
          const address = leaves.reference(at, place)
          looksLeft--
          if ((passes(address) && !visit(address)) || looksLeft <= 0) return address
        }
      }
      if (at === end) return 0
    }
  }

  /** Visits, in no order, entries whose keys begin with `key`, or end with it in the order of keys read backwards, until told to stop. */
  visitAll(key: Bytes, visitor: (address: number) => boolean): void {
    const directory = this.#directory
    if (directory.leaves === 0) return
    const begin = directory.find(key, 0, key.length)
    const end = directory.findLast(key)
    for (let at = begin; ; at = directory.next(at)) {
      const count = directory.counts[at] as number
      // Between two keys that begin with it there are no others.
      const all = at !== begin && at !== end
      this.#leaves.fetch(at)
      for (let place = 0; place < count; place++) {
        const address = this.#leaves.reference(at, place)
        if ((all || this.#reading.begins(address, key)) && !visitor(address)) return
      }
      if (at === end) return
    }
  }

  /** About how many entries `visitAll` would visit; exact if one or two leaves have them. O(log n + leaf). */
  estimate(key: Bytes): number {
    const directory = this.#directory
    if (directory.leaves === 0) return 0
    const steps = directory.distance(directory.find(key, 0, key.length), directory.findLast(key))
    if (steps > 1) return Math.ceil((steps / directory.leaves) * this.#entries)
    let count = 0
    this.visitAll(key, () => ++count > 0)
    return count
  }

  /** An entry by chance, all alike. There must be one. */
  pick(random: Random): number {
    this.draw(random, this.#picked)
    return this.#picked[0] as number
  }

  /** As many entries by chance as there is room for in `into`, eight at the most, all alike; one may come twice. There must be one. */
  draw(random: Random, into: Uint32Array): void {
    const { leaves, counts } = this.#directory
    const size = into.length
    for (let i = 0; i < size; ) {
      const at = this.#directory.pick(random)
      const count = counts[at] as number
      const place = randomBelow(random, leaves === 1 ? count : LEAF_REFERENCES)
      if (place >= count) continue
      this.#drawnLeaves[i] = at
      this.#drawnPlaces[i++] = place
    }
    // Only now, so that the reads need not wait for one another.
    for (let i = 0; i < size; i++) into[i] = this.#leaves.reference(this.#drawnLeaves[i] as number, this.#drawnPlaces[i] as number)
  }

  clear(): void {
    this.#directory.clear()
    this.#entries = 0
  }

  #leafOf(address: number): number {
    const start = this.#records.keyStart(address)
    return this.#directory.find(this.#records.bytesOf(address), start, start + this.#records.keyLength(address))
  }

  #join(at: number): void {
    const directory = this.#directory
    for (const left of [at, directory.previous(at)]) {
      const right = left < 0 ? -1 : directory.next(left)
      if (right < 0 || (directory.counts[left] as number) + (directory.counts[right] as number) > JOINED_LEAVES) continue
      this.#leaves.moveFrom(right, 0, left)
      this.#close(right)
      return
    }
  }

  /** A leaf of one entry, behind another. */
  #begin(leaf: number, after: number, address: number): void {
    const at = this.#open(leaf, after, address)
    this.#leaves.append(at, address)
    this.#directory.sorted[at] = 1
  }

  #open(leaf: number, after: number, least: number): number {
    this.#leaves.begin(leaf)
    this.#arena.setType(leaf, BLOCK_LEAF)
    return this.#directory.open(after, leaf, least)
  }

  #close(at: number): void {
    this.#arena.free(this.#directory.addresses[at] as number)
    this.#directory.close(at)
  }
}
