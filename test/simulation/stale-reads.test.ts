/**
 * Reads from copies: no answer is ever older than its bound, by the clock on the wall above all members, while links stall and break, members stand
 * still, leave and come back. Most of those that allow a second are answered where they are asked.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, cluster, type Life, set } from '../support/cluster.ts'
import { getOf } from '../support/operations.ts'

const test = suite('simulation: reads from copies')

const KEYS = 60
const WRITE_EVERY_MS = 40
const READ_EVERY_MS = 4
const BOUNDS_MS = [50, 150, 300, 1000, 4000]

interface Confirmed {
  readonly number: number
  readonly atMs: number
}

/** Writers that count upwards, each in a key of its own, and readers that know when each number was confirmed. */
class Checker {
  readonly violations: string[] = []
  reads = 0
  /** Answers that came inside the call, from a copy or a primary. */
  atOnce = 0
  readonly #run: Cluster
  readonly #confirmed = new Map<string, Confirmed[]>()
  #stopped = false

  constructor(run: Cluster) {
    this.#run = run
    for (let i = 0; i < KEYS; i++) {
      this.#confirmed.set(`key-${i}`, [])
      this.#later(WRITE_EVERY_MS, () => this.#write(`key-${i}`, 1))
    }
    this.#later(READ_EVERY_MS, () => this.#read())
  }

  stop(): void {
    this.#stopped = true
    this.#run.clock.advance(8000)
  }

  #write(key: string, number: number): void {
    if (this.#stopped) return
    const life = this.#anybody()
    set(life, key, String(number), (error) => {
      if (error === null) this.#confirmed.get(key)?.push({ number, atMs: this.#run.clock.now() })
      this.#later(WRITE_EVERY_MS, () => this.#write(key, number + 1))
    })
  }

  #read(): void {
    if (this.#stopped) return
    this.#later(READ_EVERY_MS, () => this.#read())
    const { clock, random } = this.#run
    const key = `key-${Math.floor(random.next() * KEYS)}`
    const maxStaleMs = BOUNDS_MS[Math.floor(random.next() * BOUNDS_MS.length)] as number
    const life = this.#anybody()
    const askedMs = clock.now()
    const due = this.#confirmed.get(key)?.findLast(({ atMs }) => atMs <= askedMs - maxStaleMs)?.number ?? 0
    this.reads++
    let inside = true
    life.clock.run(() =>
      life.node.cache.execute(getOf(key, { maxStaleMs }), (error, outcome) => {
        if (error !== null) return
        if (inside) this.atOnce++
        const number = Number(outcome?.entry?.valueBytes() ?? 0)
        if (number >= due) return
        const line = `${(askedMs / 1000).toFixed(3)} s: ${key} at ${life.name} is ${number}, but ${due} was confirmed more than ${maxStaleMs} ms before`
        this.violations.push(line)
      }),
    )
    inside = false
  }

  #anybody(): Life {
    const lives = [...this.#run.lives.values()].filter(({ accepting }) => accepting)
    return lives[Math.floor(this.#run.random.next() * lives.length)] as Life
  }

  #later(ms: number, fn: () => void): void {
    this.#run.clock.after(ms * (0.5 + this.#run.random.next()), fn)
  }
}

function begun(seed: number, nodes: number, maxDelayMs: number, replicas: number = 1): { run: Cluster; checker: Checker } {
  const run = cluster({ nodes, seed, replicas, network: { maxDelayMs, loss: seed % 2 === 0 ? 0.02 : 0 } })
  run.startAll()
  run.untilReady()
  run.clock.advance(6000)
  return { run, checker: new Checker(run) }
}

function served(run: Cluster): { readonly served: number; readonly forwarded: number } {
  let total = { served: 0, forwarded: 0 }
  for (const { node } of run.lives.values()) {
    const { replicaReadsServedTotal, replicaReadsForwardedTotal } = node.stats().cache
    total = { served: total.served + replicaReadsServedTotal, forwarded: total.forwarded + replicaReadsForwardedTotal }
  }
  return total
}

test('in quiet, what allows 300 ms is answered from the copies, and what allows 50 ms by the primaries', () => {
  const { run, checker } = begun(1, 3, 2)
  run.clock.advance(20_000)
  const { served: fromCopies, forwarded } = served(run)
  checker.stop()
  assert.equal(checker.violations.slice(0, 5), [])
  // Of three members with one copy beside the primary, each is primary of a third and copies a third: so 2/3 are at once, less those with small bounds.
  assert.ok(fromCopies > checker.reads * 0.15, `${fromCopies} of ${checker.reads} from copies`)
  assert.ok(forwarded > 0)
  assert.ok(checker.atOnce > checker.reads * 0.5, `${checker.atOnce} of ${checker.reads} at once`)
  run.close()
})

for (const seed of [11, 12]) {
  test(`while links stall, break and heal, and members stand still (seed ${seed})`, () => {
    const { run, checker } = begun(seed, 4, 1 + (seed % 3) * 20)
    const names = [...run.lives.keys()]
    const any = (): Life => run.life(names[Math.floor(run.random.next() * names.length)] as string)
    for (let round = 0; round < 8; round++) {
      const [a, b] = [any(), any()]
      if (round % 4 === 3) {
        a.clock.pause()
        run.clock.advance(300 + run.random.next() * 600)
        a.clock.resume()
      } else if (a !== b) {
        run.network.cut(a.host, b.host)
        if (run.random.next() < 0.5) run.network.cut(b.host, a.host)
        // Some only stall the stream: what was under way arrives seconds late.
        run.clock.advance(500 + run.random.next() * 4500)
        run.network.joinAll()
      }
      run.clock.advance(1500)
    }
    const { served: fromCopies } = served(run)
    checker.stop()
    assert.equal(checker.violations.slice(0, 5), [])
    assert.ok(fromCopies > checker.reads * 0.05, `${fromCopies} of ${checker.reads} from copies`)
    run.close()
  })
}

for (const seed of [21]) {
  test(`while every member is replaced in turn (seed ${seed})`, () => {
    const { run, checker } = begun(seed, 3, 5)
    let rolled = false
    run.roll(() => {
      rolled = true
    })
    run.runUntil(() => rolled, 300_000, 'the roll to end', 100)
    checker.stop()
    assert.equal(checker.violations.slice(0, 5), [])
    run.close()
  })
}

test('a copy that reads of a grant and cannot hear the heir answers for it no longer', () => {
  const { run, checker } = begun(31, 3, 2, 2)
  let stopped = false
  run.stop('jackdaw-0', () => {
    stopped = true
  })
  run.runUntil(() => stopped, 60_000, 'a member to stop', 100)
  run.start('jackdaw-0')
  run.untilReady()
  // Five seconds later its slots come back to it, from a member that goes on streaming to the other.
  const [heir, other] = [run.life('jackdaw-0'), run.life('jackdaw-2')]
  run.network.cut(heir.host, other.host)
  run.network.cut(other.host, heir.host)
  run.clock.advance(12_000)
  assert.ok(heir.node.stats().replication.primarySlots > 1000, 'slots moved')
  checker.stop()
  assert.equal(checker.violations.slice(0, 5), [])
  run.close()
})

test.run()
