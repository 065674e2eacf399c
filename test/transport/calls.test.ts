/** Calls: gathered by the turn, answered by number, and failing in words that say what may be repeated. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { Calls } from '../../src/transport/calls.ts'
import { type Link, type LinkHandlers, Links } from '../../src/transport/links.ts'
import { FakeClock, HostClock } from '../support/fake-clock.ts'
import { MemoryNetwork } from '../support/memory-network.ts'

const test = suite('calls')

const MIB = 1024 * 1024

/** A link whose other end is the test, or another link. */
class FakeLink implements Link {
  readonly channel = 'request'
  readonly peer: { name: string; generation: number }
  readonly sent: Buffer[] = []
  queuedBytes = 0
  closed = false
  /** Called for each message, in a later turn. */
  deliver: ((message: Buffer) => void) | null = null
  readonly #clock: FakeClock

  constructor(clock: FakeClock, name: string) {
    this.#clock = clock
    this.peer = { name, generation: 1 }
  }

  send(lent: Buffer): void {
    const message = Buffer.from(lent)
    this.sent.push(message)
    this.#clock.after(1, () => {
      if (!this.closed) this.deliver?.(message)
    })
  }

  close(): void {
    this.closed = true
  }
}

interface Pair {
  readonly clock: FakeClock
  readonly a: Calls
  readonly b: Calls
  /** From a to b, and back. */
  readonly out: FakeLink
  readonly back: FakeLink
  /** Breaks the link for both. */
  readonly breakLink: () => void
  readonly atA: LinkHandlers
  readonly atB: LinkHandlers
}

function pair(): Pair {
  const clock = new FakeClock()
  const [a, b] = [new Calls(clock, SILENT), new Calls(clock, SILENT)]
  const out = new FakeLink(clock, 'b')
  const back = new FakeLink(clock, 'a')
  const atA = a.dialled(out)
  const atB = b.accepted(back)
  out.deliver = (message) => atB.message(message)
  back.deliver = (message) => atA.message(message)
  const breakLink = (): void => {
    out.closed = true
    back.closed = true
    atA.closed('broken')
    atB.closed('broken')
  }
  return { clock, a, b, out, back, breakLink, atA, atB }
}

/** Calls and keeps the outcome, `pending` until there is one. */
function ask(calls: Calls, name: string, kind: number, text: string, timeoutMs: number = 1000): { outcome: string; times: number } {
  const asked = { outcome: 'pending', times: 0 }
  calls.call(name, kind, Buffer.from(text), timeoutMs, (failure, body) => {
    asked.times++
    asked.outcome = failure ?? `${body}`
  })
  return asked
}

function item(kind: number, shape: number, number: number, body: string = ''): Buffer {
  return new ByteWriter().u8(kind).u8(shape).u32(number).block(Buffer.from(body)).toBuffer()
}

test('a call is answered, and the handler knows who asks', () => {
  const { clock, a, b } = pair()
  b.handle(7, (from, body, respond) => respond?.(Buffer.from(`${from.name} said ${body}`)))
  const asked = ask(a, 'b', 7, 'hello')
  assert.is(asked.outcome, 'pending', 'in a later turn')
  clock.advance(10)
  assert.equal(asked, { outcome: 'a said hello', times: 1 })
})

test('an empty body is a body', () => {
  const { clock, a, b } = pair()
  b.handle(7, (_from, body, respond) => respond?.(Buffer.alloc(body.length)))
  const asked = ask(a, 'b', 7, '')
  clock.advance(10)
  assert.equal(asked, { outcome: '', times: 1 })
})

test('what one turn sends to one peer is one message, and so are its answers', () => {
  const { clock, a, b, out, back } = pair()
  const told: string[] = []
  b.handle(7, (_from, body, respond) => respond?.(body))
  b.handle(8, (_from, body, respond) => {
    assert.is(respond, null)
    told.push(body.toString())
  })
  const asked = Array.from({ length: 50 }, (_, i) => ask(a, 'b', 7, `call ${i}`))
  a.tell('b', 8, Buffer.from('one'))
  a.tell('b', 8, Buffer.from('two'))
  clock.advance(10)
  assert.is(out.sent.length, 1)
  assert.is(back.sent.length, 1)
  assert.equal(
    asked.map(({ outcome }) => outcome),
    asked.map((_, i) => `call ${i}`),
  )
  assert.equal(told, ['one', 'two'])
  ask(a, 'b', 7, 'next turn')
  clock.advance(10)
  assert.is(out.sent.length, 2)
  assert.equal(a.stats(), { sentTotal: 51, messagesTotal: 2, failedTotal: 0 })
})

