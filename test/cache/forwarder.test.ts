/** The forwarder: here, there, refused, parked, repeated, given up; each operation answered exactly once. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ANSWER_REFUSED, encodeOperation, KIND_OPERATION } from '../../src/cache/messages.ts'
import { EXPIRY_IN, OPERATION_DELETE, OPERATION_SET } from '../../src/cache/operation.ts'
import { ByteReader } from '../../src/lib/bytes.ts'
import { Entry, VALUE_JSON } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { decodeTerm } from '../../src/placement/index.ts'
import { getOf } from '../support/operations.ts'
import { MIB, SLOT, TIMEOUT_MS, term, trio } from './trio.ts'

const test = suite('forwarder')

test('what is served here is done inside the call', () => {
  const { b, network } = trio()
  assert.equal(b.set('k', 'v'), { outcome: 'new', times: 1 })
  assert.equal(b.get('k'), { outcome: 'hit v', times: 1 })
  assert.equal(b.run(OPERATION_DELETE, 'k'), { outcome: 'existed', times: 1 })
  assert.equal(b.get('k'), { outcome: 'miss', times: 1 })
  assert.equal(network.log, [])
})

test('what is served elsewhere is done there and answered here', () => {
  const { a, b, clock, network } = trio()
  const set = a.set('k', 'v')
  assert.is(set.outcome, 'pending')
  clock.advance(10)
  assert.equal(set, { outcome: 'new', times: 1 })
  const [again, hit, miss] = [a.set('k', 'w'), a.get('k'), a.get('other')]
  clock.advance(10)
  assert.equal([again.outcome, hit.outcome, miss.outcome], ['existed', 'hit w', 'miss'])
  const removed = a.run(OPERATION_DELETE, 'k')
  clock.advance(10)
  const gone = a.run(OPERATION_DELETE, 'k')
  clock.advance(10)
  assert.equal([removed.outcome, gone.outcome], ['existed', 'new'])
  assert.is(a.store.stats().entries, 0)
  assert.is(b.store.stats().tombstones, 1)
  assert.ok(network.log.every((line) => line === `a>b ${KIND_OPERATION}`))
  assert.is(a.forwarder.stats().forwardedTotal, 6)
})

test('kind and time to live go along; the expiry is by the primary’s clock', () => {
  const { a, b, clock } = trio()
  a.run(OPERATION_SET, 'k', '{"n":1}', { kind: VALUE_JSON, expiry: EXPIRY_IN, expiryMs: 1000 })
  clock.advance(10)
  assert.is(b.written[0]?.expiresAtMs, b.hybrid.physicalMs() - 9 + 1000)
  assert.is(b.written[0]?.writer, 'b')
  const hit = a.get('k')
  clock.advance(10)
  assert.is(hit.outcome, 'hit {"n":1}')
})

test('an error of the primary is answered as it is, and not repeated', () => {
  const { a, clock, network } = trio({ maxMemoryBytes: 2000, evictionPolicy: 'noeviction' })
  const full = a.set('k', 'v'.repeat(3000))
  const unknown = a.run(99, 'k')
  clock.advance(TIMEOUT_MS + 100)
  assert.equal(full, { outcome: 'OUT_OF_MEMORY', times: 1 })
  assert.equal(unknown, { outcome: 'INTERNAL', times: 1 })
  assert.is(network.log.length, 2)
})

test('an operation not known here is an error inside the call', () => {
  assert.equal(trio().b.run(99, 'k'), { outcome: 'INTERNAL', times: 1 })
})

test('a refusal names the higher term, and the operation follows it', () => {
  const { a, b, c, clock, network } = trio()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  a.terms.set(SLOT, term('b', 40))
  c.otherwise = 'here'
  const set = a.set('k', 'v')
  clock.advance(100)
  assert.equal(set, { outcome: 'new', times: 1 })
  assert.equal(a.adopted, [{ term: term('c', 50), slots: [SLOT] }])
  assert.equal(network.log, [`a>b ${KIND_OPERATION}`, `a>c ${KIND_OPERATION}`])
  assert.is(b.forwarder.stats().refusedTotal, 1)
  assert.is(b.store.stats().entries, 0)
  assert.is(c.store.stats().entries, 1)
})

test('a member never passes a peer’s operation on', () => {
  const { a, b, clock, network } = trio()
  b.routes.set(SLOT, 'c')
  a.get('k')
  clock.advance(10)
  assert.not(network.log.some((line) => line.startsWith('b>')))
})

test('a refusal carries the term that is known, or none', () => {
  const { a, b, clock } = trio()
  const answers: Buffer[] = []
  const ask = (key: string): void => {
    const body = encodeOperation(getOf(key), slotOf(Buffer.from(key)), 1000)
    a.call('b', KIND_OPERATION, body, 1000, (_failure, answer) => answers.push(answer as Buffer))
    clock.advance(10)
  }
  b.otherwise = 'c'
  b.terms.set(SLOT, term('c', 50))
  ask('k')
  ask('other')
  const first = new ByteReader(answers[0] as Buffer)
  assert.equal([first.u8(), first.u8()], [ANSWER_REFUSED, 1])
  assert.equal(decodeTerm(first), term('c', 50))
  assert.equal(answers[1], Buffer.from([ANSWER_REFUSED, 0]))
})

test('who comes to the heir before it has read its grant waits there, and is refused once the grant is given up', () => {
  const { a, b, clock, network } = trio()
  b.routes.set(SLOT, 'c')
  b.terms.set(SLOT, term('c', 50))
  b.granted.add(SLOT)
  const [served, refused] = [a.set('k', '1'), a.set('k', '2')]
  clock.advance(200)
  assert.equal([served.outcome, refused.outcome], ['pending', 'pending'])
  assert.equal(network.log, [`a>b ${KIND_OPERATION}`, `a>b ${KIND_OPERATION}`], 'it does not knock again')
  assert.is(b.forwarder.stats().refusedTotal, 0)
  b.granted.delete(SLOT)
  clock.advance(50)
  assert.equal(a.adopted[0], { term: term('c', 50), slots: [SLOT] })
  assert.is(b.store.stats().entries, 0)
})

test('who waits at the heir is served when it has read its grant', () => {
  const { a, b, clock } = trio()
  b.routes.set(SLOT, 'c')
  b.granted.add(SLOT)
  const set = a.set('k', 'v')
  clock.advance(200)
  b.routes.set(SLOT, 'here')
  b.granted.delete(SLOT)
  b.forwarder.wake()
  clock.advance(5)
  assert.equal(set, { outcome: 'new', times: 1 })
})

test('two that refer to each other are asked until the time is up, not for ever and not in a hurry', () => {
  const { a, b, clock, network } = trio()
  b.otherwise = 'c'
  const asked = a.set('k', 'v')
  clock.advance(TIMEOUT_MS + 100)
  assert.equal(asked, { outcome: 'TRY_AGAIN', times: 1 })
  assert.ok(network.log.length > 10 && network.log.length < 400, `${network.log.length} calls`)
  assert.is(b.store.stats().entries, 0)
  assert.is(a.forwarder.stats().timedOutTotal, 1)
})

test('while nobody is known to serve the slot an operation waits, and goes on when routes change', () => {
  const { a, clock, network } = trio()
  a.routes.set(SLOT, null)
  const [set, other] = [a.set('k', 'v'), a.get('other')]
  clock.advance(1000)
  assert.is(set.outcome, 'pending')
  assert.is(other.outcome, 'miss', 'it keeps nobody else waiting')
  assert.is(a.forwarder.stats().parked, 1)
  network.log.length = 0
  a.routes.set(SLOT, 'b')
  a.forwarder.wake()
  assert.equal(network.log, [`a>b ${KIND_OPERATION}`], 'at once')
  clock.advance(10)
  assert.equal(set, { outcome: 'new', times: 1 })
  assert.is(a.forwarder.stats().parked, 0)
})

test('what waits is done here when this member comes to serve the slot', () => {
  const { a, clock } = trio()
  a.routes.set(SLOT, null)
  const set = a.set('k', 'v')
  clock.advance(500)
  a.routes.set(SLOT, 'here')
  a.forwarder.wake()
  assert.equal(set, { outcome: 'new', times: 1 })
  assert.is(a.store.stats().entries, 1)
})

test('what waits is done in the order in which it came', () => {
  const { a, clock } = trio()
  a.routes.set(SLOT, null)
  for (const value of ['1', '2', '3']) a.set('k', value)
  clock.advance(100)
  a.routes.set(SLOT, 'here')
  a.forwarder.wake()
  assert.is(a.get('k').outcome, 'hit 3')
})

test('it looks again by itself, should nobody tell it of routes', () => {
  const { a, clock } = trio()
  a.routes.set(SLOT, null)
  const set = a.set('k', 'v')
  clock.advance(200)
  a.routes.set(SLOT, 'b')
  clock.advance(50)
  assert.is(set.outcome, 'new')
})

test('an operation that waited its time is told to try again, and was not executed', () => {
  const { a, b, clock } = trio()
  a.routes.set(SLOT, null)
  const set = a.set('k', 'v')
  clock.advance(TIMEOUT_MS - 50)
  assert.is(set.outcome, 'pending')
  clock.advance(100)
  assert.equal(set, { outcome: 'TRY_AGAIN', times: 1 })
  a.routes.set(SLOT, 'b')
  a.forwarder.wake()
  clock.advance(1000)
  assert.is(b.store.stats().entries, 0)
  assert.is(set.times, 1)
})

test('a peer’s operation waits half the time while it is in doubt who serves the slot, and is refused then', () => {
  const { a, b, clock } = trio()
  b.routes.set(SLOT, null)
  const early = a.set('k', 'v')
  clock.advance(1000)
  assert.is(early.outcome, 'pending')
  b.routes.set(SLOT, 'here')
  b.forwarder.wake()
  clock.advance(10)
  assert.equal(early, { outcome: 'new', times: 1 })
  b.routes.set(SLOT, null)
  const late = a.get('k')
  clock.advance(TIMEOUT_MS / 2 - 100)
  assert.is(a.forwarder.stats().parkedTotal, 0)
  clock.advance(300)
  assert.ok(a.forwarder.stats().parkedTotal > 0, 'refused')
  b.routes.set(SLOT, 'here')
  b.forwarder.wake()
  clock.advance(100)
  assert.equal(late, { outcome: 'hit v', times: 1 })
})

test('no more than 20,000 operations wait; one more is busy, at once', () => {
  const { a, clock } = trio()
  a.otherwise = null
  const asked = Array.from({ length: 20_000 }, (_, i) => a.get(`k${i}`))
  assert.ok(asked.every(({ outcome }) => outcome === 'pending'))
  assert.equal(a.get('one more'), { outcome: 'BUSY', times: 1 })
  a.otherwise = 'here'
  a.forwarder.wake()
  assert.ok(asked.every(({ outcome, times }) => outcome === 'miss' && times === 1))
  a.otherwise = null
  assert.is(a.get('now there is room').outcome, 'pending')
  clock.advance(TIMEOUT_MS + 100)
})

test('no more than 64 MiB wait, give or take an operation', () => {
  const { a, clock } = trio()
  a.otherwise = null
  let pending = 0
  for (let i = 0; i < 80; i++) if (a.set(`k${i}`, 'v'.repeat(MIB)).outcome === 'pending') pending++
  assert.ok(pending >= 63 && pending <= 65, `${pending} MiB`)
  assert.is(a.set('small', '').outcome, 'BUSY')
  clock.advance(TIMEOUT_MS + 100)
  assert.is(a.set('small', '').outcome, 'pending', 'the bytes are free again')
  clock.advance(TIMEOUT_MS + 100)
})

for (const failure of ['unreachable', 'busy', 'lost', 'refused'] as const) {
  test(`a call that failed as ${failure} is tried again, and answered once`, () => {
    const { a, clock, network } = trio()
    network.failing.set('b', failure)
    const asked = [a.set('k', 'v'), a.get('other')]
    clock.advance(300)
    if (failure === 'unreachable') assert.equal(network.log, [], 'nothing is written down that cannot leave')
    else assert.ok(network.log.length > 4 && network.log.length < 100, `${network.log.length} calls`)
    assert.ok(asked.every(({ outcome }) => outcome === 'pending'))
    network.failing.clear()
    clock.advance(100)
    assert.equal(asked, [
      { outcome: 'new', times: 1 },
      { outcome: 'miss', times: 1 },
    ])
    // A repetition is what was sent before.
    const { forwardedTotal, retriedTotal } = a.forwarder.stats()
    assert.is(retriedTotal > 0, failure === 'lost' || failure === 'refused')
    assert.is(forwardedTotal - retriedTotal, 2)
  })
}

test('a set whose answer was lost is sent again, and the value stands', () => {
  const { a, b, clock, network } = trio()
  network.failing.set('b', 'answer lost')
  const set = a.set('k', 'v')
  clock.advance(10)
  network.failing.clear()
  clock.advance(100)
  assert.equal(set, { outcome: 'existed', times: 1 })
  assert.is(b.get('k').outcome, 'hit v')
  assert.ok(b.written.length >= 2)
})

test('a write whose answers were lost until the time was up has an unknown outcome, for it may have been executed', () => {
  for (const code of [OPERATION_SET, OPERATION_DELETE]) {
    const { a, b, clock, network } = trio()
    b.put('k', 'old')
    network.failing.set('b', 'answer lost')
    const write = a.run(code, 'k', 'v')
    clock.advance(TIMEOUT_MS + 100)
    assert.ok(b.written.length > 0, 'it was executed')
    assert.equal(write, { outcome: 'OUTCOME_UNKNOWN', times: 1 })
  }
})

test('a get whose answers were lost, or a write that never left, is told to try again', () => {
  const { a, clock, network } = trio()
  network.failing.set('b', 'answer lost')
  const get = a.get('k')
  clock.advance(TIMEOUT_MS + 100)
  network.failing.set('b', 'unreachable')
  const set = a.set('k', 'v')
  clock.advance(TIMEOUT_MS + 100)
  assert.equal([get.outcome, set.outcome], ['TRY_AGAIN', 'TRY_AGAIN'])
})

test('a set that waits at the primary is not executed once its asker has given it up', () => {
  const { a, b, clock } = trio()
  for (const member of [a, b]) member.routes.set(SLOT, null)
  const set = a.set('k', 'v')
  clock.advance(TIMEOUT_MS - 1000)
  a.routes.set(SLOT, 'b')
  a.forwarder.wake()
  clock.advance(100)
  assert.is(b.forwarder.stats().parked, 1)
  clock.advance(1400)
  assert.is.not(set.outcome, 'pending')
  b.routes.set(SLOT, 'here')
  b.forwarder.wake()
  clock.advance(100)
  assert.is(b.store.stats().entries, 0)
  assert.is(set.times, 1)
})

test('a get that cannot be delivered ends in time', () => {
  const { a, clock, network } = trio()
  network.failing.set('b', 'unreachable')
  const get = a.get('k')
  clock.advance(TIMEOUT_MS + 100)
  assert.equal(get, { outcome: 'TRY_AGAIN', times: 1 })
})

test('while a peer is out of reach what waits for it costs a look for each slot, not for each request', () => {
  const { a, clock, network } = trio()
  network.failing.set('b', 'unreachable')
  const asked = Array.from({ length: 10_000 }, (_, i) => a.set(`{${i % 20}}${i}`, 'v'))
  const { parkedTotal } = a.forwarder.stats()
  a.asked = 0
  clock.advance(2000)
  assert.ok(a.asked > 20 && a.asked < 20 * 101 * 3, `${a.asked} looks in 100 rounds`)
  const stats = a.forwarder.stats()
  assert.equal([stats.parked, stats.parkedTotal, stats.retriedTotal, stats.forwardedTotal], [10_000, parkedTotal, 0, 0])
  network.failing.clear()
  clock.advance(100)
  assert.ok(asked.every(({ outcome, times }) => outcome === 'new' && times === 1))
  assert.is(a.forwarder.stats().parked, 0)
})

test('a peer that can take no more is asked once in a round, whatever waits for it', () => {
  const { a, clock, network } = trio()
  a.otherwise = null
  for (let i = 0; i < 1000; i++) a.get(`k${i}`)
  network.failing.set('b', 'busy')
  a.otherwise = 'b'
  clock.advance(1000)
  assert.ok(network.log.length > 20 && network.log.length < 60, `${network.log.length} calls`)
})

test('close answers what waits and whatever would wait, and does what can be done', () => {
  const { a, b, clock, network } = trio()
  a.routes.set(SLOT, null)
  const parked = a.set('k', 'v')
  const underWay = a.set('other', 'v')
  a.forwarder.close()
  assert.equal(parked, { outcome: 'TRY_AGAIN', times: 1 })
  assert.equal(a.set('k', 'w'), { outcome: 'TRY_AGAIN', times: 1 })
  clock.advance(10)
  assert.equal(underWay, { outcome: 'new', times: 1 })
  assert.is(b.store.stats().entries, 1)
  network.failing.set('b', 'unreachable')
  assert.equal(a.get('other'), { outcome: 'TRY_AGAIN', times: 1 })
  clock.advance(TIMEOUT_MS * 2)
  assert.is(parked.times + underWay.times, 2)
})

test('of a slot that lacks what is elsewhere, a key is asked for there before it is used, by whoever asks', () => {
  const { a, b, clock } = trio()
  const beyond = new Entry().setKey(Buffer.from('k')).setValue(Buffer.from('beyond')).setVersion(1, 0, 'c')
  b.elsewhere.set(SLOT, [beyond])
  const here = b.get('k')
  assert.is(here.outcome, 'pending')
  const there = a.get('k')
  clock.advance(20)
  assert.equal(
    [here, there],
    [
      { outcome: 'hit beyond', times: 1 },
      { outcome: 'hit beyond', times: 1 },
    ],
  )
  assert.equal(b.askedFor, ['k', 'k'])
  b.elsewhere.clear()
  assert.equal(b.get('k'), { outcome: 'hit beyond', times: 1 })
})

test.run()
