import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CACHE_CONTROL } from '../../../src/gateway/http/parameter.ts'
import { MAX_TTL_MS, parseTtlMs } from '../../../src/gateway/http/ttl.ts'
import { CacheError } from '../../../src/lib/errors.ts'

const test = suite('ttl')

test('a duration is read in seconds, or in the unit it names', () => {
  const cases: [text: string, ms: number][] = [
    ['1', 1000],
    ['0.5', 500],
    ['0.001', 1],
    ['1.0005', 1001],
    ['500ms', 500],
    ['5s', 5000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['3650d', MAX_TTL_MS],
  ]
  for (const [text, ms] of cases) assert.is(parseTtlMs(text), ms, text)
})

test('what is no duration, nothing, or over ten years is refused', () => {
  const wrong = [
    '',
    ' 1',
    '1 s',
    '-1',
    '+1',
    '1e3',
    '.5',
    '5.',
    'x',
    '5M',
    '5w',
    '0',
    '0s',
    '0.0004',
    '0.4ms',
    '3650.1d',
    '9'.repeat(400),
    'NaN',
    'Infinity',
  ]
  for (const text of wrong) {
    try {
      parseTtlMs(text)
      assert.unreachable(text)
    } catch (error) {
      assert.instance(error, CacheError, text)
      assert.is((error as CacheError).code, 'TTL_INVALID', text)
    }
  }
})

test('the refusal of a duration that is too long names the limit', () => {
  assert.throws(() => parseTtlMs('11000d'), /at most 10 years/)
})

test('max-age is read with quotes or without; what is no number is refused, and other directives are not looked at', () => {
  for (const text of ['max-age=20', 'max-age="20"', 'no-cache, MAX-AGE=20', 'max-age=20, public']) {
    assert.is(CACHE_CONTROL.parse(text), 20_000, text)
  }
  assert.is(CACHE_CONTROL.parse('no-cache, s-maxage=5'), null)
  for (const text of ['max-age=abc', 'max-age=', 'max-age', 'max-age="20', 'max-age=20"', 'max-age=1.5', 'max-age=0', 'max-age=5m']) {
    assert.throws(
      () => CACHE_CONTROL.parse(text),
      (error: CacheError) => error.code === 'TTL_INVALID',
      text,
    )
  }
})

test.run()
