/**
 * A claimant that cannot pull from a copy it needs: the link between the two is cut. It serves what it takes all the same, before those who wait give up, and
 * has the copy asked for each key first, around the cut: what was confirmed is found, and counted on from.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_REPLICA, OPERATION_INCREMENT } from '../../src/cache/operation.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { operationOf, setOf } from '../support/operations.ts'

const test = suite('simulation: a claim without a pull')

const KEYS = Array.from({ length: 400 }, (_, i) => `k${i}`)
const OLD = 'jackdaw-1'
const DYING = 'jackdaw-2'
const BEYOND = 'jackdaw-3'

/**
 * A member is away while all keys are written anew, which only stand-ins confirm; it is back, cut off from one of these and empty yet, when another member dies.
 * Answers the keys of the dead member's slots that the returned one has to claim without that stand-in.
 */
function claimBehindCut(run: Cluster): string[] {
  run.startAll()
  run.untilReady()
  for (const [i, key] of KEYS.entries()) set([...run.lives.values()][i % 5] as Life, key, '0', (error) => assert.is(error, null))
  run.clock.advance(2000)
  let gone = false
  run.stop(OLD, () => {
    gone = true
  })
  run.runUntil(() => gone, 60_000, `the end of ${OLD}`)
  let confirmed = 0
  for (const [i, key] of KEYS.entries()) {
    const life = [...run.lives.values()][i % 4] as Life
    life.node.cache.execute(setOf(key, '1', { ack: ACK_REPLICA }), (error) => error === null && confirmed++)
  }
  run.clock.advance(1000)
  assert.is(confirmed, KEYS.length)
  const { network } = run
  run.start(OLD)
  const [returned, beyond, dying] = [run.life(OLD), run.life(BEYOND), run.life(DYING)]
  network.cut(returned.host, beyond.host)
  network.cut(beyond.host, returned.host)
  run.runUntil(() => returned.node.inside.membership.joined, 5000, `${OLD} to join`, 1)
  run.clock.advance(150)
  const slots = new Set(KEYS.map((key) => slotOf(Buffer.from(key))).filter((slot) => dying.node.inside.replication.isPrimary(slot)))
  run.kill(DYING)
  const isLacking = (): boolean => [...slots].some((slot) => returned.node.inside.replication.lacks(slot))
  run.runUntil(isLacking, 20_000, 'slots to be taken without a pull')
  return KEYS.filter((key) => returned.node.inside.replication.lacks(slotOf(Buffer.from(key))))
}

test('what another copy has is found before those who ask give up, though it cannot be pulled, and has all been pulled when the link is whole', () => {
  const run = cluster({ nodes: 5, seed: 5, replicas: 1, network: { maxDelayMs: 5 } })
  const keys = claimBehindCut(run)
  assert.ok(keys.length >= 10, `${keys.length} keys`)
  const asker = run.life('jackdaw-0')
  const answers: string[] = []
  for (const [i, key] of keys.entries()) {
    if (i % 2 === 0) get(asker, key, (error, value) => answers.push(`${error?.code ?? value}`))
    else
      asker.node.cache.execute(operationOf(OPERATION_INCREMENT, key, '1'), (error, outcome) =>
        answers.push(`${error?.code ?? outcome?.entry?.valueBytes().toString()}`),
      )
  }
  run.clock.advance(1500)
  assert.equal(answers.sort(), keys.map((_, i) => (i % 2 === 0 ? '1' : '2')).sort())
  run.network.joinAll()
  run.runUntil(() => !run.life(OLD).node.inside.replication.lacking, 20_000, 'all to be pulled')
  run.untilReady()
  run.untilAgreed(90_000)
  let right = 0
  for (const key of KEYS) get(asker, key, (_error, value) => (value === '1' || (value === '2' && keys.includes(key))) && right++)
  run.clock.advance(1000)
  assert.is(right, KEYS.length)
  run.close()
})

test.run()
