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
import type { Version } from '../lib/version.ts'

/** Why an entry left without a newer version in its place. */
export type DropReason = 'evicted' | 'expired' | 'tombstone-collected'

/**
 * What `apply` made of an entry.
 * - `applied`: it is now the entry of its key.
 * - `same`: exactly this version was there already; nothing changed.
 * - `stale`: a larger version was there; nothing changed.
 * - `full`: the limit is reached and nothing may be evicted (`noeviction`, or the entry alone is over the limit); nothing changed.
 */
export type ApplyOutcome = 'applied' | 'same' | 'stale' | 'full'

/**
 * Named as Redis names them: which entries may be evicted (all, or those that expire), and which of them first (the least recently used, the
 * least frequently used, those that expire next).
 */
export type EvictionPolicy = 'allkeys-lru' | 'allkeys-lfu' | 'volatile-lru' | 'volatile-lfu' | 'volatile-ttl' | 'noeviction'

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

export interface Store {
  /** The live entry of a key, counted as a use for eviction. False, and `into` untouched, for none, a tombstone or an expired one. O(1). */
  get(key: Buffer, start: number, end: number, nowMs: number, into: Entry): boolean

  /** Whatever is held for a key, tombstones and expired entries too; counts as no use. O(1). */
  peek(key: Buffer, start: number, end: number, into: Entry): boolean

  /** Last writer wins: stores the entry unless the key has one of the same or a larger version. Copies all bytes. May evict others. O(1). */
  apply(entry: Entry, nowMs: number): ApplyOutcome

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

  /** Kept up to date with every change. O(1). */
  slotDigest(slot: number): SlotDigest

  /** Removes all entries of a slot, silently: the copy has moved elsewhere. O(entries of the slot). */
  dropSlot(slot: number): void

  /**
   * Looks at up to `maxSteps` entries that may have expired or, as tombstones, outlived `tombstoneMs`, and removes those that have, in slots for
   * which `mayDrop` answers true. Returns how many went. Successive calls get round to every entry.
   */
  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number) => boolean): number

  /** Removes everything, silently. */
  clear(): void

  stats(): StoreStats
}

/** Opaque to callers. */
export type ScanToken = { readonly token: unknown }
