/** Entries between members: every field comes back, and what is cut short is refused. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { Entry, NEVER, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { decodeEntry, ENTRY_OVERHEAD, encodeEntry } from '../../src/lib/entry-codec.ts'
import { decodeStamp, encodeStamp } from '../../src/lib/stamp-codec.ts'
import { MAX_STAMP_MS } from '../../src/lib/version.ts'
import { fill, type Held, read } from '../store/held.ts'

const test = suite('entry codec')

const latin1 = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).toString('latin1'))

const held: fc.Arbitrary<Held> = fc.record<Held>(
  {
    key: latin1(40),
    value: latin1(200),
    kind: fc.constantFrom(VALUE_STRING, VALUE_JSON),
    tombstone: fc.boolean(),
    expiresAtMs: fc.oneof(fc.constant(NEVER), fc.integer({ min: 1, max: 2 ** 48 - 1 })),
    ms: fc.integer({ min: 0, max: 2 ** 47 }),
    counter: fc.integer({ min: 0, max: 0xffff }),
    writer: fc.constantFrom('', 'jackdaw-0', 'ü'.repeat(127)),
  },
  { noNullPrototype: true },
)

const SAMPLE: Held = {
  key: 'key',
  value: '{"n":1}',
  kind: VALUE_JSON,
  tombstone: false,
  expiresAtMs: 1_767_225_600_000,
  ms: 1_767_225_500_000,
  counter: 513,
  writer: 'jackdaw-1',
}

function encode(entry: Held, withValue: boolean = true): Buffer {
  const writer = new ByteWriter(8)
  encodeEntry(writer, fill(new Entry(), entry), withValue)
  return writer.toBuffer()
}

test('every entry comes back as it went in, into an entry used before', () => {
  const reused = fill(new Entry(), { ...SAMPLE, tombstone: true })
  fc.assert(
    fc.property(fc.array(held, { maxLength: 5 }), (list) => {
      const reader = new ByteReader(Buffer.concat(list.map((entry) => encode(entry))))
      for (const entry of list) assert.equal(read(decodeEntry(reader, reused)), entry)
      assert.is(reader.remaining, 0)
    }),
  )
})

test('that an entry was outlived is told of those that expire', () => {
  for (const [expiresAtMs, outlived, told] of [
    [5000, true, true],
    [5000, false, false],
    [NEVER, true, false],
  ] as const) {
    const entry = fill(new Entry(), { ...SAMPLE, expiresAtMs })
    entry.outlived = outlived
    const writer = new ByteWriter(8)
    encodeEntry(writer, entry)
    assert.is(decodeEntry(new ByteReader(writer.toBuffer()), new Entry()).outlived, told)
  }
})

test('no entry takes more than the overhead promises', () => {
  fc.assert(
    fc.property(held, (entry) => {
      const own = entry.key.length + entry.value.length + Buffer.byteLength(entry.writer)
      assert.ok(encode(entry).length <= own + ENTRY_OVERHEAD)
    }),
  )
})

test('without its value an entry keeps everything else', () => {
  fc.assert(
    fc.property(held, (entry) => {
      assert.equal(read(decodeEntry(new ByteReader(encode(entry, false)), new Entry())), { ...entry, value: '' })
    }),
  )
})

test('an entry that is truncated at any byte is malformed', () => {
  for (const sample of [SAMPLE, { ...SAMPLE, expiresAtMs: NEVER, value: '' }, { ...SAMPLE, key: '', tombstone: true, value: '' }]) {
    const whole = encode(sample)
    for (let length = 0; length < whole.length; length++) {
      const cut = (): Entry => decodeEntry(new ByteReader(whole.subarray(0, length)), new Entry())
      assert.throws(cut, (error: Error) => error instanceof MalformedError, `${length} of ${whole.length} bytes`)
    }
    assert.equal(read(decodeEntry(new ByteReader(whole), new Entry())), sample)
  }
})

test('the layout is that of proto/peer.proto', () => {
  const expected = new ByteWriter()
    .u8(1 | 4)
    .u48(SAMPLE.ms)
    .u16(SAMPLE.counter)
    .text(SAMPLE.writer)
    .u48(SAMPLE.expiresAtMs)
    .u16(3)
    .raw(Buffer.from('key'))
    .block(Buffer.from(SAMPLE.value))
    .toBuffer()
  assert.equal(encode(SAMPLE), expected)
  const tombstone = encode({ ...SAMPLE, kind: VALUE_STRING, value: '', tombstone: true, expiresAtMs: NEVER })
  assert.is(tombstone[0], 2)
})

test('a decoded entry is a window into the bytes that came, not a copy', () => {
  const bytes = encode(SAMPLE)
  const entry = decodeEntry(new ByteReader(bytes), new Entry())
  assert.is(entry.key, bytes)
  assert.is(entry.value, bytes)
})

test('a name that is no UTF-8 is refused, and does not spoil those after it', () => {
  const bytes = new ByteWriter()
  encodeEntry(bytes, fill(new Entry(), { ...SAMPLE, writer: 'abc' }))
  const broken = bytes.toBuffer()
  broken.fill(0xff, 10, 13)
  for (let i = 0; i < 2; i++) {
    assert.throws(
      () => decodeEntry(new ByteReader(broken), new Entry()),
      (error: Error) => error instanceof MalformedError,
    )
    assert.is(decodeEntry(new ByteReader(bytes.toBuffer()), new Entry()).writer, 'abc')
  }
})

test('a stamp that is so late that none could be above it is refused', () => {
  const encode = (ms: number): Buffer => {
    const bytes = new ByteWriter()
    encodeEntry(bytes, fill(new Entry(), { ...SAMPLE, ms }))
    return bytes.toBuffer()
  }
  assert.is(decodeEntry(new ByteReader(encode(MAX_STAMP_MS)), new Entry()).ms, MAX_STAMP_MS)
  for (const ms of [MAX_STAMP_MS + 1, 2 ** 48 - 1]) {
    assert.throws(
      () => decodeEntry(new ByteReader(encode(ms)), new Entry()),
      (error: Error) => error instanceof MalformedError,
    )
    assert.throws(
      () => decodeStamp(new ByteReader(encodeStamp(new ByteWriter(), { ms, counter: 0 }).toBuffer())),
      (error: Error) => error instanceof MalformedError,
    )
  }
})

test('a key or a name that its field cannot tell is refused, and nothing is written', () => {
  const bytes = new ByteWriter()
  assert.throws(() => encodeEntry(bytes, fill(new Entry(), { ...SAMPLE, key: 'k'.repeat(65_536) })), RangeError)
  assert.throws(() => encodeEntry(bytes, fill(new Entry(), { ...SAMPLE, writer: 'w'.repeat(256) })), RangeError)
  assert.is(bytes.length, 0)
})

test.run()
