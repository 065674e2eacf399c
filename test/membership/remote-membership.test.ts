/** Membership in a thread of its own: the mirror shows what the thread knows, and pauses of the data path reach nobody, until they last. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EPOCH_MS } from '../support/fake-clock.ts'
import { type Bird, Flock } from './flock.ts'
import { Remote } from './remote.ts'

const test = suite('remote membership')

interface Scene {
  readonly flock: Flock
  readonly birds: Bird[]
  readonly remote: Remote
}

/** `count` members, and one in two threads that has met them. */
function scene(count: number = 2): Scene {
  const flock = new Flock(11)
  const birds = flock.hatchAll(count)
  const remote = new Remote(flock, 'r-0', 5_000, ['a-0'])
  remote.membership.start()
  flock.clock.runUntilTrue(() => remote.membership.members().length === count && flock.allHold(birds, 'r-0', 'alive'), 5_000, 'it joins')
  flock.clock.advance(1_000)
  return { flock, birds, remote }
}

test('the mirror shows the members, and tells of them once', () => {
  const { remote } = scene()
  assert.is(remote.membership.joined, true)
  assert.equal(remote.told.toSorted(), ['a-0/1000 unknown -> alive', 'a-1/1001 unknown -> alive'])
  assert.equal(
    remote.membership
      .members()
      .map(({ name, state, address }) => `${name} ${state} ${address}`)
      .toSorted(),
    ['a-0 alive a-0:7946', 'a-1 alive a-1:7946'],
  )
  assert.is(remote.membership.member('a-1')?.meta.uid, 'uid-a-1-1001')
  const { alive, dead, packetsSentTotal, packetsForgedTotal } = remote.membership.stats()
  assert.is(alive, 2)
  assert.is(dead, 0)
  assert.ok(packetsSentTotal > 0)
  assert.is(packetsForgedTotal, 7)
})

test('it logs by way of the data path', () => {
  const { remote } = scene()
  assert.ok(remote.logged.includes('info joined the cluster'), remote.logged.join())
})

test('what it tells about itself reaches the others', () => {
  const { flock, birds, remote } = scene()
  remote.membership.updateMeta({ leaving: true })
  remote.membership.updateMeta({ tableVersion: 9 })
  flock.clock.advance(500)
  for (const bird of birds) {
    const meta = bird.swim.member('r-0')?.meta
    assert.is(meta?.leaving, true)
    assert.is(meta?.tableVersion, 9)
  }
  assert.is(remote.membership.self().meta.tableVersion, 9)
  assert.throws(() => remote.membership.updateMeta({ zone: 'z'.repeat(600) }), RangeError)
})

test('the mirror shows what it has told about itself as soon as it is published', () => {
  const { flock, remote } = scene()
  for (let round = 0; round < 20; round++) {
    const leaving = round % 2 === 0
    remote.membership.updateMeta({ leaving })
    flock.clock.advance(1)
    assert.is(remote.membership.self().meta.leaving, leaving)
  }
})

test('a suspicion that came and went while the data path stood still is not told', () => {
  const { flock, birds, remote } = scene(2)
  const told = remote.told.length
  remote.dataPath.pause()
  flock.clock.advance(600)
  flock.exchangesPass = false
  const suspicions = (): number => birds[1]?.swim.stats().suspicionsTotal ?? 0
  const before = suspicions()
  for (const other of ['r-0', 'a-1']) {
    flock.network.cut('a-0', other)
    flock.network.cut(other, 'a-0')
  }
  flock.clock.runUntilTrue(() => suspicions() > before, 2_500, 'a-0 is suspected')
  flock.network.joinAll()
  flock.clock.advance(1_000)
  remote.dataPath.resume()
  flock.clock.advance(100)
  assert.ok(remote.membership.stats().suspicionsTotal > 0)
  assert.equal(remote.told.slice(told), [])
})

test('what was asked before the start is done after it', () => {
  const flock = new Flock(3)
  const [a] = flock.hatchAll(1) as [Bird]
  const remote = new Remote(flock, 'r-0', 5_000, [])
  remote.membership.setSeeds(['a-0:7946'])
  remote.membership.updateMeta({ tableVersion: 3 })
  remote.membership.start()
  flock.clock.advance(2_000)
  assert.is(a.swim.member('r-0')?.meta.tableVersion, 3)
})

