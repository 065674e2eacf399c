/** What goes to the whole cluster, asked of a member whose link to another is cut: it follows from tables, which come around the cut as calls do. */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheError } from '../../src/lib/errors.ts'
import { type Cluster, cluster, type Life, set } from '../support/cluster.ts'

const test = suite('simulation: reads of the whole cluster around a cut link')

const KEYS = 200

/** DBSIZE and the first page of a walk over all keys. */
function counts(run: Cluster, life: Life): unknown[] {
  const answers: unknown[] = []
  const note = (error: CacheError | null, value: unknown): void => {
    answers.push(error?.code ?? value)
  }
  life.node.cache.size(note)
  life.node.cache.scanSlots(0, 1000, (error, page) => note(error, page?.entries.length))
  run.runUntil(() => answers.length === 2, 12_000, 'the answers')
  return answers
}

for (const seed of [9, 10]) {
  test(`they go on while tables change, and after a third member has joined (seed ${seed})`, () => {
    const run = cluster({ nodes: 3, seed, replicas: 1 })
    run.startAll()
    run.untilReady()
    run.clock.advance(8000)
    const [a, b] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
    for (let i = 0; i < KEYS; i++) set(a, `key-${i}`, 'v', (error) => assert.is(error, null))
    run.clock.advance(1000)
    run.network.cut(a.host, b.host)
    run.network.cut(b.host, a.host)
    run.clock.advance(5000)
    assert.equal(counts(run, a), [KEYS, KEYS])
    run.platform.replicas = 4
    run.start('jackdaw-3')
    run.clock.advance(40_000)
    for (const life of run.lives.values()) assert.equal(counts(run, life), [KEYS, KEYS], life.name)
    run.network.joinAll()
    run.clock.advance(10_000)
    for (const life of run.lives.values()) assert.equal(counts(run, life), [KEYS, KEYS], life.name)
    run.close()
  })
}

test.run()
