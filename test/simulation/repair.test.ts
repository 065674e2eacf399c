/**
 * The repair round: copies that differ from their primary, for whatever reason, are healed without any client's help; what cannot be healed is not
 * tried for ever. A follower's store is spoilt on purpose, behind the back of replication.
 */
// deadline: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entry } from '../../src/lib/entry.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { BulkSender } from '../../src/replication/bulk.ts'
import { Repair } from '../../src/replication/repair.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'

const test = suite('simulation: repair')

const KEYS = 300

function keyOf(i: number): Buffer {
  return Buffer.from(`key-${i}`)
}

function filled(seed: number): Cluster {
  const run = cluster({ nodes: 3, seed, replicas: 1 })
  run.startAll()
  run.untilReady()
  let open = KEYS
  for (let i = 0; i < KEYS; i++) {
    set([...run.lives.values()][i % 3] as Life, `key-${i}`, `value-${i}`, (error) => {
      assert.is(error, null)
      open--
    })
  }
  run.runUntil(() => open === 0, 5000, 'the keys to be written')
  run.clock.advance(2000)
  return run
}

function followerOf(run: Cluster, slot: number): Life {
  const found = [...run.lives.values()].find(({ node }) => {
    const { replication } = node.inside
    return replication.isComplete(slot) && !replication.isPrimary(slot)
  })
  assert.ok(found)
  return found
}

/** Of the followers' copies: a third of the keys is gone, a third older, and each fourth copy has one more key that its primary lacks. */
function spoil(run: Cluster): void {
  for (let i = 0; i < KEYS; i++) {
    const key = keyOf(i)
    const slot = slotOf(key)
    const { store } = followerOf(run, slot).node.inside
    const held = new Entry()
    assert.ok(store.peek(key, 0, key.length, held, slot))
    const copy = held.copy()
    if (i % 3 < 2) assert.ok(store.drop(key, 0, key.length, copy))
    if (i % 3 === 1) {
      copy.setVersion(copy.ms - 5000, 0, copy.writer).setValue(Buffer.from('older'))
      assert.is(store.apply(copy, copy.ms, slot), 'applied')
    }
    if (i % 4 === 0) {
      const more = Buffer.from(`more {key-${i}}`)
      const extra = new Entry().setKey(more).setValue(Buffer.from('ghost')).setVersion(copy.ms, 1, 'jackdaw-0')
      store.apply(extra, copy.ms, slotOf(more))
    }
  }
}

/** Slots whose complete copies are not all the same. */
function differing(run: Cluster): number {
  let count = 0
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const digests = new Set<string>()
    for (const { node } of run.lives.values()) {
      if (!node.inside.replication.isComplete(slot)) continue
      const { high, low } = node.inside.store.slotDigest(slot)
      digests.add(`${high} ${low}`)
    }
    if (digests.size > 1) count++
  }
  return count
}

function sum(run: Cluster, of: (life: Life) => number): number {
  return [...run.lives.values()].reduce((total, life) => total + of(life), 0)
}

test('large entries that a copy has lost come as the stream has room for them: no other copy of the follower is given up', () => {
  const run = cluster({ nodes: 3, seed: 1, replicas: 1, node: { maxMemoryBytes: 256 * 1024 * 1024 } })
  run.startAll()
  run.untilReady()
  const keys = Array.from({ length: 80 }, (_, i) => Buffer.from(`{large}${i}`))
  const [writer] = [...run.lives.values()] as [Life]
  for (const key of keys) {
    set(writer, key.toString(), 'v'.repeat(1_000_000), (error) => assert.is(error, null))
    run.clock.advance(20)
  }
  run.clock.advance(2000)
  const slot = slotOf(keys[0] as Buffer)
  const follower = followerOf(run, slot)
  const { store } = follower.node.inside
  const held = new Entry()
  for (const key of keys) assert.ok(store.peek(key, 0, key.length, held, slot) && store.drop(key, 0, key.length, held.copy(false)))
  const primary = [...run.lives.values()].find(({ node }) => node.inside.replication.isPrimary(slot)) as Life
  let most = 0
  const healed = (): boolean => {
    const { incompleteFollowings, backlogBytes } = primary.node.stats().replication
    assert.is(incompleteFollowings, 0)
    most = Math.max(most, backlogBytes)
    return store.slotEntries(slot) === keys.length
  }
  run.runUntil(healed, 120_000, 'the copy to be whole')
  assert.ok(most < 8_000_000, `${most} bytes`)
  run.close()
})

for (const seed of [1, 2]) {
  test(`copies that lost, kept or made up entries are healed while no client does anything (seed ${seed})`, () => {
    const run = filled(seed)
    spoil(run)
    assert.ok(differing(run) > 200)
    run.runUntil(() => differing(run) === 0, 120_000, 'all copies to be equal', 500)
    // A round later the primaries know that all is well.
    run.clock.advance(30_000)
    const of = (read: (stats: ReturnType<Repair['stats']>) => number) => sum(run, ({ node }) => read(node.stats().replication.repair))
    assert.is(
      of((stats) => stats.divergentSlots),
      0,
    )
    assert.ok(of((stats) => stats.repairedEntriesTotal) >= 250)
    for (const { node } of run.lives.values()) assert.ok(node.stats().replication.repair.sinceRoundMs < 30_000)
    let open = 0
    for (let i = 0; i < KEYS; i++) {
      open += 2
      get([...run.lives.values()][i % 3] as Life, `key-${i}`, (error, value) => {
        open--
        assert.equal([error, value], [null, `value-${i}`])
      })
      get([...run.lives.values()][i % 3] as Life, `more {key-${i}}`, (_error, value) => {
        open--
        assert.is(value, undefined)
      })
    }
    run.runUntil(() => open === 0, 5000, 'the keys to be read')
    // And it is quiet from then on.
    const before = of((stats) => stats.repairsTotal)
    run.clock.advance(30_000)
    assert.is(
      of((stats) => stats.repairsTotal),
      before,
    )
    run.close()
  })
}

