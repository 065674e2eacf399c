/**
 * Use clock: the time of the last use, in 32 bits, finer the more there is to tell apart, and the way back from there to milliseconds.
 *
 * It ticks once for each thousandth of the entries used, so a store of a hundred entries is ordered as well as one of ten million and a clock
 * that jumps puts nothing out of order; and, where there are few uses, once in 100 ms. Four milliards of ticks last long.
 *
 * When it ticked is remembered in a thousand samples. When they are too many, the one goes that is missed least: whose neighbours are closest
 * together, measured by how long ago they were. So what is known of a moment is exact to 100 ms at first, later to one or two hundredths of the
 * time since.
 */
const TICKS_A_POPULATION = 1024
const TICK_MS = 100
const SAMPLES = 1024

export class UseClock {
  #now = 0
  #uses = 0
  #usesATick = 1
  #nextSampleMs = Number.NEGATIVE_INFINITY
  /** Ascending: a tick, and when it came. */
  readonly #ticks = new Float64Array(SAMPLES)
  readonly #times = new Float64Array(SAMPLES)
  #samples = 0

  /** Says how many entries there are, now and then: the clock's step follows. */
  setPopulation(entries: number): void {
    this.#usesATick = 1 + Math.floor(entries / TICKS_A_POPULATION)
  }

  /** Counts a use. Returns its mark. */
  use(nowMs: number): number {
    if (++this.#uses < this.#usesATick && nowMs < this.#nextSampleMs) return this.#now >>> 0
    this.#uses = 0
    this.#now++
    if (nowMs >= this.#nextSampleMs) this.#sample(nowMs)
    return this.#now >>> 0
  }

  /** How many ticks ago a mark was given. */
  age(mark: number): number {
    return (this.#now - mark) >>> 0
  }

  /** How long ago, in ms. What is older than the clock is as old as the clock. O(log samples). */
  idleMs(mark: number, nowMs: number): number {
    const tick = this.#now - this.age(mark)
    let low = 0
    let high = this.#samples - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#ticks[middle] as number) <= tick) low = middle
      else high = middle - 1
    }
    return this.#samples === 0 ? 0 : Math.max(0, nowMs - (this.#times[low] as number))
  }

  #sample(nowMs: number): void {
    if (this.#samples === SAMPLES) this.#forgetOne(nowMs)
    this.#ticks[this.#samples] = this.#now
    this.#times[this.#samples++] = nowMs
    this.#nextSampleMs = nowMs + TICK_MS
  }

  /** The first stays, since it is when the clock began. O(samples), ten times a second at most. */
  #forgetOne(nowMs: number): void {
    const times = this.#times
    let forgotten = 1
    let least = Number.POSITIVE_INFINITY
    for (let i = 1; i < SAMPLES - 1; i++) {
      const gap = ((times[i + 1] as number) - (times[i - 1] as number)) / (nowMs - (times[i] as number))
      if (gap >= least) continue
      least = gap
      forgotten = i
    }
    this.#ticks.copyWithin(forgotten, forgotten + 1)
    times.copyWithin(forgotten, forgotten + 1)
    this.#samples--
  }
}
