/**
 * `partition=refuse`: of two sides of a partition the smaller one writes nothing, whoever asks, for as long as it lasts, while it still answers reads;
 * the larger one serves, and what it accepted is there afterwards.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheError } from '../../src/lib/errors.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'

const test = suite('simulation: the smaller side of a partition')

const KEYS = 200
/** Who is cut off is suspected, then dead; a slot of the smaller side's is claimed. */
const SETTLED_MS = 15_000

function cutApart(run: Cluster, side: readonly Life[]): void {
  for (const near of side) {
    for (const far of run.lives.values()) {
      if (side.includes(far)) continue
      run.network.cut(near.host, far.host)
      run.network.cut(far.host, near.host)
    }
  }
}

/** Every key through every member given: the answers, by what they were. */
function writeAll(run: Cluster, lives: readonly Life[], value: string): Map<string, number> {
  return askAll(run, lives, (life, key, done) => set(life, key, value, (error) => done(error, '')))
}

function readAll(run: Cluster, lives: readonly Life[]): Map<string, number> {
  return askAll(run, lives, (life, key, done) => get(life, key, (error, value) => done(error, value ?? 'miss')))
}

function askAll(
  run: Cluster,
  lives: readonly Life[],
  ask: (life: Life, key: string, done: (error: CacheError | null, answer: string) => void) => void,
): Map<string, number> {
  const answers = new Map<string, number>()
  let open = 0
  for (const life of lives) {
    for (let i = 0; i < KEYS; i++) {
      open++
      ask(life, `key-${i}`, (error, answer) => {
        open--
        const said = error?.code ?? answer
        answers.set(said, (answers.get(said) ?? 0) + 1)
      })
    }
  }
  run.runUntil(() => open === 0, 10_000, 'all keys to be answered for')
  return answers
}

for (const seed of [1, 2]) {
  test(`two of five refuse every write and answer reads, three serve, and nothing that was refused is there (seed ${seed})`, () => {
    const run = cluster({ nodes: 5, seed, node: { partition: 'refuse' } })
    run.startAll()
    run.untilReady()
    const all = [...run.lives.values()]
    assert.equal(writeAll(run, all.slice(0, 1), 'before'), new Map([['', KEYS]]))
    run.clock.advance(2000)
    const few = [run.life(`jackdaw-${seed % 5}`), run.life(`jackdaw-${(seed + 2) % 5}`)]
    const most = all.filter((life) => !few.includes(life))
    cutApart(run, few)
    run.clock.advance(SETTLED_MS)
    // Beyond the grace the others' names are off the ring, and still count.
    for (const round of ['early', 'late']) {
      const begunMs = run.clock.now()
      assert.equal(writeAll(run, few, `refused ${round}`), new Map([['PARTITIONED', 2 * KEYS]]))
      assert.ok(run.clock.now() - begunMs < 50, 'at once')
      const read = readAll(run, few)
      assert.equal(
        [...read.keys()].filter((answer) => answer !== 'before' && answer !== 'miss'),
        [],
      )
      assert.ok((read.get('before') ?? 0) > KEYS, 'reads go on')
      if (round === 'early') run.clock.advance(40_000)
    }
    assert.equal(writeAll(run, most, 'during'), new Map([['', 3 * KEYS]]))
    run.network.joinAll()
    run.untilAgreed(60_000)
    assert.equal(readAll(run, all), new Map([['during', 5 * KEYS]]))
    assert.equal(writeAll(run, few, 'after'), new Map([['', 2 * KEYS]]))
    run.close()
  })
}

test('a flush is a write', () => {
  const run = cluster({ nodes: 3, seed: 11, node: { partition: 'refuse' } })
  run.startAll()
  run.untilReady()
  const alone = run.life('jackdaw-1')
  cutApart(run, [alone])
  run.clock.advance(SETTLED_MS)
  const answers: (string | undefined)[] = []
  alone.node.cache.flush((error) => answers.push(error?.code))
  run.clock.advance(6000)
  assert.equal(answers, ['PARTITIONED'])
  run.close()
})

test('half of the members is not less than half, and members that stopped in order or are wanted no more do not count', () => {
  const run = cluster({ nodes: 4, seed: 12, node: { partition: 'refuse' } })
  run.startAll()
  run.untilReady()
  const all = [...run.lives.values()]
  cutApart(run, all.slice(0, 2))
  run.clock.advance(SETTLED_MS)
  assert.equal(writeAll(run, all, 'x'), new Map([['', 4 * KEYS]]))
  run.network.joinAll()
  run.untilAgreed(60_000)
  run.platform.scale(1)
  let stopped = 0
  for (const name of ['jackdaw-3', 'jackdaw-2', 'jackdaw-1']) run.stop(name, () => stopped++)
  run.runUntil(() => stopped === 3, 120_000, 'three to stop', 100)
  assert.equal(writeAll(run, [run.life('jackdaw-0')], 'y'), new Map([['', KEYS]]))
  run.close()
})

test('by default the smaller side serves', () => {
  const run = cluster({ nodes: 3, seed: 13 })
  run.startAll()
  run.untilReady()
  const alone = run.life('jackdaw-1')
  cutApart(run, [alone])
  run.clock.advance(SETTLED_MS)
  assert.equal(writeAll(run, [alone], 'x'), new Map([['', KEYS]]))
  run.close()
})

test.run()
