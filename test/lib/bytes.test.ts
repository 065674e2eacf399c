/** Reading and writing packed layouts: what is written is read, what is not there is never read. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, compareBytes, endsWith, MalformedError, startsWith } from '../../src/lib/bytes.ts'

const test = suite('bytes')

const malformed = (error: Error): boolean => error instanceof MalformedError

interface Field {
  readonly write: (writer: ByteWriter) => void
  readonly check: (reader: ByteReader) => void
}

function field<T>(value: T, write: (writer: ByteWriter, value: T) => void, read: (reader: ByteReader) => T): Field {
  return { write: (writer) => write(writer, value), check: (reader) => assert.equal(read(reader), value) }
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array): Buffer => Buffer.from(array))

const fields: fc.Arbitrary<Field> = fc.oneof(
  fc.integer({ min: 0, max: 0xff }).map((n) =>
    field(
      n,
      (w, value) => w.u8(value),
      (r) => r.u8(),
    ),
  ),
  fc.integer({ min: 0, max: 0xffff }).map((n) =>
    field(
      n,
      (w, value) => w.u16(value),
      (r) => r.u16(),
    ),
  ),
  fc.integer({ min: 0, max: 0xffffffff }).map((n) =>
    field(
      n,
      (w, value) => w.u32(value),
      (r) => r.u32(),
    ),
  ),
  fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((n) =>
    field(
      n,
      (w, value) => w.u48(value),
      (r) => r.u48(),
    ),
  ),
  fc.double().map((n) =>
    field(
      n,
      (w, value) => w.f64(value),
      (r) => r.f64(),
    ),
  ),
  fc
    .string({ maxLength: 60, unit: 'grapheme' })
    .filter((text) => Buffer.byteLength(text) <= 255)
    .map((text) =>
      field(
        text,
        (w, value) => w.text(value),
        (r) => r.text(),
      ),
    ),
  bytes.map((block) =>
    field(
      block,
      (w, value) => w.block(value),
      (r) => r.block(),
    ),
  ),
  bytes.map((raw) =>
    field(
      raw,
      (w, value) => w.raw(value),
      (r) => r.raw(raw.length),
    ),
  ),
)

test('any run of fields comes back as it went in, whatever the writer began with', () => {
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 30 }), fc.integer({ min: 1, max: 64 }), (list, capacity) => {
      const writer = new ByteWriter(capacity)
      for (const { write } of list) write(writer)
      const written = writer.toBuffer()
      assert.is(written.length, writer.length)
      const reader = new ByteReader(written)
      for (const { check } of list) check(reader)
      assert.is(reader.remaining, 0)
    }),
  )
})

test('a run of fields cut anywhere is malformed', () => {
  const whole = new ByteWriter()
    .u8(1)
    .u16(2)
    .u32(3)
    .u48(4)
    .f64(5)
    .text('six')
    .block(Buffer.from('seven'))
    .raw(Buffer.from('eight'))
    .toBuffer()
  for (let length = 0; length < whole.length; length++) {
    const reader = new ByteReader(whole.subarray(0, length))
    const readAll = (): void => {
      reader.u8()
      reader.u16()
      reader.u32()
      reader.u48()
      reader.f64()
      reader.text()
      reader.block()
      reader.raw(5)
    }
    assert.throws(readAll, malformed, `${length} bytes`)
  }
})

test('a reader of a range sees nothing beyond it', () => {
  const reader = new ByteReader(Buffer.from([9, 1, 2, 3, 9, 9, 9, 9]), 1, 4)
  assert.is(reader.remaining, 3)
  assert.throws(() => reader.u32(), malformed)
  assert.is(reader.remaining, 3, 'a refused read takes nothing')
  assert.is(reader.u16(), 0x0102)
  assert.is(reader.at, 3)
  assert.throws(() => reader.u16(), malformed)
  assert.is(reader.u8(), 3)
  assert.throws(() => reader.u8(), malformed)
  assert.throws(() => reader.skip(1), malformed)
  assert.throws(() => reader.raw(1), malformed)
  assert.equal(reader.raw(0), Buffer.alloc(0))
})

test('a block over its limit is malformed, even when its bytes are there', () => {
  const whole = new ByteWriter().block(Buffer.alloc(10)).toBuffer()
  assert.throws(() => new ByteReader(whole).block(9), malformed)
  assert.is(new ByteReader(whole).block(10).length, 10)
})

test('a block that claims 4 GiB is malformed', () => {
  assert.throws(() => new ByteReader(new ByteWriter().u32(0xffffffff).raw(Buffer.alloc(20)).toBuffer()).block(), malformed)
})

test('a view is read in place, and skip tells where the bytes begin', () => {
  const buffer = Buffer.from('..abc..')
  const reader = new ByteReader(buffer, 2, 5)
  const view = reader.raw(3)
  buffer[2] = 0x41
  assert.is(view.toString(), 'Abc')
  assert.is(new ByteReader(buffer, 2, 5).skip(3), 2)
})

test('numbers are big-endian', () => {
  assert.equal(new ByteWriter().u16(0x0102).u32(0x03040506).u48(0x0708090a0b0c).toBuffer(), Buffer.from('0102030405060708090a0b0c', 'hex'))
})

test('a writer grows past any size at once, and keeps what was written', () => {
  const writer = new ByteWriter(1).u8(7).raw(Buffer.alloc(100_000, 1)).u8(8)
  const written = writer.toBuffer()
  assert.is(written.length, 100_002)
  assert.is(written[0], 7)
  assert.is(written[100_000], 1)
  assert.is(written[100_001], 8)
})

test('what a writer gave is not touched by what it writes later', () => {
  const writer = new ByteWriter(4).u32(1)
  const first = writer.toBuffer()
  writer.reset()
  assert.is(writer.length, 0)
  writer.u16(0xffff)
  assert.equal(first, Buffer.from([0, 0, 0, 1]))
  assert.equal(writer.toBuffer(), Buffer.from([0xff, 0xff]))
})

test('a count is patched where it was left open', () => {
  const writer = new ByteWriter(2).u8(0).u32(0).u8(9)
  writer.patchU32(1, 0xfffffffe)
  writer.patchU8(0, 5)
  assert.equal(writer.toBuffer(), Buffer.from([5, 0xff, 0xff, 0xff, 0xfe, 9]))
})

test('a part of a source is written by its range', () => {
  const source = Buffer.from('abcdef')
  assert.equal(new ByteWriter(1).raw(source, 2, 4).toBuffer(), Buffer.from('cd'))
  assert.equal(new ByteWriter(1).raw(source, 3).toBuffer(), Buffer.from('def'))
  assert.equal(new ByteWriter(1).block(source, 1, 3).toBuffer(), Buffer.from([0, 0, 0, 2, 0x62, 0x63]))
})

test('a short text is written as a long one is, also where a character has more bytes than one', () => {
  for (const text of [
    '',
    'a',
    'jackdaw-0',
    'x'.repeat(24),
    'x'.repeat(25),
    'ä',
    `${'x'.repeat(23)}ä`,
    `${'x'.repeat(11)}€${'y'.repeat(5)}`,
    '\u0000\u007f\u0080',
  ]) {
    const written = new ByteWriter(1).u8(7).text(text).u8(9).toBuffer()
    const bytes = Buffer.from(text)
    assert.equal(written, Buffer.concat([Buffer.from([7, bytes.length]), bytes, Buffer.from([9])]), text)
  }
})

test('a text holds 255 bytes of UTF-8 and no more', () => {
  const longest = `${'ä'.repeat(127)}a`
  assert.is(new ByteReader(new ByteWriter(1).text(longest).toBuffer()).text(), longest)
  const writer = new ByteWriter()
  assert.throws(
    () => writer.text('ä'.repeat(128)),
    (error: Error) => error instanceof RangeError,
  )
  assert.is(writer.length, 0, 'a refused text leaves nothing behind')
})

const NO_TEXTS: readonly (readonly [string, readonly number[]])[] = [
  ['a byte that no character begins with', [0x61, 0xff]],
  ['255 of them, which would be 765 when they are written again', new Array(255).fill(0xff)],
  ['a character that is cut off', [0x61, 0xc3]],
  ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ['a character in more bytes than it needs', [0xc0, 0xaf]],
]

for (const [what, content] of NO_TEXTS) {
  test(`a text that is no UTF-8 is malformed: ${what}`, () => {
    const reader = new ByteReader(Buffer.from([content.length, ...content, 7]))
    assert.throws(() => reader.text(), malformed)
  })
}

test('whatever 255 bytes or fewer are read as a text can be written again, the same', () => {
  const random = fc.uint8Array({ maxLength: 255 })
  const texts = fc.string({ maxLength: 60, unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text)))
  fc.assert(
    fc.property(fc.oneof(random, texts), (content) => {
      const written = Buffer.from([content.length, ...content])
      let text: string
      try {
        text = new ByteReader(written).text()
      } catch (error) {
        assert.instance(error, MalformedError)
        assert.not.equal(Buffer.from(Buffer.from(content).toString()), Buffer.from(content))
        return
      }
      assert.equal(new ByteWriter().text(text).toBuffer(), written)
    }),
  )
})

test('bytes are ordered as memcmp orders them, the shorter of equal prefixes first', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
      assert.is(Math.sign(compareBytes(a, 0, a.length, b, 0, b.length)), Buffer.compare(a, b))
      const [c, d] = [Buffer.concat([Buffer.from('>'), a, Buffer.from('<')]), Buffer.concat([Buffer.from('>>'), b])]
      assert.is(Math.sign(compareBytes(c, 1, 1 + a.length, d, 2, 2 + b.length)), Buffer.compare(a, b))
    }),
  )
})

test('prefixes and suffixes are looked for inside the range only', () => {
  const text = Buffer.from('xabcx')
  const cases: readonly (readonly [number, number, string, boolean, boolean])[] = [
    [1, 4, '', true, true],
    [1, 4, 'abc', true, true],
    [1, 4, 'ab', true, false],
    [1, 4, 'bc', false, true],
    [1, 4, 'xabc', false, false],
    [1, 4, 'abcx', false, false],
    [1, 1, 'a', false, false],
    [1, 1, '', true, true],
  ]
  for (const [start, end, part, starts, ends] of cases) {
    assert.is(startsWith(text, start, end, Buffer.from(part)), starts, `starts with ${part}`)
    assert.is(endsWith(text, start, end, Buffer.from(part)), ends, `ends with ${part}`)
  }
})

test.run()
