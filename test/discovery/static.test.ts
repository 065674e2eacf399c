import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { DiscoveryEvents, DiscoverySnapshot } from '../../src/discovery/index.ts'
import { type Seed, StaticDiscovery } from '../../src/discovery/index.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { FakeClock } from '../support/fake-clock.ts'

const test = suite('static discovery')

const A: Seed = { name: 'a', address: '10.0.0.1:7946' }
const B: Seed = { name: 'b', address: '[fd00::2]:7946' }

function record(): { heard: DiscoverySnapshot[]; gone: string[]; events: DiscoveryEvents } {
  const heard: DiscoverySnapshot[] = []
  const gone: string[] = []
  return { heard, gone, events: { changed: (snapshot) => void heard.push(snapshot), gone: (name) => void gone.push(name) } }
}

test('the list is told once, and not from inside start', () => {
  const clock = new FakeClock()
  const { heard, gone, events } = record()
  new StaticDiscovery({ clock, logger: SILENT, self: 'a', seeds: [A, B] }).start(events)
  assert.is(heard.length, 0)
  clock.advance(3_600_000)
  assert.equal(heard, [
    {
      candidates: [
        { name: 'a', address: '10.0.0.1:7946', uid: '', knownNotRunning: false, stopping: false },
        { name: 'b', address: '[fd00::2]:7946', uid: '', knownNotRunning: false, stopping: false },
      ],
      wanted: ['a', 'b'],
      heard: true,
    },
  ])
  assert.equal(gone, [])
})

test('this member is wanted even if the list does not name it', () => {
  const clock = new FakeClock()
  const { heard, events } = record()
  new StaticDiscovery({ clock, logger: SILENT, self: 'c', seeds: [A, B] }).start(events)
  clock.advance(0)
  assert.equal(heard[0]?.wanted, ['c', 'a', 'b'])
  assert.equal(
    heard[0]?.candidates.map(({ name }) => name),
    ['a', 'b'],
  )
})

test('with an empty list a member is alone, and knows it', () => {
  const clock = new FakeClock()
  const { heard, events } = record()
  new StaticDiscovery({ clock, logger: SILENT, self: 'a', seeds: [] }).start(events)
  clock.advance(0)
  assert.equal(heard, [{ candidates: [], wanted: ['a'], heard: true }])
})

test('nothing is told after close', () => {
  const clock = new FakeClock()
  const { heard, events } = record()
  const discovery = new StaticDiscovery({ clock, logger: SILENT, self: 'a', seeds: [A] })
  discovery.start(events)
  discovery.close()
  clock.advance(1000)
  assert.is(heard.length, 0)
})

test('a listener that throws is logged and survived', () => {
  const clock = new FakeClock()
  const errors: string[] = []
  const logger = { ...SILENT, error: (_fields: object, message: string) => void errors.push(message) }
  const discovery = new StaticDiscovery({ clock, logger, self: 'a', seeds: [] })
  discovery.start({
    changed: () => {
      throw new Error('no')
    },
    gone: () => {},
  })
  clock.advance(0)
  assert.equal(errors, ['a listener of discovery threw'])
})

test('one name with two addresses is refused', () => {
  const options = { clock: new FakeClock(), logger: SILENT, self: 'a', seeds: [A, { ...B, name: 'a' }] }
  assert.throws(() => new StaticDiscovery(options), /two seeds are called a/)
})

test.run()
