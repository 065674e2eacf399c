/**
 * Sending back: what a copy has beyond the holder of its slot goes to that holder, because it may be the only one. So it is when two primaries met and
 * this one was beaten, and when a copy that was away has been filled and still differs.
 *
 * The holder's writes may replace some of it before it is sent. What they replace goes along without its value: the holder knows whether they were written
 * without knowledge of it, and so whether it was lost (`ledger.ts`).
 *
 * The holder is asked for its tombstone marks first: what this copy may not speak of is given up here and not sent (`marks.ts`). A broken link is tried
 * again for as long as that member holds the slot. When all has arrived it is asked once more: one that has handed the slot on meanwhile has put it into a
 * copy that nobody is led by, and the next holder is sent it, too. So it is when a holder has taken it and another life holds the slot later, as long as the
 * copy is here: the first may have died before any other had it.
 *
 * A holder without room for all of a slot says so. The slot stays owed and is sent again, ever more rarely, since room may come; after
 * `FULL_PATIENCE_MS`, or when this member stops, what was not taken is given up, and counted by the member that had accepted it.
 */
import { Entry } from '../lib/entry.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareVersions, ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term } from '../placement/index.ts'
import type { Refused } from './bulk.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import type { Ledger } from './ledger.ts'
import type { Marks } from './marks.ts'
import { COPY_HELD } from './messages.ts'
import type { PeerIdentity } from './peers.ts'
import { QUERY_TIMEOUT_MS, queryHoldings } from './query.ts'
import { addToGroup, NONE } from './slot-table.ts'

const AGAIN_MS = 500
/** To a holder that is full: the first wait, doubled each time, and the longest. */
const FULL_FIRST_WAIT_MS = 2_000
const FULL_MAX_WAIT_MS = 120_000
/** From the first refusal of a slot. Shorter than a tombstone lives, so that what arrives at last revives nothing that was deleted meanwhile. */
const FULL_PATIENCE_MS = 10 * 60_000
/** What was replaced is kept to be judged up to this: it goes in one message. */
const MAX_REPLACED_BYTES = 256 * 1024
/** Version, writer, and what is around them. */
const REPLACED_OVERHEAD = 64
/** Refused slots are looked through so often. */
const FULL_LOOK_MS = 1_000

/** A slot of which the holder had no room for something. */
interface Refusal {
  readonly sinceMs: number
  waitMs: number
  dueMs: number
  own: number
}

export class SendBack {
  readonly #context: Context
  readonly #followers: Followers
  readonly #marks: Marks
  readonly #ledger: Ledger
  /** Slots that were lost to another primary and have not been delivered to it. */
  readonly #forks = new SlotSet()
  /** Of those: own writes that the other's have replaced before they could be sent. It judges whether those knew of them. Without values. */
  readonly #replaced = new Map<number, Entry[]>()
  #replacedBytes = 0
  readonly #owed = new SlotSet()
  readonly #refusals = new Map<number, Refusal>()
  readonly #held = new Entry()
  /** Slots, in this turn. */
  #givenUp = 0
  #looking = false
  #closed = false
  /** What is to be sent again. */
  #later = new Map<Term, SlotSet>()
  /** Slots that have arrived at the holder of a term, of which it is not known yet whether that held them then. */
  #arrived = new Map<Term, SlotSet>()
  /** Slots of which a holder has told what was beaten: the next one need not. */
  readonly #told = new SlotSet()
  /** By slot whose copy is here still, and has not been compared since: who has taken what it had. */
  readonly #takenBy = new Map<number, PeerIdentity>()

  constructor(context: Context, followers: Followers, marks: Marks, ledger: Ledger) {
    this.#ledger = ledger
    this.#context = context
    this.#followers = followers
    this.#marks = marks
  }

  /** Another primary has beaten this one: what was written here since it was last heard of it may not have seen. */
  beaten(slots: SlotSet, term: Term): void {
    this.#forks.addAll(slots)
    this.#told.removeAll(slots)
    this.send(slots, term)
  }

