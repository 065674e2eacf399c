/**
 * The hybrid logical clock (Kulkarni et al., 2014) behind every version, term and expiry of one member.
 *
 * Physical time is monotonic time plus an offset taken once at start, so a wall clock that is set back or forward while the member runs moves
 * nothing. A foreign stamp is always accepted by whoever stores it, but it pulls this clock at most `maxLeadMs` ahead of physical time: one
 * member whose clock runs wild cannot drag the others along. `nextAbove` still answers a stamp above a given one, without moving the clock.
 */
import type { Clock } from './clock.ts'
import { compareStamps, MAX_COUNTER, type Stamp } from './version.ts'

/** How far a foreign stamp may pull this clock ahead of its own physical time, in ms. */
export const MAX_LEAD_MS = 500

export class HybridClock {
  readonly #clock: Clock
  readonly #offsetMs: number
  readonly #maxLeadMs: number
  #ms = 0
  #counter = 0

  constructor(clock: Clock, maxLeadMs: number = MAX_LEAD_MS) {
    this.#clock = clock
    this.#offsetMs = clock.wallMs() - clock.now()
    this.#maxLeadMs = maxLeadMs
  }

  /** Milliseconds since 1970 by this member's own reckoning: what expiry is compared with. */
  physicalMs(): number {
    return Math.floor(this.#clock.now() + this.#offsetMs)
  }

  /** The stamp last given or heard, or physical time if that is later: a lower bound of every stamp to come. */
  current(): Stamp {
    const physical = this.physicalMs()
    return physical > this.#ms ? { ms: physical, counter: 0 } : { ms: this.#ms, counter: this.#counter }
  }

  /** A new stamp, above all that this clock gave. */
  next(): Stamp {
    const physical = this.physicalMs()
    if (physical > this.#ms) {
      this.#ms = physical
      this.#counter = 0
    } else if (this.#counter < MAX_COUNTER) {
      this.#counter++
    } else {
      this.#ms++
      this.#counter = 0
    }
    return { ms: this.#ms, counter: this.#counter }
  }

  /** A new stamp above `floor` too. When `floor` is beyond what may be believed, the stamp follows it and the clock stays. */
  nextAbove(floor: Stamp): Stamp {
    this.observe(floor)
    const stamp = this.next()
    if (compareStamps(stamp, floor) > 0) return stamp
    return floor.counter < MAX_COUNTER ? { ms: floor.ms, counter: floor.counter + 1 } : { ms: floor.ms + 1, counter: 0 }
  }

  /** A stamp came from elsewhere: later ones of ours shall be above it, as far as it may be believed. */
  observe(stamp: Stamp): void {
    if (compareStamps(stamp, { ms: this.#ms, counter: this.#counter }) <= 0) return
    if (stamp.ms > this.physicalMs() + this.#maxLeadMs) return
    this.#ms = stamp.ms
    this.#counter = stamp.counter
  }
}
