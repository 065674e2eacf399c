/** The topology as one member draws it, from routes and a roster that the test writes down. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterTopology } from '../../src/cache/cluster-topology.ts'
import type { Roster } from '../../src/cache/roster.ts'
import type { ClusterReport, Copy } from '../../src/cache/topology.ts'
import { decodeFigures, encodeFigures, KIND_FIGURES, KIND_RETIRE } from '../../src/cache/topology-messages.ts'
import { MalformedError } from '../../src/lib/bytes.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { clusterMember, loneRoster, memberFigures } from '../support/fake-topology.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'
import { term } from './trio.ts'

const test = suite('cluster topology')

interface Setting {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly member: FakeMember
  readonly topology: ClusterTopology
}

/** Of the member `a`, which knows `b` and `c`. */
function setting(roster: Partial<Roster> = {}): Setting {
  const clock = new FakeClock()
  const network = new FakeNetwork(clock)
  const topologies = ['a', 'b', 'c'].map((name) => {
    const member = new FakeMember(name, network)
    const { hybrid, store } = member
    const members = ['a', 'b', 'c'].sort((one, other) => Number(other === name) - Number(one === name)).map((one) => clusterMember(one))
    return new ClusterTopology({
      name,
      clock,
      hybrid,
      store,
      authority: member,
      calls: member,
      roster:
        name === 'a' ? withParts({ ...loneRoster(name), members: () => members }, roster) : { ...loneRoster(name), members: () => members },
    })
  })
  return { clock, network, member: network.members.get('a') as FakeMember, topology: topologies[0] as ClusterTopology }
}

/** Getters stay getters. */
function withParts(roster: Roster, parts: Partial<Roster>): Roster {
  return Object.defineProperties(roster, Object.getOwnPropertyDescriptors(parts))
}

function ask(clock: FakeClock, topology: ClusterTopology): ClusterReport {
  let report: ClusterReport | null = null
  topology.report(false, (told) => {
    report = told
  })
  clock.runUntilTrue(() => report !== null, 1500, 'the report', 1)
  return report as unknown as ClusterReport
}

test('a client is sent to a live holder, and stays here while the holder is in doubt or about to change', () => {
  const moving = new Set<number>([3, 4])
  const states = { b: 'alive', c: 'suspect' } as const
  const { member, topology } = setting({
    members: () => [clusterMember('a'), clusterMember('b', { state: states.b }), clusterMember('c', { state: states.c })],
    isMoving: (slot) => moving.has(slot),
    lost: () => memberFigures().lost,
  })
  member.routes.set(1, 'b').set(2, 'c').set(3, 'b').set(4, 'here').set(5, null).set(6, 'unheard-of')
  assert.equal(
    [0, 1, 2, 3, 4, 5, 6].map((slot) => topology.seat(slot)),
    ['here', 'b', null, null, 'here', null, null],
  )
  assert.equal(
    [0, 1, 2, 3, 4].map((slot) => topology.heir(slot)),
    [null, null, null, 'b', null],
    'its heir is known where it was granted, and no news of it has come',
  )
})

test('neighbouring slots with the same holder, mark and copies make one range', () => {
  const complete = { name: 'b', complete: true }
  const partial = { name: 'b', complete: false }
  const copies = (slot: number): readonly Copy[] => (slot < 10 ? [complete] : slot < 20 ? [partial] : slot < 30 ? [partial, complete] : [])
  const { member, topology } = setting({ copies: () => copies })
  for (let slot = 5; slot < 15; slot++) member.routes.set(slot, 'c')
  for (let slot = 12; slot < 15; slot++) member.terms.set(slot, { ...term('c', 1), strong: false })
  member.routes.set(40, null)
  assert.equal(topology.picture().ranges, [
    { from: 0, to: 4, holder: 'a', weak: false, copies: [complete] },
    { from: 5, to: 9, holder: 'c', weak: false, copies: [complete] },
    { from: 10, to: 11, holder: 'c', weak: false, copies: [partial] },
    { from: 12, to: 14, holder: 'c', weak: true, copies: [partial] },
    { from: 15, to: 19, holder: 'a', weak: false, copies: [partial] },
    { from: 20, to: 29, holder: 'a', weak: false, copies: [partial, complete] },
    { from: 30, to: 39, holder: 'a', weak: false, copies: [] },
    { from: 40, to: 40, holder: null, weak: false, copies: [] },
    { from: 41, to: SLOT_COUNT - 1, holder: 'a', weak: false, copies: [] },
  ])
})

