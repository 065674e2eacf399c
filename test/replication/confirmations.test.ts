/** What waits for followers: one of them, all, or a number; such as fall behind, go, come, or begin anew. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { Confirmations } from '../../src/replication/confirmations.ts'
import { Incoming } from '../../src/replication/incoming.ts'
import { COMPLETE, FOLLOWING, type FollowState, Outgoing, UNFOLLOWED } from '../../src/replication/outgoing.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeLink, peer, Recorder } from './fakes.ts'

const test = suite('confirmations')

const SLOT = 7
const OTHER_SLOT = 8
const TIMEOUT_MS = 1000
const MIB = 1024 * 1024

/** One follower, the stream to it, and the link that the test holds. */
class Follower {
  readonly outgoing: Outgoing
  readonly #clock: FakeClock
  readonly #incoming: Incoming
  readonly #recorder = new Recorder()
  #links: readonly FakeLink[] = []

  constructor(name: string, clock: FakeClock, hybrid: HybridClock) {
    let epoch = 0
    this.#clock = clock
    this.outgoing = new Outgoing(peer(name), clock, hybrid, { nextEpoch: () => ++epoch, reset: () => {}, disowned: () => {} })
    this.#incoming = new Incoming(peer('primary'), clock, this.#recorder)
    this.connect()
  }

