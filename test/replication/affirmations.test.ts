/** Affirmations: whose word counts, what ends the asking, and that one turn asks each follower once. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import type { Term } from '../../src/placement/index.ts'
import { Affirmations } from '../../src/replication/affirmations.ts'
import type { Context } from '../../src/replication/context.ts'
import type { Followers } from '../../src/replication/followers.ts'
import { COPY_COMPLETE, decodeSlots, encodeHoldings, KIND_QUERY } from '../../src/replication/messages.ts'
import type { Outgoing } from '../../src/replication/outgoing.ts'
import { NONE, PRIMARY, SlotTable } from '../../src/replication/slot-table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeNetwork, peer, term } from './fakes.ts'

const test = suite('affirmations')

const SLOT = 7
const TIMEOUT_MS = 800

interface Scene {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly table: SlotTable
  /** What each follower goes by. */
  readonly known: Map<string, Term | null>
  /** Slots that a follower was asked about, question by question. */
  readonly asked: number[][]
  /** The answer, once there is one. */
  ask(slot?: number): () => boolean | null
}

/** A member `a`, primary of every slot under term 5, with followers. */
function scene(followers: readonly string[], gone: ReadonlySet<string> = new Set()): Scene {
  const clock = new FakeClock()
  const network = new FakeNetwork(clock)
  const calls = network.join(peer('a'))
  const table = new SlotTable({
    isGone: (name) => gone.has(name),
    routesChanged: () => {},
    publicationChanged: () => {},
    beaten: () => {},
  })
  const known = new Map<string, Term | null>()
  const asked: number[][] = []
  for (const name of followers) {
    known.set(name, term('a', 5))
    network.join(peer(name)).handle(KIND_QUERY, (_from, body, respond) => {
      const slots = decodeSlots(body)
      asked.push([...slots])
      respond?.(
        encodeHoldings(slots, () => ({ term: known.get(name) ?? null, copy: COPY_COMPLETE, position: ZERO_STAMP, mark: ZERO_STAMP })),
      )
    })
  }
  for (const slot of [SLOT, SLOT + 1]) table.take(slot, term('a', 5))
  const outgoing = followers.map((name) => ({ peer: peer(name) }) as Outgoing)
  const affirmations = new Affirmations(
    { clock, calls, table } as unknown as Context,
    {
      of: () => outgoing,
    } as unknown as Pick<Followers, 'of'>,
  )
  return {
    clock,
    network,
    table,
    known,
    asked,
    ask: (slot = SLOT) => {
      let answer: boolean | null = null
      affirmations.ask(slot, TIMEOUT_MS, (serves) => {
        assert.is(answer, null, 'answered twice')
        answer = serves
      })
      return () => answer
    },
  }
}

test('one follower that goes by the same term is enough, though another is not heard', () => {
  const { clock, network, ask } = scene(['b', 'c'])
  network.cut.add('c>a')
  const answer = ask()
  assert.is(answer(), null, 'no word that came before counts')
  clock.advance(5)
  assert.is(answer(), true)
})

test('a follower that knows a higher term ends both the asking and the service', () => {
  const { clock, known, table, ask } = scene(['b'])
  known.set('b', term('b', 6))
  const answer = ask()
  clock.advance(5)
  assert.is(answer(), false)
  assert.is(table.role(SLOT), NONE)
})

test('a follower that goes by a later term of one held dead here ends the service, too: this member lacks what was written under it', () => {
  const { clock, known, table, ask } = scene(['b'], new Set(['c']))
  known.set('b', term('c', 6))
  const answer = ask()
  clock.advance(5)
  assert.is(answer(), false)
  assert.is(table.role(SLOT), NONE)
})

test('a follower that goes by a later weak term of one held dead here does not count: that term never prevailed', () => {
  const { clock, known, table, ask } = scene(['b'], new Set(['c']))
  known.set('b', term('c', 6, false))
  const answer = ask()
  clock.advance(TIMEOUT_MS - 1)
  assert.is(answer(), null)
  assert.is(table.role(SLOT), PRIMARY)
  clock.advance(1)
  assert.is(answer(), false)
})

test('one that has not heard yet of a term just taken is asked again', () => {
  const { clock, known, ask } = scene(['b'])
  known.set('b', term('c', 4))
  const answer = ask()
  clock.advance(30)
  known.set('b', term('a', 5))
  clock.advance(60)
  assert.is(answer(), true)
})

test('without a follower that answers the time runs out, and then nothing is asked any more', () => {
  const { clock, network, ask } = scene(['b'])
  network.cut.add('a>b')
  const answer = ask()
  clock.advance(TIMEOUT_MS)
  assert.is(answer(), false)
  const before = network.log.length
  clock.advance(1000)
  assert.is(network.log.length, before)
  const alone = scene([])
  const unheard = alone.ask()
  alone.clock.advance(TIMEOUT_MS)
  assert.is(unheard(), false)
})

test('what one turn asks for travels as one question', () => {
  const { clock, asked, ask } = scene(['b'])
  const answers = [ask(SLOT), ask(SLOT + 1), ask(SLOT)]
  clock.advance(5)
  assert.equal(
    answers.map((answer) => answer()),
    [true, true, true],
  )
  assert.equal(asked, [[SLOT, SLOT + 1]])
})

test.run()
