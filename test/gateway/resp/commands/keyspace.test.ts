import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { literalPrefix, literalSuffix } from '../../../../src/gateway/resp/commands/keyspace.ts'
import { Speaker } from './speaker.ts'

const test = suite('resp: commands on all keys')

function array(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

function filled(...keys: readonly string[]): Speaker {
  const speaker = new Speaker()
  for (const key of keys) speaker.say('SET', key, 'v')
  return speaker
}

test('what a pattern says of the ends of a key is never more than it says', () => {
  const cases: readonly (readonly [pattern: string, prefix: string, suffix: string])[] = [
    ['*', '', ''],
    ['abc', 'abc', ''],
    ['ab*', 'ab', ''],
    ['*ab', '', 'ab'],
    ['a*b', 'a', 'b'],
    ['a?b*c?', 'a', ''],
    ['a?b', 'a', 'b'],
    ['[ab]c', '', ''],
    ['[ab', '', ''],
    ['[a*b', '', ''],
    ['a[b]*c', 'a', ''],
    ['a\\*b', 'a', ''],
    ['*\\ab', '', ''],
    ['', '', ''],
  ]
  for (const [pattern, prefix, suffix] of cases) {
    assert.is(literalPrefix(Buffer.from(pattern)).toString(), prefix, pattern)
    assert.is(literalSuffix(Buffer.from(pattern)).toString(), suffix, pattern)
  }
})

test('KEYS answers such keys as match, in byte order, and not those that have expired', () => {
  const speaker = filled('b', 'ab', 'a', 'aab', 'zb')
  speaker.say('SET', 'a-gone', 'v', 'PX', 10)
  speaker.clock.advance(10)
  assert.is(speaker.say('KEYS', '*'), array('a', 'aab', 'ab', 'b', 'zb'))
  assert.is(speaker.say('KEYS', 'a*b'), array('aab', 'ab'))
  assert.is(speaker.say('KEYS', 'ab*b'), array())
  assert.is(speaker.say('KEYS', '?b'), array('ab', 'zb'))
  assert.is(speaker.say('KEYS', 'none*'), array())
})

test('KEYS answers an error when the keys are more than it may gather, and SCAN still answers them', () => {
  const speaker = new Speaker()
  const tail = 'x'.repeat(1000)
  for (let i = 0; i < 17_000; i++) speaker.say('SET', `${i}${tail}`, '')
  assert.is(speaker.say('KEYS', '*'), '-ERR KEYS answers at most 16 MiB of keys; SCAN and SEARCH answer them page by page\r\n')
  assert.is(speaker.say('KEYS', '123x*'), array(`123${tail}`))
  assert.match(speaker.say('SCAN', 0), /^\*2\r\n\$\d+\r\n[1-9]/)
})

test('SCAN meets every key exactly once on the way from 0 to 0', () => {
  const keys = Array.from({ length: 1000 }, (_, i) => `key-${i}`)
  const speaker = filled(...keys)
  const met: string[] = []
  let cursor = '0'
  do {
    const reply = speaker.say('SCAN', cursor, 'COUNT', 37, 'MATCH', 'key-*')
    const words = reply.split('\r\n').filter((line) => line !== '' && !/^[$*]/.test(line))
    cursor = words[0] as string
    met.push(...words.slice(1))
  } while (cursor !== '0')
  assert.equal(met.sort(), keys.sort())
})

test('SCAN of another type meets nothing, and a cursor that is none is refused', () => {
  const speaker = filled('a')
  assert.is(speaker.say('SCAN', 0, 'TYPE', 'String', 'COUNT', 100), `*2\r\n$1\r\n0\r\n${array('a')}`)
  assert.is(speaker.say('SCAN', 0, 'TYPE', 'hash', 'COUNT', 100), `*2\r\n$1\r\n0\r\n${array()}`)
  for (const cursor of ['x', '-1', '1.5', '281474976710656', '99999999999999999999999']) {
    assert.is(speaker.say('SCAN', cursor), '-ERR invalid cursor\r\n', cursor)
  }
})

test('FLUSHALL, FLUSHDB and FLUSH empty the cache, as often as they are said', () => {
  const speaker = new Speaker()
  for (const command of ['FLUSHALL', 'FLUSHDB', 'FLUSH', 'FLUSHALL', 'FLUSHALL', 'FLUSHALL']) {
    speaker.say('SET', 'a', '1')
    assert.is(speaker.say('DBSIZE'), ':1\r\n')
    assert.is(speaker.say('FLUSHALL', 'NOW'), '-ERR syntax error\r\n')
    assert.is(speaker.say('DBSIZE'), ':1\r\n')
    assert.is(speaker.say(command), '+OK\r\n')
    assert.is(speaker.say('DBSIZE'), ':0\r\n')
    speaker.clock.advance(1)
  }
})

test('RANDOMKEY answers a key, and nothing when there is none', () => {
  assert.is(filled('a').say('RANDOMKEY'), '$1\r\na\r\n')
  assert.is(new Speaker().say('RANDOMKEY'), '$-1\r\n')
})

test('SEARCH pages through what has the prefix and the suffix', () => {
  const speaker = filled('app:1:x', 'app:2:x', 'app:3:x', 'app:3:y', 'other:x')
  const page = (cursor: string, ...keys: string[]): string => `*2\r\n$${cursor.length}\r\n${cursor}\r\n${array(...keys)}`
  const cursor = Buffer.from('app:2:x').toString('base64url')
  assert.is(speaker.say('SEARCH'), page('', 'app:1:x', 'app:2:x', 'app:3:x', 'app:3:y', 'other:x'))
  assert.is(speaker.say('SEARCH', 'LIMIT', 2, 'suffix', ':x', 'Prefix', 'app:'), page(cursor, 'app:1:x', 'app:2:x'))
  assert.is(speaker.say('SEARCH', 'CURSOR', cursor, 'PREFIX', 'app:', 'SUFFIX', ':x', 'LIMIT', 2), page('', 'app:3:x'))
  assert.is(speaker.say('SEARCH', 'CURSOR', '', 'SUFFIX', 'y'), page('', 'app:3:y'))
  assert.is(speaker.say('SEARCH', 'PREFIX', 'other:', 'LIMIT', 1), page('', 'other:x'))
})

test('SEARCH refuses limits and cursors that are none', () => {
  const speaker = new Speaker()
  for (const limit of ['0', '-1', '10001']) assert.is(speaker.say('SEARCH', 'LIMIT', limit), '-ERR LIMIT must be between 1 and 10000\r\n')
  assert.is(speaker.say('SEARCH', 'LIMIT', 'x'), '-ERR value is not an integer or out of range\r\n')
  assert.is(speaker.say('SEARCH', 'LIMIT'), '-ERR syntax error\r\n')
  assert.is(speaker.say('SEARCH', 'WHAT', 'x'), '-ERR syntax error\r\n')
  for (const cursor of ['!', 'YQ==', 'a', 'x'.repeat(3000)]) assert.is(speaker.say('SEARCH', 'CURSOR', cursor), '-ERR invalid cursor\r\n')
})

test('a walk ends when its client has gone', () => {
  const speaker = filled('a')
  speaker.hangUp()
  assert.throws(() => speaker.say('KEYS', '*'), /never answered/)
})

test.run()
