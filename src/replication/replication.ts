/**
 * Replication: authority over slots, and the streams that carry their data. The room's door for node.ts and the cache.
 *
 * It introduces its parts to each other (slot table, followers, hand-over, claims, the sessions that arrive) and keeps the rules that lie between
 * them: who may execute, when a copy counts as complete, what is published, what happens to a holder that is beaten. Everything it learns comes
 * through its methods and the links; everything it does leaves through `PeerCalls` and the links; `tick` is called every `TICK_MS`.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Entry } from '../lib/entry.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Logger } from '../lib/logger.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term, View } from '../placement/index.ts'
import { encodeBulkAck, readBulk } from './bulk.ts'
import { Claims } from './claims.ts'
import type { Context } from './context.ts'
import { Followers } from './followers.ts'
import type { SlotCheck } from './frames.ts'
import { HandOver } from './hand-over.ts'
import { type FollowEvents, Incoming } from './incoming.ts'
import {
  COPY_COMPLETE,
  COPY_HELD,
  COPY_NONE,
  COPY_PARTIAL,
  decodeSlots,
  decodeTable,
  decodeTerms,
  encodeSlots,
  encodeTable,
  encodeTerms,
  type Holding,
  KIND_SURPLUS,
  KIND_TABLE,
  KIND_TABLE_GET,
  KIND_TERMS,
} from './messages.ts'
import type { PeerCalls, PeerIdentity, PeerLink, PeerLinkHandlers } from './peers.ts'
import type { SlotData } from './slot-data.ts'
import { addToGroup, CLAIMING, NONE, PARKED, PRIMARY, SlotTable } from './slot-table.ts'

export const TICK_MS = 50
const BEAT_MS = 100
const REVIEW_MS = 1000
const OFFER_SCAN_MS = 250
/** A copy whose living primary has been silent for so long is no longer complete; longer than detection takes, so that a dying primary does not disqualify its heir. */
const SILENCE_MS = 5000
/** The event loop stood still: others may have taken over. */
const STALL_MS = 1000
const FENCE_MS = 500
/** A surplus copy goes when all seats have been complete for so long. */
const SURPLUS_WAIT_MS = 10_000
const STRENGTHEN_MS = 10_000
/** A copy that was complete so lately may send back what its primary lacks: less than tombstones live, or deleted keys would return. */
const SEND_BACK_MS = 10 * 60 * 1000
/** Changes of completeness are published at most this often; changes of primaries at the end of the turn. */
const PUBLISH_MS = 200
/** A table that gossip says is newer than ours: time for the pushed copy to arrive before it is fetched. */
const FETCH_AFTER_MS = 100

export interface ReplicationOptions {
  readonly self: () => PeerIdentity
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly logger: Logger
  readonly store: SlotData
  readonly calls: PeerCalls
  readonly isGone: (name: string, generation: number) => boolean
  readonly mayClaim: () => boolean
  readonly unaccounted: () => readonly string[]
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
  /** Time since the slowest follower with a backlog acknowledged anything, in seconds. */
  readonly lagSeconds: number
  readonly incompleteFollowings: number
  readonly bulkBytesTotal: number
  readonly bulkEntriesTotal: number
  readonly movedTotal: number
  readonly takenBackTotal: number
  readonly longestPauseMs: number
  readonly claimedTotal: number
  readonly slotsLostTotal: number
  readonly beatenTotal: number
  readonly conflictsTotal: number
  readonly refusedTotal: number
}

/** What is known of a peer's table. */
interface PeerTable {
  readonly generation: number
  readonly version: number
  readonly primaryVersion: number
  readonly primary: SlotSet
}

/** Where a slot is served. `null`: nobody is known to, right now. */
export type Route = 'here' | string | null