  connect(): void {
    const out = new FakeLink(this.#clock, peer('follower'), (message) => this.#incoming.received(message))
    const back = new FakeLink(this.#clock, peer('primary'), (message) => this.outgoing.received(message))
    this.#links = [out, back]
    this.outgoing.opened(out)
    this.#incoming.opened(back)
  }

  disconnect(): void {
    for (const link of this.#links) link.close()
    this.outgoing.linkClosed(this.#links[0] as FakeLink)
  }

  /** What is streamed to it does not arrive until `release`. */
  hold(): void {
    this.#links[0]?.hold()
  }

  release(): void {
    this.#links[0]?.release()
  }

  is(state: FollowState, slot: number = SLOT): this {
    this.outgoing.setState(slot, state)
    return this
  }

  /** Its stream is given up: more waits than may. */
  fallBehind(): void {
    for (let i = 0; i < 70; i++) {
      this.outgoing.writeEntry(entry(`big-${i}`, 'v'.repeat(MIB), 1))
      this.outgoing.flush()
    }
  }

  /** By its own word. */
  saysComplete(...slots: number[]): void {
    this.#recorder.confirmed = SlotSet.of(slots)
    this.#incoming.statusChanged()
  }
}

class Primary {
  readonly clock = new FakeClock()
  readonly #hybrid = new HybridClock(this.clock)
  followers: Follower[] = []
  /** Of other slots than `SLOT`. */
  readonly others = new Map<number, Follower[]>()
  readonly confirmations = new Confirmations(this.clock, { of: (slot) => this.of(slot).map(({ outgoing }) => outgoing) })

  /** With complete copies, and their links open. */
  constructor(followers: number) {
    for (let i = 0; i < followers; i++) this.followers.push(this.follower(`f${i}`))
    this.clock.advance(10)
  }

  follower(name: string): Follower {
    return new Follower(name, this.clock, this.#hybrid).is(COMPLETE)
  }

  of(slot: number): Follower[] {
    return slot === SLOT ? this.followers : (this.others.get(slot) ?? [])
  }

  write(slot: number = SLOT): void {
    const { ms, counter } = this.#hybrid.next()
    for (const { outgoing } of this.of(slot)) outgoing.writeEntry(entry('k', 'v', ms, counter))
  }

  await(all: boolean): { readonly told: boolean[] } {
    const told: boolean[] = []
    this.confirmations.await(SLOT, all, TIMEOUT_MS, (confirmed) => told.push(confirmed))
    return { told }
  }

  count(wanted: number, slots: readonly number[] = [SLOT]): { readonly told: number[] } {
    const told: number[] = []
    this.confirmations.count(slots, wanted, TIMEOUT_MS, (followers) => told.push(followers))
    return { told }
  }
}

test('a write is confirmed when one follower has applied it, and not before', () => {
  const primary = new Primary(2)
  const [near, far] = primary.followers as [Follower, Follower]
  far.hold()
  near.hold()
  primary.write()
  const one = primary.await(false)
  const all = primary.await(true)
  primary.clock.advance(100)
  assert.equal([one.told, all.told], [[], []])
  near.release()
  primary.clock.advance(10)
  assert.equal([one.told, all.told], [[true], []])
  far.release()
  primary.clock.advance(10)
  assert.equal([one.told, all.told], [[true], [true]])
})

test('what has been applied already is confirmed at once', () => {
  const primary = new Primary(2)
  primary.write()
  primary.clock.advance(10)
  assert.equal(primary.await(false).told, [true])
  assert.equal(primary.await(true).told, [true])
})

test('what was written in this turn, and has not left yet, is waited for', () => {
  const primary = new Primary(1)
  primary.write()
  const { told } = primary.await(false)
  assert.equal(told, [])
  primary.clock.advance(10)
  assert.equal(told, [true])
})

test('a stand-in, which holds no copy but gets every write, confirms as well', () => {
  const primary = new Primary(1)
  primary.followers[0]?.is(FOLLOWING)
  assert.ok(primary.confirmations.possible(SLOT))
  primary.write()
  const one = primary.await(false)
  const all = primary.await(true)
  primary.clock.advance(10)
  assert.equal([one.told, all.told], [[true], [true]])
})

test('it is possible while a follower can be reached', () => {
  const primary = new Primary(2)
  const [first, second] = primary.followers as [Follower, Follower]
  assert.ok(primary.confirmations.possible(SLOT))
  assert.not(primary.confirmations.possible(OTHER_SLOT))
  first.disconnect()
  assert.ok(primary.confirmations.possible(SLOT))
  second.disconnect()
  assert.not(primary.confirmations.possible(SLOT))
  first.connect()
  assert.not(primary.confirmations.possible(SLOT), 'it has not said yet where to go on')
  primary.clock.advance(10)
  assert.ok(primary.confirmations.possible(SLOT))
  first.is(UNFOLLOWED)
  assert.not(primary.confirmations.possible(SLOT))
})

test('without any follower nothing is confirmed', () => {
  const primary = new Primary(0)
  assert.equal(primary.await(false).told, [false])
  assert.equal(primary.await(true).told, [false])
})

test('when time is up it is not confirmed, and what comes later changes nothing', () => {
  const primary = new Primary(1)
  primary.followers[0]?.hold()
  primary.write()
  const { told } = primary.await(false)
  primary.clock.advance(TIMEOUT_MS - 1)
  assert.equal(told, [])
  primary.clock.advance(2)
  assert.equal(told, [false])
  primary.followers[0]?.release()
  primary.clock.advance(100)
  assert.equal(told, [false])
})

test('a link that breaks and comes back in time confirms what it resumed', () => {
  const primary = new Primary(1)
  const [follower] = primary.followers as [Follower]
  follower.hold()
  primary.write()
  const { told } = primary.await(false)
  follower.disconnect()
  primary.clock.advance(300)
  assert.equal(told, [])
  follower.connect()
  primary.clock.advance(10)
  assert.equal(told, [true])
})

test('a follower that goes is waited for no longer: the others decide', () => {
  const primary = new Primary(2)
  const [near, far] = primary.followers as [Follower, Follower]
  near.hold()
  far.hold()
  primary.write()
  const one = primary.await(false)
  const all = primary.await(true)
  far.outgoing.close()
  assert.equal([one.told, all.told], [[], []])
  near.release()
  primary.clock.advance(10)
  assert.equal([one.told, all.told], [[true], [true]])
})

test('when the last follower goes it is not confirmed, at once', () => {
  const primary = new Primary(2)
  for (const follower of primary.followers) follower.hold()
  primary.write()
  const one = primary.await(false)
  const all = primary.await(true)
  for (const { outgoing } of primary.followers) outgoing.close()
  assert.equal([one.told, all.told], [[false], [false]])
  assert.equal([primary.await(false).told, primary.await(true).told], [[false], [false]], 'nor what is asked for afterwards')
})

test('a follower whose stream is given up has not got the write: `all` is not confirmed, one is by another', () => {
  const primary = new Primary(2)
  const [near, far] = primary.followers as [Follower, Follower]
  near.hold()
  far.hold()
  primary.write()
  const one = primary.await(false)
  const all = primary.await(true)
  far.fallBehind()
  assert.is(far.outgoing.state(SLOT), UNFOLLOWED)
  assert.equal([one.told, all.told], [[], [false]])
  near.release()
  primary.clock.advance(10)
  assert.equal([one.told, all.told], [[true], [false]])
})

test('who lost the slot to another has nothing of it confirmed, though the follower reads it; what was granted away before is', () => {
  for (const granted of [false, true]) {
    const primary = new Primary(1)
    const [follower] = primary.followers as [Follower]
    follower.hold()
    primary.write()
    const { told } = primary.await(false)
    if (granted) follower.outgoing.granting(SlotSet.of([SLOT]))
    follower.outgoing.lose(SLOT)
    follower.release()
    primary.clock.advance(10)
    assert.equal(told, [granted])
  }
})

test('a slot that was lost and is held again is confirmed anew, by what is written from then on', () => {
  const primary = new Primary(1)
  const [follower] = primary.followers as [Follower]
  follower.hold()
  primary.write()
  const before = primary.await(false)
  follower.outgoing.lose(SLOT)
  follower.is(FOLLOWING)
  primary.write()
  const after = primary.await(false)
  follower.release()
  primary.clock.advance(10)
  assert.equal([before.told, after.told], [[false], [true]])
})

test('the write by which a stream is given up is not taken for confirmed', () => {
  const primary = new Primary(1)
  const [follower] = primary.followers as [Follower]
  follower.hold()
  follower.fallBehind()
  follower.is(COMPLETE)
  // As much as is sent at once, so that the stream is given up within the write itself.
  while (follower.outgoing.state(SLOT) === COMPLETE) follower.outgoing.writeEntry(entry('big', 'v'.repeat(MIB), 1))
  assert.is(follower.outgoing.backlogBytes, 0)
  assert.equal(primary.await(false).told, [false])
  assert.equal(primary.await(true).told, [false])
  assert.not(primary.confirmations.possible(SLOT))
})

test('what waits for a follower that does not answer is forgotten when its time is up', () => {
  const primary = new Primary(1)
  const [follower] = primary.followers as [Follower]
  follower.hold()
  primary.write()
  const { outgoing } = follower
  const whenApplied = outgoing.whenApplied.bind(outgoing)
  let waiting = 0
  let late = 0
  outgoing.whenApplied = (done) => {
    waiting++
    const cancel = whenApplied((arrival) => {
      late++
      done(arrival)
    })
    return () => {
      waiting--
      cancel()
    }
  }
  const told = Array.from({ length: 100 }, () => [primary.await(false).told, primary.count(1).told])
  assert.is(waiting, 200)
  primary.clock.advance(TIMEOUT_MS + 100)
  assert.ok(told.every(([awaited, counted]) => awaited?.[0] === false && counted?.[0] === 0))
  assert.is(waiting, 0)
  follower.release()
  primary.clock.advance(100)
  assert.is(late, 0)
})

test('the count is that of the slot which has the fewest, when as many as wanted have all that was written', () => {
  const primary = new Primary(3)
  const [, second, third] = primary.followers as [Follower, Follower, Follower]
  primary.others.set(OTHER_SLOT, [second.is(COMPLETE, OTHER_SLOT), third.is(COMPLETE, OTHER_SLOT)])
  second.hold()
  third.hold()
  primary.write()
  const one = primary.count(1)
  const both = primary.count(1, [SLOT, OTHER_SLOT])
  const three = primary.count(3)
  primary.clock.advance(10)
  assert.equal([one.told, both.told, three.told], [[1], [], []])
  second.release()
  primary.clock.advance(10)
  assert.equal([both.told, three.told], [[1], []])
  third.release()
  primary.clock.advance(10)
  assert.equal(three.told, [3])
  assert.equal(primary.count(2, [SLOT, OTHER_SLOT]).told, [2])
})

test('one slot that is confirmed does not answer for another that is not', () => {
  const primary = new Primary(1)
  const slow = primary.follower('slow').is(UNFOLLOWED).is(COMPLETE, OTHER_SLOT)
  primary.others.set(OTHER_SLOT, [slow])
  primary.clock.advance(10)
  slow.hold()
  primary.write(OTHER_SLOT)
  const { told } = primary.count(1, [SLOT, OTHER_SLOT])
  primary.clock.advance(100)
  assert.equal(told, [])
  slow.release()
  primary.clock.advance(10)
  assert.equal(told, [1])
})

test('who is asked for no more than there are answers at once, and for none as well', () => {
  const primary = new Primary(2)
  assert.equal(primary.count(0).told, [2])
  assert.equal(primary.count(2).told, [2])
  assert.equal(primary.count(1, []).told, [0])
  primary.followers[0]?.hold()
  primary.write()
  assert.equal(primary.count(0).told, [0])
})

test('who is asked for more than there are says how many when time is up', () => {
  const primary = new Primary(2)
  primary.write()
  const { told } = primary.count(5)
  primary.clock.advance(TIMEOUT_MS - 1)
  assert.equal(told, [])
  primary.clock.advance(2)
  assert.equal(told, [2])
  assert.equal(new Primary(0).count(1).told, [])
})

test('a follower that lacks what was written before it came counts from when its copy is complete', () => {
  const primary = new Primary(1)
  const [follower] = primary.followers as [Follower]
  follower.is(FOLLOWING)
  primary.write()
  primary.clock.advance(10)
  assert.equal(primary.await(false).told, [true], 'it has what was written since')
  const { told } = primary.count(1)
  primary.clock.advance(500)
  assert.equal(told, [])
  follower.saysComplete(SLOT)
  primary.clock.advance(100)
  assert.equal(told, [1])
})

test('one whose stream was given up counts when its copy is complete again, one that went does not', () => {
  const primary = new Primary(2)
  const [behind, gone] = primary.followers as [Follower, Follower]
  behind.hold()
  gone.hold()
  primary.write()
  const { told } = primary.count(1)
  behind.fallBehind()
  gone.outgoing.close()
  primary.clock.advance(100)
  assert.equal(told, [])
  behind.is(COMPLETE)
  primary.clock.advance(100)
  assert.equal(told, [1])
})

test('a follower that comes while it is waited for counts too', () => {
  const primary = new Primary(0)
  const { told } = primary.count(1)
  primary.clock.advance(200)
  primary.followers = [primary.follower('late')]
  primary.clock.advance(100)
  assert.equal(told, [1])
})

test.run()
