/**
 * LatencyHistogram: any number of durations in a fixed few kilobytes. Buckets grow by 2 %, so a percentile is at most 2 % too high; from a microsecond
 * to more than a minute.
 */
const GROWTH = 1.02
const SMALLEST_MS = 0.001
const BUCKETS = 1024
const LOG_GROWTH = Math.log(GROWTH)

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count
  }

  get maxMs(): number {
    return this.#maxMs
  }

  record(ms: number): void {
    const bucket = ms <= SMALLEST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / SMALLEST_MS) / LOG_GROWTH))
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#count++
    this.#sumMs += ms
    this.#maxMs = Math.max(this.#maxMs, ms)
  }

  /** What `percent` of all durations do not exceed; 0 when there are none. O(buckets). */
  percentileMs(percent: number): number {
    const rank = Math.ceil((percent * this.#count) / 100)
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS && this.#count > 0; bucket++) {
      seen += this.#counts[bucket] as number
      if (seen >= rank && seen > 0) return Math.min(this.#maxMs, SMALLEST_MS * GROWTH ** bucket)
    }
    return this.#maxMs
  }
}
