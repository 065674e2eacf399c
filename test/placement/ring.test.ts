/** The ring: one answer for one set of names, an even share for each, and no movement that is not needed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom, shuffle } from '../../src/lib/random.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { Ring } from '../../src/placement/ring.ts'

const test = suite('ring')

const name = (ordinal: number): string => `jackdaw-${ordinal}`
const names = (count: number): string[] => Array.from({ length: count }, (_, ordinal) => name(ordinal))

function order(ring: Ring, slot: number): string[] {
  return ring.names.map((_, rank) => ring.at(slot, rank))
}

/** Every first place that differs between the two is the newcomer's. Answers how many do. */
function checkOnlyMovesTo(smaller: Ring, larger: Ring, newcomer: string): number {
  let moved = 0
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const [before, after] = [smaller.at(slot, 0), larger.at(slot, 0)]
    if (before === after) continue
    assert.is(after, newcomer, `slot ${slot} moved from ${before} to ${after} when ${newcomer} came`)
    moved++
  }
  return moved
}

test('the same names give the same ring, whatever the order in which they were met', () => {
  const sorted = Ring.of(names(7))
  const orders = Array.from({ length: 3 }, (_, seed) => shuffle(new SeededRandom(seed), names(7)))
  for (const list of orders) {
    const ring = Ring.of([...list, ...list])
    assert.equal(ring.names, sorted.names)
    for (let slot = 0; slot < SLOT_COUNT; slot += 7) assert.equal(order(ring, slot), order(sorted, slot))
  }
})

test('a ring built anew after it was forgotten is the same', () => {
  const before = Array.from({ length: SLOT_COUNT }, (_, slot) => Ring.of(['b', 'a', 'c']).at(slot, 0))
  const first = Ring.of(['a', 'b', 'c'])
  for (let i = 0; i < 70; i++) Ring.of([`other-${i}`])
  const again = Ring.of(['c', 'b', 'a'])
  assert.is.not(again, first, 'it was forgotten')
  assert.equal(
    before,
    Array.from({ length: SLOT_COUNT }, (_, slot) => again.at(slot, 0)),
  )
})

for (let count = 1; count <= 12; count++) {
  test(`with ${count} names every slot's order holds each name once`, () => {
    const ring = Ring.of(names(count))
    const wanted = [...ring.names]
    for (let slot = 0; slot < SLOT_COUNT; slot += 3) assert.equal(order(ring, slot).sort(), wanted)
  })
}

for (let count = 1; count < 12; count++) {
  test(`from ${count} to ${count + 1} names slots move to the new name only, and back from it only`, () => {
    const moved = checkOnlyMovesTo(Ring.of(names(count)), Ring.of(names(count + 1)), name(count))
    const share = SLOT_COUNT / (count + 1)
    assert.ok(moved > share * 0.8 && moved < share * 1.2, `${moved} slots moved, a fair share is ${Math.round(share)}`)
  })
}

test('a name that goes from the middle leaves every other first place alone', () => {
  for (const gone of [0, 2, 4]) {
    const rest = names(5).filter((other) => other !== name(gone))
    checkOnlyMovesTo(Ring.of(rest), Ring.of(names(5)), name(gone))
  }
})

test('a name that goes leaves the order of the others alone, at every rank', () => {
  const all = Ring.of(names(6))
  const rest = Ring.of(names(6).filter((other) => other !== name(3)))
  for (let slot = 0; slot < SLOT_COUNT; slot += 5) {
    assert.equal(
      order(all, slot).filter((other) => other !== name(3)),
      order(rest, slot),
    )
  }
})

for (const count of [3, 5, 10]) {
  test(`with ${count} names none has more than 1.15 times its share of first places`, () => {
    const ring = Ring.of(names(count))
    const counts = new Map(ring.names.map((each) => [each, 0]))
    for (let slot = 0; slot < SLOT_COUNT; slot++) counts.set(ring.at(slot, 0), (counts.get(ring.at(slot, 0)) as number) + 1)
    const fullest = Math.max(...counts.values())
    assert.ok(fullest / (SLOT_COUNT / count) <= 1.15, `${fullest} of ${SLOT_COUNT / count}`)
    assert.ok(Math.min(...counts.values()) / (SLOT_COUNT / count) >= 0.85)
  })
}

test('rank is the inverse of at, and the number of names for a stranger', () => {
  const ring = Ring.of(names(4))
  for (let slot = 0; slot < SLOT_COUNT; slot += 101) {
    for (let rank = 0; rank < 4; rank++) assert.is(ring.rank(slot, ring.at(slot, rank)), rank)
    assert.is(ring.rank(slot, 'stranger'), 4)
  }
})

test('slots have the same pattern when, and only when, they have the same order', () => {
  for (const count of [1, 3, 5]) {
    const ring = Ring.of(names(count))
    const patterns = new Map<number, string>()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const of = order(ring, slot).join()
      assert.is(patterns.get(ring.pattern(slot)) ?? of, of)
      patterns.set(ring.pattern(slot), of)
    }
    assert.is(new Set(patterns.values()).size, patterns.size)
    assert.is(Math.max(...patterns.keys()), patterns.size - 1)
  }
})

test('names that look like ports, paths or nothing much are kept whole', () => {
  const odd = ['a', 'a:11211', 'a:8080', 'a/b', 'a/', 'ä', 'constructor']
  const ring = Ring.of(odd)
  assert.equal(ring.names, [...odd].sort())
  for (let slot = 0; slot < SLOT_COUNT; slot += 50) assert.equal(order(ring, slot).sort(), [...odd].sort())
})

test('one name has every slot, and no names are a ring too', () => {
  const lonely = Ring.of(['only'])
  assert.is(lonely.at(0, 0), 'only')
  assert.is(lonely.at(SLOT_COUNT - 1, 0), 'only')
  const empty = Ring.of([])
  assert.equal(empty.names, [])
  assert.is(empty.rank(0, 'only'), 0)
})

test.run()
