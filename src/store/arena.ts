/**
 * Arena: the store's bytes, in segments off the JavaScript heap, and who may use which of them.
 *
 * It is a two-level segregated fit allocator (Masmano, Ripoll, Crespo and Real, "TLSF", 2004) over any number of segments. Blocks are counted in
 * units of 8 bytes and carry their length and a few flags in their first word; a free block keeps its length in its last word too, so
 * neighbours join at once. Free blocks hang in lists by size, 16 to each power of two, and a bitmap tells which lists have any: allocating and
 * freeing are O(1). A block over half a segment gets a segment of its own.
 *
 * Everything whose size depends on what is stored lies here, indexes included, so one number bounds it: `limitBytes`. Segments are made when
 * they are needed and let go when they are empty but for one. When no free block is long enough though there is room in all, `clear` makes
 * one: it walks from a given block and has its owner move away or give up what stands in the way.
 *
 * An address is a segment's number and a unit in it, in 32 bits; 0 is none. Words and bytes are reached through `words` and `bytes`, by
 * `address >>> shift` and `address & mask`. What the words of a block in use mean beyond the first is its owner's affair.
 */
import assert from 'node:assert/strict'
import { NO_BYTES } from '../lib/bytes.ts'

/** What a block in use holds: who is to be asked when it has to go. `BLOCK_HELD` is in nobody's books yet and must stay where it is. */
export const BLOCK_ENTRY = 0
export const BLOCK_BUCKET = 1
export const BLOCK_LEAF = 2
export const BLOCK_CHUNK = 3
export const BLOCK_HELD = 4
export type BlockType = typeof BLOCK_ENTRY | typeof BLOCK_BUCKET | typeof BLOCK_LEAF | typeof BLOCK_CHUNK | typeof BLOCK_HELD

export const UNIT_BYTES = 8

const FREE = 1
const PREVIOUS_FREE = 2
const TYPE_SHIFT = 2
const TYPE_BITS = 7 << TYPE_SHIFT
const SIZE_SHIFT = 5
const FLAG_BITS = (1 << SIZE_SHIFT) - 1

/** A free block needs four words: length and flags, the next and the previous in its list, and its length again. */
const MIN_UNITS = 2
const LIST_COUNT = 512
/** Of the list in which a long enough block may stand among shorter ones, this many are tried before the lists where every block will do. */
const TRIES = 4
const PAGE_UNITS = 4096 / UNIT_BYTES
/** A segment of one block ends with room for this many units more, so that an entry that gets an expiry stays where it is. */
const OWN_SLACK_UNITS = 2
const NO_WORDS = new Uint32Array(0)

export class Arena {
  /** By segment. Empty for a number that is not in use. */
  readonly words: Uint32Array[] = []
  readonly bytes: Buffer[] = []
  readonly shift: number
  readonly mask: number
  readonly #segmentUnits: number
  readonly #limitUnits: number
  readonly #heads = new Uint32Array(LIST_COUNT)
  readonly #bitmap = new Uint32Array(LIST_COUNT / 32)
  /** Segments of one block, by number. */
  readonly #own: boolean[] = []
  readonly #buffers = new Set<ArrayBufferLike>()
  readonly #unusedNumbers: number[] = []
  #segments = 0
  #takenUnits = 0
  #freeUnits = 0
  #emptySegments = 0
  /** The block that `clear` waits to see freed. */
  #condemned = 0
  #condemnedFreed = false