export class Replication {
  readonly #options: ReplicationOptions
  readonly #context: Context
  readonly #table: SlotTable
  readonly #followers: Followers
  readonly #handOver: HandOver
  readonly #claims: Claims
  readonly #incoming = new Map<string, Incoming>()
  readonly #peerTables = new Map<string, PeerTable>()
  /** By slot: the session that streams it to this member, and under which term it began. */
  readonly #coveredBy: (Incoming | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #coveredUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  /** By slot: when it became complete by a grant whose heir has not been heard to stream it yet. */
  readonly #grantedMs = new Float64Array(SLOT_COUNT)
  /** By slot: when this member last held it, or a complete copy of it, in ms of the clock, to the second; 0 for never. */
  readonly #lastCompleteMs = new Float64Array(SLOT_COUNT)
  readonly #followEvents: FollowEvents
  #view = new View({ ringNames: [], present: [], knownGone: [], replicas: 0 })
  #leaving = false
  #closed = false
  #version = 1
  #publishDue = false
  #publishScheduled = false
  #routesScheduled = false
  #routeVersion = 1
  #lastTickMs: number
  #lastBeatMs = 0
  #lastReviewMs = 0
  #lastOfferScanMs = 0
  #mostSinceMs = -1
  #fencedUntilMs = 0
  #beaten = new Map<Term, SlotSet>()
  #slotsLostTotal = 0
  #beatenTotal = 0
  #conflictsTotal = 0
  #refusedTotal = 0

