/**
 * Hand-over: authority over slots passes from a living primary to its heir, without a lost write and with a pause of one round trip.
 *
 * The primary offers a batch; the heir answers with a fresh number and the slots it holds completely; the primary parks operations on them and
 * puts a grant (number, new strong term) into the streams of all followers, behind every write it accepted. The heir takes the term when it reads
 * the grant, and honours it only within `HONOUR_MS` of its own request. When nothing is heard of the heir for `TAKE_BACK_MS`, the old primary asks:
 * only after the heir has said no, for good, does it take the slots back under a new term. So no planned move has two executors.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term, type View } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import { decodeSlots, encodeSlots, KIND_CONFIRM, KIND_OFFER } from './messages.ts'
import type { PeerIdentity } from './peers.ts'
import { addToGroup, PARKED } from './slot-table.ts'

const HONOUR_MS = 1000
const TAKE_BACK_MS = 2000
const CALL_TIMEOUT_MS = 1000
/** How long a member that returned must have been complete before slots move back to it. */
const RETURN_WAIT_MS = 5000
/** A heir with more than this still to confirm would make the pause long. */
const MAX_OFFER_BACKLOG_BYTES = 256 * 1024
/** A member that leaves cannot wait for a quieter moment. */
const MAX_LEAVING_BACKLOG_BYTES = 16 * 1024 * 1024
const MAX_REMEMBERED_REQUESTS = 1000

interface Grant {
  readonly number: number
  readonly heir: PeerIdentity
  readonly term: Term
  readonly slots: SlotSet
  readonly sentMs: number
  asking: boolean
}

interface Request {
  readonly from: PeerIdentity
  readonly atMs: number
  /** What was taken when the grant was read; `null` while it has not been. */
  taken: SlotSet | null
}

interface Displaced {
  readonly view: View | null
  readonly primaryVersion: number
  readonly slots: SlotSet
}

export class HandOver {
  readonly #context: Context
  readonly #followers: Followers
  /** Heirs with an offer under way. */
  readonly #offered = new Set<string>()
  #grants: Grant[] = []
  /** As of this view and this set of primary slots. */
  #displaced: Displaced = { view: null, primaryVersion: 0, slots: new SlotSet() }
  /** By number: what this member, as an heir, has asked for. */
  readonly #requests = new Map<number, Request>()
  /** By number: the slots of those that could still be honoured. */
  readonly #awaited = new Map<number, SlotSet>()
  #nextNumber = 1
  movedTotal = 0
  takenBackTotal = 0
  /** The longest a batch was parked, in ms. */
  longestPauseMs = 0

