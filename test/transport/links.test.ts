/** Links over a network in memory: the handshake, who is refused, how a broken link comes back, and what ends with a peer's life. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter } from '../../src/lib/bytes.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../../src/lib/protocol.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { type Link, Links, type LinkUser, type PeerIdentity } from '../../src/transport/links.ts'
import type { Address, Channel, MessageStream, StreamTransport } from '../../src/transport/transport.ts'
import { FakeClock, HostClock } from '../support/fake-clock.ts'
import { MemoryNetwork } from '../support/memory-network.ts'

const test = suite('links')

const PORT = 7947

/** One member: its links, and what they told it. */
class Party {
  readonly links: Links
  readonly streams: StreamTransport
  readonly clock: HostClock
  readonly heard: string[] = []
  readonly troubles: string[] = []
  readonly warnings: string[] = []
  readonly host: string
  readonly dialledLinks: Link[] = []
  readonly acceptedLinks: Link[] = []
  readonly dialTimes: number[] = []
  identity: PeerIdentity

  constructor(base: FakeClock, network: MemoryNetwork, name: string, generation: number, clusterId: string = 'flock') {
    this.identity = { name, generation }
    this.host = name
    this.clock = new HostClock(base)
    const streams = network.host(name, this.clock).streams(PORT)
    this.streams = streams
    this.links = new Links({
      self: () => this.identity,
      clusterId,
      streams: {
        dial: (to, channel, handlers) => {
          this.dialTimes.push(base.now())
          return streams.dial(to, channel, handlers)
        },
        onStream: (accept) => streams.onStream(accept),
      },
      clock: this.clock,
      random: new SeededRandom(generation),
      logger: { ...SILENT, warn: (fields) => this.warnings.push(JSON.stringify(fields)) },
      onTrouble: (peer) => this.troubles.push(peer),
    })
  }

  use(...channels: Channel[]): this {
    for (const channel of channels) this.links.use(channel, this.#user())
    return this
  }

  #user(): LinkUser {
    const handlers = (link: Link, how: string) => {
      const what = `${how} ${link.channel} ${link.peer.name}/${link.peer.generation}`
      this.heard.push(what)
      return {
        message: (message: Buffer) => this.heard.push(`${what}: ${message}`),
        closed: () => this.heard.push(`${what} closed`),
      }
    }
    return {
      dialled: (link) => {
        this.dialledLinks.push(link)
        return handlers(link, 'dialled')
      },
      accepted: (link) => {
        this.acceptedLinks.push(link)
        return handlers(link, 'accepted')
      },
    }
  }
}

interface Pair {
  readonly clock: FakeClock
  readonly network: MemoryNetwork
  readonly a: Party
  readonly b: Party
}

function pair(clusters: { readonly a?: string; readonly b?: string } = {}): Pair {
  const clock = new FakeClock()
  const network = new MemoryNetwork(clock, new SeededRandom(1))
  return { clock, network, a: new Party(clock, network, 'a', 11, clusters.a), b: new Party(clock, network, 'b', 22, clusters.b) }
}

const address = (party: Party): Address => `${party.host}:${PORT}`

function connected(): Pair {
  const all = pair()
  all.a.use('replication')
  all.b.use('replication')
  all.a.links.keep(all.b.identity, address(all.b))
  all.clock.advance(50)
  return all
}

/** A stream that does not go through `Links`: sends what it likes, and keeps what comes back. */
function raw(from: Party, to: Party, first: Buffer, clock: FakeClock): { stream: MessageStream; answers: Buffer[] } {
  const answers: Buffer[] = []
  const stream = from.streams.dial(address(to), 'replication', { message: (message) => answers.push(message), closed: () => {} })
  stream.send(first)
  clock.advance(50)
  return { stream, answers }
}

interface Hello {
  readonly magic?: string
  readonly min?: number
  readonly max?: number
  readonly cluster?: string
  readonly to?: PeerIdentity
  readonly more?: Buffer
}

function hello({
  magic = 'JKDW',
  min = PROTOCOL_MIN,
  max = PROTOCOL_MAX,
  cluster = 'flock',
  to = { name: 'b', generation: 22 },
  more,
}: Hello): Buffer {
  const writer = new ByteWriter().raw(Buffer.from(magic)).u8(min).u8(max).text(cluster)
  writer.text('x').u48(99).text(to.name).u48(to.generation)
  return writer.raw(more ?? Buffer.alloc(0)).toBuffer()
}

function verdict(answer: Buffer | undefined): { accepted: boolean; protocol?: number; why?: string } {
  const reader = new ByteReader(answer as Buffer)
  assert.is(reader.raw(4).toString(), 'JKDW')
  return reader.u8() === 0 ? { accepted: true, protocol: reader.u8() } : { accepted: false, why: reader.text() }
}

