/** The collector: a reply kept apart, moved whole, and the same collector used again. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Collector } from '../../../src/gateway/resp/collector.ts'
import { type ReplySink, ReplyWriter } from '../../../src/gateway/resp/reply-writer.ts'

const test = suite('collector')

function target(): { readonly writer: ReplyWriter; readonly text: () => string } {
  const chunks: Buffer[] = []
  const sink: ReplySink = {
    take: (buffer, end) => {
      chunks.push(Buffer.from(buffer.subarray(0, end)))
      return true
    },
  }
  const writer = new ReplyWriter(sink, 1024)
  const text = (): string => {
    writer.flush()
    return Buffer.concat(chunks).toString()
  }
  return { writer, text }
}

test('what is used again holds nothing of what was in it, long or short', () => {
  const collector = new Collector()
  const { writer, text } = target()
  let expected = ''
  for (const length of [3, 5000, 0, 511, 512, 513, 20]) {
    const value = 'v'.repeat(length)
    collector.open(2).reply.bulk(Buffer.from(value))
    assert.ok(collector.bytes >= length)
    collector.moveTo(writer)
    assert.is(collector.bytes, 0)
    expected += `$${length}\r\n${value}\r\n`
  }
  assert.is(text(), expected)
})

test('beyond the limit nothing is kept, and whoever asked is told', () => {
  const collector = new Collector()
  let overflows = 0
  const { reply } = collector.open(2, 1000, () => overflows++)
  for (let i = 0; i < 10; i++) reply.bulk(Buffer.alloc(600))
  reply.flush()
  assert.ok(overflows > 0)
  const { writer, text } = target()
  collector.moveTo(writer)
  assert.is(text(), '')
  collector.open(3).reply.nil()
  collector.moveTo(writer)
  assert.is(text(), '_\r\n')
  assert.ok(overflows < 20)
})

test.run()
