/**
 * What operation.ts and cache.ts promise, against a whole cache of one node: every operation on every state of a key, under every condition, with
 * every expiry and every flag, and random sequences of them, beside the model; then what the model has no room for.
 */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ALWAYS,
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_KEEP,
  EXPIRY_NONE,
  type ExpiryMode,
  HEAD,
  IF_ABSENT,
  IF_EARLIER,
  IF_EXPIRING,
  IF_EXPIRING_AND_EARLIER,
  IF_LASTING,
  IF_LATER,
  IF_PRESENT,
  IF_UNCHANGED,
  IF_VERSION,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  UNLESS_VERSION,
  UNTOUCHED,
  WANT_OLD,
  WAS_LIVE,
} from '../../src/cache/operation.ts'
import { VALUE_JSON, VALUE_STRING, type ValueKind } from '../../src/lib/entry.ts'
import { EPOCH_MS } from '../support/fake-clock.ts'
import { type Change, deleteOf, getOf, operationOf, setOf, type Told } from '../support/operations.ts'
import { KEYS, MAX_VALUE_BYTES, Pair } from './operation-pair.ts'

const test = suite('operation contract')

/** Brings a key into a state; 5,000 ms later the operation comes. */
const STATES: Readonly<Record<string, (pair: Pair, key: string) => void>> = {
  absent: () => {},
  'a string': (pair, key) => pair.run(setOf(key, 'text')),
  'a number': (pair, key) => pair.run(setOf(key, '41')),
  'an empty string': (pair, key) => pair.run(setOf(key, '')),
  'a string that expires': (pair, key) => pair.run(setOf(key, '7', { expiry: EXPIRY_IN, expiryMs: 15_000 })),
  'a JSON value': (pair, key) => pair.run(setOf(key, '{"n":1}', { kind: VALUE_JSON })),
  'a JSON number that expires': (pair, key) => pair.run(setOf(key, '12', { kind: VALUE_JSON, expiry: EXPIRY_IN, expiryMs: 15_000 })),
  expired: (pair, key) => pair.run(setOf(key, '5', { expiry: EXPIRY_IN, expiryMs: 5000 })),
  'a tombstone': (pair, key) => {
    pair.run(setOf(key, '5'))
    pair.run(deleteOf(key))
  },
  'the largest number': (pair, key) => pair.run(setOf(key, '9223372036854775807')),
  'a value at its limit': (pair, key) => pair.run(setOf(key, 'x'.repeat(MAX_VALUE_BYTES))),
}

const PLAIN_CONDITIONS: Readonly<Record<string, number>> = {
  always: ALWAYS,
  'if absent': IF_ABSENT,
  'if present': IF_PRESENT,
  'if the version is': IF_VERSION,
  'unless the version is': UNLESS_VERSION,
}
const EXPIRE_CONDITIONS: Readonly<Record<string, number>> = {
  ...PLAIN_CONDITIONS,
  'if lasting': IF_LASTING,
  'if expiring': IF_EXPIRING,
  'if later': IF_LATER,
  'if earlier': IF_EARLIER,
  'if expiring and earlier': IF_EXPIRING_AND_EARLIER,
}
const EXPIRIES: readonly (readonly [what: string, expiry: ExpiryMode, expiryMs: number])[] = [
  ['without an expiry', EXPIRY_NONE, 0],
  ['keeping its expiry', EXPIRY_KEEP, 0],
  ['for 9.5 s', EXPIRY_IN, 9500],
  ['for a part of a millisecond', EXPIRY_IN, 0.25],
  ['for a minute', EXPIRY_IN, 60_000],
  // Just what the states that expire have left.
  ['for the time it has', EXPIRY_IN, 10_000],
  ['until a moment to come', EXPIRY_AT, EPOCH_MS + 5001],
  ['until a part of a millisecond to come', EXPIRY_AT, EPOCH_MS + 6000.5],
  ['until now', EXPIRY_AT, EPOCH_MS + 5000],
  ['until a moment gone by', EXPIRY_AT, 1],
]

/**
 * Runs each operation anew on a key in each state, the second key being in the state `there`. Conditions on a version are tried with the key's own
 * and with another.
 */
function matrix(
  what: string,
  conditions: Readonly<Record<string, number>>,
  make: (change: Change) => Iterable<readonly [string, Operation]>,
  there: string = 'absent',
): void {
  for (const state of Object.keys(STATES)) {
    test(`${what}, where there is ${state}, does what the interface says under every condition`, () => {
      for (const [name, condition] of Object.entries(conditions)) {
        const versions = condition === IF_VERSION || condition === UNLESS_VERSION ? ['its own', 'another', 'none'] : ['none']
        for (const version of versions) {
          for (const [detail, operation] of make({ condition })) {
            const pair = new Pair()
            STATES[state]?.(pair, 'a')
            STATES[there]?.(pair, 'b')
            pair.clock.advance(5000)
            const own = pair.model.versionOf('a')
            if (version === 'its own') operation.setVersion(own.ms, own.counter, own.writer)
            else if (version === 'another') operation.setVersion(own.ms, own.counter + 1, own.writer)
            pair.run(operation, `${what} ${detail} ${name} (version: ${version})`)
          }
        }
      }
    })
  }
}

