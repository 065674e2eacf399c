/** Both halves of a session over a link that the test holds, breaks and mends: order, resumption, epochs, windows, words about completeness. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, MalformedError } from '../../src/lib/bytes.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { compareStamps } from '../../src/lib/version.ts'
import { decodeAck, encodeAck, FrameWriter, heartbeat, MESSAGE_HEADER_BYTES } from '../../src/replication/frames.ts'
import { Incoming } from '../../src/replication/incoming.ts'
import { CHECKING, COMPLETE, FILLED, FOLLOWING, Outgoing, UNFOLLOWED } from '../../src/replication/outgoing.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { DELAY_MS, entry, FakeLink, peer, Recorder, term } from './fakes.ts'

const NO_PROGRESS = { accepted: 0, echo: 0 }
const test = suite('replication session')

const MIB = 1024 * 1024

/** A primary's half, a follower's half, and the link between them. */
class Session {
  readonly clock = new FakeClock()
  readonly hybrid = new HybridClock(this.clock)
  readonly recorder = new Recorder()
  readonly incoming = new Incoming(peer('primary'), this.clock, this.recorder)
  resets = 0
  disownings = 0
  /** The epoch last begun. */
  epoch = 0
  readonly outgoing = new Outgoing(peer('follower'), this.clock, this.hybrid, {
    nextEpoch: () => ++this.epoch,
    reset: () => {
      this.resets++
    },
    disowned: () => {
      this.disownings++
    },
  })
  out: FakeLink | null = null
  back: FakeLink | null = null

  connect(): this {
    this.out = new FakeLink(this.clock, peer('follower'), (message) => this.incoming.received(message))
    this.back = new FakeLink(this.clock, peer('primary'), (message) => this.outgoing.received(message))
    this.outgoing.opened(this.out)
    this.incoming.opened(this.back)
    return this
  }

  /** What is under way is lost. */
  disconnect(): void {
    const { out, back } = this
    if (out === null || back === null) return
    out.close()
    back.close()
    this.outgoing.linkClosed(out)
    this.incoming.linkClosed(back)
    this.out = null
    this.back = null
  }

  write(key: string, value: string = ''): void {
    const { ms, counter } = this.hybrid.next()
    this.outgoing.write((frames) => frames.entry(entry(key, value, ms, counter)))
  }

  /** The keys of the entries that arrived. */
  get keys(): string[] {
    return this.recorder.told.filter((line) => line.startsWith('entry')).map((line) => /^entry (.*?)=/.exec(line)?.[1] as string)
  }
}

function connected(): Session {
  const session = new Session().connect()
  session.clock.advance(10)
  return session
}

test('what is written arrives once, in order', () => {
  const session = connected()
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
  for (const [i, key] of keys.entries()) {
    session.write(key)
    if (i % 7 === 0) session.clock.advance(0.3)
  }
  session.clock.advance(10)
  assert.equal(session.keys, keys)
  assert.is(session.outgoing.backlogBytes, 0, 'all of it is acknowledged')
})

test('one turn’s frames are one message', () => {
  const session = connected()
  const before = (session.out as FakeLink).sent.length
  for (let i = 0; i < 50; i++) session.write(`k${i}`)
  assert.is((session.out as FakeLink).sent.length, before, 'not before the turn ends')
  session.clock.advance(0)
  assert.is((session.out as FakeLink).sent.length, before + 1)
})

test('flush sends what the turn has gathered at once, and an empty turn sends nothing', () => {
  const session = connected()
  const link = session.out as FakeLink
  const before = link.sent.length
  session.outgoing.flush()
  assert.is(link.sent.length, before)
  session.write('k')
  session.outgoing.flush()
  assert.is(link.sent.length, before + 1)
  session.clock.advance(10)
  assert.is(link.sent.length, before + 1)
  assert.equal(session.keys, ['k'])
})

