/**
 * The store in its lasting form: every entry and every index off the JavaScript heap, so that ten million entries cost the collector nothing.
 *
 * - Memory: one arena of fixed segments (`arena.ts`) holds records, hash table, both orders of keys and the lists of perishable entries. What it
 *   takes is counted there; with the fixed tables and the small directories above them it makes `bytes`, which stays below `maxMemoryBytes`.
 * - By key and by slot: a hash table for each slot, by a keyed hash (`slot-tables.ts`). A scan's token is the hash it stopped at.
 * - By prefix and suffix: two ordered indexes (`key-order.ts`, `key-search.ts`).
 * - Overwriting happens in place where the new record fits; else the record gets another block, and the indexes are told.
 * - Eviction: approximate, by sampling (`eviction.ts`, `evictor.ts`).
 * - Sweeping goes round the lists of perishable entries from their ends to their beginnings. An entry that leaves is replaced by the list's last,
 *   which the round has passed already, so none is passed over.
 *
 * Addresses reach 32 GiB; of a larger limit the rest stays unused. What takes long is in proportion to what is asked for: `dropSlot`, and a value
 * so large that at the limit thousands of small entries have to go for it.
 */
import { Entry } from '../lib/entry.ts'
import type { Random } from '../lib/random.ts'
import { slotOf } from '../lib/slot.ts'
import type { Version } from '../lib/version.ts'
import { Catalogue, FIXED_BYTES } from './catalogue.ts'
import { Eviction } from './eviction.ts'
import { Evictor } from './evictor.ts'
import { KeySearch } from './key-search.ts'
import { isPerishable, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './records.ts'
import type { RefList } from './ref-list.ts'
import type { ApplyOutcome, DropReason, ScanToken, SearchQuery, SlotDigest, Store, StoreOptions, StoreStats } from './store.ts'

/** At least so many segments make up the memory, so that a small store takes it in small pieces. */
const SEGMENTS = 64
const MIN_SEGMENT_BYTES = 64 * 1024
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024
/** The part of the memory left for the directories of the indexes. An entry and its indexes take 73 bytes at least, of which these are 0.63. */
const DIRECTORY_SHARE = 1 / 115
const MIN_DIRECTORY_BYTES = 1024

/** Where a scan stopped: at this hash and, as several keys may share it, this key. */
interface ScanPoint {
  readonly hash: number
  readonly key: Buffer
}

export class SlabStore implements Store {
  readonly #options: StoreOptions
  readonly #catalogue: Catalogue
  readonly #eviction: Eviction
  readonly #evictor: Evictor
  readonly #search: KeySearch
  /** Shown to visitors. */
  readonly #shown = new Entry()
  /** A copy of what is to be applied, where that lies in the arena. */
  readonly #copied = new Entry()
  /** Where the round of sweeping is: in this list, below this place. */
  #round: RefList
  #roundPlace = 0

  /** The chance keys the hash and draws the samples. */
  constructor(options: StoreOptions, random: Random) {
    const { maxMemoryBytes } = options
    const arenaBytes = Math.max(0, maxMemoryBytes - FIXED_BYTES - Math.max(MIN_DIRECTORY_BYTES, maxMemoryBytes * DIRECTORY_SHARE))
    this.#options = options
    this.#catalogue = new Catalogue(arenaBytes, segmentBytesFor(maxMemoryBytes), random)
    this.#eviction = new Eviction(options.evictionPolicy, random)
    this.#evictor = new Evictor(this.#catalogue, options, this.#eviction, random)
    this.#search = new KeySearch(this.#catalogue)
    this.#round = this.#catalogue.volatile
  }

  get(key: Buffer, start: number, end: number, nowMs: number, into: Entry): boolean {
    const { records } = this.#catalogue
    const address = this.#find(key, start, end)
    if (address === 0 || !records.isLive(address, nowMs)) return false
    records.setMark(address, this.#eviction.used(records.markOf(address), nowMs))
    records.show(address, into)
    return true
  }

  peek(key: Buffer, start: number, end: number, into: Entry): boolean {
    const address = this.#find(key, start, end)
    if (address === 0) return false
    this.#catalogue.records.show(address, into)
    return true
  }

  apply(entry: Entry, nowMs: number): ApplyOutcome {
    const { tables, records, writers } = this.#catalogue
    const slot = slotOf(entry.key, entry.keyStart, entry.keyEnd)
    const hash = this.#catalogue.hashOf(entry.key, entry.keyStart, entry.keyEnd)
    const old = tables.find(slot, hash, entry.key, entry.keyStart, entry.keyEnd)
    if (old !== 0) {
      const order = records.compareVersion(old, entry.ms, entry.counter, entry.writer)
      if (order === 0) return 'same'
      if (order > 0) return 'stale'
    }
    if (entry.keyEnd - entry.keyStart > MAX_KEY_BYTES || entry.valueEnd - entry.valueStart > MAX_VALUE_BYTES) return 'full'
    const writer = writers.take(entry.writer)
    if (writer < 0) return 'full'
    const source = this.#outside(entry)
    this.#eviction.setPopulation(this.#catalogue.entries)
    this.#evictor.begin(nowMs, old)
    const applied = old === 0 ? this.#insert(source, slot, hash, writer, nowMs) : this.#overwrite(old, source, slot, hash, writer, nowMs)
    if (applied) return 'applied'
    writers.give(writer)
    this.#clearIfEmpty()
    return 'full'
  }

  drop(key: Buffer, start: number, end: number, version: Version): boolean {
    const address = this.#find(key, start, end)
    if (address === 0 || this.#catalogue.records.compareVersion(address, version.ms, version.counter, version.writer) !== 0) return false
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
    const { tables, records } = this.#catalogue
    const from = token === null ? null : (token.token as ScanPoint)
    const shown = this.#shown
    let hash = -1
    let group: number[] = []
    let stoppedAt: ScanPoint | null = null
    const visitGroup = (): boolean => {
      if (group.length > 1) group.sort((a, b) => this.#compareKeys(a, b))
      for (const address of group) {
        if (from !== null && hash === from.hash && records.compareKey(address, from.key, 0, from.key.length) <= 0) continue
        records.show(address, shown)
        if (visit(shown)) continue
        records.show(address, shown)
        stoppedAt = { hash, key: Buffer.from(shown.keyBytes()) }
        return false
      }
      return true
    }
    let goOn = true
    tables.visit(slot, from === null ? 0 : from.hash, (next, address) => {
      if (next === hash) {
        group.push(address)
        return true
      }
      goOn = visitGroup()
      hash = next
      group = [address]
      return goOn
    })
    if (goOn) visitGroup()
    return stoppedAt === null ? null : { token: stoppedAt }
  }

  slotEntries(slot: number): number {
    return this.#catalogue.tables.count(slot)
  }

  slotDigest(slot: number): SlotDigest {
    return this.#catalogue.digests.of(slot)
  }

  dropSlot(slot: number): void {
    const leaving: number[] = []
    this.#catalogue.tables.visit(slot, 0, (_hash, address) => leaving.push(address) > 0)
    for (const address of leaving) this.#remove(address)
    this.#clearIfEmpty()
  }

  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number) => boolean): number {
    const { volatile, tombstones } = this.#catalogue
    let gone = 0
    for (let steps = Math.min(maxSteps, volatile.size + tombstones.size); steps > 0; steps--) {
      this.#roundPlace = Math.min(this.#roundPlace, this.#round.size)
      while (this.#roundPlace === 0) {
        if (volatile.size + tombstones.size === 0) break
        this.#round = this.#round === volatile ? tombstones : volatile
        this.#roundPlace = this.#round.size
      }
      if (this.#roundPlace === 0) break
      const address = this.#round.at(--this.#roundPlace)
      const reason = this.#dueReason(address, nowMs)
      if (reason === null) continue
      const slot = this.#catalogue.slotOfEntry(address)
      if (!mayDrop(slot)) continue
      this.#evictor.drop(address, slot, reason)
      gone++
    }
    this.#clearIfEmpty()
    return gone
  }

  clear(): void {
    this.#catalogue.clear()
    this.#roundPlace = 0
  }

  stats(): StoreStats {
    const { entries, tombstones, bytes } = this.#catalogue
    return {
      entries: entries - tombstones.size,
      tombstones: tombstones.size,
      bytes,
      maxBytes: this.#options.maxMemoryBytes,
      evictedTotal: this.#evictor.evictedTotal,
      expiredTotal: this.#evictor.expiredTotal,
    }
  }

  #find(key: Buffer, start: number, end: number): number {
    return this.#catalogue.tables.find(slotOf(key, start, end), this.#catalogue.hashOf(key, start, end), key, start, end)
  }

  #insert(entry: Entry, slot: number, hash: number, writer: number, nowMs: number): boolean {
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
    records.setMark(block, this.#eviction.first(nowMs))
    this.#catalogue.enter(block, slot)
    this.#catalogue.index(block, slot, hash)
    return true
  }

  #overwrite(old: number, entry: Entry, slot: number, hash: number, writer: number, nowMs: number): boolean {
    const { arena, records } = this.#catalogue
    const units = records.unitsFor(entry)
    if (!this.#evictor.canHoldBoth(units, old)) {
      if (!this.#evictor.canHold(units)) return false
      this.#remove(old)
      this.#evictor.begin(nowMs, 0)
      return this.#insert(entry, slot, hash, writer, nowMs)
    }
    if (isPerishable(entry) && !this.#catalogue.provideChunk(entry.tombstone, this.#evictor.allocate)) return false
    const block = this.#blockFor(old, units, entry)
    if (block === 0) return false
    const mark = this.#eviction.used(records.markOf(old), nowMs)
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

  #dueReason(address: number, nowMs: number): DropReason | null {
    const { records } = this.#catalogue
    if (records.isTombstone(address)) {
      return nowMs - records.msOf(address) >= this.#options.tombstoneMs ? 'tombstone-collected' : null
    }
    return records.isExpired(address, nowMs) ? 'expired' : null
  }

  /** The entry, or a copy: what lies in the arena may be moved or overwritten before it is read. */
  #outside(entry: Entry): Entry {
    const { arena } = this.#catalogue
    if (!arena.owns(entry.key) && !arena.owns(entry.value)) return entry
    const copied = this.#copied
    copied.setKey(Buffer.from(entry.keyBytes())).setValue(Buffer.from(entry.valueBytes()))
    copied.setVersion(entry.ms, entry.counter, entry.writer)
    copied.kind = entry.kind
    copied.tombstone = entry.tombstone
    copied.expiresAtMs = entry.expiresAtMs
    return copied
  }

  #compareKeys(a: number, b: number): number {
    const { records } = this.#catalogue
    const start = records.keyStart(a)
    return -records.compareKey(b, records.bytesOf(a), start, start + records.keyLength(a))
  }
}

/** A power of two. */
function segmentBytesFor(maxMemoryBytes: number): number {
  const share = 2 ** Math.floor(Math.log2(Math.max(1, maxMemoryBytes / SEGMENTS)))
  return Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, share))
}
