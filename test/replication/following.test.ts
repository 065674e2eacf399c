/**
 * Following, where a slot goes from one holder to another: which copies are sent to the new one before they may be deleted. Two primaries stream to one
 * member, over links on which a message takes a millisecond.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { sameTerm, type Term, View } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import { Followers } from '../../src/replication/followers.ts'
import { Following } from '../../src/replication/following.ts'
import { HandOver } from '../../src/replication/hand-over.ts'
import { encodeSlots, KIND_SURPLUS } from '../../src/replication/messages.ts'
import { FOLLOWING, Outgoing, UNFOLLOWED } from '../../src/replication/outgoing.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { REMOVED_A_TURN } from '../../src/replication/surplus.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeLink, FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('following')

const KEY = 'k'
const SLOT = slotOf(Buffer.from(KEY))
const EARLIER = term('one', 100)
const LATER = term('other', 200)

class Scene {
  readonly clock = new FakeClock()
  readonly hybrid = new HybridClock(this.clock)
  readonly store = newStore()
  readonly network = new FakeNetwork(this.clock)
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly following: Following
  /** To whom what is here of the slot was sent. */
  readonly returned: string[] = []
  hasSeat = false
  owes = false
  readonly #primaries = new Map<string, Outgoing>()

  constructor() {
    const calls = this.network.join(peer('me'))
    const context: Context = {
      self: () => peer('me'),
      clock: this.clock,
      hybrid: this.hybrid,
      logger: SILENT,
      store: this.store,
      calls,
      around: calls,
      table: this.table,
      view: () => new View({ ringNames: this.hasSeat ? ['me', 'one'] : ['one'], present: [], knownGone: [], replicas: 1 }),
      marks: () => new Map(),
      beaten: () => {},
      isGone: () => false,
      leaving: () => false,
    }
    const followers = new Followers(context)
    this.following = new Following(context, {
      followers,
      handOver: new HandOver(context, followers),
      marks: { beaten: () => {}, heard: () => {}, isDoubtful: () => false, settle: () => 0, wasInSync: () => false },
      replacing: () => {},
      merge: (_from, _entry, _slot, apply) => apply(),
      owes: () => this.owes,
      sendBack: (slots, to) => {
        assert.equal([...slots], [SLOT])
        this.returned.push(to.name)
      },
    })
    for (const name of ['one', 'other']) {
      this.network.join(peer(name)).handle(KIND_SURPLUS, (_from, _body, respond) => respond?.(encodeSlots(SlotSet.of([SLOT]))))
    }
  }

  /** The stream of a primary. */
  of(name: string): Outgoing {
    const known = this.#primaries.get(name)
    if (known !== undefined) return known
    const outgoing = new Outgoing(peer('me'), this.clock, this.hybrid, { nextEpoch: () => 1, reset: () => {}, disowned: () => {} })
    const back = new FakeLink(this.clock, peer(name), (message) => outgoing.received(message))
    const handlers = this.following.accepted(back)
    outgoing.opened(new FakeLink(this.clock, peer('me'), (message) => handlers.message(message)))
    this.#primaries.set(name, outgoing)
    this.clock.advance(10)
    return outgoing
  }

  /** Its holder streams the slot to this member, and a write to it. */
  streamed(under: Term, value: string): this {
    const outgoing = this.of(under.name)
    outgoing.setState(SLOT, FOLLOWING)
    outgoing.markControl(SLOT)
    outgoing.write((frames) => frames.follow(under, SlotSet.of([SLOT]), false))
    outgoing.writeEntry(entry(KEY, value, under.ms + 1, 0, under.name))
    return this.pass(10)
  }

  pass(ms: number): this {
    this.clock.advance(ms)
    return this
  }

  /** What is done once a second, so many times. */
  review(times: number): this {
    for (let i = 0; i < times; i++) {
      this.following.surplus.review()
      this.pass(1000)
    }
    return this
  }

  get hasCopy(): boolean {
    return this.store.slotEntries(SLOT) > 0
  }
}

