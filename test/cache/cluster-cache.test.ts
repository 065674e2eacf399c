/** The cache of a cluster as a face sees it: limits, many at a time, counts. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SetRequest } from '../../src/cache/cache.ts'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { ACK_REPLICA, EXPIRY_AT, EXPIRY_IN, EXPIRY_KEEP, OPERATION_EXPIRE } from '../../src/cache/operation.ts'
import { VALUE_STRING } from '../../src/lib/entry.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { EPOCH_MS, FakeClock } from '../support/fake-clock.ts'
import { loneRoster } from '../support/fake-topology.ts'
import { localCache } from '../support/local-cache.ts'
import { ask, deleteOf, getOf, operationOf, setOf } from '../support/operations.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

const test = suite('cluster cache')

function setting(): { clock: FakeClock; member: FakeMember; other: ClusterCache; cache: ClusterCache; network: FakeNetwork } {
  const clock = new FakeClock()
  const network = new FakeNetwork(clock)
  const caches = ['me', 'other'].map((name) => {
    const member = new FakeMember(name, network)
    const { hybrid, store } = member
    const limits = { maxKeyBytes: 8, maxValueBytes: 16 }
    const cache = new ClusterCache({
      clock,
      random: new SeededRandom(1),
      hybrid,
      store,
      authority: member,
      calls: member,
      roster: loneRoster(name),
      name: () => name,
      limits,
      forwardTimeoutMs: 1000,
    })
    return { member, cache }
  })
  const [mine, theirs] = caches as [(typeof caches)[0], (typeof caches)[0]]
  return { clock, network, member: mine.member, cache: mine.cache, other: theirs.cache }
}

/** No expiry is later: 4429 years after the virtual clock begins. */
const LATEST_MS = 2 ** 47

function request(key: string, value: string = 'v', ttlMs: number | null = null): SetRequest {
  return { key: Buffer.from(key), value: Buffer.from(value), kind: VALUE_STRING, ttlMs }
}

test('on the smaller side of a partition no write waits for a primary that may be on the other', () => {
  const { cache, member, network } = setting()
  member.otherwise = null
  member.refusesWrites = true
  assert.is(ask(cache, setOf('k', 'v')).state, 'PARTITIONED')
  assert.is(ask(cache, deleteOf('k')).state, 'PARTITIONED')
  assert.is(ask(cache, getOf('k')).state, 'pending')
  assert.equal(network.log, [])
})

test('keys and values at their limits pass, and one byte more is refused before anything changes', () => {
  const { cache, member } = setting()
  const outcome = (key: string, value: string): string => ask(cache, setOf(key, value)).state
  assert.is(outcome('k'.repeat(8), 'v'.repeat(16)), 'done')
  assert.is(outcome('k'.repeat(9), 'v'), 'KEY_INVALID')
  assert.is(outcome('', 'v'), 'KEY_INVALID')
  assert.is(outcome('k', 'v'.repeat(17)), 'VALUE_TOO_LARGE')
  assert.is(member.written.length, 1)
  for (const key of ['', 'k'.repeat(9)]) {
    for (const operation of [getOf(key), deleteOf(key)]) {
      const { state, times, told } = ask(cache, operation)
      assert.equal({ state, times, told }, { state: 'KEY_INVALID', times: 1, told: null })
    }
  }
})

