/**
 * What clients read at primaries is not the first to go at their followers: two members at their memory limit, much that is read never, little that is
 * read often, and then one of them is gone.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, cluster, type Life } from '../support/cluster.ts'
import { getOf, setOf } from '../support/operations.ts'

const test = suite('simulation: touches')

const NAMES = ['jackdaw-0', 'jackdaw-1'] as const
const VALUE = 'x'.repeat(20_000)
const HOT = Array.from({ length: 40 }, (_, i) => `hot-${i}`)
/** Three times what a member has room for. */
const COLD = 1200
const BETWEEN = 20

function write(run: Cluster, keys: readonly string[]): void {
  let written = 0
  for (const [i, key] of keys.entries()) {
    run.life(NAMES[i % 2] as string).node.cache.execute(setOf(key, VALUE), (error) => {
      assert.is(error, null)
      written++
    })
  }
  run.clock.advance(200)
  assert.is(written, keys.length)
}

function found({ node }: Life, run: Cluster, keys: readonly string[]): number {
  let hits = 0
  for (const key of keys) {
    node.cache.execute(getOf(key), (_error, outcome) => {
      if (outcome?.existed) hits++
    })
  }
  run.clock.advance(25)
  return hits
}

for (const evictionPolicy of ['allkeys-lru', 'allkeys-lfu'] as const) {
  test(`with ${evictionPolicy} what is read often outlives its primary`, () => {
    const run = cluster({ nodes: 2, seed: 1, replicas: 1, node: { evictionPolicy, maxMemoryBytes: 8 * 1024 * 1024 } })
    for (const name of NAMES) run.start(name)
    run.untilReady()
    run.untilAgreed(60_000)
    write(run, HOT)
    for (let i = 0; i < COLD; i += BETWEEN) {
      for (let again = 0; again < 40; again++) found(run.life(NAMES[again % 2] as string), run, HOT)
      write(
        run,
        Array.from({ length: BETWEEN }, (_, j) => `cold-${i + j}`),
      )
    }
    const [dead, survivor] = NAMES
    assert.ok(run.life(survivor).node.inside.store.stats().evictedTotal > 200, 'the memory limit was never reached')
    run.kill(dead)
    run.clock.advance(10_000)
    const kept = found(run.life(survivor), run, HOT)
    assert.ok(kept >= HOT.length * 0.9, `${kept} of ${HOT.length}`)
    run.close()
  })
}

test.run()
