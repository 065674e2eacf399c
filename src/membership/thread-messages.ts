/**
 * What the two threads of membership say to each other (membership-host.ts runs it, remote-membership.ts stands for it in the data path), and how
 * they take turns: each side has one letter under way and writes the next when the other has taken it. What happens meanwhile is gathered,
 * later news in place of earlier, so a side that stands still for minutes finds one letter when it wakes, gets one more, and no queue grows.
 */
import type { OwnTime, PeerClock } from '../lib/cluster-time.ts'
import type { Address } from '../transport/transport.ts'
import type { Member, MemberMeta, MembershipStats } from './membership.ts'
import type { OwnIdentity } from './own-record.ts'

/** One end of a channel between two threads; messages arrive in order, as copies. */
export interface ThreadPort<Out, In> {
  post(message: Out): void
  /** One receiver. */
  onMessage(receive: (message: In) => void): void
}

/** From the data path. The latest of each; all are states to be reached or facts, so gathering loses nothing. */
export interface Wishes {
  readonly meta: Partial<MemberMeta>
  readonly seeds: readonly Address[] | null
  /** Lives that are over as a fact: name and pod UID. */
  readonly gone: readonly (readonly [name: string, uid: string])[]
  readonly hints: readonly string[]
  /** Null where it is as it was. */
  readonly time: OwnTime | null
  /** To say farewell, within so many ms; null to stay. */
  readonly leaveWithinMs: number | null
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogLine = readonly [level: LogLevel, fields: object, message: string]

/** Counts that only the thread of membership knows; members by state are counted from its news. */
export type Counts = Omit<MembershipStats, 'alive' | 'suspect' | 'dead' | 'left'>

/** To the data path. */
export interface News {
  readonly self: Member
  readonly joined: boolean
  /** In the order of the events. A name is there at most twice: the end of a life, and what came after. */
  readonly changes: readonly Member[]
  readonly heldDead: boolean
  readonly superseded: boolean
  /** The farewell has been said: the last letter. */
  readonly left: boolean
  readonly counts: Counts
  /** All that are known. Offsets are from a monotonic time that both threads share: that of the process. */
  readonly clocks: readonly PeerClock[]
  readonly lines: readonly LogLine[]
}

export type ToHost =
  | { readonly type: 'start'; readonly self: OwnIdentity }
  | { readonly type: 'wishes'; readonly wishes: Wishes }
  | { readonly type: 'taken' }
  | { readonly type: 'close' }

export type FromHost = { readonly type: 'news'; readonly news: News } | { readonly type: 'taken' }

/** One side's turn to write. */
export class Correspondence<Letter> {
  readonly #gather: () => Letter | null
  readonly #post: (letter: Letter) => void
  #underWay = false

  /** `gather` takes what there is to say, null for nothing. */
  constructor(gather: () => Letter | null, post: (letter: Letter) => void) {
    this.#gather = gather
    this.#post = post
  }

  /** There may be something to say: it goes now, or when the letter under way has been taken. */
  offer(): void {
    if (this.#underWay) return
    const letter = this.#gather()
    if (letter === null) return
    this.#underWay = true
    this.#post(letter)
  }

  taken(): void {
    this.#underWay = false
    this.offer()
  }
}
