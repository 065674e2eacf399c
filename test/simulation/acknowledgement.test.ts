/**
 * What a write with `ack=replica` or `ack=all` was promised: one member at a time is killed, at any moment and under a lossy network, often with the
 * last that it said unheard, and what was acknowledged is there afterwards, or something later is. What was refused was never written.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_ALL, ACK_REPLICA, type Operation } from '../../src/cache/operation.ts'
import { shuffle } from '../../src/lib/random.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life } from '../support/cluster.ts'
import { deleteOf, setOf } from '../support/operations.ts'

const test = suite('simulation: acknowledgement')

const WRITERS = 30
const INTERVAL_MS = 40
/** Longer than any answer may take. */
const CLIENT_TIMEOUT_MS = 8000
const ROUNDS = 3
/** Keys of one writer that it may write again. */
const LATEST = 5
/** Errors that say that nothing was executed. */
const NOT_EXECUTED: ReadonlySet<string> = new Set(['NO_REPLICAS', 'TRY_AGAIN', 'BUSY'])

/** One write of a key; `value` is `undefined` for one that deletes it. */
interface Step {
  readonly value: string | undefined
  fate: 'under way' | 'acknowledged' | 'refused' | 'unknown'
  /** It found something to do. */
  wrote: boolean
}

class Writers {
  readonly violations: string[] = []
  /** Answers, by what they were. */
  readonly answers = new Map<string, number>()
  readonly #cluster: Cluster
  /** By key, what was asked in order: most keys are written once, so that nothing covers up what was lost. */
  readonly #steps = new Map<string, Step[]>()
  #writing = false
  #underWay = 0

  constructor(run: Cluster) {
    this.#cluster = run
  }

  count(answer: string): number {
    return this.answers.get(answer) ?? 0
  }

  start(): void {
    this.#writing = true
    for (let writer = 0; writer < WRITERS; writer++) this.#later(() => this.#write(writer, []))
  }

  stop(): void {
    this.#writing = false
    this.#cluster.runUntil(() => this.#underWay === 0, 2 * CLIENT_TIMEOUT_MS, 'the writers to end')
    // Whoever was waiting for the next write finds that it is over.
    this.#cluster.clock.advance(2 * INTERVAL_MS)
  }

  /** Reads every key, each through another member. */
  check(): void {
    const lives = [...this.#cluster.lives.values()]
    let open = 0
    for (const [key, steps] of this.#steps) {
      const life = lives[open++ % lives.length] as Life
      get(life, key, (error, value) => {
        open--
        if (error !== null) this.violations.push(`${key} through ${life.name} at rest: ${error.message}`)
        else if (!isPromised(steps, value)) this.violations.push(`${key}: ${value} at ${life.name} after ${storyOf(steps)}`)
      })
    }
    this.#cluster.runUntil(() => open === 0, 10_000, 'all keys to be read')
  }

  /** Writes a key that is new, or now and then one of its `latest` once more, and waits for the answer before the next. */
  #write(writer: number, latest: readonly string[]): void {
    if (!this.#writing) return
    const { clock, random, lives } = this.#cluster
    const all = [...lives.values()]
    const life = all[Math.floor(random.next() * all.length)] as Life
    const again = random.next() < 0.25 ? latest[Math.floor(random.next() * latest.length)] : undefined
    const key = again ?? `key-${this.#steps.size}`
    const step: Step = {
      value: again !== undefined && random.next() < 0.5 ? undefined : String(random.next()),
      fate: 'under way',
      wrote: true,
    }
    const steps = this.#steps.get(key) ?? []
    this.#steps.set(key, steps)
    steps.push(step)
    this.#underWay++
    const finish = (fate: Step['fate'], answer: string): void => {
      if (step.fate !== 'under way') return
      step.fate = fate
      this.answers.set(answer, this.count(answer) + 1)
      timer.cancel()
      this.#underWay--
      this.#later(() => this.#write(writer, [...latest.slice(-LATEST), key]))
    }
    const timer = clock.after(CLIENT_TIMEOUT_MS, () => finish('unknown', 'none'))
    const ack = writer % 4 === 0 ? ACK_ALL : ACK_REPLICA
    const operation = step.value === undefined ? deleteOf(key, { ack }) : setOf(key, step.value, { ack })
    life.node.cache.execute(operation, (error, outcome) => {
      // The dead answer nobody.
      if (lives.get(life.name) !== life) return
      if (outcome !== null) step.wrote = outcome.written
      if (error === null) finish('acknowledged', 'ok')
      else finish(NOT_EXECUTED.has(error.code) ? 'refused' : 'unknown', error.code)
    })
  }

  #later(fn: () => void): void {
    this.#cluster.clock.after(INTERVAL_MS * (0.5 + this.#cluster.random.next()), fn)
  }
}

