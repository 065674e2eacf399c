/** A walk over several members: in order, each key once, also while slots move; waiting and giving up as a get would. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Scan, ScanQuery } from '../../src/cache/cache.ts'
import { KIND_SCAN } from '../../src/cache/messages.ts'
import { Planner } from '../../src/cache/planner.ts'
import { Scatter } from '../../src/cache/scatter.ts'
import { NO_BYTES } from '../../src/lib/bytes.ts'
import type { Entry } from '../../src/lib/entry.ts'
import { type Random, SeededRandom } from '../../src/lib/random.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import type { Store } from '../../src/store/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

const test = suite('scatter')

const TIMEOUT_MS = 5000
const NAMES = ['a', 'b', 'c']
const ALL: ScanQuery = { prefix: NO_BYTES, suffix: NO_BYTES, after: null, values: true }

class Flock {
  readonly clock = new FakeClock()
  readonly network = new FakeNetwork(this.clock)
  readonly members: FakeMember[]
  readonly scatters = new Map<string, Scatter>()
  /** By slot. */
  readonly holders: (string | null)[] = Array.from({ length: SLOT_COUNT }, (_, slot) => NAMES[slot % NAMES.length] as string)

  constructor() {
    this.members = NAMES.map((name) => new FakeMember(name, this.network))
    for (const member of this.members) {
      const planner = new Planner(this.clock, member, member, TIMEOUT_MS)
      this.scatters.set(member.name, new Scatter(this.clock, member.hybrid, member, member, planner, member.store, TIMEOUT_MS))
    }
    this.settle()
  }

  settle(): void {
    this.network.settle((slot) => this.holders[slot] as string | null)
  }

  member(name: string): FakeMember {
    return this.network.members.get(name) as FakeMember
  }

  /** Stores a key at its holder, and as a copy everywhere else: only the holder may give it out. */
  put(key: string, value: string = `value of ${key}`): void {
    for (const member of this.members) member.put(key, value)
  }

  scan(query: Partial<ScanQuery> = {}, by: string = 'a'): Scan {
    return (this.scatters.get(by) as Scatter).scan({ ...ALL, ...query })
  }

  next(scan: Scan, limitMs: number = TIMEOUT_MS + 1000): { entries: readonly Entry[]; done: boolean } | string {
    let answer: { entries: readonly Entry[]; done: boolean } | string | null = null
    scan.next((error, page) => {
      assert.is(answer, null, 'answered once')
      answer = error === null ? (page as { entries: readonly Entry[]; done: boolean }) : error.code
    })
    this.clock.runUntilTrue(() => answer !== null, limitMs, 'a page', 1)
    return answer as unknown as { entries: readonly Entry[]; done: boolean } | string
  }

  /** The keys of the whole walk. `between` is called before every page but the first. */
  walk(query: Partial<ScanQuery> = {}, between: () => void = () => {}, by: string = 'a'): string[] {
    const scan = this.scan(query, by)
    const keys: string[] = []
    for (let pages = 0; ; pages++) {
      assert.ok(pages < 10_000, 'it ends')
      if (pages > 0) between()
      const page = this.next(scan)
      if (typeof page === 'string') throw new Error(page)
      keys.push(...page.entries.map((entry) => entry.keyBytes().toString('latin1')))
      if (page.done) return keys
    }
  }
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key:${String(i).padStart(6, '0')}`)
}

function holds(slots: Iterable<number>, flock: Flock, name: string | null): void {
  for (const slot of slots) flock.holders[slot] = name
}

function someSlots(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => Math.floor(random.next() * SLOT_COUNT))
}

test('an empty cluster is one page that is the last', () => {
  const flock = new Flock()
  assert.equal(flock.walk(), [])
})

test('the pages of all members are merged in byte order, each key once, with values', () => {
  const flock = new Flock()
  const keys = names(3000)
  for (const key of keys) flock.put(key)
  assert.equal(flock.walk(), keys)
  assert.equal(
    flock.walk({}, () => {}, 'c'),
    keys,
  )
  const first = flock.next(flock.scan())
  assert.ok(typeof first !== 'string' && first.entries.length > 0 && first.entries.length <= 512)
  for (const entry of typeof first === 'string' ? [] : first.entries)
    assert.is(entry.valueBytes().toString(), `value of ${entry.keyBytes()}`)
})

test('order is that of bytes, not of text', () => {
  const flock = new Flock()
  const keys = ['Z', 'a', 'ab', 'a\u0000', 'é', '\u{10000}', '\uffff', '{x}2', '{x}10']
  for (const key of keys) flock.put(key)
  const sorted = keys.map((key) => Buffer.from(key)).sort(Buffer.compare)
  assert.equal(
    flock.walk(),
    sorted.map((key) => key.toString('latin1')),
  )
})

test('without values the entries’ values are empty', () => {
  const flock = new Flock()
  for (const key of names(10)) flock.put(key)
  for (const by of NAMES) {
    const page = flock.next(flock.scan({ values: false }, by))
    assert.ok(typeof page !== 'string' && page.entries.length === 10 && page.entries.every((entry) => entry.valueBytes().length === 0))
  }
})

test('prefix, suffix and after narrow the walk', () => {
  const flock = new Flock()
  const keys = names(1000)
  for (const key of keys) flock.put(key)
  for (const key of ['kex', 'kez:0', 'other']) flock.put(key)
  assert.equal(flock.walk({ prefix: Buffer.from('key:00001') }), keys.slice(10, 20))
  assert.equal(
    flock.walk({ prefix: Buffer.from('key:'), suffix: Buffer.from('77') }),
    keys.filter((key) => key.endsWith('77')),
  )
  assert.equal(flock.walk({ prefix: Buffer.from('key:'), after: Buffer.from('key:000997') }), keys.slice(998))
  assert.equal(flock.walk({ after: Buffer.from('key:000999') }), ['kez:0', 'other'])
})

test('only the holder of a slot gives its keys out: copies may be behind', () => {
  const flock = new Flock()
  for (const key of names(60)) {
    const holder = flock.holders[slotOf(Buffer.from(key))]
    for (const member of flock.members) member.put(key, member.name === holder ? 'present' : 'behind')
    const deleted = flock.members.find(({ name }) => name !== holder) as FakeMember
    deleted.put(`${key}+`, 'a copy of what its holder does not have')
    flock.holders[slotOf(Buffer.from(`${key}+`))] = flock.members.find(({ name }) => name !== deleted.name)?.name as string
  }
  flock.settle()
  for (const key of names(60))
    flock.member(flock.holders[slotOf(Buffer.from(key))] as string).put(key, 'present', (entry) => entry.setVersion(entry.ms + 1, 0, 'z'))
  const page = flock.next(flock.scan())
  assert.ok(typeof page !== 'string')
  if (typeof page === 'string') return
  assert.equal(
    page.entries.map((entry) => `${entry.keyBytes()}=${entry.valueBytes()}`),
    names(60).map((key) => `${key}=present`),
  )
})

test('tombstones and expired entries are not met', () => {
  const flock = new Flock()
  for (const key of names(5)) flock.put(key)
  for (const member of flock.members) {
    member.put('key:000001', '', (entry) => {
      entry.tombstone = true
      entry.setVersion(entry.ms + 1, 0, 'z')
    })
    member.put('key:000003', 'v', (entry) => {
      entry.expiresAtMs = entry.ms + 50
      entry.setVersion(entry.ms + 1, 0, 'z')
    })
  }
  flock.clock.advance(100)
  assert.equal(flock.walk(), ['key:000000', 'key:000002', 'key:000004'])
})

test('entries of a page are the receiver’s to keep', () => {
  const flock = new Flock()
  for (const key of names(50)) flock.put(key)
  const page = flock.next(flock.scan())
  for (const member of flock.members) member.store.clear()
  for (const key of names(50)) flock.put(key, 'overwritten')
  assert.ok(typeof page !== 'string')
  if (typeof page !== 'string') for (const entry of page.entries) assert.is(entry.valueBytes().toString(), `value of ${entry.keyBytes()}`)
})

test('large values make small pages', () => {
  const flock = new Flock()
  for (const key of names(30)) flock.put(key, 'v'.repeat(100_000))
  const scan = flock.scan()
  const page = flock.next(scan)
  assert.ok(typeof page !== 'string' && page.entries.length <= 4 && !page.done)
  assert.equal(flock.walk(), names(30))
})

for (let seed = 1; seed <= 8; seed++) {
  test(`slots that move during the walk lose no key and double none (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const flock = new Flock()
    const keys = names(4000)
    for (const key of keys) flock.put(key)
    let moves = 0
    const move = (): void => {
      moves++
      const to = NAMES[Math.floor(random.next() * NAMES.length)] as string
      holds(someSlots(random, 2000), flock, to)
      flock.settle()
    }
    const walked = flock.walk({}, () => {
      if (random.next() < 0.5) move()
      // Also while the next page is on its way.
      if (random.next() < 0.5) flock.clock.after(random.next() * 3, move)
    })
    assert.ok(moves > 2)
    assert.equal(walked, keys)
  })
}

