/**
 * Seeds: addresses that may lead to members, and when to try each of them again.
 *
 * A new seed is tried at once, then after 100, 200, 400 ms and so on up to 2 s while nobody has been met, and every 5 to 10 s at leisure once
 * the cluster is joined: that is how halves that lost each other meet again. All delays are jittered, so that pods that start together do not
 * knock together. A seed rests while the member that answered there, or that has this address, is live. Pure: the caller tells the time.
 */
import type { Random } from '../lib/random.ts'
import type { Address } from '../transport/transport.ts'

interface Seed {
  readonly address: Address
  attempts: number
  dueMs: number
  /** An announcement is under way. */
  busy: boolean
  /** Who answered there last; a seed may be a host name, which no member has as its address. */
  name: string | undefined
}

/** A list longer than this is cut: whoever is met knows the others. */
const MAX_SEEDS = 256
const FIRST_DELAY_MS = 100
const MAX_JOIN_DELAY_MS = 2_000

export class Seeds {
  readonly #random: Random
  readonly #leisureMs: number
  #seeds = new Map<Address, Seed>()

  /** Once joined, a seed that does not answer is tried again after `leisureMs` to twice that. */
  constructor(random: Random, leisureMs: number) {
    this.#random = random
    this.#leisureMs = leisureMs
  }

  /** Seeds that were there before keep their place in the backoff. */
  replace(addresses: readonly Address[], nowMs: number): void {
    const seeds = new Map<Address, Seed>()
    for (const address of addresses.slice(0, MAX_SEEDS)) {
      seeds.set(address, this.#seeds.get(address) ?? { address, attempts: 0, dueMs: nowMs, busy: false, name: undefined })
    }
    this.#seeds = seeds
  }

  /** Up to `count` seeds to announce to now, in the order of the list. They are busy until `tried`. */
  takeDue(nowMs: number, count: number, isMet: (address: Address, name: string | undefined) => boolean): Address[] {
    const due: Address[] = []
    for (const seed of this.#seeds.values()) {
      if (due.length >= count) break
      if (seed.busy || seed.dueMs > nowMs || isMet(seed.address, seed.name)) continue
      seed.busy = true
      due.push(seed.address)
    }
    return due
  }

  /** An announcement ended; `name` is who answered. */
  tried(address: Address, name: string | undefined, joined: boolean, nowMs: number): void {
    const seed = this.#seeds.get(address)
    if (seed === undefined) return
    seed.busy = false
    seed.name = name ?? seed.name
    const backoffMs = FIRST_DELAY_MS * 2 ** Math.min(seed.attempts++, 10)
    const jitter = this.#random.next()
    if (backoffMs <= MAX_JOIN_DELAY_MS) seed.dueMs = nowMs + backoffMs * (0.75 + jitter / 2)
    else if (joined) seed.dueMs = nowMs + this.#leisureMs * (1 + jitter)
    else seed.dueMs = nowMs + MAX_JOIN_DELAY_MS * (0.75 + jitter / 2)
  }
}
