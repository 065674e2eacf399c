/** The slot table: whose term prevails, what a role becomes when it does, and what is published. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import type { Term } from '../../src/placement/index.ts'
import { addToGroup, CLAIMING, NONE, PARKED, PRIMARY, SlotTable } from '../../src/replication/slot-table.ts'
import { term } from './fakes.ts'

const test = suite('slot table')

const SLOT = 4711

class Told {
  readonly gone = new Set<string>()
  readonly beatenBy: string[] = []
  routes = 0
  published = 0
  primariesPublished = 0
  readonly table = new SlotTable({
    isGone: (name, generation) => this.gone.has(`${name}/${generation}`),
    routesChanged: () => {
      this.routes++
    },
    publicationChanged: (primaries) => {
      this.published++
      if (primaries) this.primariesPublished++
    },
    beaten: (slot, by) => this.beatenBy.push(`${slot} by ${by.name}`),
  })

  /** What was told since the last call. */
  take(): { routes: boolean; published: boolean; primaries: boolean } {
    const told = { routes: this.routes > 0, published: this.published > 0, primaries: this.primariesPublished > 0 }
    this.routes = 0
    this.published = 0
    this.primariesPublished = 0
    return told
  }
}

const NOTHING = { routes: false, published: false, primaries: false }

test('at first nobody is known to hold a slot, and there is no copy', () => {
  const { table } = new Told()
  for (const slot of [0, SLOT_COUNT - 1]) {
    assert.is(table.term(slot), null)
    assert.is(table.role(slot), NONE)
    assert.not(table.isComplete(slot))
    assert.not(table.hasCopy(slot))
    assert.not(table.isPrimary(slot))
  }
  assert.is(table.primaries + table.parked, 0)
  assert.is(table.completeSet().size, 0)
})

test('of many slots that are changed together the others are told once, when all are changed', () => {
  const told = new Told()
  const { table } = told
  table.together(() => {
    for (let slot = 0; slot < 100; slot++) table.take(slot, term('me', 10))
    table.together(() => table.adopt(200, term('b', 10)))
    assert.equal(told.take(), NOTHING)
    assert.is(table.term(99)?.name, 'me')
  })
  assert.equal([told.routes, told.published, told.primariesPublished], [1, 1, 1])
  told.take()
  table.together(() => {})
  assert.equal(told.take(), NOTHING)
  table.together(() => table.markComplete(200, term('b', 10)))
  assert.equal(told.take(), { routes: false, published: true, primaries: false })
  assert.throws(() =>
    table.together(() => {
      table.adopt(201, term('b', 10))
      throw new Error('not all of them')
    }),
  )
  assert.ok(told.take().routes, 'what was changed is told whatever happens')
})

test('who holds which slots is known without a look at each, life by life', () => {
  const { table } = new Told()
  const held = (name: string, generation = 1): number[] => [...table.heldBy(name, generation)]
  assert.is(table.unheld.size, SLOT_COUNT)
  for (const slot of [1, 2, 3]) table.adopt(slot, term('a', 10))
  table.take(4, term('me', 10))
  assert.equal([held('a'), held('me'), held('b')], [[1, 2, 3], [4], []])
  assert.is(table.unheld.size, SLOT_COUNT - 4)
  assert.equal([...table.primarySet()], [4])
  table.adopt(1, term('a', 20))
  table.adopt(2, term('a', 20, true, 2))
  table.adopt(3, term('b', 20))
  table.park(4, term('b', 20))
  assert.equal([held('a'), held('a', 2), held('b'), held('me')], [[1], [2], [3, 4], []])
  assert.equal([[...table.primarySet()], [...table.engaged]], [[], [4]])
  table.handedOver(4)
  assert.is(table.engaged.size, 0)
  for (let life = 3; life < 10; life++) table.adopt(2, term('a', 10 * life, true, life))
  assert.ok(table.holders().length <= 4, 'lives that have lost all are forgotten')
})

