/** Errands: what may be sent again and what may not, transactions as a whole, and what a peer asks that it must not. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TransactionErrand } from '../../src/cache/errand.ts'
import { Executor } from '../../src/cache/executor.ts'
import {
  ANSWER_DONE,
  ANSWER_ERROR,
  decodeError,
  encodeOperation,
  encodeTransaction,
  KIND_OPERATION,
  KIND_TRANSACTION,
  writeOutcome,
} from '../../src/cache/messages.ts'
import {
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_KEEP,
  HEAD,
  IF_ABSENT,
  IF_PRESENT,
  IF_VERSION,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  WANT_OLD,
} from '../../src/cache/operation.ts'
import { Operations } from '../../src/cache/operations.ts'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { type Change, getOf, operationOf, setOf } from '../support/operations.ts'
import type { FakeNetwork } from './fakes.ts'
import { MIB, SLOT, TIMEOUT_MS, term, trio } from './trio.ts'

const test = suite('errand')

/** What may be sent again after its answer was lost; the second sending must not be noticed. */
const REPEATED: readonly (readonly [what: string, code: number, value: string, change: Change])[] = [
  ['a get', OPERATION_GET, '', {}],
  ['a set', OPERATION_SET, 'v', {}],
  ['a set with an expiry', OPERATION_SET, 'v', { expiry: EXPIRY_IN, expiryMs: 1000 }],
]

const NOT_REPEATED: readonly (readonly [what: string, code: number, value: string, change: Change])[] = [
  ['an increment', OPERATION_INCREMENT, '1', {}],
  ['an increment by a fraction', OPERATION_INCREMENT_FLOAT, '1', {}],
  ['an append', OPERATION_APPEND, '1', {}],
  ['an expire', OPERATION_EXPIRE, '', { expiry: EXPIRY_IN, expiryMs: 1000 }],
  ['a set-range', OPERATION_SET_RANGE, 'v', { offset: 2 }],
  ['a copy', OPERATION_COPY, '{k}2', {}],
  ['a set that keeps the expiry', OPERATION_SET, 'v', { expiry: EXPIRY_KEEP }],
  ['a rename', OPERATION_RENAME, '{k}2', {}],
  ['a set if absent', OPERATION_SET, 'v', { condition: IF_ABSENT }],
  ['a set if present', OPERATION_SET, 'v', { condition: IF_PRESENT }],
  ['a set if the version is', OPERATION_SET, 'v', { condition: IF_VERSION, ms: 1 }],
  ['a set that answers the old value', OPERATION_SET, 'v', { flags: WANT_OLD }],
  ['a delete that answers the old value', OPERATION_DELETE, '', { flags: WANT_OLD }],
  ['a delete if the version is', OPERATION_DELETE, '', { condition: IF_VERSION, ms: 1 }],
  ['an expire that answers the entry', OPERATION_EXPIRE, '', { expiry: EXPIRY_AT, expiryMs: 1, flags: WANT_OLD }],
  ['a copy if absent', OPERATION_COPY, '{k}2', { condition: IF_ABSENT }],
]

/** How often the peers were asked. */
function callsOf(network: FakeNetwork, kind: number): number {
  return network.log.filter((line) => line.endsWith(` ${kind}`)).length
}

for (const [what, code, value, change] of REPEATED) {
  test(`${what} whose answer was lost is sent again`, () => {
    const { a, b, clock, network } = trio()
    b.put('k', '1')
    network.failing.set('b', 'answer lost')
    const asked = a.run(code, 'k', value, change)
    clock.advance(10)
    assert.is(asked.outcome, 'pending')
    network.failing.clear()
    clock.advance(100)
    assert.is(asked.times, 1)
    assert.ok(callsOf(network, KIND_OPERATION) >= 2)
    assert.ok(/^(hit|existed|new)/.test(asked.outcome), asked.outcome)
  })
}

