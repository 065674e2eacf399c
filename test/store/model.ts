/**
 * What every store must do, whatever it is made of: a suite that takes a factory, for each implementation to be put through unchanged.
 *
 * Random histories from fast-check run on the store and on a plain model side by side (`trial.ts`); a failing one is shrunk and printed with its
 * seed. Beside them stand the rules that want a crowd of entries, or one exact moment.
 */
import fc from 'fast-check'
import { suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry, NEVER, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import type { Version } from '../../src/lib/version.ts'
import type { DropReason, EvictionPolicy, Store } from '../../src/store/store.ts'
import { fill, type Held, latin1, read, slotOfKey } from './held.ts'
import { type MakeStore, START_MS, TOMBSTONE_MS, Trial } from './trial.ts'

const ROOMY_BYTES = 64 * 1024 * 1024

/** One tag puts many keys into one slot; prefixes of each other, and bytes at both ends of their range, try the order. */
const KEYS = [
  'a',
  'ab',
  'aba',
  'abab',
  'b',
  'ba',
  '\x00',
  'a\x00',
  'a\xff',
  '\xff',
  '\xff\xff',
  '\xc3\xa9',
  '{t}1',
  '{t}2',
  '{t}3',
  '{t}ab',
]
const AFFIXES = ['', 'a', 'b', 'ab', 'ba', 'aba', '{t}', '\xff', '\x00', 'none']

interface Step {
  readonly run: (trial: Trial) => void
}

/**
 * The suite, for `.run()`. `limitBytes` is the limit of those tests that mean to reach it: values are sized by it, so that a handful fill it; an
 * implementation that takes memory in large pieces names a larger one.
 */
export function storeSuite(name: string, make: MakeStore, limitBytes: number = 16 * 1024): Test {
  const test = suite(name)

  const histories: readonly (readonly [string, number, EvictionPolicy, boolean])[] = [
    ['far below its limit', ROOMY_BYTES, 'allkeys-lru', false],
    ['at its limit, evicting', limitBytes, 'allkeys-lru', true],
    ['at its limit, not evicting', limitBytes, 'noeviction', true],
  ]
  for (const [where, maxMemoryBytes, evictionPolicy, tight] of histories) {
    test(`any history leaves what the model says: ${where}`, () => {
      const valueLengths = tight ? [0, limitBytes >> 5, limitBytes >> 4, limitBytes >> 3] : [0, 1, 7, 100, 5_000]
      const history = fc.array(stepArbitrary(valueLengths), { maxLength: 120, size: 'max' })
      const end = fc.constantFrom('drop', 'dropSlot', 'clear', 'sweep')
      fc.assert(
        fc.property(history, end, (steps, empty) => {
          const trial = new Trial(make, { maxMemoryBytes, evictionPolicy, tight })
          for (const { run } of steps) run(trial)
          trial.finish(make, empty)
        }),
        { numRuns: 700, includeErrorInReport: true },
      )
    })
  }

  test('an entry is there until the millisecond of its expiry, and not at it', () => {
    const store = roomy(make)
    put(store, { key: 'k', expiresAtMs: START_MS + 10 })
    const into = new Entry()
    assert.ok(store.get(latin1('k'), 0, 1, START_MS + 9, into))
    assert.not.ok(store.get(latin1('k'), 0, 1, START_MS + 10, into))
    assert.equal(searchKeys(store, START_MS + 9), ['k'])
    assert.equal(searchKeys(store, START_MS + 10), [])
    assert.ok(store.peek(latin1('k'), 0, 1, into), 'it is hidden, not gone')
    assert.is(store.stats().entries, 1)
  })

  test('of two versions with one stamp the larger writer wins, whichever comes first', () => {
    for (const writers of [
      ['jackdaw-1', 'jackdaw-10'],
      ['jackdaw-10', 'jackdaw-1'],
    ] as const) {
      const store = roomy(make)
      for (const writer of writers) put(store, { key: 'k', value: writer, writer })
      const into = new Entry()
      assert.ok(store.get(latin1('k'), 0, 1, START_MS, into))
      assert.is(into.valueBytes().toString(), 'jackdaw-10')
    }
  })

  test('an entry over the limit by itself is refused, and what was there stays', () => {
    for (const evictionPolicy of ['allkeys-lru', 'noeviction'] as const) {
      let drops = 0
      const store = make({ maxMemoryBytes: limitBytes, evictionPolicy, tombstoneMs: TOMBSTONE_MS, onDrop: () => drops++ })
      assert.is(put(store, { key: 'k', value: 'old' }), 'applied')
      assert.is(put(store, { key: 'other' }), 'applied')
      const { bytes } = store.stats()
      assert.is(put(store, { key: 'k', value: 'x'.repeat(limitBytes), ms: START_MS + 1 }), 'full')
      assert.is(store.stats().bytes, bytes)
      assert.is(drops, 0)
      assert.equal(searchKeys(store, START_MS), ['k', 'other'])
    }
  })

  test('a store that may not evict fills, refuses, and has room again once entries are deleted', () => {
    const dropped: DropReason[] = []
    const store = make({
      maxMemoryBytes: limitBytes,
      evictionPolicy: 'noeviction',
      tombstoneMs: TOMBSTONE_MS,
      onDrop: (_entry, _slot, reason) => dropped.push(reason),
    })
    const value = 'v'.repeat(limitBytes >> 5)
    let count = 0
    while (put(store, { key: `k${count}`, value }) === 'applied') count++
    assert.ok(count > 4, `only ${count} entries fit`)
    assert.ok(store.stats().bytes > limitBytes / 2, 'full, and half empty')
    assert.equal(dropped, [])
    for (let i = 0; i < count; i++) assert.is(put(store, { key: `k${i}`, ms: START_MS + 1, tombstone: true }), 'applied')
    for (let i = 0; i < count; i++) {
      assert.is(put(store, { key: `n${i}`, value }), 'applied', `entry ${i} of ${count} after all were deleted`)
      assert.ok(store.stats().bytes <= limitBytes)
    }
  })

  test('the least recently used are evicted, not those that are read', () => {
    const count = 400
    const evicted: string[] = []
    const store = make({
      maxMemoryBytes: 64 * limitBytes,
      evictionPolicy: 'allkeys-lru',
      tombstoneMs: TOMBSTONE_MS,
      onDrop: (entry) => evicted.push(entry.keyBytes().toString()),
    })
    const value = 'v'.repeat((64 * limitBytes) / count)
    let filled = 0
    while (evicted.length === 0) put(store, { key: `k${filled++}`, value })
    evicted.length = 0
    const into = new Entry()
    // Every tenth is read now and then, while half as many new ones come as there are.
    for (let i = 0; i < filled >> 1; i++) {
      for (let j = 0; j < 8; j++) {
        const key = latin1(`k${10 * ((8 * i + j) % Math.ceil(filled / 10))}`)
        store.get(key, 0, key.length, START_MS, into)
      }
      put(store, { key: `n${i}`, value })
    }
    const old = evicted.filter((key) => key.startsWith('k'))
    const read = old.filter((key) => key.endsWith('0')).length
    assert.ok(old.length > filled / 4, `${old.length} of ${filled} old entries were evicted`)
    // By chance a tenth of the victims would be among those that are read.
    assert.ok(read / old.length < 0.02, `${read} of ${old.length} victims were being read`)
    assert.ok(evicted.length - old.length < filled / 10, 'the newest are not evicted for one another')
  })

  test('sweeping goes round: each entry that is due leaves within two rounds, however few are looked at', () => {
    const due = 1_000
    const store = roomy(make)
    for (let i = 0; i < due; i++) put(store, i % 2 === 0 ? { key: `k${i}`, expiresAtMs: START_MS + 5 } : { key: `k${i}`, tombstone: true })
    for (let i = 0; i < due; i++) put(store, { key: `later${i}`, expiresAtMs: START_MS + 1_000 })
    for (let i = 0; i < due; i++) put(store, { key: `stays${i}` })
    const kept = slotOfKey('k7')
    const steps = 16
    const sweepRounds = (mayDrop: (slot: number) => boolean): number => {
      let gone = 0
      for (let looked = 0; looked < 2 * 2 * due; looked += steps) gone += store.sweep(START_MS + TOMBSTONE_MS, steps, mayDrop)
      return gone
    }
    const spared = Array.from({ length: due }, (_, i) => `k${i}`).filter((key) => slotOfKey(key) === kept).length
    assert.is(
      sweepRounds((slot) => slot !== kept),
      due - spared,
    )
    assert.is(
      sweepRounds(() => true),
      spared,
    )
    assert.equal([store.stats().entries, store.stats().tombstones], [2 * due, 0])
  })

  test('a floor removes what is at or below it, silently and for good, and never falls', () => {
    // Few above it, and many.
    for (const isAbove of [(i: number): boolean => i < 3, (i: number): boolean => i % 10 < 9]) {
      let drops = 0
      const options = {
        maxMemoryBytes: ROOMY_BYTES,
        evictionPolicy: 'allkeys-lru',
        tombstoneMs: TOMBSTONE_MS,
        onDrop: () => drops++,
      } as const
      const store = make(options)
      assert.equal(store.floor, { ms: 0, counter: 0 })
      const count = 1_000
      const above = Array.from({ length: count }, (_, i) => i).filter(isAbove)
      for (let i = 0; i < count; i++) put(store, { key: `k${i}`, tombstone: i % 7 === 0, counter: 5, ms: START_MS + (isAbove(i) ? 1 : 0) })
      store.raiseFloor({ ms: START_MS, counter: 5 }, START_MS)
      assert.equal(store.floor, { ms: START_MS, counter: 5 })
      for (let i = 0; i < count; i++) {
        const key = latin1(`k${i}`)
        assert.is(store.peek(key, 0, key.length, new Entry()), isAbove(i), `k${i}`)
      }
      assert.is(store.stats().entries + store.stats().tombstones, above.length)
      store.raiseFloor({ ms: START_MS, counter: 4 }, START_MS)
      assert.equal(store.floor, { ms: START_MS, counter: 5 })
      assert.is(put(store, { key: 'late', ms: START_MS, counter: 5 }), 'stale')
      assert.is(put(store, { key: 'later', ms: START_MS, counter: 6 }), 'applied')
      store.clear()
      assert.is(put(store, { key: 'late', ms: START_MS, counter: 5 }), 'stale', 'the floor outlives what it removed')
      assert.is(drops, 0)
    }
  })

  test('what the floor leaves is what it was, and how long ago it was used', () => {
    const store = roomy(make)
    for (let i = 0; i < 100; i++) put(store, { key: `k${i}`, value: 'old' })
    // The same length, so that it may be written over what was there.
    put(store, { key: 'k7', value: 'new', ms: START_MS + 2 })
    put(store, { key: 'k8', value: 'new', ms: START_MS + 1, expiresAtMs: START_MS + 90_000, kind: VALUE_JSON })
    store.get(latin1('k8'), 0, 2, START_MS + 20_000, new Entry())
    store.raiseFloor({ ms: START_MS, counter: 0xffff }, START_MS + 30_000)
    assert.equal(searchKeys(store, START_MS), ['k7', 'k8'])
    const into = new Entry()
    assert.ok(store.peek(latin1('k8'), 0, 2, into))
    assert.equal(read(into), heldOf({ key: 'k8', value: 'new', ms: START_MS + 1, expiresAtMs: START_MS + 90_000, kind: VALUE_JSON }))
    assert.is(store.describe(latin1('k8'), 0, 2, START_MS + 30_000)?.idleMs, 10_000)
    assert.is(store.describe(latin1('k7'), 0, 2, START_MS + 30_000)?.idleMs, 30_000)
    store.raiseFloor({ ms: START_MS + 1, counter: 0 }, START_MS)
    assert.equal(searchKeys(store, START_MS), ['k7'])
    store.raiseFloor({ ms: START_MS + 2, counter: 0 }, START_MS)
    assert.equal(searchKeys(store, START_MS), [])
  })

  test('a random key is any of those that may be picked, about evenly, however few they are', () => {
    const random = new SeededRandom(11)
    const store = roomy(make)
    const count = 2_000
    for (let i = 0; i < count; i++) put(store, { key: `k${i}` })
    for (let i = 0; i < count; i++) put(store, { key: `dead${i}`, tombstone: true })
    for (let i = 0; i < count; i++) put(store, { key: `expired${i}`, expiresAtMs: START_MS })
    for (let i = 0; i < 3; i++) put(store, { key: `{few}${i}` })
    const into = new Entry()
    const drawn = (draws: number, mayPick: (slot: number) => boolean): Map<string, number> => {
      const times = new Map<string, number>()
      for (let i = 0; i < draws; i++) {
        assert.ok(store.randomKey(START_MS, mayPick, into))
        const key = into.keyBytes().toString()
        times.set(key, (times.get(key) ?? 0) + 1)
      }
      return times
    }
    const all = drawn(10 * (count + 3), () => true)
    // Of ten draws for each, chance leaves out one in 22,000 and gives one in a million more than 30.
    assert.ok(all.size > count - 5, `${all.size} of ${count + 3} were drawn`)
    assert.ok(Math.max(...all.values()) <= 32)
    const few = slotOfKey('{few}')
    const ofFew = drawn(400, (slot) => slot === few)
    assert.is(ofFew.size, 3)
    assert.ok(Math.max(...ofFew.values()) < 200)
    const dead = slotOfKey(`dead${randomBelow(random, count)}`)
    const onlyDead = [...all.keys()].every((key) => slotOfKey(key) !== dead)
    assert.is(
      store.randomKey(START_MS, (slot) => slot === dead, into),
      !onlyDead,
    )
  })

  test('what is read is idle no longer, what is only described is', () => {
    const store = roomy(make)
    put(store, { key: 'k', value: 'v'.repeat(1_000) })
    put(store, { key: 'other' })
    const idleAt = (nowMs: number): number | null | undefined => store.describe(latin1('k'), 0, 1, nowMs)?.idleMs
    for (const seconds of [1, 5, 60]) {
      const nowMs = START_MS + 1_000 * seconds
      store.get(latin1('other'), 0, 5, nowMs, new Entry())
      assert.is(idleAt(nowMs), 1_000 * seconds)
    }
    const read = START_MS + 70_000
    store.get(latin1('k'), 0, 1, read, new Entry())
    assert.is(idleAt(read), 0)
    assert.is(idleAt(read + 30_000), 30_000)
    assert.is(store.describe(latin1('none'), 0, 4, read), null)
  })

  test('the policy may change: a store that was full evicts, and the other way round', () => {
    const store = make({ maxMemoryBytes: limitBytes, evictionPolicy: 'noeviction', tombstoneMs: TOMBSTONE_MS })
    const value = 'v'.repeat(limitBytes >> 5)
    let count = 0
    while (put(store, { key: `k${count}`, value }) === 'applied') count++
    store.setEvictionPolicy('allkeys-lfu')
    for (let i = 0; i < count; i++) assert.is(put(store, { key: `n${i}`, value }), 'applied')
    assert.ok(store.stats().evictedTotal > 0)
    const key = searchKeys(store, START_MS)[0] as string
    assert.is(store.describe(latin1(key), 0, key.length, START_MS)?.idleMs, null)
    assert.ok((store.describe(latin1(key), 0, key.length, START_MS)?.frequency ?? -1) >= 0)
    store.setEvictionPolicy('noeviction')
    const { evictedTotal } = store.stats()
    let outcome = 'applied'
    for (let i = 0; i < count && outcome === 'applied'; i++) outcome = put(store, { key: `m${i}`, value })
    assert.is(outcome, 'full')
    assert.is(store.stats().evictedTotal, evictedTotal)
  })

  test('the key that a search returns to go on from is the caller’s to keep', () => {
    const store = roomy(make)
    put(store, { key: 'k0' })
    const stoppedAt = store.search({ prefix: latin1(''), suffix: latin1(''), after: null }, START_MS, 1, () => true)
    store.clear()
    for (let i = 0; i < 100; i++) put(store, { key: `z${i}` })
    assert.equal(stoppedAt, latin1('k0'))
  })

  test('a search over many pages meets each key that stays exactly once, while others come and go', () => {
    // One ending in six keys of seven, the other in one of seven: many to pass over few, and the other way round.
    const keyOf = (i: number): string => `user:${i.toString(36)}${(i >> 1) % 7 === 0 ? '-rare' : '-common'}`
    for (const [seed, suffix] of ['', '', '7-common', '-rare', '-common', 'e'].entries()) {
      const random = new SeededRandom(seed)
      const { trial, churn } = crowd(make, random, keyOf)
      trial.beginSearch('user:', suffix, null)
      while (trial.searchPage(1 + randomBelow(random, 900), 1 + randomBelow(random, 300))) churn()
    }
  })

  test('a search by an ending goes on past the first part, though the least keys come first', () => {
    const store = roomy(make)
    for (let i = 0; i < 5_000; i++) put(store, { key: `other${i}` })
    // In ascending order read either way.
    const wanted = Array.from({ length: 200 }, (_, i) => `n${String.fromCharCode(i)}-end`)
    for (const key of wanted) put(store, { key })
    const met: string[] = []
    let after: Buffer | null = null
    do {
      const query = { prefix: latin1(''), suffix: latin1('-end'), after }
      after = store.search(query, START_MS, 10_000, (entry) => met.push(entry.keyBytes().toString('latin1')) > 0)
    } while (after !== null)
    assert.equal(met, wanted)
  })

  test('a scan over many pages meets each entry of the slot that stays, while others come and go', () => {
    for (const seed of [1, 2, 3]) {
      const random = new SeededRandom(seed)
      const { trial, churn } = crowd(make, random, (i) => `{user}:${i}`)
      trial.beginScan(slotOfKey('{user}'))
      while (trial.scanPage(1 + randomBelow(random, 300))) churn()
    }
  })

  return test
}

/** A trial of 3,000 entries, and a way to change 40 of those with odd numbers: the even ones stay. */
function crowd(make: MakeStore, random: SeededRandom, keyOf: (i: number) => string): { readonly trial: Trial; readonly churn: () => void } {
  const count = 3_000
  const trial = new Trial(make, { maxMemoryBytes: ROOMY_BYTES, evictionPolicy: 'allkeys-lru', tight: false })
  const entry = new Entry()
  const change = (i: number): void => {
    const held = trial.held.get(keyOf(i))
    const next = heldOf({ key: keyOf(i), value: String(i), ms: (held?.ms ?? START_MS) + 1, tombstone: random.next() < 0.2 && i % 2 === 1 })
    assert.is(trial.store.apply(fill(entry, next), trial.now), 'applied')
    trial.held.set(next.key, next)
  }
  const remove = (i: number): void => {
    const key = latin1(keyOf(i))
    const held = trial.held.get(keyOf(i))
    if (held === undefined) return
    assert.ok(trial.store.drop(key, 0, key.length, held))
    trial.held.delete(held.key)
  }
  for (let i = 0; i < count; i += random.next() < 0.5 ? 1 : 2) change(i)
  const churn = (): void => {
    for (let n = 0; n < 20; n++) {
      change(2 * randomBelow(random, count / 2) + 1)
      remove(2 * randomBelow(random, count / 2) + 1)
    }
    trial.check()
  }
  return { trial, churn }
}

function roomy(make: MakeStore): Store {
  return make({ maxMemoryBytes: ROOMY_BYTES, evictionPolicy: 'allkeys-lru', tombstoneMs: TOMBSTONE_MS })
}

function heldOf(some: Partial<Held> & { readonly key: string }): Held {
  return { value: '', kind: VALUE_STRING, tombstone: false, expiresAtMs: NEVER, ms: START_MS, counter: 0, writer: 'jackdaw-0', ...some }
}

function put(store: Store, some: Partial<Held> & { readonly key: string }): string {
  return store.apply(fill(new Entry(), heldOf(some)), START_MS)
}

function searchKeys(store: Store, nowMs: number): string[] {
  const keys: string[] = []
  const all = { prefix: latin1(''), suffix: latin1(''), after: null }
  store.search(all, nowMs, Number.MAX_SAFE_INTEGER, (entry) => keys.push(entry.keyBytes().toString('latin1')) > 0)
  return keys
}

function stepArbitrary(valueLengths: readonly number[]): fc.Arbitrary<Step> {
  const key = fc.constantFrom(...KEYS)
  const stamp = fc.record({
    offset: fc.integer({ min: -3, max: 3 }),
    counter: fc.integer({ min: 0, max: 1 }),
    writer: fc.constantFrom('a', 'b', 'ä'),
  })
  const value = fc.record({ byte: fc.constantFrom('x', '\x00', '\xff'), length: fc.constantFrom(...valueLengths) })
  const lifeMs = fc.option(fc.integer({ min: -2, max: 40 }), { nil: null })
  const few = fc.integer({ min: 1, max: 6 })
  const affix = fc.constantFrom(...AFFIXES)
  const after = fc.option(fc.constantFrom(...KEYS, 'ab\x00', 'zz'), { nil: null })

  return fc.oneof(
    step(20, 'apply', fc.record({ key, stamp, value, lifeMs, json: fc.boolean(), tombstone: fc.boolean() }), (trial, of) => {
      trial.apply({
        key: of.key,
        value: of.tombstone ? '' : of.value.byte.repeat(of.value.length),
        kind: of.json ? VALUE_JSON : VALUE_STRING,
        tombstone: of.tombstone,
        expiresAtMs: of.tombstone || of.lifeMs === null ? NEVER : trial.now + of.lifeMs,
        ...versionAt(trial, of.stamp),
      })
    }),
    // The version that is held, once more and with another value; or the next one.
    step(3, 'again', fc.record({ key, higher: fc.boolean(), value }), (trial, of) => {
      const held = trial.held.get(of.key)
      if (held === undefined || held.tombstone) return
      trial.apply({ ...held, value: of.value.byte.repeat(of.value.length), ms: held.ms + (of.higher ? 1 : 0) })
    }),
    step(3, 'window', fc.record({ from: key, to: key, part: fc.constantFrom('key', 'value'), stamp }), (trial, of) => {
      trial.applyWindow(of.from, of.to, of.part, versionAt(trial, of.stamp))
    }),
    step(4, 'get', key, (trial, of) => trial.get(of)),
    step(2, 'peek', key, (trial, of) => trial.peek(of)),
    step(3, 'drop', fc.record({ key, exact: fc.boolean(), stamp }), (trial, of) => {
      const held = trial.held.get(of.key)
      trial.drop(of.key, of.exact && held !== undefined ? held : versionAt(trial, of.stamp))
    }),
    step(1, 'dropSlot', fc.record({ key, most: fc.option(fc.integer({ min: 0, max: 5 })) }), (trial, of) =>
      trial.dropSlot(slotOfKey(of.key), of.most ?? undefined),
    ),
    step(1, 'clear', fc.constant(null), (trial) => trial.clear()),
    step(2, 'raiseFloor', stamp, (trial, of) => trial.raiseFloor(versionAt(trial, of))),
    // To a version that is held: whatever came later stays.
    step(1, 'raiseFloorTo', key, (trial, of) => {
      const held = trial.held.get(of)
      if (held !== undefined) trial.raiseFloor(held)
    }),
    step(2, 'randomKey', fc.record({ of: fc.constantFrom('all', 'odd', 'one', 'none'), key }), (trial, { of, key: one }) => {
      trial.randomKey((slot) => of === 'all' || (of === 'odd' && slot % 2 === 1) || (of === 'one' && slot === slotOfKey(one)))
    }),
    step(1, 'describe', key, (trial, of) => trial.describe(of)),
    step(3, 'wait', fc.integer({ min: 1, max: 30 }), (trial, of) => trial.wait(of)),
    step(3, 'sweep', fc.record({ few, drops: fc.constantFrom('all', 'even', 'none') }), (trial, of) => {
      trial.sweep(of.few, (slot) => of.drops === 'all' || (of.drops === 'even' && slot % 2 === 0))
    }),
    step(1, 'sweepAll', few, (trial, of) => trial.sweepAll(of)),
    step(2, 'beginSearch', fc.record({ prefix: affix, suffix: affix, after }), (trial, of) =>
      trial.beginSearch(of.prefix, of.suffix, of.after),
    ),
    step(8, 'searchPage', fc.record({ steps: few, take: few }), (trial, of) => {
      trial.searchPage(of.steps, of.take)
    }),
    step(2, 'beginScan', fc.constantFrom('{t}', 'a'), (trial, of) => trial.beginScan(slotOfKey(of))),
    step(6, 'scanPage', few, (trial, of) => {
      trial.scanPage(of)
    }),
  )
}

/** One kind of step: drawn this often, printed with what it was drawn from. */
function step<T>(
  weight: number,
  name: string,
  drawn: fc.Arbitrary<T>,
  run: (trial: Trial, of: T) => void,
): { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step> } {
  const arbitrary = drawn.map((of) => ({
    run: (trial: Trial) => run(trial, of),
    [fc.toStringMethod]: () => `${name} ${fc.stringify(of)}`,
  }))
  return { weight, arbitrary }
}

function versionAt(trial: Trial, stamp: { readonly offset: number; readonly counter: number; readonly writer: string }): Version {
  return { ms: trial.now + stamp.offset, counter: stamp.counter, writer: stamp.writer }
}
