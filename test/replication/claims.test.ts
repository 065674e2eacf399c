/** Claims: what becomes of one when the holder that was held to be gone is back before the claimant has pulled what others have. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteWriter } from '../../src/lib/bytes.ts'
import { encodeEntry } from '../../src/lib/entry-codec.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import type { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { sameTerm, type Term, View } from '../../src/placement/index.ts'
import { Claims } from '../../src/replication/claims.ts'
import { Followers } from '../../src/replication/followers.ts'
import {
  COPY_COMPLETE,
  COPY_NONE,
  COPY_PARTIAL,
  decodeSlots,
  encodeHoldings,
  KIND_ENTRY,
  KIND_PULL,
  KIND_QUERY,
} from '../../src/replication/messages.ts'
import { Pulls } from '../../src/replication/pulls.ts'
import { CLAIMING, NONE, PRIMARY, SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { contextOf, entry, FakeNetwork, peer, term } from './fakes.ts'

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
  readonly pulls: Pulls
  readonly found: string[] = []
  readonly #present = new View({ ringNames: NAMES, present: present('me', 'third'), knownGone: ['holder'], replicas: 1 })

  /** `believed`: whose term the third goes by. Where that is none that `me` knows, its copy is better than that of `me`. */
  constructor(believed: Term | null = null) {
    const network = new FakeNetwork(this.clock)
    const third = network.join(peer('third'))
    third.handle(KIND_QUERY, (_from, body, respond) => {
      respond?.(
        encodeHoldings(decodeSlots(body), (slot) => ({
          term: believed ?? this.table.term(SLOT),
          copy: slot === SLOT ? COPY_PARTIAL : COPY_NONE,
          position: later(),
          mark: ZERO_STAMP,
        })),
      )
    })
    third.handle(KIND_PULL, (_from, _body, respond) => {
      this.pulled = () => respond?.(Buffer.from([1]))
    })
    const calls = network.join(peer('me'))
    const context = contextOf({
      self: () => peer('me'),
      clock: this.clock,
      calls,
      table: this.table,
      view: () => this.#present,
      isGone: (name) => name === 'holder' && this.holderIsGone,
    })
    const followers = new Followers(context)
    third.handle(KIND_ENTRY, (_from, _body, respond) => {
      const writer = new ByteWriter(64).u8(1)
      encodeEntry(writer, entry('k', 'beyond', 9))
      respond?.(writer.toBuffer())
    })
    this.pulls = new Pulls(context, followers, {
      pulled: () => {},
      found: (found, slot) => this.found.push(`${slot} ${found.keyBytes()}=${found.valueBytes()}`),
    })
    this.claims = new Claims(context, followers, this.pulls, {
      mayClaim: () => true,
      unaccounted: () => [],
      holding: (slot) => ({
        term: this.table.term(slot),
        copy: believed === null ? COPY_COMPLETE : COPY_PARTIAL,
        position: ZERO_STAMP,
        mark: ZERO_STAMP,
      }),
      marked: () => {},
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

test('a copy that is slow to send holds up only the slots that it is needed for', () => {
  const scene = new Scene()
  assert.is(scene.table.role(SLOT), CLAIMING)
  assert.is(scene.table.role(SLOT + 1), PRIMARY)
  assert.is(scene.taken.length, SLOT_COUNT - 1)
  assert.not(scene.pulls.lacks(SLOT + 1))
})

test('what has not come after two seconds is taken without, and the copy is asked for each key until it has', () => {
  const scene = new Scene()
  scene.clock.advance(2100)
  assert.is(scene.table.role(SLOT), PRIMARY)
  assert.ok(scene.pulls.lacks(SLOT))
  let answered = 0
  scene.pulls.ask([Buffer.from('k')], SLOT, () => answered++)
  assert.is(answered, 0)
  scene.clock.advance(10)
  assert.equal([answered, ...scene.found], [1, '7 k=beyond'])
  scene.pulled?.()
  scene.clock.advance(10)
  assert.not(scene.pulls.lacks(SLOT))
  assert.is(scene.pulls.lacking, 0)
  scene.pulls.ask([Buffer.from('k')], SLOT, () => answered++)
  assert.is(answered, 2)
})

test('a slot that was taken without and is given away lacks nothing here', () => {
  const scene = new Scene()
  scene.clock.advance(2100)
  scene.table.adopt(SLOT, term('third', Number.MAX_SAFE_INTEGER))
  assert.not(scene.pulls.lacks(SLOT))
  scene.clock.advance(15_000)
  assert.is(scene.pulls.lacking, 0)
})

test('a slot whose holder is back by then is left to it, with a copy that is to be compared anew', () => {
  const scene = new Scene()
  scene.holderIsGone = false
  scene.pulled?.()
  scene.clock.advance(10)
  assert.is(scene.table.role(SLOT), NONE)
  assert.ok(sameTerm(scene.table.term(SLOT), term('holder', 5)))
  assert.not(scene.table.isComplete(SLOT))
  assert.not(scene.taken.includes(SLOT))
})

test('a better copy whose member takes this one for the holder is not waited for: it would wait for ever', () => {
  const scene = new Scene(term('me', 3))
  assert.is(scene.table.role(SLOT), CLAIMING)
  scene.pulled?.()
  scene.clock.advance(10)
  assert.is(scene.table.role(SLOT), PRIMARY)
})

test('a better copy whose member knows that the slot has no holder is left the slot', () => {
  const scene = new Scene(term('holder', 5))
  assert.is(scene.pulled, null)
  assert.is(scene.table.role(SLOT), NONE)
})

test.run()