for (const [what, code, value, change] of NOT_REPEATED) {
  test(`${what} whose answer was lost has an unknown outcome, at once, and is not sent again`, () => {
    for (const failure of ['answer lost', 'lost'] as const) {
      const { a, b, clock, network } = trio()
      b.put('k', '1')
      network.failing.set('b', failure)
      const asked = a.run(code, 'k', value, change)
      clock.advance(10)
      assert.equal(asked, { outcome: 'OUTCOME_UNKNOWN', times: 1 })
      network.failing.clear()
      clock.advance(TIMEOUT_MS * 2)
      assert.is(asked.times, 1)
      assert.is(callsOf(network, KIND_OPERATION), 1)
    }
  })

  test(`${what} that was not executed is sent again, and executed once`, () => {
    for (const failure of ['unreachable', 'busy', 'refused'] as const) {
      const { a, b, clock, network } = trio()
      b.put('k', '1')
      network.failing.set('b', failure)
      const asked = a.run(code, 'k', value, change)
      clock.advance(300)
      assert.is(asked.outcome, 'pending', failure)
      network.failing.clear()
      clock.advance(100)
      assert.is(asked.times, 1)
      assert.ok(/^(hit|existed|new)/.test(asked.outcome), `${failure}: ${asked.outcome}`)
      if (code === OPERATION_INCREMENT) assert.is(b.get('k').outcome, 'hit 2')
    }
  })
}

test('a delete whose answer was lost is sent again, and answers what is certain', () => {
  const removed = (failure: 'lost' | 'answer lost', meanwhile: (three: ReturnType<typeof trio>) => void = () => {}): string => {
    const three = trio()
    const { a, b, clock, network } = three
    b.put('k', '1')
    network.failing.set('b', failure)
    const asked = a.run(OPERATION_DELETE, 'k')
    clock.advance(10)
    assert.is(asked.outcome, 'pending')
    meanwhile(three)
    network.failing.clear()
    clock.advance(100)
    assert.is(asked.times, 1)
    assert.is(b.get('k').outcome, 'miss', 'it is gone either way')
    return asked.outcome
  }
  assert.is(removed('lost'), 'existed', 'the first did not arrive')
  assert.is(removed('answer lost'), 'OUTCOME_UNKNOWN', 'the first may have deleted it, or found nothing')
  // The errand comes home, to a member that has all that was written.
  const takenOver = removed('answer lost', ({ a }) => {
    a.routes.set(SLOT, 'here')
  })
  assert.is(takenOver, 'OUTCOME_UNKNOWN')
})

test('a delete that found nothing, and was not sent before, says so', () => {
  const { a, clock, network } = trio()
  network.failing.set('b', 'busy')
  const asked = a.run(OPERATION_DELETE, 'k')
  clock.advance(50)
  network.failing.clear()
  clock.advance(100)
  assert.equal(asked, { outcome: 'new', times: 1 })
})

test('an operation that was never executed is told to try again, whatever it is', () => {
  for (const failure of ['unreachable', 'busy', 'refused'] as const) {
    const { a, clock, network } = trio()
    network.failing.set('b', failure)
    const increment = a.run(OPERATION_INCREMENT, 'k', '1')
    clock.advance(TIMEOUT_MS + 100)
    assert.equal(increment, { outcome: 'TRY_AGAIN', times: 1 }, failure)
  }
})

test('what does not fit a message fails at once, is not sent again, and is told by what became of it', () => {
  const told = (failure: 'too large' | 'answer too large', code: number): string => {
    const { a, clock, network } = trio()
    network.failing.set('b', failure)
    const asked = a.run(code, 'k', '1')
    clock.advance(TIMEOUT_MS * 2)
    assert.equal([asked.times, callsOf(network, KIND_OPERATION)], [1, 1])
    return asked.outcome
  }
  assert.is(told('too large', OPERATION_SET), 'MESSAGE_TOO_LARGE')
  assert.is(told('answer too large', OPERATION_GET), 'MESSAGE_TOO_LARGE')
  assert.is(told('answer too large', OPERATION_SET), 'OUTCOME_UNKNOWN')
})

test('a peer that names another slot than that of the keys is refused, and nothing is executed', () => {
  const wrong = (SLOT + 1) % 16_384
  const requests: readonly (readonly [what: string, kind: number, body: Buffer])[] = [
    ['an operation', KIND_OPERATION, encodeOperation(setOf('k', 'v'), wrong, 1000)],
    ['a second key', KIND_OPERATION, encodeOperation(operationOf(OPERATION_RENAME, 'there', 'other'), slotOf(Buffer.from('there')), 1000)],
    ['a slot that there is not', KIND_OPERATION, encodeOperation(setOf('k', 'v'), 0xffff, 1000)],
    ['one of a transaction', KIND_TRANSACTION, encodeTransaction([setOf('k', 'v'), setOf('other', 'v')], SLOT, 1000)],
    ['a second key in a transaction', KIND_TRANSACTION, encodeTransaction([operationOf(OPERATION_COPY, 'k', 'other')], SLOT, 1000)],
    ['a get in a transaction', KIND_TRANSACTION, encodeTransaction([setOf('k', 'v'), getOf('other')], SLOT, 1000)],
  ]
  for (const [what, kind, body] of requests) {
    const { a, b, clock } = trio()
    b.put('there', 'v')
    let answer: Buffer | null = null
    a.call('b', kind, body, 1000, (_failure, bytes) => {
      answer = bytes
    })
    clock.advance(10)
    const reader = new ByteReader(answer as unknown as Buffer)
    assert.is(reader.u8(), ANSWER_ERROR, what)
    assert.is(decodeError(reader).code, 'CROSS_SLOT', what)
    assert.equal(b.written, [], what)
  }
})

