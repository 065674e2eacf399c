import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendEscaped, appendJson, unescapeInPlace } from '../../../src/gateway/text/escape.ts'
import { ByteWriter } from '../../../src/lib/bytes.ts'

const test = suite('escape')

function written(stored: Buffer): Buffer {
  const out = new ByteWriter()
  appendEscaped(out, Buffer.concat([Buffer.from('\\'), stored, Buffer.from('n')]), 1, 1 + stored.length)
  return out.toBuffer()
}

function read(line: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from('\\'), line, Buffer.from('n')])
  return bytes.subarray(1, unescapeInPlace(bytes, 1, 1 + line.length))
}

/** Stored, and how it stands on the wire. */
const TABLE: readonly (readonly [string, string])[] = [
  ['', ''],
  ['plain', 'plain'],
  ['two\nlines', 'two\\nlines'],
  ['\r\n', '\\r\\n'],
  ['C:\\temp\\x', 'C:\\temp\\x'],
  ['C:\\new', 'C:\\\\new'],
  ['C:\\room', 'C:\\\\room'],
  ['\\', '\\'],
  ['\\\\', '\\\\\\'],
  ['\\\\\\', '\\\\\\\\\\'],
  ['\\\n', '\\\\\\n'],
  ['\\\r', '\\\\\\r'],
  ['a\\', 'a\\'],
  ['tab\tand "quotes"', 'tab\tand "quotes"'],
]

for (const [stored, line] of TABLE) {
  test(`${JSON.stringify(stored)} is written ${JSON.stringify(line)} and read back`, () => {
    assert.is(written(Buffer.from(stored)).toString(), line)
    assert.is(read(Buffer.from(line)).toString(), stored)
  })
}

test('a backslash before any other byte is itself, and at the end too', () => {
  assert.is(read(Buffer.from('\\t\\x\\"\\')).toString(), '\\t\\x\\"\\')
})

test('whatever is stored has no line break on the wire, is at most twice as long, and comes back', () => {
  const byte = fc.oneof(fc.constantFrom(0x5c, 0x6e, 0x72, 0x0a, 0x0d), fc.nat(255))
  void fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
      const stored = Buffer.from(bytes)
      const line = written(stored)
      assert.not(line.includes(0x0a))
      assert.not(line.includes(0x0d))
      assert.ok(line.length <= 2 * stored.length)
      assert.ok(read(line).equals(stored))
    }),
    { numRuns: 2000 },
  )
})

test('a JSON text keeps its backslashes, and its line breaks become spaces', () => {
  const text = Buffer.from('{\r\n"a":"x\\ny\\\\"\n}')
  const out = new ByteWriter()
  appendJson(out, text, 0, text.length)
  assert.is(out.toBuffer().toString(), '{  "a":"x\\ny\\\\" }')
  assert.equal(JSON.parse(out.toBuffer().toString()), JSON.parse(text.toString()))
})

test.run()
