/**
 * Metrics: the only door of prom-client.
 *
 * The rooms count in plain numbers and know nothing of Prometheus; here a function that reads such a number is given a name and a sentence, and
 * is called when somebody scrapes. Names begin with `jackdaw_`, counters end with `_total`, units are base units. Each instance has a registry
 * of its own, so ten nodes fit in one process.
 */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { Histogram } from './histogram.ts'

const PREFIX = 'jackdaw_'
/** How often the event loop's delay is sampled, in ms; the default of 10 costs half a per cent of a core while idle. */
const EVENT_LOOP_PRECISION_MS = 100

/** One value under its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Called at every scrape: must be quick, and must not throw. */
export type Read = () => number | readonly Sample[]

export interface MetricDescription {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

export class Metrics {
  readonly #registry = new Registry()
  readonly #described: MetricDescription[] = []

  constructor(version: string) {
    this.gauge(
      'jackdaw_build_info',
      'Always 1; the labels say what is running.',
      () => [{ labels: { version, node_version: process.version }, value: 1 }],
      ['version', 'node_version'],
    )
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** A number that only grows while the process lives. `labels` names the labels of the samples that `read` answers. */
  counter(name: string, help: string, read: Read, labels: readonly string[] = []): void {
    if (!name.endsWith('_total')) throw new RangeError(`the counter ${name} does not end with _total`)
    this.#add(Counter, 'counter', name, help, read, labels)
  }

  /** A number that rises and falls. */
  gauge(name: string, help: string, read: Read, labels: readonly string[] = []): void {
    this.#add(Gauge, 'gauge', name, help, read, labels)
  }

  /** `bounds` are the ascending upper bounds of the buckets; the one for everything above is added. */
  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): Histogram {
    checkName(name)
    this.#described.push({ name, kind: 'histogram', help, labels })
    const histogram = new Histogram(name, labels, bounds)
    // A registry asks its metrics for `get()` and no more. prom-client's own histogram sorts and hashes its labels at every observation.
    const metric = { name, get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: histogram.collect() }) }
    this.#registry.registerMetric(metric as unknown as Metric)
    return histogram
  }

  /** What Node.js tells of this process: memory, processor, event loop, garbage collection. Once for a process, as it starts observers. */
  observeProcess(): void {
    collectDefaultMetrics({ register: this.#registry, prefix: PREFIX, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS })
  }

  /** What there is, without values: for the documentation. */
  list(): readonly MetricDescription[] {
    return this.#described
  }

  /** All metrics in the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #add(
    Kind: typeof Counter | typeof Gauge,
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    read: Read,
    labels: readonly string[],
  ): void {
    checkName(name)
    this.#described.push({ name, kind, help, labels })
    new Kind({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      // Begun anew at every scrape, both kinds are brought to a number by adding it.
      collect() {
        this.reset()
        const now = read()
        if (typeof now === 'number') this.inc(now)
        else for (const sample of now) this.inc(sample.labels, sample.value)
      },
    })
  }
}

function checkName(name: string): void {
  if (!/^jackdaw_[a-z][a-z0-9_]*$/.test(name)) throw new RangeError(`the metric ${name} is not named jackdaw_...`)
}
