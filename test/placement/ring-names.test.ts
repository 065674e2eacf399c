/** Which names are on the ring, and for how long after they went. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_GRACE, RingNames } from '../../src/placement/ring-names.ts'

const test = suite('ring names')

function of(...names: string[]): RingNames {
  const ring = new RingNames()
  for (const name of names) ring.appeared(name, false)
  return ring
}

test('those present are on the ring, sorted, each once', () => {
  const ring = of('b', 'a', 'b')
  assert.equal(ring.names(0), ['a', 'b'])
  assert.equal(ring.names(1e12), ['a', 'b'])
})

test('the graces are 120 s for a stop and 30 s for a crash', () => {
  assert.equal(DEFAULT_GRACE, { stoppedGraceMs: 120_000, crashedGraceMs: 30_000 })
})

for (const [absence, graceMs] of [
  ['stopped', 120_000],
  ['crashed', 30_000],
] as const) {
  test(`a name that ${absence} keeps its place for ${graceMs / 1000} s`, () => {
    const ring = of('a', 'b')
    ring.went('b', absence, 1000)
    assert.equal(ring.names(1000), ['a', 'b'])
    assert.equal(ring.names(1000 + graceMs - 1), ['a', 'b'])
    assert.equal(ring.names(1000 + graceMs), ['a'])
  })
}

test('a name that crashed is missing after its grace, until it is back or accounted for', () => {
  const ring = of('a', 'b', 'c', 'd')
  ring.went('b', 'crashed', 0)
  ring.went('c', 'stopped', 0)
  ring.went('d', 'for-good', 0)
  assert.equal(ring.missing(29_999), [])
  assert.equal(ring.missing(30_000), ['b'])
  assert.equal(ring.names(200_000), ['a'])
  assert.equal(ring.missing(200_000), ['b'])
  ring.appeared('b', false)
  assert.equal(ring.missing(200_000), [])
  ring.went('b', 'crashed', 200_000)
  ring.accounted('b')
  assert.equal(ring.missing(300_000), [])
})

test('a name that is no longer wanted is not missing', () => {
  const ring = of('a', 'b')
  ring.went('b', 'crashed', 0)
  ring.judgeBy((name) => name === 'b')
  assert.equal(ring.missing(60_000), [])
})

test('a name that left for good leaves at once', () => {
  const ring = of('a', 'b')
  ring.went('b', 'for-good', 1000)
  assert.equal(ring.names(1000), ['a'])
})

test('leaving for good ends a grace', () => {
  const ring = of('a', 'b')
  ring.went('b', 'stopped', 1000)
  ring.went('b', 'for-good', 2000)
  assert.equal(ring.names(2000), ['a'])
})

test('a member that leaves for good is off the ring while it still answers', () => {
  const ring = of('a', 'b')
  ring.appeared('b', true)
  assert.equal(ring.names(0), ['a'])
  ring.went('b', 'stopped', 10)
  assert.equal(ring.names(10), ['a'], 'and gets no grace when it goes')
})

test('a name that returns stays, beyond the grace it had', () => {
  const ring = of('a', 'b')
  ring.went('b', 'crashed', 0)
  ring.appeared('b', false)
  assert.equal(ring.names(1_000_000), ['a', 'b'])
})

test('a name that returns and goes again gets a grace of its own', () => {
  const ring = of('a', 'b')
  ring.went('b', 'stopped', 0)
  ring.appeared('b', false)
  ring.went('b', 'crashed', 50_000)
  assert.equal(ring.names(79_999), ['a', 'b'])
  assert.equal(ring.names(80_000), ['a'])
})

test('a name that crashes again soon after it returned has what is left of its first grace, and none when that is over', () => {
  const ring = of('a', 'b')
  ring.went('b', 'crashed', 0)
  ring.appeared('b', false)
  ring.went('b', 'crashed', 20_000)
  assert.equal(ring.names(29_999), ['a', 'b'])
  assert.equal(ring.names(30_000), ['a'])
  ring.appeared('b', false)
  assert.equal(ring.names(45_000), ['a', 'b'])
  ring.went('b', 'crashed', 45_000)
  assert.equal(ring.names(45_000), ['a'])
  assert.equal(ring.missing(45_000), ['b'])
})

test('a name that was there for long between two crashes gets its whole grace again', () => {
  const ring = of('a', 'b')
  ring.went('b', 'crashed', 0)
  ring.appeared('b', false)
  ring.went('b', 'crashed', 60_000)
  assert.equal(ring.names(89_999), ['a', 'b'])
  assert.equal(ring.names(90_000), ['a'])
})

test('hearing of an absence twice does not prolong it', () => {
  const ring = of('a', 'b')
  ring.went('b', 'crashed', 0)
  ring.went('b', 'stopped', 20_000)
  assert.equal(ring.names(30_000), ['a'])
})

test('a name that was never present gets no place by going', () => {
  const ring = of('a')
  ring.went('b', 'stopped', 0)
  assert.equal(ring.names(0), ['a'])
})

test('the platform’s word ends a grace, and moves nobody who is present', () => {
  const ring = of('a', 'b', 'c')
  ring.went('b', 'stopped', 0)
  ring.judgeBy((name) => name !== 'a')
  assert.equal(ring.names(1), ['a', 'c'])
  ring.judgeBy(() => false)
  assert.equal(ring.names(2), ['a', 'c'], 'what has ended does not come back')
})

test('other graces can be asked for', () => {
  const ring = new RingNames({ stoppedGraceMs: 10, crashedGraceMs: 5 })
  for (const name of ['a', 'b', 'c']) ring.appeared(name, false)
  ring.went('a', 'stopped', 0)
  ring.went('b', 'crashed', 0)
  assert.equal(ring.names(4), ['a', 'b', 'c'])
  assert.equal(ring.names(5), ['a', 'c'])
  assert.equal(ring.names(10), ['c'])
})

test.run()
