/** Places: a look that is followed by a write saves the second look, and only as long as nothing has changed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { Place } from '../../src/lib/place.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { createStore, type Store } from '../../src/store/index.ts'

const test = suite('places')

function setting(): {
  store: Store
  put: (key: string, value: string, ms: number, place?: Place) => string
  read: (key: string) => string | undefined
} {
  const store = createStore({ maxMemoryBytes: 4 * 1024 * 1024, evictionPolicy: 'allkeys-lru', tombstoneMs: 1000 }, new SeededRandom(1))
  return {
    store,
    put: (key, value, ms, place) => {
      const entry = new Entry().setKey(Buffer.from(key)).setValue(Buffer.from(value)).setVersion(ms, 0, 'me')
      return store.apply(entry, 1000, slotOf(entry.key), place)
    },
    read: (key) => {
      const into = new Entry()
      return store.get(Buffer.from(key), 0, key.length, 1000, into) ? into.valueBytes().toString() : undefined
    },
  }
}

function look(store: Store, key: string): Place {
  const place = new Place()
  store.peek(Buffer.from(key), 0, key.length, new Entry(), slotOf(Buffer.from(key)), place)
  return place
}

test('what was looked at is overwritten, and what was not there is inserted', () => {
  const { store, put, read } = setting()
  assert.is(put('a', 'one', 1, look(store, 'a')), 'applied')
  assert.is(put('a', 'another and longer', 2, look(store, 'a')), 'applied')
  assert.is(read('a'), 'another and longer')
  assert.is(store.stats().entries, 1)
})

const CHANGES: readonly [what: string, change: (store: Store, put: (key: string, value: string, ms: number) => string) => void][] = [
  ['the key was written', (_store, put) => put('a', 'meanwhile, and so long that it lies elsewhere', 5)],
  ['the key was dropped', (store) => store.drop(Buffer.from('a'), 0, 1, { ms: 1, counter: 0, writer: 'me' })],
  ['its slot was dropped', (store) => store.dropSlot(slotOf(Buffer.from('a')), 1)],
  ['all was cleared', (store) => store.clear()],
  ['a floor was raised', (store) => store.raiseFloor({ ms: 3, counter: 0 }, 1000)],
  [
    'others came and went',
    (store, put) => {
      for (let i = 0; i < 100; i++) put(`other-${i}`, 'x'.repeat(i * 10), 2)
      for (let i = 0; i < 100; i++) store.drop(Buffer.from(`other-${i}`), 0, `other-${i}`.length, { ms: 2, counter: 0, writer: 'me' })
    },
  ],
]

for (const [what, change] of CHANGES) {
  test(`when ${what} since the look, the store looks again`, () => {
    const { store, put, read } = setting()
    put('a', 'one', 1)
    put('b', 'stays', 9)
    const place = look(store, 'a')
    change(store, put)
    assert.is(put('a', 'two', 10, place), 'applied')
    assert.is(read('a'), 'two')
    assert.is(store.slotEntries(slotOf(Buffer.from('a'))), 1)
    store.dropSlot(slotOf(Buffer.from('a')), 1)
    assert.is(read('a'), undefined)
  })
}

test.run()
