/**
 * Clocks that are wrong: wall clocks jump on one machine, on most, and on all; others are wrong from the start. Nothing expires before its time anywhere,
 * no slot changes hands for it, and where all machines make a step the cluster makes it too.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EXPIRY_AT, EXPIRY_IN } from '../../src/cache/operation.ts'
import { type Cluster, cluster, get, type Life } from '../support/cluster.ts'
import { EPOCH_MS } from '../support/fake-clock.ts'
import { setOf } from '../support/operations.ts'

const test = suite('simulation: clocks')

const HOUR_MS = 3_600_000
const KEYS = 200
/** For a look at the clocks at every member, with all their probes. */
const LOOKS_MS = 10_000

function started(seed: number, nodes: number, wallOffsetsMs: readonly number[] = []): Cluster {
  const run = cluster({ nodes, seed, network: { loss: seed % 3 === 0 ? 0.05 : 0, maxDelayMs: 1 + (seed % 5) * 4 } })
  for (let ordinal = 0; ordinal < nodes; ordinal++) run.start(run.platform.nameOf(ordinal), { wallOffsetMs: wallOffsetsMs[ordinal] ?? 0 })
  run.untilReady()
  run.untilAgreed()
  return run
}

/** How far a member's time is ahead of what is right. */
function aheadMs({ node, clock }: Life): number {
  return node.cache.nowMs - (EPOCH_MS + clock.now())
}

function write(run: Cluster, prefix: string, ttlMs: number): void {
  const lives = [...run.lives.values()]
  let open = KEYS
  for (let i = 0; i < KEYS; i++) {
    const life = lives[i % lives.length] as Life
    life.node.cache.execute(setOf(`${prefix}-${i}`, `${i}`, { expiry: EXPIRY_IN, expiryMs: ttlMs }), (error) => {
      assert.is(error, null)
      open--
    })
  }
  run.runUntil(() => open === 0, 10_000, 'the keys to be written')
}

/** How many of the keys are there, each read through every member. */
function present(run: Cluster, prefix: string): number {
  const lives = [...run.lives.values()]
  let found = 0
  let open = 0
  for (const life of lives) {
    for (let i = 0; i < KEYS; i++) {
      open++
      get(life, `${prefix}-${i}`, (error, value) => {
        assert.is(error, null)
        open--
        if (value === `${i}`) found++
      })
    }
  }
  run.runUntil(() => open === 0, 10_000, 'the keys to be read')
  return found / lives.length
}

function total(run: Cluster, what: (life: Life) => number): number {
  return [...run.lives.values()].reduce((sum, life) => sum + what(life), 0)
}
const changesOfHands = (run: Cluster): number =>
  total(run, ({ node }) => node.stats().replication.beatenTotal + node.stats().replication.claimedTotal)

for (const { seed, nodes, jumpMs } of [
  { seed: 1, nodes: 3, jumpMs: HOUR_MS },
  { seed: 2, nodes: 3, jumpMs: -HOUR_MS },
  { seed: 3, nodes: 5, jumpMs: HOUR_MS },
  { seed: 4, nodes: 2, jumpMs: HOUR_MS },
]) {
  test(`a wall clock that jumps by ${jumpMs} ms on one of ${nodes} machines expires nothing and deposes nobody (seed ${seed})`, () => {
    const run = started(seed, nodes)
    write(run, 'before', 120_000)
    const hands = changesOfHands(run)
    const victim = run.life(`jackdaw-${seed % nodes}`)
    victim.clock.wallOffsetMs = jumpMs
    run.clock.advance(LOOKS_MS)
    for (const life of run.lives.values()) assert.ok(Math.abs(aheadMs(life)) <= 500, life.name)
    write(run, 'after', 60_000)
    assert.is(present(run, 'before'), KEYS)
    assert.is(present(run, 'after'), KEYS)
    assert.is(
      total(run, ({ node }) => node.stats().store.expiredTotal),
      0,
    )
    assert.is(changesOfHands(run), hands)
    const { aheadOfWallMs, refusedTotal } = victim.node.stats().time
    assert.ok(Math.abs(aheadOfWallMs + jumpMs) <= 500)
    assert.is(refusedTotal, 1)
    // Its slots move by its crash and by its return.
    run.kill(victim.name)
    run.clock.advance(8_000)
    run.start(victim.name)
    run.untilReady()
    run.untilAgreed()
    assert.ok(Math.abs(aheadMs(run.life(victim.name))) <= 500, 'reborn on the same machine it takes the time of the others')
    assert.is(present(run, 'before'), KEYS)
    // And they expire when it is time.
    run.clock.advance(120_000)
    assert.is(present(run, 'before') + present(run, 'after'), 0)
    run.close()
  })
}