test('a kept peer is dialled once a channel in use, and both sides learn who the other is', () => {
  const { clock, a, b } = pair()
  a.use('request', 'replication', 'bulk')
  b.use('request', 'replication', 'bulk')
  a.links.keep(b.identity, address(b))
  clock.advance(50)
  const channels = ['request', 'replication', 'bulk']
  assert.equal([...a.heard].sort(), channels.map((channel) => `dialled ${channel} b/22`).sort())
  assert.equal([...b.heard].sort(), channels.map((channel) => `accepted ${channel} a/11`).sort())
  assert.is(a.dialTimes.length, 3)
})

test('messages pass both ways, in order', () => {
  const { clock, a, b } = connected()
  for (const text of ['1', '2', '3']) {
    a.dialledLinks[0]?.send(Buffer.from(text))
    b.acceptedLinks[0]?.send(Buffer.from(`re ${text}`))
  }
  clock.advance(50)
  assert.equal(a.heard.slice(1), ['dialled replication b/22: re 1', 'dialled replication b/22: re 2', 'dialled replication b/22: re 3'])
  assert.equal(b.heard.slice(1), ['accepted replication a/11: 1', 'accepted replication a/11: 2', 'accepted replication a/11: 3'])
})

test('to keep a peer that is kept changes nothing', () => {
  const { clock, a, b } = connected()
  a.links.keep(b.identity, address(b))
  clock.advance(50)
  assert.is(a.dialTimes.length, 1)
  assert.equal(a.heard, ['dialled replication b/22'])
})

const HELLOS: readonly (readonly [string, Hello, RegExp | null])[] = [
  ['the right one', {}, null],
  ['one with fields that are not known yet', { more: Buffer.from('more') }, null],
  ['one of a wider range of protocols', { min: 0, max: PROTOCOL_MAX + 9 }, null],
  ['one of another cluster', { cluster: 'other' }, /cluster/],
  ['one for an earlier life of the name', { to: { name: 'b', generation: 21 } }, /generation/],
  ['one for a later life of the name', { to: { name: 'b', generation: 23 } }, /generation/],
  ['one for another name', { to: { name: 'c', generation: 22 } }, /another member/],
  ['one that speaks later protocols only', { min: PROTOCOL_MAX + 1, max: PROTOCOL_MAX + 3 }, /protocol/],
  ['one that speaks earlier protocols only', { min: 0, max: PROTOCOL_MIN - 1 }, /protocol/],
  ['one that is none', { magic: 'HTTP' }, /no hello/],
]

test('a refusal tells nobody what the cluster and the member are called, and which life this is; the log of the member does', () => {
  const { clock, a, b } = pair({ b: 'secretive' })
  b.identity = { name: 'hidden', generation: 987_654 }
  b.use('replication')
  for (const fields of [{}, { cluster: 'secretive' }, { cluster: 'secretive', to: { name: 'hidden', generation: 1 } }, { max: 0 }]) {
    const told = verdict(raw(a, b, hello(fields), clock).answers[0]).why as string
    for (const secret of ['secretive', 'hidden', '987654']) assert.not(told.includes(secret), told)
  }
  assert.match(b.warnings[0] as string, /secretive/)
  assert.match(b.warnings[1] as string, /hidden of generation 987654/)
})

test('a hello with a name that is no UTF-8 is refused', () => {
  const { clock, a, b } = pair()
  b.use('replication')
  for (const at of ['flock', 'x', 'b']) {
    const bytes = hello({})
    // The text's only or last byte.
    bytes[bytes.indexOf(Buffer.of(at.length, ...Buffer.from(at))) + at.length] = 0xff
    assert.equal(verdict(raw(a, b, bytes, clock).answers[0]), { accepted: false, why: 'no hello' })
  }
  assert.equal(b.heard, [])
})

for (const [what, fields, refusal] of HELLOS) {
  test(`a hello: ${what} is ${refusal === null ? 'welcomed' : 'refused, with the reason'}`, () => {
    const { clock, a, b } = pair()
    b.use('replication')
    const { answers } = raw(a, b, hello(fields), clock)
    assert.is(answers.length, 1)
    const answer = verdict(answers[0])
    if (refusal === null) {
      assert.equal(answer, { accepted: true, protocol: PROTOCOL_MAX })
      assert.equal(b.heard, ['accepted replication x/99'])
    } else {
      assert.not(answer.accepted)
      assert.match(answer.why as string, refusal)
      assert.equal(b.heard, [])
    }
  })
}

