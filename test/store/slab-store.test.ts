/** What the slab store chooses for itself, beyond what `model.ts` asks of every store: who goes first, and what becomes of freed space. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { SlabStore } from '../../src/store/slab-store.ts'
import type { DropReason, EvictionPolicy } from '../../src/store/store.ts'
import { latin1 } from './held.ts'

const test = suite('store/slab-store')

const NOW_MS = 1_767_225_600_000
const TOMBSTONE_MS = 1_000
const MIB = 1024 * 1024

interface Dropped {
  readonly key: string
  readonly reason: DropReason
}

function storeOf(maxMemoryBytes: number, evictionPolicy: EvictionPolicy): { store: SlabStore; dropped: Dropped[] } {
  const dropped: Dropped[] = []
  const onDrop = (entry: Entry, _slot: number, reason: DropReason): void => {
    dropped.push({ key: entry.keyBytes().toString('latin1'), reason })
  }
  return { store: new SlabStore({ maxMemoryBytes, evictionPolicy, tombstoneMs: TOMBSTONE_MS, onDrop }, new SeededRandom(4)), dropped }
}

interface More {
  readonly bytes?: number
  readonly expiresAtMs?: number
  readonly nowMs?: number
  readonly tombstone?: boolean
}

let ms = NOW_MS

function set(store: SlabStore, key: string, more: More = {}): string {
  const entry = new Entry().setKey(latin1(key)).setValue(Buffer.alloc(more.tombstone === true ? 0 : (more.bytes ?? 1_000), key))
  entry.setVersion(++ms, 0, 'jackdaw-0')
  entry.expiresAtMs = more.expiresAtMs ?? 0
  entry.tombstone = more.tombstone ?? false
  return store.apply(entry, more.nowMs ?? NOW_MS)
}

function use(store: SlabStore, key: string, nowMs: number = NOW_MS): boolean {
  return store.get(latin1(key), 0, key.length, nowMs, new Entry())
}

/** The part of the keys that begin with `prefix` among those dropped. */
function share(dropped: readonly Dropped[], prefix: string): number {
  return dropped.filter(({ key }) => key.startsWith(prefix)).length / dropped.length
}

test('an empty store takes under a MiB of any limit, and is empty again once everything has gone', () => {
  const { store } = storeOf(8 * 1024 * MIB, 'allkeys-lru')
  const { bytes } = store.stats()
  assert.ok(bytes < MIB)
  for (let i = 0; i < 5_000; i++) set(store, `k${i}`)
  store.clear()
  assert.is(store.stats().bytes, bytes)
})

test('entries of 24 and 100 bytes take under 195 bytes each, indexes included', () => {
  const { store } = storeOf(256 * MIB, 'noeviction')
  const empty = store.stats().bytes
  const random = new SeededRandom(3)
  const count = 200_000
  for (let i = 0; i < count; i++) set(store, `${randomBelow(random, 2 ** 32)}`.padStart(12, '0') + `${i}`.padStart(12, '.'), { bytes: 100 })
  const each = (store.stats().bytes - empty) / count
  assert.ok(each < 195, `${each} bytes an entry`)
})

test('the least frequently used go first under allkeys-lfu, however recently they were written', () => {
  const { store, dropped } = storeOf(4 * MIB, 'allkeys-lfu')
  for (let i = 0; i < 300; i++) set(store, `often${i}`)
  for (let round = 0; round < 60; round++) for (let i = 0; i < 300; i++) use(store, `often${i}`)
  for (let i = 0; i < 12_000; i++) set(store, `once${i}`)
  assert.ok(dropped.length > 5_000)
  assert.ok(share(dropped, 'often') < 0.002, `${share(dropped, 'often')} of the victims were used often`)
})

