/** The relay: a call around a cut link is executed at most once, and fails in the same words as on a link of its own. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader } from '../../src/lib/bytes.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { Calls } from '../../src/transport/calls.ts'
import type { Link, PeerIdentity } from '../../src/transport/links.ts'
import { KIND_RELAY, Relay } from '../../src/transport/relay.ts'
import { FakeClock } from '../support/fake-clock.ts'

const test = suite('relay')

const KIND = 20
const TIMEOUT_MS = 1000

interface Member {
  readonly identity: PeerIdentity
  readonly calls: Calls
  readonly relay: Relay
  /** What it was asked, in order. */
  readonly asked: string[]
  answers: boolean
}

/** Members whose links the test opens and breaks, each 1 ms long. */
class Trio {
  readonly clock = new FakeClock()
  readonly a = this.#member('a')
  readonly b = this.#member('b')
  readonly c = this.#member('c')
  readonly suspected = new Set<string>()
  readonly #broken = new Map<string, () => void>()

  open(from: Member, to: Member, generation: number = 1): void {
    const out = this.#link({ name: to.identity.name, generation })
    const back = this.#link(from.identity)
    const atFrom = from.calls.dialled(out.link)
    const atTo = to.calls.accepted(back.link)
    out.deliver = (message) => atTo.message(message)
    back.deliver = (message) => atFrom.message(message)
    this.#broken.set(`${from.identity.name}${to.identity.name}`, () => {
      out.deliver = back.deliver = () => {}
      atFrom.closed('broken')
      atTo.closed('broken')
    })
  }

  break(from: Member, to: Member): void {
    this.#broken.get(`${from.identity.name}${to.identity.name}`)?.()
  }

  ask(from: Member, name: string, text: string, kind: number = KIND): { outcome: string; times: number } {
    const asked = { outcome: 'pending', times: 0 }
    from.relay.call(name, kind, Buffer.from(text), TIMEOUT_MS, (failure, body) => {
      asked.times++
      asked.outcome = failure ?? `${body}`
    })
    return asked
  }

  #link(peer: PeerIdentity): { readonly link: Link; deliver: (message: Buffer) => void } {
    const state = {
      deliver: (_message: Buffer): void => {},
      link: {
        peer,
        channel: 'request' as const,
        queuedBytes: 0,
        send: (lent: Buffer) => {
          const message = Buffer.from(lent)
          this.clock.after(1, () => state.deliver(message))
        },
        close: () => {},
      },
    }
    return state
  }

  #member(name: string): Member {
    const calls = new Calls(this.clock, SILENT)
    const others = (): PeerIdentity[] =>
      [this.a, this.b, this.c].map(({ identity }) => identity).filter((other) => other.name !== name && !this.suspected.has(other.name))
    const relay = new Relay({ calls, clock: this.clock, random: new SeededRandom(1), others })
    const member: Member = { identity: { name, generation: 1 }, calls, relay, asked: [], answers: true }
    relay.handle(KIND, (from, body, respond) => {
      member.asked.push(`${from.name}: ${body}`)
      if (`${body}` === 'unreadable') new ByteReader(Buffer.alloc(0)).u8()
      if (member.answers) respond?.(Buffer.from(`${name} did ${body}`))
    })
    return member
  }
}

test('a call goes straight where there is a link', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, b)
  trio.open(a, c)
  trio.open(c, b)
  const asked = trio.ask(a, 'b', 'x')
  clock.advance(10)
  assert.equal(asked, { outcome: 'b did x', times: 1 })
  assert.equal(b.asked, ['a: x'])
  assert.equal(a.relay.stats(), { detouredTotal: 0, passedTotal: 0 })
})

test('around a cut link it goes through a member that both reach, once', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b)
  const asked = [trio.ask(a, 'b', 'x'), trio.ask(a, 'b', 'y')]
  clock.advance(10)
  assert.equal(asked, [
    { outcome: 'b did x', times: 1 },
    { outcome: 'b did y', times: 1 },
  ])
  assert.equal(b.asked, ['c: x', 'c: y'])
  assert.equal([a.relay.stats().detouredTotal, c.relay.stats().passedTotal], [2, 2])
})

test('without any way round it fails at once, as unreachable', () => {
  const trio = new Trio()
  assert.equal(trio.ask(trio.a, 'b', 'x'), { outcome: 'unreachable', times: 1 })
  trio.open(trio.a, trio.c)
  assert.equal(trio.ask(trio.a, 'nobody', 'x'), { outcome: 'unreachable', times: 1 })
})

