/** Sending back to a holder that is full: the slot stays owed, is sent again ever more rarely, and what was never taken is counted when it is given up. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { View } from '../../src/placement/index.ts'
import type { BulkJob, BulkSender, Refused } from '../../src/replication/bulk.ts'
import type { Context } from '../../src/replication/context.ts'
import type { Followers } from '../../src/replication/followers.ts'
import type { Ledger } from '../../src/replication/ledger.ts'
import type { Marks } from '../../src/replication/marks.ts'
import { COPY_HELD, decodeSlots, encodeHoldings, KIND_QUERY } from '../../src/replication/messages.ts'
import { SendBack } from '../../src/replication/send-back.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('send-back')

const SLOT = slotOf(Buffer.from('k'))
const HOLDER = term('holder', 200)
const MINUTE_MS = 60_000

interface Setting {
  readonly keys: readonly string[]
  readonly delivered: boolean
  /** When the holder's write replaces what is here, before it is sent; 0 for never. */
  readonly replacedMs: number
  /** This member takes the slot before it is sent. */
  readonly taken: boolean
}

class Scene {
  readonly clock = new FakeClock()
  readonly store = newStore()
  readonly sentMs: number[] = []
  readonly table = new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} })
  readonly sendBack: SendBack
  /** What the holder says it had no room for. */
  refused: Refused | undefined = { entries: 3, own: 2 }
  delivered = true
  queries = 0
  discarded = 0
  conflicts = 0
  /** What the holder was asked to judge. */
  readonly judged: string[] = []

  constructor({ keys = ['k'], delivered = true, replacedMs = 0, taken = false }: Partial<Setting> = {}) {
    const network = new FakeNetwork(this.clock)
    const { store } = this
    const slots = SlotSet.of(keys.map((key) => slotOf(Buffer.from(key))))
    for (const key of keys) store.apply(entry(key, 'v', 100, 0, 'me'), 0)
    for (const slot of slots) this.table.adopt(slot, HOLDER)
    this.delivered = delivered
    const holding = { term: HOLDER, copy: COPY_HELD, position: ZERO_STAMP, mark: ZERO_STAMP } as const
    network.join(peer('holder')).handle(KIND_QUERY, (_from, body, respond) => {
      this.queries++
      respond?.(encodeHoldings(decodeSlots(body), () => holding))
    })
    const calls = network.join(peer('me'))
    const context: Context = {
      self: () => peer('me'),
      clock: this.clock,
      hybrid: new HybridClock(this.clock),
      logger: SILENT,
      store,
      calls,
      around: calls,
      table: this.table,
      view: () => new View({ ringNames: ['me', 'holder'], present: [], knownGone: [], replicas: 1 }),
      marks: () => new Map(),
      beaten: () => {},
      isGone: () => false,
      leaving: () => false,
    }
    const bulk = {
      isOpen: true,
      send: (job: BulkJob) => {
        this.sentMs.push(this.clock.now())
        for (const { ms, tombstone } of job.begun?.() ?? []) this.judged.push(`${ms} ${tombstone}`)
        this.clock.after(1, () => job.done(this.delivered, this.refused))
      },
    }
    this.sendBack = new SendBack(
      context,
      { bulk: () => bulk as unknown as BulkSender } as unknown as Followers,
      { heard: () => {}, settle: () => 0, isConfirmed: () => false } as unknown as Marks,
      {
        count: (reason: string, writes: number) => {
          if (reason === 'discarded') this.discarded += writes
          else this.conflicts += writes
        },
      } as unknown as Ledger,
    )
    this.sendBack.beaten(slots, HOLDER)
    if (replacedMs > 0) this.replace(replacedMs)
    if (taken) this.table.take(SLOT, term('me', 300))
    this.clock.advance(100)
  }

  /** The holder's write takes the place of what is here. */
  replace(ms: number): void {
    const write = entry('k', 'theirs', ms, 0, 'holder')
    this.sendBack.replacing(write, SLOT)
    this.store.apply(write, 0)
  }
}

test('what the holder had no room for is owed on, and is settled when it is taken', () => {
  const scene = new Scene()
  assert.is(scene.sentMs.length, 1)
  assert.ok(scene.sendBack.owes(SLOT))
  scene.clock.advance(20_000)
  assert.ok(scene.sentMs.length > 2)
  scene.refused = undefined
  scene.clock.advance(2 * MINUTE_MS)
  assert.not(scene.sendBack.owes(SLOT))
  const sent = scene.sentMs.length
  scene.clock.advance(20 * MINUTE_MS)
  assert.is(scene.sentMs.length, sent)
  assert.is(scene.discarded, 0)
})

test('it is sent ever more rarely, and given up after ten minutes, when what was accepted here is counted once', () => {
  const scene = new Scene()
  scene.clock.advance(9 * MINUTE_MS)
  assert.ok(scene.sendBack.owes(SLOT))
  assert.is(scene.discarded, 0)
  scene.clock.advance(5 * MINUTE_MS)
  assert.not(scene.sendBack.owes(SLOT))
  assert.is(scene.discarded, 2)
  assert.ok(scene.sentMs.length <= 14, `sent ${scene.sentMs.length} times`)
  const sent = scene.sentMs.length
  scene.clock.advance(60 * MINUTE_MS)
  assert.equal([scene.discarded, scene.sentMs.length], [2, sent])
})

test('an own write that the holder replaces before it could be sent goes along to be judged, once', () => {
  const scene = new Scene({ replacedMs: 150 })
  assert.equal(scene.judged, ['100 true'])
  scene.replace(160)
  scene.clock.advance(20_000)
  assert.ok(scene.sentMs.length > 1)
  assert.equal(scene.judged, ['100 true'])
})

test('a member that takes the slot itself counts what was replaced before the holder could judge it', () => {
  const scene = new Scene({ replacedMs: 150, taken: true })
  scene.clock.advance(10_000)
  assert.not(scene.sendBack.owes(SLOT))
  assert.equal([scene.judged.length, scene.conflicts], [0, 1])
})

test('an older write of the holder replaces nothing, and what the holder has taken is judged no more', () => {
  const older = new Scene({ replacedMs: 50 })
  assert.equal(older.judged, [])
  const taken = new Scene()
  taken.refused = undefined
  taken.clock.advance(20_000)
  assert.not(taken.sendBack.owes(SLOT))
  taken.replace(160)
  taken.sendBack.send(SlotSet.of([SLOT]), HOLDER)
  taken.clock.advance(20_000)
  assert.equal(taken.judged, [])
})

test('a member that stops counts what was not taken by then', () => {
  const scene = new Scene()
  scene.sendBack.giveUp()
  assert.is(scene.discarded, 2)
  assert.not(scene.sendBack.owes(SLOT))
})

test('a member that takes the slot itself owes nothing', () => {
  const scene = new Scene()
  scene.table.take(SLOT, term('me', 300))
  scene.clock.advance(10_000)
  assert.not(scene.sendBack.owes(SLOT))
  scene.sendBack.giveUp()
  assert.is(scene.discarded, 0)
})

test('when the link breaks, all that has failed is asked about and sent again together', () => {
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
  const scene = new Scene({ keys, delivered: false })
  const slots = new Set(keys.map((key) => slotOf(Buffer.from(key))))
  assert.equal([scene.queries, scene.sentMs.length], [1, slots.size])
  scene.refused = undefined
  scene.delivered = true
  scene.clock.advance(600)
  assert.is(scene.sentMs.length, 2 * slots.size)
  assert.is(scene.queries, 3, 'before they are sent, and when they have arrived')
  for (const slot of slots) assert.not(scene.sendBack.owes(slot))
})

test.run()