  constructor(context: Context, followers: Followers) {
    this.#context = context
    this.#followers = followers
    context.calls.handle(KIND_OFFER, (from, body, respond) => respond?.(this.#offeredToUs(from, decodeSlots(body))))
    context.calls.handle(KIND_CONFIRM, (_from, body, respond) => respond?.(this.#confirm(new ByteReader(body).u32())))
  }

  /** Offers slots to those who should have them. */
  offer(nowMs: number): void {
    const { leaving, table } = this.#context
    if (table.primaries === 0) return
    const offers = leaving() ? this.#followers.heirs(nowMs) : this.#returns(nowMs)
    for (const [heir, slots] of offers) if (slots.size > 0 && !this.#offered.has(heir)) this.#offer(heir, slots)
  }

  /** The slots held here that another should have, and can, by whom. */
  #returns(nowMs: number): Map<string, SlotSet> {
    const returns = new Map<string, SlotSet>()
    for (const slot of this.#displacedNow()) {
      const heir = this.#context.table.isPrimary(slot) ? this.#returning(slot, nowMs) : undefined
      if (heir !== undefined) addToGroup(returns, heir, slot)
    }
    return returns
  }

  /** Slots held here that another should have once it can: in quiet times none, and then nothing is to be looked through. */
  #displacedNow(): SlotSet {
    const { self, table } = this.#context
    const view = this.#context.view()
    const before = this.#displaced
    if (before.view === view && before.primaryVersion === table.primaryVersion) return before.slots
    const { name } = self()
    const slots = new SlotSet()
    for (const slot of table.primarySet()) {
      const wished = this.#followers.wished(slot)
      if (wished !== undefined && wished !== name) slots.add(slot)
    }
    this.#displaced = { view, primaryVersion: table.primaryVersion, slots }
    return slots
  }

  /** The heir says that it holds slots under `term`. */
  taken(slots: SlotSet, term: Term): void {
    const { table } = this.#context
    const moved = new SlotSet()
    table.together(() => {
      for (const slot of slots) {
        if (table.role(slot) !== PARKED || !sameTerm(table.term(slot), term)) continue
        table.handedOver(slot)
        moved.add(slot)
      }
    })
    this.#followers.releaseAll(moved)
    this.movedTotal += moved.size
  }

  /**
   * A grant was read in the stream of `from`. If this member asked for it, under this number, lately, the set to which it shall add the slots it
   * takes; else `null`: it takes none.
   */
  honours(from: PeerIdentity, number: number, nowMs: number): SlotSet | null {
    const request = this.#requests.get(number)
    if (request === undefined || request.from.name !== from.name || request.from.generation !== from.generation) return null
    if (nowMs - request.atMs > HONOUR_MS || request.taken !== null) return null
    request.taken = new SlotSet()
    this.#awaited.delete(number)
    return request.taken
  }

  /** Has this member asked for the slot so lately that it would honour the grant? Others may have read of it already. */
  awaits(slot: number, nowMs: number): boolean {
    this.#giveUpAwaiting(nowMs)
    for (const slots of this.#awaited.values()) if (slots.has(slot)) return true
    return false
  }

  #giveUpAwaiting(nowMs: number): void {
    for (const number of this.#awaited.keys()) {
      const request = this.#requests.get(number)
      if (request === undefined || nowMs - request.atMs > HONOUR_MS) this.#awaited.delete(number)
    }
  }

  /** Moves slots that this member holds to a new term of its own, leading its followers along: take-back, or a weak term made strong. */
  renew(slots: SlotSet, strong: boolean): void {
    const self = this.#context.self()
    const term: Term = { ...this.#stampAbove(slots), ...self, strong }
    this.#followers.grant(0, term, slots)
    const { table } = this.#context
    table.together(() => {
      for (const slot of slots) table.take(slot, term)
    })
    this.#followers.markDirty()
  }

  /** Above the terms that the slots have now, even where one came from a clock that runs far ahead: else nobody would follow the new one. */
  #stampAbove(slots: SlotSet): Stamp {
    let highest: Stamp = ZERO_STAMP
    let last: Term | null = null
    for (const slot of slots) {
      const term = this.#context.table.term(slot)
      // Slots that were taken together share one term.
      if (term === last) continue
      last = term
      if (term !== null && compareStamps(term, highest) > 0) highest = term
    }
    return this.#context.hybrid.nextAbove(highest)
  }

  /** Who should have the slot instead of this member, which stays, and has been complete for long enough. */
  #returning(slot: number, nowMs: number): string | undefined {
    const wished = this.#followers.wished(slot)
    if (wished === undefined || wished === this.#context.self().name || !this.#followers.inSync(wished, slot, nowMs)) return undefined
    const generation = this.#context.view().generationOf(wished) as number
    const completeSinceMs = this.#followers.outgoing({ name: wished, generation })?.sinceMs[slot] as number
    return nowMs - completeSinceMs >= RETURN_WAIT_MS ? wished : undefined
  }

  #offer(heir: string, slots: SlotSet): void {
    const generation = this.#context.view().generationOf(heir)
    if (generation === undefined) return
    const peer = { name: heir, generation }
    const outgoing = this.#followers.outgoing(peer)
    if (outgoing === undefined || outgoing.backlogBytes > (this.#context.leaving() ? MAX_LEAVING_BACKLOG_BYTES : MAX_OFFER_BACKLOG_BYTES))
      return
    this.#offered.add(heir)
    this.#context.calls.call(heir, KIND_OFFER, encodeSlots(slots), CALL_TIMEOUT_MS, (failure, body) => {
      this.#offered.delete(heir)
      if (failure !== null || body === null) return
      const reader = new ByteReader(body)
      const number = reader.u32()
      this.#grant(peer, number, SlotSet.decode(reader))
    })
  }

  #grant(heir: PeerIdentity, number: number, accepted: SlotSet): void {
    const { clock, table, logger, view } = this.#context
    const nowMs = clock.now()
    if (!view().isPresent(heir.name, heir.generation) || !view().isAvailable(heir.name)) return
    // A grant passes the mark on: it must not make strong what was claimed weakly. The weak ones have a batch of their own when no strong are left.
    const strongSlots = new SlotSet()
    const weakSlots = new SlotSet()
    const inSync = this.#followers.outgoing(heir)?.inSyncSlots(nowMs)
    if (inSync === undefined) return
    for (const slot of table.primarySet().retainAll(accepted).retainAll(inSync)) {
      if (table.term(slot)?.strong === true) strongSlots.add(slot)
      else weakSlots.add(slot)
    }
    const strong = strongSlots.size > 0
    const slots = strong ? strongSlots : weakSlots
    if (slots.size === 0) return
    const term: Term = { ...this.#stampAbove(slots), ...heir, strong }
    table.together(() => {
      for (const slot of slots) table.park(slot, term)
    })
    this.#followers.grant(number, term, slots)
    this.#grants.push({ number, heir, term, slots, sentMs: nowMs, asking: false })
    logger.info({ heir: heir.name, slots: slots.size }, 'granted slots')
  }

  /** Looks after grants that have not been heard to be taken. */
  settle(nowMs: number): void {
    if (this.#grants.length === 0) return
    const { table } = this.#context
    this.#grants = this.#grants.filter((grant) => {
      let parked = 0
      if (table.parked > 0)
        for (const slot of grant.slots) if (table.role(slot) === PARKED && sameTerm(table.term(slot), grant.term)) parked++
      if (parked === 0) {
        this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - grant.sentMs)
        return false
      }
      if (nowMs - grant.sentMs >= TAKE_BACK_MS && !grant.asking) this.#ask(grant)
      return true
    })
  }