for (const policy of ['allkeys-lru', 'allkeys-lfu'] as const) {
  test(`uses elsewhere keep an entry under ${policy}, and counts for none that is not there`, () => {
    const { store, dropped } = storeOf(4 * MIB, policy)
    for (let i = 0; i < 1_000; i++) set(store, `told${i}`)
    for (let i = 0; i < 1_000; i++) set(store, `silent${i}`)
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 1_000; i++) store.touch(latin1(`told${i}`), 0, `told${i}`.length, NOW_MS, 32)
      for (let i = 0; i < 150; i++) set(store, `more${round}-${i}`)
    }
    store.touch(latin1('nobody'), 0, 6, NOW_MS, 32)
    assert.not(store.peek(latin1('nobody'), 0, 6, new Entry()))
    assert.ok(dropped.length > 100, `${dropped.length} dropped`)
    assert.ok(share(dropped, 'told') < 0.1, `${share(dropped, 'told')} of the victims were used`)
  })
}

test('about one of so many reads is told, whatever their rhythm, and none that finds nothing', () => {
  const { store } = storeOf(4 * MIB, 'allkeys-lru')
  for (let i = 0; i < 64; i++) set(store, `k${i}`)
  const told = new Map<string, number>()
  store.sampleUses(32, ({ key, keyStart, keyEnd }) => {
    const name = key.toString('latin1', keyStart, keyEnd)
    told.set(name, (told.get(name) ?? 0) + 1)
  })
  for (let round = 0; round < 1_000; round++) for (let i = 0; i < 64; i++) use(store, `k${i}`)
  const total = [...told.values()].reduce((sum, count) => sum + count, 0)
  assert.ok(total > 1_800 && total < 2_200, `${total} told of 64,000`)
  assert.is(told.size, 64)
  assert.ok(Math.max(...told.values()) < 80, 'one key was told of too often')
  told.clear()
  for (let i = 0; i < 1_000; i++) use(store, 'nobody')
  assert.is(told.size, 0)
})

test('a frequency that is not kept up is forgotten by the minute', () => {
  const { store, dropped } = storeOf(4 * MIB, 'allkeys-lfu')
  for (let i = 0; i < 1_000; i++) set(store, `often${i}`)
  for (let round = 0; round < 60; round++) for (let i = 0; i < 1_000; i++) use(store, `often${i}`)
  const later = NOW_MS + 30 * 60_000
  for (let i = 0; i < 6_000; i++) set(store, `once${i}`, { nowMs: later })
  const forgotten = dropped.filter(({ key }) => key.startsWith('often')).length
  assert.ok(forgotten > 950, `${forgotten} of 1,000 that were popular once`)
})

for (const policy of ['volatile-lru', 'volatile-lfu', 'volatile-ttl'] as const) {
  test(`${policy} evicts what expires, spares what stays, and is full when nothing expires`, () => {
    const { store, dropped } = storeOf(4 * MIB, policy)
    for (let i = 0; i < 500; i++) set(store, `stays${i}`)
    for (let i = 0; i < 6_000; i++) assert.is(set(store, `expires${i}`, { expiresAtMs: NOW_MS + 10_000 + i }), 'applied')
    assert.ok(dropped.length > 2_000)
    assert.is(share(dropped, 'stays'), 0)
    let outcome = 'applied'
    for (let i = 0; i < 6_000 && outcome === 'applied'; i++) outcome = set(store, `more${i}`)
    assert.is(outcome, 'full')
    for (let i = 0; i < 500; i++) assert.ok(use(store, `stays${i}`))
    assert.ok(dropped.every(({ key }) => key.startsWith('expires')))
  })
}

test('volatile-ttl evicts what expires next', () => {
  const { store, dropped } = storeOf(4 * MIB, 'volatile-ttl')
  for (let i = 0; i < 9_000; i++) {
    set(store, i % 2 === 0 ? `soon${i}` : `late${i}`, { expiresAtMs: NOW_MS + (i % 2 === 0 ? 10_000 : 900_000) + i })
  }
  const early = dropped.slice(0, 1_000)
  assert.ok(share(early, 'late') < 0.1, `${share(early, 'late')} of the first victims had long to live`)
})

test('an expired entry goes as expired, ahead of others', () => {
  const { store, dropped } = storeOf(4 * MIB, 'allkeys-lru')
  for (let i = 0; i < 1_000; i++) set(store, `k${i}`)
  for (let i = 0; i < 1_000; i++) set(store, `gone${i}`, { expiresAtMs: NOW_MS + 5 })
  for (let i = 0; i < 2_500; i++) set(store, `n${i}`, { nowMs: NOW_MS + 5 })
  const expired = dropped.filter(({ reason }) => reason === 'expired')
  assert.ok(expired.length > 500)
  assert.ok(expired.every(({ key }) => key.startsWith('gone')))
  assert.equal([store.stats().expiredTotal, store.stats().evictedTotal], [expired.length, dropped.length - expired.length])
})

