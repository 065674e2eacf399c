/** The ledger's bounds: each life that crashed has its own, none has one that left in order, and no number of crashes makes them forgotten. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import type { Context } from '../../src/replication/context.ts'
import { Ledger } from '../../src/replication/ledger.ts'
import type { Applied } from '../../src/replication/slot-data.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, newStore, peer, term } from './fakes.ts'

const test = suite('ledger')

const SLOT = 7
const KEY = 'k'
const SLOT_OF_KEY = slotOf(Buffer.from(KEY))

class Scene {
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly store = newStore()
  /** By name: the generation of a life that is there. */
  readonly present = new Map([['one', 1]])
  readonly ledger: Ledger
  #ms = 0

  constructor() {
    const clock = new FakeClock()
    const view = { generationOf: (name: string) => this.present.get(name) }
    this.ledger = new Ledger({ clock, logger: SILENT, table: this.table, store: this.store, view: () => view } as unknown as Context)
  }

  /** A life that held the slot ends, five writes short of what it had announced, ten at its busiest; its slot is claimed. */
  end(name: string, generation: number, inOrder: boolean = false): void {
    this.table.adopt(SLOT, term(name, ++this.#ms, true, generation))
    const farewell = { peer: peer(name, generation), position: ZERO_STAMP, announced: 25, applied: 20, busiest: 10, lastHeardMs: 0 }
    this.ledger.gone(name, farewell, inOrder)
    this.ledger.claimed(SlotSet.of([SLOT]))
  }

  /** This member holds the slot, and the other's stream ended here at this stamp; it has written the key at `ms` since. */
  parted(endMs: number, ms: number): this {
    this.table.take(SLOT_OF_KEY, term('me', 1))
    const position = { ms: endMs, counter: 0 }
    this.ledger.gone('one', { peer: peer('one'), position, announced: 0, applied: 0, busiest: 0, lastHeardMs: 0 }, false)
    this.write(ms, 'me')
    return this
  }

  write(ms: number, writer: string): Applied {
    return this.store.apply(entry(KEY, 'v', ms, 0, writer), 0)
  }

  /** The other's write comes, in its stream or by bulk: was it lost, as far as the other is told? */
  comes(ms: number, how: 'stream' | 'bulk' = 'bulk', from: string = 'one'): boolean {
    const write = entry(KEY, 'v', ms, 0, 'one')
    const apply = (): Applied => this.write(ms, 'one')
    if (how === 'bulk') return this.ledger.merge(peer(from), write, SLOT_OF_KEY, apply)
    this.ledger.mergeStreamed(peer(from), write, SLOT_OF_KEY, apply)
    return false
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

test('a rival of a write here is counted here if it wins, by bulk or in the stream of one that does not know yet that it was beaten', () => {
  for (const how of ['bulk', 'stream'] as const) {
    const scene = new Scene().parted(10, 20)
    assert.not(scene.comes(30, how))
    assert.is(scene.ledger.stats().conflict, 1)
    assert.not(scene.comes(30), 'it comes again')
    assert.is(scene.ledger.stats().conflict, 1)
  }
})

test('a rival that loses is told to its writer once, however often it comes, and not to a third', () => {
  for (const how of ['bulk', 'stream'] as const) {
    const scene = new Scene().parted(10, 20)
    assert.not(scene.comes(15, 'bulk', 'third'))
    if (how === 'stream') scene.comes(15, how)
    assert.ok(scene.comes(15))
    assert.not(scene.comes(15))
    assert.is(scene.ledger.stats().conflict, 0)
  }
})

test('what was seen before the two parted, and what came since and was replaced knowingly, is no loss', () => {
  const seen = new Scene().parted(10, 20)
  assert.not(seen.comes(9))
  const known = new Scene().parted(10, 20)
  known.comes(30, 'stream')
  known.write(40, 'me')
  assert.not(known.comes(30))
  assert.not(known.ledger.judge(peer('one'), entry(KEY, '', 30, 0, 'one'), SLOT_OF_KEY))
})

test('a write that its writer has no more is judged by where its stream ended, once', () => {
  const scene = new Scene().parted(10, 20)
  const judged = (ms: number): boolean => scene.ledger.judge(peer('one'), entry(KEY, '', ms, 0, 'one'), SLOT_OF_KEY)
  assert.equal([judged(9), judged(15), judged(15)], [false, true, false])
})

test('a write that a third brings may be of a later life of its writer, which was heard', () => {
  const earlier = new Scene().parted(10, 20)
  earlier.comes(30, 'bulk', 'third')
  assert.is(earlier.ledger.stats().conflict, 1)
  const later = new Scene().parted(10, 20)
  later.present.set('one', 2)
  later.comes(30, 'bulk', 'third')
  assert.is(later.ledger.stats().conflict, 0)
})

test('who has not heard the stream goes by where others say that it ended, the farthest', () => {
  const scene = new Scene()
  scene.table.take(SLOT_OF_KEY, term('me', 1))
  scene.write(20, 'me')
  assert.not(scene.comes(11))
  for (const ms of [10, 12, 11]) scene.ledger.told({ name: 'one', generation: 1, position: { ms, counter: 0 } })
  assert.not(scene.comes(12))
  assert.ok(scene.comes(13))
  assert.equal(
    scene.ledger.ends().map(({ position }) => position.ms),
    [12],
  )
})

test('where streams ended is kept of a bounded number of names', () => {
  const scene = new Scene()
  for (let i = 0; i < 300; i++) scene.ledger.told({ name: `member-${i}`, generation: 1, position: ZERO_STAMP })
  assert.is(scene.ledger.ends().length, 255)
  assert.is(scene.ledger.ends().at(-1)?.name, 'member-299')
})

test.run()