/**
 * What was acknowledged last, or anything later that was not refused; and where the last found nothing to do, so that it left no version behind, also
 * what was answered with doubt before: it may be carried out at any later time.
 */
function isPromised(steps: readonly Step[], value: string | undefined): boolean {
  const last = steps.findLastIndex(({ fate }) => fate === 'acknowledged')
  if (last === -1 && value === undefined) return true
  const idle = steps[last]?.wrote === false
  return steps.some((step, i) => step.value === value && (i >= last ? step.fate !== 'refused' : idle && step.fate === 'unknown'))
}

function storyOf(steps: readonly Step[]): string {
  return steps.map(({ value, fate }) => `${value === undefined ? 'delete' : `set ${value}`} ${fate}`).join(', ')
}

function started(seed: number, nodes: number, replicas: number): { run: Cluster; writers: Writers } {
  const network = { loss: (seed % 3) * 0.02, duplication: 0.02, maxDelayMs: 1 + (seed % 6) * 3 }
  const run = cluster({ nodes, seed, replicas, network })
  run.startAll()
  run.untilReady()
  run.untilAgreed()
  return { run, writers: new Writers(run) }
}

/** What was promised holds when quiet has returned. */
function requireKept(run: Cluster, writers: Writers, round: number): void {
  writers.stop()
  run.untilReady()
  run.untilAgreed(90_000)
  writers.check()
  assert.equal(writers.violations.slice(0, 5), [], `round ${round}`)
}

/** The last that a dying member says reaches nobody, or all but one: whom it serves itself it still answers. */
function isolate(run: Cluster, victim: string): void {
  const { host } = run.life(victim)
  const others = [...run.lives.values()].filter(({ name }) => name !== victim)
  const deaf = run.random.next() < 0.5 ? others : others.slice(0, 1)
  for (const other of deaf) run.network.cut(host, other.host)
}

for (const { nodes, replicas, seeds } of [
  { nodes: 3, replicas: 1, seeds: [1, 2, 3, 4, 5, 6] },
  { nodes: 5, replicas: 2, seeds: [11, 12, 13] },
]) {
  for (const seed of seeds) {
    test(`of ${nodes} members with ${replicas} replicas one after the other is killed: nothing acknowledged is lost (seed ${seed})`, () => {
      const { run, writers } = started(seed, nodes, replicas)
      for (let round = 0; round < ROUNDS; round++) {
        writers.start()
        run.clock.advance(1000 + run.random.next() * 3000)
        const victim = `jackdaw-${Math.floor(run.random.next() * nodes)}`
        isolate(run, victim)
        run.clock.advance(run.random.next() * 1500)
        run.kill(victim, run.random.next() < 0.5)
        run.network.joinAll()
        run.clock.advance(run.random.next() * 12_000)
        run.start(victim)
        run.clock.advance(run.random.next() * 15_000)
        requireKept(run, writers, round)
      }
      assert.ok(writers.count('ok') > 1000, `${writers.count('ok')} writes acknowledged`)
      run.close()
    })
  }
}

