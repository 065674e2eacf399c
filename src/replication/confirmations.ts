/**
 * Confirmations: waiting until followers hold what was written here. `ack=replica` waits for one of them, stand-ins included, `ack=all` for every one
 * that is still there; WAIT counts them.
 */
import type { Clock } from '../lib/clock.ts'
import type { Followers } from './followers.ts'

export class Confirmations {
  readonly #clock: Clock
  readonly #followers: Followers

  constructor(clock: Clock, followers: Followers) {
    this.#clock = clock
    this.#followers = followers
  }

  /** Is there anybody who could confirm a write of this slot? */
  possible(slot: number): boolean {
    return this.#followers.of(slot).some((outgoing) => outgoing.isOpen)
  }

  /**
   * Calls back once when one follower of the slot, or all that have not gone meanwhile, hold everything written to it so far; with `false` when none is
   * left that could, or after `timeoutMs`.
   */
  await(slot: number, all: boolean, timeoutMs: number, done: (confirmed: boolean) => void): void {
    const followers = this.#followers.of(slot)
    let open = followers.length
    let confirmed = 0
    let over = false
    const finish = (outcome: boolean): void => {
      if (over) return
      over = true
      timer.cancel()
      done(outcome)
    }
    const timer = this.#clock.after(timeoutMs, () => finish(false))
    if (open === 0) finish(false)
    for (const outgoing of followers) {
      outgoing.whenConfirmed((reached) => {
        open--
        if (reached) confirmed++
        if (confirmed > 0 && (!all || open === 0)) finish(true)
        else if (open === 0) finish(false)
      })
    }
  }

  /** Calls back with the least number of followers that any of the slots has, which hold all that was written: at once when it is `wanted`, or in time. */
  count(slots: Iterable<number>, wanted: number, timeoutMs: number, done: (followers: number) => void): void {
    const held = new Map<number, number>()
    let over = false
    const least = (): number => Math.min(...held.values())
    const finish = (): void => {
      if (over) return
      over = true
      timer.cancel()
      done(held.size === 0 ? 0 : least())
    }
    const timer = this.#clock.after(timeoutMs, finish)
    let open = 0
    for (const slot of slots) {
      held.set(slot, 0)
      for (const outgoing of this.#followers.of(slot)) {
        open++
        outgoing.whenConfirmed((reached) => {
          open--
          if (reached) held.set(slot, (held.get(slot) as number) + 1)
          if (open === 0 || least() >= wanted) this.#clock.soon(finish)
        })
      }
    }
    if (open === 0 || held.size === 0) finish()
  }
}
