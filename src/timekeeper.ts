/**
 * The timekeeper of one node: has `ClusterTime` look at the clocks, and passes on what it decides: to the hybrid clock, which gives the stamps, to
 * membership, which tells the others, and to the log, where each line says what to do.
 */
import type { Clock } from './lib/clock.ts'
import { AGREEMENT_MS, ClusterTime, type TimeChange, type TimeStats } from './lib/cluster-time.ts'
import type { HybridClock } from './lib/hybrid-clock.ts'
import type { Logger } from './lib/logger.ts'
import type { Member, Membership } from './membership/index.ts'

export interface TimekeeperParts {
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly membership: Membership
  readonly logger: Logger
  /** Nobody else is to be met. */
  readonly alone: () => boolean
  /** That life is over as a fact. */
  readonly isOver: (member: Member) => boolean
}

/** Between two looks of a settled member; one that is not looks at every call. */
const LOOK_MS = 1_000

export class Timekeeper {
  readonly #parts: TimekeeperParts
  readonly #time: ClusterTime
  #lookedMs = Number.NEGATIVE_INFINITY
  #toldMs = Number.NaN

  constructor(parts: TimekeeperParts) {
    this.#parts = parts
    this.#time = new ClusterTime(parts.clock.now(), parts.clock.wallMs())
  }

  /** Before this is true the node gives no stamps. */
  get settled(): boolean {
    return this.#time.settled
  }

  stats(): TimeStats {
    return this.#time.stats()
  }

  /** To be called often; looks when it is time to. */
  tick(): void {
    const { alone, clock, hybrid, isOver, membership } = this.#parts
    const nowMs = clock.now()
    if (this.settled && nowMs - this.#lookedMs < LOOK_MS) return
    this.#lookedMs = nowMs
    let live = 0
    let known = 0
    for (const member of membership.members()) {
      const isLive = member.state === 'alive' || member.state === 'suspect'
      if (isLive) live++
      if (isLive || (member.state === 'dead' && !isOver(member))) known++
    }
    const peers = membership.clocks()
    const change = this.#time.look({ nowMs, wallMs: clock.wallMs(), peers, live, known, met: membership.joined, alone: alone() })
    const { own } = this.#time
    if (own.offsetMs !== this.#toldMs || change !== null) {
      this.#toldMs = own.offsetMs
      hybrid.follow(own.offsetMs)
      membership.tellTime(own)
    }
    if (change !== null) this.#log(change)
  }

  #log({ kind, byMs }: TimeChange): void {
    const { logger } = this.#parts
    const fields = { byMs: Math.round(byMs) }
    if (kind === 'settled') {
      if (Math.abs(byMs) <= AGREEMENT_MS) logger.debug(fields, 'the time is known')
      else logger.warn(fields, "this machine's wall clock is wrong: the other members' time is taken; synchronise the machine (NTP)")
    } else if (kind === 'followed') {
      logger.warn(fields, 'the wall clocks of most members made a step: it is followed')
    } else if (kind === 'refused') {
      logger.warn(fields, "this machine's wall clock is not where most members' are, and is not followed: synchronise the machine (NTP)")
    } else {
      logger.warn(fields, 'most members go by another time: so does this one from now on')
    }
  }
}
