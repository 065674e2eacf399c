/**
 * Replication: authority over slots, and the streams that carry their data. The room's door for node.ts and the cache.
 *
 * It introduces its parts to each other (slot table, followers, hand-over, claims, the sessions that arrive) and keeps the rules that lie between
 * them: who may execute, when a copy counts as complete, what is published, what happens to a holder that is beaten. Everything it learns comes
 * through its methods and the links; everything it does leaves through `PeerCalls` and the links; `tick` is called every `TICK_MS`.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Entry } from '../lib/entry.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Place } from '../lib/place.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp } from '../lib/version.ts'
import { type Term, View } from '../placement/index.ts'
import { Affirmations } from './affirmations.ts'
import { encodeBulkAck, type Refused, readBulk } from './bulk.ts'
import { Claims } from './claims.ts'
import { Confirmations } from './confirmations.ts'
import type { Context } from './context.ts'
import { Endings } from './endings.ts'
import { Fence } from './fence.ts'
import { Followers } from './followers.ts'
import { Following } from './following.ts'
import { TOUCH_EVERY } from './frames.ts'
import { HandOver } from './hand-over.ts'
import { Ledger, type LedgerStats } from './ledger.ts'
import { guarded } from './link-guard.ts'
import { Marks } from './marks.ts'
import {
  COPY_COMPLETE,
  COPY_HELD,
  COPY_NONE,
  COPY_PARTIAL,
  decodeSlots,
  decodeTerms,
  encodeSlots,
  encodeTerms,
  type Holding,
  KIND_SURPLUS,
  KIND_TERMS,
} from './messages.ts'
import { COMPLETE } from './outgoing.ts'
import type { PeerCalls, PeerIdentity, PeerLink, PeerLinkHandlers } from './peers.ts'
import { Publication } from './publication.ts'
import { Pulls } from './pulls.ts'
import { Repair, type RepairStats } from './repair.ts'
import { SendBack } from './send-back.ts'
import type { Applied, SlotData } from './slot-data.ts'
import { addToGroup, CLAIMING, NONE, PARKED, PRIMARY, SlotTable } from './slot-table.ts'
import { Survey } from './survey.ts'

export const TICK_MS = 50
const BEAT_MS = 100
const REVIEW_MS = 1000
const OFFER_SCAN_MS = 250
/** A surplus copy goes when all seats have been complete for so long. */
const SURPLUS_WAIT_MS = 10_000
const STRENGTHEN_MS = 10_000

export interface ReplicationOptions {
  readonly self: () => PeerIdentity
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly logger: Logger
  readonly store: SlotData
  readonly calls: PeerCalls
  /** Around a cut link. */
  readonly around: Pick<PeerCalls, 'call'>
  readonly isGone: (name: string, generation: number) => boolean
  readonly mayClaim: () => boolean
  readonly unaccounted: () => readonly string[]
  /** Names of members that may be running and cannot be reached, and may have been so for long. */
  readonly outOfReach: () => readonly string[]
  /** Tells once of each time when another thread found this one standing still. */
  readonly hung: () => boolean
  /** It is on the smaller side of a partition, and was told not to write there. */
  readonly refusesWrites: () => boolean
  /** Routes may have changed: waiting requests look again. Called in a turn of its own, once for many changes. */
  readonly routesChanged: () => void
  /** This member's table has a new version: gossip tells it. */
  readonly tablePublished: (version: number) => void
}

export interface ReplicationStats {
  readonly primarySlots: number
  readonly parkedSlots: number
  readonly completeSlots: number
  readonly orphanSlots: number
  readonly backlogBytes: number
  /** Time since the slowest follower with a backlog acknowledged anything, or is there without ever having, in seconds. */
  readonly lagSeconds: number
  readonly incompleteFollowings: number
  /** Members that are there and that this one cannot stream to, for so long that they lost their seats in its slots. */
  readonly cutOffFollowers: number
  readonly bulkBytesTotal: number
  readonly bulkEntriesTotal: number
  readonly movedTotal: number
  readonly takenBackTotal: number
  readonly longestPauseMs: number
  readonly claimedTotal: number
  /** Claimed, and no complete copy could be reached. */
  readonly slotsLostTotal: number
  /** Of those: their last holder was only out of reach, and is back with its copy. */
  readonly slotsFoundTotal: number
  readonly beatenTotal: number
  readonly conflictsTotal: number
  readonly refusedTotal: number
  readonly markDiscardsTotal: number
  readonly lost: LedgerStats
  readonly repair: RepairStats
}