test('the higher term is followed, and only that', () => {
  const told = new Told()
  const { table } = told
  assert.ok(table.adopt(SLOT, term('a', 10)))
  assert.ok(told.take().routes)
  assert.not(table.adopt(SLOT, term('a', 10)), 'the same')
  assert.not(table.adopt(SLOT, term('b', 9)), 'an earlier one')
  assert.not(table.adopt(SLOT, term('b', 99, false)), 'a later, weak one')
  assert.equal(told.take(), NOTHING)
  assert.is(table.term(SLOT)?.name, 'a')
  assert.ok(table.adopt(SLOT, term('b', 10)), 'the larger name')
  assert.ok(table.adopt(SLOT, term('a', 11)))
  assert.is(table.term(SLOT)?.name, 'a')
  assert.is(table.term(SLOT + 1), null, 'of other slots nothing was said')
})

/** Known, candidate, lives that are gone, whether the candidate is followed. */
const GONE: readonly (readonly [string, Term, Term, readonly string[], boolean])[] = [
  ['a living weak term takes over from a strong holder who is gone', term('a', 10), term('b', 15, false), ['a/1'], true],
  [
    'a living earlier term does not take over from a later one whose holder is gone: it lacks what that one wrote',
    term('a', 10),
    term('b', 5),
    ['a/1'],
    false,
  ],
  ['a living strong term does, from a later weak one whose holder is gone', term('a', 10, false), term('b', 5), ['a/1'], true],
  ['a higher term of one who is gone does not depose one who lives', term('a', 10), term('b', 20), ['b/1'], false],
  ['a strong term of one who is gone does not depose a weak one who lives', term('a', 10, false), term('b', 20), ['b/1'], false],
  ['of two who are gone the higher term prevails', term('a', 10), term('b', 20), ['a/1', 'b/1'], true],
  ['of two who are gone the lower term does not', term('a', 10), term('b', 5), ['a/1', 'b/1'], false],
  ['only the life counts: an earlier life of the name is gone, this one is not', term('a', 10, true, 2), term('b', 5), ['a/1'], false],
  ['a reborn holder takes over from its own earlier life', term('a', 10, true, 1), term('a', 15, false, 2), ['a/1'], true],
  ['the very term of one who is gone changes nothing', term('a', 10), term('a', 10), ['a/1'], false],
]

for (const [what, known, candidate, gone, followed] of GONE) {
  test(what, () => {
    const told = new Told()
    told.table.adopt(SLOT, known)
    for (const life of gone) told.gone.add(life)
    assert.is(told.table.adopt(SLOT, candidate), followed)
    assert.is(told.table.term(SLOT)?.ms, followed ? candidate.ms : known.ms)
  })
}

test('a primary that was replaced by one who is gone by now steps down, and one that took over from such a one does not', () => {
  const told = new Told()
  const { table } = told
  told.gone.add('b/1')
  table.take(SLOT, term('me', 10))
  assert.not(table.adopt(SLOT, term('b', 5)), 'it came before')
  assert.not(table.adopt(SLOT, term('b', 15, false)), 'it never prevailed')
  assert.ok(table.isPrimary(SLOT))
  assert.ok(table.adopt(SLOT, term('b', 15)))
  assert.is(table.role(SLOT), NONE)
  assert.not(table.isComplete(SLOT))
  assert.equal(told.beatenBy, [`${SLOT} by b`])
})

test('a slot that is taken is executed here, complete and published', () => {
  const told = new Told()
  const { table } = told
  const before = table.primaryVersion
  table.take(SLOT, term('me', 10))
  assert.equal(told.take(), { routes: true, published: true, primaries: true })
  assert.is(table.role(SLOT), PRIMARY)
  assert.ok(table.isPrimary(SLOT) && table.isComplete(SLOT) && table.hasCopy(SLOT))
  assert.is(table.primaries, 1)
  assert.ok(table.primaryVersion > before)
  assert.equal([...table.completeSet()], [SLOT])
})

