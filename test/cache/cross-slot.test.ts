/** What names several keys: in one slot or, on one node, anywhere; refused as a whole otherwise, and before anything is done. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  IF_ABSENT,
  OPERATION_COPY,
  OPERATION_INCREMENT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  type Operation,
} from '../../src/cache/operation.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { ask, askTransaction, getOf, operationOf, setOf } from '../support/operations.ts'
import { CacheFlock } from './flock.ts'

const test = suite('cross slot')

test('alone is who has no other member beside it', () => {
  assert.is(new CacheFlock(['a']).cache('a').alone, true)
  assert.is(new CacheFlock().cache('a').alone, false)
})

test('two keys of two slots are refused while there are other members, wherever the slots are served', () => {
  const flock = new CacheFlock()
  // Both are served here, and still may not be: tomorrow they are not.
  flock.holders.fill('a')
  flock.settle()
  ask(flock.cache('a'), setOf('one', 'v'))
  for (const code of [OPERATION_RENAME, OPERATION_COPY]) {
    const asked = ask(flock.cache('a'), operationOf(code, 'one', 'two'))
    assert.equal([asked.state, asked.times, asked.told], ['CROSS_SLOT', 1, null])
  }
  assert.is(flock.member('a').written.length, 1)
})

test('two keys of one slot are moved where the slot is served', () => {
  const flock = new CacheFlock()
  for (const by of ['a', 'b', 'c']) {
    const set = ask(flock.cache(by), setOf('{t}one', by))
    flock.clock.advance(10)
    const moved = ask(flock.cache(by), operationOf(OPERATION_RENAME, '{t}one', '{t}two'))
    flock.clock.advance(10)
    const copied = ask(flock.cache(by), operationOf(OPERATION_COPY, '{t}two', '{t}one'))
    flock.clock.advance(10)
    assert.equal(
      [set, moved, copied].map(({ told }) => told?.written),
      [true, true, true],
    )
    const got = ask(flock.cache(by), getOf('{t}one'))
    flock.clock.advance(10)
    assert.is(got.told?.entry?.value, by)
  }
})

test('one node may move between any two keys, and do anything in one transaction', () => {
  const flock = new CacheFlock(['a'])
  const cache = flock.cache('a')
  ask(cache, setOf('one', 'v'))
  assert.is(ask(cache, operationOf(OPERATION_RENAME, 'one', 'two')).told?.written, true)
  assert.is(ask(cache, getOf('two')).told?.entry?.value, 'v')
  const asked = askTransaction(cache, [
    setOf('three', '1'),
    operationOf(OPERATION_COPY, 'three', 'four'),
    operationOf(OPERATION_INCREMENT, 'four', '1'),
    operationOf(OPERATION_RENAME, 'four', 'five'),
    getOf('five'),
  ])
  assert.equal([asked.state, asked.times], ['done', 1])
  assert.is(asked.told.get(4)?.entry?.value, '2')
  for (const [key, value] of [
    ['three', '1'],
    ['four', undefined],
    ['five', '2'],
  ] as const)
    assert.is(ask(cache, getOf(key)).told?.entry?.value, value)
})

test('a transaction over several slots is refused while there are other members, and does nothing', () => {
  const flock = new CacheFlock()
  flock.holders.fill('a')
  flock.settle()
  const cache = flock.cache('a')
  const lists: readonly (readonly Operation[])[] = [
    [setOf('one', 'v'), setOf('two', 'v')],
    [setOf('{t}one', 'v'), getOf('two')],
    [operationOf(OPERATION_REQUIRE, 'one', '', { condition: IF_ABSENT }), setOf('two', 'v')],
    [setOf('{t}one', 'v'), operationOf(OPERATION_RENAME, '{t}one', 'two')],
  ]
  for (const list of lists) {
    const asked = askTransaction(cache, list)
    assert.equal([asked.state, asked.times, asked.told.size], ['CROSS_SLOT', 1, 0])
  }
  assert.is(flock.member('a').written.length, 0)
})

test('alone, what a transaction would move to a slot that is not served here yet is not executed', () => {
  const flock = new CacheFlock(['a'])
  flock.holders[slotOf(Buffer.from('two'))] = null
  flock.settle()
  for (const code of [OPERATION_RENAME, OPERATION_COPY]) {
    const asked = askTransaction(flock.cache('a'), [setOf('one', 'v'), operationOf(code, 'one', 'two')])
    assert.equal([asked.state, asked.times, asked.told.size], ['TRY_AGAIN', 1, 0])
  }
  assert.is(flock.member('a').written.length, 0)
})

test('one that breaks a limit refuses the whole transaction, before anything is done', () => {
  for (const bad of [
    setOf('', 'v'),
    setOf('k'.repeat(65), 'v'),
    setOf('{t}', 'v'.repeat(1025)),
    operationOf(OPERATION_COPY, '{t}', ''),
    setOf('{t}', 'v', { expiry: 2 }),
  ]) {
    const flock = new CacheFlock(['a'])
    const asked = askTransaction(flock.cache('a'), [setOf('{t}k', 'v'), bad])
    assert.ok(/INVALID|TOO_LARGE/.test(asked.state), asked.state)
    assert.equal([asked.times, asked.told.size], [1, 0])
    assert.is(flock.member('a').written.length, 0)
  }
})

test('an empty transaction is done', () => {
  const asked = askTransaction(new CacheFlock().cache('a'), [])
  assert.equal([asked.state, asked.times], ['done', 1])
})

test('operations of a transaction that fail by themselves do not stop the others', () => {
  for (const names of [['a'], ['a', 'b', 'c']]) {
    const flock = new CacheFlock(names)
    const asked = askTransaction(flock.cache('a'), [
      setOf('{t}text', 'abc'),
      operationOf(OPERATION_INCREMENT, '{t}text', '1'),
      operationOf(OPERATION_RENAME, '{t}none', '{t}text'),
      operationOf(OPERATION_INCREMENT, '{t}n', '5'),
      getOf('{t}text'),
    ])
    flock.clock.advance(10)
    assert.is(asked.state, 'done')
    assert.equal(
      [...asked.told.values()].map(({ error }) => error),
      [null, 'NOT_AN_INTEGER', 'KEY_NOT_FOUND', null, null],
    )
    assert.equal([asked.told.get(3)?.entry?.value, asked.told.get(4)?.entry?.value], ['5', 'abc'])
  }
})

test('a demand leaves out as many as it says, and no more than there are', () => {
  const flock = new CacheFlock(['a'])
  const cache = flock.cache('a')
  ask(cache, setOf('{t}k', 'v'))
  for (const [offset, wanted] of [
    [0, [0, 1, 2]],
    [1, [0, 2]],
    [2, [0]],
    [9, [0]],
    [2 ** 32 - 1, [0]],
  ] as const) {
    const demand = operationOf(OPERATION_REQUIRE, '{t}k', '', { condition: IF_ABSENT, offset })
    const asked = askTransaction(cache, [demand, getOf('{t}k'), getOf('{t}k')])
    assert.equal([...asked.told.keys()], [...wanted], `${offset}`)
    assert.is(asked.told.get(0)?.written, false)
    const met = askTransaction(cache, [operationOf(OPERATION_REQUIRE, '{t}none', '', { condition: IF_ABSENT, offset }), getOf('{t}k')])
    assert.equal([...met.told.keys()], [0, 1])
    assert.is(met.told.get(0)?.written, true)
  }
})

test('a transaction finds nothing between its operations, though many members ask at once', () => {
  const flock = new CacheFlock()
  const totals: string[] = []
  for (let i = 0; i < 60; i++) {
    flock.clock.after(i * 0.1, () => {
      const by = ['a', 'b', 'c'][i % 3] as string
      const list = [
        getOf('{t}n'),
        operationOf(OPERATION_INCREMENT, '{t}n', '1'),
        operationOf(OPERATION_INCREMENT, '{t}n', '1'),
        getOf('{t}n'),
      ]
      flock.cache(by).transact(
        list,
        (index, outcome) => {
          if (index === 3) totals.push(outcome.entry?.valueBytes().toString() ?? 'none')
        },
        () => {},
      )
    })
  }
  flock.clock.advance(100)
  assert.equal(
    totals.map(Number).sort((a, b) => a - b),
    Array.from({ length: 60 }, (_, i) => 2 * i + 2),
  )
  assert.is(slotOf(Buffer.from('{t}n')), slotOf(Buffer.from('t')))
})

test.run()
