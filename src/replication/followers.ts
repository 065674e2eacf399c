/**
 * The followers of this member's slots: whom each write is streamed to, and how they become complete.
 *
 * `reconcile` brings the sessions in line with the view: whoever should follow is told so in the stream and from then on gets every write; a
 * stand-in keeps following until every seat is complete. `tick` then leads the followers that are wished to hold a copy to completeness: digests
 * are compared at one position of the stream, and where they differ the slot is sent by bulk, behind which `complete` follows in the stream.
 *
 * A member that is there and cannot be streamed to for `CUT_OFF_MS` has no seat in this member's slots until it can: the next in preference order has
 * it, and a snapshot. No other member has to agree, or could: seats are filled by the primary alone, and everybody else goes by the copies there are.
 */
import type { Entry } from '../lib/entry.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term } from '../placement/index.ts'
import { BulkSender } from './bulk.ts'
import type { Context } from './context.ts'
import { FillPatience } from './fill-patience.ts'
import { addCheck, type SlotCheck } from './frames.ts'
import { CHECKING, COMPLETE, FILLED, FILLING, FOLLOWING, Outgoing, UNFOLLOWED } from './outgoing.ts'
import type { PeerIdentity } from './peers.ts'
import { addToGroup, PRIMARY } from './slot-table.ts'

/** Before a new follower is checked: a grant that is on its way to it from the earlier primary may make it complete for nothing. */
const SETTLE_MS = 300
/** Before one that goes by another holder is told again whom to follow: meanwhile it may learn better, or this member may. */
const REFOLLOW_MS = 500
/** The rejoin grace of a member that crashed: a link that is gone for as long is no better. */
const CUT_OFF_MS = 30_000
/** Where nothing of a follower's slots is due, as with a stand-in that is to hold no copy, it is looked at again after so long, or when the view changes. */
const LEAD_LOOK_MS = 250
const NOBODY: readonly Outgoing[] = []
const EVERY_SLOT = SlotSet.all()

interface BulkTotals {
  readonly bytes: number
  readonly entries: number
}

export class Followers {
  readonly #context: Context
  readonly #outgoing = new Map<string, Outgoing>()
  readonly #bulk = new Map<string, BulkSender>()
  /** To members that are gone. */
  #bulkBefore: BulkTotals = { bytes: 0, entries: 0 }
  readonly #bySlot: (readonly Outgoing[])[] = new Array(SLOT_COUNT).fill(NOBODY)
  /** By slot: since when every seat has been complete, in ms of the clock; -1 while one is not. */
  readonly #seatsCompleteSinceMs = new Float64Array(SLOT_COUNT).fill(-1)
  readonly #patience = new FillPatience()
  readonly #filled = new Map<Outgoing, number[]>()
  /** Members that are there, and that this one cannot stream to. */
  #cutOff: ReadonlySet<string> = new Set()
  #dirty = true
  #epochs = 0

  constructor(context: Context) {
    this.#context = context
  }

  markDirty(): void {
    this.#dirty = true
  }

  outgoing(peer: PeerIdentity): Outgoing | undefined {
    const outgoing = this.#outgoing.get(peer.name)
    return outgoing?.peer.generation === peer.generation ? outgoing : undefined
  }

  all(): IterableIterator<Outgoing> {
    return this.#outgoing.values()
  }

  /** When any peer acknowledged something last, in ms of the clock; `-Infinity` if none of those that are there has. */
  lastAckMs(): number {
    let lastMs = Number.NEGATIVE_INFINITY
    for (const { lastAckMs } of this.#outgoing.values()) lastMs = Math.max(lastMs, lastAckMs)
    return lastMs
  }

  bulk(peer: PeerIdentity): BulkSender | undefined {
    const bulk = this.#bulk.get(peer.name)
    return bulk?.peer.generation === peer.generation ? bulk : undefined
  }

  /** What was sent by bulk, to those that went since, too. */
  bulkTotals(): BulkTotals {
    let { bytes, entries } = this.#bulkBefore
    for (const { bytesTotal, entriesTotal } of this.#bulk.values()) {
      bytes += bytesTotal
      entries += entriesTotal
    }
    return { bytes, entries }
  }

  peerPresent(peer: PeerIdentity): void {
    if (this.outgoing(peer) !== undefined) return
    this.peerGone(peer.name)
    const { clock, hybrid, store } = this.#context
    this.#outgoing.set(
      peer.name,
      new Outgoing(peer, clock, hybrid, {
        nextEpoch: () => ++this.#epochs,
        reset: () => this.markDirty(),
        disowned: () => clock.after(REFOLLOW_MS, () => this.markDirty()),
      }),
    )
    this.#bulk.set(peer.name, new BulkSender(peer, clock, store, this.#context.beaten))
    this.markDirty()
  }

