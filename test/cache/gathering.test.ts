/** What concerns all members at once: counting, drawing a key, flushing, publishing; and members that cannot be asked. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { FlushResult } from '../../src/cache/cache.ts'
import { KIND_CLOCK } from '../../src/cache/messages.ts'
import { Entry } from '../../src/lib/entry.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { compareVersions } from '../../src/lib/version.ts'
import type { Term } from '../../src/placement/index.ts'
import { ask, deleteOf, getOf, setOf } from '../support/operations.ts'
import { CacheFlock, NAMES, numbered, TIMEOUT_MS } from './flock.ts'

const test = suite('gathering')

function flush(flock: CacheFlock, by: string = 'a'): FlushResult {
  const result = flock.wait<FlushResult | null>((done) => flock.cache(by).flush(done))
  if (typeof result === 'string' || result === null) throw new Error(`${result}`)
  return result
}

function drawn(flock: CacheFlock, by: string = 'a'): string | null {
  const key = flock.wait<Buffer | null>((done) => flock.cache(by).randomKey(done))
  if (typeof key === 'string') throw new Error(key)
  return key === null ? null : key.toString()
}

function value(flock: CacheFlock, key: string, by: string = 'a'): string | undefined {
  const asked = ask(flock.cache(by), getOf(key))
  flock.clock.advance(20)
  assert.is(asked.state, 'done')
  return asked.told?.entry?.value
}

function write(flock: CacheFlock, key: string, text: string, by: string = 'a'): void {
  const asked = ask(flock.cache(by), setOf(key, text))
  flock.clock.advance(20)
  assert.is(asked.state, 'done')
}

test('each key is counted once, by its holder, through any member', () => {
  const flock = new CacheFlock()
  for (const by of NAMES) assert.is(flock.size(by), 0)
  const keys = numbered(1000)
  flock.put(keys)
  for (const by of NAMES) assert.is(flock.size(by), 1000)
  for (const key of keys.slice(0, 100)) flock.holderOf(key).bury(key)
  assert.is(flock.size(), 900)
})

test('what has expired unnoticed is counted until it is swept', () => {
  const flock = new CacheFlock(['a'])
  for (const key of numbered(10)) {
    flock.member('a').put(key, 'v', (entry) => {
      entry.expiresAtMs = entry.ms + 50
    })
  }
  flock.clock.advance(100)
  assert.is(flock.size(), 10)
  flock.member('a').store.sweep(flock.member('a').hybrid.physicalMs(), 100, () => true)
  assert.is(flock.size(), 0)
})

test('counted while slots change hands, each key is still counted once', () => {
  const flock = new CacheFlock()
  flock.put(numbered(2000))
  let turn = 0
  const move = (): void => {
    turn++
    for (let slot = turn; slot < SLOT_COUNT; slot += 7) flock.holders[slot] = NAMES[(slot + turn) % 3] as string
    flock.settle()
  }
  for (let i = 0; i < 20; i++) {
    for (const delayMs of [0.5, 1.5]) flock.clock.after(delayMs, move)
    assert.is(flock.size(NAMES[i % 3]), 2000)
  }
})

test('no key is drawn from an empty cluster, and any other from one that is not', () => {
  const flock = new CacheFlock()
  assert.is(drawn(flock), null)
  flock.put(['only'])
  for (const by of NAMES) assert.is(drawn(flock, by), 'only')
})

test('keys are drawn from all members by how much each holds', () => {
  const flock = new CacheFlock()
  const keys = numbered(600)
  // b has half of the slots, a and c a quarter each.
  for (let slot = 0; slot < SLOT_COUNT; slot++) flock.holders[slot] = (['a', 'b', 'c', 'b'] as const)[slot % 4] as string
  flock.settle()
  flock.put(keys)
  const draws = 500
  const byHolder = new Map<string, number>()
  const seen = new Set<string>()
  for (let i = 0; i < draws; i++) {
    const key = drawn(flock) as string
    assert.ok(keys.includes(key))
    seen.add(key)
    const { name } = flock.holderOf(key)
    byHolder.set(name, (byHolder.get(name) ?? 0) + 1)
  }
  for (const name of NAMES) {
    const share = keys.filter((key) => flock.holderOf(key).name === name).length / keys.length
    assert.ok(Math.abs((byHolder.get(name) ?? 0) / draws - share) < 0.08, `${name}: ${byHolder.get(name)} of ${draws}, has ${share}`)
  }
  assert.ok(seen.size > 250, `${seen.size} different keys`)
})

test('a key is drawn although the member with most keys has only such as have expired', () => {
  const flock = new CacheFlock()
  const keys = numbered(300)
  const live = keys.find((key) => flock.holderOf(key).name === 'c') as string
  for (const key of keys) {
    const holder = flock.holderOf(key)
    if (holder.name === 'c') continue
    holder.put(key, 'v', (entry) => {
      entry.expiresAtMs = entry.ms + 50
    })
  }
  flock.member('c').put(live, 'v')
  flock.clock.advance(100)
  for (let i = 0; i < 20; i++) assert.is(drawn(flock, NAMES[i % 3]), live)
})

test('a key is drawn while slots change hands', () => {
  const flock = new CacheFlock()
  const keys = numbered(200)
  flock.put(keys)
  let turn = 0
  flock.holders.fill('a')
  flock.settle()
  for (let i = 0; i < 60; i++) {
    // The sizes are known after 2 ms; what changes then, changes before the member that was drawn is asked.
    for (const delayMs of i % 2 === 0 ? [2.5] : [0.5, 2.5]) {
      flock.clock.after(delayMs, () => {
        turn++
        // All to one member, so that one which was drawn has nothing any more.
        flock.holders.fill(NAMES[turn % 3] as string)
        flock.settle()
      })
    }
    assert.ok(keys.includes(drawn(flock, NAMES[i % 3]) ?? 'nothing'))
  }
})

test('counting and drawing are told to try again while a slot is served by nobody, or a member cannot be asked', () => {
  for (const failure of ['unreachable', 'lost', 'refused'] as const) {
    const flock = new CacheFlock()
    flock.put(numbered(10))
    flock.network.failing.set('b', failure)
    assert.is(
      flock.wait<number>((done) => flock.cache('a').size(done), 3 * TIMEOUT_MS),
      'TRY_AGAIN',
    )
    assert.is(
      flock.wait<Buffer | null>((done) => flock.cache('a').randomKey(done), 3 * TIMEOUT_MS),
      'TRY_AGAIN',
    )
    flock.network.failing.clear()
    assert.is(flock.size(), 10)
  }
  const flock = new CacheFlock()
  flock.holders[3] = null
  flock.settle()
  assert.is(flock.size(), 'TRY_AGAIN')
})

test('a flush removes every key on every member, and what is written afterwards stays', () => {
  const flock = new CacheFlock()
  const keys = numbered(300)
  for (const key of keys) write(flock, key, 'before', 'b')
  assert.equal(flush(flock, 'b'), { unreached: [] })
  assert.is(flock.size(), 0)
  for (const name of NAMES) assert.is(flock.member(name).store.stats().entries, 0)
  for (const key of keys.slice(0, 50)) write(flock, key, 'after', 'c')
  assert.is(flock.size(), 50)
  for (const key of keys.slice(0, 50)) assert.is(value(flock, key), 'after')
})

test('on one node a flush answers at once, and a write in the same moment stays', () => {
  const flock = new CacheFlock(['a'])
  const cache = flock.cache('a')
  ask(cache, setOf('k', 'before'))
  let answered: FlushResult | null = null
  cache.flush((_error, result) => {
    answered = result
  })
  assert.equal(answered, { unreached: [] })
  assert.is(ask(cache, getOf('k')).told?.entry, null)
  ask(cache, setOf('k', 'after'))
  assert.is(ask(cache, getOf('k')).told?.entry?.value, 'after')
})

for (const names of [['a'], ['a', 'b', 'c']]) {
  test(`flush after flush in a hurry, each removes what was written since the last (${names.length} members)`, () => {
    const flock = new CacheFlock(names)
    const slot = slotOf(Buffer.from('k'))
    for (let i = 0; i < 30; i++) {
      // Through everybody, to a key at everybody.
      const by = names[i % names.length] as string
      flock.holders[slot] = names[Math.floor(i / 3) % names.length] as string
      if (i % 3 === 0) flock.settle()
      for (const text of ['once', 'twice']) {
        const asked = ask(flock.cache(by), setOf('k', text))
        flock.clock.advance(names.length === 1 ? 0 : 2)
        assert.is(asked.state, 'done')
        const got = ask(flock.cache(by), getOf('k'))
        flock.clock.advance(names.length === 1 ? 0 : 2)
        assert.is(got.told?.entry?.value, text, `round ${i}`)
      }
      let answered = 0
      flock.cache(names[(i + 1) % names.length] as string).flush((_error, result) => {
        answered++
        assert.equal(result, { unreached: [] })
      })
      flock.clock.advance(names.length === 1 ? 0 : 4)
      assert.is(answered, 1)
      for (const name of names) assert.is(flock.member(name).store.stats().entries, 0, `round ${i} at ${name}`)
    }
  })
}

test('under a floor far ahead of the clock everything can be written, overwritten, deleted and flushed again', () => {
  const flock = new CacheFlock(['a'])
  const cache = flock.cache('a')
  const { store, hybrid } = flock.member('a')
  store.raiseFloor({ ms: hybrid.physicalMs() + 3_600_000, counter: 7 }, hybrid.physicalMs())
  for (let i = 0; i < 5; i++) {
    for (const text of ['once', 'twice']) {
      for (const key of ['k', 'l']) {
        ask(cache, setOf(key, text))
        assert.is(ask(cache, getOf(key)).told?.entry?.value, text, `round ${i}`)
      }
    }
    assert.is(ask(cache, deleteOf('k')).told?.written, true)
    assert.is(ask(cache, getOf('k')).told?.existed, false)
    flush(flock)
    assert.is(flock.size(), 0, `round ${i}`)
  }
})

test('older entries are refused after a flush, on every path that applies them', () => {
  const flock = new CacheFlock()
  write(flock, 'k', 'before')
  const holder = flock.holderOf('k')
  const kept = new Entry()
  assert.ok(holder.store.peek(Buffer.from('k'), 0, 1, kept))
  const late = kept.copy()
  flush(flock)
  for (const name of NAMES) {
    const { store, hybrid } = flock.member(name)
    assert.is(store.apply(late, hybrid.physicalMs()), 'stale', name)
    late.setVersion(late.ms, late.counter + 1, 'zz')
    assert.is(store.apply(late, hybrid.physicalMs()), 'stale', name)
  }
  assert.is(value(flock, 'k'), undefined)
  write(flock, 'k', 'after')
  const written = holder.written.at(-1)
  assert.ok(written !== undefined && compareVersions(written, late) > 0)
  assert.is(value(flock, 'k'), 'after')
})

test('writes that race with a flush are either gone everywhere or stay, and none confirmed after it is lost', () => {
  for (let startMs = 0; startMs < 6; startMs += 0.5) {
    const flock = new CacheFlock()
    const keys = numbered(40)
    for (const key of keys) write(flock, key, 'before')
    let flushed = false
    flock.clock.after(startMs, () =>
      flock.cache('a').flush(() => {
        flushed = true
      }),
    )
    const after = new Set<string>()
    for (let i = 0; i < 40; i++) {
      flock.clock.after(i * 0.4, () => {
        const key = keys[i] as string
        const wasFlushed = flushed
        flock.cache(NAMES[i % 3] as string).execute(setOf(key, 'during'), (error) => {
          if (error === null && wasFlushed) after.add(key)
        })
      })
    }
    flock.clock.advance(100)
    assert.ok(flushed && after.size > 0 && after.size < 40, `${after.size} after`)
    let present = 0
    for (const key of keys) {
      const now = value(flock, key)
      assert.ok(now === 'during' || (now === undefined && !after.has(key)), `${key}: ${now}`)
      if (now !== undefined) present++
    }
    assert.is(flock.size(), present)
  }
})

for (const failure of ['unreachable', 'busy', 'lost', 'refused'] as const) {
  test(`a member to which a flush was ${failure} is named, and the others are empty`, () => {
    const flock = new CacheFlock()
    const keys = numbered(90)
    flock.put(keys)
    flock.network.failing.set('b', failure)
    assert.equal(flush(flock), { unreached: ['b'] })
    for (const name of NAMES) assert.is(flock.member(name).store.stats().entries, name === 'b' ? 90 : 0)
    flock.network.failing.clear()
    assert.equal(flush(flock, 'c'), { unreached: [] })
    assert.is(flock.size(), 0)
  })
}

test('a flush reaches what a member wrote whose clock is ahead, and its later writes stay', () => {
  const flock = new CacheFlock()
  const slot = slotOf(Buffer.from('k'))
  flock.holders[slot] = 'b'
  flock.settle()
  flock.member('b').hybrid.observe({ ms: flock.member('b').hybrid.physicalMs() + 450, counter: 3 })
  write(flock, 'k', 'ahead')
  assert.equal(flush(flock), { unreached: [] })
  assert.is(value(flock, 'k'), undefined)
  for (const by of NAMES) {
    write(flock, 'k', `after ${by}`, by)
    assert.is(value(flock, 'k'), `after ${by}`)
  }
})

test('a member whose clock nobody heard is named although the line reached it: what it wrote ahead may lie above', () => {
  const flock = new CacheFlock()
  const { hybrid, store } = flock.member('b')
  flock.holders[slotOf(Buffer.from('k'))] = 'b'
  flock.settle()
  hybrid.observe({ ms: hybrid.physicalMs() + 450, counter: 3 })
  write(flock, 'k', 'ahead')
  flock.network.failing.set(`b ${KIND_CLOCK}`, 'lost')
  assert.equal(flush(flock), { unreached: ['b'] })
  assert.is(store.stats().entries, 1, 'it lies above the line')
  flock.network.failing.clear()
  assert.equal(flush(flock), { unreached: [] })
  assert.is(store.stats().entries, 0)
})

test('a message reaches the subscribers of all members once, and their number is answered', () => {
  const flock = new CacheFlock()
  const heard: string[] = []
  const ends = NAMES.flatMap((name) =>
    [1, 2].map((i) =>
      flock.cache(name).subscribe((channel, message) => {
        heard.push(`${name}${i} ${channel} ${message}`)
        return i
      }),
    ),
  )
  const publish = (by: string): (number | string)[] => {
    const counts: (number | string)[] = []
    flock.cache(by).publish(Buffer.from('news'), Buffer.from('text'), (error, receivers) => counts.push(error?.message ?? receivers))
    flock.clock.advance(2000)
    return counts
  }
  const partly = 'delivered to 3 subscribers; one member could not be told, or did not answer, and may have more'
  for (const by of NAMES) {
    heard.length = 0
    assert.equal(publish(by), [9])
    assert.equal(heard.sort(), ['a1 news text', 'a2 news text', 'b1 news text', 'b2 news text', 'c1 news text', 'c2 news text'])
  }
  ends[1]?.()
  ends[2]?.()
  ends[2]?.()
  assert.equal(publish('b'), [6])
  for (const failure of ['unreachable', 'lost', 'refused', 'busy'] as const) {
    flock.network.failing.set('c', failure)
    heard.length = 0
    assert.equal(publish('a'), [partly], failure)
    assert.is(heard.length, 2)
  }
  flock.network.failing.set('c', 'answer lost')
  heard.length = 0
  assert.equal(publish('a'), [partly], 'it may have been told')
  assert.is(heard.length, 4)
})

test('a message waits for a member that cannot be reached yet, and is sent to it once', () => {
  const flock = new CacheFlock()
  let heard = 0
  flock.cache('c').subscribe(() => {
    heard++
    return 1
  })
  const answers: string[] = []
  const publish = (): void => {
    flock.cache('a').publish(Buffer.from('news'), Buffer.from('text'), (error, receivers) => answers.push(error?.code ?? `${receivers}`))
  }
  for (const failure of ['unreachable', 'busy'] as const) {
    flock.network.failing.set('c', failure)
    publish()
    flock.clock.advance(500)
    assert.equal(answers, [], failure)
    flock.network.failing.clear()
    flock.clock.advance(100)
    assert.equal(answers.splice(0), ['1'], failure)
  }
  assert.is(heard, 2)
  // One that was sent is not sent again.
  flock.network.failing.set('c', 'answer lost')
  publish()
  flock.network.failing.clear()
  flock.clock.advance(2000)
  assert.equal(answers.splice(0), ['PARTLY_PUBLISHED'])
  assert.is(heard, 3)
})

test('a member that goes while a message is under way to it is not missed', () => {
  for (const failure of ['unreachable', 'lost'] as const) {
    const flock = new CacheFlock()
    flock.network.failing.set('c', failure)
    const answers: string[] = []
    flock.cache('b').subscribe(() => 2)
    flock.cache('a').publish(Buffer.from('news'), Buffer.from('text'), (error, receivers) => answers.push(error?.code ?? `${receivers}`))
    flock.network.members.delete('c')
    flock.clock.advance(2000)
    assert.equal(answers, ['2'], failure)
  }
})

function confirmed(flock: CacheFlock, slots: readonly number[], wanted: number = 1, by: string = 'a', since: number = 0): number {
  return flock.wait<number>((done) => flock.cache(by).confirm(slots, since, wanted, 500, (replicas) => done(null, replicas))) as number
}

test('the replicas of slots are counted where each is served, and the fewest are answered', () => {
  const flock = new CacheFlock()
  const slots = [0, 1, 2, 3]
  for (const slot of slots) flock.member(NAMES[slot % 3] as string).followers.set(slot, slot === 1 ? 2 : 3)
  for (const by of NAMES) {
    assert.is(confirmed(flock, slots, 1, by), 2)
    assert.is(confirmed(flock, [0, 3], 1, by), 3)
    assert.is(confirmed(flock, [], 1, by), 0)
  }
  assert.is(confirmed(flock, [0, 1, 5]), 0)
})

test('a slot that nobody serves, or somebody who does not answer, or another than one is asked, has no replica', () => {
  const flock = new CacheFlock()
  for (const name of NAMES) for (let slot = 0; slot < 6; slot++) flock.member(name).followers.set(slot, 1)
  assert.is(confirmed(flock, [0, 1, 2]), 1)
  flock.member('a').routes.set(1, null)
  assert.is(confirmed(flock, [0, 1, 2]), 0)
  assert.is(confirmed(flock, [1]), 0)
  flock.settle()
  // `a` has not heard that slot 4 moved from `b` to `c`.
  flock.member('b').routes.set(4, 'c')
  flock.member('c').routes.set(4, 'here')
  assert.is(confirmed(flock, [1, 4]), 0)
  assert.is(confirmed(flock, [4]), 0)
  assert.is(confirmed(flock, [1]), 1)
  for (const failure of ['unreachable', 'lost', 'answer lost', 'refused', 'busy'] as const) {
    flock.network.failing.set('b', failure)
    assert.is(confirmed(flock, [0, 1]), 0, failure)
  }
})

test('a slot that has passed to another member since the write has no replica that is known to have it', () => {
  const flock = new CacheFlock()
  for (const name of NAMES) for (let slot = 0; slot < 6; slot++) flock.member(name).followers.set(slot, 1)
  const asker = flock.member('a')
  asker.holderVersion = 7
  for (const slot of [0, 1]) asker.passed.set(slot, 5)
  assert.is(confirmed(flock, [0, 1, 2], 1, 'a', 5), 1, 'what was written after it passed')
  assert.is(confirmed(flock, [1, 2], 1, 'a', 4), 0, 'what was written before, there')
  assert.is(confirmed(flock, [0], 1, 'a', 4), 0, 'what was written before, and is served here now')
  assert.is(confirmed(flock, [2, 3], 1, 'a', 4), 1)
  assert.is(flock.cache('a').holderVersion, 7)
})

test('the life that is asked has to be the one that is known to serve the slots', () => {
  const flock = new CacheFlock()
  const [a, b] = [flock.member('a'), flock.member('b')]
  const held = (generation: number): Term => ({ ms: 1, counter: 0, name: 'b', generation, strong: true })
  for (const slot of [1, 4]) {
    b.followers.set(slot, 1)
    a.terms.set(slot, held(8))
    b.terms.set(slot, held(8))
  }
  assert.is(confirmed(flock, [1, 4]), 1)
  b.terms.set(1, held(9))
  assert.is(confirmed(flock, [1, 4]), 0)
  a.terms.set(1, held(9))
  assert.is(confirmed(flock, [1]), 1)
  b.terms.set(4, held(9))
  assert.is(confirmed(flock, [1, 4]), 0, 'of one slot the later life is known already, of the other not')
})

test('without subscribers nobody gets a message; on one node it is answered at once', () => {
  const alone = new CacheFlock(['a'])
  const counts: number[] = []
  alone.cache('a').publish(Buffer.from('c'), Buffer.alloc(0), (_error, receivers) => counts.push(receivers))
  assert.equal(counts, [0])
  alone.cache('a').subscribe((channel, message) => {
    assert.equal([channel.toString(), message.length], ['c', 0])
    return 1
  })
  alone.cache('a').publish(Buffer.from('c'), Buffer.alloc(0), (_error, receivers) => counts.push(receivers))
  assert.equal(counts, [0, 1])
})

test.run()
