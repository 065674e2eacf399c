/**
 * `npm run bench`: every figure of docs/benchmarks.md in one run. Servers are pinned to one core and their load to the other; each server is started
 * here, on a free port, and ended before the run ends.
 *
 * `--rounds N` (5), `--only` some of resp, http, memory, store, placement, cluster and patience, with commas between them, and `--quick`: one round of a second each, to
 * see that everything works. Tables go to the standard output, talk to the other. The page has three parts, one node, placement and the cluster; each is written by a run
 * that has measured all of it: figures of different runs do not belong into one table.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { whyNoNetwork } from '../test/support/namespaces.ts'
import { measureCluster, measurePatience } from './cluster/index.ts'
import { HTTP_VALUE, measureHttp } from './http.ts'
import { MEMCACHED, REDIS } from './loader.ts'
import { describeMachine, describePrograms, isThere, missingSentence, moveToLoadCore, type Program, unfitness } from './machine.ts'
import { measureMemory } from './memory.ts'
import { measurePlacement } from './placement.ts'
import { type Section, sectionText, withReport } from './report.ts'
import { measureResp } from './resp.ts'
import type { Plan } from './rounds.ts'
import { goServer, jackdaw, memcached, nginx, redisServer } from './servers.ts'
import { measureStore } from './store-figures.ts'

const PAGE = new URL('../docs/benchmarks.md', import.meta.url)
const DEFAULT_ROUNDS = 5
const MOST_ROUNDS = 100

/** In this order. A figure whose load is missing is `null`. */
const FIGURES: Readonly<Record<string, (plan: Plan) => Promise<Section | null>>> = {
  async resp(plan) {
    if (!has('redis-benchmark')) return null
    const { there, notes } = rivalsThere('redis-server')
    return measureResp(plan, [jackdaw('resp'), ...(there.has('redis-server') ? [redisServer()] : [])], notes)
  },

  async http(plan) {
    if (!has('wrk')) return null
    const { there, notes } = rivalsThere('go', 'nginx')
    const rival = there.has('go') ? await goServer() : null
    const ceiling = there.has('nginx') ? nginx(JSON.stringify(HTTP_VALUE)) : null
    return measureHttp(plan, { jackdaw: jackdaw('http'), rival, ceiling }, notes)
  },

  memory(plan) {
    const { there, notes } = rivalsThere('redis-server', 'memcached')
    const redis = there.has('redis-server') ? [{ ...redisServer(), dialect: REDIS }] : []
    const memcache = there.has('memcached') ? [{ ...memcached(), dialect: MEMCACHED }] : []
    return measureMemory(plan, [{ ...jackdaw('resp'), dialect: REDIS }, ...redis, ...memcache], notes)
  },

  store: measureStore,

  async placement(plan) {
    return measurePlacement(plan)
  },

  async cluster(plan) {
    return hasNetwork() ? measureCluster(plan.quick) : null
  },

  async patience(plan) {
    return hasNetwork() ? measurePatience(plan.quick) : null
  },
}

/** What belongs together on the page. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  bench: ['resp', 'http', 'memory', 'store'],
  'bench placement': ['placement'],
  'bench cluster': ['cluster', 'patience'],
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const plan: Plan = { quick: options.quick, rounds: wholeRounds(options.rounds ?? String(options.quick ? 1 : DEFAULT_ROUNDS)) }
const chosen = options.only === undefined ? Object.keys(FIGURES) : options.only.split(',')
if (chosen.some((name) => FIGURES[name] === undefined)) refuse(`--only names some of ${Object.keys(FIGURES).join(', ')}`)
const reason = unfitness()
if (reason !== null) refuse(reason)
const startLoad = loadavg()[0]?.toFixed(1)
moveToLoadCore()
await run()

async function run(): Promise<void> {
  const sections = new Map<string, string>()
  for (const name of chosen) {
    try {
      const section = await FIGURES[name]?.(plan)
      if (!section) continue
      const text = sectionText(section)
      sections.set(name, text)
      console.log(`${text}\n`)
    } catch (error) {
      process.exitCode = 1
      console.error(`${name}: ${(error as Error).message}`)
    }
  }
  for (const [part, names] of Object.entries(PARTS)) {
    if (!names.some((name) => chosen.includes(name))) continue
    const texts = names.flatMap((name) => sections.get(name) ?? [])
    if (options.quick || texts.length < names.length)
      console.error(`docs/benchmarks.md, ${part}: stays as it is, not all of it was measured in full`)
    else {
      writeFileSync(PAGE, withReport(readFileSync(PAGE, 'utf8'), part, [circumstances(part), ...texts].join('\n\n')))
      console.error(`docs/benchmarks.md, ${part}: is written`)
    }
  }
}

/** What has to be known beside the figures. */
function circumstances(part: string): string {
  const flags = [
    ...(options.rounds === undefined ? [] : [`--rounds ${plan.rounds}`]),
    ...(options.only === undefined ? [] : [`--only ${options.only}`]),
  ]
  const command = ['npm run bench', ...(flags.length === 0 ? [] : ['--', ...flags])].join(' ')
  const when = `\`${command}\`, ${new Date().toISOString().slice(0, 10)}: ${describeMachine()}`
  if (part !== 'bench') return `${when}. The load average when it began was ${startLoad}.`
  return (
    `${when}; ${describePrograms()}. ` +
    `Servers on one core, their load on the other, over loopback; alternating, medians of ${plan.rounds} rounds.`
  )
}

function has(load: Program): boolean {
  if (isThere(load)) return true
  console.error(`left out: ${missingSentence(load)}`)
  return false
}

function hasNetwork(): boolean {
  const reason = whyNoNetwork()
  if (reason !== null) console.error(`left out: ${reason}`)
  return reason === null
}

/** Those that are there, and a note on each that is not. */
function rivalsThere(...rivals: readonly Program[]): { readonly there: ReadonlySet<Program>; readonly notes: string[] } {
  const there = new Set(rivals.filter(isThere))
  const notes = rivals.filter((rival) => !there.has(rival)).map((rival) => `Left out: ${missingSentence(rival)}.`)
  return { there, notes }
}

function wholeRounds(given: string): number {
  const rounds = Number(given)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS) refuse(`--rounds is a whole number from 1 to ${MOST_ROUNDS}`)
  return rounds
}

function refuse(sentence: string): never {
  console.error(`bench: ${sentence}`)
  process.exit(2)
}
