/**
 * Zones: two of three members each. All members of one die at the same moment, while clients write, and everything that was acknowledged with
 * `ack=replica` is there afterwards, because no slot had its copies in one zone. Which zone a member is in may change while it is away.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_REPLICA } from '../../src/cache/operation.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life } from '../support/cluster.ts'
import { setOf } from '../support/operations.ts'

const test = suite('simulation: zones')

const ZONES = ['a', 'b', 'a', 'b', 'a', 'b']
const WRITERS = 20
/** The longest that an answer may take. */
const ANSWER_MS = 8000

/** Each writes a new key when the last one was answered, through whichever member it pleases, and remembers what was acknowledged. */
class Writers {
  readonly acknowledged = new Set<string>()
  readonly #run: Cluster
  #asked = 0
  #writing = true

  constructor(run: Cluster) {
    this.#run = run
    for (let writer = 0; writer < WRITERS; writer++) this.#write()
  }

  stop(): void {
    this.#writing = false
    this.#run.clock.advance(ANSWER_MS)
  }

  #write(): void {
    if (!this.#writing) return
    const { clock, random, lives } = this.#run
    const all = [...lives.values()]
    const life = all[Math.floor(random.next() * all.length)] as Life
    const key = `key-${this.#asked++}`
    let over = false
    const go = (): void => {
      if (over) return
      over = true
      timer.cancel()
      clock.after(20 * (0.5 + random.next()), () => this.#write())
    }
    const timer = clock.after(ANSWER_MS, go)
    life.node.cache.execute(setOf(key, key, { ack: ACK_REPLICA }), (error) => {
      // The dead answer nobody.
      if (lives.get(life.name) !== life) return
      if (error === null) this.acknowledged.add(key)
      go()
    })
  }
}

/** Of these keys, those that are not there, each read through another member. */
function missing(run: Cluster, keys: Iterable<string>): string[] {
  const lives = [...run.lives.values()]
  const lost: string[] = []
  let open = 0
  for (const key of keys) {
    get(lives[open++ % lives.length] as Life, key, (_error, value) => {
      open--
      if (value !== key) lost.push(key)
    })
  }
  run.runUntil(() => open === 0, 20_000, 'all keys to be read')
  return lost
}

function killZone(run: Cluster, zone: string, silent: boolean): void {
  for (const name of [...run.lives.keys()]) if (ZONES[run.platform.ordinalOf(name)] === zone) run.kill(name, silent)
}

/** Starts six members, has clients write, and kills a zone. Answers which of the acknowledged writes are lost. */
function zoneLost(
  seed: number,
  zones: readonly string[],
): { readonly lost: string[]; readonly acknowledged: number; readonly run: Cluster } {
  const run = cluster({ nodes: ZONES.length, seed, zones, network: { loss: seed % 2 === 0 ? 0.02 : 0, maxDelayMs: 1 + (seed % 4) * 2 } })
  run.startAll()
  run.untilReady()
  run.untilAgreed()
  const writers = new Writers(run)
  run.clock.advance(2000 + run.random.next() * 2000)
  killZone(run, seed % 3 === 0 ? 'a' : 'b', seed % 2 === 1)
  run.clock.advance(12_000)
  writers.stop()
  const lost = missing(run, writers.acknowledged)
  return { lost, acknowledged: writers.acknowledged.size, run }
}

for (let seed = 1; seed <= 5; seed++) {
  test(`a whole zone dies: nothing acknowledged with ack=replica is lost, and its return mends all (seed ${seed})`, () => {
    const { lost, acknowledged, run } = zoneLost(seed, ZONES)
    assert.ok(acknowledged > 1000, `${acknowledged} acknowledged`)
    assert.equal(lost.slice(0, 5), [])
    for (const { node } of run.lives.values()) assert.is(node.stats().replication.slotsLostTotal, 0)
    for (let ordinal = 0; ordinal < ZONES.length; ordinal++) {
      const name = run.platform.nameOf(ordinal)
      if (!run.lives.has(name)) run.start(name)
    }
    run.untilReady()
    run.untilAgreed(90_000)
    run.close()
  })
}

test('the same death where nobody told a zone loses slots: it is the zones that keep them (seed 1)', () => {
  const { lost, run } = zoneLost(1, [])
  assert.ok(lost.length > 0)
  run.close()
})

test('members that come up one by one, and one that returns in another zone, end with one order and a copy in each zone', () => {
  const zones = [...ZONES]
  const run = cluster({ nodes: 4, seed: 21, zones })
  for (const ordinal of [2, 0, 3, 1]) {
    run.start(run.platform.nameOf(ordinal))
    run.clock.advance(1500)
  }
  run.untilReady()
  run.untilAgreed()
  run.kill('jackdaw-2')
  run.clock.advance(3000)
  zones[2] = 'b'
  run.start('jackdaw-2')
  run.untilReady()
  run.untilAgreed(90_000)
  // jackdaw-0 is now alone in its zone: it has a copy of all that it does not lead.
  const lives = [...run.lives.values()]
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const holders = lives
      .filter(({ node }) => node.inside.replication.isComplete(slot))
      .map(({ name }) => zones[run.platform.ordinalOf(name)])
    assert.ok(holders.includes('a') && holders.includes('b'), `slot ${slot} is in ${holders.join()}`)
  }
  run.close()
})

test.run()
