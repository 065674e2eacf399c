/**
 * The slot table: what this member knows about every slot, and what it is to each.
 *
 * By slot: the highest term known, this member's role, and under which term its own copy is complete. A copy is complete when the two terms are
 * the same; so any higher term that this member was not led to in the stream makes its copy partial by itself. Only a `primary` executes; a
 * `parked` slot has been granted away and waits for its heir, a `claiming` one is being taken.
 */

import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareStamps } from '../lib/version.ts'
import { compareTerms, sameTerm, type Term } from '../placement/index.ts'

export const NONE = 0
export const CLAIMING = 1
export const PRIMARY = 2
export const PARKED = 3
export type Role = typeof NONE | typeof CLAIMING | typeof PRIMARY | typeof PARKED

export interface SlotTableEvents {
  /** Is this life known to be over? */
  isGone(name: string, generation: number): boolean
  /** The set of slots this member is primary of changed, or a term became known: routes may have changed. */
  routesChanged(): void
  /** What this member publishes changed. */
  publicationChanged(primaries: boolean): void
  /** This member held the slot and somebody holds it under a higher term: it has stopped. */
  beaten(slot: number, by: Term): void
}

export class SlotTable {
  readonly #events: SlotTableEvents
  readonly #terms: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #completeUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #doubtedUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #roles = new Uint8Array(SLOT_COUNT)
  readonly #hasCopy = new Uint8Array(SLOT_COUNT)
  /** What follows from the above, kept: it is asked for whole, and slot by slot, at moments when operations wait. */
  readonly #complete = new SlotSet()
  #primaries = 0
  #parked = 0
  #primaryVersion = 1

  constructor(events: SlotTableEvents) {
    this.#events = events
  }

  term(slot: number): Term | null {
    return this.#terms[slot] as Term | null
  }

  role(slot: number): Role {
    return this.#roles[slot] as Role
  }

  isPrimary(slot: number): boolean {
    return this.#roles[slot] === PRIMARY
  }

  /** Slots this member executes. */
  get primaries(): number {
    return this.#primaries
  }

  /** Slots granted away whose heir has not been heard yet. */
  get parked(): number {
    return this.#parked
  }

  /** Grows with every change of the set of slots this member is primary of. */
  get primaryVersion(): number {
    return this.#primaryVersion
  }

  isComplete(slot: number): boolean {
    return this.#complete.has(slot)
  }

  get completeSlots(): number {
    return this.#complete.size
  }

  completeUnder(slot: number): Term | null {
    return this.#completeUnder[slot] as Term | null
  }

  /** True once anything of the slot was received, until it was dropped: a partial copy is better than none. */
  hasCopy(slot: number): boolean {
    return this.#hasCopy[slot] === 1
  }

  received(slot: number): void {
    this.#hasCopy[slot] = 1
  }

  /** The copy has been deleted. */
  dropped(slot: number): void {
    this.#hasCopy[slot] = 0
    this.#doubtedUnder[slot] = null
    this.markPartial(slot)
  }

