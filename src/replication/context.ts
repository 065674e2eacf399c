/**
 * What the parts of replication share: the member's identity, its clocks, its data, its view, and its slot table. Made by `Replication`.
 */
import type { Clock } from '../lib/clock.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { View } from '../placement/index.ts'
import type { SlotMarks } from './mark-codec.ts'
import type { PeerCalls, PeerIdentity } from './peers.ts'
import type { SlotData } from './slot-data.ts'
import type { SlotTable } from './slot-table.ts'

export interface Context {
  readonly self: () => PeerIdentity
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly logger: Logger
  readonly store: SlotData
  readonly calls: PeerCalls
  /** Calls that go around a cut link, by way of a third: what is asked is not to depend on who brings it. */
  readonly around: Pick<PeerCalls, 'call'>
  readonly table: SlotTable
  readonly view: () => View
  /** Is this life known to be over? False for one that nobody has heard of yet. */
  readonly isGone: (name: string, generation: number) => boolean
  /** The tombstone marks of those of the slots that have one. */
  readonly marks: (slots: Iterable<number>) => SlotMarks
  /** So many own writes have been beaten elsewhere by writes that this member had not seen. */
  readonly beaten: (writes: number) => void
  /** This member is stopping: it gives everything away and takes nothing. */
  readonly leaving: () => boolean
}