test('the picture is drawn anew when routes or members have changed, and not more than ten times a second', () => {
  let version = '1'
  const { clock, member, topology } = setting({
    get version() {
      return version
    },
  })
  const first = topology.picture()
  assert.is(topology.picture(), first)
  member.routeVersion++
  assert.is(topology.version, first.version + 1)
  assert.is(topology.picture(), first)
  clock.advance(100)
  const second = topology.picture()
  assert.is(second.version, first.version + 1)
  clock.advance(100)
  assert.is(topology.picture(), second)
  version = '2'
  assert.is(topology.picture().version, second.version + 1)
})

test('a member is found by its present facts', () => {
  let version = '1'
  let zone = 'east'
  const { topology } = setting({
    get version() {
      return version
    },
    members: () => [clusterMember('a'), clusterMember('b', { zone })],
  })
  assert.is(topology.member('b')?.zone, 'east')
  zone = 'west'
  version = '2'
  assert.is(topology.member('b')?.zone, 'west')
  assert.is(topology.member('z'), undefined)
})

test('figures are asked of all live members, and missed of those that do not answer', () => {
  const { clock, network, topology } = setting()
  network.failing.set('c', 'lost')
  const report = ask(clock, topology)
  assert.equal(
    report.members.map(({ name, figures }) => [name, figures?.primarySlots ?? null]),
    [
      ['a', SLOT_COUNT],
      ['b', SLOT_COUNT],
      ['c', null],
    ],
  )
  network.failing.set('b', 'unreachable')
  assert.equal(
    ask(clock, topology).members.map(({ figures }) => figures === null),
    [false, true, true],
  )
})

test('a digest is the same for the same entries, whatever their order', () => {
  const digests = [
    ['x', 'y', 'z'],
    ['z', 'x', 'y'],
    ['x', 'y'],
  ].map((keys) => {
    const { clock, member, topology } = setting()
    for (const key of keys) member.put(key, 'value', (entry) => entry.setVersion(1000, 0, 'w'))
    return ask(clock, topology).members[0]?.figures?.digest
  })
  assert.match(digests[0] as string, /^[0-9a-f]{16}$/)
  assert.is(digests[1], digests[0])
  assert.is.not(digests[2], digests[0])
})

test('a member is asked to leave by its name, or by any of its addresses', () => {
  const retired: string[] = []
  const { clock, network, topology } = setting({ retire: () => retired.push('a'), forget: (address) => address === '10.9.9.9:7946' })
  const outcomes: (string | null)[] = []
  const retire = (member: string): string | null | undefined => {
    topology.retire(member, (error: CacheError | null, name) => void outcomes.push(error?.code ?? name))
    clock.advance(2500)
    return outcomes.at(-1)
  }
  assert.is(retire('b'), 'b')
  for (const address of ['host-b:7946', 'host-b:7947', 'host-b:8080', 'host-b:6379', 'host-b:6380', 'host-b:31337', 'host-b:50051']) {
    assert.is(retire(address), 'b', address)
  }
  assert.is(network.log.filter((line) => line === `a>b ${KIND_RETIRE}`).length, 8)
  assert.equal(retired, [])
  assert.is(retire('host-a:8080'), 'a')
  assert.equal(retired, ['a'])
  assert.is(retire('host-b:1'), 'MEMBER_NOT_FOUND')
  assert.is(retire('10.9.9.9:7946'), null)
  network.failing.set(`b ${KIND_RETIRE}`, 'lost')
  assert.is(retire('b'), 'TRY_AGAIN')
  assert.is(outcomes.length, 12)
})

test('figures travel whole, cut short they are malformed, and what a later version appends is ignored', () => {
  const figures = memberFigures({
    followers: [{ name: 'b', lagMs: 12, backlogBytes: 2 ** 40, incompleteSlots: 7 }],
    lost: { conflict: 1, stop: 2, discarded: 3, atLeast: 4, atMost: 5, windowMs: 6 },
  })
  const bytes = encodeFigures(figures)
  assert.equal(decodeFigures(bytes), figures)
  assert.equal(decodeFigures(Buffer.concat([bytes, Buffer.from('more')])), figures)
  // A member of an earlier version has no ledger, and ends before it.
  const earlier = bytes.length - (5 * 6 + 4)
  assert.is(decodeFigures(bytes.subarray(0, earlier)).lost.conflict, 0)
  for (let length = 0; length < bytes.length; length++) {
    if (length === earlier) continue
    assert.throws(
      () => decodeFigures(bytes.subarray(0, length)),
      (error: unknown) => error instanceof MalformedError,
    )
  }
  assert.is(KIND_FIGURES, 40)
})

test.run()
