/** One member, message by message: what it answers, and what it makes of what it is told. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { MemberRecord } from '../../src/membership/record.ts'
import { encodeMeta } from '../../src/membership/record-codec.ts'
import { type Bird, Flock } from './flock.ts'
import { Puppet } from './puppet.ts'
import { record } from './samples.ts'

const test = suite('messages')

interface Scene {
  readonly flock: Flock
  readonly bird: Bird
  readonly puppet: Puppet
}

/** A bird that has joined through a puppet and holds it alive; the puppet answers pings when asked to. */
function scene(uid?: string): Scene {
  const flock = new Flock(1)
  const bird = flock.hatch('a-0', { seeds: [] })
  const puppet = new Puppet(flock, 'p-0', uid)
  flock.clock.advance(1)
  puppet.pushPull(bird, [puppet.record])
  assert.ok(bird.swim.joined)
  assert.is(bird.swim.member('p-0')?.state, 'alive')
  puppet.packets.length = 0
  return { flock, bird, puppet }
}

function own({ swim }: Bird): MemberRecord {
  return swim.self() as MemberRecord
}

test('a ping that means this life is acked', () => {
  const { flock, bird, puppet } = scene()
  puppet.say(bird, { type: 'ping', sequence: 42, target: own(bird), source: puppet.record })
  flock.clock.advance(10)
  assert.equal(puppet.heard('ack'), [{ type: 'ack', sequence: 42, from: { name: 'a-0', generation: own(bird).generation }, hung: false }])
})

test('a ping that means another life or name is answered with who is there, and no ack', () => {
  const { flock, bird, puppet } = scene()
  flock.clock.advance(1_000)
  for (const target of [
    { name: 'a-0', generation: own(bird).generation - 1 },
    { name: 'z-9', generation: own(bird).generation },
  ]) {
    puppet.packets.length = 0
    puppet.say(bird, { type: 'ping', sequence: 42, target, source: puppet.record })
    flock.clock.advance(4)
    assert.is(puppet.heard('ack').length, 0)
    assert.ok(puppet.heard('member').some(({ record: told }) => told.name === 'a-0' && told.state === 'alive'))
    const answer = puppet.exchange(bird, { type: 'ping', sequence: 1, target, source: puppet.record })
    assert.is(answer?.type, 'push-pull')
  }
  assert.is(puppet.exchange(bird, { type: 'ping', sequence: 1, target: own(bird), source: puppet.record })?.type, 'ack')
})

test('an ack from another life of the target does not count', () => {
  const { flock, bird, puppet } = scene()
  puppet.ackPings(bird, { ...puppet.record, generation: 499 })
  flock.clock.runUntilTrue(() => bird.swim.member('p-0')?.state === 'suspect', 1_200, 'suspected')
})

test('one that is suspected hears it with the next ping, before the ping', () => {
  const { flock, bird, puppet } = scene()
  puppet.tell(bird, { ...puppet.record, state: 'suspect', accuser: 'x-0' })
  flock.clock.advance(1_000)
  const packet = puppet.packets.find((messages) => messages.some(({ type }) => type === 'ping'))
  const first = packet?.[0]
  assert.ok(first?.type === 'member' && first.record.name === 'p-0' && first.record.state === 'suspect')
})

test('one that is convicted is told so once, directly', () => {
  const { flock, bird, puppet } = scene()
  flock.clock.runUntilTrue(() => bird.swim.member('p-0')?.state === 'dead', 4_000, 'dead')
  flock.clock.advance(5)
  const obituaries = puppet.packets.filter((messages) =>
    messages.some((message) => message.type === 'member' && message.record.name === 'p-0' && message.record.state === 'dead'),
  )
  assert.is(obituaries.length, 1)
})

