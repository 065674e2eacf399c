/**
 * The seeds that belong to `npm test`, as suites: some in each test file, so that files run side by side.
 */
import { suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import { FEW_SLOTS, fewerSlots, rewrite } from './rewrites.ts'
import { OPEN } from './verdict.ts'

rewrite([fewerSlots(FEW_SLOTS)])
const { chaos } = await import('./chaos.ts')

/** Seeds that break an invariant, and why: each is to break it still, or it leaves this list. */
const KNOWN: ReadonlyMap<number, string> = new Map([
  [
    148,
    'followers of a beaten primary delete their surplus copies before it has sent what the other side lacks: until it has, it alone holds that',
  ],
])

/** One test for each seed. */
export function chaosSuite(from: number, to: number): Test {
  const test = suite(`simulation: chaos, seeds ${from} to ${to}`)
  for (let seed = from; seed <= to; seed++) {
    const known = KNOWN.get(seed)
    test(`members, clients and faults of seed ${seed} break ${known === undefined ? 'no invariant, and converge' : `an invariant: ${known}`}`, () => {
      const { plan, violations, story, trace } = chaos(seed)
      const unexpected = story.filter((_, i) => OPEN[violations[i]?.invariant ?? 'one view'] === undefined)
      if (known !== undefined) assert.ok(unexpected.length > 0, 'it does so no more')
      else assert.is(unexpected.slice(0, 5).join('\n'), '', `${plan}\ntrace ${trace}; npm run simulate -- --seed ${seed} --trace`)
    })
  }
  return test
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
