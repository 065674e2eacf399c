/**
 * Hand-over between two members, with real followers, streams and tables on a link and calls that the test holds back or cuts. What the rest of
 * replication would do with a frame is done here in its simplest form.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter } from '../../src/lib/bytes.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { compareTerms, type Term, View } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import { Followers } from '../../src/replication/followers.ts'
import type { SlotCheck } from '../../src/replication/frames.ts'
import { HandOver } from '../../src/replication/hand-over.ts'
import { type FollowEvents, Incoming } from '../../src/replication/incoming.ts'
import { decodeSlots, encodeSlots, KIND_CONFIRM, KIND_OFFER } from '../../src/replication/messages.ts'
import { NONE, PARKED, PRIMARY, SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, type FakeCalls, FakeLink, FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('hand-over')

const TICK_MS = 50
const BEAT_MS = 100
const HOUR_MS = 3_600_000

/** Slots of the ring of `a` and `b` whose first place is `a`'s, and `b`'s. */
const RING = new View({ ringNames: ['a', 'b'], present: [], knownGone: [], replicas: 1 }).ring
const OF_A = firstSlots('a', 5)
const OF_B = firstSlots('b', 5)

function firstSlots(name: string, count: number): number[] {
  const slots: number[] = []
  for (let slot = 0; slots.length < count; slot++) if (RING.at(slot, 0) === name) slots.push(slot)
  return slots
}

class Member {
  readonly name: string
  readonly calls: FakeCalls
  readonly store = newStore()
  readonly hybrid: HybridClock
  readonly followers: Followers
  readonly handOver: HandOver
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  view = new View({ ringNames: ['a', 'b'], present: [], knownGone: [], replicas: 1 })
  leaving = false
  /** What it took by a grant, as it would publish it. */
  readonly announced: { readonly slot: number; readonly under: Term }[] = []
  readonly #clock: FakeClock
  readonly #covered = new Set<number>()

  constructor(name: string, clock: FakeClock, network: FakeNetwork) {
    this.name = name
    this.#clock = clock
    this.hybrid = new HybridClock(clock)
    this.calls = network.join(peer(name))
    const context: Context = {
      self: () => peer(name),
      clock,
      hybrid: this.hybrid,
      logger: SILENT,
      store: this.store,
      calls: this.calls,
      around: this.calls,
      table: this.table,
      view: () => this.view,
      marks: () => new Map(),
      beaten: () => {},
      isGone: () => false,
      leaving: () => this.leaving,
    }
    this.followers = new Followers(context)
    this.handOver = new HandOver(context, this.followers)
  }

  tick(): void {
    const nowMs = this.#clock.now()
    if (Math.floor(nowMs / BEAT_MS) !== Math.floor((nowMs - TICK_MS) / BEAT_MS))
      for (const outgoing of this.followers.all()) outgoing.beat()
    this.followers.tick(nowMs)
    this.handOver.settle(nowMs)
    this.handOver.offer(nowMs)
  }

  write(key: string, value: string): void {
    const { ms, counter } = this.hybrid.next()
    const written = entry(key, value, ms, counter, this.name)
    this.store.apply(written, 0)
    this.followers.append(written, slotOf(Buffer.from(key)))
  }

