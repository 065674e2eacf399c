/** Keys looked up together: each is found as it would be by itself, and a look that the store has outrun is made again. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { Place } from '../../src/lib/place.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { RequestRun, RUN_CAPACITY } from '../../src/lib/request-run.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { createStore, type Store } from '../../src/store/index.ts'

const test = suite('store/run-finder')

const NOW_MS = 1000

/** As many keys of one slot as make its table many buckets with a directory. */
const OF_ONE_SLOT = 3000

function filled(): Store {
  const store = createStore({ maxMemoryBytes: 8 * 1024 * 1024, evictionPolicy: 'allkeys-lru', tombstoneMs: 1000 }, new SeededRandom(3))
  for (let i = 0; i < OF_ONE_SLOT; i++) put(store, `{one}-${i}`, `value of one ${i}`)
  for (let i = 0; i < 2000; i++) put(store, `key-${i}`, `value ${i}`)
  return store
}

function put(store: Store, key: string, value: string, ms: number = 1): void {
  const entry = new Entry().setKey(Buffer.from(key)).setValue(Buffer.from(value)).setVersion(ms, 0, 'me')
  assert.is(store.apply(entry, NOW_MS), 'applied')
}

function reads(keys: readonly string[]): RequestRun {
  const run = new RequestRun()
  run.buffer = Buffer.from(keys.join(''))
  run.count = keys.length
  let at = 0
  for (const [i, key] of keys.entries()) {
    run.keyStart[i] = at
    at += key.length
    run.keyEnd[i] = at
  }
  return run
}

function valuesAt(store: Store, run: RequestRun): (string | null)[] {
  const into = new Entry()
  return Array.from({ length: run.count }, (_, i) => (store.getAt(run, i, NOW_MS, into) ? into.valueBytes().toString() : null))
}

function valueUnder(store: Store, key: string): string | null {
  const into = new Entry()
  return store.get(Buffer.from(key), 0, key.length, NOW_MS, into) ? into.valueBytes().toString() : null
}

test('any keys are found together as each is by itself: alone in their slot or among thousands, there or not', () => {
  const store = filled()
  const random = new SeededRandom(5)
  const below = (limit: number): number => Math.floor(random.next() * limit)
  for (let round = 0; round < 300; round++) {
    const keys = Array.from({ length: 1 + below(RUN_CAPACITY) }, () => {
      const kind = below(4)
      if (kind === 0) return `{one}-${below(OF_ONE_SLOT + 100)}`
      return kind === 1 ? `absent-${below(1000)}` : `key-${below(2200)}`
    })
    const run = reads(keys)
    store.findAll(run)
    assert.equal(
      valuesAt(store, run),
      keys.map((key) => valueUnder(store, key)),
    )
  }
})

test('what has changed since is looked up again: moved, dropped, deleted or new', () => {
  const store = filled()
  const keys = ['key-1', 'key-2', 'key-3', 'key-4', 'new']
  const run = reads(keys)
  store.findAll(run)
  put(store, 'key-1', 'x'.repeat(1000), 2)
  store.drop(Buffer.from('key-2'), 0, 5, { ms: 1, counter: 0, writer: 'me' })
  const deleted = new Entry().setKey(Buffer.from('key-3')).setVersion(2, 0, 'me')
  deleted.tombstone = true
  store.apply(deleted, NOW_MS)
  put(store, 'key-4', 'value z', 2)
  put(store, 'new', 'here now', 2)
  assert.equal(valuesAt(store, run), ['x'.repeat(1000), null, null, 'value z', 'here now'])
})

test('a place tells the stamp of what is held, live or not, and leads a write there', () => {
  const store = filled()
  const deleted = new Entry().setKey(Buffer.from('key-3')).setVersion(5, 6, 'me')
  deleted.tombstone = true
  store.apply(deleted, NOW_MS)
  const run = reads(['key-3', 'absent'])
  const place = new Place()
  store.findAll(run)
  assert.is(store.placeAt(run, 1, NOW_MS, place), false)
  assert.is(store.placeAt(run, 0, NOW_MS, place), true)
  assert.equal([place.ms, place.counter], [5, 6])
  const entry = new Entry().setKey(run.buffer, 0, 5).setValue(Buffer.from('again')).setVersion(6, 0, 'me')
  assert.is(store.apply(entry, NOW_MS, run.slot[0], place), 'applied')
  assert.is(valueUnder(store, 'key-3'), 'again')
})

test('a read of a run counts as a use for eviction', () => {
  const store = createStore({ maxMemoryBytes: 8 * 1024 * 1024, evictionPolicy: 'allkeys-lfu', tombstoneMs: 1000 }, new SeededRandom(3))
  put(store, 'k', 'v')
  const run = reads(['k'])
  const frequency = (): number => store.describe(Buffer.from('k'), 0, 1, NOW_MS)?.frequency ?? 0
  const before = frequency()
  for (let i = 0; i < 100; i++) {
    store.findAll(run)
    valuesAt(store, run)
  }
  assert.ok(frequency() > before)
})

test('reads of a run are sampled as others are, with key and slot', () => {
  const store = filled()
  const told: string[] = []
  store.sampleUses(4, ({ key, keyStart, keyEnd }, slot) => {
    const name = key.toString('latin1', keyStart, keyEnd)
    assert.is(slot, slotOf(Buffer.from(name)))
    told.push(name)
  })
  const run = reads(['key-1', 'key-2', 'absent', 'key-3'])
  for (let i = 0; i < 400; i++) {
    store.findAll(run)
    assert.equal(valuesAt(store, run), ['value 1', 'value 2', null, 'value 3'])
  }
  assert.ok(told.length > 200 && told.length < 400, `${told.length} of 1,200`)
  assert.equal([...new Set(told)].sort(), ['key-1', 'key-2', 'key-3'])
})

test.run()
