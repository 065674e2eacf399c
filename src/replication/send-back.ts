/**
 * Sending back: what a copy has beyond the holder of its slot goes to that holder, because it may be the only one. So it is when two primaries met and
 * this one was beaten, and when a copy that was away has been filled and still differs.
 *
 * The holder is asked for its tombstone marks first: what this copy may not speak of is given up here and not sent (`marks.ts`). A broken link is tried
 * again for as long as that member holds the slot.
 */
import { Entry } from '../lib/entry.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareVersions, ZERO_STAMP } from '../lib/version.ts'
import { sameTerm, type Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import type { Ledger } from './ledger.ts'
import type { Marks } from './marks.ts'
import { QUERY_TIMEOUT_MS, queryHoldings } from './query.ts'
import { addToGroup, NONE } from './slot-table.ts'

const AGAIN_MS = 500

export class SendBack {
  readonly #context: Context
  readonly #followers: Followers
  readonly #marks: Marks
  readonly #ledger: Ledger
  /** Slots that were lost to another primary and of which nothing has been read for it: when it was last heard of before, in ms since 1970. */
  readonly #forks = new Map<number, number>()
  readonly #owed = new SlotSet()
  readonly #held = new Entry()
  #closed = false

  constructor(context: Context, followers: Followers, marks: Marks, ledger: Ledger) {
    this.#ledger = ledger
    this.#context = context
    this.#followers = followers
    this.#marks = marks
  }

  /** Another primary has beaten this one: what was written here since it was last heard of it may not have seen. */
  beaten(slots: SlotSet, term: Term): void {
    for (const slot of slots) this.#forks.set(slot, this.#marks.contactMs(term.name))
    this.send(slots, term)
  }

  /** An entry is about to take the place of one that has not been sent to the new primary yet: it was written without knowledge of that. */
  replacing(entry: Entry, slot: number): void {
    const forkMs = this.#forks.get(slot)
    const { store, self } = this.#context
    if (forkMs === undefined || entry.writer === self().name) return
    const held = this.#held
    if (!store.peek(entry.key, entry.keyStart, entry.keyEnd, held, slot) || held.writer !== self().name || held.ms <= forkMs) return
    if (compareVersions(entry, held) > 0) this.#ledger.count('conflict', 1)
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
      if (table.role(slot) !== NONE || current === null || store.slotEntries(slot) === 0) this.#settled(slot)
      else {
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
        begun: () => this.#forks.delete(slot),
        done: (delivered) => (delivered ? this.#settled(slot) : again()),
      })
  }

  #settled(slot: number): void {
    this.#owed.delete(slot)
    this.#forks.delete(slot)
  }

  #again(slots: SlotSet, term: Term): void {
    if (this.#closed) return
    this.#context.clock.after(AGAIN_MS, () => this.send(slots, term))
  }
}
