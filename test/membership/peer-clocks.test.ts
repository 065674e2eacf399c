/** What acks tell of the time: measured half-way, only where the answer came soon, and of the life that said it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PeerClocks } from '../../src/membership/peer-clocks.ts'
import { record } from './samples.ts'

const test = suite('peer clocks')

const LIFE = { name: 'a-0', generation: 5 }
const LIVE = [record(LIFE)]
const TOLD = { clockMs: 10_000, wallMs: 20_000, settled: true }

test('the reading counts as made half-way between ping and ack', () => {
  const clocks = new PeerClocks()
  clocks.note(LIFE, TOLD, 1_000, 1_100)
  assert.equal(clocks.of(LIVE), [{ ...LIFE, clockOffsetMs: 8_950, wallOffsetMs: 18_950, settled: true, heardMs: 1_100 }])
})

test('an answer that took over 500 ms tells nothing', () => {
  const clocks = new PeerClocks()
  assert.not.ok(clocks.note(LIFE, TOLD, 1_000, 1_501))
  assert.equal(clocks.of(LIVE), [])
  assert.ok(clocks.note(LIFE, TOLD, 1_000, 1_500))
})

test('news is the first word of a life, and that it has settled', () => {
  const clocks = new PeerClocks()
  const note = (generation: number, settled: boolean): boolean => clocks.note({ ...LIFE, generation }, { ...TOLD, settled }, 0, 1)
  assert.equal([note(5, false), note(5, false), note(5, true), note(5, true), note(6, true)], [true, false, true, false, true])
})

test('only live members are told of, in the lives they live, and others are forgotten', () => {
  const clocks = new PeerClocks()
  clocks.note(LIFE, TOLD, 0, 1)
  clocks.note({ name: 'b-0', generation: 1 }, TOLD, 0, 1)
  assert.equal(
    clocks.of([...LIVE, record({ name: 'b-0', generation: 2 })]).map(({ name }) => name),
    ['a-0'],
  )
  assert.equal(clocks.of([]), [])
  assert.equal(clocks.of(LIVE), [])
})

test.run()
