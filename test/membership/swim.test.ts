/** SWIM on virtual time: joining, crashes, pauses, loss, partitions, restarts, facts and farewells. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bird, Flock, PORT } from './flock.ts'

const test = suite('swim')

const deaths = (bird: Bird): string[] => bird.told.filter((line) => line.endsWith('-> dead'))
const bare = (lines: readonly string[]): string[] => lines.map((line) => line.slice(line.indexOf(' ') + 1))

for (const count of [3, 5, 10]) {
  test(`${count} members that start together join through seeds and agree within 2 s`, () => {
    const flock = new Flock(count)
    const birds = flock.hatchAll(count)
    assert.ok(flock.clock.now() <= 2_000, `${flock.clock.now()} ms`)
    for (const bird of birds) {
      assert.ok(bird.swim.joined)
      assert.is(bird.swim.stats().alive, count - 1)
      assert.is(bird.told.length, count - 1, 'each other member is told once')
    }
  })
}

test('a newcomer that knows one seed is known to all soon', () => {
  const flock = new Flock(1)
  const birds = flock.hatchAll(5)
  const startMs = flock.clock.now()
  const newcomer = flock.hatch('b-0', { seeds: ['a-3'] })
  flock.clock.runUntilTrue(() => flock.agree([...birds, newcomer]), 1_000, 'the newcomer is known')
  assert.ok(flock.clock.now() - startMs < 600)
})

test('a member whose only seed is itself keeps quiet', () => {
  const flock = new Flock(28)
  flock.hatch('a-0', { seeds: ['a-0'] })
  flock.clock.advance(30_000)
  assert.is(flock.exchangesBegun, 0)
})

test('a member alone has not joined, and joins when its seed appears', () => {
  const flock = new Flock(2)
  const first = flock.hatch('a-0', { seeds: ['a-0', 'a-1'] })
  flock.clock.advance(20_000)
  assert.not(first.swim.joined)
  assert.equal(first.swim.members(), [])
  const second = flock.hatch('a-1', { seeds: [] })
  flock.clock.runUntilTrue(() => first.swim.joined && second.swim.joined, 3_000, 'both joined')
  assert.ok(flock.agree([first, second]))
})

for (const count of [3, 4, 5]) {
  test(`a crash among ${count} is known to all within 4 s, for 40 seeds`, () => {
    for (let seed = 0; seed < 40; seed++) {
      const flock = new Flock(seed)
      const birds = flock.hatchAll(count)
      flock.clock.advance(1_000 + seed * 37)
      const [victim, ...others] = birds as [Bird, ...Bird[]]
      flock.kill(victim)
      flock.clock.runUntilTrue(() => flock.allHold(others, victim.name, 'dead'), 4_000, `seed ${seed}: the crash is known`)
      for (const bird of others) assert.is(deaths(bird).length, 1, `seed ${seed}: nobody else is called dead`)
    }
  })
}

test('a hint makes a member probe at once, and at most once in 200 ms', () => {
  const flock = new Flock(3)
  const [a, b] = flock.hatchAll(3) as [Bird, Bird]
  const probes = (): number => a.swim.stats().probesTotal
  // Its own turn must not come in between.
  const turn = probes()
  flock.clock.runUntilTrue(() => probes() > turn, 600, 'its turn', 1)
  flock.clock.advance(20)
  const before = probes()
  for (let i = 0; i < 10; i++) {
    a.swim.hintUnreachable(b.name)
    flock.clock.advance(15)
  }
  assert.is(probes(), before + 1)
  flock.clock.advance(60)
  a.swim.hintUnreachable(b.name)
  assert.is(probes(), before + 2)
  a.swim.hintUnreachable('nobody')
  a.swim.hintUnreachable('a-0')
  assert.is(probes(), before + 2)
})

test('a hint about a member that crashed raises suspicion within 500 ms', () => {
  const flock = new Flock(4)
  const [a, b] = flock.hatchAll(3) as [Bird, Bird]
  flock.kill(b)
  a.swim.hintUnreachable(b.name)
  flock.clock.runUntilTrue(() => a.swim.member(b.name)?.state === 'suspect', 510, 'the hint raised suspicion')
})

test('a member that stood still for 1.5 s refutes and is not called dead', () => {
  for (let seed = 0; seed < 20; seed++) {
    const flock = new Flock(seed)
    const birds = flock.hatchAll(5)
    const sleeper = birds[seed % 5] as Bird
    flock.clock.advance(2_000)
    sleeper.clock.pause()
    flock.clock.advance(1_500)
    sleeper.clock.resume()
    flock.clock.advance(5_000)
    for (const bird of birds) assert.equal(deaths(bird), [], `seed ${seed}`)
    assert.ok(flock.agree(birds), `seed ${seed}`)
  }
})

test('a member that stood still for 20 s hears that it was held dead, comes back, and convicts nobody', () => {
  const flock = new Flock(5)
  const birds = flock.hatchAll(5)
  const [sleeper, ...others] = birds as [Bird, ...Bird[]]
  sleeper.clock.pause()
  flock.clock.advance(20_000)
  assert.ok(flock.allHold(others, sleeper.name, 'dead'))
  sleeper.clock.resume()
  flock.clock.runUntilTrue(() => flock.agree(birds), 3_000, 'it is back')
  assert.equal(deaths(sleeper), [], 'it accused nobody of what it had not heard')
  assert.ok(sleeper.told.some((line) => line.endsWith('held dead')))
  assert.is(sleeper.told.filter((line) => line.endsWith('held dead')).length, 1, 'told once for one verdict')
  flock.clock.advance(20_000)
  assert.ok(flock.agree(birds), 'and stays')
})

test('20 % loss for a minute calls nobody among 5 dead', () => {
  for (let seed = 0; seed < 6; seed++) {
    const flock = new Flock(seed)
    const birds = flock.hatchAll(5)
    flock.network.options = { ...flock.network.options, loss: 0.2, duplication: 0.05 }
    flock.clock.advance(60_000)
    for (const bird of birds) assert.equal(deaths(bird), [], `seed ${seed}`)
    assert.ok(flock.agree(birds), `seed ${seed}`)
  }
})

test('20 % loss without the fallback over exchanges makes suspects, who all refute', () => {
  let refutations = 0
  for (let seed = 0; seed < 6; seed++) {
    const flock = new Flock(seed)
    const birds = flock.hatchAll(5)
    flock.exchangesPass = false
    flock.network.options = { ...flock.network.options, loss: 0.2 }
    flock.clock.advance(60_000)
    for (const bird of birds) {
      assert.equal(deaths(bird), [], `seed ${seed}`)
      refutations += bird.swim.stats().refutationsTotal
    }
    flock.network.options = { ...flock.network.options, loss: 0 }
    flock.clock.runUntilTrue(() => flock.agree(birds), 2_000, `seed ${seed}: agreed`)
  }
  assert.ok(refutations > 20, `${refutations} refutations`)
})

test('packets that do not pass at all are made up for by exchanges', () => {
  const flock = new Flock(6, { loss: 1 })
  const birds = flock.hatchAll(3)
  flock.clock.advance(30_000)
  for (const bird of birds) assert.equal(deaths(bird), [])
  assert.ok(flock.agree(birds))
})

test('a partition calls the other side dead, and heals within 12 s of its end', () => {
  for (let seed = 0; seed < 8; seed++) {
    const flock = new Flock(seed)
    const birds = flock.hatchAll(5)
    const [few, many] = [birds.slice(0, 2), birds.slice(2)]
    flock.split(few, many)
    const apart = (): boolean =>
      many.every((bird) => flock.allHold(few, bird.name, 'dead')) && few.every((bird) => flock.allHold(many, bird.name, 'dead'))
    flock.clock.runUntilTrue(apart, 30_000, `seed ${seed}: both sides hold the other dead`)
    assert.ok(flock.agree(few) && flock.agree(many))
    flock.clock.advance(60_000)
    flock.network.joinAll()
    flock.clock.runUntilTrue(() => flock.agree(birds), 12_000, `seed ${seed}: healed`)
    flock.clock.advance(20_000)
    assert.ok(flock.agree(birds))
  }
})

test('a partition heals without any seeds: the dead are announced to', () => {
  const flock = new Flock(27)
  const birds = flock.hatchAll(4)
  for (const bird of birds) bird.swim.setSeeds([])
  flock.split(birds.slice(0, 2), birds.slice(2))
  flock.clock.advance(30_000)
  assert.not(flock.agree(birds))
  flock.network.joinAll()
  flock.clock.runUntilTrue(() => flock.agree(birds), 12_000, 'healed')
})

test('two members that a cut in one direction parts agree again after it', () => {
  const flock = new Flock(7)
  const birds = flock.hatchAll(2)
  flock.network.cut('a-0', 'a-1')
  flock.clock.advance(30_000)
  flock.network.joinAll()
  flock.clock.runUntilTrue(() => flock.agree(birds), 12_000, 'agreed')
})

test('a cut in one direction among 5 kills nobody: the others relay', () => {
  const flock = new Flock(8)
  const birds = flock.hatchAll(5)
  flock.network.cut('a-0', 'a-1')
  flock.clock.advance(60_000)
  for (const bird of birds) assert.equal(deaths(bird), [])
  assert.ok(flock.agree(birds))
})

test('one that nobody could hear has held all others dead, and convinces nobody when it is back', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const flock = new Flock(seed)
    const birds = flock.hatchAll(4)
    const [mute, ...others] = birds as [Bird, ...Bird[]]
    for (const other of others) flock.network.cut(mute.host.name, other.host.name)
    const convicted = (): boolean => others.every((bird) => flock.allHold([mute], bird.name, 'dead'))
    flock.clock.runUntilTrue(convicted, 30_000, `seed ${seed}: it holds all others dead`)
    flock.network.joinAll()
    flock.clock.runUntilTrue(() => flock.agree(birds), 20_000, `seed ${seed}: all agree again`)
    for (const bird of others) {
      const wrong = deaths(bird).filter((line) => !line.includes(` ${mute.name}/`))
      assert.equal(wrong, [], `seed ${seed}: ${bird.name} was told of the death of one that it hears`)
    }
  }
})

test('a restart within 100 ms is told as the old life dead and then the new one alive, before any suspicion', () => {
  const flock = new Flock(9)
  const [a, b, c] = flock.hatchAll(3) as [Bird, Bird, Bird]
  const old = c.swim.self().generation
  flock.clock.advance(3_000)
  flock.kill(c)
  flock.clock.advance(100)
  for (const bird of [a, b]) bird.told.length = 0
  const born = flock.hatch('a-2', { generation: old + 5_000, seeds: ['a-0'] })
  flock.clock.runUntilTrue(() => flock.agree([a, b, born]), 600, 'the new life is known')
  for (const bird of [a, b]) assert.equal(bare(bird.told), [`a-2/${old} alive -> dead`, `a-2/${old + 5_000} dead -> alive`])
  flock.clock.advance(10_000)
  assert.is(a.told.length, 2)
})

for (const [how, step] of [
  ['set back', -700],
  ['that stands still', 0],
] as const) {
  test(`a restart with a wall clock ${how} still gets a higher generation`, () => {
    const flock = new Flock(10)
    const [a, b, c] = flock.hatchAll(3) as [Bird, Bird, Bird]
    const old = c.swim.self().generation
    flock.kill(c)
    const born = flock.hatch('a-2', { generation: old + step, seeds: ['a-0', 'a-1'] })
    for (const bird of [a, b]) bird.told.length = 0
    flock.clock.runUntilTrue(() => flock.agree([a, b, born]), 2_000, 'the new life is known')
    assert.is(born.swim.self().generation, old + 1)
    assert.equal(bare(b.told), [`a-2/${old} alive -> dead`, `a-2/${old + 1} dead -> alive`])
    assert.not(born.told.some((line) => line.endsWith('superseded')))
  })
}

test('a ping meant for an earlier life is not acked: the new life says who it is', () => {
  const flock = new Flock(11)
  const [a, b, c] = flock.hatchAll(3) as [Bird, Bird, Bird]
  const old = c.swim.self().generation
  flock.kill(c)
  // It comes up at the same address with nobody to announce itself to.
  const born = flock.hatch('a-2', { generation: old + 1, seeds: [] })
  flock.clock.runUntilTrue(() => flock.agree([a, b, born]), 3_000, 'found by being probed')
  assert.not(a.told.some((line) => line.includes('suspect')))
})

test('of two processes of one name the earlier learns that it is superseded, once', () => {
  const flock = new Flock(12)
  const [a, b, old] = flock.hatchAll(3) as [Bird, Bird, Bird]
  const later = flock.hatch('a-2', { generation: 50_000, host: 'elsewhere', seeds: ['a-0'] })
  flock.clock.runUntilTrue(() => old.told.some((line) => line.endsWith('superseded')), 3_000, 'superseded')
  flock.clock.advance(20_000)
  assert.is(old.told.filter((line) => line.endsWith('superseded')).length, 1)
  for (const bird of [a, b]) assert.is(bird.swim.member('a-2')?.generation, 50_000)
  assert.not(later.told.some((line) => line.endsWith('superseded')))
})

test('a member that leaves is told as left, everywhere, and is not revived', () => {
  const flock = new Flock(13, { loss: 0.1 })
  const birds = flock.hatchAll(5)
  const [leaver, ...others] = birds as [Bird, ...Bird[]]
  let done = 0
  const startMs = flock.clock.now()
  leaver.swim.leave(2_000, () => done++)
  assert.is(done, 0, 'not from inside the call')
  flock.clock.runUntilTrue(() => done === 1, 2_000, 'left')
  assert.ok(flock.clock.now() - startMs <= 2_000)
  flock.clock.runUntilTrue(() => flock.allHold(others, leaver.name, 'left'), 1_000, 'known as left')
  const sent = leaver.swim.stats().packetsSentTotal
  flock.clock.advance(40_000)
  assert.is(leaver.swim.stats().packetsSentTotal, sent, 'it is closed')
  assert.is(done, 1)
  for (const bird of others) {
    assert.is(bird.swim.member(leaver.name)?.state, 'left')
    assert.equal(deaths(bird), [])
  }
})

test('leaving alone, and leaving again, is done in a later turn', () => {
  const flock = new Flock(14)
  const alone = flock.hatch('a-0')
  let done = 0
  alone.swim.leave(1_000, () => done++)
  alone.swim.leave(1_000, () => done++)
  assert.is(done, 0)
  flock.clock.advance(50)
  assert.is(done, 2)
  alone.swim.leave(1_000, () => done++)
  assert.is(done, 2)
  flock.clock.advance(1)
  assert.is(done, 3)
})

test('a fact binds only the life with that UID', () => {
  const flock = new Flock(15)
  const birds = flock.hatchAll(3)
  const [a, b, c] = birds as [Bird, Bird, Bird]
  a.swim.declareGone('a-2', 'uid-of-an-earlier-pod')
  a.swim.declareGone('a-2', '')
  a.swim.declareGone('nobody', 'uid')
  flock.clock.advance(5_000)
  assert.ok(flock.agree(birds))
  const uid = c.swim.self().meta.uid
  a.swim.declareGone('a-2', uid)
  assert.is(a.swim.member('a-2')?.state, 'dead', 'at once')
  assert.match(a.told.at(-1) as string, /alive -> dead$/)
  flock.clock.runUntilTrue(() => b.swim.member('a-2')?.state === 'dead', 500, 'told on')
  flock.clock.runUntilTrue(() => c.told.some((line) => line.endsWith('superseded')), 3_000, 'its subject gives up')
  flock.clock.advance(60_000)
  assert.ok(flock.allHold([a, b], 'a-2', 'dead'), 'nobody revives it')
  assert.is(deaths(a).length, 1)
  assert.is(deaths(b).length, 1)
})

test('a fact about a member that left leaves it left; one about a dead one puts it beyond appeal without a word', () => {
  const flock = new Flock(16)
  const [a, b, c] = flock.hatchAll(3) as [Bird, Bird, Bird]
  b.swim.leave(500, () => {})
  flock.clock.advance(1_000)
  a.swim.declareGone('a-1', b.swim.self().meta.uid)
  assert.is(a.swim.member('a-1')?.state, 'left')
  c.clock.pause()
  flock.clock.runUntilTrue(() => a.swim.member('a-2')?.state === 'dead', 10_000, 'held dead')
  const told = a.told.length
  a.swim.declareGone('a-2', c.swim.self().meta.uid)
  assert.is(a.told.length, told)
  c.clock.resume()
  flock.clock.runUntilTrue(() => c.told.some((line) => line.endsWith('superseded')), 5_000, 'its subject gives up')
  assert.is(a.swim.member('a-2')?.state, 'dead')
})

test('a fact about this very member makes it give up, in a later turn', () => {
  const flock = new Flock(17)
  const a = flock.hatch('a-0')
  a.swim.declareGone('a-0', a.swim.self().meta.uid)
  assert.equal(a.told, [])
  flock.clock.advance(1)
  assert.equal(bare(a.told), ['superseded'])
})

test('a change of the meta is known to all within 150 ms', () => {
  const flock = new Flock(18)
  const [a, ...others] = flock.hatchAll(5) as [Bird, ...Bird[]]
  flock.clock.advance(3_000)
  a.swim.updateMeta({ leaving: true })
  assert.ok(a.swim.self().meta.leaving)
  const know = (count: number): boolean => others.filter((bird) => bird.swim.member('a-0')?.meta.leaving).length >= count
  flock.clock.runUntilTrue(() => know(3), 4, 'three are told at once', 1)
  flock.clock.runUntilTrue(() => know(4), 150, 'the change is known', 1)
  for (const bird of others) assert.match(bird.told.at(-1) as string, /a-0\/\d+ alive -> alive$/)
  assert.throws(() => a.swim.updateMeta({ zone: 'z'.repeat(255), uid: 'u'.repeat(255) }), RangeError)
  const { incarnation } = a.swim.self()
  a.swim.updateMeta({ leaving: true })
  assert.is(a.swim.self().incarnation, incarnation, 'what changes nothing is no news')
})

test('a table version that changes all the time is published 20 times a second, floods nobody and accuses nobody', () => {
  const flock = new Flock(19)
  const [a, ...others] = flock.hatchAll(5) as [Bird, ...Bird[]]
  flock.clock.advance(3_000)
  const before = a.swim.self().incarnation
  const sent = flock.packetsSent()
  for (let i = 1; i <= 5_000; i++) {
    a.swim.updateMeta({ tableVersion: i })
    flock.clock.advance(2)
  }
  const raised = a.swim.self().incarnation - before
  assert.ok(raised >= 190 && raised <= 201, `${raised} incarnations in 10 s`)
  assert.ok(flock.packetsSent() - sent < 5 * 10 * 100, `${flock.packetsSent() - sent} packets of 5 members in 10 s`)
  flock.clock.advance(300)
  for (const bird of others) {
    assert.is(bird.swim.member('a-0')?.meta.tableVersion, 5_000, 'the last one arrives')
    assert.is(bird.swim.stats().suspicionsTotal, 0)
  }
})

test('members of another cluster are refused and counted, and never met', () => {
  const flock = new Flock(20)
  const a = flock.hatch('a-0', { seeds: [] })
  const stranger = flock.hatch('x-0', { clusterId: 'another', seeds: ['a-0'] })
  flock.clock.advance(10_000)
  assert.equal(a.swim.members(), [])
  assert.equal(stranger.swim.members(), [])
  assert.not(stranger.swim.joined)
  assert.ok(a.swim.stats().packetsRefusedTotal > 0)
  a.host.receivePacket(`a-0:${PORT}`, Buffer.from('noise'), 'nowhere:1')
  assert.equal(a.swim.members(), [])
})

test('a newcomer learns who is dead and who left, and revives neither', () => {
  const flock = new Flock(21)
  const birds = flock.hatchAll(5)
  const [a, b, c, d, e] = birds as [Bird, Bird, Bird, Bird, Bird]
  e.swim.leave(500, () => {})
  flock.kill(d)
  flock.clock.advance(15_000)
  const newcomer = flock.hatch('b-0', { seeds: ['a-0'] })
  flock.clock.runUntilTrue(() => flock.agree([a, b, c, newcomer]), 1_000, 'known')
  flock.clock.advance(30_000)
  assert.is(newcomer.swim.member(d.name)?.state, 'dead')
  assert.is(newcomer.swim.member(e.name)?.state, 'left')
})

test('nothing is said or sent after close', () => {
  const flock = new Flock(22)
  const [a, b] = flock.hatchAll(3) as [Bird, Bird]
  a.swim.close()
  const { packetsSentTotal } = a.swim.stats()
  const told = a.told.length
  flock.kill(b)
  a.swim.updateMeta({ leaving: true })
  a.swim.hintUnreachable('a-2')
  a.swim.declareGone('a-2', a.swim.member('a-2')?.meta.uid as string)
  flock.clock.advance(30_000)
  assert.is(a.swim.stats().packetsSentTotal, packetsSentTotal)
  assert.is(a.told.length, told)
})

test('one seed gives one trace', () => {
  const trace = (seed: number): string => {
    const flock = new Flock(seed, { loss: 0.1, duplication: 0.1 })
    const birds = flock.hatchAll(5)
    birds[1]?.clock.pause()
    flock.clock.advance(8_000)
    birds[1]?.clock.resume()
    flock.kill(birds[2] as Bird)
    flock.clock.advance(20_000)
    return JSON.stringify(birds.map((bird) => [bird.told, bird.swim.stats()]))
  }
  assert.is(trace(23), trace(23))
  assert.is.not(trace(23), trace(24))
})

test('what a member sends at rest does not grow with the cluster', () => {
  const rate = (count: number): number => {
    const flock = new Flock(25)
    flock.hatchAll(count)
    flock.clock.advance(10_000)
    const before = flock.packetsSent()
    flock.clock.advance(30_000)
    return (flock.packetsSent() - before) / count / 30
  }
  const [few, many] = [rate(5), rate(20)]
  assert.ok(few < 6, `${few} packets a second`)
  assert.ok(Math.abs(many - few) < 0.5, `${few} packets a second among 5, ${many} among 20`)
})

test('what one change costs a member does not grow with the cluster, but for the logarithm', () => {
  const cost = (count: number): number => {
    const flock = new Flock(26)
    const birds = flock.hatchAll(count)
    flock.clock.advance(10_000)
    const before = flock.packetsSent()
    birds[0]?.swim.updateMeta({ leaving: true })
    flock.clock.advance(3_000)
    return (flock.packetsSent() - before) / count
  }
  const [few, many] = [cost(5), cost(20)]
  assert.ok(many < few + 12, `${few} packets among 5, ${many} among 20`)
})

test.run()
