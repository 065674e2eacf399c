/**
 * Backoff: how long to wait before the next attempt. The wait doubles with every failure up to a ceiling, and chance takes up to half of it away, so
 * that clients that failed together do not come back together; the other half always remains, so that nobody comes back at once.
 */
import type { Random } from './clock.ts'

export interface BackoffOptions {
  /** The full wait after the first failure. */
  readonly baseMs: number
  readonly maxMs: number
}

export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options
    this.#random = random
  }

  /** The wait after `failures` failures in a row, at least one: between half of it and all of it. */
  delayMs(failures: number): number {
    const { baseMs, maxMs } = this.#options
    const full = Math.min(maxMs, baseMs * 2 ** (failures - 1))
    return full / 2 + (full / 2) * this.#random()
  }
}
