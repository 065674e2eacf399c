import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LatencyHistogram } from '../../src/cli/latency-histogram.ts'

const test = suite('cli: latency histogram')

test('percentiles are at most 2 % too high, and never too low', () => {
  const histogram = new LatencyHistogram()
  for (let i = 1; i <= 10_000; i++) histogram.record(i / 100)
  for (const [percent, exact] of [
    [50, 50],
    [90, 90],
    [99, 99],
    [99.9, 99.9],
    [100, 100],
  ] as const) {
    const measured = histogram.percentileMs(percent)
    assert.ok(measured >= exact - 1e-9 && measured <= exact * 1.021, `${percent}: ${measured}`)
  }
  assert.is(histogram.maxMs, 100)
  assert.ok(Math.abs(histogram.meanMs - 50.005) < 1e-6)
})

test('the ends of the range hold what is beyond them', () => {
  const histogram = new LatencyHistogram()
  assert.equal([histogram.percentileMs(50), histogram.meanMs, histogram.count], [0, 0, 0])
  histogram.record(0)
  assert.is(histogram.percentileMs(50), 0)
  histogram.record(1e9)
  assert.ok(histogram.percentileMs(100) > 600_000)
})

test('one slow call among a thousand shows in the last percentile only', () => {
  const histogram = new LatencyHistogram()
  for (let i = 0; i < 999; i++) histogram.record(1)
  histogram.record(500)
  assert.ok(histogram.percentileMs(99.9) < 1.03)
  assert.is(histogram.percentileMs(99.95), 500)
})

test.run()
