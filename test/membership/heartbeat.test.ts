/** The heartbeat between two threads: when the data path counts as hanging, and what does not count against it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BEAT_MS, Heartbeat, HeartbeatWatch, HUNG_AFTER_MS, type Pulse } from '../../src/membership/heartbeat.ts'
import { FakeClock, HostClock } from '../support/fake-clock.ts'

const test = suite('heartbeat')

/** The data path and its watch on clocks that can be stopped by themselves. */
class Pair {
  readonly clock = new FakeClock()
  readonly dataPath = new HostClock(this.clock)
  readonly watcher = new HostClock(this.clock)
  readonly heart = new Heartbeat(this.dataPath)
  readonly pulses: Pulse[] = []
  readonly #watch = new HeartbeatWatch(this.heart.memory)

  constructor() {
    const look = (): void => {
      this.pulses.push(this.#watch.look(this.clock.now()))
      this.watcher.after(BEAT_MS, look)
    }
    look()
  }

  get last(): Pulse {
    return this.pulses.at(-1) as Pulse
  }
}

test('a data path that beats never hangs, and one that has not begun neither', () => {
  const pair = new Pair()
  pair.clock.advance(10_000)
  pair.heart.start()
  pair.clock.advance(10_000)
  assert.ok(pair.pulses.every(({ stillMs }) => stillMs <= 2 * BEAT_MS))
  assert.ok(pair.pulses.every(({ lagMs }) => lagMs === 0))
  assert.is(pair.heart.takeHung(), false)
})

test('one that stands still for a second was found hanging, and is told so once', () => {
  const pair = new Pair()
  pair.heart.start()
  pair.clock.advance(100)
  pair.dataPath.pause()
  pair.clock.advance(HUNG_AFTER_MS - 2 * BEAT_MS)
  assert.is(pair.heart.takeHung(), false)
  pair.clock.advance(4 * BEAT_MS)
  assert.ok(pair.last.stillMs >= HUNG_AFTER_MS)
  pair.clock.advance(2_000)
  assert.ok(pair.last.stillMs >= 3_000 && pair.last.stillMs < 3_200, `${pair.last.stillMs}`)
  pair.dataPath.resume()
  assert.is(pair.heart.takeHung(), true)
  assert.is(pair.heart.takeHung(), false)
  pair.clock.advance(2 * BEAT_MS)
  assert.is(pair.last.stillMs, 0)
  assert.ok(
    pair.pulses.some(({ lagMs }) => lagMs > 2_900 && lagMs < 3_200),
    'and how late it was is told as well',
  )
})

test('each time it hangs is another one', () => {
  const pair = new Pair()
  pair.heart.start()
  for (let i = 0; i < 3; i++) {
    pair.clock.advance(500)
    pair.dataPath.pause()
    pair.clock.advance(1_500)
    pair.dataPath.resume()
    assert.is(pair.heart.takeHung(), true)
  }
})

test('a pause of the whole process speaks not against the data path', () => {
  const pair = new Pair()
  pair.heart.start()
  pair.clock.advance(500)
  pair.dataPath.pause()
  pair.clock.advance(2 * BEAT_MS)
  pair.watcher.pause()
  pair.clock.advance(10_000)
  // The watch wakes first.
  pair.watcher.resume()
  pair.clock.advance(500)
  pair.dataPath.resume()
  pair.clock.advance(500)
  assert.ok(pair.pulses.every(({ stillMs, lagMs }) => stillMs < HUNG_AFTER_MS && lagMs < HUNG_AFTER_MS))
  assert.is(pair.heart.takeHung(), false)
})

test.run()
