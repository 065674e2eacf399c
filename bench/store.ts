/**
 * The store alone, without sockets: operations a second, bytes per entry by resident memory, and pauses, beside a `Map` of Buffers.
 *
 * `node --expose-gc bench/store.ts [entries] [store|map]`: 24 B keys, 100 B values, 2,000,000 entries unless told otherwise. Run one kind a
 * process, since memory that one has left behind would be counted for the other. Each figure is of one run; pauses are what a batch of 16
 * operations took beyond the median batch, under new keys, overwrites with other lengths, deletions and reads, at full speed.
 */
import { Entry } from '../src/lib/entry.ts'
import { SeededRandom } from '../src/lib/random.ts'
import { createStore } from '../src/store/index.ts'

const KEY_BYTES = 24
const VALUE_BYTES = 100
const OPERATIONS = 2_000_000
const BATCH = 16
const START_MS = 1_767_225_600_000

const entries = Number(process.argv[2] ?? 2_000_000)
const kind = process.argv[3] ?? 'store'

interface Subject {
  set(i: number, valueBytes: number): void
  get(i: number): boolean
  remove(i: number): void
}

const key = Buffer.alloc(KEY_BYTES, 'k')
const value = Buffer.alloc(4 * VALUE_BYTES, 'v')
const random = new SeededRandom(7)

/** Numbers are mixed up, so that keys do not come in order. */
function writeKey(i: number): void {
  key.write((Math.imul(i, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0'), 8, 'latin1')
  key.write(i.toString(36).padStart(8, '.'), 16, 'latin1')
}

const store = createStore({ maxMemoryBytes: 8 * 2 ** 30, evictionPolicy: 'allkeys-lru', tombstoneMs: 1_000 }, random)

function storeSubject(): Subject {
  const entry = new Entry()
  const into = new Entry()
  let ms = START_MS
  return {
    set(i, valueBytes) {
      writeKey(i)
      entry.setKey(key).setValue(value, 0, valueBytes).setVersion(++ms, 0, 'jackdaw-0')
      store.apply(entry, ms)
    },
    get(i) {
      writeKey(i)
      return store.get(key, 0, KEY_BYTES, ms, into)
    },
    remove(i) {
      writeKey(i)
      if (store.peek(key, 0, KEY_BYTES, into)) store.drop(key, 0, KEY_BYTES, into)
    },
  }
}

function mapSubject(): Subject {
  const map = new Map<string, Buffer>()
  return {
    set(i, valueBytes) {
      writeKey(i)
      map.set(key.toString('latin1'), Buffer.from(value.subarray(0, valueBytes)))
    },
    get(i) {
      writeKey(i)
      return map.get(key.toString('latin1')) !== undefined
    },
    remove(i) {
      writeKey(i)
      map.delete(key.toString('latin1'))
    },
  }
}

function resident(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage.rss()
}

function rate(label: string, count: number, run: (i: number) => void): void {
  const begun = performance.now()
  for (let i = 0; i < count; i++) run(i)
  const seconds = (performance.now() - begun) / 1000
  console.log(`${label.padEnd(22)} ${Math.round(count / seconds).toLocaleString('en')} a second`)
}

function below(limit: number): number {
  return Math.floor(random.next() * limit)
}

function pauses(subject: Subject, count: number): void {
  const batches = new Float64Array(Math.floor(count / BATCH))
  for (let b = 0; b < batches.length; b++) {
    const begun = performance.now()
    for (let i = 0; i < BATCH; i++) {
      const dice = random.next()
      if (dice < 0.4) subject.get(below(entries))
      else if (dice < 0.8) subject.set(below(entries), 1 + below(4 * VALUE_BYTES - 1))
      else if (dice < 0.9) subject.remove(below(entries))
      else subject.set(entries + below(entries), VALUE_BYTES)
    }
    batches[b] = performance.now() - begun
  }
  batches.sort()
  const at = (share: number): string => (batches[Math.min(batches.length - 1, Math.floor(share * batches.length))] as number).toFixed(3)
  console.log(`batch of ${BATCH}, ms          median ${at(0.5)}, p99.9 ${at(0.999)}, p99.99 ${at(0.9999)}, worst ${at(1)}`)
}

const subject = kind === 'map' ? mapSubject() : storeSubject()
// Warm: compiled, and with what the first entries cost once.
for (let i = 0; i < 50_000; i++) subject.set(i, VALUE_BYTES)
for (let i = 0; i < 50_000; i++) subject.get(i)
for (let i = 0; i < 50_000; i++) subject.remove(i)
const empty = resident()
console.log(`${kind}, ${entries.toLocaleString('en')} entries, Node ${process.version}`)
let longest = 0
rate('set, new keys', entries, (i) => {
  const begun = i % 64 === 0 ? performance.now() : 0
  subject.set(i, VALUE_BYTES)
  if (i % 64 === 0) longest = Math.max(longest, performance.now() - begun)
})
console.log(`bytes/entry, resident  ${((resident() - empty) / entries).toFixed(1)}`)
if (kind === 'store') console.log(`bytes/entry, counted   ${(store.stats().bytes / entries).toFixed(1)}`)
rate('set, same length', OPERATIONS, () => subject.set(below(entries), VALUE_BYTES))
rate('get', OPERATIONS, () => subject.get(below(entries)))
pauses(subject, OPERATIONS)
if (kind === 'store') {
  for (const [prefix, suffix] of [
    ['kkkkkkkk00', ''],
    ['', '.1'],
    ['', '00'],
    ['', 'zz1'],
  ] as const) {
    const begun = performance.now()
    let met = 0
    let calls = 0
    let worst = 0
    let after: Buffer | null = null
    do {
      const call = performance.now()
      const query = { prefix: Buffer.from(prefix), suffix: Buffer.from(suffix), after }
      after = store.search(query, START_MS, 1_000, () => ++met < 100)
      worst = Math.max(worst, performance.now() - call)
      calls++
    } while (after !== null && met < 100)
    console.log(
      `search ${prefix}*${suffix}: ${met} keys in ${(performance.now() - begun).toFixed(1)} ms, ${calls} calls, worst ${worst.toFixed(2)} ms`,
    )
  }
}
