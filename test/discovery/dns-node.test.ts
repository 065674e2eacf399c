/** Nodes that know of each other by DNS alone: the first starts by itself, and the next one never takes itself for the first. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DnsDiscovery, type DnsResolver } from '../../src/discovery/index.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { Swim } from '../../src/membership/index.ts'
import { Node } from '../../src/node.ts'
import { FakeClock, HostClock } from '../support/fake-clock.ts'
import { MemoryNetwork } from '../support/memory-network.ts'

const test = suite('nodes found by DNS')

class Scene {
  readonly clock = new FakeClock()
  readonly network = new MemoryNetwork(this.clock, new SeededRandom(2))
  /** What DNS answers. */
  hosts: readonly string[] = []

  start(name: string, host: string): Node {
    const clock = new HostClock(this.clock)
    const machine = this.network.host(host, clock)
    const random = new SeededRandom(host.length)
    const resolver: DnsResolver = {
      addresses: (_name, done) => clock.soon(() => done(null, this.hosts)),
      services: () => assert.unreachable(),
    }
    const dns = {
      clock,
      random,
      logger: SILENT,
      resolver,
      dnsName: 'flock',
      self: name,
      advertiseHost: host,
      ownHosts: [],
      gossipPort: 7946,
    }
    const node = new Node(
      {
        name,
        clusterId: 'dns',
        gossipAddress: `${host}:7946`,
        peerAddress: `${host}:7947`,
        podUid: '',
        zone: '',
        replicas: 1,
        maxMemoryBytes: 2 ** 26,
        evictionPolicy: 'allkeys-lru',
        limits: { maxKeyBytes: 1024, maxValueBytes: 2 ** 20 },
        forwardTimeoutMs: 5000,
        partition: 'serve',
        platformDecides: false,
      },
      {
        clock,
        random,
        logger: SILENT,
        membership: (self, events) =>
          new Swim({
            clock,
            random,
            logger: SILENT,
            packets: machine.packets(7946),
            exchanges: machine.exchanges(7946),
            clusterId: 'dns',
            self,
            events,
          }),
        hung: () => false,
        streams: machine.streams(7947),
        discovery: new DnsDiscovery(dns),
        superseded: () => assert.unreachable(),
        wantedAgain: () => assert.unreachable(),
      },
    )
    node.start()
    return node
  }
}

test('one that is alone in the answers becomes ready by itself, and one that joins it by address as well', () => {
  const scene = new Scene()
  scene.hosts = ['10.0.0.1']
  const first = scene.start('a', '10.0.0.1')
  scene.clock.advance(2_000)
  assert.is(first.ready().ok, false)
  scene.clock.runUntilTrue(() => first.ready().ok, 10_000, 'the first is ready')
  scene.hosts = ['10.0.0.1', '10.0.0.2']
  const second = scene.start('b', '10.0.0.2')
  scene.clock.runUntilTrue(() => second.ready().ok, 20_000, 'the second is ready')
  assert.is(second.stats().membership.alive, 1)
  assert.is(second.stats().replication.slotsLostTotal, 0)
  // An address that nobody answers at holds up no readiness of one that has met the others.
  scene.hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.9', '10.0.0.3']
  const third = scene.start('c', '10.0.0.3')
  scene.clock.runUntilTrue(() => third.ready().ok, 30_000, 'the third is ready')
  for (const node of [first, second, third]) node.close()
})

test('two that start at once and meet know that nobody else is to be asked', () => {
  const scene = new Scene()
  scene.hosts = ['10.0.0.1', '10.0.0.2']
  const nodes = [scene.start('a', '10.0.0.1'), scene.start('b', '10.0.0.2')]
  scene.clock.runUntilTrue(() => nodes.every((node) => node.ready().ok), 15_000, 'both are ready')
  for (const node of nodes) node.close()
})

test('one that DNS says nothing of, or that sees somebody else whom it does not reach, claims nothing', () => {
  const scene = new Scene()
  const node = scene.start('a', '10.0.0.1')
  scene.clock.advance(60_000)
  assert.is(node.stats().replication.primarySlots, 0)
  scene.hosts = ['10.0.0.1', '10.0.0.2']
  scene.clock.advance(60_000)
  assert.is(node.stats().replication.primarySlots, 0)
  assert.is(node.ready().ok, false)
  node.close()
})

test.run()
