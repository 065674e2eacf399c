/**
 * Claims: taking over slots whose holder is gone, or that nobody ever held.
 *
 * The candidate asks every living member for its term, its copy and its position, and waits until each has answered or is gone. The best copy
 * claims: complete before partial before none, then the further position, then preference order; the others leave it `LEAVE_MS` and ask again.
 * Before it executes, the claimant pulls what any other copy has beyond its own (`pulls.ts`). A slot without any term is claimed only when every known name has
 * said that it has none, or is known not to run; after `SILENT_MS` the claim goes on without the silent ones, and is weak.
 *
 * Who stood still, was silent or was held dead meanwhile gives its round and its claims up and begins anew: others may have taken what it was about to take,
 * and a term made by now would prevail over theirs.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { compareTerms, sameTerm, type Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import {
  COPY_COMPLETE,
  COPY_HELD,
  COPY_NONE,
  COPY_PARTIAL,
  encodeHoldings,
  encodeTerms,
  type Holding,
  KIND_QUERY,
  KIND_TERMS,
} from './messages.ts'
import type { Pulls, Wanted } from './pulls.ts'
import { QUERY_TIMEOUT_MS, queryHoldings } from './query.ts'
import { addToGroup, CLAIMING, NONE, PARKED } from './slot-table.ts'

const LEAVE_MS = 500
const SILENT_MS = 30_000
const FEW_WAIT_MS = 5_000
/** A grant to this member that it could not honour: its sender takes the slots back, or this member claims them like any other. */
const IDLE_GRANT_MS = 3_000
/** A living member that cannot be asked for so long is left out; the claim is weak then. */
const MAX_ROUND_MS = 10_000
const RETRY_MS = 100

export interface ClaimEvents {
  /** May anything be claimed yet? Not before one push/pull, unless this member is the only known name. */
  mayClaim(): boolean
  /** Names that ought to exist and that nobody can vouch for: neither present, nor gone, nor known not to run. */
  unaccounted(): readonly string[]
  /** How far this member's own copy of a slot reaches. */
  holding(slot: number): Holding
  /** Another member knows of a tombstone mark. */
  marked(slot: number, mark: Stamp): void
  /** These slots are about to be taken, from the holders of the terms that the table has. */
  taking(slots: SlotSet): void
  /** These of the slots just taken were claimed, and no complete copy of them could be reached. */
  lost(slots: SlotSet): void
  /** Is this member to ask before it executes anything? Asked of each answer, which may be the first thing that it reads after a pause. */
  fenced(): boolean
}

interface Round {
  readonly slots: SlotSet
  readonly startedMs: number
  readonly waiting: Set<string>
  readonly answers: Map<string, ReadonlyMap<number, Holding>>
  /** Somebody alive could not be asked. */
  silent: boolean
}

export class Claims {
  readonly #context: Context
  readonly #followers: Followers
  readonly #pulls: Pick<Pulls, 'get'>
  readonly #events: ClaimEvents
  /** By slot: since when it has had no holder, in ms of the clock; -1 while it has one. */
  readonly #orphanSinceMs = new Float64Array(SLOT_COUNT).fill(-1)
  /** Those that have none. */
  #without = new SlotSet()
  #orphans = new SlotSet()
  #round: Round | null = null
  /** Goes up when all claims under way are given up. */
  #attempt = 0
  #notBeforeMs = 0
  #dirty = true
  claimedTotal = 0

  constructor(context: Context, followers: Followers, pulls: Pick<Pulls, 'get'>, events: ClaimEvents) {
    this.#pulls = pulls
    this.#context = context
    this.#followers = followers
    this.#events = events
    context.calls.handle(KIND_QUERY, (_from, body, respond) => {
      const slots = SlotSet.decode(new ByteReader(body))
      respond?.(encodeHoldings(slots, (slot) => events.holding(slot)))
    })
  }

  markDirty(): void {
    this.#dirty = true
  }

  /** Slots without a living holder, as of the last tick. */
  get orphans(): number {
    return this.#orphans.size
  }

