import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readDuration, readShare, wholeNumber } from '../../src/cli/number-argument.ts'

const test = suite('cli: number argument')

test('durations have a unit, or are seconds', () => {
  const cases = { '500ms': 500, '30': 30_000, '30s': 30_000, '1.5s': 1500, '5m': 300_000, '2h': 7_200_000, '1d': 86_400_000, '0.001': 1 }
  for (const [text, ms] of Object.entries(cases)) assert.is(readDuration(text), ms, text)
  for (const text of ['', '0', '-1', '1y', 's', '1 s', '1e3', '0.0001', '99999999999999999999'])
    assert.throws(() => readDuration(text), /duration/, text)
})

test('whole numbers keep to their bounds', () => {
  const read = wholeNumber(1, 20)
  assert.equal([read('1'), read('20'), read('007')], [1, 20, 7])
  for (const text of ['', '0', '21', '1.5', '-3', 'x', '1e1']) assert.throws(() => read(text), /from 1 to 20/, text)
})

test('shares are from 0 to 1', () => {
  assert.equal([readShare('0'), readShare('0.25'), readShare('1')], [0, 0.25, 1])
  for (const text of ['', '1.1', '2', '-0.1', '.5', 'x']) assert.throws(() => readShare(text), /from 0 to 1/, text)
})

test.run()
