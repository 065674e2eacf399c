/**
 * The list of all other members that are remembered, and the order in which the live ones are probed.
 *
 * Dead and left members stay, so that late news cannot revive them; a name has one record, so memory is bounded by names, and by 4096 of them.
 * Probing goes round robin over a shuffled order (SWIM, section 4.3): everybody is probed within 2n - 1 intervals at worst. A newcomer is put
 * somewhere into what is left of the round.
 */
import { type Random, randomBelow, sample, shuffle } from '../lib/random.ts'
import { MAX_PUSH_PULL_MEMBERS } from './codec.ts'
import { isLive, type MemberRecord } from './record.ts'

/** One less than a push/pull holds: the member itself travels with them. */
const MAX_OTHERS = MAX_PUSH_PULL_MEMBERS - 1

export class MemberList {
  readonly #random: Random
  readonly #records = new Map<string, MemberRecord>()
  #live: MemberRecord[] | null = null
  readonly #round: string[] = []
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  get(name: string): MemberRecord | undefined {
    return this.#records.get(name)
  }

  all(): MemberRecord[] {
    return [...this.#records.values()]
  }

  /** Alive and suspected ones. The array is the list's own. */
  live(): readonly MemberRecord[] {
    this.#live ??= this.all().filter(isLive)
    return this.#live
  }

  sampleLive(count: number, except?: string): MemberRecord[] {
    const candidates = except === undefined ? this.live() : this.live().filter((member) => member.name !== except)
    return sample(this.#random, candidates, count)
  }

  /** Room for one more name, if need be by forgetting one that is not live; false when all 4095 are live. O(n) only when full. */
  makeRoom(): boolean {
    if (this.#records.size < MAX_OTHERS) return true
    for (const record of this.#records.values()) {
      if (isLive(record)) continue
      this.#records.delete(record.name)
      return true
    }
    return false
  }

  put(record: MemberRecord): void {
    this.#records.set(record.name, record)
    this.#live = null
    if (isLive(record) && !this.#round.includes(record.name)) {
      const place = this.#at + randomBelow(this.#random, this.#round.length - this.#at + 1)
      this.#round.splice(place, 0, record.name)
    }
  }

  /** The live member whose turn it is; undefined when there is none. */
  nextToProbe(): MemberRecord | undefined {
    while (this.#round.length > 0) {
      if (this.#at >= this.#round.length) {
        shuffle(this.#random, this.#round)
        this.#at = 0
      }
      const record = this.#records.get(this.#round[this.#at] as string)
      if (record !== undefined && isLive(record)) {
        this.#at++
        return record
      }
      this.#round.splice(this.#at, 1)
    }
    return undefined
  }
}
