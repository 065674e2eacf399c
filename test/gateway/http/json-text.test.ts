import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PairReader } from '../../../src/gateway/http/json-pairs.ts'
import { appendString, appendValue } from '../../../src/gateway/http/json-text.ts'
import { ByteWriter } from '../../../src/lib/bytes.ts'
import { Entry, VALUE_JSON } from '../../../src/lib/entry.ts'

const test = suite('json text')

function quoted(text: string): string {
  const bytes = Buffer.from(`<${text}>`)
  const out = new ByteWriter(1)
  appendString(out, bytes, 1, bytes.length - 1)
  return out.toBuffer().toString()
}

test('every character is written as JavaScript writes it', () => {
  const all = Array.from({ length: 0x180 }, (_, point) => String.fromCodePoint(point)).join('')
  for (const text of ['', 'three', all, '\u2028\u2029', '\u{1f600}', '"', '\\', '\n', 'a"b"\\c\nd'])
    assert.is(quoted(text), JSON.stringify(text))
})

test('any string value survives being answered and set again, UTF-8 or not', () => {
  void fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        const out = new ByteWriter()
        out.raw(Buffer.from('{"k":'))
        appendValue(out, new Entry().setValue(Buffer.from(bytes)))
        out.raw(Buffer.from('}'))
        const reader = new PairReader(out.toBuffer(), null, { maxKeyBytes: 1, maxValueBytes: 1000 })
        assert.ok(reader.read())
        const [request] = reader.requests
        assert.equal(request?.value, Buffer.from(bytes))
      },
    ),
  )
})

test('a JSON value is written as it is', () => {
  const out = new ByteWriter()
  const entry = new Entry().setValue(Buffer.from('x1.0x'), 1, 4)
  entry.kind = VALUE_JSON
  appendValue(out, entry)
  assert.is(out.toBuffer().toString(), '1.0')
})

test.run()