test('one that pings while it is held dead hears so with its ack, and comes back with a higher incarnation', () => {
  const { flock, bird, puppet } = scene()
  flock.clock.runUntilTrue(() => bird.swim.member('p-0')?.state === 'dead', 4_000, 'dead')
  // As gossip the news is soon told often enough.
  for (let sequence = 0; sequence < 12; sequence++) {
    puppet.packets.length = 0
    puppet.say(bird, { type: 'ping', sequence, target: own(bird), source: puppet.record })
    flock.clock.advance(5)
  }
  assert.is(puppet.heard('ack').length, 1)
  assert.ok(puppet.heard('member').some(({ record: told }) => told.name === 'p-0' && told.state === 'dead'))
  puppet.tell(bird, puppet.record)
  assert.is(bird.swim.member('p-0')?.state, 'dead', 'the same incarnation revives nobody')
  puppet.tell(bird, { ...puppet.record, incarnation: 2 })
  assert.is(bird.swim.member('p-0')?.state, 'alive')
})

test('dead is an accusation where nobody has accused the member before; as a fact it is believed', () => {
  for (const [told, by, becomes] of [
    [{ state: 'dead' }, 'push-pull', 'suspect'],
    [{ state: 'dead' }, 'gossip', 'suspect'],
    [{ state: 'dead', fact: true }, 'push-pull', 'dead'],
    [{ state: 'left' }, 'push-pull', 'left'],
    [{ state: 'dead', incarnation: 6 }, 'push-pull', 'alive'],
  ] as const) {
    const { bird, puppet } = scene()
    const other = record({ name: 'b-0', address: 'b-0:7946' })
    puppet.tell(bird, other)
    if (by === 'gossip') puppet.tell(bird, { ...other, ...told })
    else puppet.pushPull(bird, [puppet.record, { ...other, ...told }])
    assert.is(bird.swim.member('b-0')?.state, becomes, `${JSON.stringify(told)} by ${by}`)
  }
})

test('by gossip, dead is believed of a member whose trial has lasted for half of the shortest, and in a push/pull of none', () => {
  for (const [lastedMs, by, becomes] of [
    [700, 'gossip', 'suspect'],
    [760, 'gossip', 'dead'],
    [760, 'push-pull', 'suspect'],
  ] as const) {
    const { flock, bird, puppet } = scene()
    const other = record({ name: 'b-0', address: 'b-0:7946' })
    puppet.tell(bird, other)
    puppet.tell(bird, { ...other, state: 'suspect', accuser: 'p-0' })
    flock.clock.advance(lastedMs - 3)
    if (by === 'gossip') puppet.tell(bird, { ...other, state: 'dead', accuser: 'p-0' })
    else puppet.pushPull(bird, [puppet.record, { ...other, state: 'dead' }])
    assert.is(bird.swim.member('b-0')?.state, becomes, `${by} after ${lastedMs} ms`)
  }
})

test('a name first heard of as dead in a push/pull is remembered as dead', () => {
  const { bird, puppet } = scene()
  puppet.pushPull(bird, [puppet.record, record({ name: 'b-0', state: 'dead' })])
  assert.is(bird.swim.member('b-0')?.state, 'dead')
  puppet.tell(bird, record({ name: 'b-0' }))
  assert.is(bird.swim.member('b-0')?.state, 'dead', 'late news does not revive it')
  puppet.tell(bird, record({ name: 'b-0', generation: 1 }))
  assert.is(bird.swim.member('b-0')?.generation, record().generation)
})

for (const state of ['suspect', 'dead', 'left'] as const) {
  test(`told that it is ${state}, a member raises its incarnation above that and says so at once`, () => {
    const { flock, bird, puppet } = scene()
    flock.clock.advance(1_000)
    puppet.packets.length = 0
    puppet.tell(bird, { ...own(bird), state, incarnation: 17, accuser: 'x-0' })
    assert.is(own(bird).incarnation, 18)
    assert.is(own(bird).state, 'alive')
    flock.clock.advance(5)
    assert.ok(puppet.heard('member').some(({ record: told }) => told.name === 'a-0' && told.incarnation === 18))
    assert.is(bird.told.filter((line) => line.endsWith('held dead')).length, state === 'suspect' ? 0 : 1)
    puppet.tell(bird, { ...own(bird), state, incarnation: 17, accuser: 'x-0' })
    assert.is(own(bird).incarnation, 18, 'refuted already')
    assert.is(bird.told.filter((line) => line.endsWith('held dead')).length, state === 'suspect' ? 0 : 1)
  })
}

