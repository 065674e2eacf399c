/** What replication tells of itself where members come and go, or cannot be reached: its figures hold for those too. */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cluster, set } from '../support/cluster.ts'

const test = suite('simulation: figures')

test('a follower that is there and has never confirmed anything lags since it is there', () => {
  const run = cluster({ nodes: 3, seed: 4, replicas: 1 })
  const a = run.start('jackdaw-0')
  run.start('jackdaw-2')
  run.clock.advance(3000)
  const unborn = '10.0.0.3'
  run.network.cut(a.host, unborn)
  run.network.cut(unborn, a.host)
  assert.is(run.start('jackdaw-1').host, unborn)
  run.clock.advance(6000)
  for (let i = 0; i < 500; i++) set(a, `key-${i}`, 'v'.repeat(500), () => {})
  run.clock.advance(10_000)
  const { backlogBytes, lagSeconds } = a.node.stats().replication
  assert.ok(backlogBytes > 50_000, `${backlogBytes} bytes wait`)
  assert.ok(lagSeconds > 10 && lagSeconds < 17, `${lagSeconds} s`)
  const follower = a.node.inside.replication.survey.followers().find(({ name }) => name === 'jackdaw-1')
  assert.ok((follower?.lagMs ?? 0) > 10_000, `${follower?.lagMs} ms`)
  run.close()
})

test('what was sent in snapshots stays counted when its receiver goes', () => {
  const run = cluster({ nodes: 3, seed: 5, replicas: 1 })
  run.startAll()
  run.untilReady()
  for (let i = 0; i < 300; i++) set(run.life('jackdaw-0'), `key-${i}`, 'v'.repeat(100), () => {})
  run.clock.advance(1000)
  run.kill('jackdaw-2')
  run.clock.advance(8000)
  run.start('jackdaw-2')
  run.untilReady()
  run.clock.advance(8000)
  const sent = (): number[] =>
    ['jackdaw-0', 'jackdaw-1'].flatMap((name) => {
      const { bulkBytesTotal, bulkEntriesTotal } = run.life(name).node.stats().replication
      return [bulkBytesTotal, bulkEntriesTotal]
    })
  const before = sent()
  assert.ok(before.every((total) => total > 0))
  run.kill('jackdaw-2')
  run.clock.advance(8000)
  const after = sent()
  for (const [i, total] of before.entries()) assert.ok((after[i] as number) >= total, `${before} before, ${after} after`)
  run.close()
})

test('slots whose holder was only cut off are counted as found when it is back, and stay lost where it died', () => {
  const run = cluster({ nodes: 5, seed: 6, replicas: 1 })
  run.startAll()
  run.untilReady()
  run.clock.advance(8000)
  const names = [...run.lives.keys()]
  for (const near of names.slice(0, 2)) {
    for (const far of names.slice(2)) {
      run.network.cut(run.life(near).host, run.life(far).host)
      run.network.cut(run.life(far).host, run.life(near).host)
    }
  }
  const total = (figure: 'slotsLostTotal' | 'slotsFoundTotal'): number =>
    [...run.lives.values()].reduce((sum, { node }) => sum + node.stats().replication[figure], 0)
  run.clock.advance(20_000)
  const cutOff = total('slotsLostTotal')
  assert.ok(cutOff > 1000, `${cutOff} slots had all copies on the other side`)
  assert.is(total('slotsFoundTotal'), 0)
  run.network.joinAll()
  run.clock.advance(60_000)
  assert.equal([total('slotsLostTotal'), total('slotsFoundTotal')], [cutOff, cutOff])
  // These are gone, though their names come back.
  for (const name of names.slice(0, 2)) run.kill(name)
  run.clock.advance(20_000)
  assert.ok(total('slotsLostTotal') > 500, `${total('slotsLostTotal')} lost by those who are left`)
  const found = total('slotsFoundTotal')
  for (const name of names.slice(0, 2)) run.start(name)
  run.clock.advance(20_000)
  assert.is(total('slotsFoundTotal'), found)
  run.close()
})

test.run()