for (const seed of [300, 319]) {
  test(`one-way cuts: a member that was replaced and has not heard of it confirms nothing, not even what it found done (seed ${seed})`, () => {
    const { run, writers } = started(seed, 3, 1)
    for (let round = 0; round < ROUNDS; round++) {
      writers.start()
      run.clock.advance(1000 + run.random.next() * 3000)
      const [deaf, ...others] = shuffle(run.random, [...run.lives.values()]) as [Life, ...Life[]]
      // What the others say does not reach it, or what it says does not reach them, or some of them.
      const mute = run.random.next() < 0.5
      for (const other of run.random.next() < 0.5 ? others : others.slice(0, 1)) {
        if (mute) run.network.cut(deaf.host, other.host)
        else run.network.cut(other.host, deaf.host)
      }
      run.clock.advance(2000 + run.random.next() * 12_000)
      run.network.joinAll()
      run.clock.advance(run.random.next() * 10_000)
      requireKept(run, writers, round)
    }
    assert.ok(writers.count('ok') > 1000, `${writers.count('ok')} writes acknowledged`)
    run.close()
  })
}

function written(run: Cluster, life: Life, operation: Operation): () => string {
  let answer = 'pending'
  life.node.cache.execute(operation, (error) => {
    answer = error?.code ?? 'ok'
  })
  return () => {
    run.runUntil(() => answer !== 'pending', CLIENT_TIMEOUT_MS, 'the answer')
    return answer
  }
}

/** A key that `holder` serves, as `asker` knows. */
function keyServedBy(asker: Life, holder: Life): string {
  for (let i = 0; ; i++) if (asker.node.inside.replication.route(slotOf(Buffer.from(`k${i}`))) === holder.name) return `k${i}`
}

function readBack(run: Cluster, life: Life, key: string): string | undefined {
  let found: string | undefined | null = null
  get(life, key, (_error, value) => {
    found = value
  })
  run.runUntil(() => found !== null, CLIENT_TIMEOUT_MS, 'the value')
  return found ?? undefined
}

test('while the only replica is away writes that ask for one are refused, and nothing is written', () => {
  const run = cluster({ nodes: 2, seed: 31 })
  run.startAll()
  run.untilReady()
  run.untilAgreed()
  const life = run.life('jackdaw-1')
  const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
  for (const key of keys) assert.is(written(run, life, setOf(key, 'old', { ack: ACK_ALL }))(), 'ok')
  run.kill('jackdaw-0')
  run.clock.advance(10_000)
  for (const key of keys) {
    assert.is(written(run, life, setOf(key, 'new', { ack: ACK_REPLICA }))(), 'NO_REPLICAS')
    assert.is(written(run, life, deleteOf(key, { ack: ACK_ALL }))(), 'NO_REPLICAS')
    assert.is(readBack(run, life, key), 'old')
  }
  assert.is(written(run, life, setOf('local', 'v'))(), 'ok')
  run.start('jackdaw-0')
  run.untilReady()
  run.untilAgreed()
  for (const key of keys) {
    assert.is(readBack(run, run.life('jackdaw-0'), key), 'old')
    assert.is(written(run, life, setOf(key, 'new', { ack: ACK_REPLICA }))(), 'ok')
  }
  run.close()
})

test('with the replica unheard a write is not confirmed, though it is there; then its member may die', () => {
  const run = cluster({ nodes: 2, seed: 32 })
  run.startAll()
  run.untilReady()
  run.untilAgreed()
  const [one, two] = [...run.lives.values()] as [Life, Life]
  const key = Array.from({ length: 50 }, (_, i) => `key-${i}`).find((name) =>
    one.node.inside.replication.executes(slotOf(Buffer.from(name))),
  )
  assert.ok(key)
  assert.is(written(run, one, setOf(key, 'confirmed', { ack: ACK_REPLICA }))(), 'ok')
  run.network.cut(one.host, two.host)
  const answer = written(run, one, setOf(key, 'unconfirmed', { ack: ACK_REPLICA }))
  assert.is(readBack(run, one, key), 'unconfirmed')
  run.clock.advance(1000)
  run.kill(one.name)
  run.network.joinAll()
  assert.throws(answer, 'the answer')
  run.clock.advance(10_000)
  assert.is(readBack(run, two, key), 'confirmed')
  run.close()
})

