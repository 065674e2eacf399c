/**
 * Confirmations: waiting until followers hold what was written here. `ack=replica` waits for one of them, stand-ins included, `ack=all` for every one
 * that is still there; WAIT counts those whose copies are complete, as it asks about whatever was written before.
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { Followers } from './followers.ts'
import { COMPLETE, UNFOLLOWED } from './outgoing.ts'

/** A copy may become complete while WAIT waits, and nobody tells of it. */
const LOOK_MS = 50

export class Confirmations {
  readonly #clock: Clock
  readonly #followers: Pick<Followers, 'of'>

  constructor(clock: Clock, followers: Pick<Followers, 'of'>) {
    this.#clock = clock
    this.#followers = followers
  }

  /** Is there anybody who could confirm a write of this slot? */
  possible(slot: number): boolean {
    return this.#followers.of(slot).some((outgoing) => outgoing.isOpen && outgoing.state(slot) !== UNFOLLOWED)
  }

  /**
   * Calls back once when one follower of the slot, or all that have not gone meanwhile, hold everything written to it so far; with `false` as soon as
   * that cannot come true any more, and after `timeoutMs`.
   */
  await(slot: number, all: boolean, timeoutMs: number, done: (confirmed: boolean) => void): void {
    const followers = this.#followers.of(slot)
    const cancels: (() => void)[] = []
    let open = followers.length
    let held = 0
    let over = false
    const finish = (confirmed: boolean): void => {
      if (over) return
      over = true
      timer.cancel()
      for (const cancel of cancels) cancel()
      done(confirmed)
    }
    const timer = this.#clock.after(timeoutMs, () => finish(false))
    if (open === 0) finish(false)
    for (const outgoing of followers) {
      const heard = outgoing.whenConfirmed(slot, (arrival) => {
        open--
        if (arrival === 'held') held++
        // One that is there and has lost its place in the stream lacks the write: to wait for the others would not make it all.
        if (all && arrival === 'void') finish(false)
        else if (held > 0 && (!all || open === 0)) finish(true)
        else if (open === 0) finish(false)
      })
      if (over) heard()
      else cancels.push(heard)
    }
  }

  /**
   * Calls back with the least number of complete followers that any of the slots has, which hold all that was written: when it is `wanted`, at once if
   * it is so already, or after `timeoutMs`.
   */
  count(slots: Iterable<number>, wanted: number, timeoutMs: number, done: (followers: number) => void): void {
    const list = [...slots]
    const behind = new Set(list.flatMap((slot) => this.#followers.of(slot)))
    const cancels: (() => void)[] = []
    const untilMs = this.#clock.now() + timeoutMs
    let timer: Timer | null = null
    let over = false
    const holdersOf = (slot: number): number => {
      let holders = 0
      for (const outgoing of this.#followers.of(slot)) if (outgoing.state(slot) === COMPLETE && !behind.has(outgoing)) holders++
      return holders
    }
    const finish = (): void => {
      over = true
      timer?.cancel()
      for (const cancel of cancels) cancel()
      done(list.length === 0 ? 0 : list.reduce((least, slot) => Math.min(least, holdersOf(slot)), Number.POSITIVE_INFINITY))
    }
    const look = (): void => {
      if (over) return
      timer?.cancel()
      const leftMs = untilMs - this.#clock.now()
      if (leftMs <= 0 || list.every((slot) => holdersOf(slot) >= wanted)) finish()
      else timer = this.#clock.after(Math.min(LOOK_MS, leftMs), look)
    }
    for (const outgoing of [...behind]) {
      const cancel = outgoing.whenApplied((arrival) => {
        // One that lost its place in the stream counts again when its copy is complete again.
        if (arrival !== 'gone') behind.delete(outgoing)
        if (timer !== null) look()
      })
      cancels.push(cancel)
    }
    look()
  }
}
