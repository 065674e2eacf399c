/**
 * Affirmations: asking the followers of a slot whether they, too, take this member for the one that serves it.
 *
 * A write that changes nothing leaves no frame behind, so there is nothing whose acknowledgement could be awaited: a member that was replaced and has
 * not heard of it would promise what is true of its own copy only. It asks which term the followers go by, in a round trip that begins after the
 * operation. A follower that goes by another term does not count, even where this member holds that term's holder dead: the follower may know better.
 * All that one turn asks of one follower is one question.
 */
import type { Timer } from '../lib/clock.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { sameTerm } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import type { Holding } from './messages.ts'
import { QUERY_TIMEOUT_MS, queryHoldings } from './query.ts'
import { addToGroup } from './slot-table.ts'

/** Between two attempts: a follower may hear of a term that was just taken a moment after it was asked. */
const RETRY_MS = 50

interface Affirmation {
  readonly slot: number
  readonly timer: Timer
  over: boolean
  readonly done: (serves: boolean) => void
}

export class Affirmations {
  readonly #context: Context
  readonly #followers: Pick<Followers, 'of'>
  #waiting: Affirmation[] = []

  constructor(context: Context, followers: Pick<Followers, 'of'>) {
    this.#context = context
    this.#followers = followers
  }

  /** Calls back once: with `true` when a follower goes by this member's term, with `false` when this member serves the slot no more, and after `timeoutMs`. */
  ask(slot: number, timeoutMs: number, done: (serves: boolean) => void): void {
    const affirmation: Affirmation = {
      slot,
      timer: this.#context.clock.after(timeoutMs, () => this.#end(affirmation, false)),
      over: false,
      done,
    }
    this.#wait(affirmation)
  }

  #wait(affirmation: Affirmation): void {
    this.#waiting.push(affirmation)
    if (this.#waiting.length === 1) this.#context.clock.soon(() => this.#askAll())
  }

  #askAll(): void {
    const asked = new Map<string, Affirmation[]>()
    const slots = new Map<string, SlotSet>()
    for (const affirmation of this.#waiting.splice(0)) {
      for (const { peer } of this.#followers.of(affirmation.slot)) {
        addToGroup(slots, peer.name, affirmation.slot)
        const list = asked.get(peer.name)
        if (list === undefined) asked.set(peer.name, [affirmation])
        else list.push(affirmation)
      }
      this.#context.clock.after(RETRY_MS, () => this.#again(affirmation))
    }
    for (const [name, list] of asked) {
      queryHoldings(this.#context.calls, name, slots.get(name) ?? new SlotSet(), QUERY_TIMEOUT_MS, (holdings) => {
        if (holdings !== null) this.#hear(list, holdings)
      })
    }
  }

  #hear(list: readonly Affirmation[], holdings: ReadonlyMap<number, Holding>): void {
    const { table } = this.#context
    for (const affirmation of list) {
      const term = holdings.get(affirmation.slot)?.term ?? null
      if (term === null) continue
      table.adopt(affirmation.slot, term)
      if (!table.isPrimary(affirmation.slot)) this.#end(affirmation, false)
      else if (sameTerm(term, table.term(affirmation.slot))) this.#end(affirmation, true)
    }
  }

  #again(affirmation: Affirmation): void {
    if (affirmation.over) return
    if (this.#context.table.isPrimary(affirmation.slot)) this.#wait(affirmation)
    else this.#end(affirmation, false)
  }

  #end(affirmation: Affirmation, serves: boolean): void {
    if (affirmation.over) return
    affirmation.over = true
    affirmation.timer.cancel()
    affirmation.done(serves)
  }
}
