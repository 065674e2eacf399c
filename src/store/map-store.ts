/**
 * The store in its plain form: a `Map` of records on the JavaScript heap. It defines what a store does; it is not meant for millions of entries,
 * for which the collector would stop the process for long, and a `Map` ends at 2^24.
 *
 * - By key: the map, under the key's bytes read as latin1, so that equal bytes are equal strings and string order is byte order.
 * - By prefix: one ordered index of all keys. A suffix without a prefix walks that same index and filters, `maxSteps` at a time: an index of
 *   reversed keys would find them faster, but not in ascending order of the keys, which callers resume by.
 * - By slot: per slot an index by sequence number, which a record gets once and keeps when overwritten. A scan's token is the last number it
 *   met: whatever stays, stays ahead of it or behind.
 * - Eviction: exact least recently used, over a chain. Tombstones have a chain of their own and go last, since a deletion forgotten early may
 *   come undone; except beyond 5 % of the memory, where they go first. Under `noeviction` live entries are never evicted, but tombstones,
 *   oldest first, still make room: otherwise a full store would stay full for `tombstoneMs` after everything was deleted.
 * - Sweeping: perishable entries stand in a round; each one looked at goes to its end, so none waits longer than one round.
 *
 * Bytes are accounted in `#enter` and `#withdraw` and nowhere else. The tables of slots and digests (a quarter of a MiB, fixed) and the few
 * members' names are not counted.
 */
import type { Bytes } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import { compareVersions, type Version } from '../lib/version.ts'
import { Chain } from './chain.ts'
import { SlotDigests } from './digest.ts'
import { HeldEntry, heldBytes } from './held-entry.ts'
import { SortedBlocks } from './sorted-blocks.ts'
import type { ApplyOutcome, DropReason, ScanToken, SearchQuery, SlotDigest, Store, StoreOptions, StoreStats } from './store.ts'

/** The part of the memory that tombstones may take before they are evicted ahead of live entries. */
const TOMBSTONE_SHARE = 0.05

export class MapStore implements Store {
  readonly #options: StoreOptions
  readonly #held = new Map<string, HeldEntry>()
  readonly #names = new SortedBlocks<string, HeldEntry>((held) => held.name)
  /** Made when a slot gets its first entry, dropped with its last. */
  readonly #slots = new Array<SortedBlocks<number, HeldEntry> | undefined>(SLOT_COUNT).fill(undefined)
  readonly #digests = new SlotDigests()
  /** Live and expired entries, the least recently used first. */
  readonly #recency = new Chain<HeldEntry>()
  /** The longest held first. */
  readonly #tombstones = new Chain<HeldEntry>()
  /** Perishable entries, the one to be looked at next first. */
  readonly #round = new Chain<HeldEntry>()
  /** One string for each writer: frames bring a new one with every entry. */
  readonly #writers = new Map<string, string>()
  /** Shown to `onDrop`, and to visitors: two, so that neither overwrites what the other's receiver hands to `apply`. */
  readonly #dropped = new Entry()
  readonly #shown = new Entry()
  #sequence = 0
  #bytes = 0
  #tombstoneBytes = 0
  #evictedTotal = 0
  #expiredTotal = 0

  constructor(options: StoreOptions) {
    this.#options = options
  }

  get(key: Buffer, start: number, end: number, nowMs: number, into: Entry): boolean {
    const held = this.#held.get(key.toString('latin1', start, end))
    if (held === undefined || !held.isLive(nowMs)) return false
    this.#recency.moveToBack(held.use)
    held.show(into)
    return true
  }

  peek(key: Buffer, start: number, end: number, into: Entry): boolean {
    const held = this.#held.get(key.toString('latin1', start, end))
    if (held === undefined) return false
    held.show(into)
    return true
  }