  /** The heir has been silent: it is asked until it answers, around a cut link if need be, or is gone and the slots are claimed. */
  #ask(grant: Grant): void {
    grant.asking = true
    const { around, table, logger } = this.#context
    const body = new ByteWriter(4).u32(grant.number).toBuffer()
    around.call(grant.heir.name, KIND_CONFIRM, body, CALL_TIMEOUT_MS, (failure, answer) => {
      grant.asking = false
      if (failure !== null || answer === null) return
      this.taken(decodeSlots(answer), grant.term)
      const slots = new SlotSet()
      for (const slot of grant.slots) if (table.role(slot) === PARKED && sameTerm(table.term(slot), grant.term)) slots.add(slot)
      if (slots.size === 0) return
      this.takenBackTotal += slots.size
      logger.warn({ heir: grant.heir.name, slots: slots.size }, 'took slots back: the heir did not take them')
      this.renew(slots, grant.term.strong)
    })
  }

  #offeredToUs(from: PeerIdentity, slots: SlotSet): Buffer {
    const { table, clock } = this.#context
    const accepted = new SlotSet()
    if (!this.#context.leaving()) {
      const held = table.heldBy(from.name, from.generation)
      accepted.addAll(table.completeSet().retainAll(slots).retainAll(held).removeAll(table.engaged))
    }
    this.#giveUpAwaiting(clock.now())
    const number = this.#nextNumber++
    if (accepted.size > 0) this.#awaited.set(number, accepted)
    this.#requests.set(number, { from, atMs: clock.now(), taken: null })
    if (this.#requests.size > MAX_REMEMBERED_REQUESTS) this.#requests.delete(this.#requests.keys().next().value as number)
    const writer = new ByteWriter(64).u32(number)
    accepted.encode(writer)
    return writer.toBuffer()
  }

  /** What was taken under a number; asking for one whose grant has not been read yet makes that grant void. */
  #confirm(number: number): Buffer {
    const taken = this.#requests.get(number)?.taken ?? null
    if (taken === null) this.#requests.delete(number)
    return encodeSlots(taken ?? new SlotSet())
  }
}
