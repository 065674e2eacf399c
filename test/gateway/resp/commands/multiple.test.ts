import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Speaker } from './speaker.ts'

const test = suite('resp: commands on several keys')

test('MSET refuses all of its pairs when one is bad, wherever that stands', () => {
  const speaker = new Speaker({ limits: { maxKeyBytes: 10, maxValueBytes: 20 } })
  const good = ['a', '1', 'b', '2']
  const bad: readonly (readonly string[])[] = [['c'], ['', 'v'], ['k'.repeat(11), 'v'], ['c', 'v'.repeat(21)]]
  for (const words of bad) {
    assert.match(speaker.say('MSET', ...good, ...words), /^-ERR /)
    assert.match(speaker.say('MSETNX', ...good, ...words), /^-ERR /)
    assert.is(speaker.say('DBSIZE'), ':0\r\n', words.join(' '))
  }
  assert.is(speaker.say('MSET', ...good, 'k'.repeat(10), 'v'.repeat(20)), '+OK\r\n')
  assert.is(speaker.say('DBSIZE'), ':3\r\n')
})

test('MSETNX writes all or nothing, and of a key that is named twice the last value', () => {
  const speaker = new Speaker()
  speaker.say('SET', 'taken', 'x')
  for (const words of [
    ['taken', '1', 'a', '2'],
    ['a', '1', 'taken', '2'],
    ['a', '1', 'taken', '2', 'b', '3'],
  ]) {
    assert.is(speaker.say('MSETNX', ...words), ':0\r\n')
    assert.is(speaker.say('DBSIZE'), ':1\r\n')
  }
  assert.is(speaker.say('MSETNX', 'a', '1', 'b', '2', 'a', '3'), ':1\r\n')
  assert.is(speaker.say('MGET', 'a', 'b', 'taken', 'none'), '*4\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\nx\r\n$-1\r\n')
})

test('DEL counts what was there, EXISTS counts each naming, and a key that has expired is not there', () => {
  const speaker = new Speaker()
  speaker.say('MSET', 'a', '1', 'b', '2')
  speaker.say('SET', 'c', '3', 'PX', '100')
  assert.is(speaker.say('EXISTS', 'a', 'a', 'none', 'c'), ':3\r\n')
  assert.is(speaker.say('TOUCH', 'a', 'b', 'none'), ':2\r\n')
  speaker.clock.advance(100)
  assert.is(speaker.say('DEL', 'a', 'a', 'c', 'none'), ':1\r\n')
  assert.is(speaker.say('DELETE', 'b'), ':1\r\n')
  assert.is(speaker.say('UNLINK', 'b'), ':0\r\n')
})

test('what a RESP3 client misses is a null of its own type', () => {
  const speaker = new Speaker()
  speaker.protocol = 3
  assert.is(speaker.say('MGET', 'a', 'b'), '*2\r\n_\r\n_\r\n')
})

test.run()
