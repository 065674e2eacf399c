/** Terms: of any two every member prefers the same one. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { compareTerms, decodeTerm, encodeTerm, sameTerm, type Term } from '../../src/placement/term.ts'

const test = suite('term')

const weak = (ms: number, counter: number, name: string, generation: number = 1): Term => ({ ms, counter, name, generation, strong: false })
const strong = (ms: number, counter: number, name: string, generation: number = 1): Term => ({
  ...weak(ms, counter, name, generation),
  strong: true,
})

/** Ascending. */
const LADDER: readonly (Term | null)[] = [
  null,
  weak(0, 0, 'a'),
  weak(5, 0, 'a'),
  weak(5, 0, 'b'),
  weak(5, 1, 'a'),
  weak(9, 0, 'a'),
  strong(0, 0, 'a'),
  strong(5, 0, 'a', 1),
  strong(5, 0, 'a', 2),
  strong(5, 0, 'b', 1),
  strong(5, 7, 'a'),
  strong(6, 0, 'a'),
]

const terms: fc.Arbitrary<Term> = fc.record(
  {
    ms: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 2 ** 47 - 1, max: 2 ** 47 })),
    counter: fc.constantFrom(0, 1, 0xffff),
    name: fc.constantFrom('a', 'b', 'ü'.repeat(127)),
    generation: fc.constantFrom(0, 1, 2 ** 48 - 1),
    strong: fc.boolean(),
  },
  { noNullPrototype: true },
)

test('strong beats weak, then the later stamp, then the larger name; no term yields to any', () => {
  for (const [i, a] of LADDER.entries()) {
    for (const [j, b] of LADDER.entries()) assert.is(Math.sign(compareTerms(a, b)), Math.sign(i - j), `${i} and ${j}`)
  }
})

test('terms are totally ordered, and only equal ones are the same', () => {
  fc.assert(
    fc.property(terms, terms, terms, (a, b, c) => {
      assert.is(Math.sign(compareTerms(a, b)), 0 - Math.sign(compareTerms(b, a)))
      assert.is(sameTerm(a, b), JSON.stringify(a) === JSON.stringify(b))
      assert.ok(sameTerm(a, { ...a }))
      if (compareTerms(a, b) <= 0 && compareTerms(b, c) <= 0) assert.ok(compareTerms(a, c) <= 0)
    }),
  )
})

test('two members without a term know the same', () => {
  assert.ok(sameTerm(null, null))
  assert.not(sameTerm(null, weak(0, 0, '')))
})

test('a term comes back as it went in', () => {
  fc.assert(
    fc.property(terms, (term) => {
      const writer = new ByteWriter(1)
      encodeTerm(writer, term)
      const reader = new ByteReader(writer.toBuffer())
      assert.equal(decodeTerm(reader), term)
      assert.is(reader.remaining, 0)
    }),
  )
})

test('a term that is truncated at any byte is malformed', () => {
  const writer = new ByteWriter()
  encodeTerm(writer, strong(1_767_225_600_000, 3, 'jackdaw-0', 1_767_225_600_001))
  const whole = writer.toBuffer()
  for (let length = 0; length < whole.length; length++) {
    const cut = (): Term => decodeTerm(new ByteReader(whole.subarray(0, length)))
    assert.throws(cut, (error: Error) => error instanceof MalformedError, `${length} bytes`)
  }
})

test('a term that comes again, or comes back, is the same object; another is not', () => {
  const own = strong(77_000, 3, 'jackdaw-1')
  const read = (term: Term): Term => {
    const writer = new ByteWriter()
    encodeTerm(writer, { ...term })
    return decodeTerm(new ByteReader(writer.toBuffer()))
  }
  const first = read(own)
  assert.equal(first, own)
  assert.is(read(own), first)
  encodeTerm(new ByteWriter(), own)
  for (const other of [
    { ...own, ms: 77_001 },
    { ...own, counter: 4 },
    { ...own, generation: 2 },
    { ...own, strong: false },
    { ...own, name: 'jackdaw-2' },
  ])
    assert.equal(read(other), other)
  // Many others later it is read anew.
  for (let i = 0; i < 200; i++) read(strong(80_000 + i, 0, 'a'))
  assert.equal(read(own), own)
})

test.run()