for (const { seed, offsetMs } of [
  { seed: 11, offsetMs: HOUR_MS },
  { seed: 12, offsetMs: -HOUR_MS },
]) {
  test(`a newcomer whose machine is ${offsetMs} ms off goes by the time of the others (seed ${seed})`, () => {
    const run = started(seed, 3)
    write(run, 'before', 60_000)
    run.platform.scale(4)
    const newcomer = run.start('jackdaw-3', { wallOffsetMs: offsetMs })
    const strongest = (): number => {
      const { replication } = newcomer.node.inside
      return Math.max(...Array.from({ length: 64 }, (_, i) => replication.term(i * 256)?.ms ?? 0))
    }
    run.untilReady()
    run.untilAgreed()
    run.runUntil(() => newcomer.node.stats().replication.primarySlots > 3000, 20_000, 'the newcomer to get its share', 100)
    run.untilAgreed()
    assert.ok(Math.abs(aheadMs(newcomer)) <= 500)
    assert.ok(strongest() < EPOCH_MS + run.clock.now() + 1000, 'no term is of the future')
    write(run, 'after', 60_000)
    assert.is(present(run, 'before'), KEYS)
    assert.is(present(run, 'after'), KEYS)
    run.close()
  })

  test(`of three that start together the one that is ${offsetMs} ms off takes the time of the two (seed ${seed})`, () => {
    const run = started(seed, 3, [offsetMs])
    for (const life of run.lives.values()) assert.ok(Math.abs(aheadMs(life)) <= 500, life.name)
    for (const { node } of run.lives.values()) {
      for (let slot = 0; slot < 64; slot++) {
        assert.ok((node.inside.replication.term(slot)?.ms ?? 0) < EPOCH_MS + run.clock.now() + 1000, 'no term is of the future')
      }
    }
    write(run, 'key', 60_000)
    assert.is(present(run, 'key'), KEYS)
    run.close()
  })
}

for (const stepMs of [HOUR_MS, -HOUR_MS]) {
  test(`a step of ${stepMs} ms that all machines make, one after the other, is followed by all`, () => {
    const run = started(21, 3)
    write(run, 'relative', 2 * HOUR_MS)
    const deadlineMs = EPOCH_MS + run.clock.now() + HOUR_MS / 2
    let written = false
    run.life('jackdaw-0').node.cache.execute(setOf('absolute', 'v', { expiry: EXPIRY_AT, expiryMs: deadlineMs }), () => {
      written = true
    })
    run.runUntil(() => written, 5_000, 'the key to be written')
    const hands = changesOfHands(run)
    for (const life of run.lives.values()) {
      life.clock.wallOffsetMs = stepMs
      run.clock.advance(5_000)
    }
    run.clock.advance(LOOKS_MS)
    for (const life of run.lives.values()) {
      assert.ok(Math.abs(aheadMs(life) - stepMs) <= 500, life.name)
      assert.ok(Math.abs(life.node.stats().time.aheadOfWallMs) <= 500)
      assert.ok(life.node.stats().time.spreadMs <= 500)
    }
    // The last one went over to the time of the two before its own wall clock was set.
    assert.is(
      total(run, ({ node }) => node.stats().time.followedTotal),
      2,
    )
    assert.is(changesOfHands(run), hands)
    assert.is(present(run, 'relative'), KEYS)
    let value: string | undefined = 'unread'
    get(run.life('jackdaw-1'), 'absolute', (_error, found) => {
      value = found
    })
    run.clock.advance(1_000)
    assert.is(value, stepMs > 0 ? undefined : 'v', 'what expires at a time of day goes by the time of day')
    // New writes go above what was written before, and new terms above those there are, an hour behind or not.
    write(run, 'relative', HOUR_MS)
    run.kill('jackdaw-2')
    run.clock.advance(8_000)
    run.start('jackdaw-2', { wallOffsetMs: stepMs })
    run.untilReady()
    run.clock.advance(LOOKS_MS)
    run.untilAgreed()
    write(run, 'later', HOUR_MS)
    assert.is(present(run, 'relative'), KEYS)
    assert.is(present(run, 'later'), KEYS)
    for (const { node } of run.lives.values()) assert.ok(node.stats().replication.primarySlots > 3000)
    run.close()
  })
}

test('a member that is cut off while its wall clock jumps keeps its time, and returns with it', () => {
  const run = started(31, 3)
  write(run, 'key', 300_000)
  const alone = run.life('jackdaw-1')
  for (const { host } of run.lives.values()) {
    if (host === alone.host) continue
    run.network.cut(alone.host, host)
    run.network.cut(host, alone.host)
  }
  run.clock.advance(5_000)
  alone.clock.wallOffsetMs = HOUR_MS
  run.clock.advance(20_000)
  assert.ok(Math.abs(aheadMs(alone)) <= 500)
  run.network.joinAll()
  run.clock.advance(20_000)
  run.untilAgreed(90_000)
  assert.is(present(run, 'key'), KEYS)
  assert.is(
    total(run, ({ node }) => node.stats().store.expiredTotal),
    0,
  )
  run.close()
})

test.run()
