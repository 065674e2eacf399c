import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { MapStore } from '../../src/store/map-store.ts'
import type { EvictionPolicy } from '../../src/store/store.ts'
import { latin1 } from './held.ts'

/** What the map store chooses for itself, beyond what `model.ts` asks of every store: who goes first. */
const test = suite('store/map-store')

const NOW_MS = 1_767_225_600_000
const TOMBSTONE_MS = 1_000
const VALUE = Buffer.alloc(1_000, 'v')

/** A store in which `entries` entries with keys of up to three bytes and a full value fit, and not one more, and the list of those it drops. */
function storeOf(entries: number, evictionPolicy: EvictionPolicy = 'allkeys-lru'): { store: MapStore; dropped: string[] } {
  const dropped: string[] = []
  const store = new MapStore({
    maxMemoryBytes: entries * costOfOne(),
    evictionPolicy,
    tombstoneMs: TOMBSTONE_MS,
    onDrop: (entry, _slot, reason) => dropped.push(`${entry.keyBytes().toString()} ${reason}`),
  })
  return { store, dropped }
}

function costOfOne(): number {
  const store = new MapStore({ maxMemoryBytes: 1_000_000, evictionPolicy: 'noeviction', tombstoneMs: TOMBSTONE_MS })
  set(store, 'k00')
  return store.stats().bytes
}

function set(store: MapStore, key: string, more: { ms?: number; expiresAtMs?: number; nowMs?: number } = {}): string {
  const entry = new Entry().setKey(latin1(key)).setValue(VALUE)
  entry.setVersion(more.ms ?? NOW_MS, 0, 'jackdaw-0')
  entry.expiresAtMs = more.expiresAtMs ?? 0
  return store.apply(entry, more.nowMs ?? NOW_MS)
}

function bury(store: MapStore, key: string): string {
  const entry = new Entry().setKey(latin1(key)).setVersion(NOW_MS + 1, 0, 'jackdaw-0')
  entry.tombstone = true
  return store.apply(entry, NOW_MS)
}

function use(store: MapStore, key: string): void {
  assert.ok(store.get(latin1(key), 0, key.length, NOW_MS, new Entry()))
}

test('entries are evicted in exact order of their last use; a write is a use, a look is none', () => {
  const { store, dropped } = storeOf(4)
  for (const key of ['k0', 'k1', 'k2', 'k3']) set(store, key)
  use(store, 'k0')
  set(store, 'k1', { ms: NOW_MS + 1 })
  assert.ok(store.peek(latin1('k2'), 0, 2, new Entry()))
  store.search({ prefix: latin1('k3'), suffix: latin1(''), after: null }, NOW_MS, 10, () => true)
  for (const key of ['n0', 'n1', 'n2', 'n3']) set(store, key)
  assert.equal(dropped, ['k2 evicted', 'k3 evicted', 'k0 evicted', 'k1 evicted'])
})

test('an expired entry is no longer used by being asked for, and goes as expired', () => {
  const { store, dropped } = storeOf(2)
  set(store, 'k0', { expiresAtMs: NOW_MS + 5 })
  set(store, 'k1')
  assert.not.ok(store.get(latin1('k0'), 0, 2, NOW_MS + 5, new Entry()))
  set(store, 'n0', { nowMs: NOW_MS + 5 })
  assert.equal(dropped, ['k0 expired'])
  assert.equal([store.stats().evictedTotal, store.stats().expiredTotal], [0, 1])
})

test('a few tombstones outlive live entries of any age', () => {
  const { store, dropped } = storeOf(40)
  bury(store, 't0')
  bury(store, 't1')
  for (let i = 10; i < 99; i++) set(store, `k${i}`)
  assert.is(store.stats().tombstones, 2)
  assert.is(dropped[0], 'k10 evicted')
})

test('tombstones beyond a twentieth of the memory go first, the longest held first', () => {
  const { store, dropped } = storeOf(40)
  for (let i = 10; i < 50; i++) set(store, `k${i}`)
  for (let i = 10; i < 30; i++) bury(store, `k${i}`)
  assert.equal(dropped, [])
  for (let i = 10; i < 30; i++) set(store, `n${i}`)
  assert.equal(dropped.slice(0, 3), ['k10 evicted', 'k11 evicted', 'k12 evicted'])
  const { tombstones } = store.stats()
  assert.ok(tombstones > 0 && tombstones < 6, `${tombstones} tombstones are left`)
})

test('when only tombstones are left, they make room for an entry that fills the store', () => {
  const { store, dropped } = storeOf(1)
  bury(store, 't0')
  assert.is(set(store, 'k0'), 'applied')
  assert.equal(dropped, ['t0 evicted'])
})

test('under noeviction tombstones make room and live entries do not', () => {
  const { store, dropped } = storeOf(3, 'noeviction')
  for (const key of ['k0', 'k1', 'k2']) assert.is(set(store, key), 'applied')
  assert.is(set(store, 'n0'), 'full')
  assert.is(bury(store, 'n1'), 'full', 'not even for the tombstone of a key that is not held')
  assert.is(bury(store, 'k1'), 'applied')
  assert.is(set(store, 'n0'), 'applied')
  assert.equal(dropped, ['k1 evicted'])
})

test('an entry handed to onDrop may be applied again later: its bytes are copied before the next victim is shown', () => {
  let last: Entry | null = null
  const cost = costOfOne()
  const store = new MapStore({
    maxMemoryBytes: cost,
    evictionPolicy: 'allkeys-lru',
    tombstoneMs: TOMBSTONE_MS,
    onDrop: (entry) => {
      last = entry
    },
  })
  set(store, 'k0')
  set(store, 'k1')
  assert.is(store.apply(last as unknown as Entry, NOW_MS), 'applied')
  const into = new Entry()
  assert.ok(store.get(latin1('k0'), 0, 2, NOW_MS, into))
  assert.equal(into.valueBytes(), VALUE)
})

test.run()