test('a write that the follower had no room for is not confirmed, on whatever link it says so; one beside it is', () => {
  const session = connected()
  for (const slot of [3, 4]) session.outgoing.setState(slot, FOLLOWING)
  const told: string[] = []
  const write = (slot: number): void => {
    session.recorder.refusedSlot = slot === 3 ? 3 : -1
    session.write(`k${slot}`)
    session.outgoing.whenConfirmed(slot, (arrival) => told.push(`${slot} ${arrival}`))
    session.outgoing.whenApplied((arrival) => told.push(`all ${arrival}`))
    session.clock.advance(5)
  }
  write(3)
  assert.equal(told.splice(0), ['3 void', 'all held'])
  write(4)
  assert.equal(told.splice(0), ['4 held', 'all held'])
  // The word of it is lost with the link: it comes again on the next.
  session.recorder.refusedSlot = 3
  session.back?.hold()
  session.write('k3')
  session.outgoing.whenConfirmed(3, (arrival) => told.push(`3 ${arrival}`))
  session.clock.advance(5)
  assert.equal(told, [])
  session.disconnect()
  session.connect()
  session.clock.advance(5)
  assert.equal(told, ['3 void'])
})

test('nothing is sent on a link until the follower has said where to go on', () => {
  const session = new Session()
  session.write('k')
  session.clock.advance(5)
  session.out = new FakeLink(session.clock, peer('follower'))
  session.outgoing.opened(session.out)
  session.write('l')
  session.outgoing.beat()
  session.clock.advance(100)
  assert.not(session.outgoing.isOpen)
  assert.is(session.out.sent.length, 0)
  session.outgoing.received(encodeAck({ epoch: 0, sequence: 0, sentMs: 0, status: { complete: new SlotSet(), elsewhere: new SlotSet() } }))
  assert.ok(session.outgoing.isOpen)
  assert.is(session.out.sent.length, 2)
})

test('what was written while the link was down arrives when it is up again', () => {
  const session = connected()
  session.write('a')
  session.clock.advance(10)
  session.disconnect()
  for (const key of ['b', 'c']) {
    session.write(key)
    session.clock.advance(1)
  }
  assert.ok(session.outgoing.backlogBytes > 0)
  session.connect()
  session.clock.advance(10)
  assert.equal(session.recorder.told.length, 3)
  assert.equal(session.keys, ['a', 'b', 'c'])
})

test('messages that arrived while their acknowledgements were lost are not told twice', () => {
  const session = connected()
  ;(session.back as FakeLink).hold()
  session.write('a')
  session.clock.advance(10)
  assert.equal(session.keys, ['a'])
  assert.ok(session.outgoing.backlogBytes > 0)
  session.disconnect()
  session.connect()
  session.write('b')
  session.clock.advance(10)
  assert.equal(session.keys, ['a', 'b'])
  assert.is(session.outgoing.backlogBytes, 0)
})

test('messages that were lost with the link are sent again', () => {
  const session = connected()
  session.write('a')
  session.clock.advance(0)
  ;(session.out as FakeLink).hold()
  session.write('b')
  session.clock.advance(10)
  session.disconnect()
  session.connect()
  session.clock.advance(10)
  assert.equal(session.keys, ['a', 'b'])
  assert.not(session.recorder.told.includes('gap'))
})

