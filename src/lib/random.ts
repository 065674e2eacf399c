/**
 * Random: numbers that a test can foretell. Whoever needs chance takes a `Random`; `SystemRandom` is made in `src/main.ts`.
 */
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

/** A whole number in [0, below). `below` must be at least 1. */
export function randomBelow(random: Random, below: number): number {
  return Math.floor(random.next() * below)
}

/** Fisher-Yates, in place; returns the same array. */
export function shuffle<T>(random: Random, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1)
    const swapped = items[i] as T
    items[i] = items[j] as T
    items[j] = swapped
  }
  return items
}

/** Up to `count` distinct members of `items`, in random order; `items` stays as it is. O(items). */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  return shuffle(random, [...items]).slice(0, count)
}

/** mulberry32 (Tommy Ettinger): 32 bits of state, passes gjrand; enough for simulations and jitter, never for secrets. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Words drawn from the operating system at a time. */
const POOL_WORDS = 1024

/** The operating system's own: nobody foretells it, so it may key a hash. Drawn in pools, so that one number costs nanoseconds. */
export class SystemRandom implements Random {
  readonly #pool = new Uint32Array(POOL_WORDS)
  #used = POOL_WORDS

  next(): number {
    if (this.#used === POOL_WORDS) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    return (this.#pool[this.#used++] as number) / 2 ** 32
  }
}
