/** The cache: where a key lives, answered here or by whoever serves it. */
export type { Cache, Limits, Scan, ScanPage, ScanQuery, SetManyResult, SetRequest, WriteResult } from './cache.ts'
export { type CacheStats, ClusterCache } from './cluster-cache.ts'