for (let seed = 1; seed <= 30; seed++) {
  test(`whenever the link breaks, the stream goes on without a gap and tells nothing twice (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const session = new Session()
    const keys: string[] = []
    for (let step = 0; step < 300; step++) {
      const chance = random.next()
      if (chance < 0.6) {
        const key = `k${keys.length}`
        keys.push(key)
        session.write(key, 'v'.repeat(Math.floor(random.next() * 300)))
      } else if (chance < 0.7) session.disconnect()
      else if (chance < 0.8) {
        if (session.out === null) session.connect()
      } else if (chance < 0.85) session.outgoing.beat()
      session.clock.advance(random.next() * 2 * DELAY_MS)
      assert.equal(session.keys, keys.slice(0, session.keys.length), 'a prefix of what was written')
    }
    session.disconnect()
    session.connect()
    session.clock.advance(20)
    assert.equal(session.keys, keys)
    assert.not(session.recorder.told.includes('gap'))
    assert.is(session.outgoing.backlogBytes, 0)
    assert.is(session.resets, 0)
  })
}

test('a message that skips one is malformed', () => {
  const recorder = new Recorder()
  const incoming = new Incoming(peer('p'), new FakeClock(), recorder)
  const message = (sequence: number): Buffer => {
    const frames = new FrameWriter()
    frames.entry(entry(`k${sequence}`, '', 1))
    return frames.finish(1, sequence, { ms: 1, counter: 0 }, NO_PROGRESS)
  }
  incoming.received(message(1))
  assert.throws(
    () => incoming.received(message(3)),
    (error: Error) => error instanceof MalformedError,
  )
  incoming.received(message(2))
  incoming.received(message(2))
  incoming.received(message(1))
  assert.is(recorder.told.length, 2, 'those seen before are passed over')
})

test('a message that cannot be read to its end is a gap, and is not asked for again', () => {
  const clock = new FakeClock()
  const recorder = new Recorder()
  const incoming = new Incoming(peer('p'), clock, recorder)
  const back = new FakeLink(clock, peer('p'))
  incoming.opened(back)
  const frames = new FrameWriter()
  frames.entry(entry('read', '', 40))
  frames.entry(entry('lost', 'v', 50))
  const end = MESSAGE_HEADER_BYTES + frames.bytes
  const message = frames.finish(1, 1, { ms: 100, counter: 0 }, NO_PROGRESS).subarray(0, end - 1)
  assert.throws(
    () => incoming.received(message),
    (error: Error) => error instanceof MalformedError,
  )
  assert.equal(recorder.told, ['entry read= @40-0-a', 'gap'])
  assert.is(incoming.position.ms, 0, 'its stamp does not count')
  incoming.received(message)
  assert.is(recorder.told.length, 2)
  clock.advance(10)
  assert.is(decodeAck(new ByteReader(back.sent.at(-1) as Buffer)).sequence, 1)
})

test('a new epoch tells a gap, except to a session that has heard nothing yet; an old epoch is not heard', () => {
  const recorder = new Recorder()
  const incoming = new Incoming(peer('p'), new FakeClock(), recorder)
  const message = (epoch: number, sequence: number, key: string): Buffer => {
    const frames = new FrameWriter()
    frames.entry(entry(key, '', 1))
    return frames.finish(epoch, sequence, { ms: 1, counter: 0 }, NO_PROGRESS)
  }
  incoming.received(message(4, 1, 'a'))
  assert.equal(recorder.told.splice(0), ['entry a= @1-0-a'])
  incoming.received(message(5, 1, 'b'))
  assert.equal(recorder.told.splice(0), ['gap', 'entry b= @1-0-a'])
  incoming.received(message(4, 2, 'c'))
  assert.equal(recorder.told.splice(0), [])
  incoming.received(heartbeat(6, 0, { ms: 9, counter: 0 }, { accepted: 0, echo: 0 }))
  assert.equal(recorder.told.splice(0), ['gap'])
})

test('over the bound the backlog is given up, and the follower hears of a gap and of what comes after', () => {
  const session = connected()
  session.outgoing.setState(5, COMPLETE)
  session.outgoing.setState(6, FOLLOWING)
  session.write('before')
  session.clock.advance(10)
  session.disconnect()
  const value = 'v'.repeat(MIB)
  for (let i = 0; i < 66; i++) {
    session.write(`lost ${i}`, value)
    session.clock.advance(0)
    assert.ok(session.outgoing.backlogBytes <= 64 * MIB + MIB, 'bounded')
  }
  assert.is(session.resets, 1)
  assert.is(session.outgoing.state(5), UNFOLLOWED)
  assert.is(session.outgoing.state(6), UNFOLLOWED)
  assert.is(session.outgoing.incomplete, 0)
  assert.ok(session.outgoing.backlogBytes < 4 * MIB)
  session.connect()
  session.write('after')
  session.clock.advance(100)
  assert.is(session.recorder.told.filter((line) => line === 'gap').length, 1)
  assert.equal(session.keys[0], 'before')
  assert.equal(session.keys.at(-1), 'after')
  const gapAt = session.recorder.told.indexOf('gap')
  assert.is(gapAt, 1, 'before anything of the new epoch')
  assert.is(session.outgoing.backlogBytes, 0)
})

test('what the follower said of an earlier epoch does not count', () => {
  const session = connected()
  session.disconnect()
  for (let i = 0; i < 66; i++) {
    session.write(`lost ${i}`, 'v'.repeat(MIB))
    session.clock.advance(0)
  }
  session.outgoing.setState(5, FOLLOWING)
  session.outgoing.markControl(5)
  session.outgoing.opened(new FakeLink(session.clock, peer('follower')))
  session.outgoing.received(
    encodeAck({ epoch: 1, sequence: 1000, sentMs: 0, status: { complete: SlotSet.of([5]), elsewhere: new SlotSet() } }),
  )
  assert.is(session.outgoing.state(5), FOLLOWING)
  assert.not(session.outgoing.controlConfirmed(5))
})

test('no more than the window is under way, and all arrives as acknowledgements come', () => {
  const session = connected()
  ;(session.back as FakeLink).hold()
  const link = session.out as FakeLink
  const before = link.sent.length
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`)
  for (const key of keys) {
    session.write(key, 'v'.repeat(MIB))
    session.clock.advance(0)
  }
  session.clock.advance(10)
  const underWay = link.sent.slice(before).reduce((sum, message) => sum + message.length, 0)
  assert.ok(underWay >= 7 * MIB && underWay <= 10 * MIB, `${underWay} bytes under way`)
  session.outgoing.beat()
  session.clock.advance(10)
  assert.is.not(session.keys.length, keys.length)
  ;(session.back as FakeLink).release()
  session.clock.advance(50)
  assert.equal(session.keys, keys)
  assert.is(session.outgoing.backlogBytes, 0)
})

