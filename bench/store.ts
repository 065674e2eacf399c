/**
 * The store alone, without sockets, beside a JavaScript `Map` of Buffers: operations a second, bytes an entry by resident memory, pauses, search
 * pages, and what becomes of the memory under churn.
 *
 * `node bench/store.ts [--entries 2000000] [--rounds 3]`: keys of 24 bytes, values of 100. Each round runs each subject once, in a process of
 * its own, since memory that one has left behind would be counted for the other; the table shows medians. Only times differ from run to run: all
 * chance is seeded. Of pauses and the like the time is left out for which other work had the processor, where the system tells it (Linux).
 *
 * - Pauses: batches of 16 operations at full speed: reads, overwrites with other lengths, deletions and new keys.
 * - Search: the first page of 100, in calls of 1,000 steps as the cache makes them; the slowest kind of page by its median, and the slowest call.
 *   Kinds are endings that ever fewer keys have, down to a handful, with and without a beginning.
 * - Churn: a store of 256 MiB is overwritten at its limit with values of sizes that change by phases, from 60 B to 60 KB and back. What it
 *   holds is keys and values as a part of the limit where it was least, once a phase has replaced what was there before. Large values are of
 *   1 MiB, each put into a store full of small ones.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, openSync, readSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Entry } from '../src/lib/entry.ts'
import { SeededRandom } from '../src/lib/random.ts'
import { createStore, type Store } from '../src/store/index.ts'

const KEY_BYTES = 24
const VALUE_BYTES = 100
const LARGEST_BYTES = 4 * VALUE_BYTES
const OPERATIONS = 2_000_000
const BATCH = 16
const PAGE = 100
const STEPS = 1_000
const REPEATS = 9
const START_MS = 1_767_225_600_000
const MIB = 2 ** 20
const CHURN_LIMIT_BYTES = 256 * MIB
const CHURN_LARGEST = [200, 20_000, 2_000, 60, 60_000, 500]
/** A key is a name, eight hexadecimal digits that mix the keys up, eleven decimal ones and a letter. */
const NAME = 'key:'
const HEX_END = NAME.length + 8
const DIGITS_END = KEY_BYTES - 1
const LETTERS = 3

/** What one process measures, by the row's name: `null` where a subject cannot be asked. */
type Figures = Record<string, number | null>

interface Subject {
  set(i: number, valueBytes: number): void
  get(i: number): boolean
  remove(i: number): void
}

const { values: options } = parseArgs({
  options: {
    entries: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
    /** What a process started by this one measures. */
    subject: { type: 'string' },
  },
})
const entries = Number(options.entries)
const random = new SeededRandom(7)
const key = Buffer.alloc(KEY_BYTES, NAME)
const value = Buffer.alloc(MIB, 'v')

function writeKey(i: number): void {
  let mixed = Math.imul(i, 0x9e3779b1) >>> 0
  for (let at = HEX_END - 1; at >= NAME.length; at--, mixed >>>= 4) key[at] = (mixed & 15) < 10 ? 0x30 + (mixed & 15) : 0x57 + (mixed & 15)
  let left = i
  for (let at = DIGITS_END - 1; at >= HEX_END; at--, left = Math.floor(left / 10)) key[at] = 0x30 + (left % 10)
  key[DIGITS_END] = 0x61 + (i % LETTERS)
}

const SCHEDULE = '/proc/thread-self/schedstat'
const schedule = existsSync(SCHEDULE) ? openSync(SCHEDULE, 'r') : null
const scheduled = Buffer.alloc(64)

/** Milliseconds of the clock, less those that this thread was ready to run and another had its processor. */
function spent(): number {
  if (schedule === null) return performance.now()
  const length = readSync(schedule, scheduled, 0, scheduled.length, 0)
  const waitedNs = Number(scheduled.toString('latin1', 0, length).split(' ')[1])
  return performance.now() - waitedNs / 1e6
}

function below(limit: number): number {
  return Math.floor(random.next() * limit)
}

class StoreSubject implements Subject {
  readonly store: Store
  readonly #entry = new Entry()
  readonly #into = new Entry()
  #ms = START_MS

  constructor(maxMemoryBytes: number) {
    this.store = createStore({ maxMemoryBytes, evictionPolicy: 'allkeys-lru', tombstoneMs: 1_000 }, random)
  }