test('WAIT counts the replicas of all slots, wherever they are served, and says what it has when time is up', () => {
  const run = cluster({ nodes: 4, seed: 33, replicas: 2 })
  run.startAll()
  run.untilReady()
  run.untilAgreed()
  const count = (life: Life, slots: Iterable<number>, wanted: number, timeoutMs: number): { replicas: number; tookMs: number } => {
    const startedMs = run.clock.now()
    let counted: number | null = null
    life.node.cache.confirm(slots, life.node.cache.holderVersion, wanted, timeoutMs, (replicas) => {
      counted = replicas
    })
    run.runUntil(() => counted !== null, timeoutMs + 2000, 'the count', 1)
    return { replicas: counted ?? -1, tookMs: run.clock.now() - startedMs }
  }
  const all = Array.from({ length: SLOT_COUNT }, (_, slot) => slot)
  for (const life of run.lives.values()) {
    assert.is(written(run, life, setOf(`by-${life.name}`, 'v'))(), 'ok')
    const { replicas, tookMs } = count(life, all, 2, 1000)
    assert.is(replicas, 2)
    assert.ok(tookMs < 50, `${tookMs} ms`)
  }
  const asker = run.life('jackdaw-0')
  const more = count(asker, all, 3, 300)
  assert.is(more.replicas, 2)
  assert.ok(more.tookMs >= 300 && more.tookMs < 350, `${more.tookMs} ms`)
  run.kill('jackdaw-3')
  run.clock.advance(6000)
  // Stand-ins get what is written from now on, and lack what was before.
  assert.is(count(asker, all, 2, 300).replicas, 1)
  assert.is(count(asker, all, 1, 300).replicas, 1)
  run.start('jackdaw-3')
  const back = count(asker, all, 2, 60_000)
  assert.is(back.replicas, 2)
  assert.ok(back.tookMs > 300 && back.tookMs < 30_000, `${back.tookMs} ms`)
  run.close()
})

test('WAIT does not confirm a write that died with its primary, and does confirm one that comes after', () => {
  const run = cluster({ nodes: 4, seed: 7, replicas: 2 })
  run.startAll()
  run.untilReady()
  run.clock.advance(8000)
  const [asker, holder] = [run.life('jackdaw-0'), run.life('jackdaw-1')]
  const key = keyServedBy(asker, holder)
  const slots = [slotOf(Buffer.from(key))]
  const count = (since: number): number => {
    let counted: number | null = null
    asker.node.cache.confirm(slots, since, 1, 1000, (replicas) => {
      counted = replicas
    })
    run.runUntil(() => counted !== null, 3000, 'the count', 1)
    return counted ?? -1
  }
  const before = asker.node.cache.holderVersion
  assert.is(written(run, asker, setOf(key, 'confirmed'))(), 'ok')
  assert.ok(count(before) >= 1)
  for (const other of ['jackdaw-0', 'jackdaw-2', 'jackdaw-3']) run.network.cut(holder.host, run.life(other).host)
  // Nobody but its own client hears of it.
  assert.is(written(run, holder, setOf(key, 'promised'))(), 'ok')
  run.kill(holder.name)
  run.network.joinAll()
  run.clock.advance(15_000)
  assert.is(readBack(run, asker, key), 'confirmed', 'the later write is lost')
  assert.is(count(before), 0)
  const since = asker.node.cache.holderVersion
  assert.is(written(run, asker, setOf(key, 'again'))(), 'ok')
  assert.ok(count(since) >= 1)
  assert.is(count(before), 0, 'to the same question the same answer')
  run.close()
})

test.run()