test('writes to one key that come in one message are applied one after the other, and an older one among them is not', () => {
  const scene = new Scene().streamed(EARLIER, 'before')
  const outgoing = scene.of(EARLIER.name)
  for (const [i, length] of [3, 2000, 1, 4, 2].entries())
    outgoing.writeEntry(entry(KEY, String(i).repeat(length), EARLIER.ms + (i === 4 ? 3 : 10 + i), 0, EARLIER.name))
  for (let i = 0; i < 40; i++) outgoing.writeEntry(entry(`{${KEY}}${i % 20}`, String(i), EARLIER.ms + 100 + i, 0, EARLIER.name))
  scene.pass(10)
  const found = new Entry()
  const stored = (key: string): string => {
    assert.ok(scene.store.peek(Buffer.from(key), 0, key.length, found))
    return found.valueBytes().toString()
  }
  assert.is(stored(KEY), '3333')
  for (let i = 0; i < 20; i++) assert.is(stored(`{${KEY}}${i}`), String(20 + i))
  assert.is(scene.store.slotEntries(SLOT), 21)
})

test('a copy whose slot went to another without a grant is sent to it, and not deleted before it has arrived', () => {
  const scene = new Scene().streamed(EARLIER, 'v')
  scene.table.adopt(SLOT, LATER)
  scene.owes = true
  scene.review(5)
  assert.equal(scene.returned, ['other'], 'once')
  assert.ok(scene.hasCopy)
  scene.owes = false
  scene.review(1)
  assert.not(scene.hasCopy)
})

test('so it is when the new holder streams to it for a while, and when the earlier one has given up its stream', () => {
  const led = new Scene().streamed(EARLIER, 'v').streamed(LATER, 'w')
  led.of('other').write((frames) => frames.unfollow(SlotSet.of([SLOT])))
  const unfollowed = new Scene().streamed(EARLIER, 'v')
  unfollowed.table.adopt(SLOT, LATER)
  unfollowed.of('one').write((frames) => frames.unfollow(SlotSet.of([SLOT])))
  for (const scene of [led, unfollowed]) assert.equal(scene.pass(10).review(3).returned, ['other'])
})

test('a copy that was led to its new holder by a grant, or let go by the one it has, is deleted without having been sent', () => {
  const granted = new Scene().streamed(EARLIER, 'v')
  granted.of('one').write((frames) => frames.grant(1, LATER, SlotSet.of([SLOT])))
  const late = new Scene().streamed(EARLIER, 'v')
  late.table.adopt(SLOT, LATER)
  late.following.surplus.review()
  late.of('one').write((frames) => frames.grant(1, LATER, SlotSet.of([SLOT])))
  const unfollowed = new Scene().streamed(EARLIER, 'v')
  unfollowed.of('one').write((frames) => frames.unfollow(SlotSet.of([SLOT])))
  unfollowed.pass(10).table.adopt(SLOT, LATER)
  for (const scene of [granted, late, unfollowed]) {
    scene.pass(10).review(3)
    assert.equal(scene.returned, [])
    assert.not(scene.hasCopy)
  }
})

/** Surplus: so many keys of the slot are here, nobody streams it, and its holder lets it be deleted. */
function large(keys: number): Scene {
  const scene = new Scene().streamed(EARLIER, 'v')
  for (let i = 1; i < keys; i++) scene.store.apply(entry(`{${KEY}}${i}`, 'v', 1, 0, 'one'), 1)
  scene.of('one').write((frames) => frames.unfollow(SlotSet.of([SLOT])))
  scene.pass(10)
  assert.is(scene.store.slotEntries(SLOT), keys)
  return scene
}

/** How much goes each time that any does, as it happens. */
function removals(scene: Scene, then: (times: number) => void = () => {}): number[] {
  const removed: number[] = []
  const dropSlot = scene.store.dropSlot.bind(scene.store)
  scene.store.dropSlot = (slot, most) => {
    assert.not(scene.table.hasCopy(slot), 'it counts as none')
    removed.push(dropSlot(slot, most))
    // In a turn between this one and the next.
    scene.clock.soon(() => then(removed.length))
    return removed.at(-1) as number
  }
  return removed
}

