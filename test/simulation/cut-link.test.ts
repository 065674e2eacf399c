/**
 * A cut link between two members that both reach the others: gossip keeps both alive, and the clients of one go on being answered for what the other
 * serves, by way of a third. Nothing is executed twice, however often links break meanwhile.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OPERATION_INCREMENT } from '../../src/cache/operation.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { operationOf } from '../support/operations.ts'

const test = suite('simulation: a cut link')

const CUT_MS = 60_000
/** Keepalive finds a silent stream within 3 s. */
const DETECTED_MS = 3500
const COUNTERS = 40
const INTERVAL_MS = 50

/** Counters that clients of one member keep increasing; and what they were answered. */
class Counting {
  readonly answers = new Map<string, number>()
  readonly lateErrors: string[] = []
  readonly #run: Cluster
  readonly #at: Life
  readonly #keys: readonly string[]
  readonly #counts = new Map<string, { done: number; unknown: number }>()
  #calmFromMs = Number.POSITIVE_INFINITY
  #open = 0
  #stopped = false

  constructor(run: Cluster, at: Life, keys: readonly string[]) {
    this.#run = run
    this.#at = at
    this.#keys = keys
    for (const key of keys) {
      this.#counts.set(key, { done: 0, unknown: 0 })
      this.#later(() => this.#increment(key))
    }
  }

  /** Errors of requests that begin from now on count. */
  demandCalm(): void {
    this.#calmFromMs = this.#run.clock.now()
  }

  stop(): void {
    this.#stopped = true
    this.#run.runUntil(() => this.#open === 0, 10_000, 'the clients to end')
  }

  /** Counters that are not what was answered. */
  wrong(): string[] {
    const wrong: string[] = []
    for (const key of this.#keys) {
      const { done, unknown } = this.#counts.get(key) as { done: number; unknown: number }
      let value = -1
      get(this.#at, key, (_error, text) => {
        value = Number(text ?? 0)
      })
      this.#run.runUntil(() => value >= 0, 10_000, 'a counter to be read')
      if (value < done || value > done + unknown) wrong.push(`${key} is ${value} after ${done} increments and ${unknown} in doubt`)
    }
    return wrong
  }

  #increment(key: string): void {
    if (this.#stopped) return
    const begunMs = this.#run.clock.now()
    const counts = this.#counts.get(key) as { done: number; unknown: number }
    this.#open++
    this.#at.node.cache.execute(operationOf(OPERATION_INCREMENT, key, '1'), (error) => {
      this.#open--
      const answer = error?.code ?? 'ok'
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
      if (error === null) counts.done++
      else if (error.row.touched === 'maybe') counts.unknown++
      if (error !== null && begunMs >= this.#calmFromMs) this.lateErrors.push(`${begunMs} ${key}: ${error.message}`)
      this.#later(() => this.#increment(key))
    })
  }

  #later(fn: () => void): void {
    this.#run.clock.after(INTERVAL_MS * (0.5 + this.#run.random.next()), fn)
  }
}

function keysOf(at: Life, holder: string): string[] {
  const keys: string[] = []
  for (let i = 0; keys.length < COUNTERS; i++) {
    const key = `counter-${i}`
    const route = at.node.inside.replication.route(slotOf(Buffer.from(key)))
    if (route === holder) keys.push(key)
  }
  return keys
}

function cutBetween(run: Cluster, a: Life, b: Life, ways: 'both' | 'out' | 'back'): void {
  if (ways !== 'back') run.network.cut(a.host, b.host)
  if (ways !== 'out') run.network.cut(b.host, a.host)
}

const CUTS = [
  [1, 'both'],
  [2, 'out'],
  [3, 'back'],
  [4, 'both'],
] as const

