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
import { Dealing } from './dealing.ts'
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
/** Each says something every 100 ms. */
const SILENT_MS = 2_000
/** Where nothing of a follower's slots is due, as with a stand-in that is to hold no copy, it is looked at again after so long, or when the view changes. */
const LEAD_LOOK_MS = 250
const NOBODY: readonly Outgoing[] = []

interface BulkTotals {
  readonly bytes: number
  readonly entries: number
}

export class Followers {
  readonly #context: Context
  readonly #outgoing = new Map<string, Outgoing>()
  readonly #dealing: Dealing
  readonly #bulk = new Map<string, BulkSender>()
  /** To members that are gone. */
  #bulkBefore: BulkTotals = { bytes: 0, entries: 0 }
  readonly #bySlot: (readonly Outgoing[])[] = new Array(SLOT_COUNT).fill(NOBODY)
  /** By slot: since when every seat has been complete, in ms of the clock; -1 while one is not. */
  readonly #seatsCompleteSinceMs = new Float64Array(SLOT_COUNT).fill(-1)
  /** Those that are not -1. */
  #seatsCompleteIn = new SlotSet()
  readonly #patience = new FillPatience()
  readonly #filled = new Map<Outgoing, number[]>()
  /** Members that are there, and that this one cannot stream to. */
  #cutOff: ReadonlySet<string> = new Set()
  #dirty = true
  #epochs = 0

