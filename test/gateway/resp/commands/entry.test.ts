import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Speaker } from './speaker.ts'

const test = suite('resp: whole entries')

const NOT_JSON = '-ERR the value is not one JSON text in UTF-8, nested at most 128 deep\r\n'

function entry(kind: string, value: string, left: number): string {
  return `*3\r\n$${kind.length}\r\n${kind}\r\n$${value.length}\r\n${value}\r\n:${left}\r\n`
}

test('GETENTRY tells the kind that was written, the bytes, and what is left', () => {
  const speaker = new Speaker()
  speaker.say('SET', 's', '12', 'PX', 5000)
  speaker.say('SETJSON', 'j', '12345678901234567890')
  speaker.say('INCR', 'n')
  speaker.clock.advance(1000)
  assert.is(speaker.say('GETENTRY', 's'), entry('string', '12', 4000))
  assert.is(speaker.say('GETENTRY', 'j'), entry('json', '12345678901234567890', -1))
  assert.is(speaker.say('GETENTRY', 'n'), entry('json', '1', -1))
  assert.is(speaker.say('GETENTRY', 'nothing'), '$-1\r\n')
  assert.is(speaker.say('GET', 'j'), '$20\r\n12345678901234567890\r\n', 'stock clients read its text')
})

test('SETJSON takes one JSON text and nothing else, and writes nothing otherwise', () => {
  const speaker = new Speaker()
  for (const text of ['1', '-0.5e400', 'null', '"three"', ' {"a":[1,{}]} ', `${'['.repeat(128)}${']'.repeat(128)}`]) {
    assert.is(speaker.say('SETJSON', 'k', text), '+OK\r\n', text)
    assert.is(speaker.say('GETENTRY', 'k'), entry('json', text, -1))
  }
  const before = speaker.say('GETENTRY', 'k')
  for (const text of ['', 'three', '1 2', '{"a":}', '01', '"\xff"', `${'['.repeat(129)}${']'.repeat(129)}`]) {
    assert.is(speaker.say('SETJSON', 'k', text), NOT_JSON, text)
  }
  assert.is(speaker.say('GETENTRY', 'k'), before)
})

test('SETJSON has the options of SET, and its own name in what they are refused with', () => {
  const speaker = new Speaker()
  assert.is(speaker.say('SETJSON', 'k', '1', 'XX'), '$-1\r\n')
  assert.is(speaker.say('SETJSON', 'k', '1', 'NX', 'EX', 5), '+OK\r\n')
  assert.is(speaker.say('SETJSON', 'k', '[2]', 'KEEPTTL', 'GET'), '$1\r\n1\r\n')
  assert.is(speaker.say('GETENTRY', 'k'), entry('json', '[2]', 5000))
  assert.is(speaker.say('SETJSON', 'k', '3', 'EX', 0), "-ERR invalid expire time in 'setjson' command\r\n")
  assert.is(speaker.say('SETJSON', 'k', '3', 'JSON'), '-ERR syntax error\r\n')
  speaker.say('APPEND', 'k', 'x')
  assert.is(speaker.say('GETENTRY', 'k'), entry('string', '[2]x', 5000))
})

test.run()
