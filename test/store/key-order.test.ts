/** Both orders of keys against a sorted array, with enough entries for several nodes of the directory above the leaves. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { randomBelow, SeededRandom, shuffle } from '../../src/lib/random.ts'
import { Arena, BLOCK_ENTRY } from '../../src/store/arena.ts'
import { KeyOrder } from '../../src/store/key-order.ts'
import { LEAF_UNITS } from '../../src/store/leaves.ts'
import { Records } from '../../src/store/records.ts'
import { Writers } from '../../src/store/writers.ts'
import { latin1 } from './held.ts'

const test = suite('store/key-order')

const ALL = Number.MAX_SAFE_INTEGER

/** Entries without values in an arena, in one order of their keys, and beside them a plain `Map`. */
class Bench {
  readonly arena = new Arena(64 * 1024 * 1024, 1024 * 1024)
  readonly held = new Map<string, number>()
  readonly order: KeyOrder
  readonly #writers = new Writers()
  readonly #records = new Records(this.arena, this.#writers)
  readonly #entry = new Entry()
  readonly #reversed: boolean
  #leaf = 0

  constructor(reversed: boolean) {
    this.#reversed = reversed
    this.order = new KeyOrder(this.arena, this.#records, reversed)
  }

  add(key: string): void {
    if (this.held.has(key)) return
    const address = this.#write(key)
    if (this.#leaf === 0) this.#leaf = this.arena.allocate(LEAF_UNITS)
    if (this.order.insert(address, this.#leaf)) this.#leaf = 0
    this.held.set(key, address)
  }

  remove(key: string): void {
    const address = this.held.get(key)
    if (address === undefined) return
    this.order.remove(address)
    this.arena.free(address)
    this.held.delete(key)
  }

  /** The entry gets another block. */
  move(key: string): void {
    const from = this.held.get(key)
    if (from === undefined) return
    const to = this.#write(key)
    this.order.replace(from, to)
    this.arena.free(from)
    this.held.set(key, to)
  }

  /** As this order reads it. */
  reading(key: string): string {
    return this.#reversed ? key.split('').reverse().join('') : key
  }

  keyOf(address: number): string {
    this.#records.show(address, this.#entry)
    return this.#entry.keyBytes().toString('latin1')
  }

  sorted(): string[] {
    const readings = [...this.held.keys()].map((key) => this.reading(key)).sort()
    return readings.map((reading) => this.reading(reading))
  }

  check(): void {
    const expected = this.sorted()
    const visited: string[] = []
    this.order.visitAll(latin1(''), (address) => visited.push(this.keyOf(address)) > 0)
    assert.equal(visited.sort(), expected.toSorted(), 'each entry once, and no other')
    assert.ok(Math.abs(this.order.estimate(latin1('')) - expected.length) <= 2 * 254)
  }

  #write(key: string): number {
    const entry = this.#entry.setKey(latin1(key)).setVersion(1, 0, 'w')
    const address = this.arena.allocate(this.#records.unitsFor(entry))
    this.#records.write(address, entry, this.#writers.take('w'))
    this.arena.setType(address, BLOCK_ENTRY)
    return address
  }
}

/** Some share long beginnings and endings, some are beginnings of others. */
function someKey(random: SeededRandom): string {
  const number = randomBelow(random, 40_000).toString(36)
  const dice = random.next()
  if (dice < 0.4) return `user:${number}:name`
  if (dice < 0.5) return `user:${number}`
  if (dice < 0.7) return `{a-long-tag-that-many-keys-have}/session/${number}`
  if (dice < 0.8) return `${number}\x00\x00${number.slice(0, 1)}`
  return `\xff${number}`
}

for (const reversed of [false, true]) {
  const name = reversed ? 'read backwards' : 'read forwards'

  test(`any history of coming, going and moving is walked in order: keys ${name}`, () => {
    const random = new SeededRandom(1)
    const bench = new Bench(reversed)
    for (let i = 0; i < 60_000; i++) {
      bench.add(someKey(random))
      if (i % 3 === 0) bench.remove(someKey(random))
      if (i % 7 === 0) bench.move(someKey(random))
    }
    assert.ok(bench.held.size > 128 * 254, 'enough for more than one node')
    bench.check()
    for (const part of ['', 'user:', 'user:z', 'user:zz', '{a-long', '\xff', '\xff\xff', ':name', 'e', 'e:name', '\x00', 'nothing']) {
      const beginning = latin1(part)
      const expected = bench.sorted().filter((key) => (reversed ? key.endsWith(part) : key.startsWith(part)))
      const unordered: string[] = []
      bench.order.visitAll(beginning, (address) => unordered.push(bench.keyOf(address)) > 0)
      assert.equal(unordered.sort(), expected.toSorted(), `all with ${JSON.stringify(part)}`)
      const estimate = bench.order.estimate(beginning)
      assert.ok(Math.abs(estimate - expected.length) <= 0.3 * expected.length + 2 * 254, `${estimate} for ${expected.length}`)
      assert.is(estimate === 0, expected.length === 0)
    }
    // Down to a handful, by chance.
    for (const [i, key] of shuffle(random, [...bench.held.keys()]).entries()) {
      bench.remove(key)
      if (i % 20_000 === 0) bench.check()
    }
    bench.check()
  })

  test(`keys that come in order and go in order: keys ${name}`, () => {
    const bench = new Bench(reversed)
    const keys = Array.from({ length: 50_000 }, (_, i) => bench.reading(`key:${String(i).padStart(8, '0')}`))
    for (const key of keys) bench.add(key)
    bench.check()
    const full = (4 * 256) / 254
    assert.ok(bench.order.bytes - bench.order.directoryBytes < full * keys.length + 1_024, 'leaves filled in order are full')
    for (const [i, key] of keys.entries()) {
      bench.remove(key)
      if (i % 24_999 === 0) bench.check()
    }
    assert.is(bench.held.size, 0)
    for (const key of keys.toReversed()) bench.add(key)
    bench.check()
  })
}

test('a walk shows what passes, in order, from any key on, whether few or all pass, and stops where it is told to', () => {
  const random = new SeededRandom(3)
  const bench = new Bench(false)
  for (let i = 0; i < 30_000; i++) bench.add(someKey(random))
  for (let round = 0; round < 60; round++) {
    // Some new ones each time: what a walk has sorted does not stay sorted.
    for (let i = 0; i < 400; i++) bench.add(someKey(random))
    const sorted = bench.sorted()
    const prefix = ['', 'user:', 'user:a', '{'][randomBelow(random, 4)] as string
    const letter = ['', 'e', '7', 'zz'][randomBelow(random, 4)] as string
    const inRange = sorted.filter((key) => key.startsWith(prefix))
    const from = inRange[randomBelow(random, inRange.length)] as string
    const passes = (key: string): boolean => key.endsWith(letter)
    const wanted = inRange.filter((key) => key >= from && passes(key))
    const take = 1 + randomBelow(random, 200)
    const looks = 1 + randomBelow(random, 3_000)
    const met: string[] = []
    const stoppedAt = bench.order.walk(
      latin1(prefix),
      latin1(from),
      looks,
      letter !== '',
      (address) => passes(bench.keyOf(address)) && bench.keyOf(address).startsWith(prefix),
      (address) => met.push(bench.keyOf(address)) < take,
    )
    assert.equal(met, wanted.slice(0, met.length))
    if (stoppedAt === 0) {
      assert.is(met.length, wanted.length)
      continue
    }
    const last = bench.keyOf(stoppedAt)
    if (met.length === take) assert.is(last, met[take - 1])
    else assert.is(sorted.filter((key) => key >= from && key <= last).length, looks, 'it looks at no more than it may, and no less')
    assert.equal(
      met,
      wanted.filter((key) => key <= last),
      'nothing up to there is passed over',
    )
  }
})

test('an entry is picked by chance, all alike', () => {
  const random = new SeededRandom(5)
  const bench = new Bench(false)
  for (let i = 0; i < 3_000; i++) bench.add(someKey(random))
  const times = new Map<string, number>()
  const each = 20
  for (let i = 0; i < each * bench.held.size; i++) {
    const key = bench.keyOf(bench.order.pick(random))
    times.set(key, (times.get(key) ?? 0) + 1)
  }
  assert.is(times.size, bench.held.size)
  assert.ok(Math.max(...times.values()) < 3 * each)
  // Chance alone gives a variance as large as the mean.
  const variance = [...times.values()].reduce((sum, n) => sum + (n - each) ** 2, 0) / times.size
  assert.ok(variance < 1.2 * each, `a variance of ${variance} about ${each}`)
})

test('a search that never ends is bounded by what there is', () => {
  const bench = new Bench(false)
  assert.is(
    bench.order.walk(
      latin1(''),
      latin1(''),
      ALL,
      false,
      () => true,
      () => true,
    ),
    0,
  )
  bench.add('only')
  const met: string[] = []
  bench.order.walk(
    latin1(''),
    latin1(''),
    ALL,
    false,
    () => true,
    (address) => met.push(bench.keyOf(address)) > 0,
  )
  assert.equal(met, ['only'])
})

test.run()
