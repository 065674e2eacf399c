/**
 * FLUSHALL: what was written before is gone on every member and stays gone, whoever was away, and whatever is on its way; what is written after stays.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { FlushResult } from '../../src/cache/cache.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'

const test = suite('simulation: flush')

const KEYS = 200

function write(run: Cluster, prefix: string): void {
  const lives = [...run.lives.values()]
  let open = KEYS
  for (let i = 0; i < KEYS; i++) {
    set(lives[i % lives.length] as Life, `${prefix}-${i}`, `value-${i}`, (error) => {
      assert.is(error, null)
      open--
    })
  }
  run.runUntil(() => open === 0, 5000, `the keys ${prefix} to be written`)
}

/** How many of the keys are read, and through whom. */
function read(run: Cluster, prefix: string): Record<string, number> {
  const found: Record<string, number> = {}
  let open = 0
  for (const life of run.lives.values()) {
    found[life.name] = 0
    for (let i = 0; i < KEYS; i++) {
      open++
      get(life, `${prefix}-${i}`, (error, value) => {
        open--
        assert.is(error, null)
        if (value !== undefined) found[life.name] = (found[life.name] as number) + 1
      })
    }
  }
  run.runUntil(() => open === 0, 10_000, `the keys ${prefix} to be read`)
  return found
}

function flush(run: Cluster, life: Life): FlushResult {
  let result: FlushResult | null = null
  life.node.cache.flush((error, answer) => {
    assert.is(error, null)
    result = answer
  })
  run.runUntil(() => result !== null, 5000, 'the flush to be answered')
  return result as unknown as FlushResult
}

function everywhere(run: Cluster, count: number): Record<string, number> {
  return Object.fromEntries([...run.lives.keys()].map((name) => [name, count]))
}

for (let seed = 1; seed <= 5; seed++) {
  test(`a flush empties every member, and what is written after it stays (seed ${seed})`, () => {
    const run = cluster({ nodes: 3, seed, replicas: 1, network: { loss: 0.02, maxDelayMs: 1 + seed } })
    run.startAll()
    run.untilReady()
    write(run, 'before')
    assert.equal(flush(run, [...run.lives.values()][0] as Life).unreached, [])
    write(run, 'after')
    assert.equal(read(run, 'before'), everywhere(run, 0))
    assert.equal(read(run, 'after'), everywhere(run, KEYS))
    run.untilAgreed(30_000)
    assert.equal(read(run, 'before'), everywhere(run, 0))
    assert.equal(read(run, 'after'), everywhere(run, KEYS))
  })

  test(`a member that the flush did not reach gives nothing back when the network is whole again (seed ${seed})`, () => {
    const run = cluster({ nodes: 3, seed, replicas: 1, network: { loss: 0, maxDelayMs: 1 + seed } })
    run.startAll()
    run.untilReady()
    write(run, 'before')
    run.clock.advance(2000)
    const [alone, ...others] = [...run.lives.values()] as [Life, ...Life[]]
    for (const other of others) {
      run.network.cut(alone.host, other.host)
      run.network.cut(other.host, alone.host)
    }
    // Shorter than it takes to be declared dead for some seeds, longer for others.
    run.clock.advance(seed % 2 === 0 ? 500 : 15_000)
    const { unreached } = flush(run, others[0] as Life)
    assert.equal(unreached, [alone.name])
    run.clock.advance(5000)
    run.network.joinAll()
    run.untilAgreed(90_000)
    assert.equal(read(run, 'before'), everywhere(run, 0))
    write(run, 'after')
    assert.equal(read(run, 'after'), everywhere(run, KEYS))
  })
}

test('a member that is only cut off is named however long that lasts, and one that left or is not wanted is not', () => {
  const run = cluster({ nodes: 4, seed: 7, replicas: 1 })
  run.startAll()
  run.untilReady()
  write(run, 'before')
  const [first, , far, last] = [...run.lives.values()] as [Life, Life, Life, Life]
  run.platform.replicas = 3
  let gone = false
  run.stop(last.name, () => {
    gone = true
  })
  run.runUntil(() => gone, 60_000, 'the end of the last')
  for (const other of run.lives.values()) {
    if (other === far) continue
    run.network.cut(far.host, other.host)
    run.network.cut(other.host, far.host)
  }
  for (const ms of [10_000, 30_000, 600_000]) {
    run.clock.advance(ms)
    assert.equal(flush(run, first).unreached, [far.name])
  }
  run.network.joinAll()
  run.untilAgreed(90_000)
  assert.equal(read(run, 'before'), everywhere(run, 0))
  assert.equal(flush(run, first).unreached, [])
  run.close()
})

test.run()
