/** Versions: one total order, whatever the parts. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareStamps, compareVersions, formatStamp, MAX_COUNTER, type Version, ZERO_STAMP } from '../../src/lib/version.ts'

const test = suite('version')

const versions = fc.record({
  ms: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2 ** 48 - 3, max: 2 ** 48 - 1 })),
  counter: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constant(MAX_COUNTER)),
  writer: fc.constantFrom('', 'a', 'b', 'jackdaw-10', 'jackdaw-9'),
})

/** Ascending. */
const LADDER: readonly Version[] = [
  { ms: 0, counter: 0, writer: '' },
  { ms: 0, counter: 0, writer: 'a' },
  { ms: 0, counter: MAX_COUNTER, writer: 'a' },
  { ms: 1, counter: 0, writer: 'a' },
  { ms: 1, counter: 0, writer: 'jackdaw-10' },
  { ms: 1, counter: 0, writer: 'jackdaw-9' },
  { ms: 1, counter: 1, writer: 'a' },
  { ms: 2 ** 48 - 1, counter: 0, writer: 'a' },
  { ms: 2 ** 48 - 1, counter: MAX_COUNTER, writer: 'a' },
]

test('milliseconds count first, then the counter, then the writer', () => {
  for (const [i, a] of LADDER.entries()) {
    for (const [j, b] of LADDER.entries()) assert.is(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${i} and ${j}`)
  }
})

test('versions are totally ordered', () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      assert.is(Math.sign(compareVersions(a, b)), 0 - Math.sign(compareVersions(b, a)))
      const same = a.ms === b.ms && a.counter === b.counter && a.writer === b.writer
      assert.is(compareVersions(a, b) === 0, same)
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0)
    }),
  )
})

test('stamps are ordered as versions are, without the writer', () => {
  fc.assert(
    fc.property(versions, versions, (a, b) => {
      const unsigned = { ...b, writer: a.writer }
      assert.is(Math.sign(compareStamps(a, b)), Math.sign(compareVersions(a, unsigned)))
    }),
  )
  assert.ok(compareStamps(ZERO_STAMP, { ms: 0, counter: 1 }) < 0)
})

test('a stamp is shown as ms-counter', () => assert.is(formatStamp({ ms: 1_767_225_600_000, counter: 7 }), '1767225600000-7'))

test.run()