test('who is reached is told without a call: over a link, around it, or not at all', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  assert.is(a.relay.reaches('b'), false)
  trio.open(a, c)
  assert.is(a.relay.reaches('b'), true, 'by way of c, as far as is known')
  assert.is(a.relay.reaches('nobody'), false)
  trio.suspected.add('b')
  assert.is(a.relay.reaches('b'), false)
  trio.suspected.clear()
  trio.ask(a, 'b', 'x')
  clock.advance(10)
  assert.is(a.relay.reaches('b'), false, 'c has no link either')
  trio.open(a, b)
  assert.is(a.relay.reaches('b'), true)
})

test('a relay without a link says so, and is left alone for half a second', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  const asked = trio.ask(a, 'b', 'x')
  clock.advance(10)
  assert.equal(asked, { outcome: 'unreachable', times: 1 })
  trio.open(c, b)
  assert.equal(trio.ask(a, 'b', 'x'), { outcome: 'unreachable', times: 1 })
  assert.is(a.relay.stats().detouredTotal, 1)
  clock.advance(500)
  const later = trio.ask(a, 'b', 'y')
  clock.advance(10)
  assert.is(later.outcome, 'b did y')
  assert.equal(b.asked, ['c: y'])
})

test('a call is passed on only to the life that the caller means', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b, 2)
  const asked = trio.ask(a, 'b', 'x')
  clock.advance(10)
  assert.is(asked.outcome, 'unreachable')
  assert.equal(b.asked, [])
})

test('nothing is sent around to a member that is suspected, which may be dead', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b)
  trio.suspected.add('b')
  assert.equal(trio.ask(a, 'b', 'x'), { outcome: 'unreachable', times: 1 })
  trio.suspected.clear()
  const asked = trio.ask(a, 'b', 'x')
  trio.suspected.add('b')
  clock.advance(10)
  assert.equal([asked.outcome, b.asked], ['unreachable', []], 'the relay has heard of it first')
})

for (const where of ['before the relay', 'behind the relay'] as const) {
  test(`a link that breaks ${where} leaves the call lost, and nobody sends it again`, () => {
    const trio = new Trio()
    const { a, b, c, clock } = trio
    b.answers = false
    trio.open(a, c)
    trio.open(c, b)
    const asked = trio.ask(a, 'b', 'x')
    clock.advance(10)
    if (where === 'before the relay') trio.break(a, c)
    else trio.break(c, b)
    clock.advance(10)
    assert.equal(asked, { outcome: 'lost', times: 1 })
    clock.advance(2 * TIMEOUT_MS)
    assert.equal(b.asked, ['c: x'])
    assert.is(asked.times, 1)
  })
}

test('what is not answered in time is lost, a little later than it would be without the detour', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  b.answers = false
  trio.open(a, c)
  trio.open(c, b)
  const asked = trio.ask(a, 'b', 'x')
  clock.advance(TIMEOUT_MS - 10)
  assert.is(asked.outcome, 'pending')
  clock.advance(100)
  assert.equal(asked, { outcome: 'lost', times: 1 })
})

test('what the addressee cannot read, or does not know, is refused', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b)
  const asked = [trio.ask(a, 'b', 'unreadable'), trio.ask(a, 'b', 'x', 99)]
  clock.advance(10)
  assert.ok(asked.every(({ outcome, times }) => outcome === 'refused' && times === 1))
})

test('an envelope in an envelope goes no further, and one that is cut short is refused', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b)
  const nested = trio.ask(a, 'b', 'x', KIND_RELAY)
  clock.advance(10)
  assert.is(nested.outcome, 'unreachable')
  let failure: string | null = 'pending'
  a.calls.call('c', KIND_RELAY, Buffer.from([1]), TIMEOUT_MS, (reason) => {
    failure = reason
  })
  clock.advance(10)
  assert.is(failure, 'refused')
  assert.equal(b.asked, [])
})

test('an answer that its caller cannot read is lost to it', () => {
  const trio = new Trio()
  const { a, b, c, clock } = trio
  trio.open(a, c)
  trio.open(c, b)
  const outcomes: (string | null)[] = []
  a.relay.call('b', KIND, Buffer.from('x'), TIMEOUT_MS, (failure, body) => {
    outcomes.push(failure)
    if (body !== null) new ByteReader(Buffer.alloc(0)).u8()
  })
  clock.advance(10)
  assert.equal(outcomes, [null, 'lost'])
})

test.run()