test('a large copy that is deleted counts as none at once, and its entries go a few a turn', () => {
  const scene = large(4 * REMOVED_A_TURN + 7)
  let turns = 0
  const removed = removals(scene, () => turns++)
  scene.review(1)
  assert.equal(removed, [REMOVED_A_TURN, REMOVED_A_TURN, REMOVED_A_TURN, REMOVED_A_TURN, 7])
  assert.is(turns, removed.length)
  assert.not(scene.hasCopy)
})

const WANTED: readonly (readonly [string, (scene: Scene) => void])[] = [
  ['an entry of it comes', (scene) => scene.following.apply(entry(`{${KEY}}news`, 'w', 200, 0, 'other'), SLOT)],
  ['this member begins to claim it', (scene) => scene.table.beginClaim(SLOT)],
  ['this member takes it', (scene) => scene.table.take(SLOT, term('me', 150))],
]

for (const [what, want] of WANTED) {
  test(`a deleted copy is not removed any further once ${what}`, () => {
    const scene = large(4 * REMOVED_A_TURN)
    const removed = removals(scene, (times) => times === 2 && want(scene))
    scene.following.surplus.review()
    scene.pass(500)
    assert.equal(removed, [REMOVED_A_TURN, REMOVED_A_TURN])
    assert.ok(scene.store.slotEntries(SLOT) >= 2 * REMOVED_A_TURN)
  })
}

test('a copy that was not removed to the end because an entry came is offered again, and then goes with it', () => {
  const scene = large(4 * REMOVED_A_TURN)
  const come = entry(`{${KEY}}news`, 'w', 200, 0, 'other')
  removals(scene, (times) => times === 2 && scene.following.apply(come, SLOT))
  scene.following.surplus.review()
  scene.pass(500)
  assert.ok(scene.table.hasCopy(SLOT))
  scene.review(1)
  assert.not(scene.hasCopy)
  assert.not(scene.table.hasCopy(SLOT))
})

test('a copy with a seat is compared first: one that holds the same is not sent, one that was filled is', () => {
  for (const same of [true, false]) {
    const scene = new Scene().streamed(EARLIER, 'v').streamed(LATER, 'w')
    scene.hasSeat = true
    scene.review(3)
    assert.equal(scene.returned, [])
    const digest = same ? scene.store.slotDigest(SLOT) : { high: 1, low: 2 }
    if (same) scene.of('other').write((frames) => frames.check(LATER, [{ slot: SLOT, ...digest }]))
    else scene.of('other').write((frames) => frames.complete(LATER, [{ slot: SLOT, ...digest }]))
    scene.pass(10)
    assert.ok(scene.table.isComplete(SLOT))
    assert.equal(scene.returned, same ? [] : ['other'])
  }
})

test('a member that takes the slot itself has nothing to send', () => {
  const scene = new Scene().streamed(EARLIER, 'v')
  scene.following.taken(SLOT)
  scene.table.take(SLOT, term('me', 150))
  scene.table.adopt(SLOT, LATER)
  assert.equal(scene.review(3).returned, [])
})

test('a later term of the same holder, heard before its stream has led there, is not another holder', () => {
  const scene = new Scene().streamed(EARLIER, 'v')
  const outgoing = scene.of('one')
  scene.table.adopt(SLOT, term('one', 150))
  scene.following.statusChanged()
  assert.is(scene.pass(10) && outgoing.state(SLOT), FOLLOWING)
  scene.table.adopt(SLOT, LATER)
  scene.following.statusChanged()
  assert.is(scene.pass(10) && outgoing.state(SLOT), UNFOLLOWED)
  assert.ok(sameTerm(scene.table.term(SLOT), LATER))
})

test.run()
