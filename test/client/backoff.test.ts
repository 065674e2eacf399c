import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Backoff } from '../../src/client/backoff.ts'

const test = suite('client: backoff')

const OPTIONS = { baseMs: 100, maxMs: 1000 }

test('the wait doubles with each failure, up to its ceiling', () => {
  const longest = new Backoff(OPTIONS, () => 1)
  assert.equal(
    [1, 2, 3, 4, 5, 50, 5000].map((failures) => longest.delayMs(failures)),
    [100, 200, 400, 800, 1000, 1000, 1000],
  )
})

test('chance takes up to half of the wait, never more', () => {
  for (const [chance, expected] of [
    [0, 200],
    [0.5, 300],
    [0.999, 399.8],
  ] as const) {
    assert.is(new Backoff(OPTIONS, () => chance).delayMs(3), expected)
  }
})

test.run()
