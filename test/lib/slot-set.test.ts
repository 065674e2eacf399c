/** Sets of slots: against a `Set` of numbers, and both of their forms on the wire. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'

const test = suite('slot set')

const BITMAP_BYTES = SLOT_COUNT / 8
const slots = fc.integer({ min: 0, max: SLOT_COUNT - 1 })

function encoded(set: SlotSet): Buffer {
  const writer = new ByteWriter()
  set.encode(writer)
  return writer.toBuffer()
}

function decoded(bytes: Buffer): SlotSet {
  return SlotSet.decode(new ByteReader(bytes))
}

function firstSlots(count: number): SlotSet {
  return SlotSet.of(Array.from({ length: count }, (_, i) => i * 15))
}

test('it behaves as a set of numbers does, and yields them ascending', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), slots), { maxLength: 200 }), (steps) => {
      const set = new SlotSet()
      const model = new Set<number>()
      for (const [add, slot] of steps) {
        if (add) {
          set.add(slot)
          model.add(slot)
        } else {
          set.delete(slot)
          model.delete(slot)
        }
        assert.is(set.has(slot), add)
        assert.is(set.size, model.size)
      }
      assert.equal(
        [...set],
        [...model].sort((a, b) => a - b),
      )
    }),
  )
})

test('the outermost slots and the whole', () => {
  const set = SlotSet.of([0, SLOT_COUNT - 1, 0])
  assert.equal([...set], [0, SLOT_COUNT - 1])
  assert.is(set.size, 2)
  const all = SlotSet.all()
  assert.is(all.size, SLOT_COUNT)
  assert.is([...all].length, SLOT_COUNT)
  assert.ok(all.has(0) && all.has(SLOT_COUNT - 1))
})

test('addAll unites', () => {
  const set = SlotSet.of([1, 2, 3])
  set.addAll(SlotSet.of([3, 4, 9000]))
  assert.equal([...set], [1, 2, 3, 4, 9000])
  assert.is(set.size, 5)
})

test('whole sets are united, reduced and intersected as their members are, and know their size', () => {
  const many = fc.uniqueArray(slots, { maxLength: 300 })
  fc.assert(
    fc.property(many, many, (left, right) => {
      const sorted = (members: Iterable<number>): number[] => [...new Set(members)].sort((a, b) => a - b)
      const results: [SlotSet, number[]][] = [
        [SlotSet.of(left).addAll(SlotSet.of(right)), sorted([...left, ...right])],
        [SlotSet.of(left).removeAll(SlotSet.of(right)), sorted(left.filter((slot) => !right.includes(slot)))],
        [SlotSet.of(left).retainAll(SlotSet.of(right)), sorted(left.filter((slot) => right.includes(slot)))],
      ]
      for (const [set, members] of results) {
        assert.equal([...set], members)
        assert.is(set.size, members.length)
      }
    }),
  )
  assert.is(SlotSet.all().removeAll(SlotSet.of([0, SLOT_COUNT - 1])).size, SLOT_COUNT - 2)
})

test('a walk goes through the members that there were when it began', () => {
  const set = SlotSet.of([1, 5, 9000])
  const walked: number[] = []
  for (const slot of set) {
    walked.push(slot)
    set.delete(slot)
    set.add(slot + 1)
  }
  assert.equal(walked, [1, 5, 9000])
  assert.equal([...set], [2, 6, 9001])
})

test('sets are equal when their members are', () => {
  assert.ok(SlotSet.of([5, 9]).equals(SlotSet.of([9, 5])))
  assert.not(SlotSet.of([5, 9]).equals(SlotSet.of([5, 10])))
  assert.not(SlotSet.of([5]).equals(SlotSet.of([5, 9])))
  assert.ok(new SlotSet().equals(SlotSet.of([])))
})

test('what is encoded is decoded, and nothing behind it is read', () => {
  fc.assert(
    fc.property(fc.uniqueArray(slots, { maxLength: 300 }), (members) => {
      const set = SlotSet.of(members)
      const reader = new ByteReader(Buffer.concat([encoded(set), Buffer.from('rest')]))
      const back = SlotSet.decode(reader)
      assert.ok(back.equals(set))
      assert.is(back.size, set.size)
      assert.is(reader.remaining, 4)
    }),
  )
})

test('the shorter form is taken: a list below 1,024 slots, the bitmap from there on', () => {
  assert.is(encoded(new SlotSet()).length, 2)
  assert.is(encoded(firstSlots(1)).length, 4)
  assert.is(encoded(firstSlots(1023)).length, 2 + 2 * 1023)
  assert.is(encoded(firstSlots(1024)).length, 2 + BITMAP_BYTES)
  assert.is(encoded(SlotSet.all()).length, 2 + BITMAP_BYTES)
})

for (const count of [1023, 1024, 1025]) {
  test(`${count} slots, at the border of the two forms, come back`, () => {
    const set = firstSlots(count)
    assert.is(set.size, count)
    const back = decoded(encoded(set))
    assert.ok(back.equals(set))
    assert.is(back.size, count)
  })
}

test('all slots come back', () => assert.ok(decoded(encoded(SlotSet.all())).equals(SlotSet.all())))

test('the bitmap has slot s at bit s mod 8 of byte s div 8', () => {
  const bytes = Buffer.alloc(2 + BITMAP_BYTES)
  bytes.writeUInt16BE(0xffff)
  bytes[2] = 0b1000_0001
  bytes[2 + BITMAP_BYTES - 1] = 0b0100_0000
  assert.equal([...decoded(bytes)], [0, 7, SLOT_COUNT - 2])
})

test('a list that names a slot twice counts it once', () => {
  assert.is(decoded(new ByteWriter().u16(3).u16(7).u16(7).u16(7).toBuffer()).size, 1)
})

test('what is truncated at any byte is malformed', () => {
  for (const whole of [encoded(SlotSet.of([1, 2, 3])), encoded(firstSlots(1024))]) {
    for (let length = 0; length < whole.length; length += length < 64 ? 1 : 97) {
      assert.throws(
        () => decoded(whole.subarray(0, length)),
        (error: Error) => error instanceof MalformedError,
        `${length} bytes`,
      )
    }
  }
})

test('a slot or a count over the limit is malformed', () => {
  const malformed = (error: Error): boolean => error instanceof MalformedError
  assert.throws(() => decoded(new ByteWriter().u16(1).u16(SLOT_COUNT).toBuffer()), malformed)
  assert.throws(() => decoded(new ByteWriter().u16(1).u16(0xffff).toBuffer()), malformed)
  const long = new ByteWriter().u16(SLOT_COUNT + 1)
  for (let i = 0; i <= SLOT_COUNT; i++) long.u16(i % SLOT_COUNT)
  assert.throws(() => decoded(long.toBuffer()), malformed)
})

test('a copy is equal, and goes its own way', () => {
  const set = SlotSet.of([1, 5, 16_383])
  const copy = set.copy()
  assert.ok(copy.equals(set))
  assert.is(copy.size, 3)
  set.add(7)
  copy.delete(1)
  assert.equal([...set], [1, 5, 7, 16_383])
  assert.equal([...copy], [5, 16_383])
})

test.run()
