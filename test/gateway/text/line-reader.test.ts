import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LineReader } from '../../../src/gateway/text/line-reader.ts'

const test = suite('line reader')

const LIMIT = 16

/** The lines as Latin-1, `<over>` for one that is too long, and whether the beginning of another is left. */
function readAll(chunks: readonly Buffer[], limit: number = LIMIT): { lines: string[]; partial: boolean } {
  const reader = new LineReader(limit)
  const lines: string[] = []
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk))
    for (let result = reader.next(); result !== 'more'; result = reader.next()) {
      lines.push(result === 'over' ? '<over>' : reader.bytes.toString('latin1', reader.start, reader.end))
    }
  }
  return { lines, partial: reader.partial }
}

const IAC_WILL_NAOCRD = '\xff\xfb\x0a'
const SUBNEGOTIATION = '\xff\xfa\x18\x00\x0a\xff\xffx\xff\xf0'

const TABLE: readonly (readonly [input: string, lines: readonly string[], partial: boolean])[] = [
  ['', [], false],
  ['PING\n', ['PING'], false],
  ['PING\r\n', ['PING'], false],
  ['PING\r\r\n', ['PING\r'], false],
  ['\n\r\n', ['', ''], false],
  ['a\nb\r\nc\n', ['a', 'b', 'c'], false],
  ['a\nhalf', ['a'], true],
  ['a\rb\n', ['a\rb'], false],
  [`${'x'.repeat(16)}\n`, ['x'.repeat(16)], false],
  [`${'x'.repeat(17)}\nb\n`, ['<over>', 'b'], false],
  [`${'x'.repeat(500)}\r\nb\n`, ['<over>', 'b'], false],
  [`a\n${'x'.repeat(40)}`, ['a', '<over>'], true],
  [`${IAC_WILL_NAOCRD}PING\n`, ['PING'], false],
  [`${IAC_WILL_NAOCRD}\xff\xfd\x03${SUBNEGOTIATION}\xff\xf1PING\r\nGET a\xff\xfb\n`, ['PING', 'GET a\xff\xfb'], false],
  [`PING\n\xff\xf4\xff\xfd\x06PING\n`, ['PING', 'PING'], false],
  ['\xff\nPING\n', ['', 'PING'], false],
  ['\xff', [], true],
  ['\xff\xfa\x18never ended\n', [], true],
]

for (const [input, lines, partial] of TABLE) {
  test(`${JSON.stringify(input).slice(0, 60)} reads the same whole, byte by byte and split anywhere`, () => {
    const bytes = Buffer.from(input, 'latin1')
    assert.equal(readAll([bytes]), { lines, partial })
    assert.equal(readAll([...bytes].map((byte) => Buffer.from([byte]))), { lines, partial })
    for (let at = 1; at < bytes.length; at++) assert.equal(readAll([bytes.subarray(0, at), bytes.subarray(at)]), { lines, partial })
  })
}

test('a line over the limit is reported before it has ended, once, and not held', () => {
  const reader = new LineReader(1000)
  const results: string[] = []
  for (let i = 0; i < 100; i++) {
    reader.push(Buffer.alloc(64 * 1024, 'x'))
    for (let result = reader.next(); result !== 'more'; result = reader.next()) results.push(result)
  }
  assert.equal(results, ['over'])
  assert.is(reader.bytes.length, 0)
})

test.run()