  /**
   * Somebody holds, or was granted, the slot under `term`. Follows it if it prevails over what was known; true if so. The higher term prevails,
   * except that a holder who is gone yields to a later term of one who is not: else nobody could take over from a strong holder with a weak term. To an earlier
   * one it does not: what it wrote others have and that one lacks, so even a primary that hears of it steps down, and the slot is to be claimed.
   */
  adopt(slot: number, term: Term): boolean {
    const known = this.#terms[slot] as Term | null
    const role = this.#roles[slot] as Role
    if (known === term || !this.#prevails(term, known, role)) return false
    const completed = this.isComplete(slot)
    this.#terms[slot] = term
    if (role === NONE) this.#weigh(slot)
    else {
      this.#completeUnder[slot] = null
      this.#setRole(slot, NONE)
      if (role !== CLAIMING) this.#events.beaten(slot, term)
    }
    if (completed) this.#events.publicationChanged(false)
    this.#events.routesChanged()
    return true
  }

  /** The copy holds all that was written under `term` and before. */
  markComplete(slot: number, term: Term): void {
    this.#hasCopy[slot] = 1
    if (sameTerm(this.#completeUnder[slot] as Term | null, term)) return
    this.#completeUnder[slot] = term
    this.#weigh(slot)
    this.#events.publicationChanged(false)
  }

  markPartial(slot: number): void {
    if (this.#completeUnder[slot] === null) return
    this.#completeUnder[slot] = null
    this.#weigh(slot)
    this.#events.publicationChanged(false)
  }

  /** The holder, which is thought to live, has been silent for too long to call the copy complete: it may be, if the holder turns out to be dead. */
  doubt(slot: number): void {
    this.#doubtedUnder[slot] = this.#completeUnder[slot] as Term | null
    this.markPartial(slot)
  }

  /** Did the copy hold all that was written under the present term when its holder was last heard? */
  wasComplete(slot: number): boolean {
    const known = this.#terms[slot] as Term | null
    return known !== null && (this.isComplete(slot) || sameTerm(this.#doubtedUnder[slot] as Term | null, known))
  }

  beginClaim(slot: number): void {
    this.#setRole(slot, CLAIMING)
  }

  /** The claim is given up. */
  endClaim(slot: number): void {
    this.#setRole(slot, NONE)
  }

  /** This member takes the slot under its own `term`, which must be the highest known. */
  take(slot: number, term: Term): void {
    this.#terms[slot] = term
    this.#completeUnder[slot] = term
    this.#hasCopy[slot] = 1
    this.#weigh(slot)
    if (this.#roles[slot] === PRIMARY) this.#primariesChanged()
    else this.#setRole(slot, PRIMARY)
  }

  /** The slot is granted to the holder of `term`: operations wait, the copy stays complete. */
  park(slot: number, term: Term): void {
    this.#terms[slot] = term
    this.#completeUnder[slot] = term
    this.#setRole(slot, PARKED)
  }

  /** The heir has taken what was granted to it: this member follows. */
  handedOver(slot: number): void {
    if (this.#roles[slot] === PARKED) this.#setRole(slot, NONE)
  }

  /** As it is now: a copy. */
  completeSet(): SlotSet {
    return this.#complete.copy()
  }

  /** The slots this member executes, by the term it holds them under. */
  primariesByTerm(): Map<Term, SlotSet> {
    const groups = new Map<Term, SlotSet>()
    let last: Term | null = null
    let group = new SlotSet()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.#roles[slot] !== PRIMARY) continue
      const term = this.#terms[slot] as Term
      // Slots that were taken together share one.
      if (term !== last) {
        last = term
        group = groups.get(term) ?? new SlotSet()
        groups.set(term, group)
      }
      group.add(slot)
    }
    return groups
  }

  #prevails(term: Term, known: Term | null, role: Role): boolean {
    if (known === null) return true
    const order = compareTerms(term, known)
    if (order === 0) return false
    const gone = this.#events.isGone(term.name, term.generation)
    if (gone === this.#events.isGone(known.name, known.generation)) return order > 0
    const later = compareStamps(term, known) > 0
    return gone ? role === PRIMARY && order > 0 && later : order > 0 || later
  }

  #setRole(slot: number, role: Role): void {
    const before = this.#roles[slot] as Role
    if (before === role) return
    this.#roles[slot] = role
    this.#weigh(slot)
    if (before === PARKED) this.#parked--
    if (role === PARKED) this.#parked++
    if (before === PRIMARY || role === PRIMARY) {
      this.#primaries += role === PRIMARY ? 1 : -1
      this.#primariesChanged()
    }
    this.#events.routesChanged()
  }

  /** Its term, its role or what it was complete under has changed. */
  #weigh(slot: number): void {
    const term = this.#terms[slot] as Term | null
    if (term !== null && (this.#roles[slot] === PRIMARY || sameTerm(this.#completeUnder[slot] as Term | null, term)))
      this.#complete.add(slot)
    else this.#complete.delete(slot)
  }

  #primariesChanged(): void {
    this.#primaryVersion++
    this.#events.publicationChanged(true)
  }
}

export function addToGroup<K>(groups: Map<K, SlotSet>, key: K, slot: number): void {
  let set = groups.get(key)
  if (set === undefined) {
    set = new SlotSet()
    groups.set(key, set)
  }
  set.add(slot)
}
