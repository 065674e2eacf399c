/** Candidates from DNS: what its answers say, what its silence does not, and when a member may believe that it is alone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  DnsDiscovery,
  type DnsDiscoveryOptions,
  type DnsResolver,
  ownHosts,
  type Service,
  systemResolver,
} from '../../src/discovery/dns.ts'
import type { DiscoverySnapshot } from '../../src/discovery/index.ts'
import { type Logger, SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { FakeClock } from '../support/fake-clock.ts'

const test = suite('dns discovery')

/** Answers what a test has written down, after 5 ms; null stands for an error. */
class FakeResolver implements DnsResolver {
  readonly asked: string[] = []
  readonly hosts = new Map<string, readonly string[] | null>()
  readonly records = new Map<string, readonly Service[] | null>()
  answers = true
  underWay = 0
  mostUnderWay = 0
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  addresses(name: string, done: (error: Error | null, hosts: readonly string[]) => void): void {
    this.#answer(name, this.hosts.get(name) ?? null, done)
  }

  services(name: string, done: (error: Error | null, services: readonly Service[]) => void): void {
    this.#answer(name, this.records.get(name) ?? null, done)
  }

  #answer<T>(name: string, answer: readonly T[] | null, done: (error: Error | null, found: readonly T[]) => void): void {
    this.asked.push(name)
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay)
    if (!this.answers) return
    this.#clock.after(5, () => {
      this.underWay--
      if (answer === null) done(new Error('ENOTFOUND'), [])
      else done(null, answer)
    })
  }
}

interface Scene {
  readonly clock: FakeClock
  readonly resolver: FakeResolver
  readonly discovery: DnsDiscovery
  readonly heard: DiscoverySnapshot[]
  readonly logged: string[]
  start(): void
  addresses(): (string | null)[] | undefined
}

const NAME = 'jackdaw-gossip'

function scene(options: Partial<DnsDiscoveryOptions> = {}): Scene {
  const clock = new FakeClock()
  const resolver = new FakeResolver(clock)
  const logged: string[] = []
  const logger: Logger = {
    ...SILENT,
    warn: (_fields, message) => void logged.push(message),
    error: (_fields, message) => void logged.push(message),
  }
  const discovery = new DnsDiscovery({
    clock,
    random: new SeededRandom(1),
    logger,
    resolver,
    dnsName: NAME,
    self: 'a',
    advertiseHost: '10.0.0.1',
    ownHosts: ['127.0.0.1', '10.0.0.1', 'fd00::1'],
    gossipPort: 7946,
    ...options,
  })
  const heard: DiscoverySnapshot[] = []
  return {
    clock,
    resolver,
    discovery,
    heard,
    logged,
    start: () => discovery.start({ changed: (snapshot) => void heard.push(snapshot), gone: () => assert.unreachable() }),
    addresses: () => heard.at(-1)?.candidates.map(({ address }) => address),
  }
}

