import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReplyWriter } from '../../../src/gateway/resp/reply-writer.ts'

const test = suite('gateway/resp/reply-writer')

/** What `write` writes in a version of the protocol, through a slab of the given size. */
function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void, slabBytes = 64): string {
  let text = ''
  const reply = new ReplyWriter(
    {
      take: (buffer, end) => {
        text += buffer.toString('latin1', 0, end)
        return true
      },
    },
    slabBytes,
  )
  reply.protocol = protocol
  write(reply)
  reply.flush()
  return text
}

const CASES: readonly [name: string, write: (reply: ReplyWriter) => void, resp2: string, resp3: string][] = [
  ['a simple string', (r) => r.simple('PONG'), '+PONG\r\n', '+PONG\r\n'],
  ['OK', (r) => r.ok(), '+OK\r\n', '+OK\r\n'],
  ['an error', (r) => r.error('ERR no\r\nway'), '-ERR no  way\r\n', '-ERR no  way\r\n'],
  ['an integer', (r) => r.integer(1024), ':1024\r\n', ':1024\r\n'],
  ['a bulk string', (r) => r.bulk(Buffer.from('xhellox'), 1, 6), '$5\r\nhello\r\n', '$5\r\nhello\r\n'],
  ['an empty bulk string', (r) => r.bulk(Buffer.alloc(0)), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['UTF-8', (r) => r.text('é'), '$2\r\n\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
  ['no value', (r) => r.nil(), '$-1\r\n', '_\r\n'],
  ['no array', (r) => r.nilArray(), '*-1\r\n', '_\r\n'],
  ['an array', (r) => r.array(2), '*2\r\n', '*2\r\n'],
  ['a map', (r) => r.map(2), '*4\r\n', '%2\r\n'],
  ['a set', (r) => r.set(3), '*3\r\n', '~3\r\n'],
  ['a push', (r) => r.push(3), '*3\r\n', '>3\r\n'],
  ['a double', (r) => r.double(2.5), '$3\r\n2.5\r\n', ',2.5\r\n'],
  ['infinity', (r) => r.double(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['true', (r) => r.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (r) => r.boolean(false), ':0\r\n', '#f\r\n'],
  ['verbatim text', (r) => r.verbatim('txt', 'hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
  ['a big number', (r) => r.bigNumber(2n ** 70n), '$22\r\n1180591620717411303424\r\n', '(1180591620717411303424\r\n'],
]

for (const [name, write, resp2, resp3] of CASES) {
  test(`${name} is written in either version`, () => {
    assert.is(written(2, write), resp2)
    assert.is(written(3, write), resp3)
  })
}

test('integers of every length are exact', () => {
  for (const value of [0, 9, 10, 99, 100, 12_345, 999_999_999, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, -1, -(2 ** 31)]) {
    assert.is(
      written(2, (r) => r.integer(value)),
      `:${value}\r\n`,
    )
  }
  assert.is(
    written(2, (r) => r.integer(-9_223_372_036_854_775_808n)),
    ':-9223372036854775808\r\n',
  )
})

test('replies of all sizes come through a small slab whole and in order', () => {
  let expected = ''
  const text = written(2, (reply) => {
    for (let length = 0; length < 300; length++) {
      const value = 'v'.repeat(length)
      reply.bulk(Buffer.from(value))
      reply.integer(length)
      expected += `$${length}\r\n${value}\r\n:${length}\r\n`
    }
  })
  assert.is(text, expected)
})

test('a slab that the sink keeps is never written to again', () => {
  const kept: { buffer: Buffer; end: number }[] = []
  const reply = new ReplyWriter(
    {
      take: (buffer, end) => {
        kept.push({ buffer, end })
        return false
      },
    },
    64,
  )
  for (let i = 0; i < 100; i++) reply.bulk(Buffer.from(`value-${i}`))
  reply.flush()
  const text = kept.map(({ buffer, end }) => buffer.toString('latin1', 0, end)).join('')
  assert.is(text, Array.from({ length: 100 }, (_, i) => `$${`value-${i}`.length}\r\nvalue-${i}\r\n`).join(''))
})

test.run()