  tick(nowMs: number): void {
    if (this.#events.fenced()) return
    if (this.#dirty || this.#orphans.size > 0) this.#findOrphans(nowMs)
    if (this.#round !== null) this.#advance(nowMs)
    else if (this.#orphans.size > 0 && nowMs >= this.#notBeforeMs && this.#events.mayClaim()) this.#ask(nowMs)
  }

  close(): void {
    this.#round = null
  }

  /** What was heard so far may be out of date: claims under way are given up, and made anew if they still have to be. */
  abandon(): void {
    this.#round = null
    this.#attempt++
    this.#dirty = true
    const { table } = this.#context
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (table.role(slot) !== CLAIMING) continue
      this.#followers.release(slot)
      table.endClaim(slot)
    }
  }

  /**
   * Asks all present members about `slots`. `done` gets their answers, and how many did not give one, when all have answered or could not be asked, or
   * `timeoutMs` has passed.
   */
  query(slots: SlotSet, timeoutMs: number, done: (answers: readonly ReadonlyMap<number, Holding>[], missing: number) => void): void {
    const { around, self, view } = this.#context
    const answers: ReadonlyMap<number, Holding>[] = []
    const names = [...view().present()].map((member) => member.name).filter((name) => name !== self().name)
    let open = names.length
    const finish = (): void => {
      if (--open === 0) done(answers, names.length - answers.length)
    }
    if (open === 0) done(answers, 0)
    for (const name of names) {
      queryHoldings(around, name, slots, timeoutMs, (holdings) => {
        if (holdings !== null) answers.push(holdings)
        finish()
      })
    }
  }

  #findOrphans(nowMs: number): void {
    this.#dirty = false
    const { table, isGone, self } = this.#context
    const me = self()
    const unheld = table.unheld.copy()
    for (const { name, generation, slots } of table.holders()) if (isGone(name, generation)) unheld.addAll(slots)
    const without = new SlotSet()
    const orphans = new SlotSet()
    for (const slot of unheld) {
      const role = table.role(slot)
      if (role !== NONE && role !== PARKED) continue
      without.add(slot)
      orphans.add(slot)
    }
    for (const slot of table.heldBy(me.name, me.generation).copy().removeAll(table.primarySet()).removeAll(unheld)) {
      if (table.role(slot) !== NONE) continue
      without.add(slot)
      this.#dirty = true
      const sinceMs = this.#orphanSinceMs[slot] as number
      if (sinceMs >= 0 && nowMs - sinceMs >= IDLE_GRANT_MS) orphans.add(slot)
    }
    for (const slot of this.#without.removeAll(without)) this.#orphanSinceMs[slot] = -1
    for (const slot of without) if ((this.#orphanSinceMs[slot] as number) < 0) this.#orphanSinceMs[slot] = nowMs
    this.#without = without
    this.#orphans = orphans
  }

  #ask(nowMs: number): void {
    this.#round = { slots: this.#orphans, startedMs: nowMs, waiting: new Set(), answers: new Map(), silent: false }
    this.#advance(nowMs)
  }

  #askOne(round: Round, name: string): void {
    const { around, clock } = this.#context
    queryHoldings(around, name, round.slots, QUERY_TIMEOUT_MS, (holdings) => {
      if (this.#events.fenced() || this.#round !== round || !round.waiting.has(name)) return
      if (holdings !== null) {
        round.answers.set(name, holdings)
        round.waiting.delete(name)
        this.#advance(clock.now())
      } else {
        clock.after(RETRY_MS, () => {
          if (this.#round === round && round.waiting.has(name)) this.#askOne(round, name)
        })
      }
    })
  }

  #advance(nowMs: number): void {
    const round = this.#round as Round
    const view = this.#context.view()
    for (const name of round.waiting) if (view.generationOf(name) === undefined) round.waiting.delete(name)
    for (const { name } of view.present()) {
      // It came while the others were being asked.
      if (name === this.#context.self().name || round.waiting.has(name) || round.answers.has(name)) continue
      round.waiting.add(name)
      this.#askOne(round, name)
    }
    if (round.waiting.size > 0) {
      if (nowMs - round.startedMs < MAX_ROUND_MS) return
      round.silent = true
    }
    this.#round = null
    this.#notBeforeMs = nowMs + LEAVE_MS
    this.#decide(round, nowMs)
  }

  #decide(round: Round, nowMs: number): void {
    const { calls, table, view, logger } = this.#context
    const present = view()
    for (const [name, answer] of round.answers) {
      const replaced = new Map<Term, SlotSet>()
      for (const [slot, holding] of answer) {
        this.#events.marked(slot, holding.mark)
        if (holding.term === null) continue
        table.adopt(slot, holding.term)
        const known = table.term(slot)
        if (holding.copy === COPY_HELD && known !== null && compareTerms(known, holding.term) > 0) addToGroup(replaced, known, slot)
      }
      // It does not know that it was, by one that is gone.
      if (replaced.size > 0) calls.tell(name, KIND_TERMS, encodeTerms(new ByteWriter(64), replaced).toBuffer())
    }
    this.#findOrphans(nowMs)
    const sight = present.sight()
    const unaccounted = this.#events.unaccounted()
    // A slot that others believe to be ours is an orphan to nobody else: whoever has the better copy would never claim it, so we pull from them.
    const strong = new SlotSet()
    const weak = new SlotSet()
    const waits = { unaccounted: 0, few: 0, better: 0 }
    for (const slot of round.slots) {
      if (!this.#orphans.has(slot)) continue
      const waitedMs = nowMs - (this.#orphanSinceMs[slot] as number)
      const unheld = table.term(slot) === null
      if (unheld && unaccounted.length > 0 && waitedMs < SILENT_MS) waits.unaccounted++
      else if (!unheld && sight === 'few' && waitedMs < FEW_WAIT_MS) waits.few++
      else if (!this.#isOurs(table.term(slot)) && this.#isLeft(round, slot)) waits.better++
      else if ((unheld ? unaccounted.length > 0 : sight !== 'most') || round.silent) weak.add(slot)
      else strong.add(slot)
    }
    if (waits.unaccounted + waits.few > 0) logger.debug({ ...waits, unaccounted }, 'slots without a holder have to wait')
    this.#claim(round, strong, true)
    this.#claim(round, weak, false)
  }

  #isOurs(term: Term | null): boolean {
    const { name, generation } = this.#context.self()
    return term?.name === name && term.generation === generation
  }

  /** Is the slot another's to claim? One with a better copy that takes this member for the holder would never do so: it has not heard who replaced it. */
  #isLeft(round: Round, slot: number): boolean {
    const best = this.#best(round, slot)
    return best !== this.#context.self().name && !this.#isOurs(round.answers.get(best)?.get(slot)?.term ?? null)
  }

  /** Whose copy is best, by what the members said of themselves. */
  #best(round: Round, slot: number): string {
    const { self, table } = this.#context
    const known = table.term(slot)
    let bestName = self().name
    let best = this.#events.holding(slot)
    for (const [name, answer] of round.answers) {
      const holding = answer.get(slot)
      if (holding !== undefined && this.#isBetter(slot, known, name, holding, bestName, best)) {
        bestName = name
        best = holding
      }
    }
    return bestName
  }

  #isBetter(slot: number, known: Term | null, name: string, holding: Holding, bestName: string, best: Holding): boolean {
    const rank = rankOf(holding, known)
    const bestRank = rankOf(best, known)
    if (rank !== bestRank) return rank > bestRank
    const further = rank === COPY_NONE ? 0 : compareStamps(holding.position, best.position)
    if (further !== 0) return further > 0
    const view = this.#context.view()
    const available = view.isAvailable(name)
    if (available !== view.isAvailable(bestName)) return available
    const order = view.ring.rank(slot, name) - view.ring.rank(slot, bestName)
    return order !== 0 ? order < 0 : name < bestName
  }

  #claim(round: Round, slots: SlotSet, strong: boolean): void {
    if (slots.size === 0) return
    const { table } = this.#context
    const pulls = new Map<string, Wanted>()
    const lost = new SlotSet()
    for (const slot of slots) {
      const mine = this.#events.holding(slot)
      const complete = rankOf(mine, table.term(slot)) >= COPY_COMPLETE
      let anyComplete = complete || table.wasComplete(slot)
      for (const [name, answer] of round.answers) {
        const theirs = answer.get(slot)
        if (theirs === undefined || theirs.copy === COPY_NONE) continue
        anyComplete ||= rankOf(theirs, table.term(slot)) >= COPY_COMPLETE
        if (complete && compareStamps(theirs.position, mine.position) <= 0) continue
        const since = complete ? mine.position : ZERO_STAMP
        const pull = pulls.get(name)
        if (pull === undefined) pulls.set(name, { slots: SlotSet.of([slot]), since })
        else {
          pull.slots.add(slot)
          if (compareStamps(since, pull.since) < 0) pull.since = since
        }
      }
      if (!anyComplete && table.term(slot) !== null) lost.add(slot)
    }
    for (const slot of slots) table.beginClaim(slot)
    const attempt = this.#attempt
    const isCurrent = (): boolean => !this.#events.fenced() && attempt === this.#attempt
    this.#pulls.get(slots, pulls, isCurrent, (ready) => this.#take(ready, lost, strong))
  }

  #take(slots: SlotSet, lost: SlotSet, strong: boolean): void {
    const { table, hybrid, isGone, self, logger } = this.#context
    let floor: Stamp = ZERO_STAMP
    const taken = new SlotSet()
    const lostOfThese = new SlotSet()
    for (const slot of slots) {
      if (table.role(slot) !== CLAIMING) continue
      const known = table.term(slot)
      // It was held to be gone when the pulls began, and is back: its slot is no orphan.
      if (known !== null && !this.#isOurs(known) && !isGone(known.name, known.generation)) {
        table.endClaim(slot)
        // What it missed meanwhile nobody has looked after.
        table.markPartial(slot)
        continue
      }
      taken.add(slot)
      if (lost.has(slot)) lostOfThese.add(slot)
      if (known !== null && compareStamps(known, floor) > 0) floor = known
    }
    if (taken.size === 0) return
    this.#events.taking(taken)
    const term: Term = { ...hybrid.nextAbove(floor), ...self(), strong }
    for (const slot of taken) {
      // A slot that was parked still has followers under the old term: they are to follow anew.
      this.#followers.release(slot)
      table.take(slot, term)
    }
    this.claimedTotal += taken.size
    logger.info({ slots: taken.size, lost: lostOfThese.size, strong }, 'claimed slots')
    this.#followers.markDirty()
    this.#events.lost(lostOfThese)
  }
}

/** A copy that is complete under an older term than is known now is no better than a partial one. */
function rankOf(holding: Holding, known: Term | null): number {
  if (holding.copy === COPY_COMPLETE && !sameTerm(holding.term, known)) return COPY_PARTIAL
  return Math.min(holding.copy, COPY_HELD)
}