test('a window that was under way when the link broke does not narrow the next one', () => {
  const session = connected()
  ;(session.back as FakeLink).hold()
  for (let i = 0; i < 20; i++) {
    session.write(`k${i}`, 'v'.repeat(MIB))
    session.clock.advance(0)
  }
  for (let round = 0; round < 3; round++) {
    session.disconnect()
    session.connect()
    ;(session.back as FakeLink).hold()
    session.clock.advance(5)
  }
  ;(session.back as FakeLink).release()
  session.clock.advance(100)
  assert.is(session.keys.length, 20)
  assert.is(new Set(session.keys).size, 20)
})

test('the position follows messages and, once all has arrived, heartbeats', () => {
  const session = connected()
  assert.is(compareStamps(session.incoming.position, { ms: 0, counter: 0 }), 0)
  session.write('a')
  session.clock.advance(10)
  const afterA = session.incoming.position
  assert.ok(afterA.ms > 0)
  session.clock.advance(100)
  session.outgoing.beat()
  session.clock.advance(10)
  const afterBeat = session.incoming.position
  assert.ok(afterBeat.ms >= afterA.ms + 100)
  // A heartbeat that says there is more to come than has arrived vouches for nothing.
  session.incoming.received(heartbeat(1, 5, { ms: afterBeat.ms + 1000, counter: 0 }, { accepted: 0, echo: 0 }))
  assert.equal(session.incoming.position, afterBeat)
})