test('a hello that is truncated at any byte is refused, and the member goes on', () => {
  const { clock, a, b } = pair()
  b.use('replication')
  const whole = hello({})
  for (let length = 0; length < whole.length; length++) {
    const { answers, stream } = raw(a, b, whole.subarray(0, length), clock)
    assert.not(verdict(answers[0]).accepted, `${length} bytes`)
    stream.close()
  }
  assert.equal(b.heard, [])
  assert.ok(verdict(raw(a, b, whole, clock).answers[0]).accepted)
})

test('a stream of a life that nobody has told of is accepted', () => {
  const { clock, a, b } = pair()
  b.use('replication')
  raw(a, b, hello({}), clock)
  assert.equal(b.heard, ['accepted replication x/99'])
})

for (const [what, clusters, wrong] of [
  ['another cluster', { a: 'flock', b: 'other' }, {}],
  ['another generation', {}, { generation: 21 }],
] as const) {
  test(`a peer of ${what} is asked again about once a second, and no link opens`, () => {
    const { clock, a, b } = pair(clusters)
    a.use('replication')
    b.use('replication')
    a.links.keep({ ...b.identity, ...wrong }, address(b))
    clock.advance(10_000)
    assert.equal(a.heard, [])
    assert.equal(b.heard, [])
    assert.ok(a.dialTimes.length >= 10 && a.dialTimes.length <= 21, `${a.dialTimes.length} attempts in 10 s`)
  })
}

test('a peer that was refused while it was another life is linked when it is the right one', () => {
  const { clock, a, b } = pair()
  a.use('replication')
  b.use('replication')
  a.links.keep({ name: 'b', generation: 23 }, address(b))
  clock.advance(3000)
  assert.equal(a.heard, [])
  b.identity = { name: 'b', generation: 23 }
  clock.advance(1100)
  assert.equal(a.heard, ['dialled replication b/23'])
})

test('a link that breaks is told of, hinted at, and dialled again within 50 ms', () => {
  const { clock, network, a, b } = connected()
  network.cut('a', 'b')
  network.cut('b', 'a')
  clock.advance(2900)
  assert.equal(a.heard, ['dialled replication b/22'], 'a short cut breaks nothing')
  network.joinAll()
  clock.advance(5000)
  assert.is(a.dialTimes.length, 1)
  network.kill('b')
  clock.advance(3)
  assert.equal(a.heard.slice(1), ['dialled replication b/22 closed'])
  assert.equal(a.troubles, ['b'])
  const brokenAt = clock.now()
  clock.advance(50)
  assert.is(a.dialTimes.length, 2)
  assert.ok((a.dialTimes[1] as number) - brokenAt >= 20, 'not at once')
  assert.equal(b.heard, ['accepted replication a/11'], 'a dead process hears nothing')
})

test('both ends hear that a link broke, and the messages of the new one come after', () => {
  const { clock, network, a, b } = connected()
  network.cut('a', 'b')
  clock.advance(3100)
  network.joinAll()
  clock.advance(5000)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed', 'dialled replication b/22'])
  assert.equal(b.heard, ['accepted replication a/11', 'accepted replication a/11 closed', 'accepted replication a/11'])
  a.dialledLinks[0]?.send(Buffer.from('into the void'))
  a.dialledLinks[1]?.send(Buffer.from('hello'))
  clock.advance(50)
  assert.is(b.heard.at(-1), 'accepted replication a/11: hello')
  assert.is(b.heard.length, 4)
})

test('a dialled link that its user gives up is told of once, in a later turn, and dialled again', () => {
  const { clock, a, b } = connected()
  const [link] = a.dialledLinks as [Link]
  b.acceptedLinks[0]?.send(Buffer.from('too late'))
  link.close()
  link.close()
  assert.equal(a.heard, ['dialled replication b/22'], 'not inside the call')
  clock.advance(0)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed'])
  assert.equal(a.troubles, ['b'])
  clock.advance(60)
  assert.is(a.dialTimes.length, 2)
  assert.equal(a.heard.slice(2), ['dialled replication b/22'])
  assert.equal(b.heard, ['accepted replication a/11', 'accepted replication a/11 closed', 'accepted replication a/11'])
  link.close()
  a.dialledLinks[1]?.send(Buffer.from('hello'))
  clock.advance(5000)
  assert.is(b.heard.at(-1), 'accepted replication a/11: hello')
  assert.is(a.dialTimes.length, 2, 'to close a link that is over touches no other')
})

