import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { milliseconds, quantile } from '../../../bench/cluster/figure.ts'

const test = suite('bench/cluster/figure')

test('a quantile is one of the figures, by rank, and the largest of few for a high share', () => {
  assert.is(quantile([3, 1, 2], 0.5), 2)
  assert.is(quantile([5, 1, 2, 4, 3], 0.99), 5)
  assert.is(
    quantile(
      Array.from({ length: 200 }, (_, i) => i + 1),
      0.99,
    ),
    198,
  )
  assert.ok(Number.isNaN(quantile([], 0.5)))
})

test('times are told with the digits that mean something', () => {
  assert.is(milliseconds(1.234), '1.23 ms')
  assert.is(milliseconds(86.4), '86 ms')
  assert.is(milliseconds(2_345), '2.35 s')
})

test.run()
