/**
 * Correction: the follower's part of the repair round (`repair.ts`). Where its digest differs from its primary's at the same position of the stream it
 * says so; of the list that comes then it asks for what it lacks or has older, drops what the primary does not have, and sends back what it has newer.
 *
 * A copy that still owes its primary what it alone has (`send-back.ts`) is neither compared nor corrected: what the primary does not list may be just
 * that. The round comes back to it. So it is with what is newer here, until the primary has answered that it has it: it may be full, and would not list it
 * the next time either.
 *
 * What it had to evict by itself it does not ask for again, while that goes on: it would only evict something else.
 */
import type { Entry } from '../lib/entry.ts'
import { compareStamps, compareVersions } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { SlotCheck } from './frames.ts'
import type { Incoming } from './incoming.ts'
import { KIND_CORRECTION, KIND_DIFFERS } from './messages.ts'
import {
  type Difference,
  decodeCorrection,
  encodeCorrection,
  encodeDifferences,
  NEWER_TAKEN,
  type SlotList,
  shareOf,
} from './repair-codec.ts'

/** So long after it evicted an entry of a copy a member counts as full. */
const FULL_MS = 60_000
const NEWER_TIMEOUT_MS = 1000

export interface CorrectorParts {
  /** Is the slot streamed by this session under this term, without a gap, and has its primary got all that this copy had beyond it? */
  readonly mayCorrect: (session: Incoming, term: Term, slot: number) => boolean
  /** What is newer here was sent to the holder of the term, which did not say that it has it. */
  readonly notTaken: (slot: number, term: Term) => void
}

export class Corrector {
  /** Entries of copies here that were dropped, or asked for. */
  correctedTotal = 0
  readonly #context: Context
  readonly #parts: CorrectorParts
  #evictedMs = Number.NEGATIVE_INFINITY

  constructor(context: Context, parts: CorrectorParts) {
    this.#context = context
    this.#parts = parts
  }

  /** An entry of a copy had to go for another. */
  evicted(): void {
    this.#evictedMs = this.#context.clock.now()
  }

  /** Digests of the primary, at this position of its stream. */
  compare(session: Incoming, term: Term, checks: readonly SlotCheck[]): void {
    const { calls, store, table } = this.#context
    const differences: Difference[] = []
    for (const { slot, high, low } of checks) {
      if (!this.#parts.mayCorrect(session, term, slot) || !table.isComplete(slot)) continue
      const own = store.slotDigest(slot)
      if (own.high !== high || own.low !== low) differences.push({ slot, high: (high - own.high) >>> 0, low: (low - own.low) >>> 0 })
    }
    if (differences.length > 0) calls.tell(session.peer.name, KIND_DIFFERS, encodeDifferences(differences))
  }

  /** What the primary has of a slot, or of a share of it, at this position of its stream. O(entries of the slot). */
  list(session: Incoming, { term, slot, share, shares, stamp, versions }: SlotList): void {
    const { calls, clock, store, table } = this.#context
    if (!this.#parts.mayCorrect(session, term, slot) || !table.isComplete(slot)) return
    const surplus: Entry[] = []
    const newer: Entry[] = []
    const wanted: Buffer[] = []
    store.scanSlot(slot, null, (entry) => {
      if (shareOf(entry.key, entry.keyStart, entry.keyEnd, shares) !== share) return true
      const key = entry.keyBytes().toString('latin1')
      const theirs = versions.get(key)
      if (theirs === undefined) {
        if (compareStamps(entry, stamp) > 0) newer.push(entry.copy())
        else surplus.push(entry.copy(false))
        return true
      }
      versions.delete(key)
      const order = compareVersions(entry, theirs)
      if (order > 0) newer.push(entry.copy())
      else if (order < 0) wanted.push(Buffer.from(key, 'latin1'))
      return true
    })
    for (const entry of surplus) store.drop(entry.key, entry.keyStart, entry.keyEnd, entry)
    const full = clock.now() - this.#evictedMs < FULL_MS
    if (!full) for (const key of versions.keys()) wanted.push(Buffer.from(key, 'latin1'))
    this.correctedTotal += surplus.length + wanted.length
    const answer = encodeCorrection({ slot, share, shares, dropped: surplus.length, left: full ? versions.size : 0, wanted, newer })
    if (newer.length === 0) {
      calls.tell(session.peer.name, KIND_CORRECTION, answer)
      return
    }
    const whole = decodeCorrection(answer).newer.length === newer.length
    calls.call(session.peer.name, KIND_CORRECTION, answer, NEWER_TIMEOUT_MS, (_failure, body) => {
      if (!whole || body?.[0] !== NEWER_TAKEN) this.#parts.notTaken(slot, term)
    })
  }
}