test('a walk that finds little looks once a turn, however long it goes on', () => {
  const flock = new Flock()
  flock.holders.fill('a')
  flock.settle()
  const a = flock.member('a')
  let searches = 0
  const search: Store['search'] = () => (++searches < 20_000 ? Buffer.from(String(searches).padStart(6, '0')) : null)
  const scatter = new Scatter(
    flock.clock,
    a.hybrid,
    a,
    a,
    new Planner(flock.clock, a, a, TIMEOUT_MS),
    { search } as unknown as Store,
    TIMEOUT_MS,
  )
  const answers: string[] = []
  scatter.scan(ALL).next((error, page) => answers.push(error?.code ?? `${page?.entries.length} entries, done ${page?.done}`))
  assert.ok(searches <= 1, `${searches} in the first turn`)
  let searchesOfOthersTurn = 0
  flock.clock.soon(() => {
    searchesOfOthersTurn = searches
  })
  flock.clock.advance(1)
  assert.ok(searchesOfOthersTurn <= 2, `${searchesOfOthersTurn} before anybody else had a turn`)
  assert.equal(answers, ['0 entries, done true'])
  assert.is(searches, 20_000)
})

test('a slot that moves from the member ahead to one that is through is read at its new holder', () => {
  const flock = new Flock()
  const late = 'zzz'
  const slot = slotOf(Buffer.from(late))
  // All keys but the last are at a, which is read ahead of b.
  holds(
    Array.from({ length: SLOT_COUNT }, (_, i) => i),
    flock,
    'a',
  )
  flock.holders[slot] = 'b'
  flock.settle()
  const keys = names(1200)
  for (const key of keys) flock.member('a').put(key, 'v')
  for (const name of NAMES) flock.member(name).put(late, 'v')
  const scan = flock.scan()
  const first = flock.next(scan)
  assert.ok(typeof first !== 'string' && !first.done)
  flock.holders[slot] = 'a'
  flock.settle()
  const rest: string[] = []
  for (let done = false; !done; ) {
    const page = flock.next(scan)
    if (typeof page === 'string') throw new Error(page)
    rest.push(...page.entries.map((entry) => entry.keyBytes().toString()))
    done = page.done
  }
  assert.is(rest.filter((key) => key === late).length, 1)
  assert.is((typeof first === 'string' ? 0 : first.entries.length) + rest.length, keys.length + 1)
})

