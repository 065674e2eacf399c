/**
 * The link to an heir is cut while a grant is on its way to it, and a third reaches both. The old primary learns around the cut that the grant was not read, and
 * takes the slots back: they are not without service for as long as the cut lasts.
 */
// deadline: 60 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Followers } from '../../src/replication/followers.ts'
import { cluster } from '../support/cluster.ts'

const test = suite('simulation: a grant that is cut off')

test('slots granted over a link that is cut are taken back within seconds, by way of a third', () => {
  const run = cluster({ nodes: 3, seed: 1, replicas: 1 })
  run.startAll()
  run.untilReady()
  run.clock.advance(2000)
  run.kill('jackdaw-2')
  run.clock.advance(3000)
  run.start('jackdaw-2')
  const [giver, heir] = [run.life('jackdaw-0'), run.life('jackdaw-2')]
  const parked = (): number => giver.node.stats().replication.parkedSlots
  const { grant } = Followers.prototype
  Followers.prototype.grant = function (number, term, slots): void {
    run.network.cut(giver.host, heir.host)
    run.network.cut(heir.host, giver.host)
    grant.call(this, number, term, slots)
  }
  try {
    run.runUntil(() => parked() > 0, 30_000, 'slots to be granted', 1)
  } finally {
    Followers.prototype.grant = grant
  }
  const granted = parked()
  run.clock.advance(8000)
  assert.is(heir.node.inside.membership.member(giver.name)?.state, 'alive')
  assert.is(parked(), 0, `of ${granted}`)
  run.network.joinAll()
  run.untilAgreed(60_000)
  run.close()
})

test.run()
