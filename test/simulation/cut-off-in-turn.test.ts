/** Members that are cut off one after the other: each is missed as soon as the first, though those who are to miss it were cut off themselves a moment ago. */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { cluster } from '../support/cluster.ts'

const test = suite('simulation: cut off in turn')

const NODES = 5
const ROUNDS = 10
/** Two to three seconds are usual, and longer where nobody else asks after the member soon: an accusation that stands alone stands for longer. */
const TAKEN_WITHIN_MS = 5_500

for (const [seed, restMs] of [
  [1, 500],
  [2, 4_000],
] as const) {
  test(`with ${restMs} ms of peace between two cuts all slots are served again within ${TAKEN_WITHIN_MS} ms`, () => {
    const run = cluster({ nodes: NODES, seed, replicas: 1, network: { maxDelayMs: 2 } })
    run.startAll()
    run.untilReady()
    run.clock.advance(3_000)
    const names = Array.from({ length: NODES }, (_, i) => `jackdaw-${i}`)
    for (let round = 0; round < ROUNDS; round++) {
      const name = names[round % NODES] as string
      const victim = run.life(name)
      const others = names.filter((other) => other !== name).map((other) => run.life(other))
      const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => victim.node.inside.replication.isPrimary(slot))
      assert.ok(slots.length > 0)
      for (const other of others) {
        run.network.cut(victim.host, other.host)
        run.network.cut(other.host, victim.host)
      }
      const taken = (): boolean => slots.every((slot) => others.some(({ node }) => node.inside.replication.isPrimary(slot)))
      run.runUntil(taken, TAKEN_WITHIN_MS, `the slots of ${name} to be taken, round ${round}`, 50)
      for (const other of others) {
        run.network.join(victim.host, other.host)
        run.network.join(other.host, victim.host)
      }
      const back = (): boolean => [...run.lives.values()].every(({ node }) => node.stats().replication.primarySlots > 0)
      run.runUntil(back, 90_000, `${name} to serve again`)
      run.clock.advance(restMs)
    }
    run.close()
  })
}

test.run()
