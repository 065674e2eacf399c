/** Anything at once, from a seed: kills, restarts with clocks off, pauses, cuts, loss, farewells, facts; then peace, and all have to agree. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Random, randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { type Bird, Flock } from './flock.ts'

const test = suite('chaos')

const SEEDS = 60
const NAMES = ['a-0', 'a-1', 'a-2', 'a-3', 'a-4']
const CHAOS_MS = 40_000
const PEACE_MS = 25_000

class Chaos {
  readonly flock: Flock
  readonly #random: Random
  /** Those that were left to themselves: killed, gone, replaced. */
  readonly #over = new Set<Bird>()
  /** All that ever was, for what was told. */
  readonly everybody: Bird[] = []

  constructor(seed: number) {
    this.#random = new SeededRandom(seed + 7_000)
    this.flock = new Flock(seed, { loss: randomBelow(this.#random, 20) / 100, duplication: 0.05 })
    for (const name of NAMES) this.#hatch(name)
  }

  living(): Bird[] {
    return [...this.flock.birds.values()].filter((bird) => !this.#over.has(bird))
  }

  act(): void {
    const living = this.living()
    const bird = living[randomBelow(this.#random, living.length)]
    const other = living[randomBelow(this.#random, living.length)]
    if (bird === undefined || other === undefined) return
    switch (randomBelow(this.#random, 9)) {
      case 0:
        this.#end(bird)
        break
      case 1:
        bird.clock.pause()
        this.flock.clock.after(randomBelow(this.#random, 6_000), () => bird.clock.resume())
        break
      case 2:
        this.flock.network.cut(bird.host.name, other.host.name)
        break
      case 3:
        this.flock.split([bird], living)
        break
      case 4:
        this.flock.network.joinAll()
        break
      case 5:
        bird.clock.run(() => bird.swim.leave(1_000, () => this.#end(bird)))
        break
      case 6:
        bird.clock.run(() => bird.swim.updateMeta({ tableVersion: randomBelow(this.#random, 1_000), zone: 'moved' }))
        break
      case 7:
        // Kubernetes deleted a pod, and one member has heard.
        bird.clock.run(() => bird.swim.declareGone(other.name, other.swim.self().meta.uid))
        break
      case 8:
        bird.clock.run(() => bird.swim.hintUnreachable(other.name))
        break
    }
  }

  /** What an orchestrator does: whoever is over is started again, sometimes with its clock set back. */
  tend(): void {
    for (const bird of this.living()) if (bird.told.some((line) => line.endsWith('superseded'))) this.#end(bird)
    for (const name of NAMES) {
      const bird = this.flock.birds.get(name)
      if (bird !== undefined && this.#over.has(bird)) this.#hatch(name)
    }
  }

  #end(bird: Bird): void {
    this.#over.add(bird)
    if (this.flock.birds.get(bird.name) === bird) this.flock.kill(bird)
  }

  #hatch(name: string): void {
    const generation = 100_000 + Math.floor(this.flock.clock.now()) - randomBelow(this.#random, 2) * randomBelow(this.#random, 30_000)
    this.everybody.push(this.flock.hatch(name, { generation, uid: `${name}-${this.everybody.length}`, seeds: NAMES }))
  }
}

/** Nobody hears of an earlier generation of a name after a later one. */
function assertForward(bird: Bird, seed: number): void {
  const latest = new Map<string, number>()
  for (const line of bird.told) {
    const found = / (a-\d)\/(\d+) (\w+) -> \w+$/.exec(line)
    if (found === null) continue
    const [, name, digits] = found as unknown as [string, string, string]
    const generation = Number(digits)
    assert.ok(generation >= (latest.get(name) ?? 0), `seed ${seed}: ${bird.name} heard ${line}`)
    latest.set(name, generation)
  }
}

test(`after chaos of ${CHAOS_MS / 1_000} s all agree within ${PEACE_MS / 1_000} s, for ${SEEDS} seeds`, () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const chaos = new Chaos(seed)
    const { clock, network } = chaos.flock
    for (let ms = 0; ms < CHAOS_MS; ms += 500) {
      clock.advance(500)
      chaos.act()
      if (ms % 2_000 === 0) chaos.tend()
    }
    // Pauses and farewells that were begun come to their end.
    clock.advance(7_000)
    network.joinAll()
    network.options = { ...network.options, loss: 0, duplication: 0 }
    clock.runUntilTrue(
      () => {
        chaos.tend()
        return chaos.living().length === NAMES.length && chaos.flock.agree(chaos.living())
      },
      PEACE_MS,
      `seed ${seed}: all agree`,
      500,
    )
    // And it lasts.
    const settled = chaos.everybody.length
    clock.advance(15_000)
    chaos.tend()
    assert.is(chaos.everybody.length, settled, `seed ${seed}: nobody had to end`)
    assert.ok(chaos.flock.agree(chaos.living()), `seed ${seed}: it lasts`)
    for (const bird of chaos.everybody) assertForward(bird, seed)
  }
})

test.run()