test('an entry that takes the place of one that would last longer, or of a deletion, is marked, and so is what takes its place', () => {
  const { store } = storeOf(4 * MIB, 'allkeys-lru')
  const into = new Entry()
  const outlived = (key: string): boolean => store.peek(latin1(key), 0, key.length, into) && into.outlived
  const soon = { expiresAtMs: NOW_MS + 1000 }
  const late = { expiresAtMs: NOW_MS + 2000 }
  const lists: readonly (readonly [string, readonly More[], boolean])[] = [
    ['alone', [soon], false],
    ['renewed', [soon, soon, late], false],
    ['shortened', [late, soon], true],
    ['limited', [{}, soon], true],
    ['deleted', [{ tombstone: true }, soon], true],
    ['renewed after it was shortened', [late, soon, late], true],
    ['set free', [{}, soon, {}], false],
    ['limited again', [{}, soon, {}, late], true],
  ]
  for (const [key, writes, expected] of lists) {
    for (const more of writes) assert.is(set(store, key, more), 'applied')
    assert.is(outlived(key), expected, key)
  }
  const copy = new Entry().setKey(latin1('elsewhere')).setVersion(++ms, 0, 'jackdaw-0')
  copy.expiresAtMs = NOW_MS + 1000
  copy.outlived = true
  store.apply(copy, NOW_MS)
  assert.ok(outlived('elsewhere'), 'what another member found out is kept')
})

test('a few tombstones outlive live entries of any age, many go first', () => {
  const few = storeOf(4 * MIB, 'allkeys-lru')
  for (let i = 0; i < 50; i++) set(few.store, `t${i}`, { tombstone: true })
  for (let i = 0; i < 9_000; i++) set(few.store, `k${i}`)
  assert.is(few.store.stats().tombstones, 50)
  const many = storeOf(4 * MIB, 'allkeys-lru')
  for (let i = 0; i < 30_000; i++) set(many.store, `t${i}`, { tombstone: true })
  for (let i = 0; i < 300; i++) set(many.store, `k${i}`)
  const before = many.dropped.length
  for (let i = 300; i < 2_000; i++) set(many.store, `k${i}`)
  const went = share(many.dropped.slice(before), 't')
  assert.ok(went > 0.9, `${went} of the victims were tombstones`)
})

test('under noeviction tombstones make room and live entries do not', () => {
  const { store, dropped } = storeOf(2 * MIB, 'noeviction')
  let count = 0
  while (set(store, `k${count}`) === 'applied') count++
  assert.equal(dropped, [])
  for (let i = 0; i < count; i++) assert.is(set(store, `k${i}`, { tombstone: true }), 'applied')
  let again = 0
  while (set(store, `n${again}`) === 'applied') again++
  // Other keys fall into other slots, whose tables may differ by a few bytes.
  assert.ok(again > 0.98 * count, `${again} after ${count}`)
  assert.ok(dropped.every(({ key }) => key.startsWith('k')))
})

