/**
 * Catalogue: everything by which an entry is found or counted, kept in step: the hash table by slot, both orders of keys, the lists of perishable
 * entries, digests and sums. The entries themselves lie in the arena, and so does all of this whose size depends on them.
 *
 * Putting an entry in needs memory in up to four places, and getting memory may throw out other entries, which changes those same places. So
 * room is provided first (`provide`, `provideChunk`), and what follows allocates nothing and cannot fail.
 */
import type { Bytes } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import type { Random } from '../lib/random.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import { Arena, BLOCK_BUCKET, BLOCK_CHUNK, BLOCK_ENTRY, BLOCK_LEAF, type BlockType } from './arena.ts'
import { SlotDigests } from './digest.ts'
import { HalfSipHash } from './half-sip-hash.ts'
import { KeyOrder } from './key-order.ts'
import { isReversedLeaf, LEAF_UNITS } from './leaves.ts'
import { Records } from './records.ts'
import { CHUNK_UNITS, chunkOwner, RefList } from './ref-list.ts'
import { UNIT_BYTES } from './segments.ts'
import { type Allocate, SlotTables } from './slot-tables.ts'
import { Writers } from './writers.ts'

const VOLATILE_LIST = 0
const TOMBSTONE_LIST = 1

/** A list of perishable entries takes a place in it for each. */
const PLACE_BYTES = 4

/** Tables by slot, digests, counts and what the floor remembers: there from the start, whatever is stored. */
export const FIXED_BYTES: number = 448 * 1024

export class Catalogue {
  readonly arena: Arena
  readonly writers: Writers = new Writers()
  readonly records: Records
  readonly tables: SlotTables
  readonly forward: KeyOrder
  readonly backward: KeyOrder
  /** Entries that expire, tombstones apart. */
  readonly volatile: RefList
  readonly tombstones: RefList
  readonly digests: SlotDigests = new SlotDigests()
  readonly #hash: HalfSipHash
  /** By slot: entries, tombstones apart. */
  readonly #live = new Uint32Array(SLOT_COUNT)
  readonly #shown = new Entry()
  readonly #replaced = { ms: 0, counter: 0, writer: '' }
  /** Leaves for the next split, one for each order; 0 if there is none. */
  #forwardLeaf = 0
  #backwardLeaf = 0
  #entries = 0
  #volatileUnits = 0
  #tombstoneUnits = 0

  constructor(arenaBytes: number, segmentBytes: number, random: Random) {
    this.arena = new Arena(arenaBytes, segmentBytes)
    this.records = new Records(this.arena, this.writers)
    this.tables = new SlotTables(this.arena, this.records)
    this.forward = new KeyOrder(this.arena, this.records, false)
    this.backward = new KeyOrder(this.arena, this.records, true)
    this.volatile = new RefList(this.arena, VOLATILE_LIST)
    this.tombstones = new RefList(this.arena, TOMBSTONE_LIST)
    this.#hash = HalfSipHash.keyedBy(random)
  }

  /** Everything, in bytes. */
  get bytes(): number {
    const directories = this.forward.directoryBytes + this.backward.directoryBytes + this.tables.directoryBytes
    return FIXED_BYTES + directories + this.arena.takenBytes
  }

  /** Tombstones too. */
  get entries(): number {
    return this.#entries
  }

  get volatileUnits(): number {
    return this.#volatileUnits
  }

  get tombstoneUnits(): number {
    return this.#tombstoneUnits
  }

  /** Entries of a slot, tombstones apart. */
  live(slot: number): number {
    return this.#live[slot] as number
  }

