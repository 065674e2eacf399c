/**
 * Eviction: what is remembered of an entry's use, in one word of 32 bits, and how much of a reason to evict it that is.
 *
 * - `lru`: the time of the last use, by a clock that counts uses: one tick for each thousandth of the entries used, so that its resolution fits
 *   the population and four milliards of ticks last long. Needs no wall clock, and a store of a hundred entries is told apart as well as one of
 *   ten million.
 * - `lfu`: as Redis has it (evict.c, "LFU implementation"): a logarithmic counter of eight bits that grows with ever smaller chance and loses one
 *   a minute without use.
 * - `ttl`: nothing; what expires first goes first.
 *
 * The order is approximate: the most evictable of a few random entries goes.
 */
import type { Random } from '../lib/random.ts'
import type { EvictionPolicy } from './store.ts'

/** Which entries may be evicted while they live. */
export type EvictionScope = 'all' | 'volatile' | 'none'

const TICKS_A_POPULATION = 1024
const LFU_FIRST = 5
const LFU_LOG_FACTOR = 10
const LFU_MAX = 255
const LFU_MINUTE_MS = 60_000

export class Eviction {
  readonly scope: EvictionScope
  readonly #order: 'lru' | 'lfu' | 'ttl'
  readonly #random: Random
  #clock = 0
  #uses = 0
  #usesATick = 1

  constructor(policy: EvictionPolicy, random: Random) {
    this.#random = random
    this.scope = policy === 'noeviction' ? 'none' : policy.startsWith('allkeys') ? 'all' : 'volatile'
    this.#order = policy.endsWith('lfu') ? 'lfu' : policy.endsWith('ttl') ? 'ttl' : 'lru'
  }

  /** Says how many entries there are, now and then: the clock's step follows. */
  setPopulation(entries: number): void {
    this.#usesATick = 1 + Math.floor(entries / TICKS_A_POPULATION)
  }

  /** The mark of a new entry. Counts a use. */
  first(nowMs: number): number {
    if (this.#order === 'lfu') return lfuMark(minutesOf(nowMs), LFU_FIRST)
    return this.#tick()
  }

  /** The mark of an entry that is used, out of what it was. Counts a use. */
  used(mark: number, nowMs: number): number {
    if (this.#order !== 'lfu') return this.#tick()
    const counter = decayed(mark, nowMs)
    const chance = 1 / (Math.max(0, counter - LFU_FIRST) * LFU_LOG_FACTOR + 1)
    return lfuMark(minutesOf(nowMs), counter < LFU_MAX && this.#random.next() < chance ? counter + 1 : counter)
  }

  /** Larger goes sooner. */
  reason(mark: number, expiresAtMs: number, nowMs: number): number {
    if (this.#order === 'ttl') return -expiresAtMs
    if (this.#order === 'lfu') return LFU_MAX - decayed(mark, nowMs)
    return (this.#clock - mark) >>> 0
  }

  /** Whether an entry is enough like the last victims to go with them when it stands in the way. */
  isCold(reason: number, ofVictims: number): boolean {
    return this.#order === 'lru' ? reason >= ofVictims / 2 : reason >= ofVictims
  }

  #tick(): number {
    if (++this.#uses >= this.#usesATick) {
      this.#uses = 0
      this.#clock = (this.#clock + 1) >>> 0
    }
    return this.#clock
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
