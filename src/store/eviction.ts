/**
 * Eviction: what is remembered of an entry's use, in one word of 32 bits, and how much of a reason to evict it that is.
 *
 * - `lru`: the time of the last use, by a clock that ticks with uses (`use-clock.ts`).
 * - `lfu`: as Redis has it (evict.c, "LFU implementation"): a logarithmic counter of eight bits that grows with ever smaller chance and loses one
 *   a minute without use.
 * - `ttl`: what expires first goes first; the last use is remembered all the same.
 *
 * The order is approximate: the most evictable of a few random entries goes. The policy may change at any time. A mark made under the other
 * kind of policy is then misread, nearly always as of an entry not used for long, until the entry is used again.
 */
import type { Random } from '../lib/random.ts'
import type { EvictionPolicy } from './store.ts'
import { UseClock } from './use-clock.ts'

/** Which entries may be evicted while they live. */
export type EvictionScope = 'all' | 'volatile' | 'none'

const LFU_FIRST = 5
const LFU_LOG_FACTOR = 10
const LFU_MAX = 255
const LFU_MINUTE_MS = 60_000

export class Eviction {
  readonly #random: Random
  readonly #clock = new UseClock()
  #scope: EvictionScope = 'none'
  #order: 'lru' | 'lfu' | 'ttl' = 'lru'

  constructor(policy: EvictionPolicy, random: Random) {
    this.#random = random
    this.setPolicy(policy)
  }

  get scope(): EvictionScope {
    return this.#scope
  }

  setPolicy(policy: EvictionPolicy): void {
    this.#scope = policy === 'noeviction' ? 'none' : policy.startsWith('allkeys') ? 'all' : 'volatile'
    this.#order = policy.endsWith('lfu') ? 'lfu' : policy.endsWith('ttl') ? 'ttl' : 'lru'
  }

  /** Says how many entries there are, now and then. */
  setPopulation(entries: number): void {
    this.#clock.setPopulation(entries)
  }

  /** The mark of a new entry. Counts a use. */
  first(nowMs: number): number {
    if (this.#order === 'lfu') return lfuMark(minutesOf(nowMs), LFU_FIRST)
    return this.#clock.use(nowMs)
  }

  /** The mark of an entry that is used, out of what it was. Counts a use. */
  used(mark: number, nowMs: number): number {
    if (this.#order !== 'lfu') return this.#clock.use(nowMs)
    return lfuMark(minutesOf(nowMs), this.#counted(decayed(mark, nowMs)))
  }

  /** As `used`, of an entry that was used so many times elsewhere. */
  usedElsewhere(mark: number, nowMs: number, uses: number): number {
    if (this.#order !== 'lfu') return this.#clock.use(nowMs)
    let counter = decayed(mark, nowMs)
    for (let i = 0; i < uses; i++) counter = this.#counted(counter)
    return lfuMark(minutesOf(nowMs), counter)
  }

  #counted(counter: number): number {
    const chance = 1 / (Math.max(0, counter - LFU_FIRST) * LFU_LOG_FACTOR + 1)
    return counter < LFU_MAX && this.#random.next() < chance ? counter + 1 : counter
  }

  /** Larger goes sooner. */
  reason(mark: number, expiresAtMs: number, nowMs: number): number {
    if (this.#order === 'ttl') return -expiresAtMs
    if (this.#order === 'lfu') return LFU_MAX - decayed(mark, nowMs)
    return this.#clock.age(mark)
  }

  /** Whether an entry is enough like the last victims to go with them when it stands in the way. */
  isCold(reason: number, ofVictims: number): boolean {
    return this.#order === 'lru' ? reason >= ofVictims / 2 : reason >= ofVictims
  }

  /** Ms since the last use, as exact as the clock remembers; `null` where frequency is remembered instead. */
  idleMs(mark: number, nowMs: number): number | null {
    return this.#order === 'lfu' ? null : this.#clock.idleMs(mark, nowMs)
  }

  /** The counter of uses, 0 to 255; `null` where the last use is remembered instead. */
  frequency(mark: number, nowMs: number): number | null {
    return this.#order === 'lfu' ? decayed(mark, nowMs) : null
  }
}

function minutesOf(nowMs: number): number {
  return Math.floor(nowMs / LFU_MINUTE_MS) & 0xffff
}

function lfuMark(minutes: number, counter: number): number {
  return (minutes << 8) | counter
}

function decayed(mark: number, nowMs: number): number {
  const idle = (minutesOf(nowMs) - (mark >>> 8)) & 0xffff
  return Math.max(0, (mark & LFU_MAX) - idle)
}
