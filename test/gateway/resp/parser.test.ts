import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMMAND, MALFORMED, NEEDS_MORE, Parser } from '../../../src/gateway/resp/parser.ts'

const test = suite('gateway/resp/parser')

const LIMITS = { maxBulkBytes: 1000, maxRequestBytes: 5000 }

/** Feeds the pieces and collects the commands, each as a list of latin1 strings; what is malformed ends it, as `!error`. */
function parse(pieces: readonly Buffer[], limits = LIMITS): string[][] {
  const parser = new Parser(limits)
  const commands: string[][] = []
  // One piece is lent after the other in the same memory, as from a socket.
  const lent = Buffer.alloc(Math.max(...pieces.map(({ length }) => length)))
  for (const piece of pieces) {
    piece.copy(lent)
    parser.push(lent, piece.length)
    for (;;) {
      const found = parser.next()
      if (found === NEEDS_MORE) break
      if (found === MALFORMED) return [...commands, [`!${parser.error}`]]
      const { args } = parser
      commands.push(Array.from({ length: args.count }, (_, i) => args.text(i, 'latin1')))
    }
    parser.own()
  }
  return commands
}

function bulks(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

function failure(input: string, limits = LIMITS): string {
  return parse([Buffer.from(input, 'latin1')], limits).at(-1)?.[0] ?? ''
}

const STREAM = Buffer.from(
  `${bulks('SET', 'key', 'a\r\nb')}PING\r\n${bulks('GET', '')}\r\n*0\r\n*-1\r\nset "a b" 'c\\'d'\n${bulks('X'.repeat(300), '\0\xff')}`,
  'latin1',
)
const COMMANDS = [['SET', 'key', 'a\r\nb'], ['PING'], ['GET', ''], ['set', 'a b', "c'd"], ['X'.repeat(300), '\0\xff']]

test('commands that come whole are read where they lie', () => {
  const parser = new Parser(LIMITS)
  const piece = Buffer.from(bulks('GET', 'k'))
  parser.push(piece)
  assert.is(parser.next(), COMMAND)
  assert.is(parser.args.buffer, piece)
  assert.is(parser.next(), NEEDS_MORE)
  assert.is(parser.pendingBytes, 0)
})

test('a stream of arrays and inline commands is read in one piece', () => {
  assert.equal(parse([STREAM]), COMMANDS)
})

test('the same stream is read byte by byte', () => {
  assert.equal(parse(Array.from(STREAM, (byte) => Buffer.from([byte]))), COMMANDS)
})

test('the same stream is read when it is split at any place', () => {
  for (let at = 0; at <= STREAM.length; at++) assert.equal(parse([STREAM.subarray(0, at), STREAM.subarray(at)]), COMMANDS, `at ${at}`)
})

test('the same stream is read when it is split at any two places', () => {
  for (let first = 0; first <= 120; first++) {
    for (let second = first; second <= 120; second += 7) {
      const pieces = [STREAM.subarray(0, first), STREAM.subarray(first, second), STREAM.subarray(second)]
      assert.equal(parse(pieces), COMMANDS, `at ${first} and ${second}`)
    }
  }
})

test('arguments stay readable while more is pushed and carried', () => {
  const parser = new Parser(LIMITS)
  const input = Buffer.from(bulks('GET', 'first') + bulks('GET', 'second'))
  parser.push(Buffer.from(input.subarray(0, 30)))
  assert.is(parser.next(), COMMAND)
  const { args } = parser
  parser.push(Buffer.from(input.subarray(30)))
  assert.is(args.text(1), 'first')
})

test('what was lent may be overwritten once it is owned: arguments, the commands that follow, and half of one', () => {
  const input = Buffer.from(bulks('GET', 'first') + bulks('GET', 'second') + bulks('GET', 'third') + bulks('GET', 'fourth').slice(0, 9))
  for (let owned = 1; owned <= 4; owned++) {
    const parser = new Parser(LIMITS)
    const lent = Buffer.from(input)
    parser.push(lent)
    for (let found = 0; found < owned; found++) parser.next()
    parser.own()
    lent.fill('!')
    if (owned < 4) assert.is(parser.args.text(1), ['first', 'second', 'third'][owned - 1])
    const rest = []
    while (parser.next() === COMMAND) rest.push(parser.args.text(1))
    assert.equal(rest, ['second', 'third'].slice(owned - 1))
    parser.push(Buffer.from(bulks('GET', 'fourth').slice(9)))
    assert.is(parser.next(), COMMAND)
    assert.is(parser.args.text(1), 'fourth')
  }
})

test('a large value in many pieces is moved a bounded number of times', () => {
  const value = Buffer.alloc(4 * 1024 * 1024, 'x')
  const limits = { maxBulkBytes: value.length, maxRequestBytes: value.length + 1000 }
  const input = Buffer.concat([Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n`), value, Buffer.from('\r\n')])
  const parser = new Parser(limits)
  const buffers = new Set<ArrayBufferLike>()
  for (let at = 0; at < input.length; at += 1024) {
    parser.push(Buffer.from(input.subarray(at, at + 1024)))
    const found = parser.next()
    buffers.add(parser.args.buffer.buffer)
    if (at + 1024 < input.length) assert.is(found, NEEDS_MORE)
    else assert.is(found, COMMAND)
  }
  assert.is(parser.args.length(2), value.length)
  assert.ok(buffers.size < 20, `moved ${buffers.size} times`)
})

test('every limit is judged on the length that is announced, before the bytes come', () => {
  assert.is(failure('*2\r\n$3\r\nGET\r\n$1001\r\n'), '!Protocol error: invalid bulk length, the limit is 1000 bytes')
  assert.is(failure('*1048577\r\n'), '!Protocol error: invalid multibulk length')
  assert.is(
    failure(`*9\r\n${`$900\r\n${'x'.repeat(900)}\r\n`.repeat(5)}$900\r\n`),
    '!Protocol error: too big request, the limit is 5000 bytes',
  )
  assert.is(failure('x'.repeat(64 * 1024 + 1)), '!Protocol error: too big inline request')
  assert.equal(parse([Buffer.from('*1048576\r\n')]), [])
})

test('what is malformed is named as Redis names it', () => {
  const cases: Record<string, string> = {
    '*x\r\n': 'invalid multibulk length',
    '*\r\n': 'invalid multibulk length',
    '*01\r\n': 'invalid multibulk length',
    '*+1\r\n': 'invalid multibulk length',
    '*12345678901234567890': 'invalid multibulk length',
    '*1\r\nGET\r\n': "expected '$', got 'G'",
    '*1\r\n\0': "expected '$', got '?'",
    '*1\r\n$-1\r\n': 'invalid bulk length',
    '*1\r\n$\r\n': 'invalid bulk length',
    '*1\r\n$x\r\n': 'invalid bulk length',
    'set "a\r\n': 'unbalanced quotes in request',
    'set "a"b\r\n': 'unbalanced quotes in request',
    "set 'a\r\n": 'unbalanced quotes in request',
  }
  for (const [input, error] of Object.entries(cases)) assert.is(failure(input), `!Protocol error: ${error}`, JSON.stringify(input))
})

test('what is malformed is found wherever the stream is split', () => {
  const input = Buffer.from(`${bulks('PING')}*2\r\n$3\r\nGET\r\n$oops\r\n`)
  for (let at = 0; at <= input.length; at++) {
    const found = parse([input.subarray(0, at), input.subarray(at)])
    assert.equal(found, [['PING'], ['!Protocol error: invalid bulk length']], `at ${at}`)
  }
})

test('inline words are quoted as in Redis', () => {
  const cases: Record<string, string[]> = {
    '  a\t b  ': ['a', 'b'],
    '"a\\x41\\n\\r\\t\\b\\a\\"\\\\\\q"': ['aA\n\r\t\b\x07"\\q'],
    "'a\\n\\''": ["a\\n'"],
    'a"b c"': ['ab c'],
    '"" \'\'': ['', ''],
    '"\\xzz"': ['xzz'],
  }
  for (const [line, words] of Object.entries(cases)) assert.equal(parse([Buffer.from(`${line}\r\n`)]), [words], line)
})

test('nothing is held once all is consumed', () => {
  const parser = new Parser(LIMITS)
  const input = Buffer.from(bulks('GET', 'k'))
  parser.push(input.subarray(0, 5))
  assert.is(parser.next(), NEEDS_MORE)
  assert.is(parser.pendingBytes, 5)
  parser.push(input.subarray(5))
  assert.is(parser.next(), COMMAND)
  assert.is(parser.next(), NEEDS_MORE)
  assert.is(parser.pendingBytes, 0)
})

test.run()
