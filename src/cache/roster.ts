/**
 * What the cache asks of its neighbours to tell of the cluster, declared where it is used: who is there, which copies there are, how replication goes.
 */
import type { ClusterMember, Copy, FollowerFigures, Joining, LossFigures } from './topology.ts'

export interface Roster {
  /** Another one whenever `members` or `copies` may answer otherwise. */
  readonly version: string

  /** This member first. */
  members(): readonly ClusterMember[]

  /**
   * Reads, slot by slot, who copies it beside its holder, in preference order. Good for one turn of the event loop; within it a name and a completeness
   * are always the same object.
   */
  copies(): (slot: number) => readonly Copy[]

  /** Whether this member's own copy of the slot, or what it serves, is complete. */
  isComplete(slot: number): boolean

  /** This member has granted the slot away, and its heir has not been heard yet. */
  isMoving(slot: number): boolean

  followers(): readonly FollowerFigures[]

  lost(): LossFigures

  ready(): boolean

  join(address: string): Joining

  /** The address is asked no longer; false if it was not. */
  forget(address: string): boolean

  /** This member leaves for good. */
  retire(): void
}
