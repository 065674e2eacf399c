import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OPERATION_SET } from '../../../../src/cache/operation.ts'
import { VALUE_JSON } from '../../../../src/lib/entry.ts'
import { setOf } from '../../../support/operations.ts'
import { Speaker } from './speaker.ts'

const test = suite('resp: string commands')

const OK = '+OK\r\n'
const NIL = '$-1\r\n'
const SYNTAX = '-ERR syntax error\r\n'

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

/** Lines of words, and what each is answered; all said to one cache. */
function conversation(speaker: Speaker, lines: readonly (readonly [line: string, reply: string])[]): void {
  for (const [line, reply] of lines) assert.is(speaker.say(...line.split(' ')), reply, line)
}

test('SET stores what GET answers, byte by byte', () => {
  const speaker = new Speaker()
  const value = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
  assert.is(speaker.say('SET', '\x00\xff', value), OK)
  assert.is(speaker.say('GET', '\x00\xff'), bulk(value))
  assert.is(speaker.say('GET', 'other'), NIL)
})

test('a value that another face stored as JSON is answered as its text', () => {
  const speaker = new Speaker()
  speaker.local.cache.execute(setOf('k', '{"a":1}', { code: OPERATION_SET, kind: VALUE_JSON } as object), () => {})
  assert.is(speaker.say('GET', 'k'), bulk('{"a":1}'))
})

test('INCR leaves a JSON number, APPEND and SETRANGE a string, and SET a string whatever was there', () => {
  const speaker = new Speaker()
  const kindOf = (): number | undefined => {
    let kind: number | undefined
    const scan = speaker.local.cache.scan({ prefix: Buffer.from('k'), suffix: Buffer.alloc(0), after: null, values: true })
    scan.next((_error, page) => (kind = page?.entries[0]?.kind))
    while (kind === undefined) speaker.clock.advance(0)
    scan.close()
    return kind
  }
  speaker.say('INCR', 'k')
  assert.is(kindOf(), VALUE_JSON)
  speaker.say('APPEND', 'k', '0')
  assert.is.not(kindOf(), VALUE_JSON)
  speaker.say('INCRBYFLOAT', 'k', '0.5')
  assert.is(kindOf(), VALUE_JSON)
  speaker.say('SETRANGE', 'k', 0, '9')
  assert.is.not(kindOf(), VALUE_JSON)
})

test('the options of SET exclude each other as in Redis, and a bad word is judged before a bad number', () => {
  conversation(new Speaker(), [
    ['SET k v NX XX', SYNTAX],
    ['SET k v EX 10 PX 10', SYNTAX],
    ['SET k v KEEPTTL EX 10', SYNTAX],
    ['SET k v EX 10 KEEPTTL', SYNTAX],
    ['SET k v EX', SYNTAX],
    ['SET k v EX x NO', SYNTAX],
    ['SET k v PERSIST', SYNTAX],
    ['SET k v EX x', '-ERR value is not an integer or out of range\r\n'],
    ['SET k v PX 0', "-ERR invalid expire time in 'set' command\r\n"],
    ['SET k v EX 9223372036854775807', "-ERR invalid expire time in 'set' command\r\n"],
    ['SET k v EX 140000000000', "-ERR invalid expire time in 'set' command\r\n"],
    ['SET k v PXAT 140737488355329', "-ERR invalid expire time in 'set' command\r\n"],
    ['EXISTS k', ':0\r\n'],
    ['SET k v nx Nx eX 10 ex 20', OK],
    ['TTL k', ':20\r\n'],
    ['SET k w NX', NIL],
    ['SET k w NX GET', bulk('v')],
    ['SET k w XX GET', bulk('v')],
    ['TTL k', ':-1\r\n'],
    ['SET other w XX', NIL],
    ['SET other w XX GET', NIL],
    ['EXISTS other', ':0\r\n'],
  ])
})

test('a moment in the past leaves nothing, and SET says OK', () => {
  conversation(new Speaker(), [
    ['SET k v EXAT 1', OK],
    ['SET k v NX PXAT 1', OK],
    ['EXISTS k', ':0\r\n'],
    ['SET k v', OK],
    ['SET k w XX EXAT 1', OK],
    ['GET k', NIL],
  ])
})