  /** What a follower does with a stream. */
  following(): FollowEvents {
    const { table, store } = this
    return {
      ahead: () => {},
      entry: (_session, read) => {
        store.apply(read, 0)
        return -1
      },
      dropped: () => {},
      touched: () => {},
      follow: (_session, under, slots) => {
        for (const slot of slots) {
          table.adopt(slot, under)
          this.#covered.add(slot)
        }
      },
      unfollow: (_session, slots) => {
        for (const slot of slots) this.#covered.delete(slot)
      },
      check: (session, under, checks: readonly SlotCheck[]) => {
        for (const { slot, high, low } of checks) {
          const digest = store.slotDigest(slot)
          if (this.#covered.has(slot) && digest.high === high && digest.low === low) table.markComplete(slot, under)
        }
        session.statusChanged()
      },
      marks: () => {},
      compare: () => {},
      list: () => {},
      complete: (session, under, checks) => {
        for (const { slot } of checks) table.markComplete(slot, under)
        session.statusChanged()
      },
      grant: (session, number, under, slots) => {
        const taken = under.name === this.name ? this.handOver.honours(session.peer, number, this.#clock.now()) : null
        for (const slot of slots) {
          if (!this.#covered.has(slot) || !table.adopt(slot, under)) continue
          if (taken === null) table.markComplete(slot, under)
          else {
            table.take(slot, under)
            taken.add(slot)
            this.announced.push({ slot, under })
          }
        }
        session.statusChanged()
      },
      gap: () => {},
      statusFor: (session) => {
        const complete = new SlotSet()
        for (const slot of table.completeSet()) if (table.term(slot)?.name === session.peer.name) complete.add(slot)
        return { complete, elsewhere: new SlotSet() }
      },
    }
  }
}

class Scene {
  readonly clock = new FakeClock()
  readonly network = new FakeNetwork(this.clock)
  readonly a = new Member('a', this.clock, this.network)
  readonly b = new Member('b', this.clock, this.network)
  /** From a to b, and back. */
  readonly out: FakeLink
  readonly back: FakeLink
  /** Whether a hears what b announces. */
  announces = true
  #announced = 0

  constructor() {
    this.see([])
    this.a.followers.peerPresent(peer('b'))
    const outgoing = this.outgoing
    const incoming = new Incoming(peer('a'), this.clock, this.b.following())
    this.out = new FakeLink(this.clock, peer('b'), (message) => incoming.received(message))
    this.back = new FakeLink(this.clock, peer('a'), (message) => outgoing.received(message))
    outgoing.opened(this.out)
    incoming.opened(this.back)
    const tick = (): void => {
      this.a.tick()
      this.b.tick()
      this.announce()
      this.clock.after(TICK_MS, tick)
    }
    tick()
    this.clock.observer = () => {
      for (const slot of [...OF_A, ...OF_B]) {
        assert.not(this.a.table.isPrimary(slot) && this.b.table.isPrimary(slot), `slot ${slot} has two executors`)
      }
    }
  }

  get outgoing() {
    const outgoing = this.a.followers.outgoing(peer('b'))
    assert.ok(outgoing)
    return outgoing as NonNullable<typeof outgoing>
  }

  see(leaving: readonly string[]): void {
    const present = ['a', 'b'].map((name) => ({ name, generation: 1, leaving: leaving.includes(name) }))
    for (const member of [this.a, this.b]) {
      member.view = new View({ ringNames: ['a', 'b'], present, knownGone: [], replicas: 1 })
      member.followers.markDirty()
    }
  }

  announce(): void {
    if (!this.announces) return
    for (const { slot, under } of this.b.announced.slice(this.#announced)) this.a.handOver.taken(SlotSet.of([slot]), under)
    this.#announced = this.b.announced.length
  }

  /** `a` holds these slots and `b` follows, complete. */
  held(slots: readonly number[], under: Term = term('a', this.a.hybrid.next().ms)): this {
    for (const slot of slots) this.a.table.take(slot, under)
    this.a.followers.markDirty()
    this.clock.runUntilTrue(() => slots.every((slot) => this.outgoing.inSync(slot, this.clock.now())), 3000, 'b complete', 1)
    return this
  }

  leave(): void {
    this.see(['a'])
    this.a.leaving = true
  }

  /** `a` leaves, and the grant is on its way but not read. */
  granted(slots: readonly number[]): this {
    this.held(slots)
    this.leave()
    this.clock.runUntilTrue(
      () => {
        if (this.network.log.some((line) => line === `a>b ${KIND_OFFER}`)) this.out.hold()
        return slots.every((slot) => this.a.table.role(slot) === PARKED)
      },
      500,
      'a grant',
      0.25,
    )
    return this
  }

  roles(member: Member, slots: readonly number[]): number[] {
    return [...new Set(slots.map((slot) => member.table.role(slot)))]
  }

  count(kind: number): number {
    return this.network.log.filter((line) => line === `a>b ${kind}`).length
  }
}

/** Asks b, as a would, whether it takes the slots over: the number it answers, and what it accepts. */
function offer(scene: Scene, slots: SlotSet, from: 'a' | 'b' = 'a'): { number: number; accepted: number[] } {
  let answer: { number: number; accepted: number[] } | null = null
  const [asker, asked] = from === 'a' ? [scene.a, 'b'] : [scene.b, 'a']
  asker.calls.call(asked, KIND_OFFER, encodeSlots(slots), 1000, (failure, body) => {
    assert.is(failure, null)
    const reader = new ByteReader(body as Buffer)
    answer = { number: reader.u32(), accepted: [...SlotSet.decode(reader)] }
  })
  scene.clock.advance(3)
  return answer as unknown as { number: number; accepted: number[] }
}

function confirm(scene: Scene, number: number): number[] {
  let taken: number[] | null = null
  scene.a.calls.call('b', KIND_CONFIRM, new ByteWriter(4).u32(number).toBuffer(), 1000, (_failure, body) => {
    taken = [...decodeSlots(body as Buffer)]
  })
  scene.clock.advance(3)
  return taken as unknown as number[]
}

test('a member that leaves hands everything to its follower, with a short pause and under a higher, strong term', () => {
  const scene = new Scene().held([...OF_A, ...OF_B])
  const before = scene.a.table.term(OF_A[0] as number)
  scene.leave()
  scene.clock.advance(200)
  for (const slot of [...OF_A, ...OF_B]) {
    assert.is(scene.b.table.role(slot), PRIMARY)
    assert.is(scene.a.table.role(slot), NONE)
    const now = scene.b.table.term(slot)
    assert.is(now?.name, 'b')
    assert.ok(now?.strong)
    assert.ok(compareTerms(now, before) > 0)
    assert.is(compareTerms(scene.a.table.term(slot), now), 0)
    assert.ok(scene.a.table.isComplete(slot), 'it goes on as a complete follower')
  }
  assert.is(scene.a.handOver.movedTotal, 10)
  assert.is(scene.a.handOver.takenBackTotal, 0)
  assert.ok(scene.a.handOver.longestPauseMs <= 2 * TICK_MS + 5, `${scene.a.handOver.longestPauseMs} ms`)
})

test('a heir awaits what it asked for until it has read the grant, or for as long as it would honour one', () => {
  const scene = new Scene().held(OF_A)
  const [slot, last] = [OF_A[0] as number, OF_A[4] as number]
  const awaits = (of: number): boolean => scene.b.handOver.awaits(of, scene.clock.now())
  assert.not(awaits(slot))
  const { number } = offer(scene, SlotSet.of(OF_A.slice(0, 4)))
  assert.ok(awaits(slot))
  assert.not(awaits(last), 'it was not offered')
  scene.clock.advance(990)
  assert.ok(awaits(slot))
  scene.clock.advance(20)
  assert.not(awaits(slot), 'too late to be honoured')
  assert.is(scene.b.handOver.honours(peer('a'), number, scene.clock.now()), null)
  const again = offer(scene, SlotSet.of(OF_A))
  assert.ok(awaits(slot))
  assert.equal(confirm(scene, again.number), [])
  assert.not(awaits(slot), 'it has said that it will not take it')
  const third = offer(scene, SlotSet.of(OF_A))
  assert.ok(awaits(slot))
  assert.ok(scene.b.handOver.honours(peer('a'), third.number, scene.clock.now()) !== null)
  assert.not(awaits(slot), 'the grant has been read')
})

test('a grant is above the term it replaces, even where that came from a clock an hour ahead', () => {
  const scene = new Scene()
  const ahead = term('a', scene.a.hybrid.physicalMs() + HOUR_MS)
  scene.held(OF_A, ahead)
  scene.leave()
  scene.clock.advance(1500)
  assert.equal(scene.roles(scene.b, OF_A), [PRIMARY])
  assert.equal(scene.roles(scene.a, OF_A), [NONE])
  for (const slot of OF_A) assert.ok(compareTerms(scene.b.table.term(slot), ahead) > 0)
  assert.ok(scene.a.hybrid.current().ms < ahead.ms - HOUR_MS / 2, 'no clock was dragged along')
})

test('a weak term from a clock an hour ahead is made strong under a higher one, and the followers come along', () => {
  const scene = new Scene()
  const ahead = term('a', scene.a.hybrid.physicalMs() + HOUR_MS, false)
  scene.held(OF_A, ahead)
  scene.a.handOver.renew(SlotSet.of(OF_A), true)
  scene.clock.advance(20)
  for (const slot of OF_A) {
    const now = scene.a.table.term(slot) as Term
    assert.ok(now.strong && now.ms >= ahead.ms, `${now.ms}`)
    assert.is(compareTerms(scene.b.table.term(slot), now), 0)
    assert.ok(scene.b.table.isComplete(slot))
  }
})

test('the slots for one heir move as one batch', () => {
  const scene = new Scene().held([...OF_A, ...OF_B])
  scene.leave()
  scene.clock.advance(500)
  assert.is(scene.count(KIND_OFFER), 1)
  assert.is(new Set(scene.b.announced.map(({ under }) => under.ms * 65_536 + under.counter)).size, 1)
})

test('all that was written before the grant is there when the heir takes over', () => {
  const scene = new Scene()
  const key = 'some key'
  const slot = slotOf(Buffer.from(key))
  scene.held([slot])
  scene.leave()
  let written = 0
  const writeOn = (): void => {
    if (!scene.a.table.isPrimary(slot)) return
    scene.a.write(key, String(++written))
    scene.clock.after(0.4, writeOn)
  }
  writeOn()
  let looked = 0
  scene.clock.observer = () => {
    if (!scene.b.table.isPrimary(slot)) return
    looked++
    const found = entry('', '', 0)
    assert.ok(scene.b.store.peek(Buffer.from(key), 0, key.length, found))
    assert.is(found.valueBytes().toString(), String(written))
  }
  scene.clock.advance(200)
  assert.ok(written > 10 && looked > 0)
  assert.ok(scene.b.table.isPrimary(slot))
})

test('the preferred member gets its slots back once it has been complete for 5 s, and no others', () => {
  const scene = new Scene().held([...OF_A, ...OF_B])
  const completeAt = scene.clock.now()
  scene.clock.advance(4900)
  assert.is(scene.count(KIND_OFFER), 0)
  scene.clock.runUntilTrue(() => scene.b.table.isPrimary(OF_B[0] as number), 1000, 'a return')
  assert.ok(scene.clock.now() - completeAt >= 4950)
  scene.clock.advance(3000)
  assert.equal(scene.roles(scene.b, OF_B), [PRIMARY])
  assert.equal(scene.roles(scene.a, OF_B), [NONE])
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY], 'what it is first in itself it keeps')
})

test('nothing is offered to a member that leaves, or that is not in sync', () => {
  const scene = new Scene().held(OF_B)
  scene.see(['b'])
  scene.clock.advance(8000)
  assert.is(scene.count(KIND_OFFER), 0)
  scene.a.leaving = true
  scene.see(['a', 'b'])
  scene.clock.advance(2000)
  assert.is(scene.count(KIND_OFFER), 0)
  scene.see(['a'])
  scene.back.hold()
  scene.clock.advance(1100)
  const before = scene.count(KIND_OFFER)
  scene.clock.advance(2000)
  assert.is(scene.count(KIND_OFFER), before, 'its acknowledgements do not arrive')
})

test('nothing is offered while much waits to be acknowledged', () => {
  const scene = new Scene().held(OF_A)
  scene.out.hold()
  scene.outgoing.write((frames) => frames.entry(entry('k', 'v'.repeat(17 * 1024 * 1024), 1)))
  scene.leave()
  scene.clock.advance(500)
  assert.is(scene.count(KIND_OFFER), 0)
  scene.out.release()
  scene.clock.advance(200)
  assert.equal(scene.roles(scene.b, OF_A), [PRIMARY])
})

test('an heir accepts only what it holds completely under the offerer’s term, and nothing while it leaves', () => {
  const scene = new Scene().held(OF_A)
  const [complete, partial, foreign, own] = OF_A as [number, number, number, number, number]
  scene.b.table.markPartial(partial)
  scene.b.table.adopt(foreign, { ...term('c', scene.a.hybrid.current().ms + 10) })
  scene.b.table.markComplete(foreign, scene.b.table.term(foreign) as Term)
  scene.b.table.beginClaim(own)
  assert.equal(offer(scene, SlotSet.of([complete, partial, foreign, own, 16_000])).accepted, [complete])
  scene.b.leaving = true
  assert.equal(offer(scene, SlotSet.of([complete])).accepted, [])
})

test('every offer is answered with a fresh number', () => {
  const scene = new Scene().held(OF_A)
  const numbers = Array.from({ length: 5 }, () => offer(scene, SlotSet.of(OF_A)).number)
  assert.is(new Set(numbers).size, 5)
})

test('a grant is honoured once, from him who offered, under the number that was answered', () => {
  const scene = new Scene().held(OF_A)
  const { number } = offer(scene, SlotSet.of(OF_A))
  const now = scene.clock.now()
  assert.is(scene.b.handOver.honours(peer('c'), number, now), null, 'from another name')
  assert.is(scene.b.handOver.honours(peer('a', 2), number, now), null, 'from another life')
  assert.is(scene.b.handOver.honours(peer('a'), number + 1, now), null, 'under another number')
  assert.is(scene.b.handOver.honours(peer('a'), 0, now), null, 'under no number')
  assert.is.not(scene.b.handOver.honours(peer('a'), number, now), null)
  assert.is(scene.b.handOver.honours(peer('a'), number, now), null, 'twice')
})

test('a grant is honoured within a second of the request, and not later', () => {
  for (const [afterMs, honoured] of [
    [900, true],
    [1001, false],
    [60_000, false],
  ] as const) {
    const scene = new Scene().held(OF_A)
    const askedMs = scene.clock.now()
    const { number } = offer(scene, SlotSet.of(OF_A))
    assert.is(scene.b.handOver.honours(peer('a'), number, askedMs + afterMs + 2) !== null, honoured, `after ${afterMs} ms`)
  }
})

test('who is asked what it took before it has read the grant will not take it any more', () => {
  const scene = new Scene().held(OF_A)
  const { number } = offer(scene, SlotSet.of(OF_A))
  assert.equal(confirm(scene, number), [])
  assert.is(scene.b.handOver.honours(peer('a'), number, scene.clock.now()), null)
})

test('who is asked what it took names it, as often as it is asked', () => {
  const scene = new Scene().held(OF_A)
  const { number } = offer(scene, SlotSet.of(OF_A))
  const taken = scene.b.handOver.honours(peer('a'), number, scene.clock.now())
  taken?.add(OF_A[0] as number)
  taken?.add(OF_A[3] as number)
  for (let i = 0; i < 3; i++) assert.equal(confirm(scene, number), [OF_A[0], OF_A[3]])
  assert.equal(confirm(scene, number + 1), [], 'a number that was never given')
})

test('a grant that is read too late is not taken; the old primary asks, hears no, and takes back under a higher term', () => {
  const scene = new Scene().granted(OF_A)
  const granted = scene.a.table.term(OF_A[0] as number)
  scene.clock.advance(1050)
  scene.out.release()
  scene.clock.advance(20)
  assert.equal(scene.roles(scene.b, OF_A), [NONE], 'too late')
  assert.equal(scene.roles(scene.a, OF_A), [PARKED])
  // Whoever leaves would offer them again at once; here it stays, to be looked at.
  scene.a.leaving = false
  scene.see(['b'])
  scene.clock.advance(800)
  assert.equal(scene.roles(scene.a, OF_A), [PARKED], 'not before 2 s')
  assert.is(scene.count(KIND_CONFIRM), 0)
  scene.clock.advance(300)
  assert.is(scene.count(KIND_CONFIRM), 1)
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY])
  const now = scene.a.table.term(OF_A[0] as number)
  assert.is(now?.name, 'a')
  assert.ok(now?.strong)
  assert.ok(compareTerms(now, granted) > 0)
  assert.is(scene.a.handOver.takenBackTotal, OF_A.length)
  assert.is(scene.a.handOver.movedTotal, 0)
  for (const slot of OF_A) {
    assert.is(compareTerms(scene.b.table.term(slot), now), 0)
    assert.ok(scene.b.table.isComplete(slot), 'the follower was led along and is complete still')
  }
})

test('a grant that arrives after the no is void', () => {
  const scene = new Scene().granted(OF_A)
  scene.a.leaving = false
  scene.see(['b'])
  scene.clock.advance(2200)
  assert.is(scene.a.handOver.takenBackTotal, OF_A.length)
  scene.out.release()
  scene.clock.advance(500)
  assert.equal(scene.roles(scene.b, OF_A), [NONE])
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY])
})