test('keys that come and go during the walk disturb nobody else', () => {
  const flock = new Flock()
  const keys = names(3000)
  for (const key of keys) flock.put(key)
  let extra = 0
  const walked = flock.walk({}, () => {
    flock.put(`key:${String(extra * 500).padStart(6, '0')}+`)
    extra++
  })
  const stayed = walked.filter((key) => !key.endsWith('+'))
  assert.equal(stayed, keys)
  assert.is(new Set(walked).size, walked.length)
})

test('a callee whose table has changed refuses; one the walk was planned by answers', () => {
  const flock = new Flock()
  for (const key of names(100)) flock.put(key)
  flock.next(flock.scan())
  // b has changed, and a has not heard of it yet.
  flock.member('b').primaryVersion++
  let answered = false
  flock.scan().next(() => {
    answered = true
  })
  flock.clock.advance(500)
  assert.not(answered)
  flock.settle()
  flock.clock.advance(50)
  assert.ok(answered)
})

test('while a slot is served by nobody the walk waits, and goes on when it is', () => {
  const flock = new Flock()
  const keys = names(100)
  for (const key of keys) flock.put(key)
  flock.holders[123] = null
  flock.settle()
  const scan = flock.scan()
  const got: string[] = []
  scan.next((error, page) => got.push(error?.code ?? `${page?.entries.length} entries`))
  flock.clock.advance(3000)
  assert.equal(got, [])
  assert.not(
    flock.network.log.some((line) => line.endsWith(` ${KIND_SCAN}`)),
    'nobody is bothered meanwhile',
  )
  flock.holders[123] = 'c'
  flock.settle()
  flock.clock.advance(50)
  assert.equal(got, ['100 entries'])
})

