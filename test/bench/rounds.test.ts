import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { median, Samples, spreadOf } from '../../bench/rounds.ts'

const test = suite('bench/rounds')

const itself = (sample: number): number => sample

test('the median of an even number of figures lies between the two in the middle', () => {
  assert.is(median([3, 1, 2]), 2)
  assert.is(median([10, 9, 1, 2]), 5.5)
  assert.is(median([100]), 100)
})

test('a spread has the least and the most', () => {
  assert.equal(spreadOf([1.1, 0.9, 1]), { median: 1, least: 0.9, most: 1.1 })
})

test('a ratio is taken within each round, so that a slow round does not count', () => {
  const samples = new Samples<number>()
  for (const figure of [100, 10, 110]) samples.add('GET', 'ours', figure)
  for (const figure of [50, 5, 50]) samples.add('GET', 'theirs', figure)
  assert.is(samples.median('GET', 'ours', itself), 100)
  assert.equal(samples.ratio('GET', 'ours', 'theirs', itself), { median: 2, least: 2, most: 2.2 })
})

test('what was not measured has no median and no ratio', () => {
  const samples = new Samples<number>()
  samples.add('GET', 'ours', 1)
  assert.is(samples.median('SET', 'ours', itself), null)
  assert.is(samples.ratio('GET', 'ours', 'theirs', itself), null)
  assert.is(samples.ratio('GET', 'theirs', 'ours', itself), null)
})

test.run()