  /** An entry is about to take the place of one that has not been sent to the new primary yet: it may have been written without knowledge of that. */
  replacing(entry: Entry, slot: number): void {
    const { store, self } = this.#context
    if (!this.#forks.has(slot) || entry.writer === self().name) return
    const held = this.#held
    if (!store.peek(entry.key, entry.keyStart, entry.keyEnd, held, slot) || held.writer !== self().name) return
    if (compareVersions(entry, held) <= 0) return
    const bytes = replacedBytes(held)
    if (this.#replacedBytes + bytes > MAX_REPLACED_BYTES) {
      this.#lose(slot, [held])
      return
    }
    const replaced = held.copy(false)
    // To a holder of an earlier version, which would apply it, it says nothing that is not true.
    replaced.tombstone = true
    const known = this.#replaced.get(slot)
    if (known === undefined) this.#replaced.set(slot, [replaced])
    else known.push(replaced)
    this.#replacedBytes += bytes
  }

  /** What is here of the slot has not arrived where it is sent: it must not be deleted. */
  owes(slot: number): boolean {
    return this.#owed.has(slot)
  }

  /** Sends what the slots hold here to the holder of `term`, or to whoever holds them by then. */
  send(slots: SlotSet, term: Term): void {
    const { calls, store, table } = this.#context
    const wanted = new SlotSet()
    const elsewhere = new Map<Term, SlotSet>()
    for (const slot of slots) {
      const current = table.term(slot)
      if (table.role(slot) !== NONE || current === null || store.slotEntries(slot) === 0) {
        // Who was to judge what was replaced holds the slot no more.
        this.#lose(slot, this.#replaced.get(slot) ?? [])
        this.#told.delete(slot)
        this.#settled(slot)
      } else {
        this.#owed.add(slot)
        if (sameTerm(current, term)) wanted.add(slot)
        else addToGroup(elsewhere, current, slot)
      }
    }
    for (const [current, moved] of elsewhere) this.#again(moved, current)
    if (this.#closed || wanted.size === 0) return
    if (this.#followers.bulk(term)?.isOpen !== true) {
      this.#again(wanted, term)
      return
    }
    queryHoldings(calls, term.name, wanted, QUERY_TIMEOUT_MS, (holdings) => {
      if (holdings === null) {
        this.#again(wanted, term)
        return
      }
      for (const [slot, { mark }] of holdings) this.#marks.heard(new Map([[slot, mark]]))
      for (const slot of wanted) this.#deliver(slot, term)
    })
  }

  /** Once a second: has a slot whose holder had taken what is here passed to another? */
  review(): void {
    const { isGone, table } = this.#context
    const passed = new Map<Term, SlotSet>()
    for (const [slot, { name, generation }] of this.#takenBy) {
      const term = table.term(slot)
      if (term === null || table.role(slot) !== NONE || table.isComplete(slot) || !table.hasCopy(slot)) this.#takenBy.delete(slot)
      else if ((term.name !== name || term.generation !== generation) && !isGone(term.name, term.generation)) {
        this.#takenBy.delete(slot)
        addToGroup(passed, term, slot)
      }
    }
    for (const [term, slots] of passed) this.send(slots, term)
  }

  /** This member goes: what nobody had room for goes with it. */
  giveUp(): void {
    for (const slot of [...this.#refusals.keys()]) this.#discard(slot)
  }

  close(): void {
    this.#closed = true
  }

  #deliver(slot: number, term: Term): void {
    const { table } = this.#context
    const bulk = this.#followers.bulk(term)
    const again = (): void => this.#again(SlotSet.of([slot]), term)
    if (table.role(slot) !== NONE || !sameTerm(table.term(slot), term)) {
      again()
      return
    }
    this.#marks.settle(slot)
    if (bulk === undefined) again()
    else
      bulk.send({
        slot,
        since: ZERO_STAMP,
        begun: () => this.#replaced.get(slot) ?? [],
        judged: this.#told.has(slot),
        done: (delivered, refused) => {
          if (!delivered) again()
          else if (refused === undefined) this.#hasArrived(slot, term)
          else this.#refused(slot, refused)
        },
      })
  }

  #hasArrived(slot: number, term: Term): void {
    if (this.#arrived.size === 0) this.#context.clock.soon(() => this.#confirmAll())
    addToGroup(this.#arrived, term, slot)
  }

  #confirmAll(): void {
    const arrived = this.#arrived
    this.#arrived = new Map()
    if (this.#closed) return
    for (const [term, slots] of arrived) {
      queryHoldings(this.#context.calls, term.name, slots, QUERY_TIMEOUT_MS, (holdings) => {
        const elsewhere = new SlotSet()
        for (const slot of slots) {
          const holding = holdings?.get(slot)
          if (holding?.copy === COPY_HELD && holding.term?.generation === term.generation) {
            this.#settled(slot)
            this.#told.add(slot)
            this.#takenBy.set(slot, { name: term.name, generation: term.generation })
          } else elsewhere.add(slot)
        }
        if (elsewhere.size > 0) this.#again(elsewhere, term)
      })
    }
  }

  /** Own writes were replaced, and no holder can be asked: those count that no follower had confirmed. */
  #lose(slot: number, replaced: readonly Entry[]): void {
    this.#ledger.count('conflict', replaced.filter((entry) => !this.#marks.isConfirmed(entry, slot)).length)
  }

  /** The holder has heard of all that was replaced before it was sent. */
  #judged(slot: number): void {
    for (const entry of this.#replaced.get(slot) ?? []) this.#replacedBytes -= replacedBytes(entry)
    this.#replaced.delete(slot)
  }

  #refused(slot: number, { own }: Refused): void {
    const { clock, logger } = this.#context
    this.#judged(slot)
    const nowMs = clock.now()
    const known = this.#refusals.get(slot)
    const waitMs = known === undefined ? FULL_FIRST_WAIT_MS : Math.min(FULL_MAX_WAIT_MS, known.waitMs * 2)
    const sinceMs = known?.sinceMs ?? nowMs
    if (this.#refusals.size === 0) logger.warn({}, 'the holder of slots has no room for what is only here: it is kept and sent again')
    this.#refusals.set(slot, { sinceMs, waitMs, dueMs: nowMs + waitMs, own })
    if (nowMs - sinceMs >= FULL_PATIENCE_MS) this.#discard(slot)
    this.#lookSoon()
  }

  /** Gives up what the holder has no room for. */
  #discard(slot: number): void {
    const { clock, logger } = this.#context
    const own = this.#refusals.get(slot)?.own ?? 0
    this.#ledger.count('discarded', own)
    this.#settled(slot)
    if (this.#givenUp === 0) {
      clock.soon(() => {
        logger.warn({ slots: this.#givenUp }, 'the holder of slots had no room for what only this member had: it is given up, and counted')
        this.#givenUp = 0
      })
    }
    this.#givenUp++
  }

  #lookSoon(): void {
    if (this.#looking || this.#refusals.size === 0) return
    this.#looking = true
    this.#context.clock.after(FULL_LOOK_MS, () => {
      this.#looking = false
      if (this.#closed) return
      const { clock, table } = this.#context
      const due = new Map<Term, SlotSet>()
      for (const [slot, refusal] of this.#refusals) {
        const term = table.term(slot)
        if (term === null || refusal.dueMs > clock.now()) continue
        refusal.dueMs = Number.POSITIVE_INFINITY
        addToGroup(due, term, slot)
      }
      for (const [term, slots] of due) this.send(slots, term)
      this.#lookSoon()
    })
  }

  #settled(slot: number): void {
    this.#owed.delete(slot)
    this.#forks.delete(slot)
    this.#judged(slot)
    this.#refusals.delete(slot)
  }

  /** Together with all that is to be sent again by then: slots fail one by one when a link breaks. */
  #again(slots: SlotSet, term: Term): void {
    if (this.#closed) return
    if (this.#later.size === 0) this.#context.clock.after(AGAIN_MS, () => this.#sendLater())
    this.#later.set(term, slots.copy().addAll(this.#later.get(term) ?? slots))
  }

  #sendLater(): void {
    const later = this.#later
    this.#later = new Map()
    for (const [term, slots] of later) this.send(slots, term)
  }
}

function replacedBytes({ keyStart, keyEnd }: Entry): number {
  return keyEnd - keyStart + REPLACED_OVERHEAD
}
