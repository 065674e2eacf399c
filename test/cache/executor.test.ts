/** The executor: what an acknowledgement does to an operation, here and where it is forwarded from. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ACK_ALL,
  ACK_LOCAL,
  ACK_REPLICA,
  IF_ABSENT,
  OPERATION_DELETE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_REQUIRE,
  OPERATION_SET,
  WANT_OLD,
} from '../../src/cache/operation.ts'
import { deleteOf, getOf, operationOf, setOf } from '../support/operations.ts'
import { type Member, SLOT, TIMEOUT_MS, type Trio, term, trio } from './trio.ts'

const test = suite('executor')

const REPLICA = { ack: ACK_REPLICA } as const

/** The slot of `k` has a follower. */
function followed(): Trio {
  const members = trio()
  members.b.followers.set(SLOT, 1)
  return members
}

function confirm(member: Member, confirmed: boolean): void {
  const awaited = member.awaited.shift()
  assert.ok(awaited)
  awaited.done(confirmed)
}

test('on the smaller side of a partition a peer’s write is refused before anything is written, and its read is answered', () => {
  const { a, b, clock } = trio()
  b.put('k', 'old')
  b.refusesWrites = true
  const write = a.set('k', 'new')
  const both = a.transact([getOf('k'), setOf('k', 'new')])
  const read = a.get('k')
  clock.advance(10)
  assert.equal([write.outcome, both.state, both.told.size, read.outcome], ['PARTITIONED', 'PARTITIONED', 0, 'hit old'])
  assert.equal(b.written, [])
})

for (const [name, ack] of [
  ['replica', ACK_REPLICA],
  ['all', ACK_ALL],
] as const) {
  test(`ack=${name} without a replica is refused before anything is written`, () => {
    const { b } = trio()
    b.put('k', 'old')
    for (const code of [OPERATION_SET, OPERATION_DELETE, OPERATION_INCREMENT]) {
      assert.equal(b.run(code, 'k', '1', { ack }), { outcome: 'NO_REPLICAS', times: 1 })
    }
    assert.equal(b.written, [])
    assert.is(b.get('k').outcome, 'hit old')
  })

  test(`ack=${name} is answered when what it asks for is confirmed`, () => {
    const { b } = followed()
    const set = b.run(OPERATION_SET, 'k', 'v', { ack })
    assert.equal(set, { outcome: 'pending', times: 0 })
    assert.is(b.get('k').outcome, 'hit v', 'it is written and readable all the same')
    assert.is(b.awaited.length, 1)
    assert.is(b.awaited[0]?.slot, SLOT)
    assert.is(b.awaited[0]?.all, ack === ACK_ALL)
    confirm(b, true)
    assert.equal(set, { outcome: 'new', times: 1 })
  })
}

test('ack=local asks nobody', () => {
  const { b } = trio()
  assert.is(b.run(OPERATION_SET, 'k', 'v', { ack: ACK_LOCAL }).outcome, 'new')
  assert.is(b.awaited.length, 0)
})

test('what reads is not confirmed by anybody', () => {
  const { b } = trio()
  b.put('k', 'v')
  assert.is(b.run(OPERATION_GET, 'k', '', REPLICA).outcome, 'hit v')
  assert.is(b.awaited.length, 0)
})

test('what is not confirmed stays written, and the error says so', () => {
  const { b } = followed()
  const set = b.run(OPERATION_SET, 'k', 'v', REPLICA)
  confirm(b, false)
  assert.equal(set, { outcome: 'NOT_CONFIRMED', times: 1 })
  assert.is(b.get('k').outcome, 'hit v')
})

test('what an answer lends outlives the waiting', () => {
  const { b } = followed()
  b.put('k', 'old')
  const set = b.run(OPERATION_SET, 'k', 'new', { ...REPLICA, flags: WANT_OLD })
  for (let i = 0; i < 50; i++) b.set(`other-${i}`, 'something else')
  confirm(b, true)
  assert.is(set.outcome, 'hit old')
})

