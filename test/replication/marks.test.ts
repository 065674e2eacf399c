/** Tombstone marks: what a copy may not speak of, by how far it was in sync, and who may collect tombstones. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { type Stamp, ZERO_STAMP } from '../../src/lib/version.ts'
import { View } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import { Marks } from '../../src/replication/marks.ts'
import type { Outgoing } from '../../src/replication/outgoing.ts'
import type { PeerIdentity } from '../../src/replication/peers.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('marks')

const KEY = 'k'
const SLOT = slotOf(Buffer.from(KEY))
const NAMES = ['me', 'other', 'third']

class Scene {
  readonly clock = new FakeClock()
  readonly hybrid = new HybridClock(this.clock)
  readonly store = newStore()
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly marks: Marks
  /** Who acknowledges, and when last. */
  readonly other = {
    peer: peer('other'),
    lastAckMs: Number.NEGATIVE_INFINITY,
    beganMs: 0,
    confirmed: ZERO_STAMP as Stamp,
    followed: () => SlotSet.of([SLOT]),
  }
  /** Whoever was asked what it holds, and has not answered. */
  readonly asked: { readonly peer: PeerIdentity; readonly answer: () => void }[] = []
  present = ['me', 'other']
  discarded = 0

  constructor() {
    const calls = new FakeNetwork(this.clock).join(peer('me'))
    const context: Context = {
      self: () => peer('me'),
      clock: this.clock,
      hybrid: this.hybrid,
      logger: SILENT,
      store: this.store,
      calls,
      around: calls,
      table: this.table,
      view: () =>
        new View({
          ringNames: this.present,
          present: this.present.map((name) => ({ ...peer(name), leaving: false })),
          knownGone: [],
          missing: NAMES.filter((name) => !this.present.includes(name)),
          replicas: 1,
        }),
      marks: () => new Map(),
      beaten: () => {},
      isGone: () => false,
      leaving: () => false,
    }
    this.marks = new Marks(context, {
      followers: { all: () => [this.other as unknown as Outgoing].values(), of: () => [], seatsCompleteForMs: () => 0 },
      position: () => null,
      hear: (of, answer) => this.asked.push({ peer: of, answer }),
      discarded: () => {
        this.discarded++
      },
    })
  }

  /** The slot is this member's, and has an entry. */
  held(): this {
    this.table.take(SLOT, term('me', 1))
    this.store.apply(entry(KEY, 'v', this.hybrid.physicalMs(), 0, 'other'), 0)
    return this
  }

  /** So many reviews, a second apart, in which the other is heard, or not. */
  review(times: number, heard: boolean): this {
    for (let i = 0; i < times; i++) {
      this.clock.advance(1000)
      if (heard) this.other.lastAckMs = this.clock.now()
      this.marks.review()
    }
    return this
  }

  /** Whoever was asked what it holds has said so. */
  answered(): this {
    for (const { answer } of this.asked.splice(0)) answer()
    return this
  }

  /** The other holds the slot, and has collected a tombstone of this moment; answers how many entries are given up here. */
  beaten(markMs: number): number {
    this.marks.beaten(SLOT, peer('other'))
    this.table.adopt(SLOT, term('other', 2))
    this.marks.heard(new Map([[SLOT, { ms: markMs, counter: 0 }]]))
    return this.marks.settle(SLOT)
  }
}

test('a beaten primary was in sync until the other was heard of last: what was collected since takes its entries', () => {
  const scene = new Scene().held().review(3, true).answered().review(10, true)
  const lastHeardMs = scene.hybrid.physicalMs()
  scene.review(20, false)
  assert.is(scene.beaten(lastHeardMs + 5000), 1)
  const inSync = new Scene().held().review(3, true).answered().review(10, true)
  assert.is(inSync.beaten(inSync.hybrid.physicalMs() - 5000), 0, 'it would have seen that')
})

test('an acknowledgement after a silence does not count before the other has said what it holds', () => {
  for (const answered of [false, true]) {
    const scene = new Scene().held().review(3, true).answered().review(10, true).review(20, false)
    const deletedMs = scene.hybrid.physicalMs() - 5000
    scene.review(1, true)
    assert.equal(
      scene.asked.map((one) => one.peer.name),
      ['other'],
    )
    if (answered) scene.answered().review(1, true)
    assert.is(scene.beaten(deletedMs), answered ? 0 : 1)
  }
})

test('who claimed with a copy that was not complete is in sync no further than that copy, until all seats have it', () => {
  for (const [present, discarded] of [
    [['me'], 1],
    [['me', 'other'], 0],
  ] as const) {
    const scene = new Scene()
    scene.present = [...present]
    scene.marks.taking(SLOT)
    scene.held().review(3, true).answered()
    const deletedMs = scene.hybrid.physicalMs()
    scene.review(10, true)
    assert.is(scene.beaten(deletedMs), discarded)
  }
})

test('of the own writes that are given up only those count that no follower had confirmed when the two parted', () => {
  for (const [confirmedMs, beganMs, discarded] of [
    [-1, 0, 1],
    [1, 0, 0],
    // A stream that began after the write does not vouch for it.
    [1, 1, 1],
  ] as const) {
    const scene = new Scene().held().review(3, true).answered().review(10, true)
    const writtenMs = scene.hybrid.physicalMs()
    scene.store.apply(entry(KEY, 'own', writtenMs, 0, 'me'), 0)
    scene.other.confirmed = { ms: writtenMs + confirmedMs, counter: 0 }
    scene.other.beganMs = beganMs === 0 ? 0 : scene.clock.now() + beganMs
    scene.marks.parting('other')
    scene.review(20, false)
    assert.is(scene.beaten(writtenMs + 10_000), 1)
    assert.is(scene.discarded, discarded)
  }
})

test('tombstones are collected by who sees more than half of all, and holds the slot', () => {
  const scene = new Scene()
  assert.not(scene.marks.mayCollect(SLOT))
  scene.held()
  assert.ok(scene.marks.mayCollect(SLOT))
  scene.present = ['me']
  assert.not(scene.marks.mayCollect(SLOT))
})

test('what is at or below the mark is doubtful, but for tombstones; without a mark nothing is', () => {
  const scene = new Scene()
  const of = (ms: number, counter: number): boolean => scene.marks.isDoubtful(entry(KEY, 'v', ms, counter), SLOT)
  assert.not(of(5, 0))
  scene.marks.heard(new Map([[SLOT, { ms: 10, counter: 3 }]]))
  assert.equal([of(9, 9), of(10, 3), of(10, 4), of(11, 0)], [true, true, false, false])
  const tombstone = entry(KEY, '', 9)
  tombstone.tombstone = true
  assert.not(scene.marks.isDoubtful(tombstone, SLOT))
})

test.run()