  set(i: number, valueBytes: number): void {
    writeKey(i)
    this.#entry
      .setKey(key)
      .setValue(value, 0, valueBytes)
      .setVersion(++this.#ms, 0, 'jackdaw-0')
    this.store.apply(this.#entry, this.#ms)
  }

  get(i: number): boolean {
    writeKey(i)
    return this.store.get(key, 0, KEY_BYTES, this.#ms, this.#into)
  }

  remove(i: number): void {
    writeKey(i)
    if (this.store.peek(key, 0, KEY_BYTES, this.#into)) this.store.drop(key, 0, KEY_BYTES, this.#into)
  }
}

class MapSubject implements Subject {
  readonly #map = new Map<string, Buffer>()

  set(i: number, valueBytes: number): void {
    writeKey(i)
    this.#map.set(key.toString('latin1'), Buffer.from(value.subarray(0, valueBytes)))
  }

  get(i: number): boolean {
    writeKey(i)
    return this.#map.get(key.toString('latin1')) !== undefined
  }

  remove(i: number): void {
    writeKey(i)
    this.#map.delete(key.toString('latin1'))
  }
}

function resident(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage.rss()
}

/** Thousands a second. */
function rate(count: number, run: (i: number) => void): number {
  const begun = performance.now()
  for (let i = 0; i < count; i++) run(i)
  return count / (performance.now() - begun)
}

function measure(subject: Subject): Figures {
  // Warm: compiled, and with what the first entries cost once.
  for (let i = 0; i < 50_000; i++) subject.set(i, VALUE_BYTES)
  for (let i = 0; i < 50_000; i++) subject.get(i)
  for (let i = 0; i < 50_000; i++) subject.remove(i)
  const empty = resident()
  return {
    'set, new keys, k/s': rate(entries, (i) => subject.set(i, VALUE_BYTES)),
    'bytes/entry, resident': (resident() - empty) / entries,
    'bytes/entry, counted': subject instanceof StoreSubject ? subject.store.stats().bytes / entries : null,
    'set, same length, k/s': rate(OPERATIONS, () => subject.set(below(entries), VALUE_BYTES)),
    'get, k/s': rate(OPERATIONS, () => subject.get(below(entries))),
    ...pauses(subject),
    ...(subject instanceof StoreSubject ? { ...searches(subject.store), ...flush(subject.store) } : {}),
  }
}

function pauses(subject: Subject): Figures {
  const batches = new Float64Array(OPERATIONS / BATCH)
  for (let b = 0; b < batches.length; b++) {
    const begun = spent()
    for (let i = 0; i < BATCH; i++) {
      const dice = random.next()
      if (dice < 0.4) subject.get(below(entries))
      else if (dice < 0.8) subject.set(below(entries), 1 + below(LARGEST_BYTES - 1))
      else if (dice < 0.9) subject.remove(below(entries))
      else subject.set(entries + below(entries), VALUE_BYTES)
    }
    batches[b] = spent() - begun
  }
  batches.sort()
  const at = (share: number): number => batches[Math.min(batches.length - 1, Math.floor(share * batches.length))] as number
  return { 'batch under churn, median, ms': at(0.5), 'batch under churn, p99.9, ms': at(0.999), 'batch under churn, worst, ms': at(1) }
}

function searches(store: Store): Figures {
  const kinds: (readonly [string, number])[] = []
  for (const prefix of ['', `${NAME}8`]) for (let digits = 0; digits <= 6; digits++) kinds.push([prefix, digits])
  let worstCall = 0
  const page = (prefix: string, suffix: string): number => {
    const begun = spent()
    let met = 0
    let after: Buffer | null = null
    do {
      const call = spent()
      const query = { prefix: Buffer.from(prefix), suffix: Buffer.from(suffix), after }
      after = store.search(query, START_MS, STEPS, () => ++met < PAGE)
      worstCall = Math.max(worstCall, spent() - call)
    } while (after !== null && met < PAGE)
    return spent() - begun
  }
  const suffixOf = (digits: number, i: number): string =>
    digits === 0 ? 'a' : `${String((i * 7 + 3) % 10 ** digits).padStart(digits, '0')}a`
  for (let i = 0; i < REPEATS; i++) for (const [prefix, digits] of kinds) page(prefix, suffixOf(digits, 100 + i))
  worstCall = 0
  let slowest = 0
  for (const [prefix, digits] of kinds)
    slowest = Math.max(slowest, median(Array.from({ length: REPEATS }, (_, i) => page(prefix, suffixOf(digits, i)))))
  const byPrefix = Array.from({ length: REPEATS }, (_, i) => page(`${NAME}${i}${i}`, ''))
  return { 'page by prefix, ms': median(byPrefix), 'page by ending, slowest kind, ms': slowest, 'search call, worst, ms': worstCall }
}

/** A floor below a few: what was written in the last moments stays. */
function flush(store: Store): Figures {
  const entry = new Entry().setKey(Buffer.from('newer'))
  store.apply(entry.setVersion(2 * START_MS, 0, 'jackdaw-0'), START_MS)
  const begun = spent()
  store.raiseFloor({ ms: 2 * START_MS - 1, counter: 0 }, START_MS)
  return { 'flush of all but one, ms': spent() - begun }
}

function churn(): Figures {
  const subject = new StoreSubject(CHURN_LIMIT_BYTES)
  const { store } = subject
  const held = (): number => {
    let bytes = 0
    const all = { prefix: Buffer.alloc(0), suffix: Buffer.alloc(0), after: null }
    store.search(all, START_MS, Number.MAX_SAFE_INTEGER, (entry) => {
      bytes += entry.bytes
      return true
    })
    return bytes
  }
  let least = 1
  let worst = 0
  const timed = (run: () => void): void => {
    const begun = spent()
    run()
    worst = Math.max(worst, spent() - begun)
  }
  for (const largest of CHURN_LARGEST) {
    // More than there is room for.
    const average = KEY_BYTES + largest / 4
    const count = Math.ceil((1.5 * CHURN_LIMIT_BYTES) / (average + 64))
    for (let i = 0; i < count; i++) timed(() => subject.set(below(count), 1 + Math.floor(largest * random.next() ** 3)))
    if (largest >= 500) least = Math.min(least, held() / CHURN_LIMIT_BYTES)
  }
  const ofSet = worst
  for (let i = 0; i < 2_500_000; i++) subject.set(i, VALUE_BYTES)
  const atLimit = rate(500_000, (i) => subject.set(2_500_000 + i, VALUE_BYTES))
  worst = 0
  for (let i = 0; i < 50; i++) timed(() => subject.set(3_000_000 + i, MIB))
  return {
    'set, new keys at the limit, k/s': atLimit,
    'churn at the limit: held, % of it': 100 * least,
    'churn at the limit: worst set, ms': ofSet,
    'large value into small ones: worst set, ms': worst,
  }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] as number
}

const SUBJECTS: Readonly<Record<string, () => Figures>> = {
  store: () => measure(new StoreSubject(8 * 2 ** 30)),
  churn,
  map: () => measure(new MapSubject()),
}

function run(subject: string): Figures {
  const child = spawnSync(process.execPath, ['--expose-gc', import.meta.filename, '--entries', String(entries), '--subject', subject], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.status !== 0) throw new Error(`the run of ${subject} ended with ${child.status ?? child.signal}`)
  return JSON.parse(child.stdout) as Figures
}

function table(): void {
  const rounds = Array.from({ length: Number(options.rounds) }, () => ({ store: run('store'), map: run('map') }))
  const cell = (figures: readonly Figures[], row: string): string => {
    const known = figures.map((of) => of[row]).filter((figure) => figure !== null && figure !== undefined)
    return known.length === 0 ? '-' : median(known).toPrecision(4)
  }
  const churned = run('churn')
  const stores = rounds.map((round) => ({ ...round.store, ...churned }))
  const maps = rounds.map((round) => round.map)
  console.log(`${entries.toLocaleString('en')} entries, Node ${process.version}, medians of ${rounds.length}`)
  console.log(`${'|'.padEnd(46)}| store | Map |\n|---|---|---|`)
  for (const row of Object.keys(stores[0] as Figures)) console.log(`| ${row.padEnd(44)}| ${cell(stores, row)} | ${cell(maps, row)} |`)
}

const subject = options.subject
if (subject === undefined) table()
else console.log(JSON.stringify((SUBJECTS[subject] as () => Figures)()))
