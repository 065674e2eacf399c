/**
 * The store in its lasting form: every entry and every index off the JavaScript heap, so that ten million entries cost the collector nothing.
 *
 * - Memory: one arena of fixed segments (`arena.ts`) holds records, hash table, both orders of keys and the lists of perishable entries. What it
 *   takes is counted there; with the fixed tables and the small directories above them it makes `bytes`, which stays below `maxMemoryBytes`.
 * - By key and by slot: a hash table for each slot, by a keyed hash (`slot-tables.ts`). A scan's token is the hash it stopped at.
 * - By prefix and suffix: two ordered indexes (`key-order.ts`, `key-search.ts`).
 * - Overwriting happens in place where the new record fits; else the record gets another block, and the indexes are told.
 * - Eviction: approximate, by sampling (`eviction.ts`, `evictor.ts`).
 * - Sweeping goes round lists of perishable entries (`sweeper.ts`). A floor under all stamps (`floor.ts`) is how everything is flushed.
 *
 * Addresses reach 32 GiB; of a larger limit the rest stays unused. What takes long is in proportion to what is asked for: a value so
 * large that at the limit thousands of small entries have to go for it, and a floor that is raised among entries above and below it.
 */
import assert from 'node:assert/strict'
import { NO_BYTES } from '../lib/bytes.ts'
import { Entry, NEVER } from '../lib/entry.ts'
import type { Place } from '../lib/place.ts'
import type { Random } from '../lib/random.ts'
import type { RequestRun } from '../lib/request-run.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import type { Stamp, Version } from '../lib/version.ts'
import { Catalogue, FIXED_BYTES } from './catalogue.ts'
import { Eviction } from './eviction.ts'
import { Evictor } from './evictor.ts'
import { Floor } from './floor.ts'
import { KeyDraw } from './key-draw.ts'
import { KeySearch } from './key-search.ts'
import { isPerishable, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './records.ts'
import { RunFinder } from './run-finder.ts'
import { SlotScan } from './slot-scan.ts'
import type {
  ApplyOutcome,
  DropReason,
  EntryFacts,
  EvictionPolicy,
  ScanToken,
  SearchQuery,
  SlotDigest,
  Store,
  StoreOptions,
  StoreStats,
} from './store.ts'
import { Sweeper } from './sweeper.ts'

/** At least so many segments make up the memory, so that a small store takes it in small pieces. */
const SEGMENTS = 64
const MIN_SEGMENT_BYTES = 64 * 1024
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024
/**
 * What is left for the directories of the indexes: so much for the first of their nodes, and a part of the memory. An entry and its indexes take 73
 * bytes at least, of which these are one at the most, when leaves and nodes have come to be as empty as they may.
 */
const FIRST_NODES_BYTES = 8 * 1024
const DIRECTORY_SHARE = 1 / 73

/** A longer one is not remembered: it would be kept from being collected. */
const MAX_OUTSIDER_BYTES = 64 * 1024

/** So many entries above a floor, and this part of all and of the memory, are put aside and back; where there are more, what is below is taken out. */
const MAX_KEPT = 100_000
const KEPT_SHARE = 1 / 8

export class SlabStore implements Store {
  readonly #options: StoreOptions
  readonly #random: Random
  readonly #catalogue: Catalogue
  readonly #eviction: Eviction
  readonly #evictor: Evictor
  readonly #finder: RunFinder
  readonly #search: KeySearch
  readonly #scan: SlotScan
  readonly #sweeper: Sweeper
  readonly #draw: KeyDraw
  readonly #floor: Floor
  /** A copy of what is to be applied, where that lies in the arena. */
  readonly #copied = new Entry()
  /** The Buffer that was last seen not to lie in the arena. */
  #outsider: Buffer = NO_BYTES
  /** Of what a `Place` tells. */
  #revision = 0
  /** Counts down, and never arrives while nobody wants samples. */
  #usesToSample = Number.POSITIVE_INFINITY
  #sampled: (entry: Entry, slot: number) => void = () => {}
  /** Of which slot `dropSlot` removed entries last, and up to which hash. */
  #droppedSlot = -1
  #droppedTo = 0

  /** The chance keys the hash and draws the samples. */
  constructor(options: StoreOptions, random: Random) {
    const { maxMemoryBytes } = options
    const arenaBytes = Math.max(0, maxMemoryBytes * (1 - DIRECTORY_SHARE) - FIXED_BYTES - FIRST_NODES_BYTES)
    this.#options = options
    this.#random = random
    this.#catalogue = new Catalogue(arenaBytes, segmentBytesFor(maxMemoryBytes), random)
    this.#eviction = new Eviction(options.evictionPolicy, random)
    this.#evictor = new Evictor(this.#catalogue, options, this.#eviction, random)
    this.#finder = new RunFinder(this.#catalogue)
    this.#search = new KeySearch(this.#catalogue)
    this.#scan = new SlotScan(this.#catalogue)
    this.#sweeper = new Sweeper(this.#catalogue, this.#evictor, options.tombstoneMs)
    this.#floor = new Floor(this.#catalogue)
    this.#draw = new KeyDraw(this.#catalogue, random)
  }

  get floor(): Stamp {
    return this.#floor.stamp
  }

  get newest(): Stamp {
    return this.#floor.newest
  }

  get(key: Buffer, start: number, end: number, nowMs: number, into: Entry, slot: number = slotOf(key, start, end)): boolean {
    const { tables, records } = this.#catalogue
    const address = tables.find(slot, this.#catalogue.hashOf(key, start, end), key, start, end)
    if (address === 0 || !records.isLive(address, nowMs)) return false
    records.setMark(address, this.#eviction.used(records.markOf(address), nowMs))
    records.show(address, into)
    if (--this.#usesToSample === 0) this.#sampled(into, slot)
    return true
  }

  touch(key: Buffer, start: number, end: number, nowMs: number, uses: number): void {
    const address = this.#find(key, start, end)
    if (address === 0) return
    const { records } = this.#catalogue
    records.setMark(address, this.#eviction.usedElsewhere(records.markOf(address), nowMs, uses))
  }

  sampleUses(every: number, listener: (entry: Entry, slot: number) => void): void {
    // By chance: every n-th of what is read in a circle would always be the same keys.
    const draw = (): number => 1 + Math.floor(this.#random.next() * (2 * every - 1))
    this.#usesToSample = draw()
    this.#sampled = (entry, slot) => {
      this.#usesToSample = draw()
      listener(entry, slot)
    }
  }

  peek(key: Buffer, start: number, end: number, into: Entry, slot: number = slotOf(key, start, end), place?: Place): boolean {
    const hash = this.#catalogue.hashOf(key, start, end)
    const address = this.#catalogue.tables.find(slot, hash, key, start, end)
    if (place !== undefined) {
      place.hash = hash
      place.address = address
      place.revision = this.#revision
    }
    if (address === 0) return false
    this.#catalogue.records.show(address, into)
    return true
  }

  findAll(run: RequestRun): void {
    this.#finder.find(run)
    run.revision = this.#revision
  }

  getAt(run: RequestRun, i: number, nowMs: number, into: Entry): boolean {
    const { records } = this.#catalogue
    const address = this.#addressAt(run, i)
    if (address === 0 || !records.isLive(address, nowMs)) return false
    records.setMark(address, this.#eviction.used(records.markOf(address), nowMs))
    const sampled = --this.#usesToSample === 0
    if (sampled || run.versions) records.show(address, into)
    else records.showValue(address, into)
    if (sampled) this.#sampled(into, run.slot[i] as number)
    return true
  }

  placeAt(run: RequestRun, i: number, nowMs: number, place: Place): boolean {
    const { records } = this.#catalogue
    const address = this.#addressAt(run, i)
    place.hash = run.hash[i] as number
    place.address = address
    place.revision = this.#revision
    place.live = address !== 0 && records.isLive(address, nowMs)
    if (address === 0) return false
    place.ms = records.msOf(address)
    place.counter = records.counterOf(address)
    return true
  }

  apply(entry: Entry, nowMs: number, slot: number = slotOf(entry.key, entry.keyStart, entry.keyEnd), place?: Place): ApplyOutcome {
    const { tables, records, writers } = this.#catalogue
    if (this.#floor.covers(entry.ms, entry.counter)) return 'stale'
    const known = place !== undefined && place.revision === this.#revision
    const hash = known ? place.hash : this.#catalogue.hashOf(entry.key, entry.keyStart, entry.keyEnd)
    const old = known ? place.address : tables.find(slot, hash, entry.key, entry.keyStart, entry.keyEnd)
    if (old !== 0) {
      const order = records.compareVersion(old, entry.ms, entry.counter, entry.writer)
      if (order === 0) return 'same'
      if (order > 0) return 'stale'
      if (entry.expiresAtMs !== NEVER && !entry.outlived) entry.outlived = records.outlives(old, entry.expiresAtMs)
    }
    if (entry.keyEnd - entry.keyStart > MAX_KEY_BYTES || entry.valueEnd - entry.valueStart > MAX_VALUE_BYTES) return 'full'
    const source = this.#outside(entry)
    const mark = old === 0 ? this.#eviction.first(nowMs) : this.#eviction.used(records.markOf(old), nowMs)
    if (old !== 0 && this.#catalogue.rewrite(old, source, slot)) {
      records.setMark(old, mark)
      this.#floor.note(slot, entry.ms, entry.counter)
      return 'applied'
    }
    this.#revision++
    const writer = writers.take(entry.writer)
    if (writer < 0) return 'full'
    this.#eviction.setPopulation(this.#catalogue.entries)
    this.#evictor.begin(nowMs, old)
    const applied =
      old === 0 ? this.#insert(source, slot, hash, writer, mark) : this.#overwrite(old, source, slot, hash, writer, mark, nowMs)
    if (applied) {
      this.#floor.note(slot, source.ms, source.counter)
      return 'applied'
    }
    writers.give(writer)
    this.#clearIfEmpty()
    return 'full'
  }

  drop(key: Buffer, start: number, end: number, version: Version): boolean {
    const address = this.#find(key, start, end)
    if (address === 0 || this.#catalogue.records.compareVersion(address, version.ms, version.counter, version.writer) !== 0) return false
    this.#revision++
    this.#remove(address)
    this.#clearIfEmpty()
    return true
  }

  /** O(log n) to begin and O(1) each; with a suffix that few keys have, O(their number) to begin and O(log n) each. */
  search(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null {
    return this.#search.search(query, nowMs, maxSteps, visit)
  }

  /** In ascending order of the hashes, and of the keys where those are equal. `visit` must not change the store. O(1) each. */
  scanSlot(slot: number, token: ScanToken | null, visit: (entry: Entry) => boolean): ScanToken | null {
    return this.#scan.scan(slot, token, visit)
  }

  slotEntries(slot: number): number {
    return this.#catalogue.tables.count(slot)
  }

  slotLive(slot: number): number {
    return this.#catalogue.live(slot)
  }

  randomKey(nowMs: number, mayPick: (slot: number) => boolean, into: Entry): boolean {
    const address = this.#draw.draw(nowMs, mayPick)
    if (address === 0) return false
    this.#catalogue.records.show(address, into)
    return true
  }

  describe(key: Buffer, start: number, end: number, nowMs: number): EntryFacts | null {
    const { records } = this.#catalogue
    const address = this.#find(key, start, end)
    if (address === 0 || !records.isLive(address, nowMs)) return null
    const mark = records.markOf(address)
    return {
      bytes: this.#catalogue.bytesOf(address),
      idleMs: this.#eviction.idleMs(mark, nowMs),
      frequency: this.#eviction.frequency(mark, nowMs),
    }
  }

  slotDigest(slot: number): SlotDigest {
    return this.#catalogue.digests.of(slot)
  }

  dropSlot(slot: number, most: number): number {
    this.#revision++
    const { tables } = this.#catalogue
    const leaving: number[] = []
    const gather = (hash: number, address: number): boolean => {
      if (leaving.length >= most) return false
      this.#droppedTo = hash
      return leaving.push(address) > 0
    }
    // On from where the last call stopped, over no bucket that it has emptied; what came since to before that is found when nothing is behind.
    if (slot !== this.#droppedSlot) this.#droppedTo = 0
    this.#droppedSlot = slot
    tables.visit(slot, this.#droppedTo, gather)
    if (leaving.length < Math.min(most, tables.count(slot))) {
      leaving.length = 0
      tables.visit(slot, 0, gather)
    }
    for (const address of leaving) this.#remove(address)
    this.#clearIfEmpty()
    return leaving.length
  }

  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number, reason: DropReason) => boolean): number {
    this.#revision++
    const gone = this.#sweeper.sweep(nowMs, maxSteps, mayDrop)
    this.#clearIfEmpty()
    return gone
  }

  clear(): void {
    this.#revision++
    this.#catalogue.clear()
    this.#floor.forget()
  }

  raiseFloor(stamp: Stamp, nowMs: number): void {
    if (!this.#floor.raise(stamp)) return
    this.#revision++
    if (this.#floor.coversAll) {
      this.clear()
      return
    }
    const { maxMemoryBytes } = this.#options
    const kept = this.#floor.copyAbove(Math.min(MAX_KEPT, this.#catalogue.entries * KEPT_SHARE), maxMemoryBytes * KEPT_SHARE)
    if (kept === null) {
      for (let slot = 0; slot < SLOT_COUNT; slot++) for (const address of this.#floor.below(slot)) this.#remove(address)
      this.#clearIfEmpty()
      return
    }
    this.clear()
    this.#evictor.begin(nowMs, 0)
    for (const { entry, mark } of kept) this.#putBack(entry, mark)
  }

  setEvictionPolicy(policy: EvictionPolicy): void {
    this.#eviction.setPolicy(policy)
    this.#evictor.forgetUsual()
  }

  stats(): StoreStats {
    const { entries, tombstones, bytes } = this.#catalogue
    return {
      entries: entries - tombstones.size,
      tombstones: tombstones.size,
      expiring: this.#catalogue.volatile.size,
      bytes,
      maxBytes: this.#options.maxMemoryBytes,
      evictedTotal: this.#evictor.evictedTotal,
      expiredTotal: this.#evictor.expiredTotal,
    }
  }

  /** Looked up again where the store has changed since. */
  #addressAt(run: RequestRun, i: number): number {
    if (run.revision === this.#revision) return run.address[i] as number
    const { buffer, keyStart, keyEnd, slot, hash } = run
    return this.#catalogue.tables.find(slot[i] as number, hash[i] as number, buffer, keyStart[i] as number, keyEnd[i] as number)
  }

  #find(key: Buffer, start: number, end: number): number {
    return this.#catalogue.tables.find(slotOf(key, start, end), this.#catalogue.hashOf(key, start, end), key, start, end)
  }

  #insert(entry: Entry, slot: number, hash: number, writer: number, mark: number): boolean {
    const { arena, records } = this.#catalogue
    const units = records.unitsFor(entry)
    if (!this.#evictor.admit(units)) return false
    const block = this.#evictor.allocate(units)
    if (block === 0) return false
    const provided =
      (!isPerishable(entry) || this.#catalogue.provideChunk(entry.tombstone, this.#evictor.allocate)) &&
      this.#catalogue.provide(slot, hash, this.#evictor.allocate)
    if (!provided) {
      arena.free(block)
      return false
    }
    records.write(block, entry, writer)
    records.setMark(block, mark)
    this.#catalogue.enter(block, slot)
    this.#catalogue.index(block, slot, hash)
    return true
  }

  #overwrite(old: number, entry: Entry, slot: number, hash: number, writer: number, mark: number, nowMs: number): boolean {
    const { arena, records } = this.#catalogue
    const units = records.unitsFor(entry)
    if (!this.#evictor.canHoldBoth(units, old)) {
      if (!this.#evictor.canHold(units)) return false
      this.#remove(old)
      this.#evictor.begin(nowMs, 0)
      return this.#insert(entry, slot, hash, writer, mark)
    }
    if (isPerishable(entry) && !this.#catalogue.provideChunk(entry.tombstone, this.#evictor.allocate)) return false
    const block = this.#blockFor(old, units, entry)
    if (block === 0) return false
    this.#catalogue.withdraw(old, slot)
    records.write(block, entry, writer)
    records.setMark(block, mark)
    if (block === old) {
      arena.shrink(old, units)
    } else {
      this.#catalogue.redirect(old, block)
      arena.free(old)
    }
    this.#catalogue.enter(block, slot)
    return true
  }

  /** Where to write what overwrites an entry: in place, or in another block. 0 if there is no memory for it. */
  #blockFor(old: number, units: number, entry: Entry): number {
    const { arena, records } = this.#catalogue
    const fits = units <= arena.sizeOf(old)
    const leavesOwn = arena.isOwn(old) && units <= arena.sharedUnits
    if (fits && !leavesOwn) return old
    // What is no larger may use the reserve.
    const larger = entry.valueEnd - entry.valueStart > records.valueLength(old)
    if (larger && !this.#evictor.admit(units)) return 0
    // Lengthened where it stands, the entry's sum of units is out of step until it is entered anew: so only if it has none.
    if (!fits && !records.isPerishable(old) && arena.grow(old, units)) return old
    const block = this.#evictor.allocate(units)
    return block === 0 && fits ? old : block
  }

  #remove(address: number): void {
    this.#catalogue.remove(address)
    this.#catalogue.arena.free(address)
  }

  /** An empty store takes what a new one takes. */
  #clearIfEmpty(): void {
    if (this.#catalogue.entries === 0) this.clear()
  }

  /** Into a store that had room for it among others. */
  #putBack(entry: Entry, mark: number): void {
    const slot = slotOf(entry.key, entry.keyStart, entry.keyEnd)
    const hash = this.#catalogue.hashOf(entry.key, entry.keyStart, entry.keyEnd)
    const put = this.#insert(entry, slot, hash, this.#catalogue.writers.take(entry.writer), mark)
    assert(put, 'an entry finds no room in a store that is nearly empty')
    this.#floor.note(slot, entry.ms, entry.counter)
  }

  /** The entry, or a copy: what lies in the arena may be moved or overwritten before it is read. */
  #outside(entry: Entry): Entry {
    if (this.#isOutside(entry.key) && this.#isOutside(entry.value)) return entry
    const copied = this.#copied
    copied.setKey(Buffer.from(entry.keyBytes())).setValue(Buffer.from(entry.valueBytes()))
    copied.setVersion(entry.ms, entry.counter, entry.writer)
    copied.kind = entry.kind
    copied.tombstone = entry.tombstone
    copied.expiresAtMs = entry.expiresAtMs
    copied.outlived = entry.outlived
    return copied
  }

  /** Whose memory a Buffer is a window on never changes; to ask it costs as much as half a write, and most are the same as the last. */
  #isOutside(bytes: Buffer): boolean {
    if (bytes === this.#outsider) return true
    if (this.#catalogue.arena.owns(bytes)) return false
    if (bytes.length <= MAX_OUTSIDER_BYTES) this.#outsider = bytes
    return true
  }
}

/** A power of two. */
function segmentBytesFor(maxMemoryBytes: number): number {
  const share = 2 ** Math.floor(Math.log2(Math.max(1, maxMemoryBytes / SEGMENTS)))
  return Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, share))
}
