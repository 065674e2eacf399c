/**
 * The store: every entry of one member, bounded in bytes, ordered by nothing but findable by key, by slot, by prefix and by suffix.
 *
 * It is pure: callers pass `nowMs` (milliseconds since 1970 by the member's hybrid clock). It knows versions but gives none, knows expiry but
 * starts no timer, evicts but tells nobody else than `onDrop`. An `Entry` handed out is a window into the store's own bytes: it may be read
 * until the next call that changes the store, and is to be copied if it must live longer.
 *
 * Tombstones are entries: they have a key, a version and a slot, count in `bytes` and in digests, are found by `peek` and `scanSlot`, and by
 * nothing else. An expired entry is hidden from `get` and `search` at once and leaves when `sweep` or eviction comes by.
 */
import type { Bytes } from '../lib/bytes.ts'
import type { Entry } from '../lib/entry.ts'
import type { Place } from '../lib/place.ts'
import type { RequestRun } from '../lib/request-run.ts'
import type { Stamp, Version } from '../lib/version.ts'

/** Why an entry left without a newer version in its place. */
export type DropReason = 'evicted' | 'expired' | 'tombstone-collected'

/**
 * What `apply` made of an entry.
 * - `applied`: it is now the entry of its key.
 * - `same`: exactly this version was there already; nothing changed.
 * - `stale`: a larger version was there, or the entry is at or below the floor; nothing changed.
 * - `full`: the limit is reached and nothing may be evicted (`noeviction`, or the entry alone is over the limit); nothing changed.
 */
export type ApplyOutcome = 'applied' | 'same' | 'stale' | 'full'

/**
 * Named as Redis names them: which entries may be evicted (all, or those that expire), and which of them first (the least recently used, the
 * least frequently used, those that expire next).
 */
export const EVICTION_POLICIES = ['allkeys-lru', 'allkeys-lfu', 'volatile-lru', 'volatile-lfu', 'volatile-ttl', 'noeviction'] as const
export type EvictionPolicy = (typeof EVICTION_POLICIES)[number]

export interface StoreOptions {
  /** Everything the store holds, index included, in bytes. Eviction keeps it below. */
  readonly maxMemoryBytes: number
  readonly evictionPolicy: EvictionPolicy
  /** How long a tombstone lives before `sweep` collects it, in ms. */
  readonly tombstoneMs: number
  /** Called while the store changes: must not call back into the store. The entry is valid during the call. */
  readonly onDrop?: (entry: Entry, slot: number, reason: DropReason) => void
}

/** Plain numbers, counted since start where a name ends in `Total`. */
export interface StoreStats {
  /** Live entries and such as have expired but are not swept yet; tombstones apart. */
  readonly entries: number
  readonly tombstones: number
  /** Of the entries, those that expire some day. */
  readonly expiring: number
  readonly bytes: number
  readonly maxBytes: number
  readonly evictedTotal: number
  readonly expiredTotal: number
}

export interface SearchQuery {
  /** Only keys that begin with these bytes. Empty: any. */
  readonly prefix: Bytes
  /** Only keys that end with these bytes. Empty: any. */
  readonly suffix: Bytes
  /** Only keys above this one, in byte order; `null` begins at the first. */
  readonly after: Bytes | null
}

/** An order-free sum over a slot's entries (key, version, tombstone): equal sets have equal digests, whatever the order of arrival. */
export interface SlotDigest {
  readonly high: number
  readonly low: number
}

/** What is known of an entry beside what it says. */
export interface EntryFacts {
  /** What it takes, its share of the indexes included. */
  readonly bytes: number
  /**
   * Since its last use, in ms; `null` if the policy goes by frequency. Exact to 100 ms at first, later to one or two hundredths of itself; too
   * long by as much as the clock was set forward meanwhile, and never longer than the store has been in use.
   */
  readonly idleMs: number | null
  /** The logarithmic counter of its uses, 0 to 255, less one for each minute without; `null` unless the policy goes by frequency. */
  readonly frequency: number | null
}

export interface Store {
  /**
   * The live entry of a key, counted as a use for eviction. False, and `into` untouched, for none, a tombstone or an expired one. A caller that
   * knows the key's slot may say so, which saves finding it again. O(1).
   */
  get(key: Buffer, start: number, end: number, nowMs: number, into: Entry, slot?: number): boolean

  /** An entry that is held was used so many times elsewhere: that counts for eviction. O(uses). */
  touch(key: Buffer, start: number, end: number, nowMs: number, uses: number): void

