/** Endings: when what has expired is remembered, because a copy may have what was there before. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { View } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import { Endings } from '../../src/replication/endings.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('endings')

const SLOT = slotOf(Buffer.from('k'))

/** A member that holds the slot of `k`, and a follower with which all is well. */
class Scene {
  readonly clock = new FakeClock()
  readonly hybrid = new HybridClock(this.clock)
  hearsAll = true
  readonly buried: string[] = []
  readonly endings: Endings

  constructor() {
    const calls = new FakeNetwork(this.clock).join(peer('me'))
    const names = ['me', 'other']
    const view = new View({
      ringNames: names,
      present: names.map((name) => ({ ...peer(name), leaving: false })),
      knownGone: [],
      replicas: 1,
    })
    const table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
    table.take(SLOT, term('me', 1))
    const context: Context = {
      self: () => peer('me'),
      clock: this.clock,
      hybrid: this.hybrid,
      logger: SILENT,
      store: newStore(),
      calls,
      around: calls,
      table,
      view: () => view,
      marks: () => new Map(),
      beaten: () => {},
      isGone: () => false,
      leaving: () => false,
    }
    const followers = {
      seatsCompleteForMs: () => this.clock.now(),
      haveAllFrom: () => true,
      hearsAll: () => this.hearsAll,
      appendDrop: () => {},
    }
    this.endings = new Endings(context, followers, {
      unaccounted: () => [],
      write: (tombstone) => {
        this.buried.push(tombstone.keyBytes().toString())
        return 'applied'
      },
      forgotten: () => {},
    })
    this.pass(60_000)
  }

  /** As many reviews as there are seconds. */
  pass(ms: number): void {
    for (let end = this.clock.now() + ms; this.clock.now() < end; this.clock.advance(1000)) this.endings.review(this.clock.now())
  }

  /** Something that took the place of what lasted longer, written five seconds ago, has expired. Answers whether it is remembered. */
  ends(): boolean {
    const ended = entry('k', 'v', this.hybrid.physicalMs() - 5000)
    ended.expiresAtMs = this.hybrid.physicalMs()
    ended.outlived = true
    const before = this.buried.length
    const remembered = this.endings.ended(ended, SLOT)
    this.clock.advance(1)
    assert.is(this.buried.length > before, remembered)
    return remembered
  }
}

test('where all is well nothing has to be remembered', () => {
  assert.not(new Scene().ends())
})

test('while a member is silent, and for a while after, it is', () => {
  const scene = new Scene()
  scene.hearsAll = false
  scene.pass(1000)
  assert.ok(scene.ends())
  scene.hearsAll = true
  scene.pass(10_000)
  assert.ok(scene.ends())
  scene.pass(20_000)
  assert.not(scene.ends())
})

test.run()
