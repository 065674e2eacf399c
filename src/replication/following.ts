/**
 * Following: the copies that this member keeps of other members' slots, and the sessions over which it gets them.
 *
 * A session vouches for a slot once its primary said `follow`, and until a gap. What it says of completeness counts only under the term that is known
 * here and for slots that it has streamed without a gap under it. A copy whose primary is alive and silent is complete no longer. What becomes of a copy
 * that nobody streams to is `surplus.ts`'s concern.
 */
import { ByteWriter } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { Place } from '../lib/place.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareVersions, type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import { Corrector } from './correction.ts'
import type { Followers } from './followers.ts'
import { type FollowStatus, type SlotCheck, TOUCH_EVERY } from './frames.ts'
import type { HandOver } from './hand-over.ts'
import { type FollowEvents, Incoming } from './incoming.ts'
import type { Farewell } from './ledger.ts'
import { guarded } from './link-guard.ts'
import type { Marks } from './marks.ts'
import { encodeTerms, KIND_TERMS } from './messages.ts'
import type { PeerIdentity, PeerLink, PeerLinkHandlers } from './peers.ts'
import type { Applied } from './slot-data.ts'
import { addToGroup, NONE, PARKED, PRIMARY } from './slot-table.ts'
import { Surplus } from './surplus.ts'

/** A copy whose living primary has been silent for so long is no longer complete; longer than detection takes, so that a dying primary does not disqualify its heir. */
const SILENCE_MS = 5000

export interface FollowingParts {
  readonly followers: Followers
  readonly handOver: HandOver
  readonly marks: Pick<Marks, 'beaten' | 'heard' | 'isDoubtful' | 'settle' | 'wasInSync'>
  /** An entry of another member's is to be applied to a copy here: before it is. */
  readonly replacing: (entry: Entry, slot: number) => void
  /** An entry of another member's stream is to be applied, by `apply`, to a slot that is held here. */
  readonly merge: (from: PeerIdentity, entry: Entry, slot: number, apply: () => Applied) => Applied
  /** Is what is here of the slot still to be sent to its holder? */
  readonly owes: (slot: number) => boolean
  /** Sends the slots' entries to the holder of a term, which may lack them. */
  readonly sendBack: (slots: SlotSet, term: Term) => void
}

export class Following {
  /** Entries of another primary that lost to newer ones here. */
  conflictsTotal = 0
  /** Entries of other members that there was no room for here, each time that they came. */
  refusedTotal = 0
  readonly corrector: Corrector
  readonly surplus: Surplus
  readonly #context: Context
  readonly #parts: FollowingParts
  readonly #events: FollowEvents
  readonly #incoming = new Map<string, Incoming>()
  /** By slot: the session that streams it to this member, and under which term it began. */
  readonly #coveredBy: (Incoming | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #coveredUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  /** By slot: when it became complete by a grant whose heir has not been heard to stream it yet. */
  readonly #grantedMs = new Float64Array(SLOT_COUNT)
  /** By slot: 1 since an entry of it was refused, until the copy is compared anew. */
  readonly #refused = new Uint8Array(SLOT_COUNT)
  readonly #found = new Entry()
  readonly #place = new Place()

