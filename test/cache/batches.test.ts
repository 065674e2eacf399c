/** Batches: what one turn has for a peer goes in one call; what cannot be answered so goes on by itself, under the rules of the forwarder. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KIND_BATCH } from '../../src/cache/batch-messages.ts'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { ANSWER_DONE, KIND_OPERATION } from '../../src/cache/messages.ts'
import {
  ACK_REPLICA,
  EXPIRY_IN,
  HEAD,
  IF_ABSENT,
  OPERATION_APPEND,
  OPERATION_INCREMENT,
  OPERATION_RENAME,
  type Operation,
  UNTOUCHED,
  WANT_OLD,
} from '../../src/cache/operation.ts'
import { ByteReader, MalformedError } from '../../src/lib/bytes.ts'
import { NEVER, VALUE_JSON } from '../../src/lib/entry.ts'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { loneRoster } from '../support/fake-topology.ts'
import { type Asked, ask, deleteOf, getOf, operationOf, setOf } from '../support/operations.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'
import { numbered } from './flock.ts'
import { term } from './trio.ts'

const test = suite('batches')

const TIMEOUT_MS = 5000
const KIB = 1024
const SLOT = slotOf(Buffer.from('k'))

interface Three {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly a: FakeMember
  readonly b: FakeMember
  readonly c: FakeMember
  /** That of `a`. */
  readonly cache: ClusterCache
  /** That of `b`. */
  readonly served: ClusterCache
}

/** `b` serves everything, and all know it. */
function three(): Three {
  const clock = new FakeClock()
  const network = new FakeNetwork(clock)
  const [a, b, c] = [new FakeMember('a', network), new FakeMember('b', network), new FakeMember('c', network)]
  a.otherwise = 'b'
  c.otherwise = 'b'
  const [cache, served] = [a, b, c].map(
    (member) =>
      new ClusterCache({
        clock,
        random: new SeededRandom(1),
        hybrid: member.hybrid,
        store: member.store,
        authority: member,
        calls: member,
        roster: loneRoster(member.name),
        name: () => member.name,
        limits: { maxKeyBytes: 64, maxValueBytes: 64 * KIB },
        forwardTimeoutMs: TIMEOUT_MS,
      }),
  ) as [ClusterCache, ClusterCache, ClusterCache]
  return { clock, network, a, b, c, cache, served }
}

function callsOf(network: FakeNetwork, kind: number): string[] {
  return network.log.filter((line) => line.endsWith(` ${kind}`))
}

function states(asked: readonly Asked[]): string[] {
  return asked.map(({ state, times }) => (times > 1 ? `${times} times ${state}` : state))
}

/** What was told, without the stamps: time goes on while a batch is under way. */
function plainly(asked: readonly Asked[]): unknown[] {
  return asked.map(({ state, times, told }) => {
    const { entry = null, existed, length, written } = told ?? {}
    return [
      state,
      times,
      existed,
      written,
      length,
      entry === null ? null : [entry.key, entry.value, entry.kind, entry.expiresAtMs !== NEVER],
    ]
  })
}

