/**
 * Suspicion: how long a silent member stands trial before it is called dead.
 *
 * The trial opens with the longest deadline; each further independent accuser brings it forward on a log curve, down to the shortest
 * (Lifeguard, arXiv 1707.00788, LHA-Suspicion). Where too few members are there to confirm, it opens with the shortest. The accused ends it
 * by refuting with a higher incarnation. Holds no timer, reads no clock: callers pass `nowMs` and look at `deadlineMs`.
 */
export interface SuspicionOptions {
  /** The shortest trial. Lower finds dead members sooner and convicts more slow ones. */
  readonly minMs: number
  readonly maxMs: number
  /** Accusers, beyond the first, after whom the shortest trial holds; 0: it holds from the start. */
  readonly expectedConfirmations: number
}

/** Below this many members nobody is left to confirm: the accused, the accuser and one more. */
const MIN_MEMBERS_TO_CONFIRM = 4

/** The trial in a cluster of `members`, the accused and this one included. `multiplier` 3 and `maxMultiplier` 4 are the defaults. */
export function suspicionOptions(members: number, probeIntervalMs: number, multiplier: number, maxMultiplier: number): SuspicionOptions {
  const minMs = multiplier * Math.log10(Math.max(10, members)) * probeIntervalMs
  const wanted = Math.max(0, multiplier - 2)
  return { minMs, maxMs: maxMultiplier * minMs, expectedConfirmations: members < MIN_MEMBERS_TO_CONFIRM ? 0 : wanted }
}

export class Suspicion {
  readonly #options: SuspicionOptions
  readonly #startMs: number
  /** The deadline is not before this: a process that stood still gives the accused time to be heard. */
  #notBeforeMs = 0
  readonly #accusers: Set<string>

  constructor(options: SuspicionOptions, accuser: string, nowMs: number) {
    this.#options = options
    this.#startMs = nowMs
    this.#accusers = new Set([accuser])
  }

  /** False when this accuser was heard already or no more are needed: then it is no news to pass on. */
  confirm(accuser: string): boolean {
    if (this.#accusers.has(accuser) || this.#confirmations >= this.#options.expectedConfirmations) return false
    this.#accusers.add(accuser)
    return true
  }

  /** This process did not run for a while: what was not heard meanwhile speaks against nobody. */
  grantTime(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#options.minMs
  }

  /** Has the accused had no time yet to hear of it and to be heard? Half of the shortest trial is enough for both. */
  isFresh(nowMs: number): boolean {
    return nowMs - this.#startMs < this.#options.minMs / 2
  }

  get deadlineMs(): number {
    return Math.max(this.#notBeforeMs, this.#startMs + this.#trialMs())
  }

  get #confirmations(): number {
    return this.#accusers.size - 1
  }

  #trialMs(): number {
    const { minMs, maxMs, expectedConfirmations } = this.#options
    if (expectedConfirmations === 0) return minMs
    const progress = Math.log(this.#confirmations + 1) / Math.log(expectedConfirmations + 1)
    return Math.max(minMs, maxMs - (maxMs - minMs) * progress)
  }
}