  constructor(context: Context) {
    this.#context = context
    this.#dealing = new Dealing(context, this.#outgoing)
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

  /** Has every member that is there said something lately? */
  hearsAll(nowMs: number): boolean {
    for (const outgoing of this.#outgoing.values()) if (outgoing.silentMs(nowMs) > SILENT_MS) return false
    return true
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
    this.#dealing.sessionsChanged()
    this.markDirty()
  }

  peerGone(name: string): void {
    this.#outgoing.get(name)?.close()
    this.#outgoing.delete(name)
    this.#dealing.sessionsChanged()
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

  /**
   * This member's slots by who could take them over: the first in preference order of those that may, and have all of the slot. Where there is one such
   * member, as with one replica, its order is not asked for.
   */
  heirs(nowMs: number): Map<string, SlotSet> {
    const { table, view } = this.#context
    const heirs = new Map<string, SlotSet>()
    const once = new SlotSet()
    const several = new SlotSet()
    for (const [name, outgoing] of this.#outgoing) {
      if (!view().isAvailable(name) || !view().ring.names.includes(name)) continue
      const slots = outgoing.inSyncSlots(nowMs).retainAll(table.primarySet())
      several.addAll(once.copy().retainAll(slots))
      once.addAll(slots)
      heirs.set(name, slots)
    }
    for (const slots of heirs.values()) slots.removeAll(several)
    for (const slot of several) heirs.get(this.#heir(slot, nowMs) as string)?.add(slot)
    return heirs
  }

  /** The first member in preference order that may take over a slot of this member's, and has all of it; `undefined` while there is none. */
  #heir(slot: number, nowMs: number): string | undefined {
    for (const outgoing of this.#dealing.of(slot).heirs) if (outgoing.inSync(slot, nowMs)) return outgoing.peer.name
    return undefined
  }

  /** The first member in preference order that is there and not leaving; this one perhaps. */
  wished(slot: number): string | undefined {
    return this.#dealing.of(slot).wished
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
    for (const [outgoing, followed] of this.#byOutgoing(slots)) {
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
    this.#seatsCompleteIn.delete(slot)
  }

  /** The same for many. */
  releaseAll(slots: SlotSet): void {
    for (const [outgoing, followed] of this.#byOutgoing(slots)) outgoing.loseAll(followed)
    for (const slot of slots) {
      this.#bySlot[slot] = NOBODY
      this.#seatsCompleteSinceMs[slot] = -1
    }
    this.#seatsCompleteIn.removeAll(slots)
  }

  /** This member has just taken the slots under `term` and written nothing under it: who follows from now on misses nothing of it. */
  took(term: Term, slots: SlotSet): void {
    this.#reconcile(slots, term)
  }

  tick(nowMs: number): void {
    if (this.#dirty) {
      this.#dirty = false
      this.#reconcile(this.#context.table.primarySet(), null)
      // What a follower is wished to hold may have changed.
      for (const outgoing of this.#outgoing.values()) outgoing.leadAtMs = 0
    }
    for (const outgoing of this.#outgoing.values()) if (outgoing.isOpen && outgoing.incomplete > 0) this.#lead(outgoing, nowMs)
  }

  /** Once a second: who is cut off, and which slots have all their seats complete. Ends the service of stand-ins that are needed no more. */
  review(nowMs: number): void {
    this.#findCutOff(nowMs)
    const before = this.#seatsCompleteIn
    const complete = this.#context.table.primarySet()
    for (const slot of complete) if (!this.#seatsComplete(slot)) complete.delete(slot)
    for (const slot of before.copy().removeAll(complete)) this.#seatsCompleteSinceMs[slot] = -1
    for (const slot of complete.copy().removeAll(before)) {
      this.#seatsCompleteSinceMs[slot] = nowMs
      this.#dirty = true
    }
    this.#seatsCompleteIn = complete
  }

  /** Members that are there and have no seats in this member's slots, as no stream reaches them. */
  get cutOff(): number {
    return this.#cutOff.size
  }

  /** Who follows any of the slots, and which. */
  #byOutgoing(slots: SlotSet): Map<Outgoing, SlotSet> {
    const byList = new Map<readonly Outgoing[], SlotSet>()
    let list = NOBODY
    let listed = new SlotSet()
    for (const slot of slots) {
      const followers = this.#bySlot[slot] as readonly Outgoing[]
      if (followers !== list) {
        list = followers
        listed = byList.get(list) ?? new SlotSet()
        byList.set(list, listed)
      }
      listed.add(slot)
    }
    const byOutgoing = new Map<Outgoing, SlotSet>()
    for (const [followers, followed] of byList) {
      for (const outgoing of followers) {
        const all = byOutgoing.get(outgoing) ?? new SlotSet()
        all.addAll(followed)
        byOutgoing.set(outgoing, all)
      }
    }
    return byOutgoing
  }

  #findCutOff(nowMs: number): void {
    const cutOff = new Set<string>()
    for (const outgoing of this.#outgoing.values()) if (outgoing.silentMs(nowMs) > CUT_OFF_MS) cutOff.add(outgoing.peer.name)
    const { logger } = this.#context
    for (const peer of cutOff) if (!this.#cutOff.has(peer)) logger.warn({ peer }, 'cannot stream to a member: its seats go to others')
    for (const peer of this.#cutOff) if (!cutOff.has(peer)) logger.info({ peer }, 'a member that was cut off has its seats again')
    if ([...cutOff].join() === [...this.#cutOff].join()) return
    this.#cutOff = cutOff
    this.#dealing.cutOff(cutOff)
    this.#dirty = true
  }

  #reconcile(slots: SlotSet, fresh: Term | null): void {
    const follow = new Map<Outgoing, Map<Term, SlotSet>>()
    const unfollow = new Map<Outgoing, SlotSet>()
    for (const slot of this.#changed(slots)) {
      const { followers } = this.#dealing.of(slot)
      this.#join(followers, slot, follow)
      this.#bySlot[slot] = this.#keep(slot, followers, unfollow)
    }
    for (const [outgoing, left] of unfollow) {
      outgoing.setStates(left, UNFOLLOWED)
      outgoing.write((frames) => frames.unfollow(left))
    }
    for (const [outgoing, terms] of follow) {
      for (const [term, joined] of terms) {
        outgoing.setStates(joined, FOLLOWING)
        outgoing.markControls(joined)
        outgoing.write((frames) => frames.follow(term, joined, sameTerm(term, fresh)))
      }
    }
  }

  /** Those of the slots whose followers are not those that they should have: few, whatever has changed. */
  #changed(slots: SlotSet): SlotSet {
    const changed = slots.copy().retainAll(this.#context.table.primarySet())
    for (const slot of changed) {
      const { followers } = this.#dealing.of(slot)
      if (this.#bySlot[slot] === followers && follows(followers, slot)) changed.delete(slot)
    }
    return changed
  }

  /** Those of the followers that do not follow the slot yet are to. */
  #join(followers: readonly Outgoing[], slot: number, follow: Map<Outgoing, Map<Term, SlotSet>>): void {
    for (const outgoing of followers) {
      if (outgoing.state(slot) !== UNFOLLOWED) continue
      let terms = follow.get(outgoing)
      if (terms === undefined) {
        terms = new Map()
        follow.set(outgoing, terms)
      }
      addToGroup(terms, this.#context.table.term(slot) as Term, slot)
    }
  }

  /** Who gets the slot's writes from now on: its `followers`, and who has followed it so far as a stand-in and is needed still. The others are to go. */
  #keep(slot: number, followers: readonly Outgoing[], unfollow: Map<Outgoing, SlotSet>): readonly Outgoing[] {
    const view = this.#context.view()
    let kept = followers
    for (const outgoing of this.#bySlot[slot] as readonly Outgoing[]) {
      if (followers.includes(outgoing)) continue
      const { name } = outgoing.peer
      const current = this.#outgoing.get(name) === outgoing
      const reached = view.isAvailable(name) && !this.#cutOff.has(name)
      if (current && outgoing.state(slot) !== UNFOLLOWED && reached && !this.#seatsComplete(slot)) kept = [...kept, outgoing]
      // One that went by another holder, too: it may have come back to this one, and think that it is streamed to.
      else if (current) addToGroup(unfollow, outgoing, slot)
    }
    return kept === followers ? kept : this.#dealing.shared(kept)
  }

  #lead(outgoing: Outgoing, nowMs: number): void {
    if (nowMs < outgoing.leadAtMs) return
    const { table, store } = this.#context
    const checks = new Map<Term, SlotCheck[]>()
    let nextMs = nowMs + LEAD_LOOK_MS
    let changed = false
    for (const slot of this.#toLead(outgoing, nowMs)) {
      const state = outgoing.state(slot)
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
        if (!this.#patience.mayFill(outgoing, slot, nowMs)) continue
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

  /** Slots in which something may be due: a stand-in that is to hold no copy waits for nothing, and while a member is away that is most that there is. */
  #toLead(outgoing: Outgoing, nowMs: number): SlotSet {
    const slots = this.#context.table.primarySet().retainAll(outgoing.incompleteSlots())
    for (const slot of slots) {
      const state = outgoing.state(slot)
      if (state === FILLING || (state === FOLLOWING && !this.#shouldHoldCopy(slot, outgoing, nowMs))) slots.delete(slot)
    }
    return slots
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
    if (this.#dealing.of(slot).seated.includes(outgoing)) return true
    return this.#context.leaving() && this.#heir(slot, nowMs) === undefined && this.wished(slot) === outgoing.peer.name
  }

  #seatsComplete(slot: number): boolean {
    const { seated, full } = this.#dealing.of(slot)
    // Where too few are left to sit, what others hold is not too much.
    if (!full) return false
    for (const outgoing of seated) if (outgoing.state(slot) !== COMPLETE) return false
    return true
  }
}

function follows(followers: readonly Outgoing[], slot: number): boolean {
  for (const outgoing of followers) if (outgoing.state(slot) === UNFOLLOWED) return false
  return true
}
