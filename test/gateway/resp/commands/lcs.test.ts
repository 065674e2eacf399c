import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Speaker } from './speaker.ts'

const test = suite('resp: LCS')

test('the subsequence, its length and its ranges are those of the documentation of Redis', () => {
  const speaker = new Speaker()
  speaker.say('MSET', 'key1', 'ohmytext', 'key2', 'mynewtext')
  assert.is(speaker.say('LCS', 'key1', 'key2'), '$6\r\nmytext\r\n')
  assert.is(speaker.say('LCS', 'key1', 'key2', 'LEN'), ':6\r\n')
  const first = '*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n'
  const second = '*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n'
  const frame = (matches: string): string => `*4\r\n$7\r\nmatches\r\n${matches}$3\r\nlen\r\n:6\r\n`
  assert.is(speaker.say('LCS', 'key1', 'key2', 'IDX'), frame(`*2\r\n${first}${second}`))
  assert.is(speaker.say('LCS', 'key1', 'key2', 'IDX', 'MINMATCHLEN', 4), frame(`*1\r\n${first}`))
  const withLength = `${first.replace('*2', '*3')}:4\r\n`
  assert.is(speaker.say('LCS', 'key1', 'key2', 'IDX', 'MINMATCHLEN', 4, 'WITHMATCHLEN'), frame(`*1\r\n${withLength}`))
  speaker.protocol = 3
  assert.match(speaker.say('LCS', 'key1', 'key2', 'IDX'), /^%2\r\n/)
})

test('values that would hold the loop are refused, and the largest that are not are not', () => {
  const speaker = new Speaker()
  speaker.say('MSET', 'a', 'x'.repeat(1024), 'b', 'x'.repeat(1024), 'c', 'x'.repeat(1025), 'none', '')
  assert.is(speaker.say('LCS', 'a', 'b', 'LEN'), ':1024\r\n')
  assert.is(speaker.say('LCS', 'a', 'c', 'LEN'), '-ERR LCS is limited to values whose lengths have a product of 1048576 or less\r\n')
  speaker.say('SET', 'big', 'x'.repeat(1024 * 1024))
  assert.match(speaker.say('LCS', 'big', 'big'), /^-ERR LCS is limited/)
  assert.is(speaker.say('LCS', 'big', 'none'), '$0\r\n\r\n')
})

test('options that contradict each other or are none are refused before anything is compared', () => {
  const speaker = new Speaker()
  assert.is(speaker.say('LCS', 'a', 'b', 'IDX', 'LEN'), '-ERR If you want both the length and indexes, please just use IDX.\r\n')
  assert.is(speaker.say('LCS', 'a', 'b', 'MINMATCHLEN'), '-ERR syntax error\r\n')
  assert.is(speaker.say('LCS', 'a', 'b', 'MINMATCHLEN', 'x'), '-ERR value is not an integer or out of range\r\n')
})

test.run()
