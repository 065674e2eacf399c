/**
 * Survey: what replication tells those who look at the cluster from outside. It reads what the other parts hold, and changes nothing.
 */
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import { COMPLETE } from './outgoing.ts'
import type { Publication } from './publication.ts'
import { PARKED } from './slot-table.ts'

export interface SurveyedCopy {
  readonly name: string
  readonly complete: boolean
}

/** A member and its copies, of slots that are this member's `own` and of others. */
interface Surveyed {
  readonly isComplete: (slot: number, own: boolean) => boolean
  readonly complete: SurveyedCopy
  readonly partial: SurveyedCopy
}

/** The replication from this member to one other. */
export interface SurveyedFollower {
  readonly name: string
  /** Since it acknowledged anything, or, if it never has, since it is there, while something waits for that; else 0. */
  readonly lagMs: number
  readonly backlogBytes: number
  readonly incompleteSlots: number
}

export class Survey {
  readonly #context: Context
  readonly #followers: Followers
  readonly #publication: Publication

  constructor(context: Context, followers: Followers, publication: Publication) {
    this.#context = context
    this.#followers = followers
    this.#publication = publication
  }

  /** Another one whenever `copies` may answer otherwise, but for what the version of routes tells. */
  get version(): string {
    let incomplete = 0
    for (const outgoing of this.#followers.all()) incomplete += outgoing.incomplete
    return `${this.#publication.version} ${incomplete}`
  }

  /**
   * Reads, slot by slot, who copies it: those who have a seat or follow, its holder apart, in preference order. Complete by the follower's own word for a
   * slot of this member, by what was published for another's. Good for one turn of the event loop; a name and a completeness are always the same object.
   */
  copies(): (slot: number) => SurveyedCopy[] {
    const { table } = this.#context
    const view = this.#context.view()
    const self = this.#context.self().name
    const members = new Map([...view.present()].map(({ name, generation }) => [name, this.#surveyed(name, generation)]))
    return (slot) => {
      const own = table.isPrimary(slot)
      const holder = own ? self : table.term(slot)?.name
      const copies: SurveyedCopy[] = []
      for (let rank = 0; rank < view.seatCount; rank++) {
        const name = view.ring.at(slot, rank)
        const member = name === holder ? undefined : members.get(name)
        if (member !== undefined) copies.push(member.isComplete(slot, own) ? member.complete : member.partial)
      }
      if (!own) return copies
      for (const { peer } of this.#followers.of(slot)) {
        if (view.ring.rank(slot, peer.name) < view.seatCount) continue
        const standIn = members.get(peer.name)
        if (standIn !== undefined) copies.push(standIn.isComplete(slot, own) ? standIn.complete : standIn.partial)
      }
      return copies
    }
  }

  /** This member has granted the slot away, and its heir has not been heard yet. */
  isMoving(slot: number): boolean {
    return this.#context.table.role(slot) === PARKED
  }

  followers(): SurveyedFollower[] {
    const nowMs = this.#context.clock.now()
    const followers: SurveyedFollower[] = []
    for (const outgoing of this.#followers.all()) {
      const { peer, backlogBytes, incomplete } = outgoing
      followers.push({ name: peer.name, lagMs: outgoing.lagMs(nowMs), backlogBytes, incompleteSlots: incomplete })
    }
    return followers
  }

  #surveyed(name: string, generation: number): Surveyed {
    const { self, table } = this.#context
    const outgoing = this.#followers.outgoing({ name, generation })
    const published = this.#publication.of(name, generation)?.complete
    const isComplete =
      name === self().name
        ? (slot: number): boolean => table.isComplete(slot)
        : (slot: number, own: boolean): boolean => (own ? outgoing?.state(slot) === COMPLETE : published?.has(slot) === true)
    return { isComplete, complete: { name, complete: true }, partial: { name, complete: false } }
  }
}
