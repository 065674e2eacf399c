/**
 * Turn: how long one client is served before the others are.
 *
 * Commands are executed on the event loop that everybody shares, and a pipeline, a pattern or a transaction may ask for seconds of work. Whatever goes
 * over many things asks its turn from time to time whether it is over, and if so goes on after the input of others has been handled.
 */
import type { Clock } from '../../lib/clock.ts'

const TURN_MS = 2
/** Of small things, between two looks at the clock. */
const STRIDE = 16

export class Turn {
  readonly #clock: Clock
  #untilMs = 0
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  begin(): this {
    this.#untilMs = this.#clock.now() + TURN_MS
    this.#count = 0
    return this
  }

  /** To be asked after each small thing; looks at the clock now and then. */
  over(): boolean {
    return ++this.#count % STRIDE === 0 && this.overNow()
  }

  /** To be asked after each thing that may be large. */
  overNow(): boolean {
    return this.#clock.now() >= this.#untilMs
  }
}

/** Calls `each` with the items in order until it answers false, then `done`: at once when a turn suffices. */
export function eachInTurns<Item>(clock: Clock, items: Iterable<Item>, each: (item: Item) => boolean, done: () => void): void {
  const iterator = items[Symbol.iterator]()
  const turn = new Turn(clock)
  const run = (): void => {
    turn.begin()
    for (;;) {
      const { done: through, value } = iterator.next()
      if (through === true || !each(value)) {
        done()
        return
      }
      if (turn.overNow()) {
        clock.soon(run)
        return
      }
    }
  }
  run()
}