test('held dead at an incarnation that is long past, a member still learns of it and says that it lives', () => {
  const { flock, bird, puppet } = scene()
  puppet.ackPings(bird)
  const before = own(bird)
  bird.swim.updateMeta({ zone: 'b' })
  bird.swim.updateMeta({ zone: 'c' })
  flock.clock.advance(3_000)
  puppet.packets.length = 0
  puppet.tell(bird, { ...before, state: 'dead' })
  assert.is(own(bird).incarnation, before.incarnation + 2)
  assert.is(bird.told.filter((line) => line.endsWith('held dead')).length, 1)
  flock.clock.advance(200)
  assert.ok(puppet.heard('member').some(({ record: told }) => told.name === 'a-0' && told.incarnation === own(bird).incarnation))
})

test('a member that leaves does not defend itself any more', () => {
  const { flock, bird, puppet } = scene()
  bird.swim.leave(2_000, () => {})
  flock.clock.advance(20)
  const { incarnation } = own(bird)
  puppet.tell(bird, { ...own(bird), state: 'dead', incarnation: incarnation + 5 })
  assert.is(own(bird).incarnation, incarnation)
  assert.not(bird.told.some((line) => line.endsWith('held dead')))
})

test('an earlier life of our name is told who is here now', () => {
  const { flock, bird, puppet } = scene()
  flock.clock.advance(2_000)
  puppet.packets.length = 0
  puppet.tell(bird, { ...own(bird), generation: 1, incarnation: 99 })
  flock.clock.advance(200)
  assert.ok(puppet.heard('member').some(({ record: told }) => told.name === 'a-0' && told.generation === own(bird).generation))
  assert.not(bird.told.some((line) => line.endsWith('superseded')))
})

test('a fact about another UID of this generation is not obeyed', () => {
  const { bird, puppet } = scene()
  puppet.tell(bird, record({ ...own(bird), fact: true, state: 'dead', metaBytes: puppet.record.metaBytes, meta: puppet.record.meta }))
  assert.not(bird.told.some((line) => line.endsWith('superseded')))
})

test('a fact needs a UID', () => {
  const { bird } = scene('')
  bird.swim.declareGone('p-0', '')
  assert.is(bird.swim.member('p-0')?.state, 'alive')
})

test('a life that ended as a fact is not announced to, one that is only held dead is', () => {
  for (const [fact, announced] of [
    [true, false],
    [false, true],
  ] as const) {
    const { flock, bird, puppet } = scene()
    puppet.tell(bird, { ...puppet.record, state: 'dead', fact })
    puppet.exchanges.length = 0
    flock.clock.advance(60_000)
    assert.is(puppet.exchanges.length > 0, announced)
  }
})

test('waking up, a member has no verdict on what it did not hear, and trusts itself less', () => {
  const { flock, bird, puppet } = scene()
  flock.clock.runUntilTrue(() => puppet.heard('ping').length > 0, 600, 'a probe is under way', 1)
  bird.clock.pause()
  flock.clock.advance(8_000)
  bird.clock.resume()
  flock.clock.advance(20)
  assert.is(bird.swim.stats().suspicionsTotal, 0, 'the probe had no chance')
  assert.ok(bird.swim.stats().localHealth > 0)
})

test('waking up, a member gives its suspects a trial of the shortest length', () => {
  const { flock, bird, puppet } = scene()
  puppet.tell(bird, { ...puppet.record, state: 'suspect', accuser: 'x-0' })
  bird.clock.pause()
  flock.clock.advance(60_000)
  bird.clock.resume()
  flock.clock.advance(1_400)
  assert.is(bird.swim.member('p-0')?.state, 'suspect')
  puppet.tell(bird, { ...puppet.record, incarnation: 2 })
  assert.is(bird.swim.member('p-0')?.state, 'alive')
})