  /** What an entry takes with its share of the indexes. O(1). */
  bytesOf(address: number): number {
    const { records } = this
    const bytes = records.bytesOf(address)
    const start = records.keyStart(address)
    const end = start + records.keyLength(address)
    const inTable = this.tables.bytesOfPair(slotOf(bytes, start, end), this.#hash.of(bytes, start, end))
    const inOrders = (this.forward.bytes + this.backward.bytes) / this.#entries
    const inList = records.isPerishable(address) ? PLACE_BYTES : 0
    return Math.ceil(this.arena.chargeOf(this.arena.sizeOf(address)) * UNIT_BYTES + inTable + inOrders + inList)
  }

  hashOf(key: Bytes, start: number, end: number): number {
    return this.#hash.of(key, start, end)
  }

  slotOfEntry(address: number): number {
    const start = this.records.keyStart(address)
    return slotOf(this.records.bytesOf(address), start, start + this.records.keyLength(address))
  }

  /** Sees to room for a new entry in every index. False if there was no memory for it. */
  provide(slot: number, hash: number, allocate: Allocate): boolean {
    if (this.#forwardLeaf === 0) this.#forwardLeaf = allocate(LEAF_UNITS)
    if (this.#backwardLeaf === 0) this.#backwardLeaf = allocate(LEAF_UNITS)
    if (this.#forwardLeaf === 0 || this.#backwardLeaf === 0) return false
    return this.tables.makeRoom(slot, hash, allocate)
  }

  /** Sees to room in the list that a perishable entry will stand in. */
  provideChunk(tombstone: boolean, allocate: Allocate): boolean {
    const list = tombstone ? this.tombstones : this.volatile
    if (!list.full) return true
    const chunk = allocate(CHUNK_UNITS)
    if (chunk === 0) return false
    if (list.full) list.addChunk(chunk)
    else this.arena.free(chunk)
    return true
  }

  /** Makes a new entry findable. Its record is whole, room is provided. */
  index(address: number, slot: number, hash: number): void {
    this.arena.setType(address, BLOCK_ENTRY)
    this.tables.insert(slot, hash, address)
    if (this.forward.insert(address, this.#forwardLeaf)) this.#forwardLeaf = 0
    if (this.backward.insert(address, this.#backwardLeaf)) this.#backwardLeaf = 0
  }

  /** Counts an entry in for what its record says: digest, sums, lists. */
  enter(address: number, slot: number): void {
    const { records } = this
    const units = this.arena.sizeOf(address)
    const tombstone = records.isTombstone(address)
    this.#entries++
    if (!tombstone) this.#live[slot] = (this.#live[slot] as number) + 1
    if (records.isPerishable(address)) {
      if (tombstone) this.#tombstoneUnits += units
      else this.#volatileUnits += units
      records.setPlace(address, (tombstone ? this.tombstones : this.volatile).append(address))
    }
    const shown = this.#shown
    records.show(address, shown)
    this.digests.add(slot, shown.key, shown.keyStart, shown.keyEnd, shown, shown.tombstone)
  }

  /** Undoes `enter`, before the record or the block changes. */
  withdraw(address: number, slot: number): void {
    const { records } = this
    const units = this.arena.sizeOf(address)
    const tombstone = records.isTombstone(address)
    this.#entries--
    if (!tombstone) this.#live[slot] = (this.#live[slot] as number) - 1
    if (records.isPerishable(address)) {
      if (tombstone) this.#tombstoneUnits -= units
      else this.#volatileUnits -= units
      const place = records.placeOf(address)
      const moved = (tombstone ? this.tombstones : this.volatile).remove(place)
      if (moved !== 0) records.setPlace(moved, place)
    }
    const shown = this.#shown
    records.show(address, shown)
    this.digests.subtract(slot, shown.key, shown.keyStart, shown.keyEnd, shown, shown.tombstone)
    this.writers.give(records.writerOf(address))
  }

  /**
   * Writes another version of an entry over it, in place, where nothing else has to be told (see `Records.overwrite`). False, and nothing done, if
   * something has.
   */
  rewrite(address: number, entry: Entry, slot: number): boolean {
    const replaced = this.#replaced
    if (!this.records.overwrite(address, entry, this.writers.numberOf(entry.writer), replaced)) return false
    replaced.writer = entry.writer
    this.digests.replace(slot, entry.key, entry.keyStart, entry.keyEnd, replaced, entry)
    return true
  }

  /** Takes an entry out of everything. Its block stays in use, and its record true, until the caller frees it. */
  remove(address: number): void {
    const { records } = this
    const bytes = records.bytesOf(address)
    const start = records.keyStart(address)
    const end = start + records.keyLength(address)
    const slot = slotOf(bytes, start, end)
    this.forward.remove(address)
    this.backward.remove(address)
    this.tables.remove(slot, this.#hash.of(bytes, start, end), address)
    this.withdraw(address, slot)
  }

  /** Lets the indexes lead to another block, which bears the same key. Both records are whole. */
  redirect(from: number, to: number): void {
    const { records } = this
    const bytes = records.bytesOf(from)
    const start = records.keyStart(from)
    const end = start + records.keyLength(from)
    this.arena.setType(to, BLOCK_ENTRY)
    this.forward.replace(from, to)
    this.backward.replace(from, to)
    this.tables.replace(slotOf(bytes, start, end), this.#hash.of(bytes, start, end), from, to)
  }

  /** Copies whatever a block holds into another that is at least as long, lets everything lead there, and frees the first. */
  move(from: number, to: number, type: BlockType): void {
    const { arena } = this
    const words = arena.words[from >>> arena.shift] as Uint32Array
    const first = (from & arena.mask) << 1
    const target = arena.words[to >>> arena.shift] as Uint32Array
    target.set(words.subarray(first + 1, first + 2 * arena.sizeOf(from)), ((to & arena.mask) << 1) + 1)
    const owner = words[first + 1] as number
    if (type === BLOCK_ENTRY) this.#moveEntry(from, to)
    else if (type === BLOCK_BUCKET) this.tables.moveBucket(from, to)
    else if (type === BLOCK_LEAF) (isReversedLeaf(owner) ? this.backward : this.forward).moveLeaf(from, to)
    else this.#moveChunk(owner, to)
    arena.free(from)
  }

  clear(): void {
    this.tables.clear()
    this.forward.clear()
    this.backward.clear()
    this.volatile.clear()
    this.tombstones.clear()
    this.digests.clear()
    this.writers.clear()
    this.#live.fill(0)
    this.arena.reset()
    this.#forwardLeaf = 0
    this.#backwardLeaf = 0
    this.#entries = 0
    this.#volatileUnits = 0
    this.#tombstoneUnits = 0
  }

  #moveEntry(from: number, to: number): void {
    const { records } = this
    this.redirect(from, to)
    if (!records.isPerishable(from)) return
    const tombstone = records.isTombstone(from)
    ;(tombstone ? this.tombstones : this.volatile).set(records.placeOf(from), to)
    const more = this.arena.sizeOf(to) - this.arena.sizeOf(from)
    if (tombstone) this.#tombstoneUnits += more
    else this.#volatileUnits += more
  }

  #moveChunk(owner: number, to: number): void {
    const { id, index } = chunkOwner(owner)
    ;(id === TOMBSTONE_LIST ? this.tombstones : this.volatile).moveChunk(index, to)
    this.arena.setType(to, BLOCK_CHUNK)
  }
}
