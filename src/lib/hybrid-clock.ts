/**
 * The hybrid logical clock (Kulkarni et al., 2014) behind every version, term and expiry of one member.
 *
 * Physical time is monotonic time plus an offset, so a wall clock that is set back or forward while the member runs moves nothing unless it is to be
 * followed (cluster-time.ts decides on that). A foreign stamp is always accepted by whoever stores it, but it pulls this clock at most `maxLeadMs` ahead of physical time: one
 * member whose clock runs wild cannot drag the others along. `nextAbove` still answers a stamp above a given one, without moving the clock.
 */
import type { Clock } from './clock.ts'
import { MAX_COUNTER, type Stamp } from './version.ts'

/** How far a foreign stamp may pull this clock ahead of its own physical time, in ms. */
export const MAX_LEAD_MS = 500

export class HybridClock {
  readonly #clock: Clock
  #offsetMs: number
  /** Where physical time waits after a small step back. */
  #heldMs = 0
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
    const ms = Math.floor(this.#clock.turn() + this.#offsetMs)
    return ms > this.#heldMs ? ms : this.#heldMs
  }

  /**
   * From now on physical time is monotonic time plus this. A step back of up to `maxLeadMs` is waited out, so that what has expired stays so; a longer one
   * is made. Stamps never fall: those to come are above all that were given.
   */
  follow(offsetMs: number): void {
    if (offsetMs === this.#offsetMs) return
    const beforeMs = this.physicalMs()
    this.#offsetMs = offsetMs
    this.#heldMs = 0
    const backMs = beforeMs - this.physicalMs()
    if (backMs > 0 && backMs <= this.#maxLeadMs) this.#heldMs = beforeMs
  }

  /** The stamp last given or heard, or physical time if that is later: a lower bound of every stamp to come. */
  current(): Stamp {
    const physical = this.physicalMs()
    return physical > this.#ms ? { ms: physical, counter: 0 } : { ms: this.#ms, counter: this.#counter }
  }

  /** A new stamp, above all that this clock gave. */
  next(): Stamp {
    this.#advance()
    return { ms: this.#ms, counter: this.#counter }
  }

  /** A new stamp above `floor` too. When `floor` is beyond what may be believed, the stamp follows it and the clock stays. */
  nextAbove(floor: Stamp): Stamp {
    this.observe(floor)
    const { ms, counter } = this.next()
    const stamp = { ms, counter }
    raiseAbove(stamp, floor)
    return stamp
  }

  /** Writes a new stamp into `target`, above `floor` and, if there is one, above `replaced` (see `nextAbove`). Allocates nothing. */
  stamp(target: { ms: number; counter: number }, floor: Stamp, replaced: Stamp | null): void {
    if (replaced !== null) this.observe(replaced)
    this.#advance()
    target.ms = this.#ms
    target.counter = this.#counter
    raiseAbove(target, floor)
    if (replaced !== null) raiseAbove(target, replaced)
  }

  /** A stamp came from elsewhere: later ones of ours shall be above it, as far as it may be believed. */
  observe(stamp: Stamp): void {
    if (stamp.ms < this.#ms || (stamp.ms === this.#ms && stamp.counter <= this.#counter)) return
    if (stamp.ms > this.physicalMs() + this.#maxLeadMs) return
    this.#ms = stamp.ms
    this.#counter = stamp.counter
  }

  #advance(): void {
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
  }
}

function raiseAbove(stamp: { ms: number; counter: number }, floor: Stamp): void {
  if (stamp.ms > floor.ms || (stamp.ms === floor.ms && stamp.counter > floor.counter)) return
  const full = floor.counter >= MAX_COUNTER
  stamp.ms = full ? floor.ms + 1 : floor.ms
  stamp.counter = full ? 0 : floor.counter + 1
}
