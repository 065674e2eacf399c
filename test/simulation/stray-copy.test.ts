/**
 * A copy that is to be deleted cannot be, because its member does not reach the slot's holder. What is overwritten and expires meanwhile is remembered, as the
 * copy has what was there before, and is filled, and compared, when its member is given a seat.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EXPIRY_IN } from '../../src/cache/operation.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { Ring } from '../../src/placement/ring.ts'
import { cluster, get, set } from '../support/cluster.ts'
import { setOf } from '../support/operations.ts'

const test = suite('simulation: a stray copy')

const HOLDER = 'jackdaw-0'
const SEATED = 'jackdaw-1'
const THIRD = 'jackdaw-2'
const RING = Ring.of([HOLDER, SEATED, THIRD])

const KEYS = Array.from({ length: 300 }, (_, i) => `k${i}`).filter((key) => {
  const slot = slotOf(Buffer.from(key))
  return RING.at(slot, 0) === HOLDER && RING.at(slot, 1) === SEATED
})
const SLOTS = KEYS.map((key) => slotOf(Buffer.from(key)))

test('what expired while a copy could not be deleted does not return from it', () => {
  const run = cluster({ nodes: 3, seed: 1, replicas: 1 })
  run.startAll()
  run.untilReady()
  const [holder, third] = [run.life(HOLDER), run.life(THIRD)]
  for (const key of KEYS) set(holder, key, 'before', (error) => assert.is(error, null))
  run.clock.advance(2000)
  run.kill(SEATED)
  const complete = (name: string): boolean => SLOTS.every((slot) => run.life(name).node.inside.replication.isComplete(slot))
  run.runUntil(() => complete(THIRD), 60_000, 'the third to have copies', 100)
  run.clock.advance(3000)
  run.start(SEATED)
  run.runUntil(() => complete(SEATED), 60_000, 'the seats to be complete', 100)
  run.clock.advance(4000)
  run.network.cut(holder.host, third.host)
  run.network.cut(third.host, holder.host)
  run.clock.advance(14_000)
  for (const key of KEYS)
    holder.node.cache.execute(setOf(key, 'brief', { expiry: EXPIRY_IN, expiryMs: 5000 }), (error) => assert.is(error, null))
  run.clock.advance(7000)
  assert.is(holder.node.stats().store.expiring, 0)
  assert.is(third.node.inside.store.slotEntries(SLOTS[0] as number), 1)
  run.kill(SEATED)
  run.network.joinAll()
  run.clock.advance(60_000)
  const returned: string[] = []
  for (const key of KEYS) get(holder, key, (_error, value) => value !== undefined && returned.push(`${key}=${value}`))
  run.clock.advance(1000)
  assert.equal(returned, [])
  run.close()
})

test.run()
