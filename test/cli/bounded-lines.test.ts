import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { boundedLines, type Line } from '../../src/cli/bounded-lines.ts'

const test = suite('cli: bounded lines')

async function read(chunks: readonly Buffer[], maxBytes: number = 100): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of boundedLines(Readable.from(chunks), maxBytes)) lines.push(line)
  return lines
}

test('lines are the same however the bytes are cut', async () => {
  const bytes = Buffer.from('erste\n\nzwölf\r\nno end')
  const expected = [
    { text: 'erste', number: 1, endsAt: 6 },
    { text: '', number: 2, endsAt: 7 },
    { text: 'zwölf\r', number: 3, endsAt: 15 },
    { text: 'no end', number: 4, endsAt: 21 },
  ]
  assert.equal(await read([...bytes].map((byte) => Buffer.from([byte]))), expected)
  for (let at = 0; at <= bytes.length; at++)
    assert.equal(await read([bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0)), expected)
})

test('an empty input has no line', async () => {
  assert.equal(await read([]), [])
})

test('a line that is too long or not UTF-8 is refused with its number', async () => {
  const problem = (chunks: Buffer[]): Promise<string> =>
    read(chunks, 5).then(
      () => 'none',
      (error: Error) => error.message,
    )
  assert.is(await problem([Buffer.from('a\n12345\n123'), Buffer.from('456')]), 'line 3: longer than 5 bytes')
  assert.is(await problem([Buffer.from('a\n\xff\n', 'latin1')]), 'line 2: not UTF-8')
  assert.is(await problem([Buffer.from('12345\n12345')]), 'none')
})

test.run()
