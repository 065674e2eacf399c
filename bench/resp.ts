/**
 * The Redis face beside redis-server: GET and SET, in pipelines and one by one, with redis-benchmark as the load for both.
 */
import { redisBenchmark, type Sample } from './load.ts'
import { Loader, REDIS } from './loader.ts'
import { decimals, ratioText, type Section, thousands } from './report.ts'
import { measureInTurn, type Plan, Samples } from './rounds.ts'
import type { ServerProcess, Subject } from './server-process.ts'

const CONNECTIONS = 50
const KEYS = 100_000
const VALUE_BYTES = 100
const WARM_SHARE = 0.25

interface Kind {
  readonly name: string
  readonly command: 'GET' | 'SET'
  readonly pipeline: number
  /** Some four seconds, or one. */
  readonly requests: number
  readonly quickRequests: number
}

const KINDS: readonly Kind[] = [
  { name: 'SET, pipeline 16', command: 'SET', pipeline: 16, requests: 3_000_000, quickRequests: 500_000 },
  { name: 'GET, pipeline 16', command: 'GET', pipeline: 16, requests: 3_000_000, quickRequests: 500_000 },
  { name: 'SET, no pipeline', command: 'SET', pipeline: 1, requests: 350_000, quickRequests: 80_000 },
  { name: 'GET, no pipeline', command: 'GET', pipeline: 1, requests: 350_000, quickRequests: 80_000 },
]

/** The first of the subjects is measured against the second, if there is one. */
export async function measureResp(plan: Plan, subjects: readonly [Subject, ...Subject[]], notes: readonly string[]): Promise<Section> {
  const samples = new Samples<Sample>()
  const requestsOf = (kind: Kind): number => (plan.quick ? kind.quickRequests : kind.requests)
  await measureInTurn('RESP', plan, subjects, async (server, { name }) => {
    const run = ({ command, pipeline }: Kind, requests: number): Promise<Sample> =>
      redisBenchmark(server, { command, pipeline, requests, connections: CONNECTIONS, keys: KEYS, valueBytes: VALUE_BYTES })
    await fill(server)
    for (const kind of KINDS) await run(kind, Math.ceil(requestsOf(kind) * WARM_SHARE))
    for (const kind of KINDS) samples.add(kind.name, name, await run(kind, requestsOf(kind)))
  })
  const [subject, rival] = subjects.map(({ name }) => name) as [string, string?]
  const names = rival === undefined ? [subject] : [rival, subject]
  const perSecond = (sample: Sample): number => sample.perSecond
  const p99 = (sample: Sample): number => sample.p99Ms
  const cpu = (sample: Sample): number => sample.cpuMicros
  const each = (figure: (name: string) => string): string[] => names.map(figure)
  return {
    title: 'RESP: GET and SET',
    text:
      `redis-benchmark, ${CONNECTIONS} connections, ${KEYS.toLocaleString('en')} keys, values of ${VALUE_BYTES} B. ` +
      'Requests a second, the ratio of the two (the median of the rounds, then the least and the most), p99 in ms, ' +
      'and CPU time of the server in µs a request. The goal is a ratio of 1.0.',
    head: [
      '',
      ...each((name) => `${name}, requests/s`),
      ...(rival === undefined ? [] : ['ratio']),
      ...each((name) => `p99, ${name}`),
      ...each((name) => `CPU, ${name}`),
    ],
    rows: KINDS.map(({ name: what }) => [
      what,
      ...each((name) => thousands(samples.median(what, name, perSecond))),
      ...(rival === undefined ? [] : [ratioText(samples.ratio(what, subject, rival, perSecond))]),
      ...each((name) => decimals(samples.median(what, name, p99), 2)),
      ...each((name) => decimals(samples.median(what, name, cpu), 2)),
    ]),
    notes,
  }
}

/** All keys, so that every GET finds one. */
async function fill(server: ServerProcess): Promise<void> {
  const loader = await Loader.connect(server.port, REDIS)
  try {
    await loader.set(KEYS, redisBenchmarkKey, 'x'.repeat(VALUE_BYTES))
    await loader.expect(KEYS)
  } finally {
    loader.close()
  }
}

/** The keys that redis-benchmark asks for with `-r`. */
function redisBenchmarkKey(i: number): string {
  return `key:${String(i).padStart(12, '0')}`
}