test('a turn that gathers much leaves in several messages, and in order', () => {
  const { clock, a, b, out } = pair()
  const lengths: number[] = []
  b.handle(8, (_from, body) => lengths.push(body.length))
  const sizes = [400_000, 400_000, 400_000, 3 * MIB, 5, 400_000]
  for (const size of sizes) a.tell('b', 8, Buffer.alloc(size))
  clock.advance(10)
  assert.equal(lengths, sizes)
  assert.ok(out.sent.length >= 3)
  for (const message of out.sent) assert.ok(message.length <= MIB + 100 || message.length < 3 * MIB + 100)
})

test('a body that is longer than a message fails its own call, at once, and nothing else', () => {
  const { clock, a, b, out } = pair()
  b.handle(7, (_from, body, respond) => respond?.(Buffer.from(String(body.length))))
  const failures: unknown[] = []
  a.call('b', 7, Buffer.alloc(64 * MIB - 9), 1000, (failure) => failures.push(failure))
  assert.equal(failures, ['too large'])
  a.tell('b', 7, Buffer.alloc(64 * MIB - 9))
  const other = ask(a, 'b', 7, 'hello')
  const longest = { outcome: 'pending' }
  a.call('b', 7, Buffer.alloc(64 * MIB - 100), 1000, (failure, body) => {
    longest.outcome = failure ?? `${body}`
  })
  clock.advance(10)
  assert.equal(other, { outcome: '5', times: 1 })
  assert.is(longest.outcome, String(64 * MIB - 100))
  for (const { length } of out.sent) assert.ok(length <= 64 * MIB, `${length} bytes`)
})

test('an answer that is longer than a message fails the call it is for, and the link and the others go on', () => {
  const { clock, a, b, back } = pair()
  b.handle(7, (_from, body, respond) => respond?.(Buffer.alloc(Number(body))))
  const asked = [ask(a, 'b', 7, '3'), ask(a, 'b', 7, String(64 * MIB)), ask(a, 'b', 7, '4')]
  clock.advance(10)
  assert.equal(
    asked.map(({ outcome, times }) => [outcome.length < 20 ? outcome : '', times]),
    [
      ['\0\0\0', 1],
      ['answer too large', 1],
      ['\0\0\0\0', 1],
    ],
  )
  for (const { length } of back.sent) assert.ok(length < 1000, `${length} bytes`)
})

test('answers find their callers in whatever order they come', () => {
  const { clock, a, b } = pair()
  const waiting: (() => void)[] = []
  b.handle(7, (_from, body, respond) => {
    const answer = Buffer.from(`re ${body}`)
    waiting.push(() => respond?.(answer))
  })
  const asked = ['x', 'y', 'z'].map((text) => ask(a, 'b', 7, text))
  clock.advance(10)
  for (const i of [2, 0, 1]) {
    waiting[i]?.()
    clock.advance(10)
  }
  assert.equal(
    asked.map(({ outcome }) => outcome),
    ['re x', 're y', 're z'],
  )
})

test('without a link a call is unreachable, at once, and a telling is lost in silence', () => {
  const { a, b, clock } = pair()
  let called = false
  b.handle(8, () => {
    called = true
  })
  assert.not(a.isOpen('c'))
  assert.equal(ask(a, 'c', 7, 'x'), { outcome: 'unreachable', times: 1 })
  a.tell('c', 8, Buffer.alloc(0))
  assert.equal(ask(b, 'a', 7, 'x'), { outcome: 'unreachable', times: 1 }, 'over an accepted link nobody calls')
  clock.advance(10)
  assert.not(called)
  assert.is(a.stats().failedTotal, 1)
})

test('a link that breaks makes what is under way lost, and what comes later unreachable', () => {
  const { clock, a, b, breakLink } = pair()
  b.handle(7, () => {})
  const sent = ask(a, 'b', 7, 'x')
  clock.advance(10)
  const gathered = ask(a, 'b', 7, 'y')
  breakLink()
  assert.equal(sent, { outcome: 'lost', times: 1 })
  assert.equal(gathered, { outcome: 'lost', times: 1 })
  assert.not(a.isOpen('b'))
  assert.is(ask(a, 'b', 7, 'z').outcome, 'unreachable')
  clock.advance(5000)
  assert.is(sent.times, 1, 'the time limit does not fail it again')
})