test('while a holder’s table has not arrived the walk waits', () => {
  const flock = new Flock()
  for (const key of names(10)) flock.put(key)
  const table = flock.network.tables.get('b')
  flock.network.tables.delete('b')
  for (const member of flock.members) member.routeVersion++
  const got: string[] = []
  flock.scan().next((error, page) => got.push(error?.code ?? `${page?.entries.length} entries`))
  flock.clock.advance(1000)
  assert.equal(got, [])
  flock.network.tables.set('b', table as { primaryVersion: number; primary: never })
  for (const member of flock.members) member.routeVersion++
  flock.clock.advance(50)
  assert.equal(got, ['10 entries'])
})

test('a walk that waited its time is told to try again', () => {
  const flock = new Flock()
  flock.holders[5] = null
  flock.settle()
  const before = flock.clock.now()
  assert.is(flock.next(flock.scan()), 'TRY_AGAIN')
  const tookMs = flock.clock.now() - before
  assert.ok(tookMs >= TIMEOUT_MS && tookMs < TIMEOUT_MS + 100, `${tookMs} ms`)
})

test('a walk that a member refuses or does not answer for all its time is told to try again, and can go on afterwards', () => {
  for (const failure of ['unreachable', 'lost', 'refused'] as const) {
    const flock = new Flock()
    const keys = names(100)
    for (const key of keys) flock.put(key)
    const scan = flock.scan()
    flock.network.failing.set('c', failure)
    assert.is(flock.next(scan, 3 * TIMEOUT_MS), 'TRY_AGAIN')
    flock.network.failing.clear()
    const page = flock.next(scan)
    assert.ok(typeof page !== 'string' && page.entries.length === keys.length, failure)
  }
})

test('after close a page under way is not answered, and the walk asks nobody any more', () => {
  const flock = new Flock()
  for (const key of names(100)) flock.put(key)
  let answered = false
  const scan = flock.scan()
  scan.next(() => {
    answered = true
  })
  scan.close()
  flock.clock.advance(TIMEOUT_MS * 2)
  assert.not(answered)
  const waiting = flock.scan()
  flock.holders[5] = null
  flock.settle()
  waiting.next(() => {
    answered = true
  })
  flock.clock.advance(20)
  waiting.close()
  const calls = flock.network.log.length
  flock.clock.advance(TIMEOUT_MS * 2)
  assert.not(answered)
  assert.is(flock.network.log.length, calls)
})

test('two walks at a time do not disturb each other', () => {
  const flock = new Flock()
  const keys = names(1500)
  for (const key of keys) flock.put(key)
  const [one, two] = [flock.scan(), flock.scan({ prefix: Buffer.from('key:0010') })]
  const got: string[][] = [[], []]
  const ends = [false, false]
  while (!ends[0] || !ends[1]) {
    for (const [i, scan] of [one, two].entries()) {
      if (ends[i]) continue
      const page = flock.next(scan)
      if (typeof page === 'string') throw new Error(page)
      got[i]?.push(...page.entries.map((entry) => entry.keyBytes().toString()))
      ends[i] = page.done
    }
  }
  assert.equal(got[0], keys)
  assert.equal(got[1], keys.slice(1000, 1100))
})

test.run()
