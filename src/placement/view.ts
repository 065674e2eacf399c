/**
 * The placement view: what one member believes about the ring at one moment, and everything that follows from it by rule. Pure and immutable;
 * a new one is made whenever membership or discovery has news.
 *
 * Seats are the first R+1 ring names of a slot's preference order, whether anybody is home or not. Followers are whom the primary streams to:
 * every other seat whose member is alive and not leaving, filled up to R with the next such members (stand-ins).
 */
import { Ring } from './ring.ts'

export interface Presence {
  readonly name: string
  readonly generation: number
  /** It is stopping: given no new seat, never an heir. */
  readonly leaving: boolean
}

export interface ViewInput {
  readonly ringNames: Iterable<string>
  /** Members that are alive or merely suspected, this one included. */
  readonly present: Iterable<Presence>
  /** Ring names that are known, not merely believed, to be gone: deleted pods, members that said `left`. */
  readonly knownGone: Iterable<string>
  /** Names that were taken off the ring because they stayed away, and may be on the other side of a partition. Default none. */
  readonly missing?: Iterable<string>
  /** R: copies beside the primary. */
  readonly replicas: number
  /** The zone that each ring name told last, empty for none: an absent one keeps the zone of its last life. Left out: nobody has a zone. */
  readonly zoneOf?: (name: string) => string
}

const NOBODY: ReadonlySet<string> = new Set()

/** How much of the ring a claimant can see decides the mark of its term, and whether it has to wait. */
export type Sight = 'most' | 'half' | 'few'

export class View {
  readonly ring: Ring
  readonly replicas: number
  /** Fewer than half of the members that may be running are present: if this is one side of a partition, it is the smaller one. */
  readonly isMinority: boolean
  /** All members that may be running are present. */
  readonly isWhole: boolean
  readonly #present = new Map<string, Presence>()
  readonly #knownGone: ReadonlySet<string>
  readonly #sight: Sight

  constructor(input: ViewInput) {
    this.ring = Ring.of(input.ringNames, input.zoneOf)
    this.replicas = input.replicas
    for (const member of input.present) this.#present.set(member.name, member)
    this.#knownGone = new Set(input.knownGone)
    const { counted, present } = this.#count([...this.ring.names, ...(input.missing ?? [])])
    this.isMinority = present * 2 < counted
    this.isWhole = present === counted
    // A minority that waited until the others' places were given up is one still: else its later terms would depose the majority.
    this.#sight = present * 2 > counted ? 'most' : present * 2 === counted ? 'half' : 'few'
  }

  present(): IterableIterator<Presence> {
    return this.#present.values()
  }

  /** Is this very life among the present? */
  isPresent(name: string, generation: number): boolean {
    return this.#present.get(name)?.generation === generation
  }

  isAvailable(name: string): boolean {
    const member = this.#present.get(name)
    return member !== undefined && !member.leaving
  }

  /** Absent, and not merely believed to be. */
  isKnownGone(name: string): boolean {
    return !this.#present.has(name) && this.#knownGone.has(name)
  }

  isLeaving(name: string): boolean {
    return this.#present.get(name)?.leaving === true
  }

  generationOf(name: string): number | undefined {
    return this.#present.get(name)?.generation
  }

  get seatCount(): number {
    return Math.min(this.replicas + 1, this.ring.names.length)
  }

  hasSeat(slot: number, name: string): boolean {
    return this.ring.rank(slot, name) < this.seatCount
  }

  /** As its primary sees it who cannot reach some: the seats that those `cutOff` would have are the next members'. Fewer, when nobody is left. */
  seats(slot: number, cutOff: ReadonlySet<string> = NOBODY): string[] {
    const seats: string[] = []
    for (let rank = 0; rank < this.ring.names.length && seats.length < this.seatCount; rank++) {
      const name = this.ring.at(slot, rank)
      if (!cutOff.has(name)) seats.push(name)
    }
    return seats
  }

  followers(slot: number, primary: string, cutOff: ReadonlySet<string> = NOBODY): string[] {
    const followers: string[] = []
    const names = this.ring.names.length
    let seats = this.replicas + 1
    for (let rank = 0; rank < names; rank++) {
      const name = this.ring.at(slot, rank)
      if (cutOff.has(name)) continue
      const isSeat = seats-- > 0
      if (!isSeat && followers.length >= this.replicas) break
      if (name !== primary && this.isAvailable(name)) followers.push(name)
    }
    return followers
  }

  /** The first member in preference order that is present, not leaving and accepted by `suits`. */
  firstAvailable(slot: number, suits: (name: string) => boolean): string | undefined {
    const names = this.ring.names.length
    for (let rank = 0; rank < names; rank++) {
      const name = this.ring.at(slot, rank)
      if (this.isAvailable(name) && suits(name)) return name
    }
    return undefined
  }

  sight(): Sight {
    return this.#sight
  }

  #count(names: Iterable<string>): { readonly counted: number; readonly present: number } {
    let counted = 0
    let present = 0
    for (const name of names) {
      if (this.#present.has(name)) present++
      if (this.#present.has(name) || !this.#knownGone.has(name)) counted++
    }
    return { counted, present }
  }
}