test('a call that is not answered in time is lost, and the late answer is nobody’s', () => {
  const { clock, a, b } = pair()
  let late: (() => void) | null = null
  b.handle(7, (_from, _body, respond) => {
    late = () => respond?.(Buffer.from('late'))
  })
  const asked = ask(a, 'b', 7, 'x', 200)
  clock.advance(199)
  assert.is(asked.outcome, 'pending')
  clock.advance(1)
  assert.equal(asked, { outcome: 'lost', times: 1 })
  ;(late as (() => void) | null)?.()
  clock.advance(100)
  assert.is(asked.times, 1)
})

test('a kind that the other side does not know is refused', () => {
  const { clock, a } = pair()
  const asked = ask(a, 'b', 99, 'x')
  a.tell('b', 99, Buffer.from('skipped'))
  clock.advance(10)
  assert.equal(asked, { outcome: 'refused', times: 1 })
})

test('a body that cannot be read is refused, and the others in the message are answered', () => {
  const { clock, a, b, back } = pair()
  b.handle(7, (_from, body, respond) => respond?.(Buffer.from(new ByteReader(body).text())))
  const good = ask(a, 'b', 7, '\x02ok')
  const bad = ask(a, 'b', 7, '\x09short')
  a.tell('b', 7, Buffer.from('\x09short'))
  const other = ask(a, 'b', 7, '\x04also')
  clock.advance(10)
  assert.equal([good.outcome, bad.outcome, other.outcome], ['ok', 'refused', 'also'])
  assert.not(back.closed, 'the link is kept')
})

test('an answer that its caller cannot read is lost to it, and the others in the message find their callers', () => {
  const { clock, a, b, out } = pair()
  b.handle(7, (_from, body, respond) => respond?.(body))
  const told: string[] = []
  const read = (text: string): void => {
    a.call('b', 7, Buffer.from(text), 1000, (failure, body) => {
      told.push(body === null ? `${failure}` : new ByteReader(body).text())
    })
  }
  read('\x02ok')
  read('\x09short')
  read('\x04also')
  clock.advance(10)
  assert.equal(told, ['ok', 'lost', 'also'])
  assert.not(out.closed, 'the link is kept')
  clock.advance(5000)
  assert.is(told.length, 3, 'the time limit does not fail it again')
})

test('another error of a caller is a defect of ours and is not swallowed', () => {
  const { clock, a, b } = pair()
  b.handle(7, (_from, body, respond) => respond?.(body))
  let times = 0
  a.call('b', 7, Buffer.from('x'), 1000, () => {
    if (++times === 1) throw new TypeError('a defect')
  })
  assert.throws(
    () => clock.advance(10),
    (error: Error) => error instanceof TypeError && !(error instanceof MalformedError),
  )
  assert.is(times, 1)
})

test('another error of a handler is a defect of ours and is not swallowed', () => {
  const { clock, a, b } = pair()
  b.handle(7, () => {
    throw new TypeError('a defect')
  })
  ask(a, 'b', 7, 'x')
  assert.throws(
    () => clock.advance(10),
    (error: Error) => error instanceof TypeError && !(error instanceof MalformedError),
  )
})

test('when too much is queued a call is busy, at once, and one that fits is not', () => {
  const { clock, a, b, out } = pair()
  b.handle(7, (_from, body, respond) => respond?.(body))
  out.queuedBytes = 64 * MIB - 100
  assert.equal(ask(a, 'b', 7, 'x'.repeat(101)), { outcome: 'busy', times: 1 })
  const small = ask(a, 'b', 7, 'small')
  clock.advance(10)
  assert.is(small.outcome, 'small')
  out.queuedBytes = 0
  const later = ask(a, 'b', 7, 'x'.repeat(101))
  clock.advance(10)
  assert.is(later.outcome.length, 101)
  assert.is(a.stats().failedTotal, 1)
})

test('what the turn has gathered counts as queued', () => {
  const { a, out } = pair()
  out.queuedBytes = 64 * MIB - 1000
  assert.is(ask(a, 'b', 7, 'x'.repeat(600)).outcome, 'pending')
  assert.is(ask(a, 'b', 7, 'x'.repeat(600)).outcome, 'busy')
})

