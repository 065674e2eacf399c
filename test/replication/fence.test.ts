/** The fence: what raises it, by the own clock and by the word of another thread, and that one pause raises it once. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SILENT } from '../../src/lib/logger.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import type { Context } from '../../src/replication/context.ts'
import { Fence } from '../../src/replication/fence.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { term } from './fakes.ts'

const test = suite('fence')

const TICK_MS = 50
const FENCE_MS = 500

interface Scene {
  readonly clock: FakeClock
  readonly fence: Fence
  /** The other thread found this one standing still so often. */
  hangs: number
  /** Peers acknowledge all the time; or did so last at `lastAckMs`. */
  acknowledging: boolean
  lastAckMs: number
  queries: number
  answer: (missing?: number) => void
  tickFor(ms: number): void
}

/** A member that is primary of one slot. */
function scene(): Scene {
  const clock = new FakeClock()
  const held = new SlotSet()
  held.add(7)
  const table = { primariesByTerm: () => new Map([[term('a', 1), held]]), adopt: () => {} }
  const context = { clock, logger: SILENT, table } as unknown as Context
  const made: Scene = {
    clock,
    fence: new Fence(
      context,
      {
        query: (_slots, _timeoutMs, done) => {
          made.queries++
          made.answer = (missing = 0) => done([], missing)
        },
      },
      {
        hung: () => {
          if (made.hangs === 0) return false
          made.hangs = 0
          return true
        },
        lastAckMs: () => (made.acknowledging ? clock.now() : made.lastAckMs),
        raised: () => {},
        lifted: () => {},
      },
    ),
    hangs: 0,
    acknowledging: true,
    lastAckMs: Number.NEGATIVE_INFINITY,
    queries: 0,
    answer: () => {},
    tickFor: (ms) => {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        clock.advance(TICK_MS)
        made.fence.tick(clock.now())
      }
    },
  }
  return made
}

test('it is down while the event loop turns', () => {
  const s = scene()
  s.tickFor(5_000)
  assert.is(s.fence.up, false)
  assert.is(s.queries, 0)
})

test('a pause of a second raises it before the first tick, until the others have answered', () => {
  const s = scene()
  s.tickFor(200)
  s.clock.advance(1_000)
  assert.is(s.fence.up, true)
  assert.is(s.queries, 1)
  s.answer()
  assert.is(s.fence.up, false)
})

test('it stays up where somebody could not be asked, who is asked again', () => {
  const s = scene()
  s.tickFor(200)
  s.clock.advance(1_000)
  assert.is(s.fence.up, true)
  s.answer(1)
  assert.is(s.fence.up, true)
  s.clock.advance(50)
  assert.is(s.queries, 2)
  s.answer()
  assert.is(s.fence.up, false)
})

test('the word of another thread raises it too, where the own clock shows nothing, and for half a second at most', () => {
  const s = scene()
  s.tickFor(200)
  s.hangs = 1
  assert.is(s.fence.up, true)
  s.tickFor(FENCE_MS)
  assert.is(s.fence.up, false)
  assert.is(s.queries, 1)
})

test('who was away for long enough to be replaced waits longer for an answer that is missing', () => {
  for (const [awayMs, fenceMs] of [
    [2_000, FENCE_MS],
    [4_000, 2_000],
  ] as const) {
    const s = scene()
    s.tickFor(500)
    s.clock.advance(awayMs)
    assert.ok(s.fence.up)
    s.answer(1)
    s.tickFor(fenceMs - TICK_MS)
    assert.ok(s.fence.up, `${awayMs} ms`)
    s.tickFor(TICK_MS)
    assert.is(s.fence.up, false, `${awayMs} ms`)
  }
})

test('so does one to which no peer had acknowledged anything for as long', () => {
  const s = scene()
  s.tickFor(500)
  s.acknowledging = false
  s.lastAckMs = s.clock.now()
  s.tickFor(4_000)
  s.acknowledging = true
  s.tickFor(TICK_MS)
  s.answer(1)
  s.tickFor(1_900)
  assert.ok(s.fence.up)
  s.tickFor(100)
  assert.is(s.fence.up, false)
})

test('a pause that both have seen raises it once', () => {
  const s = scene()
  s.tickFor(200)
  s.clock.advance(3_000)
  s.hangs = 1
  assert.is(s.fence.up, true)
  s.answer()
  assert.is(s.fence.up, false)
  s.tickFor(2_000)
  assert.is(s.queries, 1)
})

test('a silence of all peers raises it once when it is noticed and once when it ends', () => {
  const s = scene()
  s.tickFor(200)
  s.acknowledging = false
  s.lastAckMs = s.clock.now()
  s.tickFor(950)
  assert.is(s.fence.up, false)
  s.tickFor(50)
  assert.is(s.fence.up, true)
  s.tickFor(FENCE_MS)
  assert.is(s.fence.up, false)
  s.tickFor(10_000)
  assert.is(s.queries, 1)
  s.acknowledging = true
  s.tickFor(50)
  assert.is(s.fence.up, true)
  s.answer()
  assert.is(s.fence.up, false)
  s.tickFor(10_000)
  assert.is(s.queries, 2)
})

test('where no peer ever acknowledged anything, or the silent ones are gone, there is nobody to ask', () => {
  const s = scene()
  s.acknowledging = false
  s.tickFor(5_000)
  assert.is(s.queries, 0)
  s.acknowledging = true
  s.tickFor(100)
  s.acknowledging = false
  s.lastAckMs = s.clock.now()
  s.tickFor(1_500)
  assert.is(s.queries, 1)
  s.lastAckMs = Number.NEGATIVE_INFINITY
  s.tickFor(5_000)
  assert.is(s.fence.up, false)
  assert.is(s.queries, 1)
})

test.run()