test('what fails by itself is answered at once', () => {
  const { b } = followed()
  b.put('k', 'no number')
  assert.is(b.run(OPERATION_INCREMENT, 'k', '1', REPLICA).outcome, 'NOT_AN_INTEGER')
  assert.is(b.awaited.length, 0)
})

test('what finds nothing to write waits too: it may be somebody’s second attempt at what is not confirmed yet', () => {
  const { b } = followed()
  b.put('k', 'v')
  const first = b.run(OPERATION_DELETE, 'k', '', REPLICA)
  const second = b.run(OPERATION_DELETE, 'k', '', REPLICA)
  const unmet = b.run(OPERATION_SET, 'k', 'w', { ...REPLICA, condition: IF_ABSENT })
  const taken = b.run(OPERATION_SET, 'k', 'x', { ...REPLICA, condition: IF_ABSENT })
  assert.is(b.awaited.length, 4)
  for (let i = 0; i < 4; i++) confirm(b, i !== 1)
  assert.equal(
    [first, second, unmet, taken].map(({ outcome }) => outcome),
    ['existed', 'NOT_CONFIRMED', 'new', 'existed'],
  )
})

test('what finds nothing to write is refused, as something to try again, where no replica says that this member still serves the key', () => {
  const { b } = followed()
  b.affirmed = false
  const nothing = b.run(OPERATION_DELETE, 'k', '', REPLICA)
  assert.is(nothing.outcome, 'TRY_AGAIN')
  assert.is(b.transact([deleteOf('k', REPLICA), getOf('k')]).state, 'TRY_AGAIN')
  assert.is(b.awaited.length, 0)
  // A frame whose acknowledgement can be awaited says as much.
  const written = b.run(OPERATION_SET, 'k', 'v', REPLICA)
  const both = b.transact([deleteOf('{k}none', REPLICA), deleteOf('k', REPLICA)])
  confirm(b, true)
  confirm(b, true)
  assert.equal([written.outcome, both.state], ['new', 'done'])
})

test('a transaction waits once, for the most that any of its writes asks for', () => {
  const { b } = followed()
  const all = b.transact([setOf('k', '1'), setOf('k', '2', REPLICA), deleteOf('k', { ack: ACK_ALL }), setOf('k', '3'), getOf('k')])
  assert.is(all.state, 'pending')
  assert.is(b.awaited.length, 1)
  assert.is(b.awaited[0]?.all, true)
  confirm(b, true)
  assert.is(all.state, 'done')
  assert.is(all.told.size, 5)
  const one = b.transact([setOf('k', '4', REPLICA), getOf('k', { ack: ACK_ALL })])
  assert.is(b.awaited[0]?.all, false, 'a read asks for nothing')
  confirm(b, false)
  assert.is(one.state, 'NOT_CONFIRMED')
  assert.is(b.get('k').outcome, 'hit 4')
})

test('a transaction without a replica is refused as a whole, unless it only reads', () => {
  const { b } = trio()
  const refused = b.transact([setOf('k', '1'), setOf('k', '2', REPLICA)])
  assert.equal([refused.state, refused.told.size], ['NO_REPLICAS', 0])
  assert.equal(b.written, [])
  assert.is(b.transact([getOf('k', REPLICA)]).state, 'done')
})

test('a transaction whose demand is not met waits for what it did all the same, if anything', () => {
  const { b } = followed()
  b.put('k', 'taken')
  const demand = (left: number) => operationOf(OPERATION_REQUIRE, 'k', '', { condition: IF_ABSENT, offset: left })
  const nothing = b.transact([demand(1), setOf('k', '1', REPLICA)])
  assert.is(nothing.state, 'done')
  const something = b.transact([demand(1), setOf('k', '1', REPLICA), setOf('k', '2', REPLICA)])
  assert.is(something.state, 'pending')
  confirm(b, true)
  assert.is(something.state, 'done')
})