matrix('get', { always: ALWAYS }, function* () {
  for (const flags of [0, HEAD, UNTOUCHED, HEAD | UNTOUCHED]) yield [`flags ${flags}`, getOf('a', { flags })]
})

matrix('set', PLAIN_CONDITIONS, function* (change) {
  for (const [what, expiry, expiryMs] of EXPIRIES) {
    for (const kind of [VALUE_STRING, VALUE_JSON] as const) {
      for (const flags of [0, WANT_OLD]) yield [`${what}, flags ${flags}`, setOf('a', '8', { ...change, expiry, expiryMs, kind, flags })]
    }
  }
})

matrix('delete', PLAIN_CONDITIONS, function* (change) {
  for (const flags of [0, WANT_OLD]) yield [`flags ${flags}`, deleteOf('a', { ...change, flags })]
})

matrix('expire', EXPIRE_CONDITIONS, function* (change) {
  for (const [what, expiry, expiryMs] of [
    ...EXPIRIES,
    ['in no time', EXPIRY_IN, 0] as const,
    ['before now', EXPIRY_IN, -1000] as const,
    ['in 1970', EXPIRY_IN, -EPOCH_MS - 5000] as const,
    ['before 1970', EXPIRY_AT, -1] as const,
    ['at the dawn of 1970', EXPIRY_AT, 0] as const,
  ]) {
    for (const flags of [0, WANT_OLD])
      yield [`${what}, flags ${flags}`, operationOf(OPERATION_EXPIRE, 'a', '', { ...change, expiry, expiryMs, flags })]
  }
})

matrix('increment', PLAIN_CONDITIONS, function* (change) {
  for (const amount of ['1', '0', '-41', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '1.5', '', 'x'])
    yield [`by ${amount}`, operationOf(OPERATION_INCREMENT, 'a', amount, change)]
})

matrix('append', PLAIN_CONDITIONS, function* (change) {
  for (const value of ['more', '', 'y'.repeat(MAX_VALUE_BYTES)]) yield [`of ${value}`, operationOf(OPERATION_APPEND, 'a', value, change)]
})

matrix('set-range', PLAIN_CONDITIONS, function* (change) {
  for (const offset of [0, 2, 4, 9, MAX_VALUE_BYTES - 2, MAX_VALUE_BYTES, 2 ** 31, 2 ** 32, 2 ** 32 + 1]) {
    for (const value of ['RA', '']) yield [`of ${value} at ${offset}`, operationOf(OPERATION_SET_RANGE, 'a', value, { ...change, offset })]
  }
})

for (const [name, code] of [
  ['rename', OPERATION_RENAME],
  ['copy', OPERATION_COPY],
] as const) {
  for (const there of ['absent', 'a JSON number that expires', 'expired', 'a tombstone', 'a value at its limit']) {
    const conditions = { always: ALWAYS, 'if absent': IF_ABSENT }
    const onto = function* (change: Change): Generator<readonly [string, Operation]> {
      yield ['to another', operationOf(code, 'a', 'b', change)]
      yield ['to itself', operationOf(code, 'a', 'a', change)]
    }
    matrix(`${name} to ${there}`, conditions, onto, there)
  }
}

matrix('require', { 'if absent': IF_ABSENT }, function* (change) {
  yield ['', operationOf(OPERATION_REQUIRE, 'a', '', change)]
})

for (const state of Object.keys(STATES)) {
  test(`a demand that the key is as it was, where there is ${state}, is met until it is written or ceases to be there`, () => {
    const demand = (pair: Pair): Operation => {
      const { existed, ms, counter, writer } = pair.run(getOf('a', { flags: HEAD })) as Told
      return operationOf(OPERATION_REQUIRE, 'a', '', { condition: IF_UNCHANGED, flags: existed ? WAS_LIVE : 0, ms, counter, writer })
    }
    const met = (pair: Pair, operation: Operation, what: string): boolean => pair.run(operation, what)?.written ?? false
    const fresh = (): Pair => {
      const pair = new Pair()
      STATES[state]?.(pair, 'a')
      pair.clock.advance(4999)
      return pair
    }
    const unchanged = fresh()
    assert.is(met(unchanged, demand(unchanged), 'unchanged'), true)
    const others = fresh()
    const asked = demand(others)
    others.run(setOf('b', 'v'))
    assert.is(met(others, asked, 'another key written'), true)
    for (const write of [setOf('a', 'v'), setOf('a', 'text'), operationOf(OPERATION_APPEND, 'a', '')]) {
      const pair = fresh()
      const operation = demand(pair)
      pair.run(write)
      assert.is(met(pair, operation, 'written'), false)
    }
    const gone = fresh()
    const was = demand(gone)
    gone.run(setOf('a', 'for a moment'))
    gone.run(deleteOf('a'))
    assert.is(met(gone, was, 'written and deleted'), false)
    const aged = fresh()
    const before = demand(aged)
    aged.clock.advance(20_000)
    assert.is(met(aged, before, 'later'), !state.includes('expire'))
  })
}

