/** How long a suspect stands trial. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Suspicion, suspicionOptions } from '../../src/membership/suspicion.ts'

const test = suite('suspicion')

/** Members, and for the defaults: shortest and longest trial, confirmations that are waited for. */
const TABLE: readonly [number, number, number, number][] = [
  [2, 1_500, 6_000, 0],
  [3, 1_500, 6_000, 0],
  [4, 1_500, 6_000, 1],
  [10, 1_500, 6_000, 1],
  [100, 3_000, 12_000, 1],
]

for (const [members, minMs, maxMs, expectedConfirmations] of TABLE) {
  test(`among ${members}: ${minMs} to ${maxMs} ms, ${expectedConfirmations} confirmations`, () => {
    assert.equal(suspicionOptions(members, 500, 3, 4), { minMs, maxMs, expectedConfirmations })
  })
}

/** Confirmations expected and heard, and the trial in ms between 1,000 and 7,000: max - (max - min) * log(C + 1) / log(K + 1). */
const TRIALS: readonly [number, number, number][] = [
  [0, 0, 1_000],
  [1, 0, 7_000],
  [1, 1, 1_000],
  [3, 0, 7_000],
  [3, 1, 4_000],
  [3, 2, 7_000 - (6_000 * Math.log(3)) / Math.log(4)],
  [3, 3, 1_000],
]

for (const [expectedConfirmations, heard, trialMs] of TRIALS) {
  test(`${heard} of ${expectedConfirmations} confirmations: ${Math.round(trialMs)} ms`, () => {
    const suspicion = new Suspicion({ minMs: 1_000, maxMs: 7_000, expectedConfirmations }, 'first', 100)
    for (let i = 0; i < heard; i++) assert.ok(suspicion.confirm(`further-${i}`))
    assert.ok(Math.abs(suspicion.deadlineMs - 100 - trialMs) < 1e-6)
  })
}

test('an accuser counts once, and none counts once enough are heard', () => {
  const suspicion = new Suspicion({ minMs: 1, maxMs: 10, expectedConfirmations: 2 }, 'a', 0)
  assert.not(suspicion.confirm('a'))
  assert.ok(suspicion.confirm('b'))
  assert.not(suspicion.confirm('b'))
  assert.ok(suspicion.confirm('c'))
  assert.not(suspicion.confirm('d'))
})

test('time that is granted puts the deadline off, never forward', () => {
  const suspicion = new Suspicion({ minMs: 1_000, maxMs: 4_000, expectedConfirmations: 0 }, 'a', 0)
  suspicion.grantTime(5_000)
  assert.is(suspicion.deadlineMs, 6_000)
  const slow = new Suspicion({ minMs: 1_000, maxMs: 4_000, expectedConfirmations: 1 }, 'a', 0)
  slow.grantTime(100)
  assert.is(slow.deadlineMs, 4_000)
})

test.run()
