import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom, shuffle } from '../../src/lib/random.ts'
import type { Version } from '../../src/lib/version.ts'
import { EntryHash, SlotDigests } from '../../src/store/digest.ts'

const test = suite('store/digest')

const VERSION: Version = { ms: 1_767_225_600_000, counter: 7, writer: 'jackdaw-0' }
const SLOT = 12

function hashOf(key: string, version: Version = VERSION, tombstone: boolean = false): string {
  const bytes = Buffer.from(key, 'latin1')
  return hex(new EntryHash().take(bytes, 0, bytes.length, version, tombstone))
}

function hex(digest: { readonly high: number; readonly low: number }): string {
  return (digest.high >>> 0).toString(16).padStart(8, '0') + (digest.low >>> 0).toString(16).padStart(8, '0')
}

test('the hash is what other members compute: pinned', () => {
  const pinned: readonly (readonly [string, Version, boolean, string])[] = [
    ['', { ms: 0, counter: 0, writer: '' }, false, '5d3884f18b762782'],
    ['a', VERSION, false, '60a347d28c388311'],
    ['a', VERSION, true, '863ef9542f4f31c0'],
    ['user:1000', VERSION, false, 'ca6aed873fd1e980'],
    ['\xff\xfe\x00\x80\xff', { ms: 2 ** 48 - 1, counter: 0xffff, writer: 'zaunkönig-11' }, false, '726f283158999679'],
  ]
  for (const [key, version, tombstone, expected] of pinned) assert.is(hashOf(key, version, tombstone), expected, key)
})

test('the writer that was hashed last does not count', () => {
  const hash = new EntryHash()
  const key = Buffer.from('key')
  const other = { ...VERSION, writer: 'jackdaw-1' }
  for (const version of [VERSION, other, other, VERSION]) assert.is(hex(hash.take(key, 0, 3, version, false)), hashOf('key', version))
})

test('every part of key, version and tombstone counts', () => {
  const hashes = [
    hashOf('key'),
    hashOf('kez'),
    hashOf('key\0'),
    hashOf('key', VERSION, true),
    hashOf('key', { ...VERSION, ms: VERSION.ms + 1 }),
    hashOf('key', { ...VERSION, ms: VERSION.ms + 2 ** 32 }),
    hashOf('key', { ...VERSION, counter: 8 }),
    hashOf('key', { ...VERSION, writer: 'jackdaw-1' }),
    hashOf('keyj', { ...VERSION, writer: 'ackdaw-0' }),
  ]
  assert.is(new Set(hashes).size, hashes.length)
})

test('the place of the key in its buffer does not count', () => {
  const around = Buffer.from('xxuser:1000yy')
  assert.is(hex(new EntryHash().take(around, 2, 11, VERSION, false)), hashOf('user:1000'))
})

test('each half by itself tells like keys apart as well as chance would', () => {
  const highs = new Set<number>()
  const lows = new Set<number>()
  const keys = 50_000
  const hash = new EntryHash()
  for (let i = 0; i < keys; i++) {
    const key = Buffer.from(`user:${i}`)
    const { high, low } = hash.take(key, 0, key.length, VERSION, false)
    highs.add(high)
    lows.add(low)
  }
  // Chance gives n^2 / 2^33 = 0.3 collisions in each.
  assert.ok(highs.size >= keys - 5, `${keys - highs.size} collisions in the high half`)
  assert.ok(lows.size >= keys - 5, `${keys - lows.size} collisions in the low half`)
})

test('one bit of the key changes each bit of the hash about half the time', () => {
  const rounds = 2_000
  const flips = new Array<number>(64).fill(0)
  const random = new SeededRandom(5)
  const hash = new EntryHash()
  for (let round = 0; round < rounds; round++) {
    const key = Buffer.from(Array.from({ length: 11 }, () => Math.floor(random.next() * 256)))
    const before = hash.take(key, 0, key.length, VERSION, false)
    const [high, low] = [before.high, before.low]
    const bit = Math.floor(random.next() * 88)
    key[bit >> 3] = (key[bit >> 3] as number) ^ (1 << (bit & 7))
    const after = hash.take(key, 0, key.length, VERSION, false)
    for (let i = 0; i < 32; i++) {
      flips[i] = (flips[i] as number) + (((high ^ after.high) >>> i) & 1)
      flips[32 + i] = (flips[32 + i] as number) + (((low ^ after.low) >>> i) & 1)
    }
  }
  // Five standard deviations of a fair coin are 0.056.
  for (const [bit, count] of flips.entries()) assert.ok(Math.abs(count / rounds - 0.5) < 0.056, `bit ${bit}: ${count / rounds}`)
})

test('the sum of a slot does not depend on the order of arrival, and is zero again when all have gone', () => {
  const keys = Array.from({ length: 200 }, (_, i) => Buffer.from(`k${i}`))
  const one = new SlotDigests()
  const other = new SlotDigests()
  for (const key of keys) one.add(SLOT, key, 0, key.length, VERSION, false)
  for (const key of shuffle(new SeededRandom(1), keys)) other.add(SLOT, key, 0, key.length, VERSION, false)
  assert.equal(one.of(SLOT), other.of(SLOT))
  assert.equal(one.of(SLOT + 1), { high: 0, low: 0 }, 'other slots are untouched')

  const last = keys.pop() as Buffer
  one.subtract(SLOT, last, 0, last.length, VERSION, false)
  assert.not.equal(one.of(SLOT), other.of(SLOT))
  for (const key of keys) one.subtract(SLOT, key, 0, key.length, VERSION, false)
  assert.equal(one.of(SLOT), { high: 0, low: 0 })
})

test('clear empties all slots', () => {
  const digests = new SlotDigests()
  const key = Buffer.from('k')
  digests.add(0, key, 0, 1, VERSION, false)
  digests.add(16_383, key, 0, 1, VERSION, false)
  digests.clear()
  assert.equal(
    [digests.of(0), digests.of(16_383)],
    [
      { high: 0, low: 0 },
      { high: 0, low: 0 },
    ],
  )
})

test.run()
