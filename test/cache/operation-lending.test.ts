/**
 * What is lent stays right: an outcome's entry is read while the store has changed beneath it, by growing in place, moving, evicting. And where memory
 * is short nothing is changed by halves.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterCache } from '../../src/cache/cluster-cache.ts'
import {
  EXPIRY_IN,
  EXPIRY_KEEP,
  IF_ABSENT,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DESCRIBE,
  OPERATION_EXPIRE,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_SET_RANGE,
  Operation,
  UNTOUCHED,
  WANT_OLD,
} from '../../src/cache/operation.ts'
import { VALUE_JSON } from '../../src/lib/entry.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import type { EvictionPolicy } from '../../src/store/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { localCache } from '../support/local-cache.ts'
import { ask, askTransaction, deleteOf, getOf, operationOf, setOf, type Told } from '../support/operations.ts'

const test = suite('operation lending')

const MIB = 1024 * 1024

/** A store of 2 MiB, filled until the policy had to decide. */
function full(evictionPolicy: EvictionPolicy): { cache: ClusterCache; clock: FakeClock; keys: string[] } {
  const clock = new FakeClock()
  const { cache } = localCache({ clock, maxMemoryBytes: 2 * MIB, evictionPolicy, limits: { maxKeyBytes: 1024, maxValueBytes: 4 * MIB } })
  const keys: string[] = []
  for (let i = 0; i < 4000; i++) {
    const key = `key-${i}`
    if (ask(cache, setOf(key, textFor(key, 1000))).state !== 'done') break
    keys.push(key)
  }
  return { cache, clock, keys }
}

/** A value that names its key all over, so that foreign bytes are seen. */
function textFor(key: string, bytes: number): string {
  return `${key}|`.repeat(Math.ceil(bytes / (key.length + 1))).slice(0, bytes)
}

function held(cache: ClusterCache, key: string): Told['entry'] {
  return ask(cache, getOf(key, { flags: UNTOUCHED })).told?.entry ?? null
}

function fresh(): ClusterCache {
  return localCache({ clock: new FakeClock() }).cache
}

test('a SET that answers the old value answers it whole, whether the new one lies in its place, beside it or elsewhere', () => {
  for (const [oldBytes, newBytes] of [
    [100, 100],
    [100, 10],
    [10, 100],
    [1, 100_000],
    [100_000, 1],
    [100_000, 100_001],
    [0, 50],
    [50, 0],
  ] as const) {
    const cache = fresh()
    ask(cache, setOf('k', textFor('old', oldBytes), { kind: VALUE_JSON }))
    const { told } = ask(cache, setOf('k', textFor('new', newBytes), { flags: WANT_OLD }))
    assert.is(told?.entry?.value, textFor('old', oldBytes), `${oldBytes} to ${newBytes}`)
    assert.is(told?.entry?.kind, VALUE_JSON)
    assert.is(told?.entry?.key, 'k')
    assert.is(told?.length, newBytes)
    assert.is(held(cache, 'k')?.value, textFor('new', newBytes))
  }
})

test('DELETE and EXPIRE answer the old value whole', () => {
  const cache = fresh()
  ask(cache, setOf('k', textFor('old', 300)))
  const kept = ask(cache, operationOf(OPERATION_EXPIRE, 'k', '', { flags: WANT_OLD, expiry: EXPIRY_IN, expiryMs: 5000 })).told
  assert.equal([kept?.entry?.value, kept?.entry?.expiresAtMs, kept?.length], [textFor('old', 300), 0, 300])
  assert.is(held(cache, 'k')?.value, textFor('old', 300))
  const expired = ask(cache, operationOf(OPERATION_EXPIRE, 'k', '', { flags: WANT_OLD, expiry: EXPIRY_IN, expiryMs: 0 })).told
  assert.equal([expired?.entry?.value, expired?.length, expired?.written], [textFor('old', 300), 0, true])
  ask(cache, setOf('k', textFor('old', 300)))
  assert.is(ask(cache, deleteOf('k', { flags: WANT_OLD })).told?.entry?.value, textFor('old', 300))
})

