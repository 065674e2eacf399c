/**
 * The HTTP face beside a small Go server, and nginx for scale: GET of a key over connections that stay, with wrk on one core as the load for all.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SeededRandom, shuffle } from '../src/lib/random.ts'
import { type HttpLoad, type Sample, wrk } from './load.ts'
import { mixedKey } from './loader.ts'
import { HOST } from './machine.ts'
import { decimals, ratioText, type Section, thousands } from './report.ts'
import { measureInTurn, type Plan, Samples } from './rounds.ts'
import type { ServerProcess, Subject } from './server-process.ts'
import { temporaryFolder } from './temporary-folder.ts'

const CONNECTIONS = 50
const KEYS = 100_000
const PAIRS_AT_A_TIME = 1_000
const FEW_PAIRS = 20
const SECONDS = 5
const WARM_SECONDS = 1
const REQUEST_LIMIT_MS = 30_000
/** A JSON string of 100 bytes, its quotes included. */
export const HTTP_VALUE = 'x'.repeat(98)

const GET_KEY = '`GET /get/{key}`'
const GET_ALL = `\`GET /\` of ${FEW_PAIRS} pairs`

export interface HttpSubjects {
  readonly jackdaw: Subject
  /** What Jackdaw is measured against. */
  readonly rival: Subject | null
  /** Answers everything with the value: a ceiling. */
  readonly ceiling: Subject | null
}

export async function measureHttp(plan: Plan, { jackdaw, rival, ceiling }: HttpSubjects, notes: readonly string[]): Promise<Section> {
  const samples = new Samples<Sample>()
  const subjects = [ceiling, rival, jackdaw].filter((subject) => subject !== null)
  const pathsFile = join(temporaryFolder('http'), 'paths')
  const paths = Array.from({ length: KEYS }, (_, i) => `/get/${mixedKey(i)}`)
  writeFileSync(pathsFile, `${shuffle(new SeededRandom(1), paths).join('\n')}\n`)
  const load = { seconds: plan.quick ? 1 : SECONDS, connections: CONNECTIONS }
  const all: HttpLoad = { ...load, path: '/' }
  const key: HttpLoad = { ...load, path: '/', pathsFile }
  await measureInTurn('HTTP', plan, subjects, async (server, subject) => {
    await setPairs(server, 0, FEW_PAIRS)
    if (subject === jackdaw) {
      await wrk(server, { ...all, seconds: WARM_SECONDS })
      samples.add(GET_ALL, subject.name, await wrk(server, all))
    }
    for (let from = 0; from < KEYS; from += PAIRS_AT_A_TIME) await setPairs(server, from, PAIRS_AT_A_TIME)
    await expectValue(server)
    await wrk(server, { ...key, seconds: WARM_SECONDS })
    samples.add(GET_KEY, subject.name, await wrk(server, key))
  })
  const row = (what: string, subject: Subject, against: Subject | null): string[] => [
    `${subject.name}, ${what}`,
    thousands(samples.median(what, subject.name, ({ perSecond }) => perSecond)),
    ratioText(against === null ? null : samples.ratio(what, subject.name, against.name, ({ perSecond }) => perSecond)),
    decimals(
      samples.median(what, subject.name, ({ p99Ms }) => p99Ms),
      2,
    ),
    decimals(
      samples.median(what, subject.name, ({ cpuMicros }) => cpuMicros),
      2,
    ),
  ]
  return {
    title: 'HTTP: GET of a key',
    text:
      `wrk on one core, ${CONNECTIONS} connections that stay, ${KEYS.toLocaleString('en')} keys in random order, answers of 100 B. nginx holds no keys and ` +
      'always answers the same 100 B: it is there for scale. The goal is 1.3 x Go.',
    head: ['', 'requests/s', 'x Go net/http', 'p99, ms', 'CPU µs a request'],
    rows: [...subjects.map((subject) => row(GET_KEY, subject, subject === rival ? null : rival)), row(GET_ALL, jackdaw, null)],
    notes,
  }
}

async function setPairs(server: ServerProcess, from: number, count: number): Promise<void> {
  const pairs = Object.fromEntries(Array.from({ length: count }, (_, i) => [mixedKey(from + i), HTTP_VALUE]))
  const response = await request(server, '/set', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(pairs),
  })
  await response.arrayBuffer()
}

async function expectValue(server: ServerProcess): Promise<void> {
  const text = await (await request(server, `/get/${mixedKey(KEYS - 1)}`)).text()
  if (text !== JSON.stringify(HTTP_VALUE)) throw new Error(`a GET answered ${text.slice(0, 200)}`)
}

async function request(server: ServerProcess, path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(`http://${HOST}:${server.port}${path}`, { ...init, signal: AbortSignal.timeout(REQUEST_LIMIT_MS) })
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return response
}
