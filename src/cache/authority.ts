/**
 * What the cache asks of its neighbours, declared where it is used: who serves a slot, how a write travels, how to call a peer.
 */
import type { Entry } from '../lib/entry.ts'
import type { Place } from '../lib/place.ts'
import type { SlotSet } from '../lib/slot-set.ts'
import type { Stamp } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'

export interface Authority {
  executes(slot: number): boolean
  isPrimary(slot: number): boolean
  /** The slot is executed here and lacks what another copy has: that is to be asked for a key before the key is used. */
  lacks(slot: number): boolean
  /** Some slot does. */
  readonly lacking: boolean
  /** Gets what other copies have of these keys, of a slot that lacks something; calls back once, in bounded time. */
  ask(keys: readonly Buffer[], slot: number, done: () => void): void
  /** True while nothing held here may be served. */
  readonly fenced: boolean
  /** True while no write may be accepted here: this member sees less than half of the cluster, and was told to refuse them then. */
  readonly refusesWrites: boolean
  /** How long ago, in ms, the copy of the slot that is here held certainly all that its primary had; infinite for none that could be read. */
  staleMs(slot: number): number
  /** The names of all other members that are there. */
  others(): readonly string[]
  /** The names of members that were there a while ago and may be running out of reach. */
  absent(): readonly string[]
  /** `here`, the name of the member to ask, or `null` while nobody is known to serve the slot. */
  route(slot: number): 'here' | string | null
  /** This member has asked for the slot, and may be about to serve it: who comes early is to wait. */
  awaits(slot: number): boolean
  term(slot: number): Term | null
  adoptTerms(terms: ReadonlyMap<Term, SlotSet>): void
  /** `place`: of a look at this key, since when the store has not changed. */
  write(entry: Entry, slot: number, place?: Place): 'applied' | 'same' | 'stale' | 'full'
  /** Everything up to this stamp is gone, and stays so. */
  raiseFloor(floor: Stamp): void
  /** Whether any follower could confirm a write of the slot. */
  confirmable(slot: number): boolean
  /** Calls back once when one follower of the slot, or `all`, hold what was written here; with `false` if that did not happen in time. */
  confirm(slot: number, all: boolean, timeoutMs: number, done: (confirmed: boolean) => void): void
  /**
   * Calls back once: whether this member still serves the slot, by the word of a follower that was asked after this call; `false` too when none answered
   * in time.
   */
  affirm(slot: number, timeoutMs: number, done: (serves: boolean) => void): void
  /** Calls back once with the number of followers that each of the slots has at least which hold what was written here. */
  countConfirmed(slots: Iterable<number>, wanted: number, timeoutMs: number, done: (followers: number) => void): void
  /** Grows whenever a slot passes from one life of a member to another, as far as is known here. */
  readonly holderVersion: number
  /** What `holderVersion` became when the slot last passed to another; 0 if it never did. */
  passedAt(slot: number): number
  readonly routeVersion: number
  readonly primaryVersion: number
  peerPrimaries(name: string): { readonly primaryVersion: number; readonly primary: SlotSet } | undefined
}

export interface CacheCalls {
  /** The body is copied before it returns. `now`: it leaves at once, with all that waits for the end of the turn. */
  call(
    name: string,
    kind: number,
    body: Buffer,
    timeoutMs: number,
    done: (failure: string | null, body: Buffer | null) => void,
    now?: boolean,
  ): void
  /** Whether a call to the member would leave, as far as can be said now. */
  reaches(name: string): boolean
  /** `respond` copies what it is given. */
  handle(kind: number, handler: (from: { readonly name: string }, body: Buffer, respond: ((body: Buffer) => void) | null) => void): void
}
