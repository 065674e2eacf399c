/** Publication: a table that gossip tells of is fetched until it is here, around a cut link too, and no longer than its owner's life. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { View } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import { encodeTable } from '../../src/replication/messages.ts'
import { Publication } from '../../src/replication/publication.ts'
import { SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeNetwork, newStore, peer, term } from './fakes.ts'

const test = suite('publication')

const SECOND_MS = 1000
const OTHER = peer('other')

class Scene {
  readonly clock = new FakeClock()
  readonly publication: Publication
  /** When the table was asked for. */
  readonly askedMs: number[] = []
  /** What is answered; `null` for no answer. */
  version: number | null = null
  present = true

  constructor() {
    const context = {
      clock: this.clock,
      store: newStore(),
      // No link to the other.
      calls: new FakeNetwork(this.clock).join(peer('me')),
      around: {
        call: (
          _name: string,
          _kind: number,
          _body: Buffer,
          _timeoutMs: number,
          done: (failure: string | null, body: Buffer | null) => void,
        ) => {
          this.askedMs.push(this.clock.now())
          const { version } = this
          this.clock.after(1, () => (version === null ? done('unreachable', null) : done(null, tableOf(version))))
        },
      },
      table: new SlotTable({ isGone: () => false, routesChanged: () => {}, publicationChanged: () => {}, beaten: () => {} }),
      view: () => new View({ ringNames: [], present: this.present ? [{ ...OTHER, leaving: false }] : [], knownGone: [], replicas: 1 }),
    }
    this.publication = new Publication(context as unknown as Context, {
      holds: () => {},
      floor: () => {},
      ends: () => [],
      ended: () => {},
      heard: () => {},
      published: () => {},
    })
  }

  get held(): number | undefined {
    return this.publication.of(OTHER.name, OTHER.generation)?.version
  }
}

function tableOf(version: number): Buffer {
  return encodeTable({
    version,
    primaryVersion: version,
    floor: ZERO_STAMP,
    complete: new SlotSet(),
    primaries: new Map([[term(OTHER.name, 5), SlotSet.of([7])]]),
    ends: [],
  })
}

test('a table is asked for, around a cut link, until it has come', () => {
  const scene = new Scene()
  scene.publication.announced(OTHER, 3)
  scene.clock.advance(3 * SECOND_MS)
  assert.is(scene.askedMs.length, 3)
  assert.is(scene.held, undefined)
  scene.version = 3
  scene.clock.advance(10 * SECOND_MS)
  assert.is(scene.held, 3)
  assert.is(scene.askedMs.length, 4)
})

test('however often news of it comes, it is asked for once a second', () => {
  const scene = new Scene()
  for (let version = 3; version < 53; version++) {
    scene.publication.announced(OTHER, version)
    scene.clock.advance(SECOND_MS / 10)
  }
  assert.ok(scene.askedMs.length <= 6, `${scene.askedMs}`)
  scene.version = 52
  scene.clock.advance(2 * SECOND_MS)
  assert.is(scene.held, 52)
})

test('the next version is asked for at once when the one before has come', () => {
  const scene = new Scene()
  for (let version = 3; version < 8; version++) {
    scene.version = version
    scene.publication.announced(OTHER, version)
    scene.clock.advance(SECOND_MS / 5)
    assert.is(scene.held, version)
  }
})

test('what is announced while an older table is on its way is asked for after that', () => {
  const scene = new Scene()
  scene.version = 3
  scene.publication.announced(OTHER, 3)
  scene.clock.advance(100)
  scene.version = 4
  scene.publication.announced(OTHER, 4)
  scene.clock.advance(200)
  assert.is(scene.held, 4)
  assert.is(scene.askedMs.length, 2)
})

test('nobody is asked for the table of a life that is gone', () => {
  const scene = new Scene()
  scene.publication.announced(OTHER, 3)
  scene.clock.advance(SECOND_MS)
  const asked = scene.askedMs.length
  scene.present = false
  scene.clock.advance(10 * SECOND_MS)
  assert.is(scene.askedMs.length, asked)
})

test.run()