test('while the heir cannot be asked nothing is taken back, however long it lasts', () => {
  const scene = new Scene().granted(OF_A)
  scene.network.cut.add('a>b')
  scene.clock.advance(20_000)
  assert.equal(scene.roles(scene.a, OF_A), [PARKED])
  assert.is(scene.a.handOver.takenBackTotal, 0)
  assert.ok(scene.count(KIND_CONFIRM) >= 10, 'it goes on asking')
  scene.network.cut.delete('a>b')
  scene.a.leaving = false
  scene.see(['b'])
  scene.clock.advance(1200)
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY])
})

test('nor while its answers do not arrive', () => {
  const scene = new Scene().granted(OF_A)
  scene.network.cut.add('b>a')
  scene.clock.advance(10_000)
  assert.equal(scene.roles(scene.a, OF_A), [PARKED])
  assert.is(scene.a.handOver.takenBackTotal, 0)
})

test('an heir that took the slots and was not heard says so when it is asked', () => {
  const scene = new Scene().held(OF_A)
  scene.announces = false
  scene.leave()
  scene.clock.advance(1900)
  assert.equal(scene.roles(scene.b, OF_A), [PRIMARY])
  assert.equal(scene.roles(scene.a, OF_A), [PARKED])
  scene.clock.advance(400)
  assert.equal(scene.roles(scene.a, OF_A), [NONE])
  assert.is(scene.a.handOver.movedTotal, OF_A.length)
  assert.is(scene.a.handOver.takenBackTotal, 0)
  assert.ok(scene.a.handOver.longestPauseMs >= 2000)
})

