/**
 * The ledger of lost writes against a checker that keeps its own books. Where nobody crashed the two are equal; where somebody did, what the checker
 * misses lies within the ledger's bounds.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'
import { WriteHistory } from './chaos/write-history.ts'

const test = suite('simulation: ledger')

const KEYS = 80

/** By key, the last value that a side was promised. */
type Books = Map<string, string>

function write(life: Life, key: string, value: string, books: Books): void {
  set(life, key, value, (error) => {
    if (error === null) books.set(key, value)
  })
}

function read(run: Cluster): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>()
  let open = KEYS
  for (let i = 0; i < KEYS; i++) {
    get([...run.lives.values()][i % run.lives.size] as Life, `key-${i}`, (error, value) => {
      open--
      assert.is(error, null)
      values.set(`key-${i}`, value)
    })
  }
  run.runUntil(() => open === 0, 10_000, 'the keys to be read')
  return values
}

function conflicts(run: Cluster): number {
  return [...run.lives.values()].reduce((sum, { node }) => sum + node.stats().replication.lost.conflict, 0)
}

function atMost(run: Cluster): number {
  return [...run.lives.values()].reduce((sum, { node }) => sum + node.stats().replication.lost.atMost, 0)
}

function started(seed: number, nodes: number): Cluster {
  const run = cluster({ nodes, seed, replicas: 1, network: { maxDelayMs: 1 + (seed % 5) } })
  run.startAll()
  run.untilReady()
  const before: Books = new Map()
  for (let i = 0; i < KEYS; i++) write([...run.lives.values()][i % nodes] as Life, `key-${i}`, 'before', before)
  run.clock.advance(8000)
  assert.is(before.size, KEYS)
  return run
}

for (let seed = 1; seed <= 6; seed++) {
  test(`after a partition the ledger has as many conflicts as writes were promised and are gone (seed ${seed})`, () => {
    const run = started(seed, 3 + (seed % 3))
    const [alone, ...others] = [...run.lives.values()] as [Life, ...Life[]]
    for (const other of others) {
      run.network.cut(alone.host, other.host)
      run.network.cut(other.host, alone.host)
    }
    const here: Books = new Map()
    const there: Books = new Map()
    const endMs = run.clock.now() + 12_000 + run.random.next() * 10_000
    for (let number = 0; run.clock.now() < endMs; number++) {
      const key = (): string => `key-${Math.floor(run.random.next() * KEYS)}`
      if (run.random.next() < 0.2) write(alone, key(), `alone ${number}`, here)
      write(others[number % others.length] as Life, key(), `others ${number}`, there)
      run.clock.advance(run.random.next() * 200)
    }
    run.clock.advance(6000)
    run.network.joinAll()
    run.clock.advance(30_000)
    run.untilAgreed(60_000)
    const values = read(run)
    let lost = 0
    for (let i = 0; i < KEYS; i++) {
      const key = `key-${i}`
      const promised = [here.get(key), there.get(key)].filter((value) => value !== undefined)
      if (promised.length === 0) assert.is(values.get(key), 'before')
      else assert.ok(promised.includes(values.get(key) as string), `${key}: ${values.get(key)}, promised ${promised}`)
      lost += Math.max(0, promised.length - 1)
    }
    assert.ok(lost > 5, `${lost} are too few to tell anything`)
    assert.is(conflicts(run), lost)
    for (const { node } of run.lives.values()) assert.is(node.stats().replication.lost.atMost, 0, 'nobody crashed')
    run.close()
  })
}

/** Exact counts of all members, those that have ended among them. */
function exactly(lives: readonly Life[]): number {
  return lives.reduce((sum, { node }) => {
    const { conflict, discarded } = node.stats().replication.lost
    return sum + conflict + discarded
  }, 0)
}

for (let seed = 1; seed <= 4; seed++) {
  for (const joins of [false, true]) {
    const who = joins ? ', and a member that has come meanwhile holds some of the slots' : ''
    test(`the ledger has what was lost while writes went on as two sides met${who} (seed ${seed})`, () => {
      const run = cluster({ nodes: 3, seed, replicas: 1, network: { maxDelayMs: 1 + (seed % 3) * 10 } })
      const history = new WriteHistory(run)
      const lives: Life[] = []
      run.watcher = {
        started(life) {
          lives.push(life)
          history.started(life)
        },
        ended() {},
      }
      run.startAll()
      run.untilReady()
      const books: Books = new Map()
      let number = 0
      const writeFor = (ms: number): void => {
        for (const endMs = run.clock.now() + ms; run.clock.now() < endMs; run.clock.advance(run.random.next() * 20)) {
          const life = lives[Math.floor(run.random.next() * lives.length)] as Life
          write(life, `key-${Math.floor(run.random.next() * KEYS)}`, `${number++}`, books)
        }
      }
      writeFor(5000)
      const alone = run.life('jackdaw-1')
      const cut = (): void => {
        for (const { host } of lives) {
          if (host === alone.host) continue
          run.network.cut(alone.host, host)
          run.network.cut(host, alone.host)
        }
      }
      cut()
      writeFor(4000)
      if (joins) {
        run.platform.scale(4)
        run.start('jackdaw-3')
        cut()
        writeFor(20_000)
      }
      writeFor(6000)
      run.network.joinAll()
      writeFor(6000)
      run.clock.advance(20_000)
      run.untilAgreed(60_000)
      const { last } = history.lost()
      assert.ok(last.length > 20, `${last.length} are too few to tell anything`)
      assert.is(exactly(lives), last.length)
      run.close()
    })
  }
}

