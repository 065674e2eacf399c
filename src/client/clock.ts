/**
 * Time and chance as the client uses them. Tests hand in their own; everybody else gets the machine's.
 */
import { randomInt } from 'node:crypto'

export interface Timer {
  /** Safe to call twice and after the timer fired. */
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds; the origin is arbitrary. */
  now(): number
  /** Calls `fn` once, at least `ms` later; never synchronously. */
  after(ms: number, fn: () => void): Timer
}

/** Uniform in [0, 1). */
export type Random = () => number

/** The longest delay Node's timers can hold; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const handle = setTimeout(fn, Math.min(ms, MAX_TIMER_MS))
    return { cancel: () => clearTimeout(handle) }
  },
}

export const systemRandom: Random = () => randomInt(2 ** 32) / 2 ** 32
