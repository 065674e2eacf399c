/**
 * What members say to each other when nothing happens: gossip costs each member the same however many there are, and a stream costs the same for each pair.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FEW_SLOTS, fewerSlots, rewrite } from './chaos/rewrites.ts'

rewrite([fewerSlots(FEW_SLOTS)])
const { cluster } = await import('../support/cluster.ts')

const test = suite('simulation: message rates')

const SECONDS = 8

/** By member and second, after a start that is over: packets and halves of exchanges; and messages of streams by member, peer and second. */
function idleRates(nodes: number): { gossip: number; busiest: number; stream: number } {
  const run = cluster({ nodes, seed: nodes })
  run.startAll()
  run.untilReady()
  run.clock.advance(SECONDS * 1000)
  const bySender = new Map<string, number>()
  let streamed = 0
  run.network.tap = (kind, from) => {
    if (kind === 'message') streamed++
    else bySender.set(from, (bySender.get(from) ?? 0) + 1)
  }
  run.clock.advance(SECONDS * 1000)
  run.close()
  const gossiped = [...bySender.values()]
  const sum = gossiped.reduce((total, count) => total + count, 0)
  return { gossip: sum / nodes / SECONDS, busiest: Math.max(...gossiped) / SECONDS, stream: streamed / nodes / (nodes - 1) / SECONDS }
}

test('the gossip of a member does not grow with their number, and a stream costs each pair a heartbeat and its answer ten times a second', () => {
  for (const nodes of [3, 6, 14]) {
    const { gossip, busiest, stream } = idleRates(nodes)
    assert.ok(gossip >= 3.5 && gossip <= 4.6, `${nodes} members: ${gossip} messages a second each`)
    assert.ok(busiest <= 6, `${nodes} members: ${busiest} messages a second from the busiest`)
    assert.ok(stream >= 18 && stream <= 22, `${nodes} members: ${stream} messages a second for each pair`)
  }
})

test.run()
