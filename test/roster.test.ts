/** The roster: addresses that operators register. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Member, Membership } from '../src/membership/index.ts'
import type { Replication } from '../src/replication/index.ts'
import { NodeRoster } from '../src/roster.ts'
import { meta } from './membership/flock.ts'

const test = suite('roster')

function member(name: string, address: string, state: Member['state']): Member {
  return { name, generation: 1, incarnation: 0, state, address, meta: meta(`uid-${name}`) }
}

function setting(others: readonly Member[] = []): { roster: NodeRoster; changes: () => number; told: object[] } {
  let changes = 0
  const told: object[] = []
  const membership = {
    self: () => member('self', '10.0.0.1:7946', 'alive'),
    members: () => others,
    updateMeta: (change: object) => void told.push(change),
  } as unknown as Membership
  const roster = new NodeRoster({
    membership,
    replication: () => ({ survey: { version: 'v' } }) as unknown as Replication,
    leaving: () => false,
    ready: () => true,
    retire: () => {},
    registeredChanged: () => changes++,
  })
  return { roster, changes: () => changes, told }
}

test('an address is asked until it is forgotten; one of a member that is there is met already', () => {
  const { roster, changes } = setting([member('b', '10.0.0.2:7946', 'suspect'), member('c', '10.0.0.3:7946', 'dead')])
  assert.is(roster.join('10.0.0.1:7946'), 'met')
  assert.is(roster.join('10.0.0.2:7946'), 'met')
  assert.equal([roster.registered, changes()], [[], 0])
  assert.is(roster.join('10.0.0.3:7946'), 'asked')
  assert.is(roster.join('host.example:7946'), 'asked')
  assert.equal([roster.registered, changes()], [['10.0.0.3:7946', 'host.example:7946'], 2])
  assert.is(roster.forget('10.0.0.3:7946'), true)
  assert.is(roster.forget('10.0.0.3:7946'), false)
  assert.equal([roster.registered, changes()], [['host.example:7946'], 3])
  for (const address of ['', 'host', 'host:', 'host:0', 'host:65536', ':7946', 'fd00::6:7946'])
    assert.is(roster.join(address), 'malformed', address)
  assert.is(roster.join('[fd00::6]:7946'), 'asked')
})

test('the oldest address makes room', () => {
  const { roster } = setting()
  for (let i = 1; i <= 100; i++) roster.join(`10.0.1.${i}:7946`)
  assert.is(roster.registered.length, 64)
  assert.equal([roster.registered[0], roster.registered.at(-1)], ['10.0.1.37:7946', '10.0.1.100:7946'])
  roster.join('10.0.1.37:7946')
  roster.join('10.0.1.101:7946')
  assert.ok(roster.registered.includes('10.0.1.37:7946'), 'one that is registered again is the newest')
})

test('ports are told to the others, shown at once, and make another version', () => {
  const { roster, told } = setting()
  const { version } = roster
  const ports = { http: 1, resp: 2, cluster: 3, text: 4, grpc: 5 }
  roster.announce(ports)
  assert.equal(told, [{ facePorts: ports }])
  assert.equal(roster.members()[0]?.ports, ports)
  assert.is.not(roster.version, version)
  assert.is(roster.members()[0]?.host, '10.0.0.1')
})

test.run()
