/** Slots as Redis Cluster numbers them: its published vectors and its rule for hash tags. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'

const test = suite('slot')

const slot = (key: string): number => slotOf(Buffer.from(key))

/** CRC16/XMODEM bit by bit, as the specification defines it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}

/** What `CLUSTER KEYSLOT` answers. */
const VECTORS: readonly (readonly [string, number])[] = [
  ['123456789', 0x31c3],
  ['', 0],
  ['foo', 12182],
  ['bar', 5061],
  ['hello', 866],
  ['somekey', 11058],
]

for (const [key, expected] of VECTORS) test(`"${key}" is in slot ${expected}`, () => assert.is(slot(key), expected))

test('0x31c3 is 12739', () => assert.is(slot('123456789'), 12_739))

/** Key, and what of it is hashed. */
const TAGS: readonly (readonly [string, string])[] = [
  ['{user1000}.following', 'user1000'],
  ['foo{bar}', 'bar'],
  ['foo{}{bar}', 'foo{}{bar}'],
  ['foo{{bar}}zap', '{bar'],
  ['foo{bar}{zap}', 'bar'],
  ['{}', '{}'],
  ['{', '{'],
  ['}', '}'],
  ['a{', 'a{'],
  ['a}b{c', 'a}b{c'],
  ['}{a}', 'a'],
  ['{a', '{a'],
  ['{ }', ' '],
  ['{{}', '{'],
  ['{}}', '{}}'],
]

for (const [key, hashed] of TAGS) {
  test(`of ${key} the bytes ${hashed} are hashed`, () => assert.is(slot(key), crc16(Buffer.from(hashed)) % SLOT_COUNT))
}

test('keys of one tag share a slot', () => {
  assert.is(slot('{user1000}.following'), slot('{user1000}.followers'))
  assert.is(slot('{user1000}.following'), slot('user1000'))
})

test('only the bytes of the range are looked at', () => {
  const bytes = Buffer.from('{x}123456789}')
  assert.is(slotOf(bytes, 3, 12), 12_739)
  // The brace that would close the tag lies behind the end, the one that would open it before the start.
  assert.is(slotOf(Buffer.from('{a}'), 0, 2), slot('{a'))
  assert.is(slotOf(Buffer.from('{a}'), 1, 3), slot('a}'))
})

test('any bytes without braces hash as the specification says', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).filter((array) => !array.includes(0x7b))
  fc.assert(
    fc.property(bytes, (array) => {
      assert.is(slotOf(array), crc16(array) % SLOT_COUNT)
    }),
  )
})

test('random keys fall into all parts alike', () => {
  const eighths = new Array<number>(8).fill(0)
  for (let i = 0; i < 16_000; i++) {
    const part = Math.floor((slot(`key:${i}`) * 8) / SLOT_COUNT)
    eighths[part] = (eighths[part] as number) + 1
  }
  for (const count of eighths) assert.ok(count > 1800 && count < 2200, eighths.join(' '))
})

test.run()
