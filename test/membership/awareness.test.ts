/** Local health. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Awareness } from '../../src/membership/awareness.ts'

const test = suite('awareness')

test('the score stays between 0 and 7 and stretches the interval', () => {
  const awareness = new Awareness()
  awareness.apply(-3)
  assert.is(awareness.score, 0)
  assert.is(awareness.scale(500), 500)
  awareness.apply(2)
  assert.is(awareness.scale(500), 1_500)
  awareness.apply(50)
  assert.is(awareness.score, 3)
  assert.is(awareness.scale(500), 2_000)
})

for (const [lagMs, points] of [
  [-1, 0],
  [249, 0],
  [250, 1],
  [700, 2],
  [60_000, 3],
] as const) {
  test(`${lagMs} ms of lag cost ${points}`, () => {
    const awareness = new Awareness()
    awareness.observeLag(lagMs)
    assert.is(awareness.score, points)
  })
}

test.run()