test('the others are candidates without names, this member is one with its own', () => {
  const { clock, resolver, heard, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.2', '10.0.0.1', 'fd00::2', '10.0.0.2'])
  start()
  assert.is(heard.length, 0)
  clock.advance(100)
  const one = (name: string | null, address: string) => ({ name, address, uid: '', knownNotRunning: false, stopping: false })
  assert.equal(heard, [
    { candidates: [one('a', '10.0.0.1:7946'), one(null, '10.0.0.2:7946'), one(null, '[fd00::2]:7946')], wanted: ['a'], heard: true },
  ])
})

test('an answer that says the same in another order tells nothing', () => {
  const { clock, resolver, heard, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.2', '10.0.0.3'])
  start()
  clock.advance(100)
  resolver.hosts.set(NAME, ['10.0.0.3', '10.0.0.2', '10.0.0.1'])
  clock.advance(60_000)
  assert.is(heard.length, 1)
  assert.ok(resolver.asked.length >= 5 && resolver.asked.length <= 9, `asked ${resolver.asked.length} times`)
})

test('an address that comes or goes is told', () => {
  const { clock, resolver, addresses, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.2'])
  start()
  clock.advance(100)
  resolver.hosts.set(NAME, ['10.0.0.2', '10.0.0.3'])
  clock.advance(15_000)
  assert.equal(addresses(), ['10.0.0.1:7946', '10.0.0.2:7946', '10.0.0.3:7946'])
  resolver.hosts.set(NAME, ['10.0.0.3'])
  clock.advance(15_000)
  assert.equal(addresses(), ['10.0.0.1:7946', '10.0.0.3:7946'])
})

for (const [what, silence] of [
  ['an empty answer', (resolver: FakeResolver) => void resolver.hosts.set(NAME, [])],
  ['an error', (resolver: FakeResolver) => void resolver.hosts.set(NAME, null)],
  [
    'silence',
    (resolver: FakeResolver) => {
      resolver.answers = false
    },
  ],
] as const) {
  test(`${what} removes nobody, and is not taken for being alone`, () => {
    const { clock, resolver, heard, addresses, start } = scene()
    resolver.hosts.set(NAME, ['10.0.0.2'])
    start()
    clock.advance(100)
    silence(resolver)
    clock.advance(600_000)
    assert.is(heard.length, 1)
    assert.equal(addresses(), ['10.0.0.1:7946', '10.0.0.2:7946'])
    assert.is(resolver.mostUnderWay, 1)
  })

  test(`${what} from the start tells nothing`, () => {
    const { clock, resolver, heard, start } = scene()
    silence(resolver)
    start()
    clock.advance(600_000)
    assert.is(heard.length, 0)
  })
}

test('while DNS fails it is asked ever less often, is complained of once, and then soon again', () => {
  const { clock, resolver, logged, start } = scene()
  start()
  clock.advance(3_000)
  const first = resolver.asked.length
  assert.ok(first >= 3, `${first}`)
  clock.advance(60_000)
  assert.ok(resolver.asked.length - first <= 12, `${resolver.asked.length - first}`)
  assert.is(logged.length, 1)
  resolver.hosts.set(NAME, ['10.0.0.2'])
  clock.advance(15_000)
  resolver.hosts.set(NAME, null)
  clock.advance(15_000)
  assert.is(logged.length, 2)
})

test('a member that alone is in every answer for three seconds is alone', () => {
  const { clock, resolver, heard, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.1'])
  start()
  clock.advance(2_500)
  assert.is(heard.length, 0)
  clock.advance(3_000)
  assert.is(heard.length, 1)
  assert.equal(heard[0]?.wanted, ['a'])
  assert.equal(
    heard[0]?.candidates.map(({ name }) => name),
    ['a'],
  )
})

test('a pod that appears meanwhile makes it not alone', () => {
  const { clock, resolver, heard, addresses, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.1'])
  start()
  clock.advance(2_000)
  resolver.hosts.set(NAME, ['10.0.0.1', '10.0.0.2'])
  clock.advance(3_000)
  assert.is(heard.length, 1)
  assert.equal(addresses(), ['10.0.0.1:7946', '10.0.0.2:7946'])
})

test('three seconds alone are counted anew when somebody else was there', () => {
  const { clock, resolver, heard, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.1'])
  start()
  clock.advance(2_000)
  resolver.hosts.set(NAME, ['10.0.0.1', '10.0.0.2'])
  clock.advance(2_000)
  resolver.hosts.set(NAME, ['10.0.0.1'])
  clock.runUntilTrue(() => resolver.asked.at(-1) === NAME && heard.length === 1, 1_000, 'the other is told')
  // The next question comes after 7.5 s at the earliest; from its answer on three seconds have to pass.
  const asked = resolver.asked.length
  clock.runUntilTrue(() => resolver.asked.length > asked, 15_000, 'it is asked again')
  clock.advance(2_000)
  assert.is(heard.length, 1)
  clock.advance(4_000)
  assert.is(heard.length, 2)
})

test('one of this machine behind another port is somebody else', () => {
  const { clock, resolver, addresses, start } = scene({ dnsName: '_gossip._udp.local' })
  resolver.records.set('_gossip._udp.local', [
    { name: 'here', port: 7946 },
    { name: 'here', port: 7956 },
  ])
  resolver.hosts.set('here', ['127.0.0.1'])
  start()
  clock.advance(100)
  assert.equal(addresses(), ['10.0.0.1:7946', '127.0.0.1:7956'])
})

test('SRV records name ports, and a target without an address is left out', () => {
  const { clock, resolver, addresses, start } = scene({ dnsName: '_gossip._udp.svc' })
  resolver.records.set('_gossip._udp.svc', [
    { name: 'a.svc', port: 7946 },
    { name: 'b.svc', port: 17_946 },
    { name: 'c.svc', port: 7946 },
  ])
  resolver.hosts.set('a.svc', ['10.0.0.1'])
  resolver.hosts.set('b.svc', ['10.0.0.2', 'fd00::2'])
  start()
  clock.advance(100)
  assert.equal(addresses(), ['10.0.0.1:7946', '10.0.0.2:17946', '[fd00::2]:17946'])
  assert.is(resolver.mostUnderWay, 1)
})

test('of a list without end 256 addresses are told', () => {
  const { clock, resolver, heard, start } = scene()
  resolver.hosts.set(
    NAME,
    Array.from({ length: 5_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`),
  )
  start()
  clock.advance(100)
  assert.is(heard[0]?.candidates.length, 257)
})

test('after close nothing is asked and nothing told', () => {
  const { clock, resolver, discovery, heard, start } = scene()
  resolver.hosts.set(NAME, ['10.0.0.2'])
  start()
  clock.advance(2)
  const asked = resolver.asked.length
  discovery.close()
  clock.advance(60_000)
  assert.is(heard.length, 0)
  assert.is(resolver.asked.length, asked)
})

test('a listener that throws is logged, and does not end the source', () => {
  const { clock, resolver, discovery, logged } = scene()
  resolver.hosts.set(NAME, ['10.0.0.2'])
  let told = 0
  discovery.start({
    changed: () => {
      told++
      throw new Error('a bug')
    },
    gone: () => {},
  })
  clock.advance(100)
  resolver.hosts.set(NAME, ['10.0.0.3'])
  clock.advance(15_000)
  assert.is(told, 2)
  assert.is(logged.length, 2)
})

test('the system knows localhost, and its own addresses', async () => {
  const hosts = await new Promise<readonly string[]>((resolve, reject) => {
    systemResolver().addresses('localhost', (error, found) => (error === null ? resolve(found) : reject(error)))
  })
  assert.ok(hosts.includes('127.0.0.1') || hosts.includes('::1'))
  assert.ok(ownHosts().includes('127.0.0.1'))
})

test.run()