test('of a batch that was taken in part only the rest is taken back', () => {
  const scene = new Scene().granted(OF_A)
  const [first, ...rest] = OF_A as [number, ...number[]]
  // One of the slots the heir may take no longer: it is partial by the time it reads the grant.
  scene.announces = false
  for (const slot of rest) scene.b.table.adopt(slot, term('c', scene.a.hybrid.current().ms + 1_000_000))
  scene.out.release()
  scene.clock.advance(20)
  assert.is(scene.b.table.role(first), PRIMARY)
  scene.a.leaving = false
  scene.see(['b'])
  scene.clock.advance(2300)
  assert.is(scene.a.table.role(first), NONE)
  assert.equal(scene.roles(scene.a, rest), [PRIMARY])
  assert.is(scene.a.handOver.takenBackTotal, rest.length)
})

test('what is not held any more when the heir answers is not granted', () => {
  const scene = new Scene().held(OF_A)
  scene.leave()
  scene.clock.runUntilTrue(() => scene.count(KIND_OFFER) === 1, 500, 'an offer', 0.25)
  const [beaten, ...rest] = OF_A as [number, ...number[]]
  const rival = term('c', scene.a.hybrid.current().ms + 1_000_000)
  scene.a.table.adopt(beaten, rival)
  scene.clock.advance(200)
  assert.is(scene.a.table.role(beaten), NONE)
  assert.is(compareTerms(scene.a.table.term(beaten), rival), 0)
  assert.is(scene.b.table.role(beaten), NONE)
  assert.equal(scene.roles(scene.b, rest), [PRIMARY])
})