test('a death is told to the data path, and a later life of a name first ends the earlier', () => {
  const { flock, birds, remote } = scene(3)
  const [, , last] = birds as [Bird, Bird, Bird]
  flock.kill(last)
  flock.clock.runUntilTrue(() => remote.membership.member(last.name)?.state === 'dead', 10_000, 'it is held dead')
  assert.equal(remote.told.slice(3), ['a-2/1002 alive -> suspect', 'a-2/1002 suspect -> dead'])
  flock.hatch(last.name, { generation: 9_000, seeds: ['a-0'] })
  flock.clock.advance(1_000)
  assert.equal(remote.told.slice(5), ['a-2/9000 dead -> alive'])
  // And another one, before anybody missed the one before.
  flock.network.kill(last.name)
  flock.hatch(last.name, { generation: 9_001, seeds: ['a-0'] })
  flock.clock.advance(1_000)
  assert.equal(remote.told.slice(6), ['a-2/9000 alive -> dead', 'a-2/9001 dead -> alive'])
})

test('a fact, a hint and the farewell are passed on', () => {
  const { flock, birds, remote } = scene(3)
  const [first, second] = birds as [Bird, Bird, Bird]
  remote.membership.declareGone(second.name, 'another uid')
  flock.clock.advance(100)
  assert.is(remote.membership.member(second.name)?.state, 'alive')
  remote.membership.declareGone(second.name, 'uid-a-1-1001')
  flock.clock.advance(500)
  assert.is(remote.membership.member(second.name)?.state, 'dead')
  assert.is(first.swim.member(second.name)?.state, 'dead')

  const before = remote.membership.stats().probesTotal
  flock.network.kill('a-2')
  remote.membership.hintUnreachable('a-2')
  flock.clock.advance(600)
  assert.ok(remote.membership.stats().probesTotal > before)
  flock.clock.runUntilTrue(() => remote.membership.member('a-2')?.state === 'dead', 3_500, 'a hint finds it out sooner')

  let left = 0
  remote.membership.leave(400, () => left++)
  remote.membership.leave(400, () => left++)
  flock.clock.advance(1_000)
  assert.is(left, 2)
  assert.is(first.swim.member('r-0')?.state, 'left')
})

test('a farewell ends even when its thread does not answer', () => {
  const { flock, remote } = scene()
  remote.thread.kill()
  let left = 0
  remote.membership.leave(400, () => left++)
  flock.clock.advance(2_000)
  assert.is(left, 1)
})

test('after close nothing is told', () => {
  const { flock, birds, remote } = scene()
  const told = remote.told.length
  flock.kill(birds[0] as Bird)
  remote.membership.close()
  flock.clock.advance(10_000)
  assert.is(remote.told.length, told)
})

test('a listener may close it in the middle of a letter', () => {
  const flock = new Flock(11)
  flock.hatchAll(4)
  const remote = new Remote(flock, 'r-0', 5_000, ['a-0'])
  remote.onTold = () => remote.membership.close()
  remote.membership.start()
  flock.clock.advance(5_000)
  assert.is(remote.told.length, 1)
})

test('a life that an earlier one of the same name outran becomes a later one, and the mirror knows it', () => {
  const flock = new Flock(5)
  const [a] = flock.hatchAll(1) as [Bird]
  const first = new Remote(flock, 'r-0', 8_000, ['a-0'])
  first.membership.start()
  flock.clock.advance(1_000)
  flock.network.kill('r-0')
  const second = new Remote(flock, 'r-0', 7_000, ['a-0'])
  second.membership.start()
  flock.clock.advance(1_000)
  assert.is(second.membership.self().generation, 8_001)
  assert.is(a.swim.member('r-0')?.generation, 8_001)
})

test('a pause of 4 s of the data path is heard of by the others, and no reason to suspect it', () => {
  const { flock, birds, remote } = scene(2)
  const told = birds.map(({ told }) => told.length)
  remote.dataPath.pause()
  flock.clock.advance(4_000)
  assert.ok(birds.every(({ swim }) => swim.stats().hungAnswersTotal > 0))
  remote.dataPath.resume()
  flock.clock.advance(10_000)
  assert.equal(
    birds.map(({ told }) => told.length),
    told,
  )
  assert.is(remote.heartbeat.takeHung(), true)
  assert.not.ok(remote.told.includes('held dead'))
})

test('a suspicion that arrives during a pause of the data path is refuted during it', () => {
  const { flock, birds, remote } = scene(2)
  const [a] = birds as [Bird]
  remote.dataPath.pause()
  // Nothing reaches a-0, neither from the paused one nor from another on its behalf: it is suspected.
  flock.exchangesPass = false
  for (const [from, to] of [
    ['a-0', 'r-0'],
    ['r-0', 'a-0'],
    ['a-0', 'a-1'],
    ['a-1', 'a-0'],
  ] as const)
    flock.network.cut(from, to)
  flock.clock.runUntilTrue(() => a.swim.member('r-0')?.state === 'suspect', 3_000, 'it is suspected')
  flock.network.joinAll()
  flock.clock.advance(1_000)
  assert.is(a.swim.member('r-0')?.state, 'alive')
  assert.equal(
    remote.told.filter((text) => text.includes('dead')),
    [],
  )
  remote.dataPath.resume()
  flock.clock.advance(2_000)
  assert.ok(remote.membership.stats().refutationsTotal >= 1)
})