test('a slot that is held and taken again is published under its new term, and counted once', () => {
  const told = new Told()
  const { table } = told
  table.take(SLOT, term('me', 10, false))
  const version = table.primaryVersion
  told.take()
  table.take(SLOT, term('me', 20))
  assert.equal(told.take(), { routes: false, published: true, primaries: true })
  assert.ok(table.primaryVersion > version)
  assert.is(table.primaries, 1)
  assert.ok(table.isPrimary(SLOT) && table.isComplete(SLOT))
  assert.is(table.term(SLOT)?.ms, 20)
})

test('a primary that is beaten stops, keeps a partial copy, and says so once', () => {
  const told = new Told()
  const { table } = told
  table.take(SLOT, term('me', 10))
  const version = table.primaryVersion
  told.take()
  assert.not(table.adopt(SLOT, term('rival', 9)))
  assert.is(table.role(SLOT), PRIMARY)
  assert.ok(table.adopt(SLOT, term('rival', 11)))
  assert.equal(told.beatenBy, [`${SLOT} by rival`])
  assert.is(table.role(SLOT), NONE)
  assert.is(table.primaries, 0)
  assert.not(table.isComplete(SLOT))
  assert.ok(table.hasCopy(SLOT))
  assert.ok(table.primaryVersion > version)
  assert.equal(told.take(), { routes: true, published: true, primaries: true })
  table.adopt(SLOT, term('rival', 12))
  assert.equal(told.beatenBy.length, 1)
})

test('a parked slot waits: nobody executes it here, its copy stays complete', () => {
  const told = new Told()
  const { table } = told
  table.take(SLOT, term('me', 10))
  told.take()
  table.park(SLOT, term('heir', 11))
  assert.is(table.role(SLOT), PARKED)
  assert.is(table.term(SLOT)?.name, 'heir')
  assert.not(table.isPrimary(SLOT))
  assert.ok(table.isComplete(SLOT))
  assert.is(table.primaries, 0)
  assert.is(table.parked, 1)
  assert.equal(told.take(), { routes: true, published: true, primaries: true })
  assert.not(table.adopt(SLOT, term('heir', 11)), 'the heir’s own term is the one that was granted')
  assert.is(table.role(SLOT), PARKED)
})

test('once the heir has taken it the slot is followed, and its copy is complete still', () => {
  const told = new Told()
  const { table } = told
  table.take(SLOT, term('me', 10))
  table.park(SLOT, term('heir', 11))
  table.handedOver(SLOT)
  assert.is(table.role(SLOT), NONE)
  assert.is(table.parked, 0)
  assert.ok(table.isComplete(SLOT))
  assert.equal(told.beatenBy, [])
  table.take(SLOT + 1, term('me', 10))
  table.handedOver(SLOT + 1)
  assert.is(table.role(SLOT + 1), PRIMARY, 'only what is parked is handed over')
})

test('a parked slot that somebody else holds under a higher term is beaten', () => {
  const told = new Told()
  const { table } = told
  table.take(SLOT, term('me', 10))
  table.park(SLOT, term('heir', 11))
  assert.ok(table.adopt(SLOT, term('rival', 12)))
  assert.equal(told.beatenBy, [`${SLOT} by rival`])
  assert.is(table.parked, 0)
  assert.not(table.isComplete(SLOT))
})

test('a parked slot can be taken back', () => {
  const { table } = new Told()
  table.take(SLOT, term('me', 10))
  table.park(SLOT, term('heir', 11))
  const version = table.primaryVersion
  table.take(SLOT, term('me', 12))
  assert.is(table.role(SLOT), PRIMARY)
  assert.is(table.parked, 0)
  assert.is(table.primaries, 1)
  assert.ok(table.primaryVersion > version)
})