/** Where a slot is served. `null`: nobody is known to, right now. */
export type Route = 'here' | string | null

export class Replication {
  /** For those who look at the cluster from outside. */
  readonly survey: Survey
  readonly ledger: Ledger
  readonly #options: ReplicationOptions
  readonly #context: Context
  readonly #table: SlotTable
  readonly #followers: Followers
  readonly #confirmations: Confirmations
  readonly #affirmations: Affirmations
  readonly #handOver: HandOver
  readonly #claims: Claims
  readonly #pulls: Pulls
  readonly #following: Following
  readonly #publication: Publication
  readonly #fence: Fence
  readonly #marks: Marks
  readonly #endings: Endings
  readonly #repair: Repair
  readonly #sendBack: SendBack
  #view = new View({ ringNames: [], present: [], knownGone: [], replicas: 0 })
  #leaving = false
  /** Slots that were counted as going with this member. */
  readonly #takenAlong = new SlotSet()
  #closed = false
  #routesScheduled = false
  /** Since the last time that routes were told: a term, or a role of this member's. */
  #holdersChanged = false
  #routeVersion = 1
  #lastBeatMs = 0
  #lastReviewMs = 0
  #lastOfferScanMs = 0
  #mostSinceMs = -1
  #beaten = new Map<Term, SlotSet>()
  #beatenTotal = 0