interface Step {
  readonly operation: Operation
  /** The version that a condition names: of which key, or of none. */
  readonly named: (typeof KEYS)[number] | null
  readonly advanceMs: number
}

const CONDITIONS = [ALWAYS, ALWAYS, ALWAYS, ...Object.values(EXPIRE_CONDITIONS)]
const ANSWER_OLD: readonly number[] = [OPERATION_SET, OPERATION_DELETE, OPERATION_EXPIRE]

/** Conditions on the expiry are for EXPIRE, and of those the model knows IF_ABSENT alone for what moves. */
function conditionFor(code: number, condition: number): number {
  if (code === OPERATION_RENAME || code === OPERATION_COPY) return condition === IF_ABSENT ? IF_ABSENT : ALWAYS
  return code === OPERATION_EXPIRE || condition < IF_LASTING ? condition : ALWAYS
}

const steps: fc.Arbitrary<Step> = fc
  .record({
    code: fc.constantFrom(
      OPERATION_GET,
      OPERATION_SET,
      OPERATION_SET,
      OPERATION_DELETE,
      OPERATION_EXPIRE,
      OPERATION_INCREMENT,
      OPERATION_APPEND,
      OPERATION_SET_RANGE,
      OPERATION_RENAME,
      OPERATION_COPY,
    ),
    key: fc.constantFrom(...KEYS),
    other: fc.constantFrom(...KEYS),
    value: fc.oneof(
      fc.constantFrom('', '1', '-7', '9223372036854775807', 'x'.repeat(40)),
      fc.string({ maxLength: 12, unit: 'grapheme-ascii' }),
    ),
    flags: fc.constantFrom(0, WANT_OLD, HEAD, UNTOUCHED, HEAD | UNTOUCHED),
    condition: fc.constantFrom(...CONDITIONS),
    expiry: fc.constantFrom<ExpiryMode>(EXPIRY_NONE, EXPIRY_KEEP, EXPIRY_IN, EXPIRY_AT),
    expiryMs: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.double({ min: 0.01, max: 50, noNaN: true })),
    kind: fc.constantFrom<ValueKind>(VALUE_STRING, VALUE_JSON),
    offset: fc.nat(70),
    named: fc.option(fc.constantFrom(...KEYS)),
    advanceMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1500 })),
  })
  .map(({ code, key, other, value, flags, condition, expiry, expiryMs, kind, offset, named, advanceMs }) => {
    const moves = code === OPERATION_RENAME || code === OPERATION_COPY
    const reads = code === OPERATION_GET
    const change = {
      flags: reads ? flags & ~WANT_OLD : ANSWER_OLD.includes(code) ? flags & WANT_OLD : 0,
      condition: conditionFor(code, condition),
      expiry,
      expiryMs: expiry === EXPIRY_AT ? EPOCH_MS + expiryMs : expiryMs,
      kind,
      offset,
    }
    return { operation: operationOf(code, key, moves ? other : value, change), named, advanceMs }
  })

function nameVersion(pair: Pair, { operation, named }: Step): Operation {
  const { ms, counter, writer } = named === null ? { ms: 1, counter: 2, writer: 'other' } : pair.model.versionOf(named)
  return operation.copy().setVersion(ms, counter, writer)
}

test('random operations, one after another, do what the model does, and each write has a larger version', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 30 }), (list) => {
      const pair = new Pair()
      for (const step of list) {
        pair.clock.advance(step.advanceMs)
        pair.run(nameVersion(pair, step))
      }
    }),
    { numRuns: 400 },
  )
})

test('random transactions do what the model does, demands and what they leave out included', () => {
  const demands = fc.record({ offset: fc.nat(3), condition: fc.constantFrom(IF_ABSENT, IF_UNCHANGED), flags: fc.constantFrom(0, WAS_LIVE) })
  const parts = fc.oneof({ weight: 4, arbitrary: steps }, { weight: 1, arbitrary: fc.tuple(steps, demands) })
  fc.assert(
    fc.property(fc.array(fc.array(parts, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }), (transactions) => {
      const pair = new Pair()
      for (const transaction of transactions) {
        pair.clock.advance(300)
        const list = transaction.map((part) => {
          if (!Array.isArray(part)) return nameVersion(pair, part)
          const [step, { offset, condition, flags }] = part
          const demand = operationOf(OPERATION_REQUIRE, step.operation.key, '', { condition, flags, offset })
          return nameVersion(pair, { ...step, operation: demand })
        })
        pair.transact(list)
      }
    }),
    { numRuns: 300 },
  )
})

test.run()
