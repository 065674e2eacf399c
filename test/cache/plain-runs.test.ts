/** Plain runs: what they leave, answer and count is what the same operations would, one by one; and where they stop, nothing has happened. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { EXPIRY_IN, type Operation } from '../../src/cache/operation.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { NO_VALUE, RequestRun, RUN_CAPACITY } from '../../src/lib/request-run.ts'
import { slotOf } from '../../src/lib/slot.ts'
import type { StoreOptions } from '../../src/store/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { loneRoster } from '../support/fake-topology.ts'
import { ask, deleteOf, getOf, setOf } from '../support/operations.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

const test = suite('plain runs')

interface Setting {
  readonly clock: FakeClock
  readonly member: FakeMember
  readonly cache: ClusterCache
}

type Request = readonly [key: string, value?: string]

function setting(options: Partial<StoreOptions> = {}): Setting {
  const clock = new FakeClock()
  const member = new FakeMember('me', new FakeNetwork(clock), options)
  const cache = new ClusterCache({
    clock,
    random: new SeededRandom(1),
    hybrid: member.hybrid,
    store: member.store,
    authority: member,
    calls: member,
    roster: loneRoster('me'),
    name: () => 'me',
    limits: { maxKeyBytes: 100, maxValueBytes: 1_000_000 },
    forwardTimeoutMs: 1000,
  })
  return { clock, member, cache }
}

function runOf(requests: readonly Request[]): RequestRun {
  const run = new RequestRun()
  const parts: Buffer[] = []
  let at = 0
  const put = (text: string): number => {
    parts.push(Buffer.from(text))
    at += parts.at(-1)?.length ?? 0
    return at
  }
  for (const [i, [key, value]] of requests.entries()) {
    run.keyStart[i] = at
    run.keyEnd[i] = put(key)
    run.valueStart[i] = value === undefined ? NO_VALUE : at
    run.valueEnd[i] = value === undefined ? NO_VALUE : put(value)
  }
  run.buffer = Buffer.concat(parts)
  run.count = requests.length
  return run
}

/** How many were executed, and their answers. */
function execute({ cache }: Setting, requests: readonly Request[]): { readonly executed: number; readonly answers: (string | null)[] } {
  const answers: (string | null)[] = []
  const executed = cache.executeRun(runOf(requests), {
    bulk: (bytes, start, end) => answers.push(bytes.toString('utf8', start, end)),
    nil: () => answers.push(null),
    ok: () => answers.push('OK'),
  })
  assert.is(answers.length, executed)
  return { executed, answers }
}

function oneByOne({ cache }: Setting, requests: readonly Request[]): (string | null)[] {
  return requests.map(([key, value]) => {
    let answer: string | null = 'OK'
    const operation: Operation = value === undefined ? getOf(key) : setOf(key, value)
    cache.execute(operation, (error, outcome) => {
      assert.is(error, null)
      if (value === undefined) answer = outcome?.entry?.valueBytes().toString() ?? null
    })
    return answer
  })
}

test('a run reads what was there and what it has written itself', () => {
  const one = setting()
  ask(one.cache, setOf('there', 'before'))
  const requests: Request[] = [
    ['there'],
    ['new'],
    ['new', 'value'],
    ['new'],
    ['there', 'longer than before'],
    ['there'],
    ['there', ''],
    ['there'],
  ]
  assert.equal(execute(one, requests).answers, ['before', null, 'OK', 'value', 'OK', 'longer than before', 'OK', ''])
  const { getsTotal, hitsTotal, setsTotal } = one.cache.stats()
  assert.equal({ getsTotal, hitsTotal, setsTotal }, { getsTotal: 5, hitsTotal: 4, setsTotal: 4 })
})

test('runs leave, answer and count what the same operations do one by one, with expiry, deletion and eviction between them', () => {
  const random = new SeededRandom(11)
  const below = (limit: number): number => Math.floor(random.next() * limit)
  const settings = [setting({ maxMemoryBytes: 2 * 1024 * 1024 }), setting({ maxMemoryBytes: 2 * 1024 * 1024 })] as const
  const [inRuns, single] = settings
  for (let round = 0; round < 600; round++) {
    const requests = Array.from({ length: 1 + below(RUN_CAPACITY) }, (): Request => {
      const key = below(3) === 0 ? `tagged-{${below(3)}}-${below(200)}` : `key-${below(400)}`
      return below(2) === 0 ? [key] : [key, 'v'.repeat(below(4) === 0 ? below(3000) : 100)]
    })
    const { executed, answers } = execute(inRuns, requests)
    assert.is(executed, requests.length)
    assert.equal(answers, oneByOne(single, requests))
    const key = `key-${below(400)}`
    const expiring = setOf(`key-${below(400)}`, 'for a while').setExpiry(EXPIRY_IN, 50)
    for (const { cache, clock } of settings) {
      ask(cache, deleteOf(key))
      ask(cache, expiring)
      if (round % 3 === 0) clock.advance(20)
    }
  }
  assert.equal(inRuns.cache.stats(), single.cache.stats())
  assert.equal(inRuns.member.store.stats(), single.member.store.stats())
  assert.equal(inRuns.member.written, single.member.written)
  for (let slot = 0; slot < 16_384; slot++) assert.equal(inRuns.member.store.slotDigest(slot), single.member.store.slotDigest(slot))
})

test('a write has a stamp above what it replaces, even where another clock gave that', () => {
  const one = setting()
  const aheadMs = one.member.hybrid.physicalMs() + 100_000
  one.member.put('k', 'from ahead', (entry) => entry.setVersion(aheadMs, 7, 'other'))
  assert.equal(execute(one, [['k', 'mine'], ['k']]).answers, ['OK', 'mine'])
  const { ms, counter } = one.member.written.at(-1) as { ms: number; counter: number }
  assert.equal([ms, counter], [aheadMs, 8])
})

test('it stops before a key that is not served here, and before a write that may not be accepted', () => {
  const one = setting()
  one.member.routes.set(slotOf(Buffer.from('away')), 'other')
  assert.equal(execute(one, [['a', '1'], ['a'], ['away'], ['a']]).answers, ['OK', '1'])
  assert.is(execute(one, [['away', '1']]).executed, 0)
  one.member.refusesWrites = true
  assert.equal(execute(one, [['a'], ['b'], ['a', '2'], ['a']]).answers, ['1', null])
  one.member.fenced = true
  assert.is(execute(one, [['a']]).executed, 0)
  assert.is(one.cache.stats().getsTotal, 3)
  assert.is(one.member.written.length, 1)
})

test('it stops before a write that finds no room', () => {
  const one = setting({ maxMemoryBytes: 1024 * 1024, evictionPolicy: 'noeviction' })
  const value = 'v'.repeat(4000)
  let stored = 0
  while (execute(one, [[`key-${stored}`, value]]).executed === 1) stored++
  assert.ok(stored > 50)
  assert.equal(execute(one, [['key-0'], ['another', value], ['key-1']]).answers, [value])
  assert.is(one.cache.stats().setsTotal, stored)
})

test('a long value ends it: the asker is to look at the clock first', () => {
  const one = setting()
  const long = 'x'.repeat(5000)
  assert.is(execute(one, [['a', '1'], ['b', long], ['a'], ['a']]).executed, 2)
  assert.is(execute(one, [['a'], ['b'], ['a']]).executed, 2)
})

test.run()