test('all that a turn asks of one peer is one call, and each is answered as if it had been asked alone', () => {
  const { a, b, cache, clock, network, served } = three()
  b.put('there', 'a value')
  b.put('json', '{"n":1}', (entry) => {
    entry.kind = VALUE_JSON
    entry.expiresAtMs = b.hybrid.physicalMs() + 60_000
  })
  b.put('n', '41')
  b.put('gone', 'x')
  const list = [
    getOf('there'),
    getOf('json'),
    getOf('missing'),
    getOf('there', { flags: HEAD }),
    getOf('there', { flags: UNTOUCHED }),
    setOf('new', 'v'.repeat(100), { expiry: EXPIRY_IN, expiryMs: 1000 }),
    setOf('there', 'other', { condition: IF_ABSENT, flags: WANT_OLD }),
    deleteOf('gone'),
    operationOf(OPERATION_INCREMENT, 'n', '1'),
    operationOf(OPERATION_INCREMENT, 'json', '1'),
    operationOf(OPERATION_RENAME, '{n}missing', '{n}2'),
  ]
  const asked = list.map((operation) => ask(cache, operation))
  assert.ok(asked.every(({ times }) => times === 0))
  clock.advance(10)
  assert.equal(network.log, [`a>b ${KIND_BATCH}`])
  assert.equal(states(asked), [...Array(9).fill('done'), 'NOT_AN_INTEGER', 'KEY_NOT_FOUND'])
  assert.is(served.stats().forwardedTotal, 0)
  assert.is(cache.stats().forwardedTotal, list.length)
  assert.is(cache.stats().hitsTotal, 4)
  const told = asked.map((one) => one.told)
  assert.equal([told[0]?.entry?.key, told[0]?.entry?.value, told[0]?.length], ['there', 'a value', 7])
  assert.is(told[0]?.entry?.version, told[0]?.version)
  assert.equal([told[1]?.entry?.kind, told[1]?.entry?.value], [VALUE_JSON, '{"n":1}'])
  assert.ok((told[1]?.entry?.expiresAtMs ?? 0) > a.hybrid.physicalMs())
  assert.equal([told[2]?.existed, told[2]?.entry], [false, null])
  assert.equal([told[3]?.existed, told[3]?.length, told[3]?.entry?.value], [true, 7, ''])
  assert.is(told[4]?.entry?.value, 'a value')
  assert.equal([told[5]?.written, told[5]?.writer], [true, 'b'])
  assert.equal([told[6]?.written, told[6]?.entry?.value], [false, 'a value'])
  assert.equal([told[7]?.written, told[7]?.existed], [true, true])
  assert.is(told[8]?.entry?.value, '42')
})

test('runs of plain requests within a batch, and what lies between them, are answered as one by one where the keys are', () => {
  const random = new SeededRandom(7)
  const [asking, serving] = [three(), three()]
  const keys = numbered(12)
  const next = (): Operation => {
    const key = keys[randomBelow(random, keys.length)] as string
    const kind = randomBelow(random, 12)
    if (kind < 5) return getOf(key)
    if (kind < 8) return setOf(key, 'v'.repeat(randomBelow(random, kind === 7 ? 6 * KIB : 40)))
    if (kind === 8) return setOf(key, '{"n":1}', { kind: VALUE_JSON, expiry: EXPIRY_IN, expiryMs: 1 + randomBelow(random, 40) })
    if (kind === 9) return deleteOf(key)
    return kind === 10 ? operationOf(OPERATION_INCREMENT, key, '1') : getOf(key, { flags: HEAD })
  }
  for (let round = 0; round < 60; round++) {
    const list = Array.from({ length: 1 + randomBelow(random, 80) }, next)
    const forwarded = list.map((operation) => ask(asking.cache, operation.copy()))
    asking.clock.advance(10)
    serving.clock.advance(5)
    const direct = list.map((operation) => ask(serving.served, operation.copy()))
    serving.clock.advance(5)
    assert.equal(plainly(forwarded), plainly(direct))
  }
  assert.ok(callsOf(asking.network, KIND_BATCH).length >= 60)
  assert.is(asking.cache.stats().hitsTotal, serving.served.stats().hitsTotal)
  assert.is(asking.served.stats().getsTotal, 0)
})

test('the bytes of an operation belong to the asker again when the call returns', () => {
  const { b, cache, clock } = three()
  const bytes = Buffer.from('keyvalue')
  const operation = setOf('', '').setKey(bytes, 0, 3).setValue(bytes, 3)
  const asked = ask(cache, operation)
  bytes.fill('x')
  clock.advance(10)
  assert.is(asked.state, 'done')
  assert.is(b.written[0]?.key, 'key')
})

test('the next turn has a call of its own, and so has each peer', () => {
  const { a, cache, clock, network } = three()
  a.routes.set(SLOT, 'c')
  ask(cache, getOf('k'))
  ask(cache, getOf('other'))
  clock.advance(10)
  ask(cache, getOf('other'))
  clock.advance(10)
  assert.equal(network.log.slice(0, 3).sort(), [`a>b ${KIND_BATCH}`, `a>b ${KIND_BATCH}`, `a>c ${KIND_BATCH}`].sort())
})