  constructor(options: ReplicationOptions) {
    this.#options = options
    const { around, calls, clock, hybrid, isGone, logger, self, store } = options
    this.#table = new SlotTable({
      isGone,
      routesChanged: () => {
        this.#holdersChanged = true
        this.#routesSoon()
      },
      publicationChanged: (primaries) => {
        this.#publication.changed(primaries)
        this.#following.statusChanged()
      },
      beaten: (slot, by) => this.#stepDown(slot, by),
    })
    this.#context = {
      self,
      clock,
      hybrid,
      logger,
      store,
      calls,
      around,
      isGone,
      table: this.#table,
      view: () => this.#view,
      marks: (slots) => this.#marks.among(slots),
      beaten: (writes) => this.ledger.count('conflict', writes),
      leaving: () => this.#leaving,
    }
    this.#followers = new Followers(this.#context)
    this.ledger = new Ledger(this.#context)
    this.#marks = new Marks(this.#context, {
      followers: this.#followers,
      position: (slot) => this.#following.streamOf(slot, this.#table.term(slot) as Term)?.position ?? null,
      hear: (peer, done) => this.#publication.fetch(peer, done),
      discarded: () => this.ledger.count('discarded', 1),
    })
    this.#endings = new Endings(this.#context, this.#followers, {
      unaccounted: options.unaccounted,
      write: (tombstone, slot) => this.write(tombstone, slot),
      forgotten: (entry, slot) => this.#marks.collected(entry, slot),
    })
    this.#sendBack = new SendBack(this.#context, this.#followers, this.#marks, this.ledger)
    this.#confirmations = new Confirmations(clock, this.#followers)
    this.#affirmations = new Affirmations(this.#context, this.#followers)
    this.#handOver = new HandOver(this.#context, this.#followers)
    this.#pulls = new Pulls(this.#context, this.#followers, {
      pulled: (slots, marks) => {
        this.#marks.heard(marks)
        for (const slot of slots) if (this.#table.role(slot) === NONE) this.#marks.settle(slot)
      },
      found: (entry, slot) => void this.#following.apply(entry, slot),
    })
    this.#claims = new Claims(this.#context, this.#followers, this.#pulls, {
      mayClaim: options.mayClaim,
      unaccounted: options.unaccounted,
      holding: (slot) => this.#holding(slot),
      marked: (slot, mark) => this.#marks.heard(new Map([[slot, mark]])),
      taking: (slots) => {
        this.ledger.claimed(slots)
        for (const slot of slots) {
          this.#marks.taking(slot)
          this.#following.taken(slot)
        }
      },
      lost: (slots) => this.ledger.emptied(slots),
      fenced: () => this.#fence.up,
    })
    this.#following = new Following(this.#context, {
      followers: this.#followers,
      handOver: this.#handOver,
      marks: this.#marks,
      owes: (slot) => this.#sendBack.owes(slot),
      replacing: (entry, slot) => this.#sendBack.replacing(entry, slot),
      merge: (from, entry, slot, apply) => this.ledger.mergeStreamed(from, entry, slot, apply),
      sendBack: (slots, term) => this.#sendBack.send(slots, term),
    })
    this.#repair = new Repair(this.#context, this.#followers, (entry, slot) => this.#following.apply(entry, slot) !== 'full')
    this.#publication = new Publication(this.#context, {
      holds: (slots, term) => this.#heardHolder(slots, term),
      floor: (floor) => this.raiseFloor(floor),
      ends: () => this.ledger.ends(),
      ended: (end) => this.ledger.told(end),
      heard: () => this.#routesSoon(),
      published: options.tablePublished,
    })
    this.survey = new Survey(this.#context, this.#followers, this.#publication)
    this.#fence = new Fence(this.#context, this.#claims, {
      hung: options.hung,
      lastAckMs: () => this.#followers.lastAckMs(),
      raised: () => this.#claims.abandon(),
      lifted: () => this.#routesSoon(),
    })
    // Copies are read here, too, where a client allows that they are stale.
    store.sampleUses(TOUCH_EVERY, (entry, slot) => {
      if (this.#table.isPrimary(slot)) this.#followers.touch(entry, slot)
    })
    calls.handle(KIND_TERMS, (_from, body) => this.adoptTerms(decodeTerms(new ByteReader(body))))
    calls.handle(KIND_SURPLUS, (_from, body, respond) => respond?.(this.#mayBeDropped(decodeSlots(body))))
  }

  // ---- What the cache asks. -------------------------------------------------------------------------------------------------------------------

  /** May this member execute an operation on the slot now? */
  executes(slot: number): boolean {
    return this.#table.isPrimary(slot) && !this.#fence.up
  }

  /** Was the slot taken before all had come that other copies have of it? Then those are to be asked for a key before it is used. */
  lacks(slot: number): boolean {
    return this.#pulls.lacks(slot)
  }

  /** Are there any such slots? */
  get lacking(): boolean {
    return this.#pulls.lacking > 0
  }

  /** Gets what other copies have of these keys of a slot that lacks something; calls back once, within a second. */
  ask(keys: readonly Buffer[], slot: number, done: () => void): void {
    this.#pulls.ask(keys, slot, done)
  }

  /** It stood still and has not heard yet what happened meanwhile: nothing it holds may be served. */
  get fenced(): boolean {
    return this.#fence.up
  }

  /** For those who look from outside: was it beaten, and has yet to send what it alone may have of the slot? Until then the slot's holder does not know of that. */
  owes(slot: number): boolean {
    return this.#sendBack.owes(slot)
  }

  /** See `Following.staleMs`. */
  staleMs(slot: number): number {
    return this.#fence.up ? Number.POSITIVE_INFINITY : this.#following.staleMs(slot, this.#options.clock.now())
  }

  get refusesWrites(): boolean {
    return this.#options.refusesWrites()
  }

  others(): readonly string[] {
    const { name } = this.#options.self()
    return [...this.#view.present()].map((member) => member.name).filter((other) => other !== name)
  }

  /** Members that cannot be asked, and may be there: they may go on serving what they hold. */
  absent(): readonly string[] {
    return this.#options.outOfReach()
  }

  route(slot: number): Route {
    const term = this.#table.term(slot)
    if (term === null) return null
    const self = this.#options.self()
    if (term.name !== self.name) return this.#options.isGone(term.name, term.generation) ? null : term.name
    return this.executes(slot) ? 'here' : null
  }

  /** See `HandOver.awaits`. */
  awaits(slot: number): boolean {
    return this.#handOver.awaits(slot, this.#options.clock.now())
  }

  term(slot: number): Term | null {
    return this.#table.term(slot)
  }

  /** A refusal named a holder: follow it if its term prevails. */
  adoptTerms(terms: ReadonlyMap<Term, SlotSet>): void {
    this.#table.together(() => {
      for (const [term, slots] of terms) for (const slot of slots) this.#table.adopt(slot, term)
    })
  }

  /**
   * Applies an entry of a slot that this member executes and streams it to the followers. The caller gave the version.
   */
  write(entry: Entry, slot: number, place?: Place): Applied {
    const outcome = this.#context.store.apply(entry, this.#context.hybrid.physicalMs(), slot, place)
    if (outcome === 'applied') this.#followers.append(entry, slot)
    return outcome
  }

  /** Everything up to this stamp is gone, and stays so: here now, on the others when they hear of it. A stamp that is no higher changes nothing. */
  raiseFloor(floor: Stamp): void {
    const { hybrid, store } = this.#context
    if (compareStamps(floor, store.floor) <= 0) return
    hybrid.observe(floor)
    store.raiseFloor(floor, hybrid.physicalMs())
    this.#publication.changed(true)
  }

  /** Whether anybody could confirm a write of the slot. */
  confirmable(slot: number): boolean {
    return this.#confirmations.possible(slot)
  }

  /** Calls back when one follower of the slot, or all, hold what was written; with `false` when it did not come to that within `timeoutMs`. */
  confirm(slot: number, all: boolean, timeoutMs: number, done: (confirmed: boolean) => void): void {
    this.#confirmations.await(slot, all, timeoutMs, done)
  }

  /** Calls back with whether this member still serves the slot, by the word of a follower that was asked after this call. */
  affirm(slot: number, timeoutMs: number, done: (serves: boolean) => void): void {
    this.#affirmations.ask(slot, timeoutMs, done)
  }

  /** Calls back with how many followers every one of the slots has that hold what was written. */
  countConfirmed(slots: Iterable<number>, wanted: number, timeoutMs: number, done: (followers: number) => void): void {
    this.#confirmations.count(slots, wanted, timeoutMs, done)
  }

  /** The store dropped an entry: if this member is its primary, the followers follow. */
  dropped(entry: Entry, slot: number, evicted: boolean): void {
    if (entry.tombstone) this.#marks.collected(entry, slot)
    if (evicted && !this.#table.isPrimary(slot)) this.#following.corrector.evicted()
    if (!this.#table.isPrimary(slot)) return
    if (entry.tombstone || evicted || !this.#endings.ended(entry, slot)) this.#followers.appendDrop(entry, slot)
  }

  /** Expiry belongs to the primary; so does the collection of tombstones, once all seats have them. */
  maySweep(slot: number, tombstone: boolean): boolean {
    return tombstone ? this.#marks.mayCollect(slot) : this.#table.isPrimary(slot)
  }

  isComplete(slot: number): boolean {
    return this.#table.isComplete(slot)
  }

  isPrimary(slot: number): boolean {
    return this.#table.isPrimary(slot)
  }

  /** Changes whenever a route may have. */
  get routeVersion(): number {
    return this.#routeVersion
  }

  /** The version of this member's own set of primary slots. */
  get primaryVersion(): number {
    return this.#table.primaryVersion
  }

  /** See `SlotTable`. */
  get holderVersion(): number {
    return this.#table.holderVersion
  }

  passedAt(slot: number): number {
    return this.#table.passedAt(slot)
  }

  /** The set of slots that a peer has said it is primary of. */
  peerPrimaries(name: string): { readonly primaryVersion: number; readonly primary: SlotSet } | undefined {
    return this.#publication.of(name, this.#view.generationOf(name))
  }

  // ---- What node.ts tells. --------------------------------------------------------------------------------------------------------------------

  setView(view: View): void {
    this.#view = view
    this.#following.doubtSilent(this.#options.clock.now())
    this.#followers.markDirty()
    this.#claims.markDirty()
    this.#routesSoon()
  }

  peerPresent(peer: PeerIdentity): void {
    this.ledger.present(peer)
    this.#followers.peerPresent(peer)
  }

  /** `inOrder`: it has said that it leaves, and has ended. */
  peerGone(name: string, inOrder: boolean): void {
    this.#marks.parting(name)
    this.ledger.gone(name, this.#following.farewell(name), inOrder)
    this.#followers.peerGone(name)
    this.#publication.forget(name)
    this.#claims.markDirty()
    this.#routesSoon()
  }

  /** Gossip says that a peer's table has this version. */
  peerTableVersion(peer: PeerIdentity, version: number): void {
    this.#publication.announced(peer, version)
  }

  /** A peer held this member dead: what was decided meanwhile is unknown here, so no copy of another's slot is complete. */
  heldDead(): void {
    this.#claims.abandon()
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.#table.role(slot) === NONE) this.#table.markPartial(slot)
    this.#following.statusChanged()
  }

  /** From now on this member gives away what it holds. */
  leave(): void {
    this.#leaving = true
    this.#followers.markDirty()
  }

  /**
   * This member gives up waiting for heirs: what it still holds, and no other copy has whole, goes with it. To be called again at its very end, as it may have
   * claimed slots since, alone: each slot is counted once.
   */
  stopped(): void {
    let slots = 0
    let entries = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const role = this.#table.role(slot)
      if ((role !== PRIMARY && role !== PARKED) || this.#followers.of(slot).some((outgoing) => outgoing.state(slot) === COMPLETE)) continue
      if (this.#takenAlong.has(slot)) continue
      this.#takenAlong.add(slot)
      slots++
      entries += this.#context.store.slotLive(slot)
    }
    this.ledger.stopped(slots, entries)
    this.#sendBack.giveUp()
  }

  /** Has everything been given away that can be? True too when there is nobody to give it to. */
  handedOver(): boolean {
    if (this.#table.primaries + this.#table.parked === 0) return true
    if (this.#view.replicas === 0) return true
    const self = this.#options.self().name
    // Whoever is leaving too, or left, takes nothing; one that crashed, or is taken for dead, may be back before our time is over.
    return this.#view.ring.names.every((name) => name === self || this.#view.isLeaving(name) || this.#view.isKnownGone(name))
  }

  /** Are all own seats complete at this moment? */
  seatsComplete(): boolean {
    const self = this.#options.self().name
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const role = this.#table.role(slot)
      if (role === PRIMARY || role === PARKED) continue
      if (this.#table.term(slot) === null || (this.#view.hasSeat(slot, self) && !this.#table.isComplete(slot))) return false
    }
    return true
  }

  replicationLinks(): { dialled(link: PeerLink): PeerLinkHandlers; accepted(link: PeerLink): PeerLinkHandlers } {
    return { dialled: (link) => this.#outgoingLink(link), accepted: (link) => this.#following.accepted(link) }
  }

  bulkLinks(): { dialled(link: PeerLink): PeerLinkHandlers; accepted(link: PeerLink): PeerLinkHandlers } {
    return { dialled: (link) => this.#outgoingBulk(link), accepted: (link) => this.#incomingBulk(link) }
  }

  tick(): void {
    const nowMs = this.#options.clock.now()
    this.#fence.tick(nowMs)
    if (nowMs - this.#lastReviewMs >= REVIEW_MS) {
      this.#lastReviewMs = nowMs
      this.#followers.review(nowMs)
      this.#endings.review(nowMs)
      this.#following.doubtSilent(nowMs)
      this.#following.surplus.review()
      this.#sendBack.review()
      this.#marks.review()
      this.#strengthen(nowMs)
    }
    this.#claims.tick(nowMs)
    this.#followers.tick(nowMs)
    if (nowMs - this.#lastBeatMs >= BEAT_MS) {
      this.#lastBeatMs = nowMs
      // What it compares takes the place of a heartbeat.
      this.#repair.tick(nowMs)
      for (const outgoing of this.#followers.all()) outgoing.beat()
    }
    this.#handOver.settle(nowMs)
    if (this.#leaving || nowMs - this.#lastOfferScanMs >= OFFER_SCAN_MS) {
      this.#lastOfferScanMs = nowMs
      this.#handOver.offer(nowMs)
    }
  }

  close(): void {
    this.#closed = true
    this.#claims.close()
    this.#following.close()
    this.#endings.close()
    this.#sendBack.close()
    this.#publication.close()
  }

  stats(): ReplicationStats {
    let backlogBytes = 0
    let lagMs = 0
    let incompleteFollowings = 0
    const nowMs = this.#options.clock.now()
    for (const outgoing of this.#followers.all()) {
      backlogBytes += outgoing.backlogBytes
      incompleteFollowings += outgoing.incomplete
      lagMs = Math.max(lagMs, outgoing.lagMs(nowMs))
    }
    const bulk = this.#followers.bulkTotals()
    return {
      primarySlots: this.#table.primaries,
      parkedSlots: this.#table.parked,
      completeSlots: this.#table.completeSlots,
      orphanSlots: this.#claims.orphans,
      backlogBytes,
      lagSeconds: lagMs / 1000,
      incompleteFollowings,
      cutOffFollowers: this.#followers.cutOff,
      bulkBytesTotal: bulk.bytes,
      bulkEntriesTotal: bulk.entries,
      movedTotal: this.#handOver.movedTotal,
      takenBackTotal: this.#handOver.takenBackTotal,
      longestPauseMs: this.#handOver.longestPauseMs,
      claimedTotal: this.#claims.claimedTotal,
      slotsLostTotal: this.ledger.slotsLostTotal,
      slotsFoundTotal: this.ledger.slotsFoundTotal,
      beatenTotal: this.#beatenTotal,
      conflictsTotal: this.#following.conflictsTotal,
      refusedTotal: this.#following.refusedTotal,
      markDiscardsTotal: this.#marks.discardsTotal,
      lost: this.ledger.stats(),
      repair: this.#repair.stats(),
    }
  }

  // ---- Links. ---------------------------------------------------------------------------------------------------------------------------------

  #outgoingLink(link: PeerLink): PeerLinkHandlers {
    const outgoing = this.#followers.outgoing(link.peer)
    outgoing?.opened(link)
    return guarded(link, this.#options.logger, {
      message: (message) => outgoing?.received(message),
      closed: () => outgoing?.linkClosed(link),
    })
  }

  #outgoingBulk(link: PeerLink): PeerLinkHandlers {
    const bulk = this.#followers.bulk(link.peer)
    bulk?.opened(link)
    return guarded(link, this.#options.logger, {
      message: (message) => bulk?.received(message),
      closed: () => bulk?.linkClosed(link),
    })
  }

  #incomingBulk(link: PeerLink): PeerLinkHandlers {
    return guarded(link, this.#options.logger, {
      message: (message) => {
        let beaten = 0
        const refused = new Map<number, Refused>()
        const take = (entry: Entry, slot: number, judged: boolean): void => {
          const apply = (): Applied => {
            const outcome = this.#following.apply(entry, slot)
            if (outcome === 'full') this.#refuse(link.peer, entry, slot, refused)
            return outcome
          }
          if (this.ledger.merge(link.peer, entry, slot, apply) && !judged) beaten++
        }
        const judge = (entry: Entry, slot: number): void => {
          if (this.ledger.judge(link.peer, entry, slot)) beaten++
        }
        const number = readBulk(message, take, judge)
        link.send(encodeBulkAck(number, beaten, refused))
      },
      closed: () => {},
    })
  }

  /** There was no room for an entry of a peer's bulk. */
  #refuse(from: PeerIdentity, entry: Entry, slot: number, refused: Map<number, Refused>): void {
    const { entries, own } = refused.get(slot) ?? { entries: 0, own: 0 }
    const answersForIt = entry.writer === from.name || this.#view.generationOf(entry.writer) === undefined
    refused.set(slot, { entries: entries + 1, own: own + (answersForIt ? 1 : 0) })
  }

  // ---- Authority. -----------------------------------------------------------------------------------------------------------------------------

  #mayBeDropped(slots: SlotSet): Buffer {
    const nowMs = this.#context.clock.now()
    const droppable = new SlotSet()
    for (const slot of slots) {
      if (this.#context.table.isPrimary(slot) && this.#followers.seatsCompleteForMs(slot, nowMs) >= SURPLUS_WAIT_MS) droppable.add(slot)
    }
    return encodeSlots(droppable)
  }

  #holding(slot: number): Holding {
    const term = this.#table.term(slot)
    const mark = this.#marks.of(slot)
    const role = this.#table.role(slot)
    if (role === PRIMARY || role === CLAIMING) return { term, copy: COPY_HELD, position: this.#context.hybrid.current(), mark }
    const position = role === PARKED ? (term as Term) : this.#following.position(slot)
    if (this.#table.isComplete(slot)) {
      return { term, copy: COPY_COMPLETE, position: this.#following.streamOf(slot, term as Term)?.position ?? (term as Term), mark }
    }
    return { term, copy: this.#table.hasCopy(slot) ? COPY_PARTIAL : COPY_NONE, position, mark }
  }

  /** Two primaries met, and this one has the lower term: it has stopped already; what it alone has goes to the other. */
  #stepDown(slot: number, by: Term): void {
    this.#beatenTotal++
    this.#marks.beaten(slot, by)
    this.#followers.release(slot)
    if (this.#beaten.size === 0) this.#options.clock.soon(() => this.#sendWhatWeAloneHave())
    addToGroup(this.#beaten, by, slot)
  }

  #sendWhatWeAloneHave(): void {
    const beaten = this.#beaten
    this.#beaten = new Map()
    for (const [term, slots] of beaten) {
      this.#options.logger.warn(
        { holder: term.name, slots: slots.size },
        'another member holds slots of ours under a higher term: stepped down',
      )
      // It may have moved on from that term, to a weak one, which the term still beats: if it does not hear of it, each takes the other for the holder.
      this.#options.calls.tell(term.name, KIND_TERMS, encodeTerms(new ByteWriter(64), new Map([[term, slots]])).toBuffer())
      this.#sendBack.beaten(slots, term)
    }
  }

  #strengthen(nowMs: number): void {
    if (this.#view.sight() !== 'most') {
      this.#mostSinceMs = -1
      return
    }
    if (this.#mostSinceMs < 0) this.#mostSinceMs = nowMs
    if (nowMs - this.#mostSinceMs < STRENGTHEN_MS) return
    const weak = new SlotSet()
    for (const [term, slots] of this.#table.primariesByTerm()) if (!term.strong) weak.addAll(slots)
    if (weak.size > 0) this.#handOver.renew(weak, true)
  }

  /** A peer published that it holds slots. */
  #heardHolder(slots: SlotSet, term: Term): void {
    if (this.#table.parked > 0) {
      const parked = this.#table.engaged.copy().retainAll(slots)
      for (const slot of parked) if (this.#table.role(slot) !== PARKED) parked.delete(slot)
      this.#handOver.taken(parked, term)
      this.#following.granted(parked)
    }
    for (const slot of slots) if (this.#table.term(slot) !== term) this.#table.adopt(slot, term)
  }

  #routesSoon(): void {
    this.#routeVersion++
    if (this.#routesScheduled) return
    this.#routesScheduled = true
    this.#options.clock.soon(() => {
      this.#routesScheduled = false
      if (this.#closed) return
      // Whose streams this member goes by may have changed with them.
      if (this.#holdersChanged) this.#following.statusChanged()
      this.#holdersChanged = false
      this.#options.routesChanged()
    })
  }
}