test('a data path that hangs for longer is left to die, and learns of it when it wakes', () => {
  const { flock, birds, remote } = scene(2)
  remote.dataPath.pause()
  flock.clock.runUntilTrue(() => flock.allHold(birds, 'r-0', 'dead'), 10_000, 'it is held dead')
  assert.ok(flock.clock.now() > 5_000)
  flock.clock.advance(20_000)
  assert.ok(flock.allHold(birds, 'r-0', 'dead'), 'and stays so')
  remote.dataPath.resume()
  flock.clock.advance(1_000)
  assert.ok(flock.allHold(birds, 'r-0', 'alive'))
  assert.ok(remote.told.includes('held dead'))
  assert.equal(
    remote.told.filter((text) => text.startsWith('a-') && text.includes('dead')),
    [],
    'it held nobody dead because it did not listen',
  )
})

test('while the data path stands still one letter waits for it, whatever happens', () => {
  const { flock, remote } = scene(2)
  remote.dataPath.pause()
  // A letter with counts goes out meanwhile, and waits.
  flock.clock.advance(600)
  const letters = remote.fromHost.length
  for (let generation = 0; generation < 20; generation++) {
    flock.network.kill('b-0')
    flock.hatch('b-0', { generation: 20_000 + generation, seeds: ['a-0'] })
    flock.clock.advance(100)
  }
  assert.is(remote.fromHost.length, letters)
  remote.dataPath.resume()
  flock.clock.advance(200)
  assert.equal(remote.told.slice(2), ['b-0/20000 unknown -> dead', 'b-0/20019 dead -> alive'])
})

test('the end of a life that the data path knew is told even when another one followed while it stood still', () => {
  const { flock, remote } = scene(2)
  flock.hatch('b-0', { generation: 20_000, seeds: ['a-0'] })
  flock.clock.advance(1_000)
  remote.dataPath.pause()
  flock.clock.advance(600)
  for (const generation of [20_001, 20_002]) {
    flock.network.kill('b-0')
    flock.hatch('b-0', { generation, seeds: ['a-0'] })
    flock.clock.advance(500)
  }
  remote.dataPath.resume()
  flock.clock.advance(500)
  assert.equal(remote.told.slice(2), ['b-0/20000 unknown -> alive', 'b-0/20000 alive -> dead', 'b-0/20002 dead -> alive'])
})

test('of wishes too one letter is under way, and the latest of each is granted', () => {
  const { flock, birds, remote } = scene(2)
  remote.thread.pause()
  const letters = remote.toHost.length
  for (let tableVersion = 1; tableVersion <= 1_000; tableVersion++) {
    remote.membership.updateMeta({ tableVersion })
    remote.membership.hintUnreachable('a-0')
    remote.membership.setSeeds([`a-${tableVersion % 2}:7946`])
  }
  assert.ok(remote.toHost.length <= letters + 1)
  remote.thread.resume()
  flock.clock.advance(1_000)
  assert.is(birds[0]?.swim.member('r-0')?.meta.tableVersion, 1_000)
})

test('the time it goes by reaches the others, and theirs the mirror, with what their wall clocks show', () => {
  const { flock, birds, remote } = scene()
  assert.equal(remote.membership.clocks(), [])
  const [one, other] = birds as [Bird, Bird]
  one.swim.tellTime({ offsetMs: 7_000, settled: true })
  one.clock.wallOffsetMs = 3_600_000
  remote.membership.tellTime({ offsetMs: 9_000, settled: false })
  flock.clock.advance(3_000)
  const [heard, ...rest] = remote.membership.clocks()
  assert.equal(rest, [], 'the other one told no time')
  assert.ok(heard)
  assert.equal([heard.name, heard.generation, heard.settled], ['a-0', 1000, true])
  assert.ok(Math.abs(heard.clockOffsetMs - 7_000) <= 5, `${heard.clockOffsetMs}`)
  assert.ok(Math.abs(heard.wallOffsetMs - EPOCH_MS - 3_600_000) <= 5, `${heard.wallOffsetMs}`)
  assert.ok(flock.clock.now() - heard.heardMs <= 2_000)
  const told = other.swim.clocks().find(({ name }) => name === 'r-0')
  assert.ok(told)
  assert.is(told.settled, false)
  assert.ok(Math.abs(told.clockOffsetMs - 9_000) <= 5)
  // Whoever is dead tells the time no more, and a later life has to tell it anew.
  flock.kill(one)
  flock.clock.runUntilTrue(() => remote.membership.member('a-0')?.state === 'dead', 20_000, 'its death')
  flock.clock.advance(1_000)
  assert.equal(remote.membership.clocks(), [])
})

test.run()