for (const [seed, ways] of CUTS) {
  test(`clients of one side are served by the other side's member, and no increment is made twice (${ways}, seed ${seed})`, () => {
    const run = cluster({ nodes: 3 + (seed % 2), seed, network: { loss: seed % 2 === 0 ? 0.02 : 0 } })
    run.startAll()
    run.untilReady()
    run.clock.advance(6000)
    const [a, b] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
    const counting = new Counting(run, a, keysOf(a, b.name))
    run.clock.advance(2000)
    cutBetween(run, a, b, ways)
    run.clock.advance(DETECTED_MS)
    counting.demandCalm()
    run.clock.advance(CUT_MS - DETECTED_MS)
    assert.equal(counting.lateErrors.slice(0, 3), [])
    assert.ok(a.node.stats().relay.detouredTotal > 1000, `${a.node.stats().relay.detouredTotal} calls went around`)
    assert.is(run.lives.size, 3 + (seed % 2))
    run.network.joinAll()
    run.clock.advance(5000)
    counting.stop()
    assert.equal(counting.lateErrors.slice(0, 3), [])
    assert.equal(counting.wrong(), [])
    const detoured = a.node.stats().relay.detouredTotal
    set(a, 'counter-0', '0', () => {})
    run.clock.advance(100)
    assert.is(a.node.stats().relay.detouredTotal, detoured, 'the straight way is taken again')
    run.untilAgreed()
    run.close()
  })
}

for (const seed of [11, 12]) {
  test(`when the way round breaks too, what is in doubt is told and not repeated (seed ${seed})`, () => {
    const run = cluster({ nodes: 4, seed, network: { maxDelayMs: 20 } })
    run.startAll()
    run.untilReady()
    run.clock.advance(6000)
    const lives = ['jackdaw-0', 'jackdaw-1', 'jackdaw-2', 'jackdaw-3'].map((name) => run.life(name)) as [Life, Life, Life, Life]
    const [a, b, c, d] = lives
    const counting = new Counting(run, a, keysOf(a, b.name))
    cutBetween(run, a, b, 'both')
    run.clock.advance(8000)
    for (let round = 0; round < 6; round++) {
      const relay = round % 2 === 0 ? c : d
      // Answers do not come back, from the other side or from the relay: what they tell of has been executed.
      const [from, to] = run.random.next() < 0.5 ? [b, relay] : [relay, a]
      run.network.cut(from.host, to.host)
      run.clock.advance(5000)
      run.network.join(from.host, to.host)
      run.clock.advance(3000)
    }
    counting.demandCalm()
    run.clock.advance(5000)
    run.network.joinAll()
    run.clock.advance(3000)
    counting.stop()
    assert.ok((counting.answers.get('OUTCOME_UNKNOWN') ?? 0) > 0, 'links broke with increments under way')
    assert.equal(counting.lateErrors.slice(0, 3), [])
    assert.equal(counting.wrong(), [])
    run.untilAgreed()
    run.close()
  })
}

/** Slots of `holder` without a second complete copy anywhere. */
function uncopied(run: Cluster, holder: Life): number {
  const others = [...run.lives.values()].filter((life) => life !== holder)
  let count = 0
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (!holder.node.inside.replication.isPrimary(slot)) continue
    if (!others.some(({ node }) => node.inside.replication.isComplete(slot))) count++
  }
  return count
}

