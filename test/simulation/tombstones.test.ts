/**
 * Deleted keys stay deleted, when a copy comes back that was away for longer than tombstones live: as the follower that it was, or as a primary that had
 * gone on alone. Without the marks the same runs bring keys back, which is what shows that they would.
 */
// deadline: 400 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EXPIRY_IN } from '../../src/cache/operation.ts'
import { Marks } from '../../src/replication/marks.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { deleteOf, setOf } from '../support/operations.ts'

const test = suite('simulation: tombstones')

const KEYS = 120
const AWAY_MS = 20 * 60 * 1000
/** Long enough for the tombstones to go, which is all that shows what happens without marks. */
const SHORTLY_MS = 16 * 60 * 1000

function all(run: Cluster, what: string, send: (i: number, done: (error: Error | null) => void) => void): void {
  let open = KEYS
  for (let i = 0; i < KEYS; i++) {
    send(i, (error) => {
      assert.is(error, null)
      open--
    })
  }
  run.runUntil(() => open === 0, 10_000, what)
}

/** Which of the keys are found, through any member. */
function found(run: Cluster): Set<number> {
  const indexes = new Set<number>()
  let open = 0
  for (const life of run.lives.values()) {
    for (let i = 0; i < KEYS; i++) {
      open++
      get(life, `key-${i}`, (error, value) => {
        open--
        assert.is(error, null)
        if (value !== undefined) indexes.add(i)
      })
    }
  }
  run.runUntil(() => open === 0, 10_000, 'the keys to be read')
  return indexes
}

type Send = (life: Life, i: number, done: (error: Error | null) => void) => void

/** What the rest does to every other key while one member is cut off, and what they have none of before it is back. */
interface Absence {
  readonly sends: readonly (readonly [what: string, send: Send])[]
  readonly awayMs: number
  readonly gone: 'tombstones' | 'expiring'
}

/** Answers which of the keys that were changed are there as they were, and how many of the others. */
function awayAndBack(seed: number, { sends, awayMs, gone }: Absence): { run: Cluster; wrong: number[]; kept: number } {
  const run = cluster({ nodes: 3, seed, replicas: 1 })
  run.startAll()
  run.untilReady()
  const lives = [...run.lives.values()] as [Life, Life, Life]
  all(run, 'the keys to be written', (i, done) => set(lives[i % 3] as Life, `key-${i}`, `value-${i}`, done))
  run.clock.advance(2000)
  const [alone, ...others] = lives
  for (const other of others) {
    run.network.cut(alone.host, other.host)
    run.network.cut(other.host, alone.host)
  }
  run.clock.advance(20_000)
  for (const [what, send] of sends)
    all(run, what, (i, done) => {
      if (i % 2 === 0) done(null)
      else send(others[i % 4 === 1 ? 0 : 1] as Life, i, done)
    })
  run.clock.advance(awayMs)
  for (const { node } of others) assert.is(node.stats().store[gone], 0, `no more ${gone}`)
  run.network.joinAll()
  run.clock.advance(20_000)
  const present = found(run)
  const wrong = [...present].filter((i) => i % 2 === 1)
  return { run, wrong, kept: present.size - wrong.length }
}

const DELETED = [
  'keys to be deleted',
  (life: Life, i: number, done: (error: Error | null) => void) => life.node.cache.execute(deleteOf(`key-${i}`), (error) => done(error)),
] as const

/** It is back when no tombstone is left. */
function awayWhileKeysAreDeleted(seed: number, awayMs: number): ReturnType<typeof awayAndBack> {
  return awayAndBack(seed, { sends: [DELETED], awayMs, gone: 'tombstones' })
}

/** They are written once more, to live for a second; it is back when all of those have been swept. */
function awayWhileKeysExpire(seed: number, awayMs: number, deletedFirst: boolean): ReturnType<typeof awayAndBack> {
  const again: Send = (life, i, done) =>
    life.node.cache.execute(setOf(`key-${i}`, 'brief', { expiry: EXPIRY_IN, expiryMs: 1000 }), (error) => done(error))
  const sends = [...(deletedFirst ? [DELETED] : []), ['keys to be written again', again] as const]
  return awayAndBack(seed, { sends, awayMs, gone: 'expiring' })
}

