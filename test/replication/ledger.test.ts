/** The ledger's bounds: each life that crashed has its own, none has one that left in order, and no number of crashes makes them forgotten. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SILENT } from '../../src/lib/logger.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import type { Context } from '../../src/replication/context.ts'
import { Ledger } from '../../src/replication/ledger.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { peer, term } from './fakes.ts'

const test = suite('ledger')

const SLOT = 7

class Scene {
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly ledger: Ledger
  #ms = 0

  constructor() {
    const clock = new FakeClock()
    this.ledger = new Ledger({ clock, logger: SILENT, table: this.table } as unknown as Context)
  }

  /** A life that held the slot ends, five writes short of what it had announced, ten at its busiest; its slot is claimed. */
  end(name: string, generation: number, inOrder: boolean = false): void {
    this.table.adopt(SLOT, term(name, ++this.#ms, true, generation))
    const farewell = { peer: peer(name, generation), position: ZERO_STAMP, announced: 25, applied: 20, busiest: 10, lastHeardMs: 0 }
    this.ledger.gone(name, farewell, inOrder)
    this.ledger.claimed(SlotSet.of([SLOT]))
  }

  bound(): string {
    const { atLeast, atMost } = this.ledger.stats()
    return `${atLeast}..${atMost}`
  }
}

test('a second crash of a name adds to what the first may have taken along', () => {
  const scene = new Scene()
  scene.end('one', 1)
  assert.is(scene.bound(), '5..25')
  scene.end('one', 2)
  assert.is(scene.bound(), '10..50')
})

test('a life that is back strikes out its own bound, and no other', () => {
  const scene = new Scene()
  scene.end('one', 1)
  scene.end('one', 2)
  scene.ledger.present(peer('one', 2))
  assert.is(scene.bound(), '5..25')
  scene.ledger.present(peer('one', 3))
  assert.is(scene.bound(), '5..25')
})

test('one that left in order leaves no bound', () => {
  const scene = new Scene()
  scene.end('one', 1)
  scene.end('one', 2, true)
  assert.is(scene.bound(), '5..25')
})

test('of many lives the windows are bounded, and the losses are not forgotten', () => {
  const scene = new Scene()
  for (let generation = 1; generation <= 200; generation++) scene.end('one', generation)
  assert.is(scene.bound(), '1000..5000')
  assert.is([...scene.ledger.windows].length, 64)
})

test.run()
