/** Operations at the member that executes the slot: versions above what they replace, and no write where nothing changes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OPERATION_DELETE, OPERATION_GET, OPERATION_SET, type Operation } from '../../src/cache/messages.ts'
import { Operations, operationRow } from '../../src/cache/operations.ts'
import { NEVER, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { compareVersions, MAX_COUNTER } from '../../src/lib/version.ts'
import type { StoreOptions } from '../../src/store/index.ts'
import { EPOCH_MS, FakeClock } from '../support/fake-clock.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

const test = suite('operations')

const HOUR_MS = 3_600_000

interface Setting {
  readonly clock: FakeClock
  readonly member: FakeMember
  readonly operations: Operations
  readonly set: (key: string, value: string, change?: Partial<Operation>) => { error: string | null; existed: boolean }
  readonly get: (key: string) => string | undefined
  readonly remove: (key: string) => { error: string | null; existed: boolean }
}

function setting(options: Partial<StoreOptions> = {}): Setting {
  const clock = new FakeClock()
  const member = new FakeMember('me', new FakeNetwork(clock), options)
  const operations = new Operations(member.store, member, member.hybrid, () => 'me')
  return {
    clock,
    member,
    operations,
    set: (key, value, change = {}) => {
      const operation: Operation = {
        code: OPERATION_SET,
        key: Buffer.from(key),
        value: Buffer.from(value),
        kind: VALUE_STRING,
        ttlMs: null,
        ...change,
      }
      const { error, existed } = operations.set(operation, slotOf(operation.key))
      return { error, existed }
    },
    get: (key) => {
      const { entry } = operations.get(Buffer.from(key), 0, Buffer.byteLength(key))
      return entry?.valueBytes().toString()
    },
    remove: (key) => {
      const { error, existed } = operations.delete(Buffer.from(key), slotOf(Buffer.from(key)))
      return { error, existed }
    },
  }
}

test('what is set is got, and whether it was there before is said', () => {
  const { set, get } = setting()
  assert.is(get('k'), undefined)
  assert.equal(set('k', 'one'), { error: null, existed: false })
  assert.is(get('k'), 'one')
  assert.equal(set('k', 'two'), { error: null, existed: true })
  assert.is(get('k'), 'two')
})

test('a set keeps kind and bytes', () => {
  const { set, operations } = setting()
  set('k', '{"n":1}', { kind: VALUE_JSON })
  assert.is(operations.get(Buffer.from('k'), 0, 1).entry?.kind, VALUE_JSON)
  set('k', '{"n":1}')
  assert.is(operations.get(Buffer.from('k'), 0, 1).entry?.kind, VALUE_STRING)
})

test('each write has a version of this member above the one before, also within a millisecond', () => {
  const { set, remove, member, clock } = setting()
  for (let i = 0; i < 20; i++) {
    set('k', String(i))
    remove('k')
    if (i % 5 === 0) clock.advance(1)
  }
  assert.is(member.written.length, 40)
  for (const [i, version] of member.written.entries()) {
    assert.is(version.writer, 'me')
    if (i > 0) assert.ok(compareVersions(version, member.written[i - 1] as (typeof member.written)[0]) > 0)
  }
})

for (const [what, ms, counter] of [
  ['a little ahead', EPOCH_MS + 400, 9],
  ['an hour ahead', EPOCH_MS + HOUR_MS, 9],
  ['an hour ahead with a full counter', EPOCH_MS + HOUR_MS, MAX_COUNTER],
] as const) {
  test(`a set and a delete prevail over a foreign version ${what}`, () => {
    for (const write of ['set', 'remove'] as const) {
      const { member, set, remove, get } = setting()
      member.put('k', 'foreign', (entry) => entry.setVersion(ms, counter, 'zz'))
      assert.equal(write === 'set' ? set('k', 'mine') : remove('k'), { error: null, existed: true })
      assert.is(get('k'), write === 'set' ? 'mine' : undefined)
      const version = member.written[0] as (typeof member.written)[0]
      assert.ok(compareVersions(version, { ms, counter, writer: 'zz' }) > 0)
      assert.equal(set('k', 'again'), { error: null, existed: write === 'set' })
      assert.is(get('k'), 'again')
    }
  })
}

test('a set prevails over a tombstone ahead of this clock, which counts as nothing there', () => {
  const { member, set, get } = setting()
  member.put('k', '', (entry) => {
    entry.tombstone = true
    entry.setVersion(EPOCH_MS + HOUR_MS, 0, 'zz')
  })
  assert.equal(set('k', 'mine'), { error: null, existed: false })
  assert.is(get('k'), 'mine')
})

test('a version that ran ahead draws no other key along', () => {
  const { member, set } = setting()
  member.put('k', 'foreign', (entry) => entry.setVersion(EPOCH_MS + HOUR_MS, 0, 'zz'))
  set('k', 'mine')
  set('other', 'mine')
  assert.ok((member.written[1] as { ms: number }).ms < EPOCH_MS + 1000)
})

test('to delete what is not there writes nothing', () => {
  const { member, set, remove } = setting()
  assert.equal(remove('k'), { error: null, existed: false })
  set('k', 'v')
  assert.equal(remove('k'), { error: null, existed: true })
  assert.equal(remove('k'), { error: null, existed: false })
  assert.equal(
    member.written.map(({ tombstone }) => tombstone),
    [false, true],
  )
  assert.is(member.store.stats().tombstones, 1)
})

test('a tombstone does not expire and has no value', () => {
  const { member, set, remove } = setting()
  set('k', 'v', { ttlMs: 5000, kind: VALUE_JSON })
  remove('k')
  assert.is((member.written[1] as { expiresAtMs: number }).expiresAtMs, NEVER)
})

test('a time to live becomes an expiry by this clock, and never a shorter one', () => {
  const { member, set, clock } = setting()
  clock.advance(10.4)
  set('whole', 'v', { ttlMs: 1500 })
  set('part', 'v', { ttlMs: 0.25 })
  set('none', 'v')
  assert.equal(
    member.written.map(({ expiresAtMs }) => expiresAtMs),
    [EPOCH_MS + 1510, EPOCH_MS + 11, NEVER],
  )
})

test('what has expired was not there: for a get, a set, a delete', () => {
  const { member, set, get, remove, clock } = setting()
  set('k', 'v', { ttlMs: 100 })
  clock.advance(99)
  assert.is(get('k'), 'v')
  clock.advance(1)
  assert.is(get('k'), undefined)
  assert.equal(remove('k'), { error: null, existed: false })
  assert.is(member.written.length, 1, 'to delete what has expired writes nothing')
  assert.equal(set('k', 'again'), { error: null, existed: false })
  assert.is(get('k'), 'again')
  assert.ok(compareVersions(member.written[1] as never, member.written[0] as never) > 0, 'above the expired one all the same')
})

test('a set without a time to live ends the one there was', () => {
  const { set, get, clock } = setting()
  set('k', 'v', { ttlMs: 100 })
  set('k', 'w')
  clock.advance(1000)
  assert.is(get('k'), 'w')
})

test('a full memory is an error, and nothing has changed', () => {
  const { set, get } = setting({ maxMemoryBytes: 1024 * 1024, evictionPolicy: 'noeviction' })
  assert.equal(set('k', 'small'), { error: null, existed: false })
  assert.equal(set('k', 'v'.repeat(2 * 1024 * 1024)), { error: 'OUT_OF_MEMORY', existed: true })
  assert.is(get('k'), 'small')
})

test('the key of a get may be a part of its bytes', () => {
  const { set, operations } = setting()
  set('key', 'v')
  assert.is(operations.get(Buffer.from('GET key\r\n'), 4, 7).entry?.valueBytes().toString(), 'v')
})

test('the table names each operation, runs it, and knows which may be sent twice', () => {
  const { operations, get } = setting()
  const base: Operation = { code: 0, key: Buffer.from('k'), value: Buffer.from('v'), kind: VALUE_STRING, ttlMs: null }
  const slot = slotOf(base.key)
  const rows = [OPERATION_GET, OPERATION_SET, OPERATION_DELETE].map((code) => operationRow(code))
  for (const row of rows) assert.ok(row?.repeatable)
  assert.is(rows[1]?.run(operations, base, slot).existed, false)
  assert.is(get('k'), 'v')
  assert.is(rows[0]?.run(operations, base, slot).entry?.valueBytes().toString(), 'v')
  assert.is(rows[2]?.run(operations, base, slot).existed, true)
  assert.is(get('k'), undefined)
  assert.is(operationRow(99), undefined)
})

test.run()
