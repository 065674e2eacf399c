/**
 * Dealing: what a view says of the slots of one preference order, for this member as their primary: who has a seat, who is to follow, who could be heir.
 *
 * All of that follows from the order, so it is found out once for each (`Ring.pattern`) and not for each of thousands of slots: the code runs when a
 * member leaves, while operations wait, and what V8 compiles for loops over all slots took as long as the loops. It is found out anew when the view, the
 * sessions or the set of those cut off have changed.
 */
import type { View } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Outgoing } from './outgoing.ts'

export interface Deal {
  /** Whom the primary streams to, of those that it has a session to. The same list for the same members, from one view to the next. */
  readonly followers: readonly Outgoing[]
  /** Sessions to the others that have a seat. */
  readonly seated: readonly Outgoing[]
  /** As many have a seat as should, and there is a session to each other one. */
  readonly full: boolean
  /** The first member in preference order that is there and not leaving; this one perhaps. */
  readonly wished: string | undefined
  /** Sessions to the others that are there and not leaving, in preference order. */
  readonly heirs: readonly Outgoing[]
}

export class Dealing {
  readonly #context: Pick<Context, 'self' | 'view'>
  readonly #sessions: ReadonlyMap<string, Outgoing>
  #view: View | null = null
  #cutOff: ReadonlySet<string> = new Set()
  /** By pattern. */
  #deals: (Deal | undefined)[] = []
  /** Lists of followers that are in use: few serve thousands of slots, and stay in the processor's cache, where every write reads one. */
  #lists: (readonly Outgoing[])[] = []

  constructor(context: Pick<Context, 'self' | 'view'>, sessions: ReadonlyMap<string, Outgoing>) {
    this.#context = context
    this.#sessions = sessions
  }

  /** The seats of these go to others. */
  cutOff(names: ReadonlySet<string>): void {
    this.#cutOff = names
    this.#deals = []
  }

  /** There is a session more, or one less. */
  sessionsChanged(): void {
    this.#deals = []
    const current = new Set(this.#sessions.values())
    this.#lists = this.#lists.filter((list) => list.every((outgoing) => current.has(outgoing)))
  }

  /** O(1) but for the first slot of its order. */
  of(slot: number): Deal {
    const view = this.#context.view()
    if (view !== this.#view) {
      this.#view = view
      this.#deals = []
    }
    const pattern = view.ring.pattern(slot)
    return this.#deals[pattern] ?? this.#find(view, slot, pattern)
  }

  /** The list of the same followers that there is already, or this one. */
  shared(list: readonly Outgoing[]): readonly Outgoing[] {
    const known = this.#lists.find((other) => other.length === list.length && other.every((outgoing, i) => outgoing === list[i]))
    if (known !== undefined) return known
    this.#lists.push(list)
    return list
  }

  #find(view: View, slot: number, pattern: number): Deal {
    const self = this.#context.self().name
    const seats = view.seats(slot, this.#cutOff)
    const others = seats.filter((name) => name !== self)
    const seated = this.#sessionsTo(others)
    const ranked = view.ring.names.map((_, rank) => view.ring.at(slot, rank)).filter((name) => view.isAvailable(name))
    const deal = {
      followers: this.shared(this.#sessionsTo(view.followers(slot, self, this.#cutOff))),
      seated,
      full: seats.length >= view.seatCount && seated.length === others.length,
      wished: ranked[0],
      heirs: this.#sessionsTo(ranked.filter((name) => name !== self)),
    }
    this.#deals[pattern] = deal
    return deal
  }

  #sessionsTo(names: readonly string[]): Outgoing[] {
    return names.map((name) => this.#sessions.get(name)).filter((outgoing) => outgoing !== undefined)
  }
}
