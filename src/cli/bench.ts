/**
 * Bench: a small load generator. `connections` times `pipeline` callers each make one call after the other, so the load follows what the server can
 * take (a closed loop), and what is measured includes this client. For the limits of a server run several of these, on other machines.
 */
import { type JackdawClient, JackdawError } from '../client/index.ts'
import { SeededRandom } from '../lib/random.ts'
import { errorCodeOf } from './exit-code.ts'
import { LatencyHistogram } from './latency-histogram.ts'

export interface BenchPlan {
  /** Callers at the same time. */
  readonly callers: number
  /** Share of gets, 0 to 1; the rest are sets. */
  readonly gets: number
  readonly keys: number
  readonly valueBytes: number
  readonly prefix: string
  /** Whichever comes first. */
  readonly maxCalls: number
  readonly maxMs: number
}

export interface Figures {
  readonly calls: number
  readonly perSecond: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

export interface BenchReport {
  readonly seconds: number
  readonly all: Figures
  readonly get: Figures
  readonly set: Figures
  /** Failed calls by their code. They are in no other figure. */
  readonly errors: Readonly<Record<string, number>>
}

/** The same keys in the same order in every run. */
const SEED = 1
const KEYS_AT_A_TIME = 1000

export class Bench {
  readonly #client: JackdawClient
  readonly #plan: BenchPlan
  readonly #value: Buffer
  readonly #random = new SeededRandom(SEED)
  readonly #histograms = { all: new LatencyHistogram(), get: new LatencyHistogram(), set: new LatencyHistogram() }
  readonly #errors = new Map<string, number>()
  #begun = 0
  /** The first failure, for who wants to end with it. */
  firstError: unknown = null

  constructor(client: JackdawClient, plan: BenchPlan) {
    this.#client = client
    this.#plan = plan
    this.#value = Buffer.alloc(plan.valueBytes, 'jackdaw ')
  }

  /** Calls that have begun. */
  get begun(): number {
    return this.#begun
  }

  /** Stores all keys, so that gets find something. */
  async fill(): Promise<void> {
    for (const keys of this.#keysInTurn()) await this.#client.setMany(keys.map((key) => [key, this.#value] as const))
  }

  async run(): Promise<BenchReport> {
    const began = performance.now()
    const end = began + this.#plan.maxMs
    await Promise.all(Array.from({ length: this.#plan.callers }, () => this.#callUntil(end)))
    const seconds = (performance.now() - began) / 1000
    const { all, get, set } = this.#histograms
    return {
      seconds: round(seconds),
      all: figuresOf(all, seconds),
      get: figuresOf(get, seconds),
      set: figuresOf(set, seconds),
      errors: Object.fromEntries(this.#errors),
    }
  }

  async clean(): Promise<void> {
    for (const keys of this.#keysInTurn()) await this.#client.delete(keys)
  }

  async #callUntil(end: number): Promise<void> {
    const { maxCalls, gets, keys, prefix } = this.#plan
    while (this.#begun < maxCalls) {
      const began = performance.now()
      if (began >= end) return
      this.#begun++
      const isGet = this.#random.next() < gets
      const key = `${prefix}${Math.floor(this.#random.next() * keys)}`
      try {
        if (isGet) await this.#client.get(key)
        else await this.#client.set(key, this.#value)
      } catch (error) {
        this.#count(error)
        continue
      }
      const ms = performance.now() - began
      this.#histograms.all.record(ms)
      this.#histograms[isGet ? 'get' : 'set'].record(ms)
    }
  }

  #count(error: unknown): void {
    if (!(error instanceof JackdawError)) throw error
    this.firstError ??= error
    const code = errorCodeOf(error)
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  *#keysInTurn(): Generator<string[], void, undefined> {
    const { keys, prefix } = this.#plan
    for (let from = 0; from < keys; from += KEYS_AT_A_TIME) {
      yield Array.from({ length: Math.min(KEYS_AT_A_TIME, keys - from) }, (_, i) => `${prefix}${from + i}`)
    }
  }
}

function figuresOf(histogram: LatencyHistogram, seconds: number): Figures {
  return {
    calls: histogram.count,
    perSecond: Math.round(histogram.count / seconds),
    meanMs: round(histogram.meanMs),
    p50Ms: round(histogram.percentileMs(50)),
    p90Ms: round(histogram.percentileMs(90)),
    p99Ms: round(histogram.percentileMs(99)),
    p999Ms: round(histogram.percentileMs(99.9)),
    maxMs: round(histogram.maxMs),
  }
}

/** Three digits behind the point: microseconds. */
function round(value: number): number {
  return Number(value.toFixed(3))
}
