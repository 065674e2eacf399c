/**
 * The seeds that belong to `npm test`, as suites: some in each test file, so that files run side by side.
 */
import { suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import { FEW_SLOTS, fewerSlots, rewrite } from './rewrites.ts'
import { OPEN } from './verdict.ts'

rewrite([fewerSlots(FEW_SLOTS)])
const { chaos } = await import('./chaos.ts')

/** Seeds beyond those of every test run that broke an invariant once, and how. */
const ONCE: ReadonlyMap<number, string> = new Map([
  [206, 'what came late in the stream of a beaten member, and was overwritten by one that knew it, was counted as lost'],
  [214, 'a member that had handed over claimed slots anew, cut off from its heirs, and took what it accepted there along uncounted'],
  [252, 'a claimant took slots whose holder was back before it had pulled what others had'],
  [282, 'an exile counted as given up what its follower had confirmed before it was cut off'],
  [394, 'a beaten primary had just heard of the others again, and took its old copy for one in sync: deleted keys returned'],
  [
    634,
    'followers that dropped a tombstone heard of its mark up to a second later, and their primary was gone by then: a deleted key returned',
  ],
  [762, 'the last write of a member that was stopped for long came late in its stream, and revived a deleted key'],
  [794, 'a copy that nobody streamed to any more passed for one in sync once its member, alone, had claimed the slot'],
  [808, 'a beaten primary took the word of a follower that went by the other for a confirmation'],
  [
    866,
    'a member that had been replaced while it stood still was taken for the holder again, without what had been written, as its successor was held dead',
  ],
  [1196, 'a stand-in was told nothing when its service was over, and called its copy complete for ever'],
  [2040, 'a weak term granted by who once had a strong one was beaten by that: each of the two took the other for the holder, for ever'],
  [
    20_296,
    'a primary heard that it had been replaced by one that is gone, and left its slots to copies whose members took it for the holder still, for ever',
  ],
])

/** One test for each seed. */
export function chaosSuite(from: number, to: number): Test {
  const test = suite(`simulation: chaos, seeds ${from} to ${to}`)
  for (let seed = from; seed <= to; seed++) {
    test(`members, clients and faults of seed ${seed} break no invariant, and converge`, () => hold(seed))
  }
  return test
}

/** One test for each seed that failed once. */
export function onceSuite(): Test {
  const test = suite('simulation: chaos, seeds that failed once')
  for (const [seed, how] of ONCE) test(`seed ${seed} breaks no invariant any more: ${how}`, () => hold(seed))
  return test
}

function hold(seed: number): void {
  const { plan, violations, story, trace } = chaos(seed)
  const unexpected = story.filter((_, i) => OPEN[violations[i]?.invariant ?? 'one view'] === undefined)
  assert.is(unexpected.slice(0, 5).join('\n'), '', `${plan}\ntrace ${trace}; npm run simulate -- --seed ${seed} --trace`)
}

/** The same seed is the same run. */
export function replaySuite(): Test {
  const test = suite('simulation: chaos, replayed')
  for (const seed of [1, 2, 3, 5]) {
    test(`seed ${seed} has the same trace each time`, () => {
      const [one, other] = [chaos(seed), chaos(seed)]
      assert.is(one.trace, other.trace)
      assert.is(one.events, other.events)
      assert.ok(one.events > 1000, `${one.events} events`)
    })
  }
  test('another seed has another trace', () => {
    assert.is.not(chaos(1).trace, chaos(9).trace)
  })
  return test
}
