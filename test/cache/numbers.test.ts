/** Sums of numbers stored as text: as a running Redis answers them, and whole numbers against `bigint` up to their limits. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFloat, addInteger } from '../../src/cache/numbers.ts'
import { FLOAT_VECTORS, INTEGER_VECTORS, type NumberVector } from './numbers.vectors.ts'

const test = suite('numbers')

const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n

type Add = typeof addInteger

/** The bytes lie in the midst of others. */
function within(text: string): Buffer {
  return Buffer.from(`<<${text}>>`, 'latin1').subarray(2, 2 + Buffer.byteLength(text, 'latin1'))
}

function sum(add: Add, stored: string | null, amount: string): string {
  return add(stored === null ? null : within(stored), within(amount)).toString('latin1')
}

function isHexadecimal([stored, amount]: NumberVector): boolean {
  return /0x/i.test(`${stored} ${amount}`)
}

function agrees(add: Add, vectors: readonly NumberVector[]): void {
  const wrong: string[] = []
  for (const [stored, amount, result] of vectors) {
    const got = sum(add, stored, amount)
    if (got !== result) wrong.push(`${stored} + ${amount}: ${got}, not ${result}`)
  }
  assert.equal(wrong, [])
  assert.ok(vectors.length > 30)
}

test('whole numbers are summed, refused and found too large as by Redis', () => agrees(addInteger, INTEGER_VECTORS))

test('fractions are summed, refused and found too large as by Redis, to the last digit', () =>
  agrees(
    addFloat,
    FLOAT_VECTORS.filter((vector) => !isHexadecimal(vector)),
  ))

test('a hexadecimal fraction, which Redis reads, is no number here', () => {
  const vectors = FLOAT_VECTORS.filter(isHexadecimal)
  assert.ok(vectors.length > 3)
  for (const [stored, amount] of vectors) assert.is(sum(addFloat, stored, amount), 'NOT_A_NUMBER')
})

test('any two whole numbers of 64 bits make their sum, or overflow', () => {
  const near = (limit: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: 5n }).map((n) => (limit > 0n ? limit - n : limit + n))
  const numbers = fc.oneof(
    fc.bigInt({ min: MIN, max: MAX }),
    near(MAX),
    near(MIN),
    fc.bigInt({ min: -1000n, max: 1000n }),
    // Where the short way ends.
    fc.constantFrom(15, 16, 18, 19).chain((digits) => fc.bigInt({ min: -(10n ** BigInt(digits - 1)), max: 10n ** BigInt(digits - 1) })),
    fc.bigInt({ min: BigInt(Number.MAX_SAFE_INTEGER) - 3n, max: BigInt(Number.MAX_SAFE_INTEGER) + 3n }),
  )
  fc.assert(
    fc.property(numbers, numbers, (stored, amount) => {
      const whole = stored + amount
      assert.is(sum(addInteger, String(stored), String(amount)), whole < MIN || whole > MAX ? 'OVERFLOW' : String(whole))
    }),
    { numRuns: 3000 },
  )
})

test('the limits themselves are numbers, and what is one beyond is none', () => {
  for (const [text, result] of [
    [String(MAX), String(MAX)],
    [String(MIN), String(MIN)],
    [String(MAX + 1n), 'NOT_AN_INTEGER'],
    [String(MIN - 1n), 'NOT_AN_INTEGER'],
    [`0${MAX}`, 'NOT_AN_INTEGER'],
    ['9'.repeat(30), 'NOT_AN_INTEGER'],
  ] as const) {
    assert.is(sum(addInteger, text, '0'), result)
    assert.is(sum(addInteger, '0', text), result)
    if (result !== 'NOT_AN_INTEGER') assert.is(sum(addInteger, null, text), result)
  }
})

test('whatever the bytes are, there is an answer: a number that can be added to again, or a code', () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.stringMatching(/^[-+]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][-+]?[0-9]{1,5})?$/),
    fc.constantFrom('inf', '-inf', 'nan', 'Infinity', '1e999999999999', '0x10', '1_000', '１'),
  )
  fc.assert(
    fc.property(fc.option(texts), texts, (stored, amount) => {
      for (const add of [addInteger, addFloat]) {
        const got = sum(add, stored, amount)
        if (/^[A-Z_]+$/.test(got)) continue
        assert.match(got, /^-?[0-9]+(\.[0-9]+)?$/)
        const again = sum(add, got, '0')
        assert.ok(!/^NOT_/.test(again), `${got} + 0: ${again}`)
      }
    }),
    { numRuns: 2000 },
  )
})

test('a fraction with an exponent of any size is answered at once', () => {
  const startedMs = performance.now()
  for (const text of ['1e4932', '1e-4932', '1e99999', '1e-99999', '1e999999999999999999', '-1e-999999999999999999', `1${'0'.repeat(5000)}`])
    sum(addFloat, '1', text)
  assert.ok(performance.now() - startedMs < 500)
})

test.run()
