/** The hybrid clock: never back, never far ahead, and above whatever it has to be above. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock, MAX_LEAD_MS } from '../../src/lib/hybrid-clock.ts'
import { compareStamps, MAX_COUNTER, type Stamp } from '../../src/lib/version.ts'
import { EPOCH_MS, FakeClock, HostClock } from '../support/fake-clock.ts'

const test = suite('hybrid clock')

function started(): { clock: FakeClock; host: HostClock; hybrid: HybridClock } {
  const clock = new FakeClock()
  const host = new HostClock(clock)
  return { clock, host, hybrid: new HybridClock(host) }
}

function below(a: Stamp, b: Stamp): void {
  assert.ok(compareStamps(a, b) < 0, `${a.ms}-${a.counter} is not below ${b.ms}-${b.counter}`)
}

test('physical time is the wall clock of the start, carried on by the monotonic one', () => {
  const { clock, host, hybrid } = started()
  assert.is(hybrid.physicalMs(), EPOCH_MS)
  clock.advance(1500.7)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1500)
  host.wallOffsetMs = -3_600_000
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1500, 'the wall clock was set back')
  host.wallOffsetMs = 3_600_000
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1500, 'the wall clock was set forward')
})

test('within a millisecond the counter grows, with the next it begins at 0', () => {
  const { clock, hybrid } = started()
  clock.advance(1)
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 1, counter: 0 })
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 1, counter: 1 })
  clock.advance(1)
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 2, counter: 0 })
})

test('a full counter goes over into the next millisecond', () => {
  const { hybrid } = started()
  hybrid.observe({ ms: EPOCH_MS + 10, counter: MAX_COUNTER })
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 11, counter: 0 })
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 11, counter: 1 })
})

test('stamps only grow, whatever is heard and however long it takes', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ advance: fc.integer({ min: 0, max: 700 }) }),
      fc.record({ observe: fc.integer({ min: -2000, max: 2000 }), counter: fc.constantFrom(0, 1, MAX_COUNTER - 1, MAX_COUNTER) }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (list) => {
      const { clock, hybrid } = started()
      let last: Stamp = { ms: 0, counter: 0 }
      for (const step of list) {
        if ('advance' in step) clock.advance(step.advance)
        else hybrid.observe({ ms: hybrid.physicalMs() + step.observe, counter: step.counter })
        assert.ok(compareStamps(hybrid.current(), last) >= 0, 'current is a lower bound')
        const bound = hybrid.current()
        const stamp = hybrid.next()
        below(last, stamp)
        assert.ok(compareStamps(stamp, bound) >= 0)
        assert.ok(stamp.ms <= hybrid.physicalMs() + MAX_LEAD_MS + 1, 'led further ahead than may be')
        last = stamp
      }
    }),
  )
})

test('a foreign stamp within belief is left behind', () => {
  const { hybrid } = started()
  const foreign = { ms: EPOCH_MS + MAX_LEAD_MS, counter: 3 }
  hybrid.observe(foreign)
  assert.equal(hybrid.current(), foreign)
  below(foreign, hybrid.next())
})

test('a foreign stamp beyond belief moves nothing', () => {
  const { hybrid } = started()
  hybrid.observe({ ms: EPOCH_MS + MAX_LEAD_MS + 1, counter: 0 })
  assert.equal(hybrid.current(), { ms: EPOCH_MS, counter: 0 })
  assert.equal(hybrid.next(), { ms: EPOCH_MS, counter: 0 })
})

test('a stamp of the past moves nothing', () => {
  const { hybrid } = started()
  const stamp = hybrid.next()
  hybrid.observe({ ms: EPOCH_MS - 5000, counter: MAX_COUNTER })
  assert.equal(hybrid.next(), { ms: stamp.ms, counter: stamp.counter + 1 })
})

test('nextAbove is above its floor wherever that lies', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1000, max: 10_000_000 }), fc.constantFrom(0, 5, MAX_COUNTER), (lead, counter) => {
      const { hybrid } = started()
      const before = hybrid.next()
      const floor = { ms: EPOCH_MS + lead, counter }
      const stamp = hybrid.nextAbove(floor)
      below(floor, stamp)
      below(before, stamp)
      assert.ok(stamp.counter <= MAX_COUNTER)
    }),
  )
})

test('nextAbove beyond belief follows the floor and leaves the clock where it was', () => {
  const { clock, hybrid } = started()
  const hour = { ms: EPOCH_MS + 3_600_000, counter: 9 }
  assert.equal(hybrid.nextAbove(hour), { ms: hour.ms, counter: 10 })
  assert.equal(hybrid.nextAbove({ ms: hour.ms, counter: MAX_COUNTER }), { ms: hour.ms + 1, counter: 0 })
  clock.advance(1)
  assert.equal(hybrid.next(), { ms: EPOCH_MS + 1, counter: 0 })
})

test('a narrower lead can be asked for', () => {
  const hybrid = new HybridClock(new FakeClock(), 10)
  hybrid.observe({ ms: EPOCH_MS + 11, counter: 0 })
  assert.is(hybrid.current().ms, EPOCH_MS)
  hybrid.observe({ ms: EPOCH_MS + 10, counter: 0 })
  assert.is(hybrid.current().ms, EPOCH_MS + 10)
})

test('told to, physical time follows a step, and stamps stay above all that were given', () => {
  const { clock, hybrid } = started()
  clock.advance(1)
  const first = hybrid.next()
  hybrid.follow(EPOCH_MS + 3_600_000)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 3_600_001)
  const ahead = hybrid.next()
  assert.equal(ahead, { ms: EPOCH_MS + 3_600_001, counter: 0 })
  below(first, ahead)
  hybrid.follow(EPOCH_MS)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1, 'an hour back at once')
  clock.advance(10)
  assert.equal(hybrid.next(), { ms: ahead.ms, counter: 1 }, 'and no stamp went back')
  assert.equal(hybrid.current(), { ms: ahead.ms, counter: 1 })
})

test('a small step back is waited out', () => {
  const { clock, hybrid } = started()
  clock.advance(1000)
  hybrid.follow(EPOCH_MS - MAX_LEAD_MS)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1000)
  clock.advance(MAX_LEAD_MS - 1)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1000)
  clock.advance(2)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 1001)
  hybrid.follow(EPOCH_MS - 2 * MAX_LEAD_MS - 1)
  assert.is(hybrid.physicalMs(), EPOCH_MS + 500, 'one that is longer is made')
})

test.run()
