/**
 * Reputation: what others say of this very member, and how it answers.
 *
 * Of this life: whoever calls it suspect, dead or gone is refuted with a higher incarnation, except by a fact, which ends it. Of another life
 * of its name: while this process has not joined, an earlier process is remembered with a generation of at least ours (a wall clock was set
 * back), so this life becomes a later one still; afterwards a later life means that this one has to end, and an earlier one that is still
 * about is told who is here now.
 */
import type { Logger } from '../lib/logger.ts'
import type { Awareness } from './awareness.ts'
import type { Gossiper } from './gossiper.ts'
import type { MembershipEvents } from './membership.ts'
import type { OwnRecord } from './own-record.ts'
import { compareLives, isLive, type MemberRecord } from './record.ts'

export class Reputation {
  readonly #own: OwnRecord
  readonly #gossiper: Gossiper
  readonly #awareness: Awareness
  readonly #events: Pick<MembershipEvents, 'heldDead' | 'superseded'>
  readonly #log: Logger
  #superseded = false
  /** `heldDead` was told for verdicts up to this incarnation. */
  #heldDeadIncarnation = -1
  #refutationsTotal = 0

  constructor(
    own: OwnRecord,
    gossiper: Gossiper,
    awareness: Awareness,
    events: Pick<MembershipEvents, 'heldDead' | 'superseded'>,
    log: Logger,
  ) {
    this.#own = own
    this.#gossiper = gossiper
    this.#awareness = awareness
    this.#events = events
    this.#log = log
  }

  get refutationsTotal(): number {
    return this.#refutationsTotal
  }

  /** News about this member's name. `joined` tells whether this life is known to anybody yet. */
  hear(news: MemberRecord, joined: boolean): void {
    const own = this.#own.record
    const later = compareLives(news, own)
    if (later === 0) this.#hearOfThisLife(news)
    else if (!joined && news.generation >= own.generation) this.#outlive(news.generation)
    else if (later > 0) this.supersede()
    else if (isLive(news)) this.#spreadAgain()
  }

  /** This life is over. Told once. */
  supersede(): void {
    if (this.#superseded) return
    this.#superseded = true
    this.#log.warn({ generation: this.#own.record.generation }, 'this life is over: a later one is known, or it was declared gone')
    this.#events.superseded()
  }

  #hearOfThisLife(news: MemberRecord): void {
    const own = this.#own.record
    // It says `left` itself: there is nothing to defend.
    if (own.state === 'left') return
    if (news.fact) {
      if (news.meta.uid === own.meta.uid) this.supersede()
      return
    }
    if (news.state === 'alive' && news.incarnation <= own.incarnation) return
    if (news.incarnation < own.incarnation) {
      this.#spreadAgain()
    } else {
      this.#own.refute(news.incarnation)
      this.#refutationsTotal++
      this.#awareness.apply(1)
      this.#gossiper.spread(this.#own.record)
      this.#gossiper.promptly()
    }
    const heldDead = news.state === 'dead' || news.state === 'left'
    if (!heldDead || news.incarnation <= this.#heldDeadIncarnation) return
    this.#heldDeadIncarnation = news.incarnation
    this.#log.warn({ incarnation: news.incarnation }, 'this member was held dead and says that it lives')
    this.#events.heldDead()
  }

  /** Not from the start, when it is on its way already: stale news comes in many copies. */
  #spreadAgain(): void {
    if (!this.#gossiper.spreads(this.#own.record.name)) this.#gossiper.spread(this.#own.record)
  }

  #outlive(generation: number): void {
    this.#own.outlive(generation)
    this.#log.info({ generation: this.#own.record.generation }, 'an earlier life of this name had a later generation')
    this.#gossiper.spread(this.#own.record)
    this.#gossiper.promptly()
  }
}
