/** The placement view: seats, followers, stand-ins, heirs, and how much of the ring is in sight. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { type Sight, View, type ViewInput } from '../../src/placement/view.ts'

const test = suite('placement view')

const NAMES = ['a', 'b', 'c', 'd', 'e']
const SLOTS = Array.from({ length: 64 }, (_, i) => i * 251)

interface Situation {
  readonly ring?: readonly string[]
  readonly away?: readonly string[]
  readonly leaving?: readonly string[]
  readonly gone?: readonly string[]
  readonly strangers?: readonly string[]
  readonly missing?: readonly string[]
  readonly replicas?: number
}

function view({ ring = NAMES, away = [], leaving = [], gone = [], strangers = [], missing = [], replicas = 1 }: Situation): View {
  const input: ViewInput = {
    ringNames: ring,
    present: [...ring, ...strangers]
      .filter((name) => !away.includes(name))
      .map((name) => ({ name, generation: 7, leaving: leaving.includes(name) })),
    knownGone: gone,
    replicas,
    missing,
  }
  return new View(input)
}

function order(of: View, slot: number): string[] {
  return of.ring.names.map((_, rank) => of.ring.at(slot, rank))
}

test('the seats are the first R + 1 names, whether anybody is home or not', () => {
  for (const replicas of [0, 1, 2, 4]) {
    const all = view({ replicas })
    const few = view({ replicas, away: ['a', 'b'], leaving: ['c'], gone: ['a'] })
    for (const slot of SLOTS) {
      const seats = order(all, slot).slice(0, replicas + 1)
      assert.equal(all.seats(slot), seats)
      assert.equal(few.seats(slot), seats)
      for (const name of NAMES) assert.is(few.hasSeat(slot, name), seats.includes(name))
    }
    assert.is(all.seatCount, replicas + 1)
  }
})

test('there are no more seats than names', () => {
  const small = view({ ring: ['a', 'b'], replicas: 3 })
  assert.is(small.seatCount, 2)
  for (const slot of SLOTS) {
    assert.equal(small.seats(slot), order(small, slot))
    assert.ok(small.hasSeat(slot, 'a') && small.hasSeat(slot, 'b'))
    assert.equal(small.followers(slot, 'a'), ['b'])
  }
})

test('a stranger to the ring has no seat', () => {
  const all = view({ replicas: 2, strangers: ['z'] })
  for (const slot of SLOTS) {
    assert.not(all.hasSeat(slot, 'z'))
    assert.not(all.hasSeat(slot, 'nobody'))
  }
})

test('a stranger has no seat where there are fewer names than seats either', () => {
  const small = view({ ring: ['a', 'b'], replicas: 3, strangers: ['z'], leaving: ['z'] })
  for (const slot of SLOTS) {
    assert.not(small.hasSeat(slot, 'z'))
    assert.not(small.hasSeat(slot, 'nobody'))
  }
})

test('when the first name is primary the other seats follow', () => {
  const all = view({ replicas: 2 })
  for (const slot of SLOTS) {
    const [first, second, third] = order(all, slot)
    assert.equal(all.followers(slot, first as string), [second, third])
  }
})

test('when a later seat or a name without a seat is primary every other seat follows', () => {
  const all = view({ replicas: 2 })
  for (const slot of SLOTS) {
    const [first, second, third, , last] = order(all, slot)
    assert.equal(all.followers(slot, second as string), [first, third])
    assert.equal(all.followers(slot, last as string), [first, second, third], 'one more than R: nobody who has a seat is left out')
  }
})

test('for a seat that is away or leaving the next in preference order stands in', () => {
  const all = view({ replicas: 2 })
  for (const slot of SLOTS) {
    const [first, second, third, fourth, fifth] = order(all, slot) as [string, string, string, string, string]
    assert.equal(view({ replicas: 2, away: [second] }).followers(slot, first), [third, fourth])
    assert.equal(view({ replicas: 2, leaving: [second] }).followers(slot, first), [third, fourth])
    assert.equal(view({ replicas: 2, away: [second], leaving: [third] }).followers(slot, first), [fourth, fifth])
    assert.equal(view({ replicas: 2, away: [second, fourth] }).followers(slot, first), [third, fifth])
    assert.equal(view({ replicas: 2, away: [second, third, fourth] }).followers(slot, first), [fifth])
  }
})

test('no stand-in is taken where the seats make up R followers', () => {
  const all = view({ replicas: 1 })
  for (const slot of SLOTS) {
    const [first, second, third] = order(all, slot) as [string, string, string]
    assert.equal(view({ replicas: 1, leaving: [first] }).followers(slot, first), [second], 'the leaving primary itself')
    assert.equal(view({ replicas: 1, away: [first] }).followers(slot, third), [second])
  }
})

test('without replicas nobody follows a seat, and the seat follows anybody else', () => {
  const all = view({ replicas: 0 })
  for (const slot of SLOTS) {
    const [first, second] = order(all, slot) as [string, string]
    assert.equal(all.followers(slot, first), [])
    assert.equal(all.followers(slot, second), [first])
  }
})

test('the first available is the first who is here, not leaving, and suits', () => {
  const all = view({})
  for (const slot of SLOTS) {
    const [first, second, third, fourth] = order(all, slot) as [string, string, string, string]
    const some = view({ away: [first], leaving: [second] })
    assert.is(
      all.firstAvailable(slot, () => true),
      first,
    )
    assert.is(
      some.firstAvailable(slot, () => true),
      third,
    )
    assert.is(
      some.firstAvailable(slot, (name) => name !== third),
      fourth,
    )
    assert.is(
      some.firstAvailable(slot, (name) => name === first || name === second),
      undefined,
    )
  }
})

test('the seats of those that a primary cannot reach are the next members’, and it follows no one there', () => {
  const all = view({ replicas: 1 })
  for (const slot of SLOTS) {
    const [first, second, third, fourth] = order(all, slot) as [string, string, string, string]
    assert.equal(all.seats(slot, new Set([first])), [second, third])
    assert.equal(all.seats(slot, new Set([second, third])), [first, fourth])
    assert.equal(all.followers(slot, first, new Set([second])), [third])
    assert.equal(all.followers(slot, third, new Set([second])), [first])
    assert.equal(all.seats(slot, new Set(NAMES.filter((name) => name !== third))), [third], 'fewer, when nobody is left')
    assert.equal(all.seats(slot, new Set(['nobody'])), all.seats(slot))
  }
})

test('a name off the ring, as one that leaves for good, is nobody’s heir or follower', () => {
  const scaled = view({ ring: ['a', 'b'], strangers: ['z'], replicas: 3 })
  for (const slot of SLOTS) {
    assert.not(scaled.followers(slot, 'a').includes('z'))
    assert.is(
      scaled.firstAvailable(slot, (name) => name === 'z'),
      undefined,
    )
    assert.equal(scaled.followers(slot, 'z').sort(), ['a', 'b'], 'while it still holds the slot the ring follows it')
  }
})

test('presence is of a life, not of a name', () => {
  const some = view({ away: ['a'], leaving: ['b'] })
  assert.ok(some.isPresent('b', 7))
  assert.not(some.isPresent('b', 8))
  assert.not(some.isPresent('a', 7))
  assert.is(some.generationOf('b'), 7)
  assert.is(some.generationOf('a'), undefined)
  assert.not(some.isAvailable('b'))
  assert.ok(some.isAvailable('c'))
  assert.ok(some.isLeaving('b'))
  assert.not(some.isLeaving('a'))
  assert.not(some.isLeaving('c'))
  assert.equal(
    [...some.present()].map(({ name }) => name),
    ['b', 'c', 'd', 'e'],
  )
})

const SIGHTS: readonly (readonly [string, Situation, Sight])[] = [
  ['all of five', {}, 'most'],
  ['three of five', { away: ['a', 'b'] }, 'most'],
  ['two of five', { away: ['a', 'b', 'c'] }, 'few'],
  ['two of five, one known gone', { away: ['a', 'b', 'c'], gone: ['a'] }, 'half'],
  ['two of five, two known gone', { away: ['a', 'b', 'c'], gone: ['a', 'b'] }, 'most'],
  ['one of five, all others known gone', { away: ['a', 'b', 'c', 'd'], gone: ['a', 'b', 'c', 'd'] }, 'most'],
  ['one of two', { ring: ['a', 'b'], away: ['b'] }, 'half'],
  ['one of two, the other known gone', { ring: ['a', 'b'], away: ['b'], gone: ['b'] }, 'most'],
  ['two of four', { ring: ['a', 'b', 'c', 'd'], away: ['a', 'b'] }, 'half'],
  ['one of four', { ring: ['a', 'b', 'c', 'd'], away: ['a', 'b', 'c'] }, 'few'],
  ['the only one', { ring: ['a'] }, 'most'],
  ['the only one on the ring, of three whose places were given up', { ring: ['a'], missing: ['b', 'c'] }, 'few'],
  ['two of three, the third missing', { ring: ['a', 'b'], missing: ['c'] }, 'most'],
  ['one of two, the other missing and known gone', { ring: ['a'], missing: ['b'], gone: ['b'] }, 'most'],
  ['a leaving member is seen as well as any other', { ring: ['a', 'b'], leaving: ['b'] }, 'most'],
  ['members off the ring do not count', { ring: ['a', 'b', 'c', 'd'], away: ['a', 'b', 'c'], strangers: ['x', 'y', 'z'] }, 'few'],
  ['names known gone that are not on the ring do not count', { away: ['a', 'b', 'c'], gone: ['x', 'y'] }, 'few'],
  ['one present counts, although an earlier life of the name is known to be gone', { away: ['a', 'b'], gone: ['c', 'd', 'e'] }, 'most'],
]

for (const [what, situation, sight] of SIGHTS) test(`sight: ${what}: ${sight}`, () => assert.is(view(situation).sight(), sight))

for (const [what, situation, sight] of SIGHTS) {
  test(`the smaller side of a partition: ${what}: ${sight === 'few'}`, () => assert.is(view(situation).isMinority, sight === 'few'))
}

test('who was taken off the ring for staying away counts when sides are counted', () => {
  const input = { ringNames: ['a', 'b'], present: [{ name: 'a', generation: 1, leaving: false }], knownGone: [], replicas: 1 }
  const [near, far] = [new View(input), new View({ ...input, missing: ['c'] })]
  assert.equal([near.isMinority, near.sight()], [false, 'half'])
  assert.equal([far.isMinority, far.sight()], [true, 'few'])
  assert.not(new View({ ...input, missing: ['c'], knownGone: ['c'] }).isMinority)
})

test('all slots have the same number of seats', () => {
  const all = view({ replicas: 2 })
  for (let slot = 0; slot < SLOT_COUNT; slot += 111) assert.is(new Set(all.seats(slot)).size, 3)
})

test.run()
