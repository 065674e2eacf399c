/**
 * The reader of JSON pairs against tables of what it must take and refuse, and against JavaScript's own parser on generated and mutilated texts.
 */

import { isUtf8 } from 'node:buffer'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Limits } from '../../../src/cache/cache.ts'
import { MAX_PAIRS, PairReader } from '../../../src/gateway/http/json-pairs.ts'
import { VALUE_JSON, VALUE_STRING } from '../../../src/lib/entry.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { MAX_DEPTH } from '../../../src/lib/json-scanner.ts'

const test = suite('json pairs')

function readAll(body: Buffer, ttlMs: number | null, limits: Limits): PairReader['requests'] {
  const reader = new PairReader(body, ttlMs, limits)
  while (!reader.read());
  return reader.requests
}

test('many pairs, and long ones, are read a slice at a time', () => {
  for (const [count, bytes, slices] of [
    [1000, 1, 2],
    [1001, 1, 3],
    [20, 20_000, 5],
    [0, 0, 1],
  ] as const) {
    const pairs = Array.from({ length: count }, (_, i) => `"key-${i}":"${'x'.repeat(bytes)}"`)
    const reader = new PairReader(Buffer.from(`{${pairs.join(',')}}`), null, { maxKeyBytes: 64, maxValueBytes: 2 ** 20 })
    let reads = 1
    while (!reader.read()) reads++
    assert.equal([reads, reader.requests.length], [slices, count])
  }
})
const LIMITS = { maxKeyBytes: 1024, maxValueBytes: 1 << 20 }

function read(text: string | Buffer, limits = LIMITS): [key: string, value: string, kind: number][] {
  const body = typeof text === 'string' ? Buffer.from(text) : text
  return readAll(body, null, limits).map(({ key, value, kind }) => [key.toString(), value.toString('latin1'), kind])
}

function codeOf(text: string | Buffer, limits = LIMITS): string {
  try {
    read(text, limits)
  } catch (error) {
    assert.instance(error, CacheError)
    return (error as CacheError).code
  }
  return 'taken'
}

const VERBATIM = [
  '1',
  '-0',
  '1.0',
  '1e400',
  '-1.5E-7',
  '12345678901234567890',
  'true',
  'false',
  'null',
  '[]',
  '{}',
  '[1, [2, {"a" : 3}]]',
  '{"a":1,"a":2}',
  '["\\ud800"]',
  '{"$base64":1}',
  '{"$base64":"aGk=","x":1}',
  '{"$base64":"aGk=","$base64":"aGk="}',
  '{"x":"aGk="}',
]

test('every value but a string keeps its bytes, less the space around it', () => {
  for (const value of VERBATIM) {
    assert.equal(read(`{"k":${value}}`), [['k', value, VALUE_JSON]], value)
    assert.equal(read(` { "k" :\t${value}\r\n } \n`), [['k', value, VALUE_JSON]], value)
  }
})

test('a string is stored as the text it stands for', () => {
  const cases: [sent: string, stored: string][] = [
    ['""', ''],
    ['"three"', 'three'],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\\u0041\\u00e9\\u20AC\\u0000"', 'Aé€\0'],
    ['"\\ud83d\\uDE00!"', '\u{1f600}!'],
    ['"\\udbff\\udfff"', '\u{10ffff}'],
    ['"grüße \u{1f600}"', 'grüße \u{1f600}'],
  ]
  for (const [sent, stored] of cases) {
    assert.equal(read(`{"k":${sent}}`), [['k', Buffer.from(stored).toString('latin1'), VALUE_STRING]], sent)
  }
})

test('an object with nothing but $base64 is stored as the bytes it stands for', () => {
  for (const sent of ['{"$base64":"/wD+"}', '{ "$base64" : "\\/wD+" }', '{"\\u0024base64":"/wD+"}']) {
    assert.equal(read(`{"k":${sent}}`), [['k', '\xff\0\xfe', VALUE_STRING]], sent)
  }
  assert.equal(read('{"k":{"$base64":""}}'), [['k', '', VALUE_STRING]])
  for (const malformed of ['a', 'aGk', 'aGk_', 'a=Gk', '====', 'aGk=\\n']) {
    assert.is(codeOf(`{"k":{"$base64":"${malformed}"}}`), 'BODY_INVALID', malformed)
  }
})

test('keys are unescaped, and one that is named twice takes its last value at its first place', () => {
  assert.equal(read('{"a":1,"b":2,"\\u0061":3}'), [
    ['a', '3', VALUE_JSON],
    ['b', '2', VALUE_JSON],
  ])
  assert.equal(read('{"__proto__":1,"constructor":2}'), [
    ['__proto__', '1', VALUE_JSON],
    ['constructor', '2', VALUE_JSON],
  ])
})

test('an empty object has no pairs', () => {
  assert.equal(read('{}'), [])
  assert.equal(read(' { } '), [])
})

const REFUSED = [
  '',
  ' ',
  '1',
  '[]',
  '"a"',
  'null',
  '{',
  '}',
  '{}{}',
  '{} x',
  '\ufeff{}',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{,}',
  '{"a":1 "b":2}',
  '{a:1}',
  "{'a':1}",
  '{"a":01}',
  '{"a":-}',
  '{"a":+1}',
  '{"a":.5}',
  '{"a":1.}',
  '{"a":1e}',
  '{"a":1e+}',
  '{"a":0x1}',
  '{"a":NaN}',
  '{"a":Infinity}',
  '{"a":tru}',
  '{"a":truex}',
  '{"a":nul',
  '{"a":[1,]}',
  '{"a":[,1]}',
  '{"a":[1}',
  '{"a":{"b":1]}',
  '{"a":"b}',
  '{"a":"\n"}',
  '{"a":"\\x"}',
  '{"a":"\\u12"}',
  '{"a":"\\u12g4"}',
  '{"a":"\\ud800"}',
  '{"a":"\\ud800\\u0041"}',
  '{"a":"\\udc00\\ud800"}',
  '{"\\ud800":1}',
  '{"a":/**/1}',
]

