/** Dealing: for every slot what the view says of it, by the sessions that there are, and anew when either has changed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { View } from '../../src/placement/index.ts'
import { Dealing } from '../../src/replication/dealing.ts'
import { Outgoing } from '../../src/replication/outgoing.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { peer } from './fakes.ts'

const test = suite('dealing')

const NAMES = ['a', 'b', 'c', 'd', 'me']

class Scene {
  readonly sessions = new Map<string, Outgoing>()
  readonly dealing = new Dealing({ self: () => peer('me'), view: () => this.view }, this.sessions)
  view = viewOf([])

  constructor(...names: string[]) {
    for (const name of names) this.meet(name)
  }

  meet(name: string): Outgoing {
    const clock = new FakeClock()
    const session = new Outgoing(peer(name), clock, new HybridClock(clock), { nextEpoch: () => 1, reset: () => {}, disowned: () => {} })
    this.sessions.set(name, session)
    this.dealing.sessionsChanged()
    return session
  }

  /** Every slot is dealt as the view says slot by slot. */
  check(cutOff: ReadonlySet<string> = new Set()): void {
    const { view } = this
    const met = (names: readonly string[]): string[] => names.filter((name) => this.sessions.has(name))
    const namesOf = (list: readonly Outgoing[]): string[] => list.map((outgoing) => outgoing.peer.name)
    for (let slot = 0; slot < SLOT_COUNT; slot += 7) {
      const deal = this.dealing.of(slot)
      const seats = view.seats(slot, cutOff)
      const others = seats.filter((name) => name !== 'me')
      assert.equal(namesOf(deal.followers), met(view.followers(slot, 'me', cutOff)))
      assert.equal(namesOf(deal.seated), met(others))
      assert.is(deal.full, seats.length === view.seatCount && met(others).length === others.length)
      assert.is(
        deal.wished,
        view.firstAvailable(slot, () => true),
      )
      assert.is(
        deal.heirs[0]?.peer.name,
        view.firstAvailable(slot, (name) => this.sessions.has(name)),
      )
    }
  }
}

function viewOf(leaving: readonly string[], replicas: number = 1): View {
  return new View({
    ringNames: NAMES,
    present: NAMES.map((name) => ({ name, generation: 1, leaving: leaving.includes(name) })),
    knownGone: [],
    replicas,
  })
}

for (const replicas of [0, 1, 2]) {
  test(`with ${replicas} replicas every slot is dealt as the view says, and anew with another view`, () => {
    const scene = new Scene('a', 'b', 'c', 'd')
    for (const leaving of [[], ['a'], ['me'], ['b', 'c'], NAMES]) {
      scene.view = viewOf(leaving, replicas)
      scene.check()
    }
  })
}

test('what is dealt follows the sessions that come and go, and who is cut off', () => {
  const scene = new Scene('a', 'b')
  scene.check()
  scene.meet('c')
  scene.check()
  scene.sessions.delete('a')
  scene.dealing.sessionsChanged()
  scene.check()
  const cutOff = new Set(['b'])
  scene.dealing.cutOff(cutOff)
  scene.check(cutOff)
})

test('the same followers are the same list from one view to the next, and none of a session that is gone', () => {
  const scene = new Scene('a', 'b', 'c', 'd')
  const before = new Map<string, readonly Outgoing[]>()
  const keyOf = (list: readonly Outgoing[]): string => list.map(({ peer: { name } }) => name).join()
  for (let slot = 0; slot < SLOT_COUNT; slot++) before.set(keyOf(scene.dealing.of(slot).followers), scene.dealing.of(slot).followers)
  scene.view = viewOf(['a'])
  let same = 0
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const { followers } = scene.dealing.of(slot)
    if (before.get(keyOf(followers)) === followers) same++
  }
  assert.is(same, SLOT_COUNT)
  const reborn = scene.meet('b')
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    for (const outgoing of scene.dealing.of(slot).followers) if (outgoing.peer.name === 'b') assert.ok(outgoing === reborn)
  }
})

test.run()