  /**
   * From now on about one of so many `get`s that find something is told, drawn by chance, with what it has found: to be read at once, and without a
   * change to the store.
   */
  sampleUses(every: number, listener: (entry: Entry, slot: number) => void): void

  /** Whatever is held for a key, tombstones and expired entries too; counts as no use. `place` keeps what was found out for `apply`. O(1). */
  peek(key: Buffer, start: number, end: number, into: Entry, slot?: number, place?: Place): boolean

  /** Looks up the keys of a run together, which takes less time than one after the other. O(their number). */
  findAll(run: RequestRun): void

  /** `get` of the key of request `i`, which `findAll` has looked up; sets the value of `into`, and the rest of it if the run asks for versions. O(1). */
  getAt(run: RequestRun, i: number, nowMs: number, into: Entry): boolean

  /** `peek` at the key of request `i`, for `apply` alone: `place` keeps the stamp of what is held. O(1). */
  placeAt(run: RequestRun, i: number, nowMs: number, place: Place): boolean

  /**
   * Last writer wins: stores the entry unless the key has one of the same or a larger version, or its stamp is at or below the floor. Copies all
   * bytes; marks the given entry, too, as `outlived` where it is. May evict others. A caller that knows the key's slot may say so, and one that has just peeked at this very key may hand in the place. O(1).
   */
  apply(entry: Entry, nowMs: number, slot?: number, place?: Place): ApplyOutcome

  /** Removes the key's entry if it has exactly this version, leaving no tombstone: how a drop at the primary is followed. O(1). */
  drop(key: Buffer, start: number, end: number, version: Version): boolean

  /**
   * Visits live entries in ascending byte order of their keys until `visit` answers false or `maxSteps` entries were looked at, and returns the
   * key at which it stopped, to go on from with `after`; `null` when there are no more. The visitor must not change the store.
   * Keys that stay put between two calls are met exactly once.
   */
  search(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null

  /**
   * Visits all entries of a slot, tombstones and expired ones too, in an order of the store's choosing, until `visit` answers false. Returns a
   * token to go on from, `null` when the slot is through. Entries held from the first call to the last are met at least once, whatever changes
   * in between. Tokens are valid for this store and slot only.
   */
  scanSlot(slot: number, token: ScanToken | null, visit: (entry: Entry) => boolean): ScanToken | null

  /** Entries of a slot, tombstones and expired ones too. O(1). */
  slotEntries(slot: number): number

  /** Entries of a slot without its tombstones; such as have expired but are not swept yet count. O(1). */
  slotLive(slot: number): number

  /**
   * A live entry, drawn about evenly from the slots for which `mayPick` answers true. Counts as no use. False, and `into` untouched, if there is
   * none, or if of those slots' entries nearly all have expired and are not swept yet. Some thousand steps at first; where they find none, a
   * walk over the slots and up to 50,000 entries, a few ms at most.
   */
  randomKey(nowMs: number, mayPick: (slot: number) => boolean, into: Entry): boolean

  /** What is known of a key's live entry; `null` if there is none. Counts as no use. O(1). */
  describe(key: Buffer, start: number, end: number, nowMs: number): EntryFacts | null

  /** Kept up to date with every change. O(1). */
  slotDigest(slot: number): SlotDigest

  /**
   * Removes up to `most` entries of a slot, silently: the copy has moved elsewhere. Answers how many went: fewer than `most` only if none is left. What is
   * left is a part of the slot like any other, until the next call. O(entries removed).
   */
  dropSlot(slot: number, most: number): number

  /**
   * Looks at up to `maxSteps` entries that may have expired or, as tombstones, outlived `tombstoneMs`, and removes those that have, in slots for
   * which `mayDrop` answers true. Returns how many went. Successive calls get round to every entry.
   */
  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number, reason: DropReason) => boolean): number

  /** Removes everything, silently. The floor stays. */
  clear(): void

  /** No entry whose stamp is at or below this one is held or will be taken. `ZERO_STAMP` until it is raised. */
  readonly floor: Stamp

  /** No entry that is held has a greater stamp; `ZERO_STAMP` when nothing is held. O(1). */
  readonly newest: Stamp

  /**
   * Raises the floor and removes, silently, all that is at or below it. A stamp that is not above the floor is ignored. O(1) when nothing held is
   * above it; else O(entries), of which those in slots without anything above it cost least.
   */
  raiseFloor(stamp: Stamp, nowMs: number): void

  /** From now on this policy decides what is evicted. What was remembered under the other kind, of uses or of frequency, is forgotten bit by bit. */
  setEvictionPolicy(policy: EvictionPolicy): void

  stats(): StoreStats
}

/** Opaque to callers. */
export type ScanToken = { readonly token: unknown }