test('without the round the copies stay as they are', () => {
  const tick = Repair.prototype.tick
  try {
    Repair.prototype.tick = () => {}
    const run = filled(1)
    spoil(run)
    const before = differing(run)
    run.clock.advance(120_000)
    assert.is(differing(run), before)
    run.close()
  } finally {
    Repair.prototype.tick = tick
  }
})

test('what a copy has newer goes back to the primary, and from there to all', () => {
  const run = filled(3)
  const key = keyOf(7)
  const slot = slotOf(key)
  const { store } = followerOf(run, slot).node.inside
  const held = new Entry()
  store.peek(key, 0, key.length, held, slot)
  const newer = held.copy().setValue(Buffer.from('newer'))
  newer.setVersion(held.ms + 1, 0, 'jackdaw-0')
  store.apply(newer, newer.ms, slot)
  run.runUntil(() => differing(run) === 0, 60_000, 'all copies to be equal', 500)
  let value: string | undefined
  get(run.life('jackdaw-1'), 'key-7', (_error, read) => {
    value = read
  })
  run.clock.advance(100)
  assert.is(value, 'newer')
  run.close()
})

test('what only one copy has is not corrected away before it is sent back, however long that takes', () => {
  const isOpen = Object.getOwnPropertyDescriptor(BulkSender.prototype, 'isOpen') as PropertyDescriptor
  try {
    const run = filled(5)
    const alone = run.life('jackdaw-1')
    const cutOff = (): void => {
      for (const far of run.lives.values()) {
        if (far === alone) continue
        run.network.cut(alone.host, far.host)
        run.network.cut(far.host, alone.host)
      }
    }
    // Of two copies one dies, and the other is cut off: a third member serves the slot without what it never had.
    run.kill('jackdaw-2')
    run.clock.advance(5000)
    cutOff()
    run.start('jackdaw-2')
    cutOff()
    run.clock.advance(20_000)
    // Copies go to the one that was alone, and none from it.
    Object.defineProperty(BulkSender.prototype, 'isOpen', {
      configurable: true,
      get(this: BulkSender) {
        return this.peer.name === alone.name && isOpen.get?.call(this)
      },
    })
    run.network.joinAll()
    run.clock.advance(30_000)
    assert.ok(differing(run) > 20, `${differing(run)} slots wait`)
    Object.defineProperty(BulkSender.prototype, 'isOpen', isOpen)
    run.runUntil(() => differing(run) === 0, 60_000, 'all copies to be equal', 500)
    let open = KEYS
    for (let i = 0; i < KEYS; i++) {
      get([...run.lives.values()][i % 3] as Life, `key-${i}`, (error, value) => {
        open--
        assert.equal([error, value], [null, `value-${i}`])
      })
    }
    run.runUntil(() => open === 0, 5000, 'the keys to be read')
    run.close()
  } finally {
    Object.defineProperty(BulkSender.prototype, 'isOpen', isOpen)
  }
})

test('a follower that evicts by itself is not made to take back what it had no room for', () => {
  // Of two members one is too small for its copies: each holds everything.
  const run = cluster({ nodes: 2, seed: 4, replicas: 1 })
  run.start('jackdaw-0')
  run.start('jackdaw-1', { maxMemoryBytes: 8 * 1024 * 1024 })
  run.untilReady()
  const large = run.life('jackdaw-0')
  const small = run.life('jackdaw-1')
  const value = 'x'.repeat(20_000)
  let written = 0
  for (let i = 0; written < 500; i++) {
    const key = `large-${i}`
    if (!large.node.inside.replication.isPrimary(slotOf(Buffer.from(key)))) continue
    written++
    set(large, key, value, (error) => assert.is(error, null))
    if (written % 10 === 0) run.clock.advance(20)
  }
  run.clock.advance(20_000)
  assert.ok(small.node.stats().store.evictedTotal > 50, `${small.node.stats().store.evictedTotal} evictions`)
  const before = { ...large.node.stats().replication.repair, evicted: small.node.stats().store.evictedTotal }
  assert.ok(before.divergentSlots > 20)
  run.clock.advance(180_000)
  const after = large.node.stats().replication.repair
  // Once in a while it tries whether there is room again.
  const more = small.node.stats().store.evictedTotal - before.evicted
  assert.ok(more <= before.evicted / 10, `${more} more had to go`)
  assert.ok(after.repairsTotal <= 8 * before.divergentSlots, `${after.repairsTotal} lists of ${before.divergentSlots} slots`)
  run.close()
})

test.run()
