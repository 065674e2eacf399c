/**
 * A member that stands still while it is about to take slots: the others take them meanwhile, and when it wakes it must not go on where it was. What it
 * would take then, under a term made by its clock of now, the others would have to give up, and what they had accepted with it.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_REPLICA, OPERATION_INCREMENT } from '../../src/cache/operation.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { CLAIMING, SlotTable } from '../../src/replication/slot-table.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { operationOf } from '../support/operations.ts'

const test = suite('simulation: paused claimant')

const KEYS = Array.from({ length: 300 }, (_, i) => `k${i}`)

/** Advances until some member is claiming slots, and pauses it there: who, and which slots. */
function pauseClaimant(run: Cluster): { life: Life; slots: number[] } {
  const claiming = new Map<SlotTable, number[]>()
  const tables = [...run.lives.values()].map((life) => ({ life, table: tableOf(life) }))
  const { beginClaim } = SlotTable.prototype
  SlotTable.prototype.beginClaim = function (slot) {
    beginClaim.call(this, slot)
    const slots = claiming.get(this)
    if (slots === undefined) claiming.set(this, [slot])
    else slots.push(slot)
  }
  try {
    let paused: { life: Life; slots: number[] } | null = null
    run.clock.observer = () => {
      if (paused !== null) return
      for (const { life, table } of tables) {
        // Those that it has not taken in the same turn: it pulls them.
        const slots = (claiming.get(table) ?? []).filter((slot) => table.role(slot) === CLAIMING)
        if (slots.length === 0) continue
        life.clock.pause()
        paused = { life, slots }
        return
      }
    }
    run.runUntil(() => paused !== null, 20_000, 'a claim that takes time')
    return paused as unknown as { life: Life; slots: number[] }
  } finally {
    SlotTable.prototype.beginClaim = beginClaim
    run.clock.observer = null
  }
}

function tableOf({ node }: Life): SlotTable {
  const { term } = SlotTable.prototype
  let found: SlotTable | null = null
  SlotTable.prototype.term = function (slot) {
    found = this
    return term.call(this, slot)
  }
  node.inside.replication.term(0)
  SlotTable.prototype.term = term
  return found as unknown as SlotTable
}

test('a member that stood still while it claimed takes nothing from those that claimed meanwhile', () => {
  const run = cluster({ nodes: 5, seed: 5, replicas: 1, network: { maxDelayMs: 5 } })
  run.startAll()
  run.untilReady()
  for (const [i, key] of KEYS.entries()) set([...run.lives.values()][i % 5] as Life, key, '0', (error) => assert.is(error, null))
  run.clock.advance(2000)
  let gone = false
  run.stop('jackdaw-1', () => {
    gone = true
  })
  run.runUntil(() => gone, 60_000, 'the end of jackdaw-1')
  // What stand-ins have, a claimant has to pull.
  for (const [i, key] of KEYS.entries()) set([...run.lives.values()][i % 4] as Life, key, '1', (error) => assert.is(error, null))
  run.clock.advance(1000)
  run.start('jackdaw-1')
  const { membership } = run.life('jackdaw-1').node.inside
  run.runUntil(() => membership.joined, 5000, 'jackdaw-1 to join', 1)
  run.clock.advance(150)
  run.kill('jackdaw-2')
  const { life: paused, slots } = pauseClaimant(run)
  run.clock.advance(15_000)

  const others = [...run.lives.values()].filter((life) => life !== paused)
  assert.ok(
    slots.every((slot) => others.some(({ node }) => node.inside.replication.executes(slot))),
    'others have claimed what it was about to claim',
  )
  const claimed = new Set(slots)
  const keys = KEYS.filter((key) => claimed.has(slotOf(Buffer.from(key))))
  const confirmed = new Map<string, number>()
  for (const key of keys) {
    ;(others[0] as Life).node.cache.execute(operationOf(OPERATION_INCREMENT, key, '1', { ack: ACK_REPLICA }), (error, outcome) => {
      if (error === null) confirmed.set(key, Number(outcome?.entry?.valueBytes().toString()))
    })
  }
  run.clock.advance(2000)
  assert.ok(confirmed.size > 20, `${confirmed.size} increments confirmed`)

  const wrong: string[] = []
  run.clock.observer = () => {
    const slot = slots.find((held) => paused.node.inside.replication.executes(held))
    if (slot !== undefined) wrong.push(`${paused.name} executes slot ${slot}`)
  }
  paused.clock.resume()
  for (let i = 0; i < 20; i++) {
    run.clock.advance(10)
    for (const [key, value] of confirmed) {
      get(paused, key, (error, found) => {
        if (error === null && found !== String(value)) wrong.push(`${key} is ${found}, not ${value}`)
      })
    }
  }
  run.clock.advance(2000)
  assert.equal(wrong.slice(0, 3), [])
  run.close()
})

test.run()