test('while two batches are under way the next one gathers, until one is answered', () => {
  const { cache, clock, network } = three()
  const turn = (): void => clock.advance(0.1)
  const asked: Asked[] = []
  for (let i = 0; i < 8; i++) {
    asked.push(ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')))
    turn()
  }
  assert.is(callsOf(network, KIND_BATCH).length, 2)
  clock.advance(2)
  assert.is(callsOf(network, KIND_BATCH).length, 3)
  clock.advance(10)
  assert.equal(
    asked.map(({ told }) => told?.entry?.value),
    ['1', '2', '3', '4', '5', '6', '7', '8'],
  )
})

test('a batch waits for the answers of a silent peer no longer than 20 ms', () => {
  const { b, cache, clock, network } = three()
  b.handlers.delete(KIND_BATCH)
  for (let i = 0; i < 3; i++) {
    ask(cache, getOf('k'))
    clock.advance(1)
  }
  assert.is(callsOf(network, KIND_BATCH).length, 2)
  clock.advance(45)
  assert.is(callsOf(network, KIND_BATCH).length, 3)
})

test('what gathers behind a link that breaks was not sent, and goes on, whatever it is', () => {
  const { b, cache, clock, network } = three()
  network.failing.set('b', 'lost')
  const asked = [ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1'))]
  clock.advance(0.1)
  asked.push(ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')))
  clock.advance(0.1)
  asked.push(ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')))
  clock.advance(0.1)
  network.failing.clear()
  clock.advance(100)
  assert.equal(states(asked), ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'done'])
  assert.is(b.written.length, 1)
})

test('a refusal names the higher term, and those refused follow it in their order', () => {
  const { a, b, c, cache, clock, network } = three()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  a.terms.set(SLOT, term('b', 40))
  c.otherwise = 'here'
  const asked = [
    setOf('k', '1'),
    setOf('elsewhere', 'v'),
    operationOf(OPERATION_APPEND, 'k', '2'),
    operationOf(OPERATION_APPEND, 'k', '3'),
  ].map((operation) => ask(cache, operation))
  clock.advance(100)
  assert.equal(states(asked), ['done', 'done', 'done', 'done'])
  assert.equal(callsOf(network, KIND_BATCH), [`a>b ${KIND_BATCH}`])
  assert.equal(callsOf(network, KIND_OPERATION), Array(3).fill(`a>c ${KIND_OPERATION}`))
  const read = ask(cache, getOf('k'))
  clock.advance(10)
  assert.is(read.told?.entry?.value, '123')
  assert.equal(
    b.written.map(({ key }) => key),
    ['elsewhere'],
  )
})

test('what is being granted to the peer is asked for alone, and waits there instead of being refused', () => {
  const { a, b, cache, clock, network, served } = three()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  b.granted.add(SLOT)
  const [early, other] = [ask(cache, setOf('k', 'v')), ask(cache, setOf('other', 'v'))]
  clock.advance(200)
  assert.equal(states([early, other]), ['pending', 'done'])
  assert.equal(network.log, [`a>b ${KIND_BATCH}`, `a>b ${KIND_OPERATION}`])
  assert.equal(a.adopted, [])
  b.routes.set(SLOT, 'here')
  b.granted.delete(SLOT)
  served.routesChanged()
  clock.advance(10)
  assert.equal(states([early]), ['done'])
})

test('what is in doubt at the peer is asked for alone, and waits there', () => {
  const { b, cache, clock, network, served } = three()
  b.routes.set(SLOT, null)
  const [doubted, other] = [ask(cache, setOf('k', 'v')), ask(cache, setOf('other', 'v'))]
  clock.advance(10)
  assert.equal(states([doubted, other]), ['pending', 'done'])
  assert.equal(network.log, [`a>b ${KIND_BATCH}`, `a>b ${KIND_OPERATION}`])
  b.routes.set(SLOT, 'here')
  served.routesChanged()
  clock.advance(10)
  assert.equal(states([doubted]), ['done'])
})

test('of those whose answers are lost, only what may be executed twice is sent again', () => {
  for (const failure of ['answer lost', 'lost'] as const) {
    const { b, cache, clock, network } = three()
    b.put('n', '1')
    b.put('text', 'a')
    network.failing.set('b', failure)
    const asked = [
      getOf('n'),
      operationOf(OPERATION_INCREMENT, 'n', '1'),
      setOf('k', 'v'),
      operationOf(OPERATION_APPEND, 'text', 'b'),
      setOf('free', 'v', { condition: IF_ABSENT }),
    ].map((operation) => ask(cache, operation))
    clock.advance(10)
    network.failing.clear()
    assert.equal(states(asked), ['pending', 'OUTCOME_UNKNOWN', 'pending', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'])
    clock.advance(100)
    assert.equal(states(asked), ['done', 'OUTCOME_UNKNOWN', 'done', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'])
    assert.is(callsOf(network, KIND_OPERATION).length, 2)
    assert.is(b.written.filter(({ key }) => key === 'n').length, failure === 'lost' ? 0 : 1)
  }
})

test('a write that was sent and may have been executed is never said not to have been', () => {
  const { cache, clock, network } = three()
  network.failing.set(`b ${KIND_BATCH}`, 'answer lost')
  network.failing.set(`b ${KIND_OPERATION}`, 'unreachable')
  const asked = [ask(cache, setOf('k', 'v')), ask(cache, getOf('k'))]
  clock.advance(TIMEOUT_MS + 100)
  assert.equal(states(asked), ['OUTCOME_UNKNOWN', 'TRY_AGAIN'])
})

test('what certainly did not arrive goes on, whatever it is', () => {
  for (const failure of ['unreachable', 'busy'] as const) {
    const { cache, clock, network } = three()
    network.failing.set('b', failure)
    const asked = [ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')), ask(cache, setOf('k', 'v'))]
    clock.advance(100)
    network.failing.clear()
    clock.advance(100)
    assert.equal(states(asked), ['done', 'done'])
    assert.is(asked[0]?.told?.entry?.value, '1')
  }
})

test('a peer of an earlier version is asked one by one, and again in batches when it may have been replaced', () => {
  const { cache, clock, network } = three()
  network.failing.set(`b ${KIND_BATCH}`, 'refused')
  const asked = [ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')), ask(cache, setOf('k', 'v'))]
  clock.advance(100)
  assert.equal(states(asked), ['done', 'done'])
  for (let i = 0; i < 5; i++) {
    const more = ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1'))
    clock.advance(10)
    assert.is(more.told?.entry?.value, String(i + 2))
  }
  assert.equal([callsOf(network, KIND_BATCH).length, callsOf(network, KIND_OPERATION).length], [1, 7])
  network.failing.clear()
  clock.advance(10_000)
  ask(cache, getOf('k'))
  clock.advance(10)
  assert.equal([callsOf(network, KIND_BATCH).length, callsOf(network, KIND_OPERATION).length], [2, 7])
})

test('large operations, and writes that wait for replicas, go by themselves', () => {
  const { b, cache, clock, network } = three()
  b.followers.set(SLOT, 1)
  ask(cache, setOf('large', 'v'.repeat(20 * KIB)))
  ask(cache, setOf('k', 'v', { ack: ACK_REPLICA }))
  clock.advance(10)
  assert.equal(network.log, [`a>b ${KIND_OPERATION}`, `a>b ${KIND_OPERATION}`])
})

test('answers are bounded: what comes after a long one is asked for alone, and not executed twice', () => {
  const { b, cache, clock, network } = three()
  const keys = numbered(40)
  for (const key of keys) b.put(key, key.padEnd(40 * KIB, '.'))
  b.put('n', '0')
  let longest = 0
  const handler = b.handlers.get(KIND_BATCH)
  b.handle(KIND_BATCH, (from, body, respond) =>
    handler?.(from, body, (answer) => {
      longest = Math.max(longest, answer.length)
      respond?.(answer)
    }),
  )
  const asked = keys.map((key) => ask(cache, getOf(key)))
  const counted = ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1'))
  clock.advance(100)
  assert.ok(asked.every(({ told }, i) => told?.entry?.value.startsWith(keys[i] as string)))
  assert.is(counted.told?.entry?.value, '1')
  assert.ok(longest < 600 * KIB, `${longest} bytes`)
  assert.is(callsOf(network, KIND_BATCH).length, 1)
  assert.ok(callsOf(network, KIND_OPERATION).length > 20)
})

test('more than a batch holds leaves at once, in order', () => {
  const { cache, clock, network } = three()
  const asked = Array.from({ length: 5000 }, () => ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1')))
  clock.advance(10)
  assert.is(callsOf(network, KIND_BATCH).length, 3)
  assert.ok(asked.every(({ told }, i) => told?.entry?.value === String(i + 1)))
})

/** A batch of two SETs on its way to `b`, which has not got it yet, and what would serve it there. */
function intercepted({ b, cache, clock }: Three): { readonly handler: ReturnType<typeof b.handlers.get>; readonly body: Buffer } {
  let body = Buffer.alloc(0)
  const handler = b.handlers.get(KIND_BATCH)
  b.handle(KIND_BATCH, (_from, sent) => {
    body = Buffer.from(sent)
  })
  ask(cache, setOf('k', 'v'))
  ask(cache, setOf('other', 'v'))
  clock.advance(10)
  return { handler, body }
}

test('an operation under another slot than its key has is an error, and the others are executed', () => {
  const scene = three()
  const { a, b, network } = scene
  const { handler, body } = intercepted(scene)
  body.writeUInt16BE((SLOT + 1) % 16_384, 2)
  const answers: Buffer[] = []
  handler?.({ name: 'a' }, body, (answer) => answers.push(Buffer.from(answer)))
  assert.is(new ByteReader(answers[0] as Buffer).u8(), 3)
  assert.equal(
    b.written.map(({ key }) => key),
    ['other'],
  )
  assert.ok(network.log.length > 0 && a.written.length === 0)
})

test('a batch that ends too early is executed as far as it can be read, and so far answered', () => {
  const scene = three()
  const { b } = scene
  const { handler, body } = intercepted(scene)
  const answers: Buffer[] = []
  const serve = (part: Buffer): void => handler?.({ name: 'a' }, part, (answer) => answers.push(Buffer.from(answer)))
  serve(body.subarray(0, body.length - 1))
  assert.equal(
    b.written.map(({ key }) => key),
    ['k'],
  )
  const reader = new ByteReader(answers[0] as Buffer)
  assert.is(reader.u8(), ANSWER_DONE)
  for (let end = 0; end < 10; end++)
    assert.throws(
      () => serve(body.subarray(0, end)),
      (error: Error) => error instanceof MalformedError,
    )
  assert.is(b.written.length, 1)
})

test('of answers that cannot be read to the end, those behind the break are as good as lost', () => {
  const { a, b, cache, clock } = three()
  a.call = (_name, _kind, body, _timeoutMs, done) => {
    b.handlers.get(KIND_BATCH)?.({ name: 'a' }, Buffer.from(body), (answer) => {
      const cut = Buffer.from(answer.subarray(0, answer.length - 1))
      clock.after(1, () => {
        assert.throws(
          () => done(null, cut),
          (error: Error) => error instanceof MalformedError,
        )
        done('lost', null)
      })
    })
  }
  const asked = [ask(cache, setOf('k', 'v')), ask(cache, operationOf(OPERATION_INCREMENT, 'n', '1'))]
  clock.advance(10)
  assert.equal(states(asked), ['done', 'OUTCOME_UNKNOWN'])
  assert.equal(
    b.written.map(({ key }) => key),
    ['k', 'n'],
  )
})

test('a member that closes answers what it has not sent', () => {
  const { cache, clock, network } = three()
  const asked = ask(cache, setOf('k', 'v'))
  cache.close()
  assert.equal(states([asked]), ['TRY_AGAIN'])
  clock.advance(10)
  assert.equal(network.log, [])
  assert.is(asked.times, 1)
})

test.run()