test('the key and value of an operation may be those that an earlier answer has lent', () => {
  const cache = fresh()
  ask(cache, setOf('k', textFor('text', 500)))
  let stored: Told | null = null
  cache.execute(getOf('k'), (_error, outcome) => {
    const entry = outcome?.entry
    if (!entry) throw new Error('no entry')
    // Onto itself, longer: what is read from lies where is written to.
    const again = new Operation()
      .reset(2)
      .setKey(entry.key, entry.keyStart, entry.keyEnd)
      .setValue(entry.value, entry.valueStart, entry.valueEnd)
    stored = ask(cache, again).told
  })
  assert.is((stored as Told | null)?.length, 500)
  assert.is(held(cache, 'k')?.value, textFor('text', 500))
  for (const code of [OPERATION_APPEND, OPERATION_SET_RANGE]) {
    cache.execute(getOf('k'), (_error, outcome) => {
      const entry = outcome?.entry
      if (!entry) throw new Error('no entry')
      const operation = new Operation().reset(code).setKey(entry.key, entry.keyStart, entry.keyEnd)
      operation.offset = 500
      ask(cache, operation.setValue(entry.value, entry.valueStart, entry.valueStart + 500))
    })
    assert.is(held(cache, 'k')?.value, textFor('text', 500) + textFor('text', 500))
    if (code === OPERATION_APPEND) ask(cache, setOf('k', textFor('text', 500)))
  }
})

test('APPEND grows a value through every size, and tells its length', () => {
  const cache = fresh()
  let wanted = ''
  for (let i = 0; i < 300; i++) {
    const piece = textFor(`piece-${i}`, (i * 7) % 311)
    wanted += piece
    assert.is(ask(cache, operationOf(OPERATION_APPEND, 'k', piece)).told?.length, wanted.length)
    ask(cache, setOf(`other-${i % 10}`, textFor(`other-${i}`, (i * 13) % 400)))
  }
  assert.is(held(cache, 'k')?.value, wanted)
})

test('an increment answers its own sum, with the version that it has', () => {
  const cache = fresh()
  ask(cache, setOf('k', '9', { expiry: EXPIRY_IN, expiryMs: 5000 }))
  for (const [code, amount, sum] of [
    [OPERATION_INCREMENT, '91', '100'],
    [OPERATION_INCREMENT_FLOAT, '0.5', '100.5'],
    [OPERATION_INCREMENT_FLOAT, '1e300', `1${'0'.repeat(300)}`],
  ] as const) {
    const { told } = ask(cache, operationOf(code, 'k', amount))
    assert.is(told?.entry?.value.length, sum.length)
    if (sum.length < 10) assert.is(told?.entry?.value, sum)
    assert.is(told?.length, sum.length)
    assert.is(told?.entry?.version, told?.version)
    assert.equal(held(cache, 'k'), told?.entry)
    assert.is(told?.entry?.kind, VALUE_JSON)
  }
})

test('RENAME onto a longer, a shorter and an expiring value leaves just what was moved', () => {
  for (const bytes of [0, 10, 5000]) {
    const cache = fresh()
    ask(cache, setOf('from', textFor('from', 700), { kind: VALUE_JSON, expiry: EXPIRY_IN, expiryMs: 9000 }))
    ask(cache, setOf('to', textFor('to', bytes), { expiry: EXPIRY_IN, expiryMs: 50 }))
    const before = held(cache, 'from')
    assert.is(ask(cache, operationOf(OPERATION_RENAME, 'from', 'to')).told?.written, true)
    assert.is(held(cache, 'from'), null)
    const { value, kind, expiresAtMs } = held(cache, 'to') ?? {}
    assert.equal([value, kind, expiresAtMs], [before?.value, before?.kind, before?.expiresAtMs])
  }
})

