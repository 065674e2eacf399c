/** Operations at the member that executes the slot: versions above what they replace, and no write where nothing changes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  EXPIRY_IN,
  isRepeatable,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_DESCRIBE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  operationRow,
} from '../../src/cache/operation.ts'
import { Operations } from '../../src/cache/operations.ts'
import { type Entry, NEVER, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { compareVersions, MAX_COUNTER } from '../../src/lib/version.ts'
import type { StoreOptions } from '../../src/store/index.ts'
import { EPOCH_MS, FakeClock } from '../support/fake-clock.ts'
import { type Change, deleteOf, getOf, operationOf, setOf } from '../support/operations.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

const test = suite('operations')

const HOUR_MS = 3_600_000

interface Setting {
  readonly clock: FakeClock
  readonly member: FakeMember
  readonly operations: Operations
  readonly set: (key: string, value: string, change?: Change) => { error: string | null; existed: boolean }
  readonly get: (key: string) => string | undefined
  readonly remove: (key: string) => { error: string | null; existed: boolean }
}

function setting(options: Partial<StoreOptions> = {}): Setting {
  const clock = new FakeClock()
  const member = new FakeMember('me', new FakeNetwork(clock), options)
  const operations = new Operations(member.store, member, member.hybrid, () => 'me', 16 * 1024 * 1024)
  const run = (operation: Operation): { error: string | null; existed: boolean } => {
    const { error, existed } = operations.run(operation, slotOf(operation.key))
    return { error, existed }
  }
  return {
    clock,
    member,
    operations,
    set: (key, value, change = {}) => run(setOf(key, value, change)),
    get: (key) => entryOf(operations, key)?.valueBytes().toString(),
    remove: (key) => run(deleteOf(key)),
  }
}

function entryOf(operations: Operations, key: string): Entry | null {
  return operations.run(getOf(key), slotOf(Buffer.from(key))).entry
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
  assert.is(entryOf(operations, 'k')?.kind, VALUE_JSON)
  set('k', '{"n":1}')
  assert.is(entryOf(operations, 'k')?.kind, VALUE_STRING)
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
  set('k', 'v', { expiry: EXPIRY_IN, expiryMs: 5000, kind: VALUE_JSON })
  remove('k')
  assert.is((member.written[1] as { expiresAtMs: number }).expiresAtMs, NEVER)
})

test('a time to live becomes an expiry by this clock, and never a shorter one', () => {
  const { member, set, clock } = setting()
  clock.advance(10.4)
  set('whole', 'v', { expiry: EXPIRY_IN, expiryMs: 1500 })
  set('part', 'v', { expiry: EXPIRY_IN, expiryMs: 0.25 })
  set('none', 'v')
  assert.equal(
    member.written.map(({ expiresAtMs }) => expiresAtMs),
    [EPOCH_MS + 1510, EPOCH_MS + 11, NEVER],
  )
})

test('what has expired was not there: for a get, a set, a delete', () => {
  const { member, set, get, remove, clock } = setting()
  set('k', 'v', { expiry: EXPIRY_IN, expiryMs: 100 })
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
  set('k', 'v', { expiry: EXPIRY_IN, expiryMs: 100 })
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
  assert.is(
    operations
      .get(Buffer.from('GET key\r\n'), 4, 7, slotOf(Buffer.from('key')))
      .entry?.valueBytes()
      .toString(),
    'v',
  )
  const get = getOf('').setKey(Buffer.from('GET key\r\n'), 4, 7)
  assert.is(
    operations
      .run(get, slotOf(get.key, 4, 7))
      .entry?.valueBytes()
      .toString(),
    'v',
  )
})

test('the table names each operation, and knows which write, which name two keys and which may be sent twice', () => {
  const wanted: readonly (readonly [code: number, name: string, writes: boolean, repeatable: boolean, twoKeys: boolean])[] = [
    [OPERATION_GET, 'get', false, true, false],
    [OPERATION_SET, 'set', true, true, false],
    [OPERATION_DELETE, 'delete', true, true, false],
    [OPERATION_EXPIRE, 'expire', true, false, false],
    [OPERATION_INCREMENT, 'increment', true, false, false],
    [OPERATION_INCREMENT_FLOAT, 'increment-float', true, false, false],
    [OPERATION_APPEND, 'append', true, false, false],
    [OPERATION_SET_RANGE, 'set-range', true, false, false],
    [OPERATION_RENAME, 'rename', true, false, true],
    [OPERATION_COPY, 'copy', true, false, true],
    [OPERATION_REQUIRE, 'require', false, true, false],
    [OPERATION_DESCRIBE, 'describe', false, true, false],
  ]
  for (const [code, name, writes, repeatable, twoKeys] of wanted) {
    assert.equal(operationRow(code), { name, writes, repeatable, twoKeys })
    assert.is(isRepeatable(operationOf(code, 'k')), repeatable)
  }
  for (const code of [0, 13, 99, 255, -1]) assert.is(operationRow(code), undefined)
})

test('what the table says is what is run', () => {
  const { operations, get } = setting()
  const slot = slotOf(Buffer.from('k'))
  assert.is(operations.run(operationOf(OPERATION_SET, 'k', 'v'), slot).existed, false)
  assert.is(get('k'), 'v')
  assert.is(operations.run(operationOf(OPERATION_GET, 'k'), slot).entry?.valueBytes().toString(), 'v')
  assert.is(operations.run(operationOf(OPERATION_DELETE, 'k'), slot).existed, true)
  assert.is(get('k'), undefined)
})

test.run()
