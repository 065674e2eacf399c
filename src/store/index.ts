/**
 * The door of the store's room: its interface, and the one place that decides which implementation stands behind it.
 */
import type { Random } from '../lib/random.ts'
import { MapStore } from './map-store.ts'
import type { Store, StoreOptions } from './store.ts'

export type {
  ApplyOutcome,
  DropReason,
  EvictionPolicy,
  ScanToken,
  SearchQuery,
  SlotDigest,
  Store,
  StoreOptions,
  StoreStats,
} from './store.ts'

/** An empty store. The chance is for implementations that sample; the map store is exact and takes none. */
export function createStore(options: StoreOptions, _random: Random): Store {
  return new MapStore(options)
}
