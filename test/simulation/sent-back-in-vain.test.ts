/**
 * What the beaten side of a partition sends back arrives at a member that dies before any other has it. The copy that it was sent from is there still, and is
 * sent to whoever claims the slot.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { slotOf } from '../../src/lib/slot.ts'
import { Ring } from '../../src/placement/ring.ts'
import { cluster, get, set } from '../support/cluster.ts'

const test = suite('simulation: sent back in vain')

const NAMES = Array.from({ length: 5 }, (_, i) => `jackdaw-${i}`)
const ALONE = 'jackdaw-0'
const DYING = 'jackdaw-1'
const OTHERS = NAMES.filter((name) => name !== ALONE && name !== DYING)
const RING = Ring.of(NAMES)

/** Of slots of the dying one's that have no seat at `ALONE`. */
const KEYS = Array.from({ length: 2000 }, (_, i) => `k${i}`).filter((key) => {
  const slot = slotOf(Buffer.from(key))
  return RING.at(slot, 0) === DYING && RING.at(slot, 1) !== ALONE
})

test('what arrived only at a member that died is sent to the next holder', () => {
  const run = cluster({ nodes: 5, seed: 1, replicas: 1 })
  run.startAll()
  run.untilReady()
  const [alone, dying] = [run.life(ALONE), run.life(DYING)]
  for (const { host } of run.lives.values()) {
    if (host === alone.host) continue
    run.network.cut(alone.host, host)
    run.network.cut(host, alone.host)
  }
  run.clock.advance(20_000)
  let promised = 0
  for (const key of KEYS) set(alone, key, 'promised', (error) => error === null && promised++)
  run.clock.advance(2000)
  assert.is(promised, KEYS.length)
  run.network.joinAll()
  const slots = [...new Set(KEYS.map((key) => slotOf(Buffer.from(key))))]
  const owed = (): number => slots.filter((slot) => alone.node.inside.replication.owes(slot)).length
  run.runUntil(() => owed() === slots.length, 10_000, 'what is only here to be owed', 1)
  // Nothing that it says reaches the others any more.
  for (const name of OTHERS) run.network.cut(dying.host, run.life(name).host)
  run.runUntil(() => owed() === 0, 2000, 'it to have arrived', 1)
  run.kill(DYING)
  run.network.joinAll()
  run.clock.advance(60_000)
  let found = 0
  for (const key of KEYS) get(alone, key, (_error, value) => value === 'promised' && found++)
  run.clock.advance(1000)
  assert.is(found, KEYS.length)
  run.close()
})

test.run()