  /** `segmentBytes` is a power of two from 1 KiB to 16 MiB. */
  constructor(limitBytes: number, segmentBytes: number) {
    this.#segmentUnits = segmentBytes / UNIT_BYTES
    this.shift = Math.log2(this.#segmentUnits)
    assert(Number.isInteger(this.shift), 'segments are a power of two')
    this.mask = this.#segmentUnits - 1
    this.#limitUnits = Math.floor(limitBytes / UNIT_BYTES)
  }

  /** All segments, whatever is used of them. Never above the limit. */
  get takenBytes(): number {
    return this.#takenUnits * UNIT_BYTES
  }

  /** What could still be allocated, were it in one piece. */
  get spareUnits(): number {
    return this.#freeUnits + this.#limitUnits - this.#takenUnits
  }

  get limitUnits(): number {
    return this.#limitUnits
  }

  /** The units of a whole segment. */
  get segmentUnits(): number {
    return this.#segmentUnits
  }

  /** The longest block that shares a segment. */
  get sharedUnits(): number {
    return this.#segmentUnits >>> 1
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
    return this.#own[address >>> this.shift] === true
  }

  setType(address: number, type: BlockType): void {
    const words = this.words[address >>> this.shift] as Uint32Array
    const at = (address & this.mask) << 1
    words[at] = ((words[at] as number) & ~TYPE_BITS) | (type << TYPE_SHIFT)
  }

  /** Whether bytes lie in one of these segments. Cheap for small buffers, such as sockets read into. */
  owns(bytes: Buffer): boolean {
    const { buffer } = bytes
    if (buffer.byteLength <= this.sharedUnits * UNIT_BYTES) return false
    return this.#buffers.has(buffer)
  }

  /** A block of at least so many units, of type `BLOCK_HELD`; its other words hold anything. 0 if there is none. */
  allocate(units: number): number {
    if (units > this.sharedUnits) return this.#allocateOwn(units)
    const wanted = Math.max(units, MIN_UNITS)
    let block = this.#find(wanted)
    if (block === 0) {
      if (!this.#addShared()) return 0
      block = this.#find(wanted)
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
    if (this.#own[segment] === true) {
      this.#release(segment)
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
    if (fromStart) return segment * this.#segmentUnits + 1
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
    const end = segment * this.#segmentUnits + ((this.words[segment] as Uint32Array).length >>> 1) - 1
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
    this.words.length = 0
    this.bytes.length = 0
    this.#own.length = 0
    this.#unusedNumbers.length = 0
    this.#buffers.clear()
    this.#heads.fill(0)
    this.#bitmap.fill(0)
    this.#segments = 0
    this.#takenUnits = 0
    this.#freeUnits = 0
    this.#emptySegments = 0
  }

  #allocateOwn(units: number): number {
    const taken = ownUnits(units)
    if (this.#takenUnits + taken > this.#limitUnits && this.#emptySegments > 0) this.#releaseEmpty(this.#anyEmpty())
    const segment = this.#addSegment(taken, true)
    if (segment < 0) return 0
    const words = this.words[segment] as Uint32Array
    words[2] = ((taken - 1) << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
    return segment * this.#segmentUnits + 1
  }

  /**
   * Its first unit is nobody's, so that no address is 0; its last is a block in use that stops joining and walking. The last segment that the
   * limit allows may be a short one.
   */
  #addShared(): boolean {
    const units = Math.min(this.#segmentUnits, this.#limitUnits - this.#takenUnits)
    const segment = units < PAGE_UNITS ? -1 : this.#addSegment(units, false)
    if (segment < 0) return false
    const words = this.words[segment] as Uint32Array
    words[2 * units - 2] = (1 << SIZE_SHIFT) | (BLOCK_HELD << TYPE_SHIFT)
    this.#emptySegments++
    this.#link(segment * this.#segmentUnits + 1, units - 2)
    return true
  }

  /** Whether a free block is all that its segment has. */
  #isWhole(block: number, units: number): boolean {
    return units === (this.#wordsOf(block).length >>> 1) - 2
  }

  #addSegment(units: number, own: boolean): number {
    if (this.#takenUnits + units > this.#limitUnits) return -1
    const segment = this.#unusedNumbers.pop() ?? this.#segments
    if ((segment + 1) * this.#segmentUnits > 2 ** 32) {
      this.#unusedNumbers.push(segment)
      return -1
    }
    if (segment === this.#segments) this.#segments++
    const buffer = new ArrayBuffer(units * UNIT_BYTES)
    this.words[segment] = new Uint32Array(buffer)
    this.bytes[segment] = Buffer.from(buffer)
    this.#own[segment] = own
    this.#buffers.add(buffer)
    this.#takenUnits += units
    return segment
  }

  #release(segment: number): void {
    const words = this.words[segment] as Uint32Array
    this.#takenUnits -= words.length >>> 1
    this.#buffers.delete(words.buffer)
    this.words[segment] = NO_WORDS
    this.bytes[segment] = NO_BYTES
    this.#own[segment] = false
    this.#unusedNumbers.push(segment)
  }

  #releaseEmpty(block: number): void {
    this.#unlink(block)
    this.#emptySegments--
    this.#release(block >>> this.shift)
  }

  /** There must be one. */
  #anyEmpty(): number {
    for (let segment = 0; ; segment++) {
      const block = segment * this.#segmentUnits + 1
      if (
        this.words[segment] !== NO_WORDS &&
        this.#own[segment] !== true &&
        this.#isFree(block) &&
        this.#isWhole(block, this.#sizeAt(block))
      ) {
        return block
      }
    }
  }

  #find(units: number): number {
    const list = listOf(units)
    let block = this.#heads[list] as number
    for (let tries = 0; block !== 0 && tries < TRIES; tries++) {
      if (this.#sizeAt(block) >= units) return block
      block = this.#wordsOf(block)[((block & this.mask) << 1) + 1] as number
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
    const list = listOf(units)
    const head = this.#heads[list] as number
    words[at] = (units << SIZE_SHIFT) | FREE
    words[at + 1] = head
    words[at + 2] = 0
    words[at + 2 * units - 1] = units
    if (head !== 0) this.#wordsOf(head)[((head & this.mask) << 1) + 2] = block
    this.#heads[list] = block
    this.#bitmap[list >>> 5] = (this.#bitmap[list >>> 5] as number) | (1 << (list & 31))
    this.#freeUnits += units
    this.#setPreviousFree(block + units, true)
  }

  /** Takes a free block out of its list; its neighbours are left to the caller. */
  #unlink(block: number): void {
    const words = this.#wordsOf(block)
    const at = (block & this.mask) << 1
    const units = (words[at] as number) >>> SIZE_SHIFT
    const next = words[at + 1] as number
    const previous = words[at + 2] as number
    if (next !== 0) this.#wordsOf(next)[((next & this.mask) << 1) + 2] = previous
    if (previous !== 0) {
      this.#wordsOf(previous)[((previous & this.mask) << 1) + 1] = next
    } else {
      const list = listOf(units)
      this.#heads[list] = next
      if (next === 0) this.#bitmap[list >>> 5] = (this.#bitmap[list >>> 5] as number) & ~(1 << (list & 31))
    }
    this.#freeUnits -= units
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

/** Blocks below 32 units have a list for each length, longer ones 16 lists to each power of two. Ascending in length. */
function listOf(units: number): number {
  if (units < 16) return units
  const log = 31 - Math.clz32(units)
  return (log - 3) * 16 + ((units >>> (log - 4)) & 15)
}

function ownUnits(units: number): number {
  return Math.ceil((units + 1 + OWN_SLACK_UNITS) / PAGE_UNITS) * PAGE_UNITS
}
