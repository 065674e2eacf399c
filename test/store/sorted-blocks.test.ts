import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, SeededRandom, shuffle } from '../../src/lib/random.ts'
import { SortedBlocks } from '../../src/store/sorted-blocks.ts'

const test = suite('store/sorted-blocks')

interface Item {
  readonly key: number
}

function blocks(): SortedBlocks<number, Item> {
  return new SortedBlocks<number, Item>((item) => item.key)
}

function keysFrom(index: SortedBlocks<number, Item>, key: number, inclusive: boolean): number[] {
  const met: number[] = []
  index.visitFrom(key, inclusive, (item) => met.push(item.key) > 0)
  return met
}

test('what comes in any order is met in ascending order, over many blocks', () => {
  const index = blocks()
  const count = 5_000
  const items = shuffle(
    new SeededRandom(2),
    Array.from({ length: count }, (_, key) => ({ key })),
  )
  for (const item of items) index.insert(item)
  assert.is(index.size, count)
  assert.equal(
    keysFrom(index, -1, true),
    Array.from({ length: count }, (_, key) => key),
  )
})

test('a visit begins at any key, held or not, with it or after it, and ends when told', () => {
  const index = blocks()
  for (let key = 0; key < 4_000; key += 2) index.insert({ key })
  for (const key of [-1, 0, 1, 510, 511, 512, 1022, 1023, 1024, 2000, 3997, 3998, 3999]) {
    const all = Array.from({ length: 2_000 }, (_, i) => 2 * i)
    assert.equal(
      keysFrom(index, key, true),
      all.filter((k) => k >= key),
      `from ${key}`,
    )
    assert.equal(
      keysFrom(index, key, false),
      all.filter((k) => k > key),
      `after ${key}`,
    )
  }
  const met: number[] = []
  index.visitFrom(1_000, true, (item) => met.push(item.key) < 3)
  assert.equal(met, [1_000, 1_002, 1_004])
})

test('random insertions and removals leave what a sorted array would hold', () => {
  const random = new SeededRandom(3)
  const index = blocks()
  const held = new Map<number, Item>()
  // It grows, shrinks to almost nothing, and grows again: blocks split, join and go.
  for (const [steps, insertShare] of [
    [6_000, 0.9],
    [9_000, 0.1],
    [3_000, 0.8],
  ] as const) {
    for (let i = 0; i < steps; i++) {
      if (random.next() < insertShare) {
        const item = { key: randomBelow(random, 20_000) }
        if (held.has(item.key)) continue
        held.set(item.key, item)
        index.insert(item)
      } else {
        const item = held.get([...held.keys()][randomBelow(random, Math.max(1, held.size))] ?? -1)
        if (item === undefined) continue
        held.delete(item.key)
        index.remove(item)
      }
    }
    assert.is(index.size, held.size)
    assert.equal(
      keysFrom(index, 0, true),
      [...held.keys()].sort((a, b) => a - b),
    )
  }
})

test('removing what is not in is refused', () => {
  const index = blocks()
  assert.throws(() => index.remove({ key: 1 }), /not where its key says/)
  index.insert({ key: 1 })
  assert.throws(() => index.remove({ key: 1 }), /not where its key says/)
  index.clear()
  assert.is(index.size, 0)
  assert.equal(keysFrom(index, 0, true), [])
})

test.run()