test('what is not an object of pairs is refused', () => {
  for (const text of REFUSED) assert.is(codeOf(text), 'BODY_INVALID', text)
})

test('bytes that are not UTF-8 are refused wherever they stand', () => {
  for (const bytes of ['ff', 'c080', 'eda080', 'f4908080', 'e282']) {
    const wrong = Buffer.from(bytes, 'hex')
    assert.is(codeOf(Buffer.concat([Buffer.from('{"a":"'), wrong, Buffer.from('"}')])), 'BODY_INVALID', bytes)
    assert.is(codeOf(Buffer.concat([Buffer.from('{"a":["'), wrong, Buffer.from('"]}')])), 'BODY_INVALID', bytes)
    assert.is(codeOf(Buffer.concat([Buffer.from('{"'), wrong, Buffer.from('":1}')])), 'BODY_INVALID', bytes)
  }
})

test('nesting is taken up to its limit and refused beyond, the outer object counted', () => {
  const nested = (depth: number): string => `{"k":${'['.repeat(depth)}${']'.repeat(depth)}}`
  assert.is(codeOf(nested(MAX_DEPTH - 1)), 'taken')
  assert.is(codeOf(nested(MAX_DEPTH)), 'BODY_INVALID')
  assert.is(codeOf(`{"k":${'{"a":'.repeat(100_000)}`), 'BODY_INVALID')
})

test('a key is measured in the bytes that are stored', () => {
  const limits = { maxKeyBytes: 4, maxValueBytes: 100 }
  assert.is(codeOf('{"":1}', limits), 'KEY_INVALID')
  assert.is(codeOf('{"abcd":1}', limits), 'taken')
  assert.is(codeOf('{"abcde":1}', limits), 'KEY_INVALID')
  assert.is(codeOf('{"\\u0061bcd":1}', limits), 'taken')
  assert.is(codeOf('{"éé":1}', limits), 'taken')
  assert.is(codeOf('{"ééa":1}', limits), 'KEY_INVALID')
})

test('a value is measured in the bytes that are stored', () => {
  const limits = { maxKeyBytes: 4, maxValueBytes: 3 }
  assert.is(codeOf('{"k":"abc"}', limits), 'taken')
  assert.is(codeOf('{"k":"\\u0061bc"}', limits), 'taken')
  assert.is(codeOf('{"k":"abcd"}', limits), 'VALUE_TOO_LARGE')
  assert.is(codeOf('{"k":  123  }', limits), 'taken')
  assert.is(codeOf('{"k":1234}', limits), 'VALUE_TOO_LARGE')
  assert.is(codeOf('{"k":{"$base64":"YWJj"}}', limits), 'taken')
  assert.is(codeOf('{"k":{"$base64":"YWJjZA=="}}', limits), 'VALUE_TOO_LARGE')
})

test('more pairs than a request may have are refused, a key named twice counted once', () => {
  const pairs = Array.from({ length: MAX_PAIRS }, (_, i) => `"${i}":1`).join()
  assert.is(codeOf(`{${pairs},"0":2}`), 'taken')
  assert.is(codeOf(`{${pairs},"x":2}`), 'BODY_TOO_LARGE')
})

test('whatever JavaScript writes is read back as the same values', () => {
  const pairs = fc.dictionary(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' }), {
    maxKeys: 10,
  })
  void fc.assert(
    fc.property(pairs, fc.constantFrom(undefined, 1, '\t'), (object, space) => {
      const requests = readAll(Buffer.from(JSON.stringify(object, null, space)), 7, LIMITS)
      assert.is(requests.length, Object.keys(object).length)
      for (const { key, value, kind, ttlMs } of requests) {
        const expected = object[key.toString()]
        assert.is(ttlMs, 7)
        assert.is(kind, typeof expected === 'string' ? VALUE_STRING : VALUE_JSON)
        assert.equal(kind === VALUE_STRING ? value.toString() : JSON.parse(value.toString()), JSON.parse(JSON.stringify(expected)))
      }
    }),
  )
})

test('a mutilated text is taken exactly when JavaScript takes it as an object', () => {
  const characters = fc.constantFrom(...'{}[],:"\\ \n0123456789.-+eEtruefalsn/bu\u0001é')
  const value = fc.oneof(fc.constantFrom(...VERBATIM.filter((one) => !one.includes('$'))), fc.json({ maxDepth: 2 }))
  const edits = fc.array(fc.tuple(fc.nat(200), fc.nat(2), characters), { maxLength: 3 })
  void fc.assert(
    fc.property(value, edits, (json, changes) => {
      let text = `{"k":${json},"z":"\\u00e9"}`
      for (const [at, removed, added] of changes) text = text.slice(0, at % text.length) + added + text.slice((at % text.length) + removed)
      const parsed = parseOrUndefined(text)
      const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      const storable = isObject && Object.entries(parsed).every(([key, one]) => key !== '' && isStorable(key) && isStorable(one))
      assert.is(codeOf(text) === 'taken', storable, text)
      if (storable) assert.is(read(text).length, Object.keys(parsed).length, text)
    }),
    { numRuns: 3000 },
  )
})

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Strings of ours are bytes of UTF-8: half a surrogate pair cannot be one. */
function isStorable(value: unknown): boolean {
  return typeof value !== 'string' || (value.isWellFormed() && isUtf8(Buffer.from(value)))
}

test.run()
