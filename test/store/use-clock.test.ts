import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UseClock } from '../../src/store/use-clock.ts'

const test = suite('store/use-clock')

const START_MS = 1_767_225_600_000

test('of two uses the later is the younger, though the time stands still or goes back', () => {
  const clock = new UseClock()
  const marks = [START_MS, START_MS, START_MS + 3_600_000, START_MS + 50, START_MS + 60].map((nowMs) => clock.use(nowMs))
  for (const [i, mark] of marks.entries()) if (i > 0) assert.ok(clock.age(mark) < clock.age(marks[i - 1] as number))
})

test('a use a thousandth of the population ago is told from one just now', () => {
  const clock = new UseClock()
  clock.setPopulation(1_000_000)
  const first = clock.use(START_MS)
  for (let i = 0; i < 1_000; i++) clock.use(START_MS)
  assert.ok(clock.age(first) >= 1)
  assert.ok(clock.age(first) <= 2)
})

test('idle times are right to 100 ms or two hundredths, with many uses and with few, for as long as there is a clock', () => {
  for (const usesASecond of [0.01, 1, 50]) {
    const clock = new UseClock()
    clock.setPopulation(100_000)
    const marks: { readonly mark: number; readonly atMs: number }[] = []
    let nowMs = START_MS
    for (let i = 0; i < 100_000; i++, nowMs += 1_000 / usesASecond) {
      const mark = clock.use(nowMs)
      if (i % 1_000 === 0) marks.push({ mark, atMs: nowMs })
    }
    for (const { mark, atMs } of marks) {
      const idleMs = nowMs - atMs
      const error = Math.abs(clock.idleMs(mark, nowMs) - idleMs)
      assert.ok(error <= 100 + idleMs / 50, `${usesASecond} uses a second: ${error} ms of ${idleMs}`)
    }
  }
})

test('a clock that has not been used knows of no idle time', () => {
  assert.is(new UseClock().idleMs(0, START_MS), 0)
})

test.run()
