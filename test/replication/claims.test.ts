/** Claims: what becomes of one when the holder that was held to be gone is back before the claimant has pulled what others have. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import type { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { sameTerm, View } from '../../src/placement/index.ts'
import { Claims } from '../../src/replication/claims.ts'
import type { Context } from '../../src/replication/context.ts'
import { Followers } from '../../src/replication/followers.ts'
import { COPY_COMPLETE, COPY_PARTIAL, decodeSlots, encodeHoldings, KIND_PULL, KIND_QUERY } from '../../src/replication/messages.ts'
import { CLAIMING, NONE, PRIMARY, SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('claims')

const SLOT = 7
const TICK_MS = 50
const NAMES = ['me', 'holder', 'third']

/** One that claims, a holder that is gone, and a third with a part of a copy, which sends it when it is told to. */
class Scene {
  readonly clock = new FakeClock()
  holderIsGone = true
  pulled: (() => void) | null = null
  readonly taken: number[] = []
  readonly table = new SlotTable({
    isGone: (name) => name === 'holder' && this.holderIsGone,
    routesChanged: () => {},
    publicationChanged: () => {},
    beaten: () => {},
  })
  readonly claims: Claims
  readonly #present = new View({ ringNames: NAMES, present: present('me', 'third'), knownGone: ['holder'], replicas: 1 })

  constructor() {
    const network = new FakeNetwork(this.clock)
    const third = network.join(peer('third'))
    third.handle(KIND_QUERY, (_from, body, respond) => {
      respond?.(
        encodeHoldings(decodeSlots(body), () => ({ term: this.table.term(SLOT), copy: COPY_PARTIAL, position: later(), mark: ZERO_STAMP })),
      )
    })
    third.handle(KIND_PULL, (_from, _body, respond) => {
      this.pulled = () => respond?.(Buffer.from([1]))
    })
    const calls = network.join(peer('me'))
    const context: Context = {
      self: () => peer('me'),
      clock: this.clock,
      hybrid: new HybridClock(this.clock),
      logger: SILENT,
      store: newStore(),
      calls,
      around: calls,
      table: this.table,
      view: () => this.#present,
      marks: () => new Map(),
      beaten: () => {},
      isGone: (name) => name === 'holder' && this.holderIsGone,
      leaving: () => false,
    }
    this.claims = new Claims(context, new Followers(context), {
      mayClaim: () => true,
      unaccounted: () => [],
      holding: (slot) => ({ term: this.table.term(slot), copy: COPY_COMPLETE, position: ZERO_STAMP, mark: ZERO_STAMP }),
      marked: () => {},
      pulled: () => {},
      taking: (slots: SlotSet) => this.taken.push(...slots),
      lost: () => {},
      fenced: () => false,
    })
    for (let slot = 0; slot < 100; slot++) this.table.adopt(slot, term('holder', 5))
    this.table.markComplete(SLOT, term('holder', 5))
    for (let i = 0; i < 10 && this.pulled === null; i++) {
      this.claims.tick(this.clock.now())
      this.clock.advance(TICK_MS)
    }
  }
}

function later(): { readonly ms: number; readonly counter: number } {
  return { ms: 9, counter: 0 }
}

function present(...names: string[]): { readonly name: string; readonly generation: number; readonly leaving: boolean }[] {
  return names.map((name) => ({ ...peer(name), leaving: false }))
}

test('a slot whose holder stays away is taken when all has been pulled', () => {
  const scene = new Scene()
  assert.is(scene.table.role(SLOT), CLAIMING)
  scene.pulled?.()
  scene.clock.advance(10)
  assert.is(scene.table.role(SLOT), PRIMARY)
  assert.ok(scene.taken.includes(SLOT))
})

test('a slot whose holder is back by then is left to it, with a copy that is to be compared anew', () => {
  const scene = new Scene()
  scene.holderIsGone = false
  scene.pulled?.()
  scene.clock.advance(10)
  assert.is(scene.table.role(SLOT), NONE)
  assert.ok(sameTerm(scene.table.term(SLOT), term('holder', 5)))
  assert.not(scene.table.isComplete(SLOT))
  assert.equal(scene.taken, [])
})

test.run()
