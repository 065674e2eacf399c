import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAddress } from '../../src/client/address.ts'
import { Backoff } from '../../src/client/backoff.ts'
import { Rotation } from '../../src/client/rotation.ts'
import { FakeClock } from '../support/fake-clock.ts'

const test = suite('client: rotation')

const [A, B, C] = ['a', 'b', 'c'].map(parseAddress) as [
  ReturnType<typeof parseAddress>,
  ReturnType<typeof parseAddress>,
  ReturnType<typeof parseAddress>,
]

function rotation(chance: number = 0): { clock: FakeClock; rotation: Rotation; order: () => string } {
  const clock = new FakeClock()
  const turning = new Rotation([A, B, C], new Backoff({ baseMs: 100, maxMs: 1000 }, () => 1), clock, () => chance)
  const order = (): string =>
    turning
      .order()
      .map(({ host }) => host)
      .join('')
  return { clock, rotation: turning, order }
}

test('each connection begins at the next address', () => {
  const { order } = rotation()
  assert.equal([order(), order(), order(), order()], ['abc', 'bca', 'cab', 'abc'])
})

test('chance decides where a client begins', () => {
  assert.is(rotation(0.34).order(), 'bca')
  assert.is(rotation(0.999).order(), 'cab')
})

test('an address that failed is tried last until its time is over, and longer after each failure', () => {
  const { clock, rotation: turning, order } = rotation()
  turning.failed(A)
  assert.equal([order(), order(), order()], ['bca', 'bca', 'cba'])
  clock.advance(100)
  assert.is(order(), 'abc')
  turning.failed(A)
  clock.advance(199)
  assert.equal([order(), order(), order()], ['bca', 'cba', 'bca'])
  clock.advance(1)
  assert.is(order(), 'bca')
  assert.is(order(), 'cab')
})

test('when all failed, the one whose time is over first is tried first', () => {
  const { rotation: turning, order } = rotation()
  for (const address of [A, A, B, B, B, C]) turning.failed(address)
  assert.is(order(), 'cab')
})

test('an address that worked again has no past', () => {
  const { rotation: turning, order } = rotation()
  turning.failed(A)
  turning.succeeded(A)
  assert.is(order(), 'abc')
})

test.run()
