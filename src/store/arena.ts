/**
 * Arena: the store's bytes, and who may use which of them.
 *
 * It is a two-level segregated fit allocator (Masmano, Ripoll, Crespo and Real, "TLSF", 2004) over any number of segments (`segments.ts`). Blocks
 * are counted in units of 8 bytes and carry their length and a few flags in their first word; a free block keeps its length in its last word too,
 * so neighbours join at once, and hangs in a list by its size (`free-lists.ts`): allocating and freeing are O(1). A block over half a segment gets
 * a segment of its own.
 *
 * Everything whose size depends on what is stored lies here, indexes included, so one number bounds it: `limitBytes`. Segments are let go when they
 * are empty but for one. When no free block is long enough though there is room in all, `clear` makes one: it walks from a given block and has its
 * owner move away or give up what stands in the way.
 *
 * The address of a block is that of its first unit; 0 is none. What the words of a block in use mean beyond the first is its owner's affair.
 */
import { FreeLists, SIZE_SHIFT } from './free-lists.ts'
import { PAGE_UNITS, Segments, UNIT_BYTES } from './segments.ts'

/** What a block in use holds: who is to be asked when it has to go. `BLOCK_HELD` is in nobody's books yet and must stay where it is. */
export const BLOCK_ENTRY = 0
export const BLOCK_BUCKET = 1
export const BLOCK_LEAF = 2
export const BLOCK_CHUNK = 3
export const BLOCK_HELD = 4
export type BlockType = typeof BLOCK_ENTRY | typeof BLOCK_BUCKET | typeof BLOCK_LEAF | typeof BLOCK_CHUNK | typeof BLOCK_HELD

const FREE = 1
const PREVIOUS_FREE = 2
const TYPE_SHIFT = 2
const TYPE_BITS = 7 << TYPE_SHIFT
const FLAG_BITS = (1 << SIZE_SHIFT) - 1

/** A free block needs four words: length and flags, the next and the previous in its list, and its length again. */
const MIN_UNITS = 2
/** A segment of one block ends with room for this many units more, so that an entry that gets an expiry stays where it is. */
const OWN_SLACK_UNITS = 2

export class Arena {
  /** By segment: see `Segments`. */
  readonly words: Uint32Array[]
  readonly bytes: Buffer[]
  readonly shift: number
  readonly mask: number
  readonly #segments: Segments
  readonly #free: FreeLists
  #emptySegments = 0
  /** The block that `clear` waits to see freed. */
  #condemned = 0
  #condemnedFreed = false

  /** `segmentBytes` is a power of two from 1 KiB to 16 MiB. */
  constructor(limitBytes: number, segmentBytes: number) {
    this.#segments = new Segments(limitBytes, segmentBytes)
    this.#free = new FreeLists(this.#segments)
    this.words = this.#segments.words
    this.bytes = this.#segments.bytes
    this.shift = this.#segments.shift
    this.mask = this.#segments.mask
  }

  /** All segments, whatever is used of them. Never above the limit. */
  get takenBytes(): number {
    return this.#segments.takenUnits * UNIT_BYTES
  }

  /** What could still be allocated, were it in one piece. */
  get spareUnits(): number {
    return this.#free.units + this.#segments.limitUnits - this.#segments.takenUnits
  }

  get limitUnits(): number {
    return this.#segments.limitUnits
  }

  /** The units of a whole segment. */
  get segmentUnits(): number {
    return this.#segments.units
  }

  /** The longest block that shares a segment. */
  get sharedUnits(): number {
    return this.#segments.units >>> 1
  }

  /** What a block of this length takes out of the limit. */
  chargeOf(units: number): number {
    return units > this.sharedUnits ? ownUnits(units) : units
  }

  /** The length of a block in use, in units: at least what was asked for. */
  sizeOf(address: number): number {
    return ((this.words[address >>> this.shift] as Uint32Array)[(address & this.mask) << 1] as number) >>> SIZE_SHIFT
  }

  isOwn(address: number): boolean {
    return this.#segments.isOwn(address >>> this.shift)
  }

  setType(address: number, type: BlockType): void {
    const words = this.words[address >>> this.shift] as Uint32Array
    const at = (address & this.mask) << 1
    words[at] = ((words[at] as number) & ~TYPE_BITS) | (type << TYPE_SHIFT)
  }

  /** Whether bytes lie in one of the segments. Cheap for small buffers, such as sockets read into. */
  owns(bytes: Buffer): boolean {
    return this.#segments.have(bytes)
  }

