/** Who is remembered, and whose turn it is. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom } from '../../src/lib/random.ts'
import { MemberList } from '../../src/membership/member-list.ts'
import { record } from './samples.ts'

const test = suite('member list')

function listOf(count: number): MemberList {
  const list = new MemberList(new SeededRandom(1))
  for (let i = 0; i < count; i++) list.put(record({ name: `a-${i}` }))
  return list
}

function turns(list: MemberList, count: number): string[] {
  return Array.from({ length: count }, () => list.nextToProbe()?.name ?? 'nobody')
}

test('every round probes every live member once, in a new order', () => {
  const list = listOf(10)
  const rounds = Array.from({ length: 5 }, () => turns(list, 10))
  for (const round of rounds) assert.is(new Set(round).size, 10)
  assert.is(new Set(rounds.map(String)).size, 5)
})

test('the dead are passed over, those who return are probed again', () => {
  const list = listOf(3)
  list.put(record({ name: 'a-1', state: 'dead' }))
  assert.not(turns(list, 6).includes('a-1'))
  list.put(record({ name: 'a-1', incarnation: 8 }))
  const next = turns(list, 6)
  assert.is(next.filter((name) => name === 'a-1').length, 2)
})

test('a newcomer is probed within the round, and an update takes no second place', () => {
  const list = listOf(5)
  turns(list, 2)
  list.put(record({ name: 'new' }))
  list.put(record({ name: 'new', incarnation: 8 }))
  assert.is(turns(list, 4).filter((name) => name === 'new').length, 1)
})

test('nobody live: nobody to probe, nobody to sample', () => {
  const list = listOf(1)
  list.put(record({ name: 'a-0', state: 'left' }))
  assert.equal(turns(list, 2), ['nobody', 'nobody'])
  assert.equal(list.sampleLive(3), [])
})

test('a sample has distinct live members and not the excepted one', () => {
  const list = listOf(5)
  list.put(record({ name: 'a-4', state: 'dead' }))
  const names = list.sampleLive(9, 'a-0').map(({ name }) => name)
  assert.equal(names.sort(), ['a-1', 'a-2', 'a-3'])
})

test('4095 others are remembered; room is made by forgetting one that is not live', () => {
  const list = new MemberList(new SeededRandom(1))
  for (let i = 0; i < 4095; i++) {
    assert.ok(list.makeRoom())
    list.put(record({ name: `a-${i}` }))
  }
  assert.not(list.makeRoom())
  list.put(record({ name: 'a-77', state: 'dead' }))
  assert.ok(list.makeRoom())
  assert.is(list.get('a-77'), undefined)
  assert.is(list.all().length, 4094)
})

test.run()
