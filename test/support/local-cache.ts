/** A real cache of one node over a real store: for tests of the faces. Every call but `scan` answers at once. */
import type { Authority } from '../../src/cache/authority.ts'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { type Clock, SystemClock } from '../../src/lib/clock.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { createStore, type EvictionPolicy, type Store } from '../../src/store/index.ts'
import { loneRoster } from './fake-topology.ts'

export interface LocalCacheOptions {
  readonly maxMemoryBytes?: number
  readonly evictionPolicy?: EvictionPolicy
  readonly limits?: { readonly maxKeyBytes: number; readonly maxValueBytes: number }
  /** The system's by default: for tests over real sockets. */
  readonly clock?: Clock
  /** Stands for replicas: answers whether they hold what was written. Without it there are none. */
  readonly confirm?: Authority['confirm']
  /** Which slots have any; by default all do, if `confirm` is there. */
  readonly confirmable?: Authority['confirmable']
}

export interface LocalCache {
  readonly cache: ClusterCache
  readonly clock: Clock
  readonly store: Store
}

export function localCache(options: LocalCacheOptions = {}): LocalCache {
  const { maxMemoryBytes = 64 * 1024 * 1024, evictionPolicy = 'allkeys-lru', clock = new SystemClock() } = options
  const hybrid = new HybridClock(clock)
  const random = new SeededRandom(1)
  const store = createStore({ maxMemoryBytes, evictionPolicy, tombstoneMs: 900_000 }, random)
  const cache = new ClusterCache({
    clock,
    random,
    hybrid,
    store,
    authority: {
      executes: () => true,
      isPrimary: () => true,
      lacks: () => false,
      lacking: false,
      ask: (_keys, _slot, done) => done(),
      fenced: false,
      refusesWrites: false,
      staleMs: () => Number.POSITIVE_INFINITY,
      others: () => [],
      absent: () => [],
      route: () => 'here',
      awaits: () => false,
      term: () => null,
      adoptTerms: () => {},
      write: (entry) => store.apply(entry, hybrid.physicalMs()),
      raiseFloor: (floor) => {
        hybrid.observe(floor)
        store.raiseFloor(floor, hybrid.physicalMs())
      },
      confirmable: options.confirmable ?? (() => options.confirm !== undefined),
      confirm: options.confirm ?? ((_slot, _all, _timeoutMs, done) => done(false)),
      affirm: (_slot, _timeoutMs, done) => done(true),
      countConfirmed: (_slots, _wanted, _timeoutMs, done) => done(0),
      holderVersion: 0,
      passedAt: () => 0,
      routeVersion: 1,
      primaryVersion: 1,
      peerPrimaries: () => undefined,
    },
    calls: { call: (_name, _kind, _body, _timeoutMs, done) => done('unreachable', null), reaches: () => false, handle: () => {} },
    roster: loneRoster('local'),
    name: () => 'local',
    limits: options.limits ?? { maxKeyBytes: 1024, maxValueBytes: 1024 * 1024 },
    forwardTimeoutMs: 1000,
  })
  return { cache, clock, store }
}