test('a message that cannot be read ends the link it came by', () => {
  for (const broken of [
    Buffer.from([7]),
    item(7, 1, 1, 'whole').subarray(0, -1),
    Buffer.from([7, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
  ]) {
    const { atB, back, atA, out } = pair()
    atB.message(broken)
    assert.ok(back.closed)
    atA.message(broken)
    assert.ok(out.closed)
  }
})

test('answers to calls that were never made are ignored', () => {
  const { atA, out, clock, a, b } = pair()
  atA.message(Buffer.concat([item(7, 2, 77, 'x'), item(7, 3, 78)]))
  assert.not(out.closed)
  b.handle(7, (_from, body, respond) => respond?.(body))
  const asked = ask(a, 'b', 7, 'still here')
  clock.advance(10)
  assert.is(asked.outcome, 'still here')
})

test('a handler that answers after the link broke harms nobody', () => {
  const { clock, a, b, breakLink, back } = pair()
  let respondLate: (() => void) | null = null
  b.handle(7, (_from, _body, respond) => {
    respondLate = () => respond?.(Buffer.from('late'))
  })
  ask(a, 'b', 7, 'x')
  clock.advance(10)
  breakLink()
  ;(respondLate as (() => void) | null)?.()
  clock.advance(100)
  assert.is(back.sent.length, 0)
})

test('a new link to a peer takes calls, and the end of the old one does not end it', () => {
  const { clock, a, atA } = pair()
  const second = new FakeLink(clock, 'b')
  const opened: string[] = []
  a.onOpen(({ name }) => opened.push(name))
  a.dialled(second)
  atA.closed('the old one')
  assert.ok(a.isOpen('b'))
  a.tell('b', 7, Buffer.from('x'))
  clock.advance(10)
  assert.is(second.sent.length, 1)
  assert.equal(opened, ['b'])
})

test('over real links calls work both ways, and again after the link broke', () => {
  const clock = new FakeClock()
  const network = new MemoryNetwork(clock, new SeededRandom(3))
  const members = ['a', 'b'].map((name, i) => {
    const host = new HostClock(clock)
    const self = { name, generation: i + 1 }
    const streams = network.host(name, host).streams(1)
    const links = new Links({ self: () => self, clusterId: 'flock', streams, clock: host, random: new SeededRandom(i), logger: SILENT })
    const calls = new Calls(host, SILENT)
    links.use('request', calls)
    calls.handle(7, (from, body, respond) => respond?.(Buffer.from(`${name} to ${from.name}: ${body}`)))
    return { self, links, calls }
  })
  const [a, b] = members as [(typeof members)[0], (typeof members)[0]]
  a.links.keep(b.self, 'b:1')
  b.links.keep(a.self, 'a:1')
  clock.advance(100)
  const first = [ask(a.calls, 'b', 7, 'one'), ask(b.calls, 'a', 7, 'two')]
  clock.advance(20)
  assert.equal(
    first.map(({ outcome }) => outcome),
    ['b to a: one', 'a to b: two'],
  )
  network.cut('a', 'b')
  network.cut('b', 'a')
  const cut = ask(a.calls, 'b', 7, 'three', 60_000)
  clock.advance(3100)
  assert.is(cut.outcome, 'lost')
  assert.is(ask(a.calls, 'b', 7, 'four').outcome, 'unreachable')
  network.joinAll()
  clock.advance(5000)
  const again = ask(a.calls, 'b', 7, 'five')
  clock.advance(20)
  assert.is(again.outcome, 'b to a: five')
})

test('what is not to wait leaves at once, with all that was gathered before it', () => {
  const { a, b, out, clock } = pair()
  b.handle(1, (_from, body, respond) => respond?.(body))
  const [early, urgent] = [ask(a, 'b', 1, 'early'), { outcome: 'pending' }]
  assert.is(out.sent.length, 0)
  a.call('b', 1, Buffer.from('urgent'), 1000, (_failure, body) => (urgent.outcome = `${body}`), true)
  assert.is(out.sent.length, 1)
  clock.advance(10)
  assert.equal([out.sent.length, early.outcome, urgent.outcome], [1, 'early', 'urgent'])
})

test.run()