test('a time to live up to the last moment there is passes; none, a negative one or a longer one is refused, and nothing is written', () => {
  const { cache, member } = setting()
  const longestMs = LATEST_MS - EPOCH_MS
  for (const ttlMs of [0, -0, -1, Number.NaN, longestMs + 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const { state, times, told } = ask(cache, setOf('k', 'v', { expiry: EXPIRY_IN, expiryMs: ttlMs }))
    assert.equal({ state, times, told }, { state: 'TTL_INVALID', times: 1, told: null }, `${ttlMs} ms`)
    const codes: (string | undefined)[] = []
    cache.setMany([request('a'), request('k', 'v', ttlMs)], (error, result) =>
      codes.push(error?.code, result === null ? 'no result' : 'result'),
    )
    assert.equal(codes, ['TTL_INVALID', 'no result'], `${ttlMs} ms`)
    assert.is(member.written.length, 0)
  }
  for (const ttlMs of [1, 10 * 365 * 86_400_000, longestMs])
    assert.is(ask(cache, setOf('k', 'v', { expiry: EXPIRY_IN, expiryMs: ttlMs })).state, 'done')
  assert.is(ask(cache, setOf('k', 'v')).state, 'done')
  assert.equal(
    member.written.map(({ expiresAtMs }) => expiresAtMs),
    [EPOCH_MS + 1, EPOCH_MS + 10 * 365 * 86_400_000, LATEST_MS, 0],
  )
})

test('an expiry named as a moment is refused above the last there is, and may be in the past', () => {
  for (const expiryMs of [LATEST_MS + 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const { cache, member } = setting()
    assert.is(ask(cache, setOf('k', 'v', { expiry: EXPIRY_AT, expiryMs })).state, 'TTL_INVALID', `${expiryMs}`)
    assert.is(ask(cache, operationOf(OPERATION_EXPIRE, 'k', '', { expiry: EXPIRY_AT, expiryMs })).state, 'TTL_INVALID', `${expiryMs}`)
    assert.is(member.written.length, 0)
  }
  for (const expiryMs of [LATEST_MS, EPOCH_MS, 1, 0, -1, -LATEST_MS]) {
    const { cache } = setting()
    assert.is(ask(cache, setOf('k', 'v', { expiry: EXPIRY_AT, expiryMs })).state, 'done', `${expiryMs}`)
    const held = ask(cache, getOf('k')).told?.entry
    assert.is(held?.expiresAtMs, expiryMs === LATEST_MS ? LATEST_MS : undefined, `${expiryMs}`)
  }
})

test('to expire a key in no time or before now deletes it, and is no error', () => {
  for (const expiryMs of [0, -1, -LATEST_MS]) {
    const { cache } = setting()
    ask(cache, setOf('k', 'v'))
    assert.is(ask(cache, operationOf(OPERATION_EXPIRE, 'k', '', { expiry: EXPIRY_IN, expiryMs })).state, 'done')
    assert.is(ask(cache, getOf('k')).told?.existed, false)
  }
})

test('what keeps its expiry is asked for none', () => {
  const { cache } = setting()
  assert.is(ask(cache, setOf('k', 'v', { expiry: EXPIRY_KEEP, expiryMs: -7 })).state, 'done')
})

test('a key may be a part of its bytes', () => {
  const { cache } = setting()
  const bytes = Buffer.from('GET key DEL key')
  ask(cache, setOf('key', 'value'))
  const seen = [
    ask(cache, getOf('').setKey(bytes, 4, 7)).told?.entry?.value,
    ask(cache, deleteOf('').setKey(bytes, 12, 15)).told?.existed,
    ask(cache, getOf('').setKey(bytes, 4, 7)).told?.entry,
  ]
  assert.equal(seen, ['value', true, null])
})

test('many are checked all before any is written', () => {
  const { cache, member } = setting()
  let error: CacheError | null = null
  cache.setMany([request('a'), request('b', 'v'.repeat(17)), request('c')], (failure) => {
    error = failure
  })
  assert.is((error as CacheError | null)?.code, 'VALUE_TOO_LARGE')
  assert.is(member.written.length, 0)
})

test('of many each is written by itself; those that fail are named in request order', () => {
  const { cache, member, clock } = setting()
  for (const key of ['b', 'd']) member.routes.set(slotOf(Buffer.from(key)), null)
  let answers = 0
  let result: { set: number; failed: string[]; code: string | undefined } | null = null
  cache.setMany(
    ['a', 'b', 'c', 'd'].map((key) => request(key)),
    (error, many) => {
      answers++
      assert.is(error, null)
      if (many !== null) result = { set: many.set, failed: many.failed.map(String), code: many.error?.code }
    },
  )
  assert.is(answers, 0)
  clock.advance(1100)
  assert.is(answers, 1)
  assert.equal(result, { set: 2, failed: ['b', 'd'], code: 'TRY_AGAIN' })
  cache.setMany([], (error, many) => {
    assert.is(error, null)
    assert.equal(many, { set: 0, failed: [], unconfirmed: [], error: null })
    answers++
  })
  assert.is(answers, 2)
})

test('very many are written in slices, and others have their turn between them', () => {
  const { cache, member, clock } = setting()
  const counts: number[] = []
  clock.observer = () => counts.push(member.written.length)
  let set = 0
  const many = (keys: number): void =>
    cache.setMany(
      Array.from({ length: keys }, (_, i) => request(`k${i}`)),
      (_error, result) => {
        set += result?.set ?? 0
      },
    )
  many(500)
  assert.is(set, 500, 'a small one at once')
  many(1200)
  assert.is(member.written.length, 1000)
  clock.advance(10)
  assert.is(set, 1700)
  assert.equal([...new Set(counts)], [1500, 1700])
})

test('of many those that are written and not confirmed are told apart from those that are not written', () => {
  const { cache, member, clock } = setting()
  const keys = ['a', 'b', 'c', 'd']
  for (const key of ['a', 'b', 'd']) member.followers.set(slotOf(Buffer.from(key)), 1)
  let result: { set: number; failed: string[]; unconfirmed: string[]; code: string | undefined } | null = null
  cache.setMany(
    keys.map((key) => ({ ...request(key), ack: ACK_REPLICA })),
    (_error, many) => {
      if (many === null) return
      result = { set: many.set, failed: many.failed.map(String), unconfirmed: many.unconfirmed.map(String), code: many.error?.code }
    },
  )
  assert.is(member.awaited.length, 3)
  assert.ok(
    member.awaited.every(({ timeoutMs }) => timeoutMs < 1000),
    'there is time left to tell the asker',
  )
  for (const [i, { done }] of member.awaited.entries()) done(i === 0)
  clock.advance(10)
  assert.equal(result, { set: 1, failed: ['b', 'c', 'd'], unconfirmed: ['b', 'd'], code: 'NO_REPLICAS' })
  assert.equal(
    member.written.map(({ key }) => key),
    ['a', 'b', 'd'],
  )
})

test('what is served elsewhere outlives the bytes of the request', () => {
  const { cache, other, member, clock } = setting()
  member.otherwise = 'other'
  const bytes = Buffer.from('key=value')
  const set = setOf('', '').setKey(bytes, 0, 3).setValue(bytes, 4, 9)
  member.otherwise = null
  const stored = ask(cache, set)
  bytes.fill(0)
  set.reset(0)
  member.otherwise = 'other'
  cache.routesChanged()
  clock.advance(10)
  assert.is(stored.state, 'done')
  const got = ask(other, getOf('key'))
  assert.is(got.told?.entry?.value, 'value')
  assert.is(other.stats().parked, 0)
})

test('gets, hits, sets, deletes and others are counted where they were asked for', () => {
  const { cache, other, member, clock } = setting()
  ask(cache, setOf('k', 'v'))
  ask(cache, getOf('k'))
  ask(cache, getOf('miss'))
  ask(cache, deleteOf('k'))
  member.otherwise = 'other'
  ask(cache, setOf('k', 'v'))
  clock.advance(10)
  ask(cache, getOf('k'))
  clock.advance(10)
  ask(cache, operationOf(OPERATION_EXPIRE, 'k'))
  cache.transact(
    [setOf('k', 'v'), getOf('k')],
    () => {},
    () => {},
  )
  clock.advance(10)
  const { getsTotal, hitsTotal, setsTotal, deletesTotal, otherOperationsTotal, transactionsTotal, forwardedTotal } = cache.stats()
  assert.equal(
    { getsTotal, setsTotal, deletesTotal, otherOperationsTotal, transactionsTotal, forwardedTotal },
    { getsTotal: 4, setsTotal: 3, deletesTotal: 1, otherOperationsTotal: 1, transactionsTotal: 1, forwardedTotal: 4 },
  )
  // One here, one there, and one in a transaction.
  assert.is(hitsTotal, 3)
  assert.is(other.stats().getsTotal, 0)
})

test('after close what waits has been answered', () => {
  const { cache, member } = setting()
  member.otherwise = null
  const asked = [ask(cache, setOf('k', 'v')), ask(cache, getOf('k'))]
  cache.close()
  assert.equal(
    asked.map(({ state }) => state),
    ['TRY_AGAIN', 'TRY_AGAIN'],
  )
})

test('many writes are all looked at, in turns, before the first is made', async () => {
  const { cache } = localCache()
  const requests = Array.from({ length: 12_000 }, (_, i) => ({
    key: Buffer.from(`key-${i}`),
    value: Buffer.from('v'),
    kind: VALUE_STRING as typeof VALUE_STRING,
    ttlMs: null,
  }))
  const set = (some: typeof requests): Promise<[string | undefined, number | undefined]> =>
    new Promise((resolve) => cache.setMany(some, (error, result) => resolve([error?.code, result?.set])))
  const size = (): Promise<number> => new Promise((resolve) => cache.size((_error, keys) => resolve(keys)))
  assert.equal(await set([...requests, { ...requests[0], key: Buffer.alloc(0) } as (typeof requests)[0]]), ['KEY_INVALID', undefined])
  assert.is(await size(), 0)
  assert.equal(await set(requests), [undefined, 12_000])
  assert.is(await size(), 12_000)
})

test.run()