test('of what is forwarded the callee waits, for less long than the caller', () => {
  const { a, b, clock, network } = followed()
  const set = a.run(OPERATION_SET, 'k', 'v', REPLICA)
  clock.advance(10)
  assert.is(set.outcome, 'pending')
  assert.is(a.awaited.length, 0)
  const { timeoutMs = 0, all } = b.awaited[0] ?? {}
  assert.is(all, false)
  assert.ok(timeoutMs > TIMEOUT_MS / 4 && timeoutMs < TIMEOUT_MS / 2, `${timeoutMs} ms`)
  confirm(b, true)
  clock.advance(10)
  assert.equal(set, { outcome: 'new', times: 1 })
  const every = a.run(OPERATION_SET, 'k', 'v', { ack: ACK_ALL })
  clock.advance(10)
  assert.is(b.awaited[0]?.all, true)
  confirm(b, true)
  clock.advance(10)
  assert.is(every.outcome, 'existed')
  assert.is(network.log.length, 2)
})

test('of what waited for its member first, less is left for the replicas', () => {
  const { b, clock } = followed()
  b.routes.set(SLOT, null)
  const set = b.run(OPERATION_SET, 'k', 'v', REPLICA)
  clock.advance(TIMEOUT_MS - 1000)
  b.routes.set(SLOT, 'here')
  b.forwarder.wake()
  assert.ok((b.awaited[0]?.timeoutMs ?? 0) < 1000)
  confirm(b, true)
  assert.is(set.outcome, 'new')
})

test('a refusal and a missing confirmation of the callee are answered as they are, and not repeated', () => {
  const { a, b, clock, network } = followed()
  const unconfirmed = [a.run(OPERATION_SET, 'k', 'v', REPLICA), a.run(OPERATION_INCREMENT, 'k', '1', REPLICA)]
  const transaction = a.transact([setOf('k', '1', REPLICA), setOf('k', '2')])
  clock.advance(10)
  assert.is(b.awaited.length, 2, 'the increment failed by itself')
  confirm(b, false)
  confirm(b, false)
  b.followers.clear()
  const refused = a.run(OPERATION_SET, 'k', 'w', REPLICA)
  clock.advance(TIMEOUT_MS + 100)
  assert.equal([...unconfirmed.map(({ outcome }) => outcome), transaction.state], ['NOT_CONFIRMED', 'NOT_AN_INTEGER', 'NOT_CONFIRMED'])
  assert.equal(refused, { outcome: 'NO_REPLICAS', times: 1 })
  assert.is(network.log.length, 4)
  assert.equal([a.forwarder.stats().retriedTotal, a.forwarder.stats().timedOutTotal], [0, 0])
  assert.is(b.get('k').outcome, 'hit 2')
})

test('a write whose answer was lost is not said to be refused, wherever it is tried again', () => {
  for (const where of ['there', 'here'] as const) {
    const { a, b, clock, network } = followed()
    network.failing.set('b', 'answer lost')
    const set = a.run(OPERATION_SET, 'k', 'v', REPLICA)
    const transaction = a.transact([setOf('k', 'v', REPLICA)])
    clock.advance(5)
    for (const { done } of b.awaited.splice(0)) done(true)
    clock.advance(1)
    network.failing.clear()
    b.followers.clear()
    if (where === 'here') a.routes.set(SLOT, 'here')
    clock.advance(200)
    assert.equal(set, { outcome: 'OUTCOME_UNKNOWN', times: 1 }, where)
    assert.is(transaction.state, 'OUTCOME_UNKNOWN')
    assert.is(b.get('k').outcome, 'hit v', 'for it was executed')
  }
})

test('a write that was refused because the slot is elsewhere may be refused there for want of a replica', () => {
  const { a, b, c, clock } = followed()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  a.terms.set(SLOT, term('b', 40))
  c.otherwise = 'here'
  const set = a.run(OPERATION_SET, 'k', 'v', REPLICA)
  clock.advance(200)
  assert.equal(set, { outcome: 'NO_REPLICAS', times: 1 })
})

test.run()