test('a claim is given up without a word when somebody else turns out to hold the slot', () => {
  const told = new Told()
  const { table } = told
  table.beginClaim(SLOT)
  assert.is(table.role(SLOT), CLAIMING)
  assert.not(table.isPrimary(SLOT))
  assert.ok(table.adopt(SLOT, term('other', 5)))
  assert.is(table.role(SLOT), NONE)
  assert.equal(told.beatenBy, [], 'it did not hold the slot')
})

test('a claim that is given up leaves the copy and the term as they were', () => {
  const { table } = new Told()
  table.adopt(SLOT, term('other', 5))
  table.markComplete(SLOT, term('other', 5))
  table.beginClaim(SLOT)
  table.endClaim(SLOT)
  assert.is(table.role(SLOT), NONE)
  assert.ok(table.isComplete(SLOT))
  assert.equal(table.term(SLOT), term('other', 5))
  assert.ok(table.hasCopy(SLOT))
})

test('a copy is complete under one term: any higher term makes it partial by itself', () => {
  const told = new Told()
  const { table } = told
  table.adopt(SLOT, term('a', 10))
  table.markComplete(SLOT, term('a', 10))
  assert.ok(table.isComplete(SLOT) && table.hasCopy(SLOT))
  told.take()
  table.adopt(SLOT, term('b', 11))
  assert.not(table.isComplete(SLOT))
  assert.ok(table.hasCopy(SLOT))
  assert.ok(told.take().published, 'what is complete here is published')
  table.markComplete(SLOT, term('b', 11))
  assert.ok(table.isComplete(SLOT))
})

test('a copy that is complete under a term not known is not complete', () => {
  const { table } = new Told()
  table.markComplete(SLOT, term('a', 10))
  assert.not(table.isComplete(SLOT))
  table.adopt(SLOT, term('a', 10))
  assert.ok(table.isComplete(SLOT))
})

test('completeness comes and goes with a word each, and no word when nothing changes', () => {
  const told = new Told()
  const { table } = told
  table.adopt(SLOT, term('a', 10))
  told.take()
  table.markPartial(SLOT)
  assert.equal(told.take(), NOTHING)
  table.markComplete(SLOT, term('a', 10))
  assert.equal(told.take(), { routes: false, published: true, primaries: false })
  table.markComplete(SLOT, term('a', 10))
  assert.equal(told.take(), NOTHING)
  table.markPartial(SLOT)
  assert.ok(told.take().published)
  assert.not(table.isComplete(SLOT))
})

test('a copy is there from the first entry until it is dropped', () => {
  const { table } = new Told()
  table.received(SLOT)
  assert.ok(table.hasCopy(SLOT))
  table.adopt(SLOT, term('a', 10))
  table.markComplete(SLOT, term('a', 10))
  table.dropped(SLOT)
  assert.not(table.hasCopy(SLOT))
  assert.not(table.isComplete(SLOT))
})

test('the slots held are told by the term they are held under', () => {
  const { table } = new Told()
  const [first, second] = [term('me', 10), term('me', 20)]
  for (const slot of [1, 2, 3]) table.take(slot, first)
  for (const slot of [7, 8]) table.take(slot, second)
  table.park(3, term('heir', 30))
  const groups = [...table.primariesByTerm()].map(([{ ms }, slots]) => [ms, [...slots]])
  assert.equal(groups, [
    [10, [1, 2]],
    [20, [7, 8]],
  ])
  assert.equal([...table.completeSet()], [1, 2, 3, 7, 8])
})

test('slots are gathered by key', () => {
  const groups = new Map<string, ReturnType<SlotTable['completeSet']>>()
  addToGroup(groups, 'x', 1)
  addToGroup(groups, 'y', 2)
  addToGroup(groups, 'x', 3)
  assert.equal(
    [...groups].map(([key, slots]) => [key, [...slots]]),
    [
      ['x', [1, 3]],
      ['y', [2]],
    ],
  )
})

test.run()
