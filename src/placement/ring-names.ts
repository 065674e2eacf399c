/**
 * Which names are on the ring: those present, and for a while those that went, because their return would move the data back (the rejoin grace).
 *
 * A name leaves at once if it left for good, after `stoppedGraceMs` if it was stopped or deleted but is still wanted, after `crashedGraceMs` if
 * it crashed. A fact from the platform that a name is no longer wanted ends its grace. Pure: callers pass `nowMs`.
 */
export interface RejoinGrace {
  /** Default 120 s: the time a rolling update gives a pod to come back. */
  readonly stoppedGraceMs: number
  /** Default 30 s. */
  readonly crashedGraceMs: number
}

export const DEFAULT_GRACE: RejoinGrace = { stoppedGraceMs: 120_000, crashedGraceMs: 30_000 }

export type Absence = 'stopped' | 'crashed' | 'for-good'

export class RingNames {
  readonly #grace: RejoinGrace
  readonly #present = new Set<string>()
  /** When each absent name's grace ends. */
  readonly #absentUntilMs = new Map<string, number>()
  #unwanted: (name: string) => boolean = () => false

  constructor(grace: RejoinGrace = DEFAULT_GRACE) {
    this.#grace = grace
  }

  /** A member that leaves for good counts as absent already: it gives its seats away while it still answers. */
  appeared(name: string, forGood: boolean): void {
    this.#absentUntilMs.delete(name)
    if (forGood) this.#present.delete(name)
    else this.#present.add(name)
  }

  went(name: string, absence: Absence, nowMs: number): void {
    const wasPresent = this.#present.delete(name)
    if (absence === 'for-good') this.#absentUntilMs.delete(name)
    else if (wasPresent)
      this.#absentUntilMs.set(name, nowMs + (absence === 'stopped' ? this.#grace.stoppedGraceMs : this.#grace.crashedGraceMs))
  }

  /** The platform's word on who is meant to exist; only absent names are judged by it. */
  judgeBy(unwanted: (name: string) => boolean): void {
    this.#unwanted = unwanted
  }

  names(nowMs: number): string[] {
    for (const [name, untilMs] of this.#absentUntilMs) if (untilMs <= nowMs || this.#unwanted(name)) this.#absentUntilMs.delete(name)
    return [...this.#present, ...this.#absentUntilMs.keys()].sort()
  }
}
