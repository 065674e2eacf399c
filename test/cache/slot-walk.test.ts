/** A walk in the order of slots: from 0 to 0 each key once, through whichever member, also while slots change hands. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SlotPage } from '../../src/cache/cache.ts'
import { LOOKED_AT_A_TURN } from '../../src/cache/read-ahead.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import type { Store } from '../../src/store/index.ts'
import { CacheFlock, NAMES, numbered, TIMEOUT_MS } from './flock.ts'

const test = suite('slot walk')

function same(keys: readonly string[], wanted: readonly string[]): void {
  assert.equal([...keys].sort(), [...wanted].sort())
}

test('an empty cluster is one page without entries', () => {
  const flock = new CacheFlock()
  assert.equal(flock.page(0, 10), { entries: [], cursor: 0 })
})

test('from 0 to 0 each key is met once, whatever count is asked for', () => {
  const flock = new CacheFlock()
  const keys = numbered(3000)
  flock.put(keys)
  for (const count of [1, 10, 1000, 100_000]) same(flock.walk(count).keys, keys)
})

test('a page has about as many keys as were asked for', () => {
  const flock = new CacheFlock()
  flock.put(numbered(6000))
  for (const count of [10, 100, 1000]) {
    const { pages, largest } = flock.walk(count)
    // Whole slots of three members, each of which fills up to the count: the nearest of their ends is taken.
    assert.ok(largest <= 3 * count + 10, `${largest} keys for ${count}`)
    assert.ok(pages <= Math.ceil((6000 / count) * 1.7) + 1, `${pages} pages of ${count}`)
  }
})

test('entries come without values, and are the receiver’s to keep', () => {
  const flock = new CacheFlock()
  flock.put(numbered(200))
  const page = flock.page(0, 100_000)
  if (typeof page === 'string') throw new Error(page)
  for (const name of NAMES) flock.member(name).store.clear()
  flock.put(numbered(200, 'other:'))
  same(
    page.entries.map((entry) => entry.keyBytes().toString()),
    numbered(200),
  )
  for (const entry of page.entries) {
    assert.is(entry.valueBytes().length, 0)
    assert.ok(entry.ms > 0)
  }
})

test('tombstones, expired entries and copies are not met', () => {
  const flock = new CacheFlock()
  const keys = numbered(90)
  flock.put(keys.slice(0, 60))
  for (const key of keys.slice(0, 30)) flock.holderOf(key).bury(key)
  for (const key of keys.slice(60)) {
    flock.holderOf(key).put(key, 'v', (entry) => {
      entry.expiresAtMs = entry.ms + 50
    })
  }
  flock.clock.advance(100)
  same(flock.walk(10).keys, keys.slice(30, 60))
})

test('a page has no more keys than fit a message, however many are asked for and however long they are', () => {
  const flock = new CacheFlock()
  const keys = numbered(3000).map((key) => `{one}${key}${'x'.repeat(1000)}`)
  flock.put(keys)
  const { largest, keys: met } = flock.walk(100_000)
  same(met, keys)
  assert.ok(largest > 500 && largest < 1100, `${largest} keys of a kilobyte in a page`)
})

test('a page that looks at many entries in vain ends, and the walk goes on behind it', () => {
  const flock = new CacheFlock()
  for (const key of numbered(40_000)) {
    flock.holderOf(key).put(key, 'v', (entry) => {
      entry.expiresAtMs = entry.ms + 50
    })
  }
  flock.clock.advance(100)
  const page = flock.page(0, 10)
  if (typeof page === 'string') throw new Error(page)
  assert.is(page.entries.length, 0)
  assert.ok(page.cursor > 0, 'it is not the end')
  same(flock.walk(10).keys, [])
})

for (let seed = 1; seed <= 4; seed++) {
  test(`while slots change hands between pages, and during them, each key that stays is met once (seed ${seed})`, () => {
    const flock = new CacheFlock()
    const keys = numbered(2500)
    flock.put(keys)
    const random = new SeededRandom(seed)
    let moves = 0
    const move = (): void => {
      moves++
      const to = NAMES[Math.floor(random.next() * 3)] as string
      for (let i = 0; i < 3000; i++) flock.holders[Math.floor(random.next() * SLOT_COUNT)] = to
      flock.settle()
    }
    const { keys: met } = flock.walk(60, () => {
      if (random.next() < 0.4) move()
      if (random.next() < 0.4) flock.clock.after(random.next() * 3, move)
    })
    assert.ok(moves > 10)
    same(met, keys)
  })
}

test('a slot of 5,000 keys under one hash tag is given in parts, each key once, also when it changes hands', () => {
  const flock = new CacheFlock()
  const tagged = numbered(5000, '{tag}')
  const others = numbered(300)
  flock.put([...tagged, ...others])
  const { keys, pages, largest } = flock.walk(100)
  same(keys, [...tagged, ...others])
  assert.ok(pages > 30 && pages < 90, `${pages} pages`)
  assert.ok(largest < 400, `${largest} keys on a page`)
  let turn = 0
  const moved = flock.walk(100, () => {
    flock.holders[slotOf(Buffer.from('{tag}'))] = NAMES[turn++ % 3] as string
    flock.settle()
  })
  same(moved.keys, [...tagged, ...others])
})

test('a large slot that grows and shrinks during the walk loses none that stays', () => {
  const flock = new CacheFlock()
  const stay = numbered(2000, '{tag}stay')
  const go = numbered(2000, '{tag}go')
  flock.put([...stay, ...go])
  let step = 0
  const { keys } = flock.walk(100, () => {
    for (const key of go.slice(step * 100, step * 100 + 100)) {
      for (const name of NAMES) flock.member(name).bury(key)
    }
    flock.put(numbered(50, `{tag}new${step}-`))
    step++
  })
  const met = keys.filter((key) => key.startsWith('{tag}stay'))
  same(met, stay)
  assert.is(new Set(keys).size, keys.length)
})

/** Looks at a member's store: how many entries each scan of a slot was shown, and how many all were. */
function watched(store: Store): { most: number; total: number } {
  const seen = { most: 0, total: 0 }
  const scanSlot = store.scanSlot.bind(store)
  store.scanSlot = (slot, token, visit) => {
    let shown = 0
    const next = scanSlot(slot, token, (entry) => {
      shown++
      return visit(entry)
    })
    seen.most = Math.max(seen.most, shown)
    seen.total += shown
    return next
  }
  return seen
}

