/** Which of two records holds. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareLives, compareRecords, isLive, isSameLife, type MemberRecord } from '../../src/membership/record.ts'
import { record } from './samples.ts'

const test = suite('record')

type Change = Partial<MemberRecord>
/** The first overrules the second. */
const OVERRULES: readonly [string, Change, Change][] = [
  [
    'a later generation, whatever was said of the earlier',
    { generation: 2, incarnation: 0 },
    { generation: 1, incarnation: 99, state: 'dead' },
  ],
  ['a later generation over a fact about the earlier', { generation: 2, incarnation: 0 }, { generation: 1, state: 'dead', fact: true }],
  ['the larger mark of one generation', { mark: 2, incarnation: 0 }, { mark: 1, incarnation: 9, state: 'left' }],
  ['a fact over any incarnation', { state: 'dead', fact: true, incarnation: 1 }, { state: 'alive', incarnation: 99 }],
  ['a higher incarnation over suspicion', { incarnation: 2 }, { incarnation: 1, state: 'suspect' }],
  ['a higher incarnation over death', { incarnation: 2 }, { incarnation: 1, state: 'dead' }],
  ['a higher incarnation over a farewell', { incarnation: 2 }, { incarnation: 1, state: 'left' }],
  ['suspicion over life of one incarnation', { state: 'suspect' }, { state: 'alive' }],
  ['death over suspicion', { state: 'dead' }, { state: 'suspect' }],
  ['a farewell over death', { state: 'left' }, { state: 'dead' }],
]

for (const [name, a, b] of OVERRULES) {
  test(name, () => {
    assert.ok(compareRecords(record(a), record(b)) > 0)
    assert.ok(compareRecords(record(b), record(a)) < 0)
  })
}

test('a record does not overrule itself, whoever accuses', () => {
  assert.is(compareRecords(record({ state: 'suspect', accuser: 'x' }), record({ state: 'suspect', accuser: 'y' })), 0)
})

test('lives are told apart by generation and mark, not by address or incarnation', () => {
  assert.is(compareLives(record({ address: 'x:1', incarnation: 1 }), record({ address: 'y:1', incarnation: 2 })), 0)
  assert.ok(compareLives(record({ generation: 2, mark: 1 }), record({ generation: 1, mark: 2 })) > 0)
  assert.ok(isSameLife(record(), record({ incarnation: 99 })))
  assert.not(isSameLife(record(), record({ name: 'b-0' })))
  assert.not(isSameLife(record(), record({ generation: 1 })))
})

test('a suspect is live, the dead and the left are not', () => {
  assert.equal(
    (['alive', 'suspect', 'dead', 'left'] as const).map((state) => isLive(record({ state }))),
    [true, true, false, false],
  )
})

test.run()