test('an operation in a transaction that is not known here leaves all of it unexecuted', () => {
  const { a, b, clock } = trio()
  const asked = a.transact([setOf('k', 'v'), operationOf(99, 'k')])
  clock.advance(10)
  assert.is(asked.state, 'INTERNAL')
  assert.is(asked.told.size, 0)
  assert.equal(b.written, [])
})

test('a transaction is executed where its slot is served, and each outcome is told in order', () => {
  const { a, b, clock, network } = trio()
  b.put('k', '1')
  const list = [
    operationOf(OPERATION_REQUIRE, 'k', '', { condition: IF_ABSENT, offset: 2 }),
    setOf('k', 'left out'),
    setOf('{k}2', 'left out'),
    operationOf(OPERATION_INCREMENT, 'k', '41'),
    operationOf(OPERATION_INCREMENT, 'k', 'x'),
    setOf('{k}2', 'v', { flags: WANT_OLD }),
    getOf('{k}2'),
    getOf('{k}3'),
  ]
  const asked = a.transact(list)
  assert.is(asked.state, 'pending')
  clock.advance(10)
  assert.is(asked.state, 'done')
  assert.is(asked.times, 1)
  assert.equal([...asked.told.keys()], [0, 3, 4, 5, 6, 7])
  assert.equal(
    [...asked.told.values()].map(({ error, written, entry }) => error ?? entry?.value ?? (written ? 'written' : 'nothing')),
    ['nothing', '42', 'NOT_AN_INTEGER', 'written', 'v', 'nothing'],
  )
  assert.equal(network.log, [`a>b ${KIND_TRANSACTION}`])
  assert.equal(
    b.written.map(({ key }) => key),
    ['k', '{k}2'],
  )
  assert.is(a.store.stats().entries, 0)
})

test('a transaction here and one there answer the same', () => {
  const list = (): Operation[] => [
    setOf('k', 'v'),
    setOf('k', 'w', { flags: WANT_OLD, expiry: EXPIRY_IN, expiryMs: 1000 }),
    operationOf(OPERATION_APPEND, 'k', 'x'),
    getOf('k', { flags: HEAD }),
    operationOf(OPERATION_RENAME, 'k', '{k}2'),
    operationOf(OPERATION_RENAME, 'k', '{k}2'),
    getOf('k', { flags: HEAD }),
    getOf('{k}2'),
  ]
  const here = trio()
  const there = trio()
  here.clock.advance(1)
  const [local, remote] = [here.b.transact(list()), there.a.transact(list())]
  there.clock.advance(10)
  assert.is(local.state, 'done')
  assert.equal([...remote.told], [...local.told])
})

test('a transaction follows a refusal, waits while nobody is known, and is given up in time', () => {
  const { a, b, c, clock, network } = trio()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  c.otherwise = 'here'
  const refused = a.transact([setOf('k', 'v'), getOf('k')])
  clock.advance(100)
  assert.is(refused.state, 'done')
  assert.equal(network.log, [`a>b ${KIND_TRANSACTION}`, `a>c ${KIND_TRANSACTION}`])
  assert.is(b.store.stats().entries, 0)
  assert.is(c.store.stats().entries, 1)

  a.routes.set(SLOT, null)
  const parked = a.transact([operationOf(OPERATION_INCREMENT, '{k}n', '1')])
  clock.advance(1000)
  assert.is(parked.state, 'pending')
  assert.is(a.forwarder.stats().parked, 1)
  a.routes.set(SLOT, 'c')
  a.forwarder.wake()
  clock.advance(10)
  assert.is(parked.told.get(0)?.entry?.value, '1')

  a.routes.set(SLOT, null)
  const late = a.transact([operationOf(OPERATION_INCREMENT, '{k}n', '1')])
  clock.advance(TIMEOUT_MS + 100)
  assert.equal([late.state, late.times, late.told.size], ['TRY_AGAIN', 1, 0])
  assert.is(c.get('{k}n').outcome, 'hit 1')
})