test('KEEPTTL keeps the expiry and plain SET takes it away', () => {
  const speaker = new Speaker()
  conversation(speaker, [
    ['SET k v PX 10000', OK],
    ['SET k w KEEPTTL', OK],
  ])
  speaker.clock.advance(4000)
  conversation(speaker, [
    ['PTTL k', ':6000\r\n'],
    ['SET k x', OK],
    ['PTTL k', ':-1\r\n'],
  ])
})

test('GETEX looks for the key before it judges the number', () => {
  conversation(new Speaker(), [
    ['GETEX k EX 0', NIL],
    ['GETEX k EX x', NIL],
    ['GETEX k EX 1 PERSIST', SYNTAX],
    ['SET k v', OK],
    ['GETEX k EX 0', "-ERR invalid expire time in 'getex' command\r\n"],
    ['GETEX k EX x', '-ERR value is not an integer or out of range\r\n'],
    ['GETEX k PX 5000', bulk('v')],
    ['PTTL k', ':5000\r\n'],
    ['GETEX k', bulk('v')],
    ['PTTL k', ':5000\r\n'],
    ['GETEX k PERSIST', bulk('v')],
    ['PTTL k', ':-1\r\n'],
    ['GETEX k EXAT 1', bulk('v')],
    ['GETEX k', NIL],
  ])
})

test('DECRBY of every amount takes it away, and the one without an opposite is refused', () => {
  conversation(new Speaker(), [
    ['DECRBY k 5', ':-5\r\n'],
    ['DECRBY k -7', ':2\r\n'],
    ['DECRBY k 0', ':2\r\n'],
    ['DECRBY k -9223372036854775808', '-ERR decrement would overflow\r\n'],
    ['DECRBY k -9223372036854775807', '-ERR increment or decrement would overflow\r\n'],
    ['DECRBY k 9223372036854775807', ':-9223372036854775805\r\n'],
    ['INCRBY k 01', '-ERR value is not an integer or out of range\r\n'],
    ['GET k', bulk('-9223372036854775805')],
  ])
})

test('GETRANGE counts from either end and stays within the value', () => {
  const speaker = new Speaker()
  speaker.say('SET', 'k', 'This is a string')
  const cases: readonly (readonly [from: string, to: string, part: string])[] = [
    ['0', '3', 'This'],
    ['-3', '-1', 'ing'],
    ['0', '-1', 'This is a string'],
    ['10', '100', 'string'],
    ['5', '3', ''],
    ['-1', '-3', ''],
    ['100', '200', ''],
    ['-100', '3', 'This'],
    ['-100', '-200', ''],
    ['-9223372036854775807', '-9223372036854775808', ''],
    ['-9223372036854775808', '-9223372036854775807', 'T'],
    ['0', '9223372036854775807', 'This is a string'],
  ]
  for (const [from, to, part] of cases) assert.is(speaker.say('GETRANGE', 'k', from, to), bulk(part), `${from} ${to}`)
  assert.is(speaker.say('SUBSTR', 'nothing', 0, -1), bulk(''))
})

test('SETRANGE fills gaps, writes nothing for nothing, and refuses what is too long or before the beginning', () => {
  const speaker = new Speaker()
  conversation(speaker, [
    ['SETRANGE k 3 x', ':4\r\n'],
    ['GET k', bulk('\x00\x00\x00x')],
    ['SETRANGE k -1 x', '-ERR offset is out of range\r\n'],
    ['SETRANGE k 536870912 x', '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n'],
    ['SETRANGE k 1048576 x', '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n'],
    ['SETRANGE k 9223372036854775807 x', '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n'],
  ])
  assert.is(speaker.say('SETRANGE', 'k', '9223372036854775807', ''), ':4\r\n')
  assert.is(speaker.say('SETRANGE', 'other', 5, ''), ':0\r\n')
  assert.is(speaker.say('EXISTS', 'other'), ':0\r\n')
})

test.run()