  constructor(options: ReplicationOptions) {
    this.#options = options
    const { calls, clock, hybrid, isGone, logger, self, store } = options
    this.#lastTickMs = clock.now()
    this.#table = new SlotTable({
      isGone,
      routesChanged: () => this.#routesSoon(),
      publicationChanged: (primaries) => {
        this.#publishSoon(primaries ? 0 : PUBLISH_MS)
        this.#statusChanged()
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
      isGone,
      table: this.#table,
      view: () => this.#view,
      leaving: () => this.#leaving,
    }
    this.#followers = new Followers(this.#context)
    this.#handOver = new HandOver(this.#context, this.#followers)
    this.#claims = new Claims(this.#context, this.#followers, {
      mayClaim: options.mayClaim,
      unaccounted: options.unaccounted,
      holding: (slot) => this.#holding(slot),
      lost: (slots) => {
        this.#slotsLostTotal += slots.size
      },
    })
    this.#followEvents = this.#makeFollowEvents()
    calls.onOpen((peer) => calls.tell(peer.name, KIND_TABLE, this.#encodedTable()))
    calls.handle(KIND_TABLE, (from, body) => this.#tableOf(from, body))
    calls.handle(KIND_TABLE_GET, (_from, _body, respond) => respond?.(this.#encodedTable()))
    calls.handle(KIND_TERMS, (_from, body) => this.adoptTerms(decodeTerms(new ByteReader(body))))
    calls.handle(KIND_SURPLUS, (_from, body, respond) => respond?.(this.#mayBeDropped(decodeSlots(body))))
  }

  // ---- What the cache asks. -------------------------------------------------------------------------------------------------------------------

  /** May this member execute an operation on the slot now? */
  executes(slot: number): boolean {
    return this.#table.isPrimary(slot) && !this.#isFenced()
  }

  /** It stood still and has not heard yet what happened meanwhile: nothing it holds may be served. */
  get fenced(): boolean {
    return this.#isFenced()
  }

  route(slot: number): Route {
    const term = this.#table.term(slot)
    if (term === null) return null
    const self = this.#options.self()
    if (term.name !== self.name) return this.#options.isGone(term.name, term.generation) ? null : term.name
    return this.executes(slot) ? 'here' : null
  }

  term(slot: number): Term | null {
    return this.#table.term(slot)
  }

  /** A refusal named a holder: follow it if its term prevails. */
  adoptTerms(terms: ReadonlyMap<Term, SlotSet>): void {
    for (const [term, slots] of terms) for (const slot of slots) this.#table.adopt(slot, term)
  }

  /**
   * Applies an entry of a slot that this member executes and streams it to the followers. The caller gave the version.
   */
  write(entry: Entry, slot: number): 'applied' | 'same' | 'stale' | 'full' {
    const outcome = this.#context.store.apply(entry, this.#context.hybrid.physicalMs())
    if (outcome === 'applied') this.#followers.append(entry, slot)
    return outcome
  }

  /** The store dropped an entry: if this member is its primary, the followers follow. */
  dropped(entry: Entry, slot: number): void {
    if (this.#table.isPrimary(slot)) this.#followers.appendDrop(entry, slot)
  }

  /** Expiry belongs to the primary; so does the collection of tombstones. */
  maySweep(slot: number): boolean {
    return this.#table.isPrimary(slot)
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

  /** The set of slots that a peer has said it is primary of. */
  peerPrimaries(name: string): { readonly primaryVersion: number; readonly primary: SlotSet } | undefined {
    const table = this.#peerTables.get(name)
    return table?.generation === this.#view.generationOf(name) ? table : undefined
  }

  // ---- What node.ts tells. --------------------------------------------------------------------------------------------------------------------

  setView(view: View): void {
    this.#view = view
    this.#followers.markDirty()
    this.#claims.markDirty()
    this.#routesSoon()
  }

  peerPresent(peer: PeerIdentity): void {
    this.#followers.peerPresent(peer)
  }

  peerGone(name: string): void {
    this.#followers.peerGone(name)
    this.#peerTables.delete(name)
    this.#claims.markDirty()
    this.#routesSoon()
  }

  /** Gossip says that a peer's table has this version. */
  peerTableVersion(peer: PeerIdentity, version: number): void {
    if (this.#holdsTable(peer, version)) return
    this.#options.clock.after(FETCH_AFTER_MS, () => {
      if (this.#closed || this.#holdsTable(peer, version) || !this.#view.isPresent(peer.name, peer.generation)) return
      this.#options.calls.call(peer.name, KIND_TABLE_GET, Buffer.alloc(0), 1000, (failure, body) => {
        if (failure === null && body !== null && !this.#closed) this.#tableOf(peer, body)
      })
    })
  }

  /** A peer held this member dead: what was decided meanwhile is unknown here, so no copy of another's slot is complete. */
  heldDead(): void {
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.#table.role(slot) === NONE) this.#table.markPartial(slot)
    this.#statusChanged()
  }

  /** From now on this member gives away what it holds. */
  leave(): void {
    this.#leaving = true
    this.#followers.markDirty()
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
    return { dialled: (link) => this.#outgoingLink(link), accepted: (link) => this.#incomingLink(link) }
  }

  bulkLinks(): { dialled(link: PeerLink): PeerLinkHandlers; accepted(link: PeerLink): PeerLinkHandlers } {
    return { dialled: (link) => this.#outgoingBulk(link), accepted: (link) => this.#incomingBulk(link) }
  }

  tick(): void {
    const nowMs = this.#options.clock.now()
    this.#noticeStall(nowMs)
    this.#lastTickMs = nowMs
    if (nowMs - this.#lastBeatMs >= BEAT_MS) {
      this.#lastBeatMs = nowMs
      for (const outgoing of this.#followers.all()) outgoing.beat()
    }
    if (nowMs - this.#lastReviewMs >= REVIEW_MS) {
      this.#lastReviewMs = nowMs
      this.#followers.review(nowMs)
      this.#reviewCopies(nowMs)
      this.#strengthen(nowMs)
    }
    this.#claims.tick(nowMs)
    this.#followers.tick(nowMs)
    this.#handOver.settle(nowMs)
    if (this.#leaving || nowMs - this.#lastOfferScanMs >= OFFER_SCAN_MS) {
      this.#lastOfferScanMs = nowMs
      this.#handOver.offer(nowMs)
    }
  }

  close(): void {
    this.#closed = true
    this.#claims.close()
  }

  stats(): ReplicationStats {
    let backlogBytes = 0
    let lagMs = 0
    let incompleteFollowings = 0
    const nowMs = this.#options.clock.now()
    for (const outgoing of this.#followers.all()) {
      backlogBytes += outgoing.backlogBytes
      incompleteFollowings += outgoing.incomplete
      if (outgoing.backlogBytes > 0 && Number.isFinite(outgoing.lastAckMs)) lagMs = Math.max(lagMs, nowMs - outgoing.lastAckMs)
    }
    let bulkBytesTotal = 0
    let bulkEntriesTotal = 0
    for (const bulk of this.#followers.bulkSenders()) {
      bulkBytesTotal += bulk.bytesTotal
      bulkEntriesTotal += bulk.entriesTotal
    }
    return {
      primarySlots: this.#table.primaries,
      parkedSlots: this.#table.parked,
      completeSlots: this.#table.completeSet().size,
      orphanSlots: this.#claims.orphans,
      backlogBytes,
      lagSeconds: lagMs / 1000,
      incompleteFollowings,
      bulkBytesTotal,
      bulkEntriesTotal,
      movedTotal: this.#handOver.movedTotal,
      takenBackTotal: this.#handOver.takenBackTotal,
      longestPauseMs: this.#handOver.longestPauseMs,
      claimedTotal: this.#claims.claimedTotal,
      slotsLostTotal: this.#slotsLostTotal,
      beatenTotal: this.#beatenTotal,
      conflictsTotal: this.#conflictsTotal,
      refusedTotal: this.#refusedTotal,
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

  #incomingLink(link: PeerLink): PeerLinkHandlers {
    let session = this.#incoming.get(link.peer.name)
    if (session === undefined || session.peer.generation < link.peer.generation) {
      session = new Incoming(link.peer, this.#options.clock, this.#followEvents)
      this.#incoming.set(link.peer.name, session)
    } else if (session.peer.generation > link.peer.generation) {
      link.close()
      return { message: () => {}, closed: () => {} }
    }
    const current = session
    current.opened(link)
    return guarded(link, this.#options.logger, {
      message: (message) => current.received(message),
      closed: () => current.linkClosed(link),
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
      message: (message) => link.send(encodeBulkAck(readBulk(message, (entry, slot) => this.#applyForeign(entry, slot)))),
      closed: () => {},
    })
  }

  // ---- Following others. ----------------------------------------------------------------------------------------------------------------------

  #makeFollowEvents(): FollowEvents {
    return {
      entry: (entry) => this.#applyForeign(entry, slotOf(entry.key, entry.keyStart, entry.keyEnd)),
      dropped: (entry) => {
        this.#context.store.drop(entry.key, entry.keyStart, entry.keyEnd, entry)
      },
      follow: (session, term, slots, fresh) => this.#follow(session, term, slots, fresh),
      unfollow: (session, slots) => {
        for (const slot of slots) if (this.#coveredBy[slot] === session) this.#uncover(slot)
      },
      check: (session, term, checks) => this.#check(session, term, checks),
      complete: (session, term, checks) => this.#filled(session, term, checks),
      grant: (session, number, term, slots) => this.#granted(session, number, term, slots),
      gap: (session) => {
        for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.#coveredBy[slot] === session) this.#uncover(slot)
        session.statusChanged()
      },
      completeFor: (session) => this.#completeFor(session),
    }
  }

  #applyForeign(entry: Entry, slot: number): void {
    this.#context.hybrid.observe(entry)
    const outcome = this.#context.store.apply(entry, this.#context.hybrid.physicalMs())
    this.#table.received(slot)
    const role = this.#table.role(slot)
    if (role === PRIMARY || role === PARKED) {
      if (outcome === 'applied') this.#followers.append(entry, slot)
      else if (outcome === 'stale') this.#conflictsTotal++
    } else if (outcome === 'full') {
      // The copy lacks what it could not take: it must be no heir.
      this.#refusedTotal++
      this.#table.markPartial(slot)
    }
  }

  #follow(session: Incoming, term: Term, slots: SlotSet, fresh: boolean): void {
    const higher = new Map<Term, SlotSet>()
    for (const slot of slots) {
      // A copy that a grant left complete has missed what the heir wrote before it began to stream the slot here.
      if (!fresh && this.#table.role(slot) === NONE && !this.#covers(session, term, slot)) this.#table.markPartial(slot)
      if (this.#cover(session, term, slot)) continue
      const known = this.#table.term(slot)
      if (known !== null && known.name !== session.peer.name) addToGroup(higher, known, slot)
    }
    if (higher.size > 0) this.#options.calls.tell(session.peer.name, KIND_TERMS, encodeTerms(new ByteWriter(256), higher).toBuffer())
    session.statusChanged()
  }

  /** From here on the session streams the slot under `term`: false if another term prevails here. */
  #cover(session: Incoming, term: Term, slot: number): boolean {
    this.#table.adopt(slot, term)
    if (!sameTerm(this.#table.term(slot), term)) return false
    this.#coveredBy[slot] = session
    this.#coveredUnder[slot] = term
    this.#table.received(slot)
    return true
  }

  /** A session may only vouch for slots that it has streamed without a gap under the term that is known now. */
  #covers(session: Incoming, term: Term, slot: number): boolean {
    return (
      this.#coveredBy[slot] === session && sameTerm(this.#coveredUnder[slot] as Term | null, term) && sameTerm(this.#table.term(slot), term)
    )
  }

  #check(session: Incoming, term: Term, checks: readonly SlotCheck[]): void {
    for (const { slot, high, low } of checks) {
      // The check stands in for a `follow` that was ignored when the sender was still taken for dead.
      if (!this.#covers(session, term, slot) && !this.#cover(session, term, slot)) continue
      const digest = this.#context.store.slotDigest(slot)
      if (digest.high === high && digest.low === low) this.#table.markComplete(slot, term)
    }
    session.statusChanged()
  }

  /** The snapshot is applied. What this copy has beyond it, from an earlier life of the slot, goes to the primary: it may be the only one. */
  #filled(session: Incoming, term: Term, checks: readonly SlotCheck[]): void {
    const nowMs = this.#options.clock.now()
    for (const { slot, high, low } of checks) {
      if (!this.#covers(session, term, slot)) continue
      const digest = this.#context.store.slotDigest(slot)
      const differs = digest.high !== high || digest.low !== low
      const lastCompleteMs = this.#lastCompleteMs[slot] as number
      if (differs && lastCompleteMs > 0 && nowMs - lastCompleteMs < SEND_BACK_MS) this.#push(slot, term)
      this.#table.markComplete(slot, term)
    }
    session.statusChanged()
  }

  /** A grant read in order keeps a follower complete, and makes the heir primary if it still wants to be. */
  #granted(session: Incoming, number: number, term: Term, slots: SlotSet): void {
    const self = this.#options.self()
    const nowMs = this.#options.clock.now()
    const mine = term.name === self.name && term.generation === self.generation
    const taken = mine ? this.#handOver.honours(session.peer, number, nowMs) : null
    this.#context.hybrid.observe(term)
    for (const slot of slots) {
      const under = this.#coveredUnder[slot] as Term | null
      if (this.#coveredBy[slot] !== session || under === null) continue
      const complete = sameTerm(this.#table.completeUnder(slot), under)
      this.#table.adopt(slot, term)
      if (!sameTerm(this.#table.term(slot), term)) continue
      // The session goes on to vouch for the slot until the heir does: the grant may yet be taken back, by another grant in the same stream.
      this.#coveredUnder[slot] = term
      if (!complete) continue
      if (!mine) {
        this.#table.markComplete(slot, term)
        this.#grantedMs[slot] = nowMs
      } else if (taken !== null) {
        this.#coveredBy[slot] = null
        this.#coveredUnder[slot] = null
        this.#table.take(slot, term)
        taken.add(slot)
      } else {
        this.#table.markComplete(slot, term)
      }
    }
    if (taken !== null && taken.size > 0) {
      this.#options.logger.info({ from: session.peer.name, slots: taken.size }, 'took over slots')
      this.#followers.took(term)
    }
    this.#statusChanged()
  }

  #completeFor(session: Incoming): SlotSet {
    const complete = new SlotSet()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const term = this.#table.term(slot)
      if (term?.name === session.peer.name && term.generation === session.peer.generation && this.#table.isComplete(slot))
        complete.add(slot)
    }
    return complete
  }

  /** The session over which the holder of `term` streams the slot to this member, if it has begun to. */
  #streamOf(slot: number, term: Term): Incoming | null {
    const session = this.#coveredBy[slot] as Incoming | null
    return session !== null && session.peer.name === term.name && sameTerm(this.#coveredUnder[slot] as Term | null, term) ? session : null
  }

  #uncover(slot: number): void {
    this.#coveredBy[slot] = null
    this.#coveredUnder[slot] = null
    if (this.#table.role(slot) === NONE) this.#table.markPartial(slot)
  }

  #statusChanged(): void {
    for (const session of this.#incoming.values()) session.statusChanged()
  }

  /** Once a second: copies whose primary is alive and silent, or never began to stream, are no longer complete; surplus copies are offered for deletion. */
  #reviewCopies(nowMs: number): void {
    const surplus = new Map<string, SlotSet>()
    const self = this.#options.self().name
    let changed = false
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.#table.isComplete(slot)) this.#lastCompleteMs[slot] = nowMs
      if (this.#table.role(slot) !== NONE || !this.#table.hasCopy(slot)) continue
      const term = this.#table.term(slot)
      if (term === null || this.#options.isGone(term.name, term.generation)) continue
      const session = this.#streamOf(slot, term)
      const silent = session !== null ? nowMs - session.lastHeardMs > SILENCE_MS : nowMs - (this.#grantedMs[slot] as number) > SILENCE_MS
      if (silent && this.#table.isComplete(slot)) {
        this.#table.markPartial(slot)
        changed = true
      }
      if (session === null && !this.#view.hasSeat(slot, self)) addToGroup(surplus, term.name, slot)
    }
    if (changed) this.#statusChanged()
    for (const [holder, slots] of surplus) this.#askSurplus(holder, slots)
  }

  #askSurplus(holder: string, slots: SlotSet): void {
    this.#options.calls.call(holder, KIND_SURPLUS, encodeSlots(slots), 1000, (failure, body) => {
      if (failure !== null || body === null || this.#closed) return
      const self = this.#options.self().name
      let dropped = 0
      for (const slot of decodeSlots(body)) {
        const term = this.#table.term(slot)
        if (this.#table.role(slot) !== NONE || this.#view.hasSeat(slot, self) || term === null || this.#streamOf(slot, term) !== null)
          continue
        this.#context.store.dropSlot(slot)
        this.#table.dropped(slot)
        dropped++
      }
      if (dropped > 0) this.#options.logger.debug({ slots: dropped }, 'deleted surplus copies')
    })
  }

  #mayBeDropped(slots: SlotSet): Buffer {
    const nowMs = this.#options.clock.now()
    const droppable = new SlotSet()
    for (const slot of slots) {
      if (this.#table.isPrimary(slot) && this.#followers.seatsCompleteForMs(slot, nowMs) >= SURPLUS_WAIT_MS) droppable.add(slot)
    }
    return encodeSlots(droppable)
  }

  // ---- Authority. -----------------------------------------------------------------------------------------------------------------------------

  #holding(slot: number): Holding {
    const term = this.#table.term(slot)
    const role = this.#table.role(slot)
    if (role === PRIMARY || role === CLAIMING) return { term, copy: COPY_HELD, position: this.#context.hybrid.current() }
    const session = this.#coveredBy[slot] as Incoming | null
    const position = role === PARKED ? (term as Term) : session !== null ? session.position : ZERO_STAMP
    if (this.#table.isComplete(slot)) {
      return { term, copy: COPY_COMPLETE, position: this.#streamOf(slot, term as Term)?.position ?? (term as Term) }
    }
    return { term, copy: this.#table.hasCopy(slot) ? COPY_PARTIAL : COPY_NONE, position }
  }

  /** Two primaries met, and this one has the lower term: it has stopped already; what it alone has goes to the other. */
  #stepDown(slot: number, by: Term): void {
    this.#beatenTotal++
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
      for (const slot of slots) this.#push(slot, term)
    }
  }

  /** Sends a slot's entries to the member that beat us there; again after a broken link, for as long as it holds the slot. */
  #push(slot: number, term: Term): void {
    const bulk = this.#followers.bulk(term)
    if (this.#closed || this.#context.store.slotEntries(slot) === 0 || !sameTerm(this.#table.term(slot), term)) return
    const again = (): void => {
      this.#options.clock.after(500, () => this.#push(slot, term))
    }
    if (bulk === undefined || !bulk.isOpen) again()
    else bulk.send({ slot, since: ZERO_STAMP, done: (delivered) => (delivered ? undefined : again()) })
  }

  #strengthen(nowMs: number): void {
    if (this.#view.sight() !== 'most') {
      this.#mostSinceMs = -1
      return
    }
    if (this.#mostSinceMs < 0) this.#mostSinceMs = nowMs
    if (nowMs - this.#mostSinceMs < STRENGTHEN_MS) return
    const weak = new SlotSet()
    for (let slot = 0; slot < SLOT_COUNT; slot++)
      if (this.#table.isPrimary(slot) && this.#table.term(slot)?.strong === false) weak.add(slot)
    if (weak.size > 0) this.#handOver.renew(weak, true)
  }

  #isFenced(): boolean {
    const nowMs = this.#options.clock.now()
    this.#noticeStall(nowMs)
    return nowMs < this.#fencedUntilMs
  }

  /** This process stood still: before it executes anything it asks what terms the others know, and goes on when they answered or after a while. */
  #noticeStall(nowMs: number): void {
    if (nowMs - this.#lastTickMs < STALL_MS) return
    const stalledMs = nowMs - this.#lastTickMs
    this.#lastTickMs = nowMs
    const held = new SlotSet()
    for (const slots of this.#table.primariesByTerm().values()) held.addAll(slots)
    if (held.size === 0) return
    const until = nowMs + FENCE_MS
    this.#fencedUntilMs = until
    this.#options.logger.warn({ stalledMs: Math.round(stalledMs) }, 'the event loop stood still: asking before executing again')
    this.#claims.query(held, FENCE_MS, (answers) => {
      for (const answer of answers) {
        for (const [slot, { term }] of answer) if (term !== null) this.#table.adopt(slot, term)
      }
      if (this.#fencedUntilMs === until) this.#fencedUntilMs = 0
      this.#routesSoon()
    })
    this.#options.clock.after(FENCE_MS, () => this.#routesSoon())
  }

  // ---- Publication. ---------------------------------------------------------------------------------------------------------------------------

  #encodedTable(): Buffer {
    return encodeTable({
      version: this.#version,
      primaryVersion: this.#table.primaryVersion,
      complete: this.#table.completeSet(),
      primaries: this.#table.primariesByTerm(),
    })
  }

  #publishSoon(delayMs: number): void {
    if (delayMs === 0) {
      if (this.#publishDue) return
      this.#publishDue = true
      this.#options.clock.soon(() => this.#publish())
    } else if (!this.#publishScheduled) {
      this.#publishScheduled = true
      this.#options.clock.after(delayMs, () => {
        this.#publishScheduled = false
        this.#publish()
      })
    }
  }

  #publish(): void {
    if (this.#closed) return
    this.#publishDue = false
    this.#version++
    const body = this.#encodedTable()
    for (const member of this.#view.present()) this.#options.calls.tell(member.name, KIND_TABLE, body)
    this.#options.tablePublished(this.#version)
  }

  #tableOf(from: PeerIdentity, body: Buffer): void {
    const { version, primaryVersion, primaries } = decodeTable(body)
    if (this.#holdsTable(from, version)) return
    const primary = new SlotSet()
    for (const [term, slots] of primaries) {
      primary.addAll(slots)
      for (const slot of slots) {
        if (this.#table.role(slot) === PARKED) {
          this.#handOver.taken(slot, term)
          this.#grantedMs[slot] = this.#options.clock.now()
        }
        this.#table.adopt(slot, term)
      }
    }
    this.#peerTables.set(from.name, { generation: from.generation, version, primaryVersion, primary })
    this.#routesSoon()
  }

  #holdsTable(peer: PeerIdentity, version: number): boolean {
    const held = this.#peerTables.get(peer.name)
    if (held === undefined) return false
    return held.generation > peer.generation || (held.generation === peer.generation && held.version >= version)
  }

  #routesSoon(): void {
    this.#routeVersion++
    if (this.#routesScheduled) return
    this.#routesScheduled = true
    this.#options.clock.soon(() => {
      this.#routesScheduled = false
      if (!this.#closed) this.#options.routesChanged()
    })
  }
}

/** A peer that sends what cannot be read loses its link, not our process. */
function guarded(link: PeerLink, logger: Logger, handlers: PeerLinkHandlers): PeerLinkHandlers {
  return {
    message: (message) => {
      try {
        handlers.message(message)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        logger.warn({ peer: link.peer.name, why: error.message }, 'a peer sent a frame that cannot be read')
        link.close()
      }
    },
    closed: (reason) => handlers.closed(reason),
  }
}
