/**
 * A follower that is full and may evict nothing: it confirms no write that it had no room for, passes for no complete copy, is not filled over and over, and
 * is filled when room has come.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_REPLICA } from '../../src/cache/operation.ts'
import { Entry } from '../../src/lib/entry.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, type Life } from '../support/cluster.ts'
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

test.run()
