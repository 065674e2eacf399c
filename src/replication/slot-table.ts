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

/** One life of a member, and the slots whose highest known term is its. */
export interface Holder {
  readonly name: string
  readonly generation: number
  readonly slots: SlotSet
}

/** While many slots are changed: what is to be told of them, and which of two terms prevailed when that was found out last. */
interface Together {
  routes: boolean
  publication: boolean
  primaries: boolean
  term: Term | null
  known: Term | null
  /** Whether this member executes the slot under the known one. */
  leads: boolean
  prevails: boolean
}

const NO_SLOTS = new SlotSet()

export class SlotTable {
  readonly #events: SlotTableEvents
  readonly #terms: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #completeUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #doubtedUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  readonly #roles = new Uint8Array(SLOT_COUNT)
  readonly #hasCopy = new Uint8Array(SLOT_COUNT)
  /** What follows from the above, kept: it is asked for whole, and slot by slot, at moments when operations wait. */
  #holders: Holder[] = []
  readonly #unheld = SlotSet.all()
  readonly #complete = new SlotSet()
  readonly #primaries = new SlotSet()
  #parked = 0
  /** Slots in which it is anything. */
  readonly #engaged = new SlotSet()
  #primaryVersion = 1
  #together: Together | null = null
  /** By slot: what `#holderVersion` was when another than its holder was heard to hold it. */
  readonly #passedAt = new Float64Array(SLOT_COUNT)
  #holderVersion = 0

  constructor(events: SlotTableEvents) {
    this.#events = events
  }

  /** Changes what is known of many slots. The others are told once, when all is changed: it is the same news for each. */
  together(change: () => void): void {
    const before = this.#together
    this.#together ??= { routes: false, publication: false, primaries: false, term: null, known: null, leads: false, prevails: false }
    const due = this.#together
    try {
      change()
    } finally {
      this.#together = before
      if (before === null && due.publication) this.#publicationChanged(due.primaries)
      if (before === null && due.routes) this.#routesChanged()
    }
  }

  term(slot: number): Term | null {
    return this.#terms[slot] as Term | null
  }

  /** The lives that hold slots, or were granted some, for all that is known; gone ones among them. */
  holders(): readonly Holder[] {
    return this.#holders
  }

  /** The slots that this life of a member holds, for all that is known. Not to be changed. */
  heldBy(name: string, generation: number): SlotSet {
    return this.#holders.find((holder) => holder.name === name && holder.generation === generation)?.slots ?? NO_SLOTS
  }

  /** Slots of which no term is known. Not to be changed. */
  get unheld(): SlotSet {
    return this.#unheld
  }

  /** The slots in which this member is anything but a follower: primary, about to be, or waiting for the heir. Not to be changed. */
  get engaged(): SlotSet {
    return this.#engaged
  }

  role(slot: number): Role {
    return this.#roles[slot] as Role
  }

  isPrimary(slot: number): boolean {
    return this.#roles[slot] === PRIMARY
  }

  /** Slots this member executes. */
  get primaries(): number {
    return this.#primaries.size
  }

  /** Slots this member executes, as they are now: a copy. */
  primarySet(): SlotSet {
    return this.#primaries.copy()
  }

  /** Slots granted away whose heir has not been heard yet. */
  get parked(): number {
    return this.#parked
  }

  /** Grows with every change of the set of slots this member is primary of. */
  get primaryVersion(): number {
    return this.#primaryVersion
  }

  /** Grows whenever a slot passes from one life to another, as far as is known here. */
  get holderVersion(): number {
    return this.#holderVersion
  }

  /** The `holderVersion` that came of the last time the slot passed to another; 0 if it never did. */
  passedAt(slot: number): number {
    return this.#passedAt[slot] as number
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
    this.#setTerm(slot, term)
    if (role === NONE) this.#weigh(slot)
    else {
      this.#completeUnder[slot] = null
      this.#setRole(slot, NONE)
      if (role !== CLAIMING) this.#events.beaten(slot, term)
    }
    if (completed) this.#publicationChanged(false)
    this.#routesChanged()
    return true
  }