test('a large slot is looked through once for many pages, a bounded number of entries at a time', () => {
  const flock = new CacheFlock(['a'])
  const keys = numbered(30_000, '{tag}')
  flock.put(keys)
  const seen = watched(flock.member('a').store)
  const { keys: met, pages } = flock.walk(10)
  same(met, keys)
  assert.ok(pages > 2000, `${pages} pages`)
  assert.ok(seen.most <= LOOKED_AT_A_TURN, `${seen.most} entries at once`)
  assert.is(seen.total, keys.length)
})

test('of keys that are long fewer are kept, and each is met once', () => {
  const flock = new CacheFlock(['a'])
  const keys = numbered(6000, `{tag}${'long'.repeat(250)}`)
  flock.put(keys)
  const seen = watched(flock.member('a').store)
  same(flock.walk(50).keys, keys)
  assert.ok(seen.total > keys.length && seen.total <= 4 * keys.length, `${seen.total} entries were looked at`)
})

test('a slot of tombstones is not looked through at once, however few keys it has left', () => {
  const flock = new CacheFlock(['a'])
  const keys = numbered(10_000, '{tag}')
  flock.put(keys)
  for (const key of keys.slice(10)) flock.member('a').bury(key)
  const seen = watched(flock.member('a').store)
  same(flock.walk(10).keys, keys.slice(0, 10))
  assert.ok(seen.most <= LOOKED_AT_A_TURN, `${seen.most} entries at once`)
})

test('a walk meets what was there when it began, whatever walks were in the slot before it', () => {
  const flock = new CacheFlock(['a'])
  const early = numbered(6000, '{tag}early')
  flock.put(early)
  const walk = (cursor: number, met: Set<string>): number => {
    const page = flock.page(cursor, 100)
    if (typeof page === 'string') throw new Error(page)
    for (const entry of page.entries) met.add(entry.keyBytes().toString())
    return page.cursor
  }
  // It is somewhere in the slot when the others come.
  let before = 0
  const metBefore = new Set<string>()
  for (let i = 0; i < 10; i++) before = walk(before, metBefore)
  const late = numbered(3000, '{tag}late')
  flock.put(late)
  const random = new SeededRandom(3)
  const others = [0, 0, 0].map((cursor) => ({ cursor, met: new Set<string>(), begun: false }))
  while (before !== 0 || others.some(({ cursor, begun }) => !begun || cursor !== 0)) {
    if (before !== 0 && random.next() < 0.5) before = walk(before, metBefore)
    for (const other of others) {
      if ((other.begun && other.cursor === 0) || random.next() < 0.4) continue
      other.begun = true
      other.cursor = walk(other.cursor, other.met)
    }
  }
  same(
    [...metBefore].filter((key) => key.includes('early')),
    early,
  )
  for (const { met } of others) same([...met], [...early, ...late])
})