test('a heartbeat sends what the turn has gathered before it: its stamp vouches for that too', () => {
  const session = connected()
  session.write('a')
  session.clock.advance(10)
  const link = session.out as FakeLink
  link.hold()
  session.write('b')
  const { ms, counter } = session.hybrid.current()
  const sentBefore = link.sent.length
  session.outgoing.beat()
  assert.is(link.sent.length, sentBefore + 1, 'a message says all that a heartbeat does')
  session.outgoing.beat()
  assert.is(link.sent.length, sentBefore + 2)
  session.incoming.received(link.sent.at(-1) as Buffer)
  assert.ok(compareStamps(session.incoming.position, { ms, counter }) < 0, 'the heartbeat alone vouches for nothing that has not arrived')
  link.release()
  session.clock.advance(10)
  assert.equal(session.keys, ['a', 'b'])
  assert.ok(compareStamps(session.incoming.position, { ms, counter }) >= 0)
  assert.is(link.sent.length, sentBefore + 2, 'and is not sent twice')
})

test('a heartbeat counts as hearing, and is answered', () => {
  const session = connected()
  session.clock.advance(500)
  const heardBefore = session.incoming.lastHeardMs
  session.outgoing.beat()
  session.clock.advance(10)
  assert.ok(session.incoming.lastHeardMs > heardBefore)
  assert.ok(session.clock.now() - session.outgoing.lastAckMs < 10)
})

test('a slot is complete once the follower says so after the last word about it', () => {
  const session = connected()
  const { outgoing, recorder } = session
  outgoing.setState(5, FOLLOWING)
  outgoing.markControl(5)
  outgoing.write((frames) => frames.follow(term('primary', 1), SlotSet.of([5]), false))
  assert.not(outgoing.controlConfirmed(5))
  session.clock.advance(10)
  assert.ok(outgoing.controlConfirmed(5))
  assert.is(outgoing.state(5), FOLLOWING)
  recorder.confirmed.add(5)
  session.incoming.statusChanged()
  session.clock.advance(10)
  assert.is(outgoing.state(5), COMPLETE)
  assert.ok(outgoing.inSync(5, session.clock.now()))
  recorder.confirmed.delete(5)
  session.incoming.statusChanged()
  session.clock.advance(10)
  assert.is(outgoing.state(5), FOLLOWING)
  assert.not(outgoing.inSync(5, session.clock.now()))
})

test('a word that was said before the last frame about the slot does not count', () => {
  const session = connected()
  const { outgoing } = session
  session.recorder.confirmed.add(5)
  outgoing.setState(5, CHECKING)
  outgoing.markControl(5)
  outgoing.write((frames) => frames.check(term('primary', 1), [{ slot: 5, high: 1, low: 1 }]))
  ;(session.out as FakeLink).hold()
  session.incoming.statusChanged()
  session.clock.advance(10)
  assert.is(outgoing.state(5), CHECKING)
  assert.not(outgoing.controlConfirmed(5))
  ;(session.out as FakeLink).release()
  session.clock.advance(10)
  assert.ok(outgoing.controlConfirmed(5))
  assert.is(outgoing.state(5), CHECKING, 'the acknowledgement had no status: nothing new was said')
  session.incoming.statusChanged()
  session.clock.advance(10)
  assert.is(outgoing.state(5), COMPLETE)
})

test('a follower’s word makes nothing complete that is not followed', () => {
  const session = connected()
  session.recorder.confirmed.add(5)
  session.incoming.statusChanged()
  session.clock.advance(10)
  assert.is(session.outgoing.state(5), UNFOLLOWED)
})

test('the first acknowledgement of a link brings a status, whatever was said on the last one', () => {
  const session = connected()
  session.disconnect()
  session.connect()
  const link = session.back as FakeLink
  session.clock.advance(1)
  const first = decodeAck(new ByteReader(link.sent[0] as Buffer))
  assert.is.not(first.status, null)
  session.write('k')
  session.clock.advance(5)
  assert.is(decodeAck(new ByteReader(link.sent[1] as Buffer)).status, null)
})

test('a follower that has not acknowledged for a second is not in sync', () => {
  const session = connected()
  session.outgoing.setState(5, COMPLETE)
  session.outgoing.received(
    encodeAck({ epoch: 1, sequence: 0, sentMs: 0, status: { complete: SlotSet.of([5]), elsewhere: new SlotSet() } }),
  )
  const now = session.clock.now()
  assert.ok(session.outgoing.inSync(5, now + 999))
  assert.not(session.outgoing.inSync(5, now + 1000))
})