test('COPY and RENAME onto themselves change nothing', () => {
  const cache = fresh()
  ask(cache, setOf('k', textFor('k', 500)))
  const before = held(cache, 'k')
  for (const code of [OPERATION_COPY, OPERATION_RENAME]) {
    for (const condition of [0, IF_ABSENT]) assert.is(ask(cache, operationOf(code, 'k', 'k', { condition })).told?.written, false)
  }
  assert.equal(held(cache, 'k'), before)
})

test('where every write evicts something, every operation still does what it says', () => {
  const { cache, clock } = full('allkeys-lru')
  const random = new SeededRandom(7)
  const wanted = new Map<string, string>()
  const name = (): string => `{t}${Math.floor(random.next() * 30)}`
  let done = 0
  for (let i = 0; i < 6000; i++) {
    const [key, other] = [name(), name()]
    const piece = textFor(`p${i}`, Math.floor(random.next() * 3000))
    clock.advance(1)
    const now = held(cache, key)?.value
    // What is not there any more was evicted; what is there is right.
    if (now !== undefined) assert.is(now, wanted.get(key), `${key} at ${i}`)
    const draw = random.next()
    if (draw < 0.3) {
      const { told } = ask(cache, setOf(key, piece, { flags: WANT_OLD }))
      assert.is(told?.entry?.value, now)
      wanted.set(key, piece)
    } else if (draw < 0.5) {
      const whole = ((now ?? '') + piece).slice(0, 8000)
      ask(cache, operationOf(OPERATION_APPEND, key, whole.slice((now ?? '').length)))
      wanted.set(key, whole)
    } else if (draw < 0.65) {
      const { told, error } = ask(cache, operationOf(OPERATION_RENAME, key, other))
      if (now === undefined) assert.is(error?.code, 'KEY_NOT_FOUND')
      else if (key !== other) {
        assert.is(told?.written, true)
        assert.is(held(cache, key), null, 'moved away')
        wanted.set(other, now)
      }
    } else if (draw < 0.8) {
      const { told } = ask(cache, operationOf(OPERATION_COPY, key, other))
      if (now !== undefined && told?.written) wanted.set(other, now)
    } else if (draw < 0.9) {
      const { told } = ask(cache, deleteOf(key, { flags: WANT_OLD }))
      assert.is(told?.entry?.value, now)
      assert.is(held(cache, key), null)
    } else {
      ask(cache, operationOf(OPERATION_EXPIRE, key, '', { expiry: EXPIRY_IN, expiryMs: 100_000 }))
      assert.is(held(cache, key)?.value, now)
    }
    done++
    // Others come and go, so that memory is short throughout.
    if (i % 3 === 0) ask(cache, setOf(`filler-${i}`, textFor(`filler-${i}`, 4000)))
  }
  assert.is(done, 6000)
})