  /** A block of at least so many units, of type `BLOCK_HELD`; its other words hold anything. 0 if there is none. */
  allocate(units: number): number {
    if (units > this.sharedUnits) return this.#allocateOwn(units)
    const wanted = Math.max(units, MIN_UNITS)
    let block = this.#free.find(wanted)
    if (block === 0) {
      if (!this.#addShared()) return 0
      block = this.#free.find(wanted)
      if (block === 0) return 0
    }
    this.#unlink(block)
    this.#use(block, wanted, this.#sizeAt(block))
    return block
  }

  /** The block's words but the first may be overwritten at once. */
  free(address: number): void {
    if (address === this.#condemned) {
      this.#condemnedFreed = true
      return
    }
    const segment = address >>> this.shift
    if (this.#segments.isOwn(segment)) {
      this.#segments.release(segment)
      return
    }
    const words = this.words[segment] as Uint32Array
    const header = words[(address & this.mask) << 1] as number
    let start = address
    let units = header >>> SIZE_SHIFT
    const next = address + units
    if (this.#isFree(next)) {
      this.#unlink(next)
      units += this.#sizeAt(next)
    }
    if ((header & PREVIOUS_FREE) !== 0) {
      start = address - (words[((address & this.mask) << 1) - 1] as number)
      this.#unlink(start)
      units += this.#sizeAt(start)
    }
    this.#link(start, units)
    if (this.#isWhole(start, units)) {
      this.#emptySegments++
      if (this.#emptySegments > 1) this.#releaseEmpty(start)
    }
  }

  /** Gives the end of a block back, if that makes a block. Segments of one block keep their length. */
  shrink(address: number, units: number): void {
    const size = this.#sizeAt(address)
    const kept = Math.max(units, MIN_UNITS)
    if (size - kept < MIN_UNITS || this.isOwn(address)) return
    this.#setSize(address, kept)
    const rest = address + kept
    this.#wordsOf(rest)[(rest & this.mask) << 1] = (size - kept) << SIZE_SHIFT
    this.free(rest)
  }

  /** Lengthens a block where it stands, if what follows it is free. */
  grow(address: number, units: number): boolean {
    if (this.isOwn(address)) return false
    const size = this.#sizeAt(address)
    const next = address + size
    if (!this.#isFree(next)) return false
    const together = size + this.#sizeAt(next)
    if (together < units) return false
    this.#unlink(next)
    this.#setPreviousFree(address + together, false)
    this.#setSize(address, together)
    this.shrink(address, units)
    return true
  }

  /** The length that all blocks of a block's segment have together. */
  blockUnitsAt(address: number): number {
    return (this.#wordsOf(address).length >>> 1) - 2
  }

  /** The free block that ends where this one begins, else this one; the first of the segment, if `fromStart`. */
  runStart(address: number, fromStart: boolean): number {
    const segment = address >>> this.shift
    if (fromStart) return segment * this.#segments.units + 1
    const words = this.words[segment] as Uint32Array
    const at = (address & this.mask) << 1
    return ((words[at] as number) & PREVIOUS_FREE) !== 0 ? address - (words[at - 1] as number) : address
  }

  /**
   * Makes one block of at least so many units out of the blocks from `start` on. `evacuate` is asked to free each block in use that stands in
   * the way, which it may do by moving what it holds, and answers whether it did. 0 if that failed or the segment ended; what was cleared by
   * then is free. O(blocks in the way).
   */
  clear(start: number, units: number, evacuate: (address: number, type: BlockType) => boolean): number {
    const segment = start >>> this.shift
    const end = segment * this.#segments.units + ((this.words[segment] as Uint32Array).length >>> 1) - 1
    let cleared = 0
    while (cleared < units) {
      const at = start + cleared
      if (at >= end) break
      if (this.#isFree(at)) {
        if (this.#isWhole(at, this.#sizeAt(at))) this.#emptySegments--
        this.#unlink(at)
        this.#setPreviousFree(at + this.#sizeAt(at), false)
      } else {
        this.#condemned = at
        this.#condemnedFreed = false
        const type = (((this.#wordsOf(at)[(at & this.mask) << 1] as number) & TYPE_BITS) >>> TYPE_SHIFT) as BlockType
        const gone = evacuate(at, type) && this.#condemnedFreed
        this.#condemned = 0
        if (!gone) break
      }
      const size = this.#sizeAt(at)
      cleared += size
      // Held as one block in use: nothing that is freed meanwhile joins it, nothing that is moved comes to lie in it.
      const words = this.#wordsOf(start)
      const first = (start & this.mask) << 1
      words[first] = (cleared << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT) | ((words[first] as number) & PREVIOUS_FREE)
    }
    if (cleared === 0) return 0
    if (cleared < units) {
      this.free(start)
      return 0
    }
    this.shrink(start, units)
    return start
  }

  /** Frees everything and lets all segments go. */
  reset(): void {
    this.#segments.reset()
    this.#free.reset()
    this.#emptySegments = 0
  }

  #allocateOwn(units: number): number {
    const taken = ownUnits(units)
    if (this.#segments.takenUnits + taken > this.#segments.limitUnits && this.#emptySegments > 0) this.#releaseEmpty(this.#anyEmpty())
    const segment = this.#segments.add(taken, true)
    if (segment < 0) return 0
    const words = this.words[segment] as Uint32Array
    words[2] = ((taken - 1) << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
    return segment * this.#segments.units + 1
  }

  /**
   * Its first unit is nobody's, so that no address is 0; its last is a block in use that stops joining and walking. The last segment that the
   * limit allows may be a short one.
   */
  #addShared(): boolean {
    const units = Math.min(this.#segments.units, this.#segments.limitUnits - this.#segments.takenUnits)
    const segment = units < PAGE_UNITS ? -1 : this.#segments.add(units, false)
    if (segment < 0) return false
    const words = this.words[segment] as Uint32Array
    words[2 * units - 2] = (1 << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
    this.#emptySegments++
    this.#link(segment * this.#segments.units + 1, units - 2)
    return true
  }

  /** Whether a free block is all that its segment has. */
  #isWhole(block: number, units: number): boolean {
    return units === (this.#wordsOf(block).length >>> 1) - 2
  }

  #releaseEmpty(block: number): void {
    this.#unlink(block)
    this.#emptySegments--
    this.#segments.release(block >>> this.shift)
  }

  /** There must be one. */
  #anyEmpty(): number {
    for (let segment = 0; ; segment++) {
      const block = segment * this.#segments.units + 1
      if (this.#segments.isShared(segment) && this.#isFree(block) && this.#isWhole(block, this.#sizeAt(block))) return block
    }
  }

  /** Makes an unlinked free block one in use, and gives back what is beyond the wanted length. */
  #use(block: number, units: number, size: number): void {
    if (this.#isWhole(block, size)) this.#emptySegments--
    const at = (block & this.mask) << 1
    const words = this.#wordsOf(block)
    const rest = size - units
    if (rest < MIN_UNITS) {
      words[at] = (size << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
      this.#setPreviousFree(block + size, false)
      return
    }
    words[at] = (units << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
    this.#link(block + units, rest)
  }

  #link(block: number, units: number): void {
    const words = this.#wordsOf(block)
    const at = (block & this.mask) << 1
    words[at] = (units << SIZE_SHIFT) | FREE
    words[at + 2 * units - 1] = units
    this.#free.add(block, units)
    this.#setPreviousFree(block + units, true)
  }

  /** Takes a free block out of its list; its neighbours are left to the caller. */
  #unlink(block: number): void {
    this.#free.remove(block, this.#sizeAt(block))
  }

  #wordsOf(address: number): Uint32Array {
    return this.words[address >>> this.shift] as Uint32Array
  }

  #sizeAt(address: number): number {
    return (this.#wordsOf(address)[(address & this.mask) << 1] as number) >>> SIZE_SHIFT
  }

  #isFree(address: number): boolean {
    return ((this.#wordsOf(address)[(address & this.mask) << 1] as number) & FREE) !== 0
  }

  #setSize(address: number, units: number): void {
    const words = this.#wordsOf(address)
    const at = (address & this.mask) << 1
    words[at] = (units << SIZE_SHIFT) | ((words[at] as number) & FLAG_BITS)
  }

  #setPreviousFree(address: number, free: boolean): void {
    const words = this.#wordsOf(address)
    const at = (address & this.mask) << 1
    words[at] = free ? (words[at] as number) | PREVIOUS_FREE : (words[at] as number) & ~PREVIOUS_FREE
  }
}

function ownUnits(units: number): number {
  return Math.ceil((units + 1 + OWN_SLACK_UNITS) / PAGE_UNITS) * PAGE_UNITS
}