  apply(entry: Entry, nowMs: number): ApplyOutcome {
    const name = entry.key.toString('latin1', entry.keyStart, entry.keyEnd)
    const old = this.#held.get(name)
    if (old !== undefined) {
      const order = compareVersions(entry, old)
      if (order === 0) return 'same'
      if (order < 0) return 'stale'
    }
    const cost = heldBytes(entry.keyEnd - entry.keyStart, entry.valueEnd - entry.valueStart)
    if (!this.#fits(cost, old)) return 'full'
    // The order matters: an old record is withdrawn, so that it cannot be its own victim; then the bytes are copied, which may be those of a
    // victim or of the old record; then others go.
    const held = old ?? new HeldEntry(name, slotOf(entry.key, entry.keyStart, entry.keyEnd), ++this.#sequence)
    if (old !== undefined) this.#withdraw(old)
    held.fill(entry, this.#interned(entry.writer))
    this.#makeRoom(cost, nowMs)
    this.#enter(held)
    if (old === undefined) this.#index(held)
    return 'applied'
  }

  drop(key: Buffer, start: number, end: number, version: Version): boolean {
    const held = this.#held.get(key.toString('latin1', start, end))
    if (held === undefined || compareVersions(held, version) !== 0) return false
    this.#remove(held)
    return true
  }

  /** At least one entry is looked at, so that every call gets on. O(log n) to begin, O(1) each. */
  search(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null {
    const prefix = latin1(query.prefix)
    const suffix = latin1(query.suffix)
    const after = query.after === null ? null : latin1(query.after)
    const resumes = after !== null && after >= prefix
    let steps = 0
    let stoppedAt: HeldEntry | null = null
    this.#names.visitFrom(resumes ? after : prefix, !resumes, (held) => {
      if (!held.name.startsWith(prefix)) return false
      steps++
      let goOn = true
      if (held.isLive(nowMs) && held.name.endsWith(suffix)) {
        held.show(this.#shown)
        goOn = visit(this.#shown, held.slot)
      }
      if (goOn && steps < maxSteps) return true
      stoppedAt = held
      return false
    })
    return stoppedAt === null ? null : Buffer.from((stoppedAt as HeldEntry).key)
  }

  /** `visit` must not change the store. O(log n) to begin, O(1) each. */
  scanSlot(slot: number, token: ScanToken | null, visit: (entry: Entry) => boolean): ScanToken | null {
    let stoppedAt = 0
    this.#slots[slot]?.visitFrom(token === null ? 0 : (token.token as number), false, (held) => {
      held.show(this.#shown)
      if (visit(this.#shown)) return true
      stoppedAt = held.sequence
      return false
    })
    return stoppedAt === 0 ? null : { token: stoppedAt }
  }

  slotEntries(slot: number): number {
    return this.#slots[slot]?.size ?? 0
  }

  slotDigest(slot: number): SlotDigest {
    return this.#digests.of(slot)
  }

  dropSlot(slot: number): void {
    const leaving: HeldEntry[] = []
    this.#slots[slot]?.visitFrom(0, false, (held) => leaving.push(held) > 0)
    for (const held of leaving) this.#remove(held)
  }

  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number) => boolean): number {
    let gone = 0
    for (let steps = Math.min(maxSteps, this.#round.size); steps > 0; steps--) {
      const held = this.#round.first as HeldEntry
      this.#round.moveToBack(held.round)
      const reason = this.#dueReason(held, nowMs)
      if (reason === null || !mayDrop(held.slot)) continue
      this.#leave(held, reason)
      gone++
    }
    return gone
  }

  clear(): void {
    this.#held.clear()
    this.#names.clear()
    this.#slots.fill(undefined)
    this.#digests.clear()
    this.#recency.clear()
    this.#tombstones.clear()
    this.#round.clear()
    this.#writers.clear()
    this.#bytes = 0
    this.#tombstoneBytes = 0
  }

  stats(): StoreStats {
    return {
      entries: this.#recency.size,
      tombstones: this.#tombstones.size,
      bytes: this.#bytes,
      maxBytes: this.#options.maxMemoryBytes,
      evictedTotal: this.#evictedTotal,
      expiredTotal: this.#expiredTotal,
    }
  }

  /** Whether an entry of this cost can be had in place of `old` once all that may be evicted is. */
  #fits(cost: number, old: HeldEntry | undefined): boolean {
    if (this.#options.evictionPolicy === 'allkeys-lru') return cost <= this.#options.maxMemoryBytes
    const liveBytes = this.#bytes - this.#tombstoneBytes
    const others = old === undefined || old.tombstone ? liveBytes : liveBytes - old.cost
    return others + cost <= this.#options.maxMemoryBytes
  }

  #makeRoom(cost: number, nowMs: number): void {
    while (this.#bytes + cost > this.#options.maxMemoryBytes) {
      // There is one: `#fits` has said so.
      const victim = this.#victim() as HeldEntry
      this.#leave(victim, victim.isExpired(nowMs) ? 'expired' : 'evicted')
    }
  }

  #victim(): HeldEntry | undefined {
    if (this.#options.evictionPolicy === 'noeviction') return this.#tombstones.first
    const tombstonesFirst = this.#tombstoneBytes > this.#options.maxMemoryBytes * TOMBSTONE_SHARE
    return tombstonesFirst ? this.#tombstones.first : (this.#recency.first ?? this.#tombstones.first)
  }

  #dueReason(held: HeldEntry, nowMs: number): DropReason | null {
    if (held.tombstone) return nowMs - held.ms >= this.#options.tombstoneMs ? 'tombstone-collected' : null
    return held.isExpired(nowMs) ? 'expired' : null
  }

  #leave(held: HeldEntry, reason: DropReason): void {
    this.#remove(held)
    if (reason === 'evicted') this.#evictedTotal++
    else if (reason === 'expired') this.#expiredTotal++
    held.show(this.#dropped)
    this.#options.onDrop?.(this.#dropped, held.slot, reason)
  }

  /** Counts a record in for what it says now: bytes, digest, orders. As the most recently used. */
  #enter(held: HeldEntry): void {
    this.#bytes += held.cost
    if (held.tombstone) {
      this.#tombstoneBytes += held.cost
      this.#tombstones.pushBack(held.use)
    } else {
      this.#recency.pushBack(held.use)
    }
    if (held.perishable) this.#round.pushBack(held.round)
    const key = held.key
    this.#digests.add(held.slot, key, 0, key.length, held, held.tombstone)
  }

  /** Undoes `#enter`, before the record says something else or goes. */
  #withdraw(held: HeldEntry): void {
    this.#bytes -= held.cost
    if (held.tombstone) {
      this.#tombstoneBytes -= held.cost
      this.#tombstones.remove(held.use)
    } else {
      this.#recency.remove(held.use)
    }
    if (held.perishable) this.#round.remove(held.round)
    const key = held.key
    this.#digests.subtract(held.slot, key, 0, key.length, held, held.tombstone)
  }

  /** Makes a record findable: by key, in order, by slot. */
  #index(held: HeldEntry): void {
    this.#held.set(held.name, held)
    this.#names.insert(held)
    let slot = this.#slots[held.slot]
    if (slot === undefined) {
      slot = new SortedBlocks<number, HeldEntry>((of) => of.sequence)
      this.#slots[held.slot] = slot
    }
    slot.insert(held)
  }

  #remove(held: HeldEntry): void {
    this.#withdraw(held)
    this.#held.delete(held.name)
    this.#names.remove(held)
    const slot = this.#slots[held.slot] as SortedBlocks<number, HeldEntry>
    slot.remove(held)
    if (slot.size === 0) this.#slots[held.slot] = undefined
  }

  #interned(writer: string): string {
    const known = this.#writers.get(writer)
    if (known !== undefined) return known
    this.#writers.set(writer, writer)
    return writer
  }
}

function latin1(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