for (const evictionPolicy of ['noeviction', 'volatile-lru'] as const) {
  test(`under ${evictionPolicy} a write that finds no room leaves everything as it was`, () => {
    const { cache, keys } = full(evictionPolicy)
    assert.ok(keys.length > 500 && keys.length < 4000)
    const [first, second] = keys as [string, string]
    const before = keys.map((key) => held(cache, key))
    const large = 'x'.repeat(3 * MIB)
    const writes: readonly (readonly [string, Operation])[] = [
      ['set', setOf('new', large)],
      ['set over', setOf(first, large, { flags: WANT_OLD, expiry: EXPIRY_KEEP })],
      ['append', operationOf(OPERATION_APPEND, first, large)],
      ['set-range', operationOf(OPERATION_SET_RANGE, first, 'x', { offset: 3 * MIB })],
      ['small set', setOf('another', textFor('another', 2000))],
      ['copy', operationOf(OPERATION_COPY, first, 'copied')],
      ['rename', operationOf(OPERATION_RENAME, first, 'renamed')],
      ['increment', operationOf(OPERATION_INCREMENT, 'n'.repeat(1000), '1')],
    ]
    for (const [what, write] of writes) {
      const { error, told } = ask(cache, write)
      assert.is(error?.code, 'OUT_OF_MEMORY', what)
      assert.is(told, null)
      const { told: told2, state } = askTransaction(cache, [write])
      assert.is(state, 'done')
      const outcome = told2.get(0)
      assert.equal([outcome?.error, outcome?.written, outcome?.entry], ['OUT_OF_MEMORY', false, null], what)
      for (const [i, key] of keys.entries()) assert.equal(held(cache, key), before[i], `${key} after ${what}`)
      for (const key of ['new', 'another', 'copied', 'renamed']) assert.is(held(cache, key), null, `${key} after ${what}`)
    }
    assert.is(ask(cache, setOf(second, 'shorter')).state, 'done', 'what takes less still fits')
  })

  test(`under ${evictionPolicy} everything can be deleted from a full store`, () => {
    const { cache, keys } = full(evictionPolicy)
    for (const key of keys) {
      assert.is(ask(cache, deleteOf(key)).state, 'done', key)
      assert.is(held(cache, key), null)
    }
  })
}

test('DESCRIBE tells what the entry takes, how long it lies idle, and does not wake it', () => {
  const clock = new FakeClock()
  const { cache } = localCache({ clock })
  ask(cache, setOf('k', textFor('k', 1000)))
  clock.advance(120_000)
  const described = (): Told | null => ask(cache, operationOf(OPERATION_DESCRIBE, 'k')).told
  const first = described()
  // With its share of the indexes, which for the first entry of a slot is large.
  assert.ok(first !== null && first.length > 1000 && first.length < 8000, `${first?.length} bytes`)
  assert.equal([first?.existed, first?.written, first?.entry, first?.frequency], [true, false, null, -1])
  assert.ok((first?.idleMs ?? 0) > 100_000 && (first?.idleMs ?? 0) <= 121_000, `${first?.idleMs} ms`)
  clock.advance(60_000)
  assert.ok((described()?.idleMs ?? 0) > 160_000)
  ask(cache, getOf('k', { flags: UNTOUCHED }))
  assert.ok((described()?.idleMs ?? 0) > 160_000)
  ask(cache, getOf('k'))
  assert.ok((described()?.idleMs ?? 99_999) < 2000, `${described()?.idleMs} ms`)
  const { told } = ask(cache, operationOf(OPERATION_DESCRIBE, 'none'))
  assert.equal([told?.existed, told?.length, told?.idleMs, told?.frequency], [false, 0, -1, -1])
})

test('an operation begun anew has nothing of the last', () => {
  const used = setOf('k', 'v', {
    flags: 7,
    condition: 3,
    expiry: EXPIRY_IN,
    expiryMs: 5,
    kind: VALUE_JSON,
    offset: 9,
    ms: 1,
    counter: 2,
    writer: 'w',
  })
  assert.equal({ ...used.reset(OPERATION_APPEND) }, { ...new Operation(), code: OPERATION_APPEND })
})

test('a copy of an operation is equal, and has bytes of its own', () => {
  const bytes = Buffer.from('..key..value..')
  const operation = setOf('', '', {
    flags: 7,
    condition: 3,
    expiry: EXPIRY_IN,
    expiryMs: 5,
    kind: VALUE_JSON,
    offset: 9,
    ms: 1,
    counter: 2,
    writer: 'w',
  })
  operation.setKey(bytes, 2, 5).setValue(bytes, 7, 12)
  const copy = operation.copy()
  bytes.fill(0)
  assert.equal(
    { ...copy },
    { ...operation, ...{ key: Buffer.from('key'), keyStart: 0, keyEnd: 3, value: Buffer.from('value'), valueStart: 0, valueEnd: 5 } },
  )
})

test.run()