test('a transaction waits with the bytes of all its operations', () => {
  const { a, clock } = trio()
  a.otherwise = null
  for (let i = 0; i < 22; i++) a.transact(['{k}1', '{k}2', '{k}3'].map((key) => setOf(key, 'v'.repeat(MIB))))
  assert.is(a.transact([setOf('k', '')]).state, 'BUSY')
  clock.advance(TIMEOUT_MS + 100)
})

for (const [what, list] of [
  ['reads alone', () => [getOf('k'), getOf('{k}2')]],
  ['reads under a demand', () => [operationOf(OPERATION_REQUIRE, 'k', '', { condition: IF_ABSENT, offset: 1 }), getOf('k')]],
  ['plain sets', () => [setOf('k', 'v'), setOf('{k}2', 'v', { expiry: EXPIRY_IN, expiryMs: 1000 }), setOf('k', 'w')]],
] as const) {
  test(`a transaction of ${what} whose answer was lost is sent again`, () => {
    const { a, clock, network } = trio()
    network.failing.set('b', 'answer lost')
    const asked = a.transact(list())
    clock.advance(10)
    assert.is(asked.state, 'pending')
    network.failing.clear()
    clock.advance(100)
    assert.equal([asked.state, asked.times], ['done', 1])
  })
}

for (const [what, list] of [
  ['a set and a delete', () => [setOf('k', 'v'), operationOf(OPERATION_DELETE, '{k}2')]],
  ['an increment', () => [setOf('k', 'v'), operationOf(OPERATION_INCREMENT, '{k}n', '1')]],
  ['a conditional set', () => [setOf('k', 'v', { condition: IF_ABSENT })]],
  ['a demand and a set', () => [operationOf(OPERATION_REQUIRE, 'k', '', { condition: IF_ABSENT, offset: 1 }), setOf('k', 'v')]],
  // The second time the reader would meet what the first time wrote.
  ['a get and a set', () => [getOf('k'), setOf('k', 'v')]],
  // The second time the copy would be that of the new value.
  ['a copy and a set', () => [operationOf(OPERATION_COPY, 'k', '{k}2'), setOf('k', 'v')]],
  // The first time there is nothing to expire, the second time there is.
  [
    'an expire and a set',
    () => [operationOf(OPERATION_EXPIRE, 'k', '', { expiry: EXPIRY_IN, expiryMs: 9000 }), setOf('k', 'v', { expiry: EXPIRY_KEEP })],
  ],
] as const) {
  test(`a transaction of ${what} whose answer was lost has an unknown outcome, at once, and is not sent again`, () => {
    const { a, clock, network } = trio()
    network.failing.set('b', 'answer lost')
    const asked = a.transact(list())
    clock.advance(10)
    assert.equal([asked.state, asked.times, asked.told.size], ['OUTCOME_UNKNOWN', 1, 0])
    network.failing.clear()
    clock.advance(TIMEOUT_MS * 2)
    assert.equal([asked.times, callsOf(network, KIND_TRANSACTION)], [1, 1])
  })
}

test('an answer that cannot be read tells of nothing before it throws', () => {
  const { a, network } = trio()
  const told: number[] = []
  const [first, second] = [encodedOutcome(0), encodedOutcome(1)]
  const body = Buffer.concat([Buffer.from([ANSWER_DONE, 0, 0, 0, 3]), first, second])
  const operations = new Executor(new Operations(a.store, a, a.hybrid, () => 'a', MIB), a)
  const errand = new TransactionErrand(
    [getOf('k'), getOf('k'), getOf('k')],
    SLOT,
    operations,
    (index) => told.push(index),
    () => told.push(-1),
  )
  assert.throws(
    () => errand.answered(new ByteReader(body, 1)),
    (error: Error) => error instanceof MalformedError,
  )
  assert.equal(told, [])
  assert.equal(network.log, [])
})

/** An index and the outcome of a get that missed. */
function encodedOutcome(index: number): Buffer {
  const writer = new ByteWriter().u32(index)
  writeOutcome(writer, {
    error: null,
    existed: false,
    written: false,
    entry: null,
    length: 0,
    idleMs: -1,
    frequency: -1,
    ms: 0,
    counter: 0,
    writer: '',
  })
  return writer.toBuffer()
}

test.run()
