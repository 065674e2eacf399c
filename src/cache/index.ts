/** The cache: where a key lives, answered here or by whoever serves it. */
export type {
  Cache,
  FlushResult,
  Limits,
  OutcomeDone,
  Scan,
  ScanPage,
  ScanQuery,
  SetManyResult,
  SetRequest,
  SlotPage,
  Subscriber,
} from './cache.ts'
export { type CacheStats, ClusterCache } from './cluster-cache.ts'
export type { Roster } from './roster.ts'
export type { ClusterMember, Copy, FollowerFigures, Joining, LossFigures } from './topology.ts'
