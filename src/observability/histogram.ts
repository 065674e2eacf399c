/**
 * Histogram: how often a measurement fell into each of a few buckets, by label.
 *
 * Observing adds to plain numbers, because a request passes here; the text that Prometheus reads is made at the scrape. Label values must come
 * from a small fixed set, never from a key, a path or a client.
 */
export interface HistogramValue {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** By bucket, not cumulative; the last is for what is over every bound. */
  readonly counts: Float64Array
  sum: number
}

/** More series than any of our label sets can make: a label that is not bounded shows in the first test, not in production. */
const MAX_SERIES = 1000

export class Histogram {
  readonly name: string
  readonly #labels: readonly string[]
  /** Ascending upper bounds, each inclusive. */
  readonly #bounds: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor(name: string, labels: readonly string[], bounds: readonly number[]) {
    for (let i = 1; i < bounds.length; i++) {
      if ((bounds[i] as number) <= (bounds[i - 1] as number)) throw new RangeError(`the buckets of ${name} do not ascend`)
    }
    this.name = name
    this.#labels = labels
    this.#bounds = bounds
  }

  /** `labelValues` in the order of the labels. */
  observe(value: number, ...labelValues: readonly string[]): void {
    this.observeMany(value, 1, ...labelValues)
  }

  /** The same value, so many times. */
  observeMany(value: number, times: number, ...labelValues: readonly string[]): void {
    const series = this.#seriesOf(labelValues)
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++
    series.counts[bucket] = (series.counts[bucket] as number) + times
    series.sum += value * times
  }

  /** The samples as Prometheus has them: cumulative buckets, sum and count. */
  collect(): HistogramValue[] {
    const values: HistogramValue[] = []
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0
      this.#bounds.forEach((bound, bucket) => {
        total += counts[bucket] as number
        values.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le: bound }, value: total })
      })
      total += counts[this.#bounds.length] as number
      values.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le: '+Inf' }, value: total })
      values.push({ metricName: `${this.name}_sum`, labels, value: sum })
      values.push({ metricName: `${this.name}_count`, labels, value: total })
    }
    return values
  }

  #seriesOf(labelValues: readonly string[]): Series {
    const key = labelValues.length === 1 ? (labelValues[0] as string) : labelValues.join('\n')
    const known = this.#series.get(key)
    if (known !== undefined) return known
    if (labelValues.length !== this.#labels.length) throw new RangeError(`${this.name} has ${this.#labels.length} labels`)
    if (this.#series.size === MAX_SERIES) throw new RangeError(`${this.name} has more than ${MAX_SERIES} series`)
    const labels = Object.fromEntries(this.#labels.map((label, i) => [label, labelValues[i] as string]))
    const series = { labels, counts: new Float64Array(this.#bounds.length + 1), sum: 0 }
    this.#series.set(key, series)
    return series
  }
}
