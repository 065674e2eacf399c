/**
 * Which names are on the ring: those present, and for a while those that went, because their return would move the data back (the rejoin grace).
 *
 * A name leaves at once if it left for good, after `stoppedGraceMs` if it was stopped or deleted but is still wanted, after `crashedGraceMs` if
 * it crashed; one that crashes again soon after its return has what is left of the first grace, so that a name that comes and goes does not keep its seats
 * empty for ever. A fact from the platform that a name is no longer wanted ends its grace. One that crashed, or was cut off, is `missing` after its grace
 * until it is back or known to be gone: its seats are given away, and whoever counts the sides of a partition counts it. Pure: callers pass `nowMs`.
 */
export interface RejoinGrace {
  /** Default 120 s: the time a rolling update gives a pod to come back. */
  readonly stoppedGraceMs: number
  /** Default 30 s. */
  readonly crashedGraceMs: number
}

export const DEFAULT_GRACE: RejoinGrace = { stoppedGraceMs: 120_000, crashedGraceMs: 30_000 }

const MAX_MISSING = 4096

export type Absence = 'stopped' | 'crashed' | 'for-good'

export class RingNames {
  readonly #grace: RejoinGrace
  readonly #present = new Set<string>()
  /** When each absent name's grace ends. */
  readonly #absentUntilMs = new Map<string, number>()
  /** When the grace of a name's latest crash ended or ends; kept while another crash would count as the same. */
  readonly #crashUntilMs = new Map<string, number>()
  /** Absent names that crashed, or were cut off, in the order in which they went. */
  readonly #crashed = new Set<string>()
  #unwanted: (name: string) => boolean = () => false

  constructor(grace: RejoinGrace = DEFAULT_GRACE) {
    this.#grace = grace
  }

  /** A member that leaves for good counts as absent already: it gives its seats away while it still answers. */
  appeared(name: string, forGood: boolean): void {
    this.#absentUntilMs.delete(name)
    this.#crashed.delete(name)
    if (forGood) this.#present.delete(name)
    else this.#present.add(name)
  }

  went(name: string, absence: Absence, nowMs: number): void {
    const wasPresent = this.#present.delete(name)
    if (absence !== 'crashed') this.#crashed.delete(name)
    else if (wasPresent) this.#crashed.add(name)
    if (absence === 'for-good') this.#absentUntilMs.delete(name)
    else if (wasPresent)
      this.#absentUntilMs.set(name, absence === 'stopped' ? nowMs + this.#grace.stoppedGraceMs : this.#crashedUntil(name, nowMs))
  }

  #crashedUntil(name: string, nowMs: number): number {
    const { crashedGraceMs } = this.#grace
    for (const [other, untilMs] of this.#crashUntilMs) if (nowMs - untilMs >= crashedGraceMs) this.#crashUntilMs.delete(other)
    const untilMs = Math.max(this.#crashUntilMs.get(name) ?? nowMs + crashedGraceMs, nowMs)
    this.#crashUntilMs.set(name, untilMs)
    return untilMs
  }

  /** The platform's word on who is meant to exist; only absent names are judged by it. */
  judgeBy(unwanted: (name: string) => boolean): void {
    this.#unwanted = unwanted
  }

  /** An absent name is known to be gone, not merely believed to be. */
  accounted(name: string): void {
    this.#crashed.delete(name)
  }

  /** Names that may be running out of reach, though they are on the ring no more. At most 4096: the oldest is forgotten first. */
  missing(nowMs: number): string[] {
    const onRing = new Set(this.names(nowMs))
    for (const name of this.#crashed) if (this.#unwanted(name) || this.#crashed.size > MAX_MISSING) this.#crashed.delete(name)
    return [...this.#crashed].filter((name) => !onRing.has(name)).sort()
  }

  names(nowMs: number): string[] {
    for (const [name, untilMs] of this.#absentUntilMs) if (untilMs <= nowMs || this.#unwanted(name)) this.#absentUntilMs.delete(name)
    return [...this.#present, ...this.#absentUntilMs.keys()].sort()
  }
}