test('incomplete counts the slots that are followed and not complete', () => {
  const { outgoing, clock } = connected()
  clock.advance(100)
  outgoing.setState(1, FOLLOWING)
  assert.is(outgoing.sinceMs[1], clock.now())
  outgoing.setState(2, CHECKING)
  outgoing.setState(2, FILLED)
  outgoing.setState(3, COMPLETE)
  assert.is(outgoing.incomplete, 2)
  outgoing.setState(1, COMPLETE)
  outgoing.setState(2, UNFOLLOWED)
  assert.is(outgoing.incomplete, 0)
})

test('a newer link of the same peer takes over from one that has not been seen to break', () => {
  const session = connected()
  const [oldOut, oldBack] = [session.out as FakeLink, session.back as FakeLink]
  session.connect()
  assert.not(oldBack.open, 'the follower ends the older one')
  session.outgoing.linkClosed(oldOut)
  session.incoming.linkClosed(oldBack)
  session.write('k')
  session.clock.advance(10)
  assert.equal(session.keys, ['k'])
})

test('a closed session sends nothing and keeps nothing', () => {
  const session = connected()
  const link = session.out as FakeLink
  session.write('a')
  session.clock.advance(10)
  const sent = link.sent.length
  session.outgoing.close()
  session.write('b')
  session.outgoing.beat()
  session.clock.advance(10)
  assert.is(link.sent.length, sent)
  assert.is(session.outgoing.backlogBytes, 0)
})

test('a follower that goes by another holder of the slot confirms nothing of it, from the very acknowledgement on that says so', () => {
  const session = connected()
  session.write('before')
  session.clock.advance(5)
  session.outgoing.setState(5, COMPLETE)
  const arrivals: string[] = []
  session.write('k')
  session.outgoing.whenConfirmed(5, (arrival) => arrivals.push(`5 ${arrival}`))
  session.outgoing.whenConfirmed(6, (arrival) => arrivals.push(`6 ${arrival}`))
  session.recorder.elsewhere = SlotSet.of([5, 6])
  session.incoming.statusChanged()
  session.clock.advance(5)
  assert.equal(arrivals, ['6 void', '5 void'])
  assert.is(session.outgoing.state(5), UNFOLLOWED)
  assert.is(session.disownings, 1)
})

test('reads are told with the next message, or with a beat, and make no message of their own', () => {
  const session = new Session().connect()
  session.clock.advance(10)
  session.outgoing.touch(entry('hot', '', 1))
  session.clock.advance(50)
  assert.equal(session.recorder.told, [])
  session.outgoing.writeEntry(entry('k', 'v', 5))
  session.outgoing.touch(entry('warm', '', 1))
  session.clock.advance(10)
  assert.equal(session.recorder.told.splice(0), ['entry k=v @5-0-a', 'touched hot', 'touched warm'])
  session.outgoing.touch(entry('hot', '', 1))
  session.outgoing.beat()
  session.clock.advance(10)
  assert.equal(session.recorder.told.splice(0), ['touched hot'])
  assert.is(session.outgoing.backlogBytes, 0)
})

test('of reads no more is kept than a message may hold, and nothing for a follower that is not there', () => {
  const session = new Session().connect()
  session.clock.advance(10)
  const long = entry('k'.repeat(1000), '', 1)
  for (let i = 0; i < 1000; i++) session.outgoing.touch(long)
  session.outgoing.beat()
  session.clock.advance(10)
  assert.ok(session.recorder.told.length < 20, `${session.recorder.told.length} told`)
  session.disconnect()
  session.recorder.told.length = 0
  session.outgoing.touch(long)
  session.outgoing.beat()
  session.connect()
  session.clock.advance(10)
  assert.equal(session.recorder.told, [])
})

test.run()
