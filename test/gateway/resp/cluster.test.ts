/** The port for clients that know of clusters: what is sent elsewhere, what is not, and the map they are given, byte for byte. */
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cache } from '../../../src/cache/cache.ts'
import { SLOT_COUNT, slotOf } from '../../../src/lib/slot.ts'
import { clusterMember, FakeTopology, memberFigures } from '../../support/fake-topology.ts'
import { localCache } from '../../support/local-cache.ts'
import { Client, type Running, startGateway } from './harness.ts'

const test = suite('gateway/resp/cluster')

let running: Running
let clients: Client[] = []

test.after.each(async () => {
  for (const client of clients) client.destroy()
  clients = []
  await running.close()
})

/** A gateway that listens on both ports, before a real cache that is told of a cluster that is not there. */
async function start(topology: FakeTopology): Promise<{ plain: Client; cluster: Client; cache: Cache }> {
  const { cache } = localCache()
  const faked = new Proxy(cache, {
    get: (target, name) => {
      if (name === 'topology') return topology
      // Whatever this cache could answer at once: who serves a key is for the topology to say.
      if (name === 'executeRun') return () => 0
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  running = await startGateway({ cache: faked })
  const port = await running.gateway.listenForClusterClients('127.0.0.1', 0)
  clients = [await running.client(), await Client.connect(port)]
  const [plain, cluster] = clients as [Client, Client]
  return { plain, cluster, cache: faked }
}

/** `other` serves the slots of `keys`; the others are served here. */
function divided(keys: readonly string[], seat: string | null = 'other'): FakeTopology {
  const topology = new FakeTopology()
  topology.members = [clusterMember('fake'), clusterMember('other')]
  for (const key of keys) topology.seats.set(slotOf(Buffer.from(key)), seat)
  return topology
}

function moved(key: string): string {
  return `-MOVED ${slotOf(Buffer.from(key))} host-other:6380\r\n`
}

function idOf(name: string): string {
  return createHash('sha1').update(name).digest('hex')
}

test('a key that another member serves is sent there, on the port for such clients and on no other', async () => {
  const { plain, cluster } = await start(divided(['far']))
  await cluster.ask('SET near 1\nSET far 2\nGET far\nGET near', `+OK\r\n${moved('far')}${moved('far')}$1\r\n1\r\n`)
  await plain.ask('SET far 3\nGET far', '+OK\r\n$1\r\n3\r\n')
  // As client libraries write them, which are read in runs.
  cluster.send('*2\r\n$3\r\nGET\r\n$4\r\nnear\r\n*2\r\n$3\r\nGET\r\n$3\r\nfar\r\n*2\r\n$3\r\nGET\r\n$4\r\nnear\r\n')
  await cluster.expect(`$1\r\n1\r\n${moved('far')}$1\r\n1\r\n`)
  assert.is(running.gateway.stats().redirectsTotal, 3)
})

test('replies keep their order around a redirect', async () => {
  const { cluster } = await start(divided(['far']))
  cluster.send(`${Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? `SET k${i} v` : 'GET far')).join('\r\n')}\r\n`)
  await cluster.expect(Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? '+OK\r\n' : moved('far'))).join(''))
})

test('every kind of command is sent elsewhere by its keys, and without keys none is', async () => {
  const { cluster } = await start(divided(['far', 'a{far}']))
  for (const command of [
    'MGET far a{far}',
    'DEL far',
    'OBJECT ENCODING far',
    'WATCH far',
    'MSETNX far 1',
    'LCS far a{far}',
    'EXISTS far',
  ]) {
    await cluster.ask(command, moved('far'))
  }
  await cluster.ask('PING\nDBSIZE\nPUBLISH far x', '+PONG\r\n:0\r\n:0\r\n')
})

test('keys of several slots are refused, even where one member serves them all', async () => {
  const { plain, cluster } = await start(new FakeTopology())
  const refusal = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
  await cluster.ask('MSET a 1 b 2\nMGET a b\nDEL a b\nRENAME a b', refusal.repeat(4))
  await cluster.ask('MSET {t}a 1 {t}b 2\nMGET {t}a {t}b', '+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n')
  await plain.ask('MSET a 1 b 2', '+OK\r\n')
})

test('a redirect between MULTI and EXEC ends the transaction', async () => {
  const { cluster } = await start(divided(['far']))
  const aborted = '-EXECABORT Transaction discarded because of previous errors.\r\n'
  await cluster.ask('MULTI\nSET near 1\nSET far 1\nEXEC\nGET near', `+OK\r\n+QUEUED\r\n${moved('far')}${aborted}$-1\r\n`)
})

test('a slot that nobody is known to serve is asked for here: the cache waits', async () => {
  const { cluster } = await start(divided(['far'], null))
  await cluster.ask('SET far 1\nGET far', '+OK\r\n$1\r\n1\r\n')
})

test('a slot that was granted and not heard of since is asked for at its heir', async () => {
  const topology = divided(['moving', 'far'])
  const slot = slotOf(Buffer.from('moving'))
  topology.seats.set(slot, null)
  topology.heirs.set(slot, 'other')
  const { plain, cluster } = await start(topology)
  const asked = moved('moving').replace('MOVED', 'ASK')
  assert.match(asked, /^-ASK \d+ host-other:6380\r\n$/)
  await cluster.ask('SET moving 1\nMGET moving moving', asked.repeat(2))
  await plain.ask('SET moving 1', '+OK\r\n')
})

test('ASKING has one command executed here, whoever serves its slot', async () => {
  const { cluster, plain } = await start(divided(['far']))
  await cluster.ask('ASKING\nSET far 1\nGET far', `+OK\r\n+OK\r\n${moved('far')}`)
  await cluster.ask('ASKING\nPING\nGET far', `+OK\r\n+PONG\r\n${moved('far')}`)
  await cluster.ask('ASKING\nRESET\nGET far', `+OK\r\n+RESET\r\n${moved('far')}`)
  await cluster.ask('ASKING\nGET near\nGET far', `+OK\r\n$-1\r\n${moved('far')}`)
  await plain.ask('ASKING\nGET far', '+OK\r\n$1\r\n1\r\n')
})

test('a holder without such a port is not sent to: its keys are asked for here', async () => {
  const topology = divided(['far'])
  topology.members = [
    clusterMember('fake'),
    clusterMember('other', { ports: { http: 8080, resp: 6379, cluster: 0, text: 31_337, grpc: 50_051 } }),
  ]
  const { cluster } = await start(topology)
  await cluster.ask('SET far 1', '+OK\r\n')
})

test('READONLY keeps reads of slots that are copied here, READWRITE and RESET end it', async () => {
  const topology = divided(['copied', 'far'])
  topology.copiesHere.add(slotOf(Buffer.from('copied')))
  const { cluster } = await start(topology)
  await cluster.ask('GET copied\nREADONLY', `${moved('copied')}+OK\r\n`)
  await cluster.ask('GET copied\nSET copied 1\nGET far', `$-1\r\n${moved('copied')}${moved('far')}`)
  await cluster.ask('READWRITE\nGET copied', `+OK\r\n${moved('copied')}`)
  await cluster.ask('READONLY\nRESET\nGET copied', `+OK\r\n+RESET\r\n${moved('copied')}`)
  await cluster.ask('ASKING', '+OK\r\n')
})

test('INFO, HELLO and CONFIG say which of the two ports it is', async () => {
  const { plain, cluster } = await start(new FakeTopology())
  for (const [client, enabled, mode, word] of [
    [plain, 0, 'standalone', 'no'],
    [cluster, 1, 'cluster', 'yes'],
  ] as const) {
    client.send('INFO\r\nPING\r\n')
    const info = await client.readTo('+PONG\r\n')
    assert.match(info, `cluster_enabled:${enabled}\r\n`)
    assert.match(info, `redis_mode:${mode}\r\n`)
    client.send('HELLO\r\nPING\r\n')
    assert.match(await client.readTo('+PONG\r\n'), `mode\r\n$${mode.length}\r\n${mode}\r\n`)
    await client.ask('CONFIG GET cluster-enabled', `*2\r\n$15\r\ncluster-enabled\r\n$${word.length}\r\n${word}\r\n`)
  }
})

function threeRanges(): FakeTopology {
  const topology = new FakeTopology()
  topology.members = [
    clusterMember('fake'),
    clusterMember('other', { state: 'suspect' }),
    clusterMember('late', { state: 'dead' }),
    clusterMember('gone', { state: 'left' }),
  ]
  topology.ranges = [
    { from: 0, to: 99, holder: 'fake', weak: false, copies: [{ name: 'other', complete: true }] },
    { from: 100, to: 100, holder: 'other', weak: true, copies: [{ name: 'fake', complete: false }] },
    { from: 101, to: 200, holder: null, weak: false, copies: [] },
    { from: 201, to: SLOT_COUNT - 1, holder: 'fake', weak: false, copies: [] },
  ]
  return topology
}

test('CLUSTER SLOTS names holders and complete copies, in both protocols, on both ports', async () => {
  const { plain, cluster } = await start(threeRanges())
  const node = (name: string, none: string): string =>
    `*4\r\n$${5 + name.length}\r\nhost-${name}\r\n:6380\r\n$40\r\n${idOf(name)}\r\n${none}\r\n`
  const expected = (none: string): string =>
    `*3\r\n*4\r\n:0\r\n:99\r\n${node('fake', none)}${node('other', none)}` +
    `*3\r\n:100\r\n:100\r\n${node('other', none)}*3\r\n:201\r\n:16383\r\n${node('fake', none)}`
  await plain.ask('CLUSTER SLOTS', expected('*0'))
  await cluster.ask('CLUSTER SLOTS\nCLUSTER SLOTS', expected('*0').repeat(2))
  cluster.send('HELLO 3\r\nPING\r\n')
  await cluster.readTo('+PONG\r\n')
  await cluster.ask('CLUSTER SLOTS', expected('%0'))
})

test('CLUSTER NODES, SHARDS and INFO tell of members that are there or are missed, and not of those that left', async () => {
  const { cluster } = await start(threeRanges())
  cluster.send('CLUSTER NODES\r\nPING\r\n')
  const nodes = await cluster.readTo('+PONG\r\n')
  assert.match(nodes, `${idOf('fake')} host-fake:6380@7946 myself,master - 0 0 1 connected 0-99 201-16383\n`)
  assert.match(nodes, `${idOf('other')} host-other:6380@7946 master,fail? - 0 0 1 connected 100\n`)
  assert.match(nodes, `${idOf('late')} host-late:6380@7946 master,fail - 0 0 1 disconnected\n`)
  assert.not.match(nodes, idOf('gone'))
  cluster.send('CLUSTER INFO\r\nPING\r\n')
  const info = await cluster.readTo('+PONG\r\n')
  for (const line of ['state:fail', 'slots_assigned:16284', 'slots_ok:16283', 'slots_pfail:1', 'known_nodes:3', 'size:2']) {
    assert.match(info, `cluster_${line}\r\n`)
  }
  cluster.send('CLUSTER SHARDS\r\nPING\r\n')
  const shards = await cluster.readTo('+PONG\r\n')
  assert.match(shards, '*3\r\n*4\r\n$5\r\nslots\r\n*4\r\n:0\r\n:99\r\n:201\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n*14\r\n$2\r\nid\r\n')
  assert.match(shards, '$4\r\nrole\r\n$6\r\nmaster\r\n')
  assert.match(shards, '$6\r\nhealth\r\n$6\r\nfailed\r\n')
  assert.not.match(shards, 'availability-zone')
})

test('CLUSTER SHARDS tells the zone of a member that has one', async () => {
  const topology = new FakeTopology()
  topology.members = [clusterMember('fake', { zone: 'east' })]
  const { cluster } = await start(topology)
  cluster.send('CLUSTER SHARDS\r\nPING\r\n')
  const shards = await cluster.readTo('+PONG\r\n')
  assert.match(shards, '*1\r\n*16\r\n$2\r\nid\r\n')
  assert.match(shards, '$6\r\nonline\r\n$17\r\navailability-zone\r\n$4\r\neast\r\n')
})

test('a new picture is rendered anew', async () => {
  const topology = new FakeTopology()
  const { cluster } = await start(topology)
  cluster.send('CLUSTER NODES\r\nPING\r\n')
  assert.match(await cluster.readTo('+PONG\r\n'), 'connected 0-16383')
  const before = topology.picture()
  topology.ranges = [{ from: 0, to: SLOT_COUNT - 1, holder: null, weak: false, copies: [] }]
  assert.is.not(topology.picture(), before)
  cluster.send('CLUSTER NODES\r\nPING\r\n')
  assert.match(await cluster.readTo('+PONG\r\n'), 'connected\n')
})

test('what concerns one slot or one member: KEYSLOT, COUNTKEYSINSLOT, GETKEYSINSLOT, MYID', async () => {
  const topology = new FakeTopology()
  topology.keys.set(7, [Buffer.from('a'), Buffer.from('b')])
  const { cluster } = await start(topology)
  await cluster.ask('CLUSTER KEYSLOT foo\nCLUSTER KEYSLOT a{foo}b', ':12182\r\n:12182\r\n')
  await cluster.ask('CLUSTER COUNTKEYSINSLOT 7\nCLUSTER COUNTKEYSINSLOT 8', ':2\r\n:0\r\n')
  await cluster.ask('CLUSTER GETKEYSINSLOT 7 1\nCLUSTER GETKEYSINSLOT 7 9', '*1\r\n$1\r\na\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n')
  await cluster.ask(
    'CLUSTER COUNTKEYSINSLOT 16384\nCLUSTER COUNTKEYSINSLOT x',
    '-ERR Invalid slot\r\n-ERR value is not an integer or out of range\r\n',
  )
  topology.keys.set(
    9,
    Array.from({ length: 10_001 }, () => Buffer.from('k')),
  )
  await cluster.ask('CLUSTER GETKEYSINSLOT 9 99999999999', `*10000\r\n${'$1\r\nk\r\n'.repeat(10_000)}`)
  await cluster.ask('CLUSTER GETKEYSINSLOT 1 -1', '-ERR Invalid slot or number of keys\r\n')
  await cluster.ask('CLUSTER MYID', `$40\r\n${idOf('fake')}\r\n`)
})

test('CLUSTER REPORT tells in JSON what is known, with ranges if asked', async () => {
  const topology = threeRanges()
  topology.answers = new Map([['fake', memberFigures({ entries: 5 })]])
  const { plain } = await start(topology)
  const report = async (command: string): Promise<Record<string, unknown> & { members: Record<string, unknown>[] }> => {
    plain.send(`${command}\r\nPING\r\n`)
    const text = await plain.readTo('+PONG\r\n')
    return JSON.parse(text.slice(text.indexOf('\n') + 1, -'\r\n+PONG\r\n'.length))
  }
  const { members, ...rest } = await report('CLUSTER REPORT')
  assert.equal(rest, { seenBy: 'fake', version: 1, slots: 16_384, unservedSlots: 100, uncopiedSlots: 16_284 })
  assert.equal(
    members.map(({ name, state, slots, weakSlots, figures }) => [name, state, slots, weakSlots, figures === null]),
    [
      ['fake', 'alive', 16_283, 0, false],
      ['other', 'suspect', 1, 1, true],
      ['late', 'dead', 0, 0, true],
      ['gone', 'left', 0, 0, true],
    ],
  )
  assert.is('ranges' in (members[0] as object), false)
  assert.equal((await report('CLUSTER REPORT RANGES')).members[0]?.['ranges'], [
    [0, 99],
    [201, 16_383],
  ])
  await plain.ask('CLUSTER REPORT x', '-ERR syntax error\r\n')
})

test.run()
