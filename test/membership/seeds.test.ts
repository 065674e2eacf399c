/** When which seed is tried. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom } from '../../src/lib/random.ts'
import { Seeds } from '../../src/membership/seeds.ts'

const test = suite('seeds')

const nobodyIsMet = (): boolean => false

/** The times at which a seed that never answers is tried. */
function attempts(joined: boolean, untilMs: number): number[] {
  const seeds = new Seeds(new SeededRandom(1), 5_000)
  seeds.replace(['a:1'], 0)
  const times: number[] = []
  for (let nowMs = 0; nowMs < untilMs; nowMs += 10) {
    for (const address of seeds.takeDue(nowMs, 9, nobodyIsMet)) {
      times.push(nowMs)
      seeds.tried(address, undefined, joined, nowMs)
    }
  }
  return times
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] as number))
}

test('nobody met: tried at once, then after 100, 200, 400 ms and so on, then every 2 s', () => {
  const found = gaps(attempts(false, 60_000))
  for (const [i, wantedMs] of [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000].entries()) {
    const gapMs = found[i] as number
    assert.ok(gapMs >= wantedMs * 0.75 && gapMs <= wantedMs * 1.25 + 10, `${gapMs} ms for ${wantedMs}`)
  }
})

test('joined: the first tries are as fast, the later ones 5 to 10 s apart', () => {
  const found = gaps(attempts(true, 120_000))
  assert.ok((found[0] as number) < 150)
  for (const gapMs of found.slice(5)) assert.ok(gapMs >= 5_000 && gapMs <= 10_010, `${gapMs} ms`)
})

test('a seed that is under way or met is not taken', () => {
  const seeds = new Seeds(new SeededRandom(1), 5_000)
  seeds.replace(['a:1', 'b:1', 'c:1'], 0)
  assert.equal(
    seeds.takeDue(0, 9, (address) => address === 'b:1'),
    ['a:1', 'c:1'],
  )
  assert.equal(seeds.takeDue(10_000, 9, nobodyIsMet), ['b:1'])
})

test('who answered at a seed is remembered for it', () => {
  const seeds = new Seeds(new SeededRandom(1), 5_000)
  seeds.replace(['host-name:1'], 0)
  seeds.takeDue(0, 1, nobodyIsMet)
  seeds.tried('host-name:1', 'a-0', true, 0)
  seeds.takeDue(60_000, 1, (_address, name) => {
    assert.is(name, 'a-0')
    return true
  })
})

test('a new list keeps the backoff of the seeds it has in common with the old one', () => {
  const seeds = new Seeds(new SeededRandom(1), 5_000)
  seeds.replace(['a:1'], 0)
  seeds.takeDue(0, 1, nobodyIsMet)
  seeds.tried('a:1', undefined, false, 0)
  seeds.replace(['a:1', 'b:1'], 1)
  assert.equal(seeds.takeDue(1, 9, nobodyIsMet), ['b:1'])
})

test.run()