  constructor(context: Context, parts: FollowingParts) {
    this.#context = context
    this.#parts = parts
    this.corrector = new Corrector(context, {
      mayCorrect: (session, term, slot) => this.#covers(session, term, slot) && !parts.owes(slot),
      notTaken: (slot, term) => parts.sendBack(SlotSet.of([slot]), term),
    })
    this.surplus = new Surplus(context, {
      isStreamed: (slot) => this.streamOf(slot, context.table.term(slot) as Term) !== null,
      leftUnder: (slot) => (this.#isLeft(slot) ? (this.#coveredUnder[slot] as Term) : null),
      strayed: (slot, term) => parts.marks.beaten(slot, term),
      letGo: (slot) => {
        if (this.#isLeft(slot)) this.#uncover(slot)
      },
      deleted: (slot) => this.taken(slot),
      owes: parts.owes,
      sendBack: parts.sendBack,
    })
    this.#events = this.#makeEvents()
  }

  /** A link over which another member streams its slots to this one. */
  accepted(link: PeerLink): PeerLinkHandlers {
    let session = this.#incoming.get(link.peer.name)
    if (session === undefined || session.peer.generation < link.peer.generation) {
      session = new Incoming(link.peer, this.#context.clock, this.#events)
      this.#incoming.set(link.peer.name, session)
    } else if (session.peer.generation > link.peer.generation) {
      link.close()
      return { message: () => {}, closed: () => {} }
    }
    const current = session
    current.opened(link)
    return guarded(link, this.#context.logger, {
      message: (message) => current.received(message),
      closed: () => current.linkClosed(link),
    })
  }

  #makeEvents(): FollowEvents {
    const parts = this.#parts
    return {
      ahead: (run) => this.#context.store.findAll(run),
      entry: (session, entry, run, i) => {
        const slot = run.slot[i] as number
        // Late, of one that holds the slot no more: it may have been deleted since. What it may speak of it sends back when it has heard the mark.
        if (this.#coveredBy[slot] !== session && parts.marks.isDoubtful(entry, slot)) return -1
        const { store, hybrid } = this.#context
        store.placeAt(run, i, hybrid.physicalMs(), this.#place)
        const role = this.#context.table.role(slot)
        const outcome =
          role === PRIMARY || role === PARKED
            ? parts.merge(session.peer, entry, slot, () => this.apply(entry, slot))
            : this.apply(entry, slot, this.#place)
        return outcome === 'full' ? slot : -1
      },
      dropped: (entry) => {
        const { store } = this.#context
        const { key, keyStart, keyEnd } = entry
        // A tombstone that goes leaves its mark at once: the primary may be gone before it tells of it.
        if (store.peek(key, keyStart, keyEnd, this.#found) && this.#found.tombstone && compareVersions(this.#found, entry) === 0) {
          parts.marks.heard(new Map([[slotOf(key, keyStart, keyEnd), { ms: entry.ms, counter: entry.counter }]]))
        }
        store.drop(key, keyStart, keyEnd, entry)
      },
      touched: ({ key, keyStart, keyEnd }) => {
        this.#context.store.touch(key, keyStart, keyEnd, this.#context.hybrid.physicalMs(), TOUCH_EVERY)
      },
      follow: (session, term, slots, fresh) => this.#follow(session, term, slots, fresh),
      unfollow: (session, slots) => {
        session.streamed.removeAll(slots)
        this.#context.table.together(() => {
          for (const slot of slots) if (this.#coveredBy[slot] === session) this.#uncover(slot)
        })
      },
      check: (session, term, checks) => this.#check(session, term, checks),
      complete: (session, term, checks) => this.#filled(session, term, checks),
      grant: (session, number, term, slots) => this.#granted(session, number, term, slots),
      marks: (marks) => this.#parts.marks.heard(marks),
      compare: (session, term, checks) => this.corrector.compare(session, term, checks),
      list: (session, list) => this.corrector.list(session, list),
      gap: (session) => {
        session.streamed.clear()
        for (let slot = 0; slot < SLOT_COUNT; slot++) {
          if (this.#coveredBy[slot] !== session) continue
          // What it streamed under that term is here still.
          const under = this.#coveredUnder[slot] as Term | null
          this.#uncover(slot)
          this.#coveredUnder[slot] = under
        }
        session.statusChanged()
      },
      statusFor: (session) => this.#statusFor(session),
    }
  }

  /** An entry of another member's stream or snapshot; whoever has just looked for its key hands in the place. */
  apply(entry: Entry, slot: number, place?: Place): Applied {
    this.#context.hybrid.observe(entry)
    this.#parts.replacing(entry, slot)
    const outcome = this.#context.store.apply(entry, this.#context.hybrid.physicalMs(), slot, place)
    this.#context.table.received(slot)
    const role = this.#context.table.role(slot)
    if (role === PRIMARY || role === PARKED) {
      if (outcome === 'applied') this.#parts.followers.append(entry, slot)
      else if (outcome === 'stale') this.conflictsTotal++
      // Its sender keeps it, and tries again.
      else if (outcome === 'full') this.refusedTotal++
    } else if (outcome === 'full') {
      // The copy lacks what it could not take: it must be no heir.
      this.refusedTotal++
      this.#refused[slot] = 1
      this.#context.table.markPartial(slot)
    }
    return outcome
  }

  /** What is known of a primary that is gone; `undefined` if it never streamed to this member. */
  farewell(name: string): Farewell | undefined {
    return this.#incoming.get(name)?.farewell()
  }

  #follow(session: Incoming, term: Term, slots: SlotSet, fresh: boolean): void {
    const higher = new Map<Term, SlotSet>()
    session.streamed.addAll(slots)
    this.#context.table.together(() => this.#followIn(session, term, slots, fresh, higher))
    if (higher.size > 0) this.#context.calls.tell(session.peer.name, KIND_TERMS, encodeTerms(new ByteWriter(256), higher).toBuffer())
    session.statusChanged()
  }

  /** Puts the slots that have another holder into `higher`, by its term. */
  #followIn(session: Incoming, term: Term, slots: SlotSet, fresh: boolean, higher: Map<Term, SlotSet>): void {
    for (const slot of slots) {
      const covered = this.#covers(session, term, slot)
      if (this.#cover(session, term, slot)) {
        // A copy that a grant left complete has missed what the heir wrote before it began to stream the slot here.
        if (!fresh && !covered && this.#context.table.role(slot) === NONE) this.#context.table.markPartial(slot)
        continue
      }
      const known = this.#context.table.term(slot)
      if (known !== null && known.name !== session.peer.name) addToGroup(higher, known, slot)
    }
  }

  /** From here on the session streams the slot under `term`: false if another term prevails here. */
  #cover(session: Incoming, term: Term, slot: number): boolean {
    this.#context.table.adopt(slot, term)
    if (!sameTerm(this.#context.table.term(slot), term)) return false
    this.surplus.note(slot)
    this.#coveredBy[slot] = session
    this.#coveredUnder[slot] = term
    this.#context.table.received(slot)
    return true
  }

  /** A session may only vouch for slots that it has streamed without a gap under the term that is known now. */
  #covers(session: Incoming, term: Term, slot: number): boolean {
    return (
      this.#coveredBy[slot] === session &&
      sameTerm(this.#coveredUnder[slot] as Term | null, term) &&
      sameTerm(this.#context.table.term(slot), term)
    )
  }

  #check(session: Incoming, term: Term, checks: readonly SlotCheck[]): void {
    for (const { slot, high, low } of checks) {
      // The check stands in for a `follow` that was ignored when the sender was still taken for dead.
      if (!this.#covers(session, term, slot) && !this.#cover(session, term, slot)) continue
      const digest = this.#context.store.slotDigest(slot)
      this.#refused[slot] = 0
      if (digest.high === high && digest.low === low) {
        this.#context.table.markComplete(slot, term)
        this.surplus.settled(slot)
      }
      // A snapshot comes, with all of it that still lives: the rest of what was here would be taken for news.
      else this.#parts.marks.settle(slot)
    }
    session.statusChanged()
  }

  /** The snapshot is applied. What this copy has beyond it, from an earlier life of the slot, goes to the primary: it may be the only one. */
  #filled(session: Incoming, term: Term, checks: readonly SlotCheck[]): void {
    const beyond = new SlotSet()
    for (const { slot, high, low } of checks) {
      // It is not complete if there was no room for all of it: the primary tries again, later.
      if (!this.#covers(session, term, slot) || this.#refused[slot] === 1) continue
      const digest = this.#context.store.slotDigest(slot)
      const differs = digest.high !== high || digest.low !== low
      if (differs && (this.surplus.isAstray(slot) || this.#parts.marks.wasInSync(slot))) beyond.add(slot)
      this.surplus.settled(slot)
      this.#context.table.markComplete(slot, term)
    }
    if (beyond.size > 0) this.#parts.sendBack(beyond, term)
    session.statusChanged()
  }

  /** A grant read in order keeps a follower complete, and makes the heir primary if it still wants to be. */
  #granted(session: Incoming, number: number, term: Term, slots: SlotSet): void {
    const self = this.#context.self()
    const nowMs = this.#context.clock.now()
    const mine = term.name === self.name && term.generation === self.generation
    const taken = mine ? this.#parts.handOver.honours(session.peer, number, nowMs) : null
    this.#context.hybrid.observe(term)
    this.#context.table.together(() => this.#followGrant(session, term, slots, taken))
    if (taken !== null && taken.size > 0) {
      this.#context.logger.info({ from: session.peer.name, slots: taken.size }, 'took over slots')
      this.#parts.followers.took(term, taken)
    }
    this.statusChanged()
  }

  /** By a grant to the term; `taken` is what this member shall add the slots to if it takes them. */
  #followGrant(session: Incoming, term: Term, slots: SlotSet, taken: SlotSet | null): void {
    const nowMs = this.#context.clock.now()
    const { name, generation } = this.#context.self()
    const mine = term.name === name && term.generation === generation
    this.surplus.granted(slots.copy().retainAll(session.streamed), session.peer)
    const { table } = this.#context
    // In several short walks: thousands of slots at once are moved by code that has never run, and V8 takes long to compile a long body well.
    const led = this.#coveredSlots(session, slots)
    const complete = this.#completeSlots(led)
    for (const slot of led) table.adopt(slot, term)
    for (const slot of led) {
      // The session goes on to vouch for the slot until the heir does: the grant may yet be taken back, by another grant in the same stream.
      if (sameTerm(table.term(slot), term)) this.#coveredUnder[slot] = term
      else complete.delete(slot)
    }
    if (taken === null) {
      for (const slot of complete) table.markComplete(slot, term)
      if (!mine) for (const slot of complete) this.#grantedMs[slot] = nowMs
      return
    }
    for (const slot of complete) {
      this.taken(slot)
      table.take(slot, term)
    }
    taken.addAll(complete)
  }

  /** Those of the slots that the session streams to this member. */
  #coveredSlots(session: Incoming, slots: SlotSet): SlotSet {
    const covered = slots.copy()
    for (const slot of slots) if (this.#coveredBy[slot] !== session || this.#coveredUnder[slot] === null) covered.delete(slot)
    return covered
  }

  /** Those of the slots of which the copy is complete under the term that it is streamed under. */
  #completeSlots(covered: SlotSet): SlotSet {
    const { table } = this.#context
    const complete = covered.copy()
    for (const slot of covered) if (!sameTerm(table.completeUnder(slot), this.#coveredUnder[slot] as Term | null)) complete.delete(slot)
    return complete
  }

  #statusFor(session: Incoming): FollowStatus {
    const { table } = this.#context
    const { name, generation } = session.peer
    const theirs = table.heldBy(name, generation)
    const elsewhere = new SlotSet()
    // What it writes to a slot that is held here is with its holder; a later term of its own may be known before its stream has led there.
    for (const slot of session.streamed.copy().removeAll(theirs).removeAll(table.engaged)) {
      const term = table.term(slot)
      if (term !== null && !this.#covers(session, term, slot)) elsewhere.add(slot)
    }
    return { complete: table.completeSet().retainAll(theirs), elsewhere }
  }

  /** The session over which the holder of `term` streams the slot to this member, if it has begun to. */
  streamOf(slot: number, term: Term): Incoming | null {
    const session = this.#coveredBy[slot] as Incoming | null
    return session !== null && session.peer.name === term.name && sameTerm(this.#coveredUnder[slot] as Term | null, term) ? session : null
  }

  #uncover(slot: number): void {
    this.surplus.note(slot)
    this.#coveredBy[slot] = null
    this.#coveredUnder[slot] = null
    if (this.#context.table.role(slot) === NONE) this.#context.table.markPartial(slot)
  }

  /** This member is about to hold the slot, or has deleted its copy: nobody streams it here. */
  taken(slot: number): void {
    this.#coveredBy[slot] = null
    this.#coveredUnder[slot] = null
    this.surplus.settled(slot)
  }

  /** Has the slot another term than that under which the copy was streamed last? */
  #isLeft(slot: number): boolean {
    const under = this.#coveredUnder[slot] as Term | null
    return under !== null && !sameTerm(under, this.#context.table.term(slot))
  }

  /** What is complete here may have changed: the primaries are told with the next acknowledgements. */
  statusChanged(): void {
    for (const session of this.#incoming.values()) session.statusChanged()
  }

  /**
   * Copies whose primary is alive and silent, or never began to stream, are no longer complete. Looked at once a second, and when a primary may be back that
   * was held to be gone.
   */
  doubtSilent(nowMs: number): void {
    const { isGone, table } = this.#context
    let changed = false
    for (const slot of table.completeSet().removeAll(table.engaged)) {
      const term = table.term(slot) as Term
      const heardMs = this.streamOf(slot, term)?.lastHeardMs ?? (this.#grantedMs[slot] as number)
      if (nowMs - heardMs <= SILENCE_MS || isGone(term.name, term.generation)) continue
      table.doubt(slot)
      changed = true
    }
    if (changed) this.statusChanged()
  }

  /**
   * How long ago, in ms, this member's copy of the slot held certainly all that its primary had written; infinite for no copy, one that is not complete, and
   * one whose stream has another holder than the slot. Within that time the slot has had no other primary, unless the network was split.
   */
  staleMs(slot: number, nowMs: number): number {
    const { table } = this.#context
    const term = table.term(slot)
    if (term === null || table.role(slot) !== NONE || !table.isComplete(slot)) return Number.POSITIVE_INFINITY
    const session = this.streamOf(slot, term)
    return session === null ? Number.POSITIVE_INFINITY : nowMs - session.freshAtMs
  }

  /** How far the session that streams the slot to this member has come, whoever's it is. */
  position(slot: number): Stamp {
    return (this.#coveredBy[slot] as Incoming | null)?.position ?? ZERO_STAMP
  }

  /** The slots were granted away here: their heir has so long to begin to stream them. */
  granted(slots: SlotSet): void {
    const nowMs = this.#context.clock.now()
    for (const slot of slots) this.#grantedMs[slot] = nowMs
  }

  close(): void {
    this.surplus.close()
  }
}
