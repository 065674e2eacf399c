/** Replication: authority over slots and the streams that carry their data. */
export type { PeerCalls, PeerIdentity } from './peers.ts'
export { Replication, type ReplicationStats, type Route, TICK_MS } from './replication.ts'