test('an accepted link that its user gives up is told of once, in a later turn, and the dialler comes again', () => {
  const { clock, a, b } = connected()
  const [link] = b.acceptedLinks as [Link]
  a.dialledLinks[0]?.send(Buffer.from('too late'))
  link.close()
  link.close()
  assert.equal(b.heard, ['accepted replication a/11'], 'not inside the call')
  clock.advance(0)
  assert.equal(b.heard, ['accepted replication a/11', 'accepted replication a/11 closed'])
  clock.advance(60)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed', 'dialled replication b/22'])
  assert.equal(b.heard.slice(2), ['accepted replication a/11'])
  clock.advance(5000)
  assert.is(b.heard.length, 3)
  assert.equal(b.troubles, [], 'whoever dialled has to look')
})

test('a link that is given up as its peer is dropped is told of once, and not dialled again', () => {
  const { clock, a } = connected()
  a.dialledLinks[0]?.close()
  a.links.drop('b')
  clock.advance(5000)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed'])
  assert.is(a.dialTimes.length, 1)
})

test('while nobody answers the attempts come ever slower, up to a second, with jitter', () => {
  const { clock, a } = pair()
  a.use('replication')
  a.links.keep({ name: 'nobody', generation: 1 }, `b:${PORT + 1}`)
  clock.advance(30_000)
  const gaps = a.dialTimes.slice(1).map((time, i) => time - (a.dialTimes[i] as number))
  assert.ok((gaps[0] as number) <= 110, `first after ${gaps[0]} ms`)
  const steady = gaps.slice(6)
  assert.ok(steady.length >= 20)
  for (const gap of steady) assert.ok(gap >= 500 && gap <= 1010, `${gap} ms`)
  assert.ok(new Set(steady.map(Math.round)).size > 5, 'jitter')
  assert.ok((gaps[1] as number) < 300 && (gaps[2] as number) < 500)
})

test('after a link was open the attempts begin quickly again', () => {
  const { clock, network, a } = connected()
  for (let round = 0; round < 3; round++) {
    const before = a.dialTimes.length
    network.cut('a', 'b')
    clock.advance(3050)
    network.joinAll()
    clock.advance(5000)
    assert.ok(a.dialTimes.length > before)
    assert.is(a.heard.at(-1), 'dialled replication b/22')
  }
})

test('a dropped peer’s links end on both sides and are not dialled again', () => {
  const { clock, a, b } = connected()
  a.links.drop('b')
  assert.equal(a.heard.slice(1), ['dialled replication b/22 closed'])
  clock.advance(10_000)
  assert.equal(b.heard.slice(1), ['accepted replication a/11 closed'])
  assert.is(a.dialTimes.length, 1)
  assert.equal(a.troubles, [], 'it is no trouble: this member wanted it')
  a.links.drop('b')
  a.links.drop('never known')
})

test('a drop ends attempts too', () => {
  const { clock, a } = pair()
  a.use('replication')
  a.links.keep({ name: 'nobody', generation: 1 }, `b:${PORT + 1}`)
  clock.advance(500)
  a.links.drop('nobody')
  const attempts = a.dialTimes.length
  clock.advance(10_000)
  assert.is(a.dialTimes.length, attempts)
})

test('a later life of a name takes the place of the earlier one', () => {
  const { clock, network, a, b } = connected()
  network.kill('b')
  const reborn = new Party(clock, network, 'b', 33).use('replication')
  a.links.keep(reborn.identity, address(reborn))
  clock.advance(2000)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed', 'dialled replication b/33'])
  assert.equal(reborn.heard, ['accepted replication a/11'])
  assert.equal(b.heard, ['accepted replication a/11'])
})

test('a peer that moved to another address is dialled there', () => {
  const { clock, network, a, b } = connected()
  const moved = new Party(clock, network, 'elsewhere', 22).use('replication')
  moved.identity = b.identity
  a.links.keep(b.identity, `elsewhere:${PORT}`)
  clock.advance(100)
  assert.equal(a.heard, ['dialled replication b/22', 'dialled replication b/22 closed', 'dialled replication b/22'])
  assert.equal(moved.heard, ['accepted replication a/11'])
  assert.equal(b.heard.slice(1), ['accepted replication a/11 closed'])
})

test('after close nothing is dialled, nothing is heard, and what was accepted has ended', () => {
  const { clock, a, b } = connected()
  b.links.keep(a.identity, address(a))
  clock.advance(100)
  b.links.close()
  const heard = b.heard.length
  b.links.keep({ name: 'c', generation: 1 }, `c:${PORT}`)
  const attempts = b.dialTimes.length
  clock.advance(30)
  assert.ok(a.heard.includes('accepted replication b/22 closed') && a.heard.includes('dialled replication b/22 closed'))
  a.dialledLinks.at(-1)?.send(Buffer.from('anybody?'))
  clock.advance(5000)
  assert.is(b.heard.length, heard)
  assert.is(b.dialTimes.length, attempts)
})

test.run()