  peerGone(name: string): void {
    this.#outgoing.get(name)?.close()
    this.#outgoing.delete(name)
    const bulk = this.#bulk.get(name)
    if (bulk !== undefined) {
      bulk.fail()
      this.#bulkBefore = { bytes: this.#bulkBefore.bytes + bulk.bytesTotal, entries: this.#bulkBefore.entries + bulk.entriesTotal }
      this.#bulk.delete(name)
    }
    this.markDirty()
  }

  /** Streams a change of a slot that this member is primary of. */
  append(entry: Entry, slot: number): void {
    // Alone: not even a look at the slot.
    if (this.#outgoing.size === 0) return
    const followers = this.#bySlot[slot] as readonly Outgoing[]
    for (let i = 0; i < followers.length; i++) (followers[i] as Outgoing).writeEntry(entry)
  }

  /** Tells the followers of one of the reads of an entry. */
  touch(entry: Entry, slot: number): void {
    for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) outgoing.touch(entry)
  }

  appendDrop(entry: Entry, slot: number): void {
    for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) outgoing.write((frames) => frames.drop(entry))
  }

  inSync(name: string, slot: number, nowMs: number): boolean {
    return this.#outgoing.get(name)?.inSync(slot, nowMs) === true
  }

  hasFollower(slot: number): boolean {
    return (this.#bySlot[slot] as readonly Outgoing[]).length > 0
  }

  /** Who gets every write of the slot. */
  of(slot: number): readonly Outgoing[] {
    return this.#bySlot[slot] as readonly Outgoing[]
  }

  /** For how long every seat has been complete; -1 while one is not, by now: seats move with the view, and one that has fallen silent vouches for nothing. */
  seatsCompleteForMs(slot: number, nowMs: number): number {
    const since = this.#seatsCompleteSinceMs[slot] as number
    const self = this.#context.self().name
    const seats = this.#context.view().seats(slot)
    return since < 0 || !seats.every((name) => name === self || this.inSync(name, slot, nowMs)) ? -1 : nowMs - since
  }

  /** Do all that follow the slot have what was written to it this long ago? */
  haveAllFrom(slot: number, ageMs: number, nowMs: number): boolean {
    for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) if (!outgoing.holdsFrom(ageMs, nowMs)) return false
    return true
  }

  /** Puts a grant of slots (held by this member until now) into the streams of all that follow them, and lets it leave at once. */
  grant(number: number, term: Term, slots: SlotSet): void {
    const byOutgoing = new Map<Outgoing, SlotSet>()
    for (const slot of slots) for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) addToGroup(byOutgoing, outgoing, slot)
    for (const [outgoing, followed] of byOutgoing) {
      this.#writeMarks(outgoing, followed)
      outgoing.granting(followed)
      outgoing.write((frames) => frames.grant(number, term, followed))
      outgoing.flush()
    }
  }

  /** The slot is no longer ours to stream. */
  release(slot: number): void {
    for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) outgoing.lose(slot)
    this.#bySlot[slot] = NOBODY
    this.#seatsCompleteSinceMs[slot] = -1
  }

  /** This member has just taken the slots under `term` and written nothing under it: who follows from now on misses nothing of it. */
  took(term: Term, slots: SlotSet): void {
    this.#reconcile(slots, term)
  }

  tick(nowMs: number): void {
    if (this.#dirty) {
      this.#dirty = false
      this.#reconcile(EVERY_SLOT, null)
      // What a follower is wished to hold may have changed.
      for (const outgoing of this.#outgoing.values()) outgoing.leadAtMs = 0
    }
    for (const outgoing of this.#outgoing.values()) if (outgoing.isOpen && outgoing.incomplete > 0) this.#lead(outgoing, nowMs)
  }

  /** Once a second: who is cut off, and which slots have all their seats complete. Ends the service of stand-ins that are needed no more. */
  review(nowMs: number): void {
    const { table } = this.#context
    this.#findCutOff(nowMs)
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (table.role(slot) !== PRIMARY || !this.#seatsComplete(slot)) this.#seatsCompleteSinceMs[slot] = -1
      else if ((this.#seatsCompleteSinceMs[slot] as number) < 0) {
        this.#seatsCompleteSinceMs[slot] = nowMs
        this.#dirty = true
      }
    }
  }

  /** Members that are there and have no seats in this member's slots, as no stream reaches them. */
  get cutOff(): number {
    return this.#cutOff.size
  }

  #findCutOff(nowMs: number): void {
    const cutOff = new Set<string>()
    for (const outgoing of this.#outgoing.values()) if (outgoing.silentMs(nowMs) > CUT_OFF_MS) cutOff.add(outgoing.peer.name)
    const { logger } = this.#context
    for (const peer of cutOff) if (!this.#cutOff.has(peer)) logger.warn({ peer }, 'cannot stream to a member: its seats go to others')
    for (const peer of this.#cutOff) if (!cutOff.has(peer)) logger.info({ peer }, 'a member that was cut off has its seats again')
    if ([...cutOff].join() !== [...this.#cutOff].join()) this.#dirty = true
    this.#cutOff = cutOff
  }

  #reconcile(slots: SlotSet, fresh: Term | null): void {
    const { table } = this.#context
    const view = this.#context.view()
    const self = this.#context.self().name
    const follow = new Map<Outgoing, Map<Term, SlotSet>>()
    const unfollow = new Map<Outgoing, SlotSet>()
    const lists: (readonly Outgoing[])[] = [NOBODY]
    for (const slot of slots) {
      if (table.role(slot) !== PRIMARY) continue
      const before = this.#bySlot[slot] as readonly Outgoing[]
      const after: Outgoing[] = []
      for (const name of view.followers(slot, self, this.#cutOff)) {
        const outgoing = this.#outgoing.get(name)
        if (outgoing === undefined) continue
        after.push(outgoing)
        if (outgoing.state(slot) === UNFOLLOWED) {
          let terms = follow.get(outgoing)
          if (terms === undefined) {
            terms = new Map()
            follow.set(outgoing, terms)
          }
          addToGroup(terms, table.term(slot) as Term, slot)
        }
      }
      for (const outgoing of before) {
        if (after.includes(outgoing)) continue
        const current = this.#outgoing.get(outgoing.peer.name) === outgoing
        const reached = view.isAvailable(outgoing.peer.name) && !this.#cutOff.has(outgoing.peer.name)
        if (current && outgoing.state(slot) !== UNFOLLOWED && reached && !this.#seatsComplete(slot)) after.push(outgoing)
        // One that went by another holder, too: it may have come back to this one, and think that it is streamed to.
        else if (current) addToGroup(unfollow, outgoing, slot)
      }
      this.#bySlot[slot] = shared(lists, after)
    }
    for (const [outgoing, left] of unfollow) {
      for (const slot of left) outgoing.setState(slot, UNFOLLOWED)
      outgoing.write((frames) => frames.unfollow(left))
    }
    for (const [outgoing, terms] of follow) {
      for (const [term, joined] of terms) {
        for (const slot of joined) {
          outgoing.setState(slot, FOLLOWING)
          outgoing.markControl(slot)
        }
        outgoing.write((frames) => frames.follow(term, joined, sameTerm(term, fresh)))
      }
    }
  }

  #lead(outgoing: Outgoing, nowMs: number): void {
    if (nowMs < outgoing.leadAtMs) return
    const { table, store } = this.#context
    const checks = new Map<Term, SlotCheck[]>()
    let nextMs = nowMs + LEAD_LOOK_MS
    let changed = false
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const state = outgoing.state(slot)
      if (state === UNFOLLOWED || state === COMPLETE || state === FILLING) continue
      if (table.role(slot) !== PRIMARY) continue
      if (!outgoing.controlConfirmed(slot)) {
        nextMs = nowMs
        continue
      }
      if (state === FOLLOWING) {
        const settledMs = (outgoing.sinceMs[slot] as number) + SETTLE_MS
        if (nowMs < settledMs) {
          if (settledMs < nextMs) nextMs = settledMs
          continue
        }
        if (!this.#patience.mayFill(outgoing, slot, nowMs) || !this.#shouldHoldCopy(slot, outgoing, nowMs)) continue
        addCheck(checks, table.term(slot) as Term, { slot, ...store.slotDigest(slot) })
      } else if (state === CHECKING) {
        this.#fill(outgoing, slot)
        changed = true
      } else {
        // It has read all of the snapshot, and does not say that it is complete.
        this.#patience.failed(outgoing, slot, nowMs)
        outgoing.setState(slot, FOLLOWING)
        changed = true
      }
    }
    outgoing.leadAtMs = changed || checks.size > 0 ? 0 : nextMs
    for (const [term, list] of checks) {
      for (const { slot } of list) {
        outgoing.setState(slot, CHECKING)
        outgoing.markControl(slot)
      }
      this.#writeMarks(
        outgoing,
        list.map(({ slot }) => slot),
      )
      outgoing.write((frames) => frames.check(term, list))
    }
  }

  /** Ahead of what lets the follower compare its copy, or makes it the primary. */
  #writeMarks(outgoing: Outgoing, slots: Iterable<number>): void {
    const marks = this.#context.marks(slots)
    if (marks.size > 0) outgoing.write((frames) => frames.marks(marks))
  }

  #fill(outgoing: Outgoing, slot: number): void {
    const bulk = this.bulk(outgoing.peer)
    if (bulk === undefined || !bulk.isOpen) return
    outgoing.setState(slot, FILLING)
    const begunMs = outgoing.sinceMs[slot]
    bulk.send({
      slot,
      since: ZERO_STAMP,
      done: (delivered) => {
        // Another fill may have begun since: this one says nothing about it.
        if (outgoing.state(slot) !== FILLING || outgoing.sinceMs[slot] !== begunMs) return
        if (delivered) this.#snapshotApplied(outgoing, slot)
        else outgoing.setState(slot, FOLLOWING)
      },
    })
  }

  /** Gathers the slots whose snapshots were applied in one turn, so that they share a frame. */
  #snapshotApplied(outgoing: Outgoing, slot: number): void {
    const waiting = this.#filled.get(outgoing)
    if (waiting !== undefined) {
      waiting.push(slot)
      return
    }
    this.#filled.set(outgoing, [slot])
    this.#context.clock.soon(() => {
      const slots = this.#filled.get(outgoing) ?? []
      this.#filled.delete(outgoing)
      const { table, store } = this.#context
      const terms = new Map<Term, SlotCheck[]>()
      for (const filled of slots) {
        if (table.role(filled) !== PRIMARY || outgoing.state(filled) !== FILLING) continue
        outgoing.setState(filled, FILLED)
        outgoing.markControl(filled)
        addCheck(terms, table.term(filled) as Term, { slot: filled, ...store.slotDigest(filled) })
      }
      for (const [term, checks] of terms) outgoing.write((frames) => frames.complete(term, checks))
    })
  }

  /** A seat always; another follower only when this member leaves and has nobody better to grant the slot to. */
  #shouldHoldCopy(slot: number, outgoing: Outgoing, nowMs: number): boolean {
    const view = this.#context.view()
    if (this.#hasSeat(slot, outgoing.peer.name)) return true
    if (!this.#context.leaving()) return false
    const heir = view.firstAvailable(slot, (name) => this.inSync(name, slot, nowMs))
    return heir === undefined && view.firstAvailable(slot, () => true) === outgoing.peer.name
  }

  #hasSeat(slot: number, name: string): boolean {
    const view = this.#context.view()
    return this.#cutOff.size === 0 ? view.hasSeat(slot, name) : view.seats(slot, this.#cutOff).includes(name)
  }

  #seatsComplete(slot: number): boolean {
    const self = this.#context.self().name
    const view = this.#context.view()
    const seats = view.seats(slot, this.#cutOff)
    // Where too few are left to sit, what others hold is not too much.
    if (seats.length < view.seatCount) return false
    for (const name of seats) if (name !== self && this.#outgoing.get(name)?.state(slot) !== COMPLETE) return false
    return true
  }
}

/** A list of the same followers that there is already: few serve thousands of slots, and stay in the processor's cache, where every write reads one. */
function shared(lists: (readonly Outgoing[])[], list: readonly Outgoing[]): readonly Outgoing[] {
  const known = lists.find((other) => other.length === list.length && other.every((outgoing, i) => outgoing === list[i]))
  if (known !== undefined) return known
  lists.push(list)
  return list
}
