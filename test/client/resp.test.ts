/** RESP as the client speaks it: whole, byte by byte, split everywhere, and beyond its bounds. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ProtocolError, ServerError } from '../../src/client/errors.ts'
import { encodeCommands, type Reply, ReplyDecoder, type ReplyLimits } from '../../src/client/resp.ts'

const test = suite('client: resp')

const LIMITS: ReplyLimits = { maxBulkBytes: 1024, maxReplyBytes: 4096 }

function decode(chunks: readonly Buffer[], limits: ReplyLimits = LIMITS): unknown[] {
  const replies: unknown[] = []
  const decoder = new ReplyDecoder(limits, (reply) => replies.push(plain(reply)))
  for (const chunk of chunks) decoder.push(chunk)
  return replies
}

/** Errors and bytes as something that compares. */
function plain(reply: Reply): unknown {
  if (reply instanceof ServerError) return `error ${reply.replyCode}: ${reply.message}`
  if (Buffer.isBuffer(reply)) return `bytes ${reply.toString('latin1')}`
  return Array.isArray(reply) ? reply.map(plain) : reply
}

const CASES: readonly (readonly [string, unknown])[] = [
  ['+OK\r\n', 'OK'],
  ['+\r\n', ''],
  ['-ERR no such thing\r\n', 'error ERR: ERR no such thing'],
  [':0\r\n', 0],
  [':-2\r\n', -2],
  [':9007199254740993\r\n', 9007199254740993n],
  ['$-1\r\n', null],
  ['$0\r\n\r\n', 'bytes '],
  ['$5\r\na\r\nb\n\r\n', 'bytes a\r\nb\n'],
  ['*-1\r\n', null],
  ['*0\r\n', []],
  ['*3\r\n$1\r\na\r\n$-1\r\n:7\r\n', ['bytes a', null, 7]],
  ['*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n-OOM full\r\n', [[1, []], ['error OOM: OOM full']]],
]

test('replies are the same whole, byte by byte, and split at every boundary', () => {
  for (const [wire, expected] of CASES) {
    const bytes = Buffer.from(wire, 'latin1')
    assert.equal(decode([bytes]), [expected], wire)
    assert.equal(decode([...bytes].map((byte) => Buffer.from([byte]))), [expected], wire)
    for (let at = 0; at <= bytes.length; at++)
      assert.equal(decode([bytes.subarray(0, at), bytes.subarray(at)]), [expected], `${wire} at ${at}`)
  }
})

test('replies that come in one chunk are told apart, wherever two chunks meet', () => {
  const bytes = Buffer.from(CASES.map(([wire]) => wire).join(''), 'latin1')
  const expected = CASES.map(([, reply]) => reply)
  for (let at = 0; at <= bytes.length; at++) assert.equal(decode([bytes.subarray(0, at), bytes.subarray(at)]), expected)
})

test('a value does not share memory with the chunk it came in', () => {
  const chunk = Buffer.from('$3\r\nabc\r\n')
  const replies: Reply[] = []
  new ReplyDecoder(LIMITS, (reply) => replies.push(reply)).push(chunk)
  chunk.fill(0)
  assert.is(String(replies[0]), 'abc')
})

test('what is no reply is refused', () => {
  const wrong = [
    '?\r\n',
    '\r\n',
    '+OK\n',
    ':\r\n',
    ':1.5\r\n',
    ':99999999999999999999\r\n',
    '$-2\r\n',
    '$x\r\n',
    '$1\r\nab\r\n',
    '*-2\r\n',
    '_\r\n',
  ]
  for (const wire of wrong) assert.throws(() => decode([Buffer.from(wire)]), isProtocolError, wire)
})

test('a value over the limit is refused by its announcement, before any of it comes', () => {
  assert.throws(() => decode([Buffer.from('$1025\r\n')]), isProtocolError)
  assert.throws(() => decode([Buffer.from('$9999999999\r\n')]), isProtocolError)
  assert.equal(decode([Buffer.from('$1024\r\n')]), [])
})

test('a reply over the limit is refused, however it is cut into values', () => {
  const values = '$1000\r\n'.concat('x'.repeat(1000), '\r\n')
  assert.throws(() => decode([Buffer.from(`*5\r\n${values.repeat(5)}`)]), isProtocolError)
  assert.throws(() => decode([Buffer.from(`*9999999999\r\n${':1\r\n'.repeat(1100)}`)]), isProtocolError)
  assert.is(decode([Buffer.from(values.repeat(50))]).length, 50, 'the limit is for one reply')
})

test('an array that is announced and does not come costs nothing', () => {
  assert.equal(decode([Buffer.from('*9999999999\r\n')]), [])
})

test('nesting and lines are bounded', () => {
  assert.throws(() => decode([Buffer.from('*1\r\n'.repeat(9))]), isProtocolError)
  assert.throws(() => decode([Buffer.from(`+${'x'.repeat(70_000)}`)], { maxBulkBytes: 1, maxReplyBytes: 1e9 }), isProtocolError)
  const chunks = Array.from({ length: 70 }, () => Buffer.from('+'.repeat(1000)))
  assert.throws(() => decode(chunks, { maxBulkBytes: 1, maxReplyBytes: 1e9 }), isProtocolError)
})

test('commands are arrays of bulk strings, one after the other', () => {
  const encoded = encodeCommands([
    ['SET', 'ü', Buffer.from([0, 255])],
    ['INCRBY', '', -12, 2n ** 60n],
  ])
  const expected =
    '*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xbc\r\n$2\r\n\x00\xff\r\n*4\r\n$6\r\nINCRBY\r\n$0\r\n\r\n$3\r\n-12\r\n$19\r\n1152921504606846976\r\n'
  assert.is(encoded.toString('latin1'), expected)
})

test('a command of many words is counted right', () => {
  const encoded = encodeCommands([Array.from({ length: 1234 }, (_, i) => 'x'.repeat(i))])
  assert.is(encoded.subarray(0, 7).toString(), '*1234\r\n')
  assert.is(encoded.subarray(-2).toString(), '\r\n')
})

function isProtocolError(error: unknown): boolean {
  return error instanceof ProtocolError
}

test.run()
