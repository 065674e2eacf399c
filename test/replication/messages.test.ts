/** What members ask each other about slots: tables, terms, sets and holdings, whole and cut. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import type { Term } from '../../src/placement/index.ts'
import {
  COPY_COMPLETE,
  COPY_HELD,
  COPY_NONE,
  COPY_PARTIAL,
  decodeHoldings,
  decodeSlots,
  decodeTable,
  decodeTerms,
  encodeHoldings,
  encodeSlots,
  encodeTable,
  encodeTerms,
  type Holding,
} from '../../src/replication/messages.ts'
import { term } from './fakes.ts'

const test = suite('replication messages')

const malformed = (error: Error): boolean => error instanceof MalformedError

const slotSets = fc.uniqueArray(fc.integer({ min: 0, max: SLOT_COUNT - 1 }), { maxLength: 40 }).map((slots) => SlotSet.of(slots))

const terms: fc.Arbitrary<Term> = fc.record(
  {
    ms: fc.integer({ min: 0, max: 2 ** 47 }),
    counter: fc.integer({ min: 0, max: 0xffff }),
    name: fc.constantFrom('jackdaw-0', 'jackdaw-1', ''),
    generation: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    strong: fc.boolean(),
  },
  { noNullPrototype: true },
)

const holdings: fc.Arbitrary<Holding> = fc.record(
  {
    term: fc.option(terms),
    copy: fc.constantFrom(COPY_NONE, COPY_PARTIAL, COPY_COMPLETE, COPY_HELD),
    position: fc.record(
      { ms: fc.integer({ min: 0, max: 2 ** 47 }), counter: fc.integer({ min: 0, max: 0xffff }) },
      { noNullPrototype: true },
    ),
    mark: fc.constantFrom(ZERO_STAMP, { ms: 7, counter: 3 }, { ms: 2 ** 47, counter: 0xffff }),
  },
  { noNullPrototype: true },
)

function plain(groups: ReadonlyMap<Term, SlotSet>): unknown {
  return [...groups].map(([of, slots]) => [of, [...slots]])
}

test('a table comes back as it was published', () => {
  const tables = fc.record({
    version: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    primaryVersion: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    floor: fc.record({ ms: fc.integer({ min: 0, max: 2 ** 47 }), counter: fc.integer({ min: 0, max: 0xffff }) }),
    complete: slotSets,
    primaries: fc.array(fc.tuple(terms, slotSets), { maxLength: 5 }).map((groups) => new Map(groups)),
    ends: fc.array(
      fc.record({
        name: fc.string({ maxLength: 60 }),
        generation: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
        position: fc.record({ ms: fc.integer({ min: 0, max: 2 ** 47 }), counter: fc.integer({ min: 0, max: 0xffff }) }),
      }),
      { maxLength: 5 },
    ),
  })
  fc.assert(
    fc.property(tables, (table) => {
      const back = decodeTable(encodeTable(table))
      assert.is(back.version, table.version)
      assert.is(back.primaryVersion, table.primaryVersion)
      assert.equal(back.floor, { ...table.floor })
      assert.ok(back.complete.equals(table.complete))
      assert.equal(plain(back.primaries), plain(table.primaries))
      assert.equal(
        back.ends,
        table.ends.map((end) => ({ ...end, position: { ...end.position } })),
      )
    }),
  )
})

test('of ends of streams a table tells of the latest', () => {
  const ends = Array.from({ length: 300 }, (_, i) => ({ name: `member-${i}`, generation: i, position: ZERO_STAMP }))
  const back = decodeTable(
    encodeTable({ version: 1, primaryVersion: 2, floor: ZERO_STAMP, complete: new SlotSet(), primaries: new Map(), ends }),
  )
  assert.equal(
    back.ends.map(({ name }) => name),
    ends.slice(-255).map(({ name }) => name),
  )
})

test('a table of all slots under one term each fits, and comes back', () => {
  const primaries = new Map(Array.from({ length: SLOT_COUNT }, (_, slot) => [term('me', slot), SlotSet.of([slot])]))
  const back = decodeTable(encodeTable({ version: 1, primaryVersion: 2, floor: ZERO_STAMP, complete: SlotSet.all(), primaries, ends: [] }))
  assert.is(back.primaries.size, SLOT_COUNT)
  assert.is(back.complete.size, SLOT_COUNT)
  assert.equal(plain(back.primaries), plain(primaries))
})

test('terms and sets of slots come back', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(terms, slotSets), { maxLength: 5 }), slotSets, (groups, slots) => {
      const known = new Map(groups)
      const back = decodeTerms(new ByteReader(encodeTerms(new ByteWriter(1), known).toBuffer()))
      assert.equal(plain(back), plain(known))
      assert.ok(decodeSlots(encodeSlots(slots)).equals(slots))
    }),
  )
})

test('slots of two terms that are equal, and not known for one, all arrive', () => {
  const groups = new Map([
    [term('heir', 7), SlotSet.of([1, 2])],
    [term('heir', 7), SlotSet.of([2, 3])],
  ])
  const read = decodeTerms(new ByteReader(encodeTerms(new ByteWriter(64), groups).toBuffer()))
  assert.equal(
    [...read.values()].flatMap((slots) => [...slots]),
    [1, 2, 3],
  )
})

test('holdings come back slot by slot, however they were grouped', () => {
  // Few kinds of holdings over many slots, as it is in life.
  const kinds = fc.array(holdings, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(slotSets, kinds, (slots, few) => {
      const of = (slot: number): Holding => few[slot % few.length] as Holding
      const back = decodeHoldings(encodeHoldings(slots, of))
      assert.is(back.size, slots.size)
      for (const slot of slots) assert.equal(back.get(slot), of(slot))
    }),
  )
})

test('holdings that differ in one field only are kept apart', () => {
  const base: Holding = { term: term('a', 5), copy: COPY_COMPLETE, position: { ms: 9, counter: 1 }, mark: ZERO_STAMP }
  const few: readonly Holding[] = [
    base,
    { ...base, copy: COPY_PARTIAL },
    { ...base, position: { ms: 9, counter: 2 } },
    { ...base, position: { ms: 10, counter: 1 } },
    { ...base, mark: { ms: 1, counter: 0 } },
    { ...base, mark: { ms: 1, counter: 1 } },
    { ...base, term: null },
    { ...base, term: term('b', 5) },
    { ...base, term: term('a', 6) },
    { ...base, term: term('a', 5, false) },
    { ...base, term: term('a', 5, true, 2) },
    { ...base, term: { ...term('a', 5), counter: 1 } },
  ]
  const slots = SlotSet.of(few.map((_, slot) => slot))
  const back = decodeHoldings(encodeHoldings(slots, (slot) => few[slot] as Holding))
  for (const [slot, holding] of few.entries()) assert.equal(back.get(slot), holding)
})

test('all slots of one kind are one group', () => {
  const holding: Holding = { term: term('a', 5), copy: COPY_COMPLETE, position: { ms: 9, counter: 1 }, mark: ZERO_STAMP }
  const body = encodeHoldings(SlotSet.all(), () => ({ ...holding }))
  assert.ok(body.length < 2200, `${body.length} bytes`)
  assert.is(decodeHoldings(body).size, SLOT_COUNT)
})

test('what is appended by a later version is ignored', () => {
  const more = Buffer.from('from tomorrow')
  const table = {
    version: 1,
    primaryVersion: 2,
    floor: ZERO_STAMP,
    complete: SlotSet.of([3]),
    primaries: new Map([[term('a', 1), SlotSet.of([3])]]),
    ends: [],
  }
  assert.is(decodeTable(Buffer.concat([encodeTable(table), more])).primaries.size, 1)
  assert.is(decodeSlots(Buffer.concat([encodeSlots(SlotSet.of([4, 5])), more])).size, 2)
  const holding: Holding = { term: null, copy: COPY_NONE, position: { ms: 0, counter: 0 }, mark: ZERO_STAMP }
  assert.is(decodeHoldings(Buffer.concat([encodeHoldings(SlotSet.of([4]), () => holding), more])).size, 1)
})

test('what is truncated at any byte is malformed', () => {
  const holding: Holding = { term: term('a', 5), copy: COPY_COMPLETE, position: { ms: 9, counter: 1 }, mark: ZERO_STAMP }
  const slots = SlotSet.of([1, 2, 3])
  const ends = [{ name: 'b', generation: 3, position: { ms: 9, counter: 1 } }]
  const table = encodeTable({
    version: 1,
    primaryVersion: 2,
    floor: ZERO_STAMP,
    complete: slots,
    primaries: new Map([[term('a', 1), slots]]),
    ends,
  })
  /** The last: bytes of it with which an earlier version ends it. */
  const cases: readonly (readonly [Buffer, (body: Buffer) => unknown, number?])[] = [
    [table, decodeTable, table.length - 1 - 2 - 6 - 8],
    [encodeSlots(slots), decodeSlots],
    [encodeHoldings(slots, () => holding), decodeHoldings, encodeHoldings(slots, () => holding).length - 8],
  ]
  for (const [whole, decode, earlier] of cases) {
    for (let length = 0; length < whole.length; length++)
      if (length !== earlier) assert.throws(() => decode(whole.subarray(0, length)), malformed, `${length} bytes`)
  }
})

test.run()
