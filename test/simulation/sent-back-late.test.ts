/**
 * What the beaten side of a partition sends back arrives at a member that has handed the slot on meanwhile. The member that holds it now gets it all the
 * same, because whoever sends it goes on owing it until a holder has it.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { slotOf } from '../../src/lib/slot.ts'
import { Ring } from '../../src/placement/ring.ts'
import { BulkSender } from '../../src/replication/bulk.ts'
import { type Cluster, cluster, get, set } from '../support/cluster.ts'

const test = suite('simulation: sent back late')

const NAMES = Array.from({ length: 5 }, (_, i) => `jackdaw-${i}`)
const ALONE = 'jackdaw-0'
const OTHERS = ['jackdaw-1', 'jackdaw-2', 'jackdaw-3']
/** It is among the others, and restarts while the one is cut off. */
const WISHED = 'jackdaw-4'
const RING = Ring.of(NAMES)

/** Of slots that are to be at `WISHED`, and have no seat at `ALONE`. */
const KEYS = Array.from({ length: 2000 }, (_, i) => `k${i}`).filter((key) => {
  const slot = slotOf(Buffer.from(key))
  return RING.at(slot, 0) === WISHED && OTHERS.includes(RING.at(slot, 1))
})

function isolate(run: Cluster): void {
  const alone = run.life(ALONE).host
  for (const { host } of run.lives.values()) {
    if (host === alone) continue
    run.network.cut(alone, host)
    run.network.cut(host, alone)
  }
}

test('what arrives at a member that has handed the slot on since is sent to its new holder', () => {
  const run = cluster({ nodes: 5, seed: 1, replicas: 1 })
  run.startAll()
  run.untilReady()
  isolate(run)
  run.clock.advance(40_000)
  run.kill(WISHED)
  run.clock.advance(3000)
  run.start(WISHED)
  isolate(run)
  let promised = 0
  for (const key of KEYS) set(run.life(ALONE), key, 'promised', (error) => error === null && promised++)
  run.clock.advance(2000)
  assert.is(promised, KEYS.length)
  const slots = new Set(KEYS.map((key) => slotOf(Buffer.from(key))))
  const heldBy = (name: string): boolean => [...slots].every((slot) => run.life(name).node.inside.replication.isPrimary(slot))
  assert.ok(heldBy(ALONE))
  run.runUntil(() => [...slots].every((slot) => run.life(WISHED).node.inside.replication.isComplete(slot)), 30_000, 'copies at the wished')
  // The slots go back to it five seconds after that.
  run.clock.advance(1500)
  const { send } = BulkSender.prototype
  let stalled = false
  BulkSender.prototype.send = function (job): void {
    if (!stalled && OTHERS.includes(this.peer.name) && slots.has(job.slot)) {
      stalled = true
      for (const name of OTHERS) run.network.cut(run.life(ALONE).host, run.life(name).host)
    }
    send.call(this, job)
  }
  try {
    run.network.joinAll()
    run.runUntil(() => stalled, 10_000, 'something to be sent back', 1)
  } finally {
    BulkSender.prototype.send = send
  }
  run.clock.advance(2500)
  assert.ok(heldBy(WISHED))
  run.network.joinAll()
  run.clock.advance(60_000)
  run.untilAgreed(60_000)
  let found = 0
  for (const key of KEYS) get(run.life(WISHED), key, (_error, value) => value === 'promised' && found++)
  run.clock.advance(1000)
  assert.is(found, KEYS.length)
  run.close()
})

test.run()