  /** The copy holds all that was written under `term` and before. */
  markComplete(slot: number, term: Term): void {
    this.#hasCopy[slot] = 1
    if (sameTerm(this.#completeUnder[slot] as Term | null, term)) return
    this.#completeUnder[slot] = term
    this.#weigh(slot)
    this.#publicationChanged(false)
  }

  markPartial(slot: number): void {
    if (this.#completeUnder[slot] === null) return
    this.#completeUnder[slot] = null
    this.#weigh(slot)
    this.#publicationChanged(false)
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
    this.#setTerm(slot, term)
    this.#completeUnder[slot] = term
    this.#hasCopy[slot] = 1
    this.#weigh(slot)
    if (this.#roles[slot] === PRIMARY) this.#primariesChanged()
    else this.#setRole(slot, PRIMARY)
  }

  /** The slot is granted to the holder of `term`: operations wait, the copy stays complete. */
  park(slot: number, term: Term): void {
    this.#setTerm(slot, term)
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
    for (const slot of this.#primaries) {
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
    const together = this.#together
    const leads = role === PRIMARY
    if (together !== null && together.term === term && together.known === known && together.leads === leads) return together.prevails
    const prevails = this.#isHigher(term, known, leads)
    if (together !== null) {
      together.term = term
      together.known = known
      together.leads = leads
      together.prevails = prevails
    }
    return prevails
  }

  #isHigher(term: Term, known: Term, leads: boolean): boolean {
    const order = compareTerms(term, known)
    if (order === 0) return false
    const gone = this.#events.isGone(term.name, term.generation)
    if (gone === this.#events.isGone(known.name, known.generation)) return order > 0
    const later = compareStamps(term, known) > 0
    return gone ? leads && order > 0 && later : order > 0 || later
  }

  #setTerm(slot: number, term: Term): void {
    const before = this.#terms[slot] as Term | null
    this.#terms[slot] = term
    if (before === null) this.#unheld.delete(slot)
    else if (before.name === term.name && before.generation === term.generation) return
    else {
      this.#holderOf(before).slots.delete(slot)
      this.#passedAt[slot] = ++this.#holderVersion
    }
    this.#holderOf(term).slots.add(slot)
  }

  #holderOf({ name, generation }: Term): Holder {
    for (const holder of this.#holders) if (holder.name === name && holder.generation === generation) return holder
    // Lives that are over have lost theirs to others.
    this.#holders = this.#holders.filter(({ slots }) => slots.size > 0)
    const holder = { name, generation, slots: new SlotSet() }
    this.#holders.push(holder)
    return holder
  }

  #setRole(slot: number, role: Role): void {
    const before = this.#roles[slot] as Role
    if (before === role) return
    this.#roles[slot] = role
    if (role === NONE) this.#engaged.delete(slot)
    else this.#engaged.add(slot)
    this.#weigh(slot)
    if (before === PARKED) this.#parked--
    if (role === PARKED) this.#parked++
    if (before === PRIMARY || role === PRIMARY) {
      if (role === PRIMARY) this.#primaries.add(slot)
      else this.#primaries.delete(slot)
      this.#primariesChanged()
    }
    this.#routesChanged()
  }

  /** Its term, its role or what it was complete under has changed. */
  #weigh(slot: number): void {
    const term = this.#terms[slot] as Term | null
    if (term !== null && (this.#roles[slot] === PRIMARY || sameTerm(this.#completeUnder[slot] as Term | null, term)))
      this.#complete.add(slot)
    else this.#complete.delete(slot)
  }

  #routesChanged(): void {
    if (this.#together === null) this.#events.routesChanged()
    else this.#together.routes = true
  }

  #publicationChanged(primaries: boolean): void {
    if (this.#together === null) this.#events.publicationChanged(primaries)
    else {
      this.#together.publication = true
      this.#together.primaries ||= primaries
    }
  }

  #primariesChanged(): void {
    this.#primaryVersion++
    this.#publicationChanged(true)
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