test('an heir that is another life by the time of its answer is granted nothing', () => {
  const scene = new Scene().held(OF_A)
  scene.leave()
  scene.clock.runUntilTrue(() => scene.count(KIND_OFFER) === 1, 500, 'an offer', 0.25)
  const present = [
    { name: 'a', generation: 1, leaving: true },
    { name: 'b', generation: 2, leaving: false },
  ]
  scene.a.view = new View({ ringNames: ['a', 'b'], present, knownGone: [], replicas: 1 })
  scene.clock.advance(20)
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY])
})

test('an heir that turned out to be leaving while it was asked is granted nothing', () => {
  const scene = new Scene().held(OF_A)
  scene.leave()
  scene.clock.runUntilTrue(() => scene.count(KIND_OFFER) === 1, 500, 'an offer', 0.25)
  scene.see(['a', 'b'])
  scene.clock.advance(100)
  assert.equal(scene.roles(scene.a, OF_A), [PRIMARY])
  assert.equal(scene.roles(scene.b, OF_A), [NONE])
})

test('only the heir’s word under the very term ends the waiting', () => {
  const scene = new Scene().granted(OF_A)
  const slot = OF_A[0] as number
  const granted = scene.a.table.term(slot) as Term
  scene.a.handOver.taken(SlotSet.of([slot]), { ...granted, ms: granted.ms + 1 })
  scene.a.handOver.taken(SlotSet.of([slot]), { ...granted, generation: 2 })
  assert.is(scene.a.table.role(slot), PARKED)
  scene.a.handOver.taken(SlotSet.of([slot]), { ...granted })
  assert.is(scene.a.table.role(slot), NONE)
  scene.a.handOver.taken(SlotSet.of([slot]), { ...granted })
  assert.is(scene.a.handOver.movedTotal, 1)
})

test('a weak term made strong leads the followers along, complete', () => {
  const scene = new Scene().held(OF_A, term('a', new FakeClock().wallMs(), false))
  scene.a.handOver.renew(SlotSet.of(OF_A), true)
  scene.clock.advance(20)
  for (const slot of OF_A) {
    assert.is(scene.a.table.role(slot), PRIMARY)
    const now = scene.a.table.term(slot)
    assert.ok(now?.strong && now.name === 'a')
    assert.is(compareTerms(scene.b.table.term(slot), now), 0)
    assert.ok(scene.b.table.isComplete(slot))
    assert.is(scene.b.table.role(slot), NONE)
  }
})

test.run()
