/**
 * A follower that is full and may evict nothing: it confirms no write that it had no room for, passes for no complete copy, is not filled over and over, and
 * is filled when room has come. A primary that is full has not got what it had no room for, and whoever has that keeps it.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_REPLICA } from '../../src/cache/operation.ts'
import { Entry } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { deleteOf, setOf } from '../support/operations.ts'

const test = suite('simulation: noeviction')

const MIB = 1024 * 1024
const VALUE = 'x'.repeat(20_000)
const WRITES = 500

interface Scene {
  readonly run: Cluster
  readonly large: Life
  readonly small: Life
  readonly keys: readonly string[]
  /** By key: the error's code, or `done`. */
  readonly answers: ReadonlyMap<string, string>
}

/** Of two members one is too small for its copies; keys of the other are written with `ack=replica` beyond what it can take. */
function overfilled(): Scene {
  const run = cluster({ nodes: 2, seed: 1, replicas: 1, node: { evictionPolicy: 'noeviction' } })
  const large = run.start('jackdaw-0')
  const small = run.start('jackdaw-1', { maxMemoryBytes: 8 * MIB })
  run.untilReady()
  const keys: string[] = []
  const answers = new Map<string, string>()
  for (let i = 0; keys.length < WRITES; i++) {
    const key = `key-${i}`
    if (!large.node.inside.replication.isPrimary(slotOf(Buffer.from(key)))) continue
    keys.push(key)
    large.node.cache.execute(setOf(key, VALUE, { ack: ACK_REPLICA }), (error) => answers.set(key, error?.code ?? 'done'))
    if (keys.length % 10 === 0) run.clock.advance(20)
  }
  run.clock.advance(10_000)
  return { run, large, small, keys, answers }
}

function has(life: Life, key: string): boolean {
  const bytes = Buffer.from(key)
  return life.node.inside.store.peek(bytes, 0, bytes.length, new Entry())
}

test('a full follower confirms what it has and nothing else, is no complete copy, is sent its slots ever more rarely, and is complete when there is room', () => {
  const { run, large, small, keys, answers } = overfilled()
  assert.is(answers.size, WRITES)
  const confirmed = keys.filter((key) => answers.get(key) === 'done')
  assert.ok(confirmed.length > 100 && confirmed.length < WRITES - 50, `${confirmed.length} confirmed`)
  for (const key of confirmed) assert.ok(has(small, key), `${key} was confirmed and is not there`)
  for (const key of keys) if (answers.get(key) === 'NOT_CONFIRMED') assert.ok(has(large, key), `${key} was written`)
  for (const code of answers.values()) assert.ok(['done', 'NOT_CONFIRMED', 'NO_REPLICAS'].includes(code), code)

  const missing = keys.filter((key) => !has(small, key))
  for (const key of missing) assert.not(small.node.inside.replication.isComplete(slotOf(Buffer.from(key))), key)
  const sent = (): number => large.node.stats().replication.bulkEntriesTotal
  run.clock.advance(30_000)
  const before = sent()
  run.clock.advance(60_000)
  // One or two tries in a minute, once the waits are that long; without them there are two a second.
  assert.ok(sent() - before <= 4 * missing.length, `${sent() - before} entries of ${missing.length} slots`)

  let deleted = 0
  const kept = keys.slice(WRITES / 2 + 50)
  for (const key of keys) if (!kept.includes(key)) large.node.cache.execute(deleteOf(key), () => deleted++)
  run.clock.advance(1000)
  assert.is(deleted, WRITES - kept.length)
  run.untilAgreed(400_000)
  for (const key of kept) assert.ok(has(small, key), key)
  run.close()
})

/** Both sides of a cut take writes; the larger side is full when the network is whole again. */
function healedIntoFull(
  seed: number,
  evictionPolicy: 'noeviction' | 'volatile-lru',
): { run: Cluster; promised: ReadonlyMap<string, string> } {
  const run = cluster({ nodes: 5, seed, replicas: 1, node: { evictionPolicy, maxMemoryBytes: 2 * MIB } })
  run.startAll()
  run.untilReady()
  run.clock.advance(8000)
  const lives = [...run.lives.values()]
  const [smaller, larger] = [lives.slice(0, 2), lives.slice(2)]
  for (const a of smaller) {
    for (const b of larger) {
      run.network.cut(a.host, b.host)
      run.network.cut(b.host, a.host)
    }
  }
  run.clock.advance(15_000)
  const promised = new Map<string, string>()
  for (let i = 0; i < 60; i++) {
    smaller[i % 2]?.node.cache.execute(setOf(`small-${i}`, `v${i}`, { ack: ACK_REPLICA }), (error) => {
      if (error === null) promised.set(`small-${i}`, `v${i}`)
    })
    run.clock.advance(20)
  }
  run.clock.advance(2000)
  let refused = 0
  for (let i = 0; i < 3000; i++) {
    set(larger[i % 3] as Life, `large-${i}`, 'x'.repeat(1500), (error) => {
      if (error !== null) refused++
    })
    if (i % 50 === 0) run.clock.advance(5)
  }
  run.clock.advance(2000)
  assert.is(promised.size, 60)
  assert.ok(refused > 100, `${refused} writes found no room`)
  run.network.joinAll()
  return { run, promised }
}

for (const policy of ['noeviction', 'volatile-lru'] as const) {
  test(`what a replica confirmed on the smaller side of a cut outlives primaries that have no room for it (${policy})`, () => {
    const { run, promised } = healedIntoFull(1, policy)
    run.clock.advance(90_000)
    assert.ok(
      [...run.lives.values()].some(({ node }) => node.stats().replication.refusedTotal > 0),
      'somebody had no room',
    )
    let open = promised.size
    const wrong: string[] = []
    for (const [key, value] of promised) {
      get(run.life('jackdaw-2'), key, (error, found) => {
        open--
        if (error !== null || found !== value) wrong.push(`${key}: ${error?.code ?? found}`)
      })
    }
    run.runUntil(() => open === 0, 10_000, 'the keys to be read')
    assert.equal(wrong, [])
    run.close()
  })
}

test('what is newer in a copy stays there while its primary has no room for it, and goes to the primary when room has come', () => {
  const run = cluster({ nodes: 2, seed: 3, replicas: 1, node: { evictionPolicy: 'noeviction' } })
  const full = run.start('jackdaw-0', { maxMemoryBytes: 8 * MIB })
  const roomy = run.start('jackdaw-1')
  run.untilReady()
  run.clock.advance(8000)
  const keys: string[] = []
  let refused = 0
  for (let i = 0; refused < 5; i++) {
    const key = `key-${i}`
    if (!full.node.inside.replication.isPrimary(slotOf(Buffer.from(key)))) continue
    keys.push(key)
    set(full, key, VALUE, (error) => {
      if (error !== null) refused++
    })
    run.clock.advance(20)
  }
  const only = `only{${keys[0]}}`
  const slot = slotOf(Buffer.from(only))
  const entry = new Entry()
    .setKey(Buffer.from(only))
    .setValue(Buffer.from(VALUE))
    .setVersion(roomy.clock.wallMs() + 15_000, 0, 'jackdaw-1')
  assert.is(roomy.node.inside.store.apply(entry, roomy.clock.wallMs(), slot), 'applied')
  run.clock.advance(120_000)
  assert.ok(has(roomy, only), 'the primary never had it')
  assert.not(has(full, only))
  for (const key of keys.slice(1)) full.node.cache.execute(deleteOf(key), () => {})
  run.clock.advance(150_000)
  assert.ok(has(full, only))
  run.close()
})

test.run()
