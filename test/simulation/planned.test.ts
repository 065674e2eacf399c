/**
 * Planned moves: rolling update, scaling, an API server that is away. Nothing may fail, nothing may be lost, no slot may have two executors.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, cluster } from '../support/cluster.ts'
import { Workload } from '../support/workload.ts'

const test = suite('simulation: planned moves')

const HOUR_MS = 3_600_000
const WORKLOAD = { keys: 40, intervalMs: 40, oneExecutor: true }

function verdict(workload: Workload): string {
  return [...workload.violations.slice(0, 10), ...[...workload.errors].map(([reason, count]) => `${count} x ${reason}`)].join('\n')
}

/** Rolls a cluster that has just been started, under clients. */
function rollsWithoutLoss(run: Cluster): void {
  run.untilReady()
  const workload = new Workload(run, WORKLOAD)
  let rolled = false
  run.roll(() => {
    rolled = true
  })
  run.runUntil(() => rolled, 300_000, 'the roll to end', 100)
  workload.stop()
  run.untilAgreed()
  assert.is(workload.missing(), 0)
  assert.is(verdict(workload), '')
  assert.ok(workload.writes > 1000)
  run.close()
}

for (let seed = 1; seed <= 6; seed++) {
  test(`a rolling update loses nothing and fails no request (seed ${seed})`, () => {
    const run = cluster({ nodes: 3, seed, network: { loss: seed % 2 === 0 ? 0.02 : 0, maxDelayMs: 1 + seed } })
    run.startAll()
    rollsWithoutLoss(run)
  })
}

for (let ordinal = 0; ordinal < 3; ordinal++) {
  test(`a rolling update with the wall clock of member ${ordinal} an hour ahead loses nothing and fails no request`, () => {
    const run = cluster({ nodes: 3, seed: 11 + ordinal })
    for (let other = 0; other < 3; other++) run.start(run.platform.nameOf(other), { wallOffsetMs: other === ordinal ? HOUR_MS : 0 })
    rollsWithoutLoss(run)
  })
}

for (let seed = 21; seed <= 24; seed++) {
  test(`3 to 5 and back to 3 loses nothing and fails no request (seed ${seed})`, () => {
    const run = cluster({ nodes: 3, seed, replicas: seed % 2 === 0 ? 2 : 1 })
    run.startAll()
    run.untilReady()
    const workload = new Workload(run, WORKLOAD)
    run.clock.advance(2000)
    run.platform.scale(5)
    run.start('jackdaw-3')
    run.start('jackdaw-4')
    run.untilReady()
    run.clock.advance(8000)
    run.platform.scale(3)
    let stopped = 0
    for (const name of ['jackdaw-3', 'jackdaw-4']) {
      run.stop(name, () => {
        stopped++
      })
    }
    run.runUntil(() => stopped === 2, 60_000, 'both to stop', 100)
    run.clock.advance(2000)
    workload.stop()
    run.untilAgreed()
    assert.is(workload.missing(), 0)
    assert.is(verdict(workload), '')
    run.close()
  })
}

test('a minute without the API server changes nobody', () => {
  const run = cluster({ nodes: 3, seed: 31 })
  run.startAll()
  run.untilReady()
  run.platform.away = true
  const before = [...run.lives.values()].map(({ node }) => node.stats().memberChangesTotal)
  const workload = new Workload(run, WORKLOAD)
  run.clock.advance(60_000)
  workload.stop()
  assert.equal(
    [...run.lives.values()].map(({ node }) => node.stats().memberChangesTotal),
    before,
  )
  assert.is(verdict(workload), '')
  run.close()
})

test('a quiet start has no two holders of a slot, in any order of arrival', () => {
  for (let seed = 41; seed <= 50; seed++) {
    const run = cluster({ nodes: 3 + (seed % 3), seed, network: { maxDelayMs: 1 + (seed % 7) * 5 } })
    for (let ordinal = 0; ordinal < run.platform.replicas; ordinal++) {
      run.clock.advance(run.random.next() * 300)
      run.start(run.platform.nameOf(ordinal))
    }
    run.untilReady()
    run.untilAgreed()
    for (const { node } of run.lives.values()) assert.is(node.stats().replication.beatenTotal, 0, `seed ${seed}`)
    run.close()
  }
})

test('the same seed gives the same run', () => {
  const once = (): string => {
    const run = cluster({ nodes: 3, seed: 77, network: { loss: 0.05 } })
    run.startAll()
    run.untilReady()
    const workload = new Workload(run, WORKLOAD)
    run.clock.advance(5000)
    workload.stop()
    const trace = `${run.clock.now()} ${workload.writes} ${workload.reads} ${JSON.stringify([...run.lives.values()].map(({ node }) => node.stats()))}`
    run.close()
    return trace
  }
  assert.is(once(), once())
})

test.run()