test('a member that cannot be streamed to loses its seats after 30 s, others are filled, and it has them again when the link is whole', () => {
  const run = cluster({ nodes: 4, seed: 31 })
  run.startAll()
  run.untilReady()
  run.clock.advance(6000)
  const [a, b] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
  let written = 0
  for (let i = 0; i < 300; i++) set(a, `key-${i}`, 'before', (error) => assert.is(error, null, `${written++}`))
  run.clock.advance(1000)
  cutBetween(run, a, b, 'both')
  run.clock.advance(20_000)
  assert.ok(uncopied(run, a) > 1000 && uncopied(run, b) > 1000, 'what was shared with the other side has no second copy')
  assert.is(a.node.stats().replication.cutOffFollowers, 0)
  run.clock.advance(25_000)
  assert.equal([uncopied(run, a), uncopied(run, b)], [0, 0])
  assert.equal([a.node.stats().replication.cutOffFollowers, b.node.stats().replication.cutOffFollowers], [1, 1])
  for (let i = 0; i < 300; i++) set(a, `key-${i}`, 'during', (error) => assert.is(error, null, `${written++}`))
  run.clock.advance(1000)
  assert.is(written, 600)
  // The second copies are good: the one that has the cut-off slots crashes.
  run.kill('jackdaw-0')
  run.network.joinAll()
  run.start('jackdaw-0')
  run.untilReady()
  run.untilAgreed(90_000)
  let wrong = 0
  for (let i = 0; i < 300; i++) get(b, `key-${i}`, (_error, value) => value !== 'during' && wrong++)
  run.clock.advance(1000)
  assert.is(wrong, 0)
  run.close()
})

test('a cut of half a minute and more that heals leaves the seats where they belong', () => {
  const run = cluster({ nodes: 3, seed: 32 })
  run.startAll()
  run.untilReady()
  run.clock.advance(6000)
  const [a, b] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
  cutBetween(run, a, b, 'both')
  run.clock.advance(60_000)
  assert.equal([uncopied(run, a), uncopied(run, b)], [0, 0])
  run.network.joinAll()
  run.untilAgreed(60_000)
  run.clock.advance(15_000)
  let held = 0
  for (const { node } of run.lives.values()) held += node.stats().replication.completeSlots
  assert.is(held, 2 * SLOT_COUNT, 'a primary and one copy of each')
  run.close()
})

test('a member that dies while the link between two others is cut is replaced as soon as without the cut, and for good', () => {
  const run = cluster({ nodes: 4, seed: 33 })
  run.startAll()
  run.untilReady()
  run.clock.advance(6000)
  const [a, b, c] = [run.life('jackdaw-0'), run.life('jackdaw-1'), run.life('jackdaw-2')]
  cutBetween(run, a, b, 'both')
  run.clock.advance(8000)
  const slots: number[] = []
  for (let slot = 0; slot < SLOT_COUNT; slot++) if (c.node.inside.replication.isPrimary(slot)) slots.push(slot)
  run.kill('jackdaw-2')
  const others = [...run.lives.values()]
  run.runUntil(() => a.node.inside.membership.members().some(({ name, state }) => name === c.name && state === 'dead'), 10_000, 'the death')
  run.clock.advance(3000)
  const left = slots.filter((slot) => !others.some(({ node }) => node.inside.replication.executes(slot)))
  assert.is(left.length, 0)
  const weak = slots.filter((slot) => !others.some(({ node }) => node.inside.replication.term(slot)?.strong))
  assert.is(weak.length, 0)
  run.close()
})

test('calls on all keys go around the cut too', () => {
  const run = cluster({ nodes: 3, seed: 34 })
  run.startAll()
  run.untilReady()
  run.clock.advance(6000)
  const [a, b] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
  cutBetween(run, a, b, 'both')
  run.clock.advance(8000)
  const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`)
  for (const key of keys) set(a, key, 'value', (error) => assert.is(error, null))
  run.clock.advance(500)
  let size = -1
  a.node.cache.size((error, count) => {
    assert.is(error, null)
    size = count
  })
  const scan = a.node.cache.scan({ prefix: Buffer.from('key-'), suffix: Buffer.alloc(0), after: null, values: false })
  const found = new Set<string>()
  let through = false
  const next = (): void =>
    scan.next((error, page) => {
      assert.is(error, null)
      for (const entry of page?.entries ?? []) found.add(entry.keyBytes().toString())
      if (page?.done) through = true
      else next()
    })
  next()
  run.runUntil(() => through && size >= 0, 3000, 'all keys to be counted and listed')
  assert.equal([size, found.size], [keys.length, keys.length])
  run.close()
})

test.run()