for (const nacks of [true, false]) {
  test(`a failed probe ${nacks ? 'with its nacks costs no' : 'without its nacks costs'} local health`, () => {
    const { flock, bird, puppet } = scene()
    const relay = new Puppet(flock, 'r-0')
    puppet.tell(bird, relay.record)
    relay.onMessages = (messages) => {
      for (const message of messages) {
        if (message.type === 'ping') relay.say(bird, { type: 'ack', sequence: message.sequence, from: relay.record, hung: false })
        if (message.type === 'ping-request' && nacks) relay.say(bird, { type: 'nack', sequence: message.sequence })
      }
    }
    let health = 0
    flock.clock.runUntilTrue(
      () => {
        health = Math.max(health, bird.swim.stats().localHealth)
        return bird.swim.stats().probeFailuresTotal > 0
      },
      3_000,
      'a probe failed',
      1,
    )
    assert.is(bird.swim.member('p-0')?.state, 'suspect')
    assert.is(health > 0, !nacks)
  })
}

test('a relay passes the ack on, or sends a nack when none comes in time', () => {
  for (const answers of [true, false]) {
    const { flock, bird, puppet } = scene()
    const target = new Puppet(flock, 't-0')
    if (answers) target.ackPings(bird)
    puppet.say(bird, { type: 'ping-request', sequence: 99, target: target.record, address: target.record.address, nackAfterMs: 80 })
    flock.clock.advance(70)
    assert.is(puppet.heard('nack').length, 0)
    flock.clock.advance(30)
    assert.equal(puppet.heard('ack'), answers ? [{ type: 'ack', sequence: 99, from: { name: 't-0', generation: 500 }, hung: false }] : [])
    assert.equal(puppet.heard('nack'), answers ? [] : [{ type: 'nack', sequence: 99 }])
  }
})

test('changes that come fast are gossiped in a round every 20 ms, the last one too', () => {
  const { flock, bird, puppet } = scene()
  puppet.ackPings(bird)
  flock.clock.advance(3_000)
  puppet.packets.length = 0
  for (let i = 0; i < 50; i++) {
    bird.swim.updateMeta({ zone: `zone-${i}` })
    flock.clock.advance(2)
  }
  flock.clock.advance(25)
  const count = puppet.packets.length
  assert.ok(count >= 5 && count <= 10, `${count} packets for 50 changes in 100 ms`)
  assert.ok(puppet.heard('member').some(({ record: told }) => told.meta.zone === 'zone-49'))
})

test('what was changed before the start is told from the start', () => {
  const flock = new Flock(1)
  const bird = flock.hatch('a-0', { seeds: [], started: false })
  bird.swim.updateMeta({ tableVersion: 1 })
  bird.swim.updateMeta({ tableVersion: 2 })
  bird.swim.start()
  flock.clock.advance(100)
  assert.is(own(bird).meta.tableVersion, 2)
})

test('a second farewell does not begin afresh', () => {
  const { flock, bird } = scene()
  let done = 0
  bird.swim.leave(400, () => done++)
  const { incarnation } = own(bird)
  flock.clock.advance(200)
  bird.swim.leave(400, () => done++)
  flock.clock.advance(220)
  assert.is(done, 2)
  assert.is(own(bird).incarnation, incarnation)
})

test('closed by what it told, a member reads the rest of the packet no more', () => {
  const { flock, bird, puppet } = scene()
  bird.told.push = (line: string): number => {
    bird.swim.close()
    return Array.prototype.push.call(bird.told, line)
  }
  const before = bird.told.length
  puppet.say(bird, { type: 'member', record: record({ name: 'b-0' }) }, { type: 'member', record: record({ name: 'b-1' }) })
  flock.clock.advance(5)
  assert.is(bird.told.length, before + 1)
})

test('a refutation is no change for the product, a new address is', () => {
  const { bird, puppet } = scene()
  const told = bird.told.length
  puppet.tell(bird, { ...puppet.record, incarnation: 5 })
  assert.is(bird.told.length, told)
  puppet.tell(bird, { ...puppet.record, incarnation: 6, address: 'p-9:7946' })
  assert.is(bird.told.length, told + 1)
})

