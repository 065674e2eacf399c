/**
 * What the cache asks of its neighbours, declared where it is used: who serves a slot, how a write travels, how to call a peer.
 */
import type { Entry } from '../lib/entry.ts'
import type { SlotSet } from '../lib/slot-set.ts'
import type { Term } from '../placement/index.ts'

export interface Authority {
  executes(slot: number): boolean
  isPrimary(slot: number): boolean
  /** True while nothing held here may be served. */
  readonly fenced: boolean
  /** `here`, the name of the member to ask, or `null` while nobody is known to serve the slot. */
  route(slot: number): 'here' | string | null
  term(slot: number): Term | null
  adoptTerms(terms: ReadonlyMap<Term, SlotSet>): void
  write(entry: Entry, slot: number): 'applied' | 'same' | 'stale' | 'full'
  readonly routeVersion: number
  readonly primaryVersion: number
  peerPrimaries(name: string): { readonly primaryVersion: number; readonly primary: SlotSet } | undefined
}

export interface CacheCalls {
  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: (failure: string | null, body: Buffer | null) => void): void
  handle(kind: number, handler: (from: { readonly name: string }, body: Buffer, respond: ((body: Buffer) => void) | null) => void): void
}