test('one that takes slots again after it has handed over, cut off from its heirs, counts what it takes along', () => {
  const run = started(3, 2)
  const leaver = run.life('jackdaw-1')
  const heir = run.life('jackdaw-0')
  const books: Books = new Map()
  run.platform.stopping(leaver.name)
  let handedOver = false
  leaver.node.handOver(30_000, (all) => {
    handedOver = all
  })
  run.runUntil(() => handedOver, 5000, 'the slots to be handed over')
  assert.is(leaver.node.stats().replication.lost.stop, 0)
  run.network.cut(leaver.host, heir.host)
  run.network.cut(heir.host, leaver.host)
  run.runUntil(() => leaver.node.stats().replication.primarySlots > 0, 20_000, 'it to claim them, alone')
  write(leaver, 'key-1', 'of one that leaves', books)
  run.clock.advance(100)
  assert.is(books.size, 1)
  leaver.node.stop(500, () => {})
  run.clock.advance(1000)
  assert.is(leaver.node.stats().replication.lost.stop, KEYS)
  run.close()
})

for (let seed = 21; seed <= 28; seed++) {
  test(`what a crash took lies within the bounds of the ledger (seed ${seed})`, () => {
    const run = started(seed, 3 + (seed % 2))
    const books: Books = new Map()
    const lives = [...run.lives.values()]
    const victim = lives[seed % 3] as Life
    // Ten writes a millisecond, so that some are under way at the crash.
    let written = 0
    for (let ms = 0; ms < 400; ms++) {
      for (let i = 0; i < 10; i++) write(victim, `key-${written++ % KEYS}`, `${written}`, books)
      run.clock.advance(1)
    }
    run.kill(victim.name, seed % 2 === 0)
    run.clock.advance(20_000)
    const values = read(run)
    let lost = 0
    for (const [key, value] of books) lost += Math.max(0, Math.ceil((Number(value) - Number(values.get(key) ?? 0)) / KEYS))
    let atLeast = 0
    let atMost = 0
    let windowMs = 0
    for (const { node } of run.lives.values()) {
      const ledger = node.stats().replication.lost
      atLeast += ledger.atLeast
      atMost += ledger.atMost
      windowMs = Math.max(windowMs, ledger.windowMs)
    }
    assert.ok(atLeast <= lost && lost <= atMost, `${atLeast} <= ${lost} <= ${atMost}`)
    assert.ok(windowMs > 0 && windowMs < 12_000, `${windowMs} ms`)
    assert.is(conflicts(run), 0)
    run.close()
  })
}

test('a second crash of the same name, with nothing under way, leaves the bound of the first as it was', () => {
  const run = started(22, 3)
  const books: Books = new Map()
  const victim = run.life('jackdaw-1')
  for (let i = 0; i < 4000; i++) {
    write(victim, `key-${i % KEYS}`, `${i}`, books)
    if (i % 10 === 9) run.clock.advance(1)
  }
  run.kill('jackdaw-1')
  run.clock.advance(20_000)
  const first = atMost(run)
  assert.ok(first > 0)
  run.start('jackdaw-1')
  run.untilReady()
  run.clock.advance(20_000)
  run.kill('jackdaw-1')
  run.clock.advance(20_000)
  assert.ok(atMost(run) >= first, `${atMost(run)} of ${first}`)
  run.close()
})

test('a member that leaves in order leaves no bound of a crash, even where its heirs have no room for everything', () => {
  const run = cluster({ nodes: 3, seed: 1, replicas: 1, node: { evictionPolicy: 'noeviction', maxMemoryBytes: 2 * 1024 * 1024 } })
  run.startAll()
  run.untilReady()
  const lives = [...run.lives.values()]
  for (let i = 0; i < 3000; i++) {
    set(lives[i % 3] as Life, `key-${i}`, 'x'.repeat(1500), () => {})
    if (i % 20 === 0) run.clock.advance(10)
  }
  run.clock.advance(8000)
  const leaver = run.life('jackdaw-2')
  const claimed = (): number => run.life('jackdaw-0').node.stats().replication.claimedTotal
  const before = claimed()
  let gone = false
  run.stop('jackdaw-2', () => {
    gone = true
  })
  run.runUntil(() => gone, 60_000, 'the end of jackdaw-2')
  run.clock.advance(20_000)
  assert.ok(leaver.node.stats().replication.lost.stop > 0, 'it took something along, and said so')
  assert.ok(claimed() > before, 'what it had not handed over was claimed')
  assert.is(atMost(run), 0)
  run.close()
})

test('slots that were claimed from what a stand-in had are counted as lost, and others are not', () => {
  const run = started(11, 3)
  let gone = false
  run.stop('jackdaw-1', () => {
    gone = true
  })
  run.runUntil(() => gone, 60_000, 'the end of jackdaw-1')
  run.kill('jackdaw-2')
  run.clock.advance(15_000)
  const values = read(run)
  const missing = [...values.values()].filter((value) => value === undefined).length
  const lost = run.life('jackdaw-0').node.stats().replication.slotsLostTotal
  assert.ok(missing > 0, 'some keys had their only whole copy at jackdaw-2')
  assert.ok(lost >= missing && lost < 8000, `${lost} slots lost, with ${missing} keys`)
  run.close()
})

test('a member that leaves without an heir counts what it takes along', () => {
  const run = cluster({ nodes: 1, seed: 41 })
  run.startAll()
  run.untilReady()
  const life = run.life('jackdaw-0')
  const books: Books = new Map()
  for (let i = 0; i < KEYS; i++) write(life, `key-${i}`, 'value', books)
  run.clock.advance(100)
  run.platform.stopping(life.name)
  let all: boolean | null = null
  life.node.handOver(10_000, (handedOver) => {
    all = handedOver
  })
  run.runUntil(() => all !== null, 12_000, 'the stop to go on')
  assert.is(all, false)
  assert.is(life.node.stats().replication.lost.stop, books.size)
  run.close()
})

test.run()
