/** Pulls: all that other copies have comes, however long it takes to send. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { View } from '../../src/placement/index.ts'
import type { BulkJob, BulkSender } from '../../src/replication/bulk.ts'
import { Pulls } from '../../src/replication/pulls.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { contextOf, FakeNetwork, peer, term } from './fakes.ts'

const test = suite('pulls')

const NAMES = ['me', 'other']

/** A claimant, and a copy that takes its time to send a slot. */
class Scene {
  readonly clock = new FakeClock()
  readonly network = new FakeNetwork(this.clock)
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly pulls: Pulls
  /** Slots, as they were sent. */
  readonly sent: number[] = []
  #freeMs = 0

  constructor(sendMs: (slot: number) => number) {
    const bulk = {
      isOpen: true,
      send: (job: BulkJob): void => {
        this.#freeMs = Math.max(this.#freeMs, this.clock.now()) + sendMs(job.slot)
        this.clock.after(this.#freeMs - this.clock.now(), () => {
          this.sent.push(job.slot)
          job.done(true)
        })
      },
    } as unknown as BulkSender
    this.pulls = this.#pullsOf('me', undefined)
    this.#pullsOf('other', bulk)
  }

  /** Claims slots that the other has a copy of. */
  claim(slots: SlotSet): void {
    const take = (ready: SlotSet): void => {
      for (const slot of ready) this.table.take(slot, term('me', 9))
    }
    this.pulls.get(slots, new Map([['other', { slots, since: ZERO_STAMP }]]), () => true, take)
  }

  #pullsOf(name: string, bulk: BulkSender | undefined): Pulls {
    const calls = this.network.join(peer(name))
    const view = new View({
      ringNames: NAMES,
      present: NAMES.map((each) => ({ ...peer(each), leaving: false })),
      knownGone: [],
      replicas: 1,
    })
    const context = contextOf({
      self: () => peer(name),
      clock: this.clock,
      calls,
      table: this.table,
      view: () => view,
    })
    return new Pulls(context, { bulk: () => bulk }, { pulled: () => {}, found: () => {} })
  }
}

function slotsTo(end: number): SlotSet {
  return SlotSet.of(Array.from({ length: end }, (_, slot) => slot))
}

test('slots that take longer to send than one call may last are all there at last, and few are sent twice', () => {
  const scene = new Scene(() => 10)
  scene.claim(slotsTo(4000))
  scene.clock.advance(5000)
  assert.is(scene.pulls.lacking, 4000)
  scene.clock.runUntilTrue(() => scene.pulls.lacking === 0, 300_000, 'all to be pulled', 1000)
  assert.is(new Set(scene.sent).size, 4000)
  assert.ok(scene.sent.length < 12_000, `${scene.sent.length} slots sent`)
  const before = scene.sent.length
  scene.clock.advance(60_000)
  assert.is(scene.sent.length, before, 'and then nothing more')
})

test('so is one slot that takes longer by itself', () => {
  const scene = new Scene((slot) => (slot === 3 ? 35_000 : 1))
  scene.claim(slotsTo(10))
  scene.clock.runUntilTrue(() => scene.pulls.lacking === 0 && scene.table.isPrimary(3), 600_000, 'all to be pulled', 1000)
  assert.ok(scene.sent.length < 100, `${scene.sent.length} slots sent`)
})

test.run()