test('a walk that asks for fewer keys in the middle of a slot meets what was there when it began', () => {
  const flock = new CacheFlock(['a'])
  const early = numbered(1500, `{tag}${'long'.repeat(250)}`)
  flock.put(early)
  let cursor = 0
  for (let i = 0; i < 5; i++) cursor = (flock.page(cursor, 10) as SlotPage).cursor
  const late = numbered(100, '{tag}late')
  flock.put(late)
  // The whole slot, which does not fit a page.
  let page = flock.page(0, 2000) as SlotPage
  assert.is(Math.floor(page.cursor / 4096), slotOf(Buffer.from('{tag}')))
  const met = page.entries.map((entry) => entry.keyBytes().toString())
  while (page.cursor !== 0) {
    page = flock.page(page.cursor, 10) as SlotPage
    met.push(...page.entries.map((entry) => entry.keyBytes().toString()))
  }
  same(met, [...early, ...late])
})

test('a large slot that goes to another member and comes back is looked through anew', () => {
  const flock = new CacheFlock()
  const keys = numbered(5000, '{tag}')
  const slot = slotOf(Buffer.from('{tag}'))
  const serve = (name: string): void => {
    flock.holders[slot] = name
    flock.settle()
  }
  serve('b')
  flock.put(keys)
  // An earlier walk through `b` leaves what it found there.
  let cursor = 0
  for (let i = 0; i < 5 || cursor === 0; i++) cursor = (flock.page(cursor, 100) as SlotPage).cursor
  const late = numbered(2000, '{tag}late')
  flock.put(late)
  // Another begins at `a`, and goes on at `b`.
  serve('a')
  const met = new Set<string>()
  cursor = 0
  for (let i = 0; i < 5; i++) {
    const page = flock.page(cursor, 100) as SlotPage
    for (const entry of page.entries) met.add(entry.keyBytes().toString())
    cursor = page.cursor
  }
  serve('b')
  while (cursor !== 0) {
    const page = flock.page(cursor, 100) as SlotPage
    for (const entry of page.entries) met.add(entry.keyBytes().toString())
    cursor = page.cursor
  }
  same([...met], [...keys, ...late])
})

test('a slot that goes to another member while it is looked through is asked for there', () => {
  const flock = new CacheFlock()
  const keys = numbered(20_000, '{tag}')
  const slot = slotOf(Buffer.from('{tag}'))
  flock.holders[slot] = 'b'
  flock.settle()
  flock.put(keys)
  const before = (flock.page(0, 100) as SlotPage).cursor
  assert.is(before, slot * 4096)
  const { store } = flock.member('b')
  const scanSlot = store.scanSlot.bind(store)
  let scans = 0
  store.scanSlot = (of, token, visit) => {
    if (++scans === 3) {
      flock.holders[slot] = 'c'
      flock.settle()
    }
    return scanSlot(of, token, visit)
  }
  const page = flock.page(before, 100) as SlotPage
  assert.is(scans, 3, 'it stops')
  assert.ok(page.entries.length > 0)
  same(flock.walk(1000).keys, keys)
})

test('a cursor beyond the end ends the walk', () => {
  const flock = new CacheFlock()
  flock.put(numbered(100))
  for (const cursor of [SLOT_COUNT * 4096, 2 ** 32, 2 ** 32 + 4096 * 5, 2 ** 48 - 1]) {
    assert.equal(flock.page(cursor, 10), { entries: [], cursor: 0 }, `${cursor}`)
  }
})

test('while a slot is served by nobody a page waits, and is told to try again in the end', () => {
  const flock = new CacheFlock()
  flock.put(numbered(10))
  flock.holders[77] = null
  flock.settle()
  let answered = ''
  flock.cache('a').scanSlots(0, 10, (error, page) => {
    answered = error?.code ?? `${page?.entries.length}`
  })
  flock.clock.advance(1000)
  assert.is(answered, '')
  flock.holders[77] = 'b'
  flock.settle()
  flock.clock.advance(100)
  assert.is(answered, '10')
  flock.holders[77] = null
  flock.settle()
  assert.is(flock.page(0, 10), 'TRY_AGAIN')
})

test('a member that cannot be asked ends a page in time, and the walk can go on later', () => {
  for (const failure of ['unreachable', 'lost', 'refused', 'busy'] as const) {
    const flock = new CacheFlock()
    flock.put(numbered(50))
    flock.network.failing.set('c', failure)
    assert.is(
      flock.wait((done) => flock.cache('a').scanSlots(0, 10, done), 3 * TIMEOUT_MS),
      'TRY_AGAIN',
    )
    flock.network.failing.clear()
    same(flock.walk(1000).keys, numbered(50))
  }
})

test('one member alone answers at once', () => {
  const flock = new CacheFlock(['a'])
  flock.put(numbered(20))
  let answered = 0
  flock.cache('a').scanSlots(0, 100, (_error, page) => {
    answered = page?.entries.length ?? 0
  })
  assert.is(answered, 20)
})

test.run()