for (const policy of ['allkeys-lru', 'noeviction'] as const) {
  test(`space freed by mixed sizes is used again: churn at the limit, ${policy}`, () => {
    const maxMemoryBytes = 12 * MIB
    const { store, dropped } = storeOf(maxMemoryBytes, policy)
    const random = new SeededRandom(9)
    const held = new Map<string, number>()
    const least: number[] = []
    // Sizes change with the phases, from small to large and back, which is what leaves holes of the wrong size.
    for (const [phase, largest] of [200, 20_000, 2_000, 60, 60_000, 500].entries()) {
      let fullest = 0
      for (let i = 0; i < 20_000; i++) {
        const key = `k${randomBelow(random, 60_000)}`
        const bytes = 1 + Math.floor(largest * random.next() ** 3)
        const outcome = set(store, key, { bytes })
        for (const { key: gone } of dropped) held.delete(gone)
        dropped.length = 0
        if (outcome === 'applied') held.set(key, key.length + bytes)
        if (policy === 'noeviction' && i % 2 === 0) {
          const other = `k${randomBelow(random, 60_000)}`
          const into = new Entry()
          if (store.peek(latin1(other), 0, other.length, into)) {
            store.drop(latin1(other), 0, other.length, into)
            held.delete(other)
          }
        }
        if (i % 1_000 === 0) assert.ok(store.stats().bytes <= maxMemoryBytes)
        if (i % 5_000 === 4_999) fullest = [...held.values()].reduce((sum, one) => sum + one, 0)
      }
      assert.is(store.stats().entries, held.size, `phase ${phase}`)
      if (largest >= 500) least.push(fullest / maxMemoryBytes)
      for (const [key, length] of [...held].slice(0, 500)) {
        const into = new Entry()
        assert.ok(store.get(latin1(key), 0, key.length, NOW_MS, into))
        assert.is(into.bytes, length)
        assert.ok(into.valueBytes().equals(Buffer.alloc(length - key.length, key)), 'bytes are those that were set')
      }
    }
    if (policy === 'allkeys-lru') assert.ok(Math.min(...least) > 0.5, `payload in parts of the limit: ${least}`)
    const all: string[] = []
    const query = { prefix: latin1(''), suffix: latin1(''), after: null }
    store.search(query, NOW_MS, Number.MAX_SAFE_INTEGER, (entry) => all.push(entry.keyBytes().toString('latin1')) > 0)
    assert.equal(all, [...held.keys()].sort())
  })
}

test('a search by a rare suffix among many keys ascends and resumes', () => {
  const { store } = storeOf(64 * MIB, 'noeviction')
  for (let i = 0; i < 30_000; i++) set(store, `${i}`, { bytes: 1 })
  const wanted = Array.from({ length: 30_000 }, (_, i) => `${i}`)
    .filter((key) => key.endsWith('77'))
    .sort()
  const met: string[] = []
  let after: Buffer | null = null
  do {
    let page = 0
    after = store.search({ prefix: latin1(''), suffix: latin1('77'), after }, NOW_MS, 100, (entry) => {
      met.push(entry.keyBytes().toString())
      return ++page < 7
    })
  } while (after !== null)
  assert.equal(met, wanted)
})

test('one slot may hold all the keys: a hash tag on every one', () => {
  const { store } = storeOf(64 * MIB, 'noeviction')
  const count = 20_000
  for (let i = 0; i < count; i++) set(store, `{tag}${i}`, { bytes: 1 })
  for (let i = 0; i < count; i++) assert.ok(use(store, `{tag}${i}`))
  const slot = 8338
  let met = 0
  let token = null
  do {
    let page = 0
    token = store.scanSlot(slot, token, () => ++page % 64 !== 0 && ++met > 0)
    met += page % 64 === 0 ? 1 : 0
  } while (token !== null)
  assert.is(met, store.slotEntries(slot))
  assert.is(store.dropSlot(slot, count), met)
  assert.is(store.stats().entries, count - met)
})

test('a slot is dropped in pieces of the size that is asked for, whatever comes to it in between', () => {
  const { store } = storeOf(64 * MIB, 'noeviction')
  const count = 5000
  for (let i = 0; i < count; i++) set(store, `{tag}${i}`, { bytes: 1 })
  const slot = 8338
  let left = count
  for (let piece = 0; piece < 4; piece++) {
    assert.is(store.dropSlot(slot, 600), 600)
    left -= 600
    assert.is(store.slotEntries(slot), left)
    // To before and to behind the place that has been reached.
    for (let i = 0; i < 50; i++) set(store, `{tag}new-${piece}-${i}`, { bytes: 1 })
    left += 50
    set(store, `other-${piece}`, { bytes: 1 })
  }
  while (left > 0) {
    const gone = Math.min(left, 700)
    assert.is(store.dropSlot(slot, 700), gone)
    left -= gone
  }
  assert.is(store.dropSlot(slot, 700), 0)
  assert.is(store.stats().entries, 4)
})

test.run()
