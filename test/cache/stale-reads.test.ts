/** Reads that allow a staleness, at a member that is not the primary: whose copy answers, whose does not, and what is counted. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HEAD, OPERATION_DESCRIBE, OPERATION_REQUIRE } from '../../src/cache/operation.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { ask, askTransaction, getOf, operationOf, setOf } from '../support/operations.ts'
import { CacheFlock } from './flock.ts'

const test = suite('reads from copies')

const KEY = 'k'
const SLOT = slotOf(Buffer.from(KEY))

/** The key's primary, and a member with a copy that was as the primary's `staleMs` ago and has another value, so that it shows who answered. */
function setting(staleMs: number | undefined) {
  const flock = new CacheFlock()
  const primary = flock.holderOf(KEY)
  const [copy] = [...flock.network.members.values()].filter((member) => member !== primary)
  if (copy === undefined) throw new Error('there is no other member')
  primary.put(KEY, 'from the primary')
  copy.put(KEY, 'from the copy')
  if (staleMs !== undefined) copy.stale.set(SLOT, staleMs)
  const cache = flock.cache(copy.name)
  const read = (change: object): string => {
    const asked = ask(cache, getOf(KEY, change))
    flock.clock.advance(10)
    return asked.told?.entry?.value ?? asked.state
  }
  const counted = (): number[] => {
    const { replicaReadsServedTotal, replicaReadsForwardedTotal } = cache.stats()
    return [replicaReadsServedTotal, replicaReadsForwardedTotal]
  }
  return { flock, primary, copy, cache, read, counted }
}

test('a copy answers that is as fresh as is asked for, another sends the read on', () => {
  const { read, counted, copy } = setting(200)
  assert.is(read({ maxStaleMs: 200 }), 'from the copy')
  assert.is(read({ maxStaleMs: 199 }), 'from the primary')
  copy.stale.delete(SLOT)
  assert.is(read({ maxStaleMs: 86_400_000 }), 'from the primary')
  assert.equal(counted(), [1, 2])
})

test('without a bound the primary answers, and nothing is counted', () => {
  const { read, counted } = setting(0)
  assert.is(read({}), 'from the primary')
  assert.equal(counted(), [0, 0])
})

test('the primary answers what is asked of it, and nothing is counted', () => {
  const { flock, primary } = setting(0)
  const asked = ask(flock.cache(primary.name), getOf(KEY, { maxStaleMs: 1 }))
  assert.is(asked.told?.entry?.value, 'from the primary')
  assert.is(flock.cache(primary.name).stats().replicaReadsServedTotal, 0)
})

test('an entry that has expired is hidden by the copy, which removes nothing', () => {
  const { flock, read, copy } = setting(0)
  copy.put(KEY, 'short', (entry) => {
    entry.expiresAtMs = copy.hybrid.physicalMs() + 50
    entry.setVersion(entry.ms, 9, copy.name)
  })
  assert.is(read({ maxStaleMs: 1000 }), 'short')
  flock.clock.advance(60)
  assert.is(read({ maxStaleMs: 1000 }), 'done')
  assert.is(copy.store.stats().entries, 1)
  assert.is(copy.store.stats().tombstones, 0)
})

test('heads and descriptions are reads; a write never stays here, whatever it allows', () => {
  const { cache, flock, primary, counted } = setting(0)
  assert.is(ask(cache, getOf(KEY, { maxStaleMs: 1, flags: HEAD })).told?.length, 'from the copy'.length)
  assert.is(ask(cache, operationOf(OPERATION_DESCRIBE, KEY, '', { maxStaleMs: 1 })).state, 'done')
  const write = ask(cache, setOf(KEY, 'new', { maxStaleMs: 1000 }))
  assert.is(write.state, 'pending')
  flock.clock.advance(10)
  assert.equal([write.state, primary.written.length], ['done', 1])
  assert.equal(counted(), [2, 0])
})

test('a transaction is read from a copy only if it does nothing but read', () => {
  const { cache, flock } = setting(0)
  const allowed = { maxStaleMs: 1 }
  const reads = askTransaction(cache, [getOf(KEY, allowed), getOf(`{${KEY}}2`, allowed)])
  assert.equal([reads.state, reads.told.get(0)?.entry?.value], ['done', 'from the copy'])
  for (const last of [operationOf(OPERATION_REQUIRE, KEY, '', allowed), getOf(KEY), setOf(KEY, 'v', allowed)]) {
    const mixed = askTransaction(cache, [getOf(KEY, allowed), last])
    assert.is(mixed.state, 'pending')
    flock.clock.advance(10)
    assert.is(mixed.told.get(0)?.entry?.value, 'from the primary')
  }
})

test.run()