test('a member cut off for longer than tombstones live brings no deleted key back, and costs none that lives', () => {
  const { run, wrong, kept } = awayWhileKeysAreDeleted(1, AWAY_MS)
  assert.equal(wrong, [])
  assert.is(kept, KEYS / 2)
  run.untilAgreed(60_000)
  const discards = [...run.lives.values()].reduce((sum, { node }) => sum + node.stats().replication.markDiscardsTotal, 0)
  assert.ok(discards > 0)
  run.close()
})

test('where marks are ignored, the same member brings deleted keys back', () => {
  const settle = Marks.prototype.settle
  try {
    Marks.prototype.settle = () => 0
    const { run, wrong } = awayWhileKeysAreDeleted(1, SHORTLY_MS)
    assert.ok(wrong.length > 0)
    run.close()
  } finally {
    Marks.prototype.settle = settle
  }
})

for (const [seed, awayMs, deletedFirst] of [
  [1, 5000, false],
  [3, 60_000, true],
  [4, AWAY_MS, false],
] as const) {
  test(`what a key had before it was written to expire ${deletedFirst ? 'and was deleted ' : ''}does not return with a member that was away for ${awayMs / 1000} s`, () => {
    const { run, wrong, kept } = awayWhileKeysExpire(seed, awayMs, deletedFirst)
    assert.equal(wrong, [])
    assert.is(kept, KEYS / 2)
    run.untilAgreed(60_000)
    run.close()
  })
}

test('where all members are there, keys that are written first and told to expire after leave no tombstones', () => {
  const run = cluster({ nodes: 3, seed: 5, replicas: 1 })
  run.startAll()
  run.untilReady()
  run.clock.advance(30_000)
  const lives = [...run.lives.values()]
  const tombstones = (): number => lives.reduce((sum, { node }) => sum + node.stats().store.tombstones, 0)
  for (let round = 0; round < 3; round++) {
    all(run, 'the keys to be written', (i, done) => set(lives[i % 3] as Life, `key-${i}`, 'first', done))
    all(run, 'the keys to be told to expire', (i, done) =>
      (lives[i % 3] as Life).node.cache.execute(setOf(`key-${i}`, 'brief', { expiry: EXPIRY_IN, expiryMs: 300 }), (error) => done(error)),
    )
    run.runUntil(() => lives.every(({ node }) => node.stats().store.expiring === 0), 5000, 'the keys to be swept')
    assert.is(tombstones(), 0)
  }
  run.close()
})

test('while a member is away, what is written to expire at the same distance as before leaves no tombstones, what is shortened does', () => {
  const run = cluster({ nodes: 3, seed: 6, replicas: 1 })
  run.startAll()
  run.untilReady()
  const [alone, ...others] = [...run.lives.values()] as [Life, Life, Life]
  for (const other of others) {
    run.network.cut(alone.host, other.host)
    run.network.cut(other.host, alone.host)
  }
  run.clock.advance(20_000)
  const brief = (i: number, expiryMs: number, done: (error: Error | null) => void): void =>
    (others[i % 2] as Life).node.cache.execute(setOf(`key-${i}`, 'brief', { expiry: EXPIRY_IN, expiryMs }), (error) => done(error))
  for (let round = 0; round < 3; round++) all(run, 'the keys to be written', (i, done) => brief(i, 2000, done))
  all(run, 'some keys to be written to expire sooner', (i, done) => (i < 10 ? brief(i, 1000, done) : done(null)))
  run.clock.advance(5000)
  const holders = others.reduce((sum, { node }) => sum + node.stats().store.tombstones, 0)
  assert.is(
    others.reduce((sum, { node }) => sum + node.stats().store.expiring, 0),
    0,
  )
  assert.is(holders, 2 * 10, 'each at its primary and its follower')
  run.close()
})

test.run()
