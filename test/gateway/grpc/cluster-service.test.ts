/** The calls of proto/cluster.proto. */
import { status } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError } from '../../../src/lib/errors.ts'
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import { clusterMember, memberFigures } from '../../support/fake-topology.ts'
import type { Failure } from './grpc-client.ts'
import { withGateway } from './running.ts'

const test = suite('grpc: cluster service')

const CLUSTER = 'jackdaw.cluster.v1.Cluster'

test('Describe tells what GET /cluster does', () =>
  withGateway({}, async ({ cache, connect, gateway }) => {
    const { topology } = cache
    topology.members = [
      clusterMember('fake'),
      clusterMember('other', { state: 'dead', ports: { http: 8080, resp: 0, cluster: 0, text: 0, grpc: 0 } }),
    ]
    topology.ranges = [
      { from: 0, to: 9, holder: 'fake', weak: true, copies: [] },
      { from: 10, to: SLOT_COUNT - 1, holder: null, weak: false, copies: [] },
    ]
    topology.answers = new Map([
      ['fake', memberFigures({ followers: [{ name: 'other', lagMs: 1.6, backlogBytes: 5, incompleteSlots: 6 }] })],
    ])
    const client = connect(CLUSTER, 'cluster.proto')
    const told = await client.call<{ members: Record<string, unknown>[] }>('Describe', { ranges: true })
    const { members, ...rest } = told
    assert.equal(rest, { seen_by: 'fake', version: 1, slots: SLOT_COUNT, unserved_slots: SLOT_COUNT - 10, uncopied_slots: SLOT_COUNT })
    const [own, other] = members
    assert.equal(
      [own?.['state'], own?.['slots'], own?.['weak_slots'], own?.['ranges']],
      ['MEMBER_STATE_ALIVE', 10, 10, [{ from: 0, to: 9 }]],
    )
    const figures = own?.['figures'] as Record<string, unknown>
    assert.equal([figures['ready'], figures['entries'], figures['digest']], [true, 3, '0123456789abcdef'])
    assert.equal(figures['followers'], [{ name: 'other', lag_ms: 2, backlog_bytes: 5, incomplete_slots: 6 }])
    assert.equal([other?.['state'], other?.['figures']], ['MEMBER_STATE_DEAD', null])
    const known = { gossip: 'host-other:7946', peer: 'host-other:7947', http: 'host-other:8080' }
    assert.equal(other?.['addresses'], { ...known, resp: '', cluster: '', text: '', grpc: '' })
    const plain = await client.call<{ members: { ranges: unknown[] }[] }>('Describe')
    assert.equal(plain.members[0]?.ranges, [])
    assert.is(gateway.stats().callsTotal.describe, 2)
  }))

test('Register and Unregister ask the topology, and say why not', () =>
  withGateway({}, async ({ cache, connect }) => {
    const { topology } = cache
    const client = connect(CLUSTER, 'cluster.proto')
    assert.equal(await client.call('Register', { address: '10.0.0.8:7946' }), { met: false })
    topology.joining = 'met'
    assert.equal(await client.call('Register', { address: '10.0.0.8:7946' }), { met: true })
    topology.joining = 'malformed'
    assert.is((await client.call<Failure>('Register', { address: 'x' })).code, status.INVALID_ARGUMENT)
    assert.equal(await client.call('Unregister', { member: 'fake' }), { name: 'fake' })
    topology.retiredName = null
    assert.equal(await client.call('Unregister', { member: '10.0.0.9:7946' }), { name: '' })
    topology.refusal = new CacheError('MEMBER_NOT_FOUND', 'nobody')
    const { code, name } = await client.call<Failure>('Unregister', { member: 'nobody' })
    assert.equal([code, name], [status.NOT_FOUND, 'member_not_found'])
    assert.equal(topology.joined, ['10.0.0.8:7946', '10.0.0.8:7946', 'x'])
    assert.equal(topology.retired, ['fake', '10.0.0.9:7946', 'nobody'])
  }))

test.run()
