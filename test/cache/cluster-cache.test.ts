/** The cache of a cluster as a face sees it: limits, many at a time, counts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SetRequest } from '../../src/cache/cache.ts'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { VALUE_STRING } from '../../src/lib/entry.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { FakeClock } from '../support/fake-clock.ts'
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
      hybrid,
      store,
      authority: member,
      calls: member,
      name: () => name,
      limits,
      forwardTimeoutMs: 1000,
    })
    return { member, cache }
  })
  const [mine, theirs] = caches as [(typeof caches)[0], (typeof caches)[0]]
  return { clock, network, member: mine.member, cache: mine.cache, other: theirs.cache }
}

const TEN_YEARS_MS = 10 * 365 * 86_400_000

function request(key: string, value: string = 'v', ttlMs: number | null = null): SetRequest {
  return { key: Buffer.from(key), value: Buffer.from(value), kind: VALUE_STRING, ttlMs }
}

test('keys and values at their limits pass, and one byte more is refused before anything changes', () => {
  const { cache, member } = setting()
  const outcome = (key: string, value: string): string => {
    let answer = ''
    cache.set(request(key, value), (error) => {
      answer = error?.code ?? 'ok'
    })
    return answer
  }
  assert.is(outcome('k'.repeat(8), 'v'.repeat(16)), 'ok')
  assert.is(outcome('k'.repeat(9), 'v'), 'KEY_INVALID')
  assert.is(outcome('', 'v'), 'KEY_INVALID')
  assert.is(outcome('k', 'v'.repeat(17)), 'VALUE_TOO_LARGE')
  assert.is(member.written.length, 1)
  for (const key of ['', 'k'.repeat(9)]) {
    const codes: (string | undefined)[] = []
    cache.get(Buffer.from(key), 0, key.length, (error, entry) => codes.push(error?.code, entry === null ? 'no entry' : 'entry'))
    cache.delete(Buffer.from(key), 0, key.length, (error, result) => codes.push(error?.code, result === null ? 'no result' : 'result'))
    assert.equal(codes, ['KEY_INVALID', 'no entry', 'KEY_INVALID', 'no result'])
  }
})

test('a time to live of up to ten years passes; none, a negative one or a longer one is refused, and nothing is written', () => {
  const { cache, member } = setting()
  for (const ttlMs of [0, -0, -1, Number.NaN, TEN_YEARS_MS + 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const codes: (string | undefined)[] = []
    cache.set(request('k', 'v', ttlMs), (error, result) => codes.push(error?.code, result === null ? 'no result' : 'result'))
    cache.setMany([request('a'), request('k', 'v', ttlMs)], (error, result) =>
      codes.push(error?.code, result === null ? 'no result' : 'result'),
    )
    assert.equal(codes, ['TTL_INVALID', 'no result', 'TTL_INVALID', 'no result'], `${ttlMs} ms`)
    assert.is(member.written.length, 0)
  }
  const codes: (string | undefined)[] = []
  for (const ttlMs of [1, TEN_YEARS_MS, null]) cache.set(request('k', 'v', ttlMs), (error) => codes.push(error?.code))
  assert.equal(codes, [undefined, undefined, undefined])
  assert.is(member.written.length, 3)
})

test('a key may be a part of its bytes', () => {
  const { cache } = setting()
  const bytes = Buffer.from('GET key DEL key')
  cache.set(request('key', 'value'), () => {})
  const seen: (string | boolean | undefined)[] = []
  cache.get(bytes, 4, 7, (_error, entry) => seen.push(entry?.valueBytes().toString()))
  cache.delete(bytes, 12, 15, (_error, result) => seen.push(result?.existed))
  cache.get(bytes, 4, 7, (_error, entry) => seen.push(entry?.valueBytes().toString()))
  assert.equal(seen, ['value', true, undefined])
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
    assert.equal(many, { set: 0, failed: [], error: null })
    answers++
  })
  assert.is(answers, 2)
})

test('what is served elsewhere outlives the bytes of the request', () => {
  const { cache, other, member, clock } = setting()
  member.otherwise = 'other'
  const bytes = Buffer.from('key')
  cache.set(request('key', 'value'), () => {})
  clock.advance(10)
  let value: string | undefined
  member.otherwise = null
  cache.get(bytes, 0, 3, (_error, entry) => {
    value = entry?.valueBytes().toString()
  })
  bytes.fill(0)
  member.otherwise = 'other'
  cache.routesChanged()
  clock.advance(10)
  assert.is(value, 'value')
  assert.is(other.stats().parked, 0)
})

test('gets, hits, sets and deletes are counted where they were asked for', () => {
  const { cache, other, member, clock } = setting()
  const key = Buffer.from('k')
  cache.set(request('k'), () => {})
  cache.get(key, 0, 1, () => {})
  cache.get(Buffer.from('miss'), 0, 4, () => {})
  cache.delete(key, 0, 1, () => {})
  member.otherwise = 'other'
  cache.set(request('k'), () => {})
  clock.advance(10)
  cache.get(key, 0, 1, () => {})
  clock.advance(10)
  const { getsTotal, hitsTotal, setsTotal, deletesTotal, forwardedTotal } = cache.stats()
  assert.equal(
    { getsTotal, hitsTotal, setsTotal, deletesTotal, forwardedTotal },
    { getsTotal: 3, hitsTotal: 2, setsTotal: 2, deletesTotal: 1, forwardedTotal: 2 },
  )
  assert.is(other.stats().getsTotal, 0)
})

test('after close what waits has been answered', () => {
  const { cache, member } = setting()
  member.otherwise = null
  const codes: (string | undefined)[] = []
  cache.set(request('k'), (error) => codes.push(error?.code))
  cache.get(Buffer.from('k'), 0, 1, (error) => codes.push(error?.code))
  cache.close()
  assert.equal(codes, ['TRY_AGAIN', 'TRY_AGAIN'])
})

test.run()