test('while the data path hangs acks say so, on packets and exchanges, and after 5 s nothing is said or heard', () => {
  const { flock, bird, puppet } = scene()
  const ping = { type: 'ping', sequence: 42, target: own(bird), source: puppet.record } as const
  const ack = { type: 'ack', sequence: 42, from: { name: 'a-0', generation: own(bird).generation } } as const
  const asked = (): { packets: unknown; exchange: unknown } => {
    puppet.packets.length = 0
    puppet.say(bird, ping)
    const exchange = puppet.exchange(bird, ping)
    return { packets: puppet.heard('ack'), exchange }
  }
  for (const [hungMs, hung] of [
    [0, false],
    [999, false],
    [1_000, true],
    [4_999, true],
  ] as const) {
    bird.swim.reportHang(hungMs)
    assert.equal(asked(), { packets: [{ ...ack, hung }], exchange: { ...ack, hung } }, `${hungMs} ms`)
  }
  bird.swim.reportHang(5_000)
  assert.equal(asked(), { packets: [], exchange: null })
  puppet.tell(bird, { ...puppet.record, state: 'left', incarnation: 9 })
  assert.is(bird.swim.member('p-0')?.state, 'alive')
  puppet.packets.length = 0
  flock.clock.advance(5_000)
  assert.equal(puppet.packets, [])
  assert.is(bird.swim.member('p-0')?.state, 'alive', 'whom it did not listen to it does not suspect')
  bird.swim.reportHang(0)
  assert.equal(asked(), { packets: [{ ...ack, hung: false }], exchange: { ...ack, hung: false } })
})

test('one that falls silent forgets its suspicions no sooner than it may hear a refutation', () => {
  const { flock, bird, puppet } = scene()
  puppet.tell(bird, { ...puppet.record, state: 'suspect', accuser: 'x-0' })
  puppet.exchanges.length = 0
  bird.swim.reportHang(5_000)
  flock.clock.advance(40_000)
  assert.is(bird.swim.member('p-0')?.state, 'suspect')
  assert.equal(puppet.exchanges, [])
  bird.swim.reportHang(0)
  flock.clock.advance(1_000)
  assert.is(bird.swim.member('p-0')?.state, 'suspect')
  assert.ok(
    puppet.exchanges.some(({ type }) => type === 'push-pull'),
    'and asks at once what was said meanwhile',
  )
})

test('a relay passes on that the data path of the target hangs', () => {
  const { flock, bird, puppet } = scene()
  const target = new Puppet(flock, 't-0')
  target.onMessages = (messages) => {
    for (const message of messages)
      if (message.type === 'ping') target.say(bird, { type: 'ack', sequence: message.sequence, from: target.record, hung: true })
  }
  puppet.say(bird, { type: 'ping-request', sequence: 99, target: target.record, address: 't-0:7946', nackAfterMs: 100 })
  flock.clock.advance(20)
  assert.equal(puppet.heard('ack'), [{ type: 'ack', sequence: 99, from: { name: 't-0', generation: 500 }, hung: true }])
  assert.is(bird.swim.stats().hungAnswersTotal, 0, 'it was not the relay that asked')
})

test('the largest records, which do not fit one packet with a ping, get one of their own', () => {
  const flock = new Flock(1)
  const bird = flock.hatch('a'.repeat(128), { seeds: [] })
  const puppet = new Puppet(flock, 'p'.repeat(128))
  flock.clock.advance(1)
  const metaBytes = Buffer.concat([encodeMeta(puppet.record.meta), Buffer.alloc(300)])
  const large = { ...puppet.record, metaBytes, extra: Buffer.alloc(256), accuser: 'x'.repeat(128) }
  puppet.pushPull(bird, [large])
  puppet.tell(bird, { ...large, state: 'suspect' })
  puppet.packets.length = 0
  flock.clock.advance(1_000)
  const withPing = puppet.packets.findIndex((messages) => messages.some(({ type }) => type === 'ping'))
  assert.ok(withPing > 0)
  const before = puppet.packets[withPing - 1]?.[0]
  assert.ok(before?.type === 'member' && before.record.name === large.name && before.record.state === 'suspect')
})

test.run()
