/**
 * The door of the store's room: its interface, and the one place that decides which implementation stands behind it.
 */
import type { Random } from '../lib/random.ts'
import { SlabStore } from './slab-store.ts'
import type { Store, StoreOptions } from './store.ts'

export type {
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

export { EVICTION_POLICIES } from './store.ts'

/** An empty store. The chance keys its hash and draws the samples of eviction: the same chance and the same calls give the same store. */
export function createStore(options: StoreOptions, random: Random): Store {
  return new SlabStore(options, random)
}
