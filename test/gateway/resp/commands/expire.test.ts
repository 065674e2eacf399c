import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EPOCH_MS } from '../../../support/fake-clock.ts'
import { Speaker } from './speaker.ts'

const test = suite('resp: expiry commands')

test('the four ways to say when come to the same', () => {
  const speaker = new Speaker()
  const inTenSeconds: readonly (readonly [command: string, amount: number])[] = [
    ['EXPIRE', 10],
    ['PEXPIRE', 10_000],
    ['EXPIREAT', EPOCH_MS / 1000 + 10],
    ['PEXPIREAT', EPOCH_MS + 10_000],
  ]
  for (const [command, amount] of inTenSeconds) {
    speaker.say('SET', 'k', 'v')
    assert.is(speaker.say(command, 'k', amount), ':1\r\n')
    assert.is(speaker.say('TTL', 'k'), ':10\r\n')
    assert.is(speaker.say('PTTL', 'k'), ':10000\r\n')
    assert.is(speaker.say('EXPIRETIME', 'k'), `:${EPOCH_MS / 1000 + 10}\r\n`)
    assert.is(speaker.say('PEXPIRETIME', 'k'), `:${EPOCH_MS + 10_000}\r\n`)
  }
  speaker.clock.advance(9999)
  assert.is(speaker.say('PTTL', 'k'), ':1\r\n')
  assert.is(speaker.say('TTL', 'k'), ':0\r\n')
  speaker.clock.advance(1)
  for (const command of ['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']) assert.is(speaker.say(command, 'k'), ':-2\r\n', command)
})

test('NX, XX, GT and LT compare with what is there, and none is later than any', () => {
  const speaker = new Speaker()
  const cases: readonly (readonly [before: number | null, words: string, done: boolean])[] = [
    [null, '100 NX', true],
    [100, '200 NX', false],
    [null, '100 XX', false],
    [100, '200 XX', true],
    [null, '100 GT', false],
    [100, '200 GT', true],
    [100, '100 GT', false],
    [100, '50 GT', false],
    [null, '100 LT', true],
    [100, '50 LT', true],
    [100, '100 LT', false],
    [100, '200 LT', false],
    [null, '100 XX LT', false],
    [100, '50 lt xx', true],
    [null, '100 GT XX', false],
    [100, '-1 LT', true],
    [100, '-1 GT', false],
  ]
  for (const [before, words, done] of cases) {
    speaker.say('SET', 'k', 'v', ...(before === null ? [] : ['EX', before]))
    assert.is(speaker.say('EXPIRE', 'k', ...words.split(' ')), done ? ':1\r\n' : ':0\r\n', `${before}: ${words}`)
    const left = Number(words.split(' ')[0])
    const expected = !done ? (before ?? -1) : left < 0 ? -2 : left
    assert.is(speaker.say('TTL', 'k'), `:${expected}\r\n`, `${before}: ${words}`)
  }
})

test('options are judged before the number, and the number before the key', () => {
  const speaker = new Speaker()
  const refused: readonly (readonly [words: string, text: string])[] = [
    ['x NX GT', 'NX and XX, GT or LT options at the same time are not compatible'],
    ['1 NX XX', 'NX and XX, GT or LT options at the same time are not compatible'],
    ['1 GT LT', 'GT and LT options at the same time are not compatible'],
    ['x SOON', 'Unsupported option SOON'],
    ['x', 'value is not an integer or out of range'],
    ['9223372036854775807', "invalid expire time in 'expire' command"],
    ['-9223372036854776', "invalid expire time in 'expire' command"],
  ]
  for (const [words, text] of refused) assert.is(speaker.say('EXPIRE', 'none', ...words.split(' ')), `-ERR ${text}\r\n`)
  assert.is(speaker.say('EXPIRE', 'none', '-9223372036854775'), ':0\r\n')
})

test('PERSIST takes the expiry, once', () => {
  const speaker = new Speaker()
  speaker.say('SET', 'k', 'v', 'EX', 10)
  assert.is(speaker.say('PERSIST', 'k'), ':1\r\n')
  assert.is(speaker.say('PERSIST', 'k'), ':0\r\n')
  assert.is(speaker.say('TTL', 'k'), ':-1\r\n')
  assert.is(speaker.say('PERSIST', 'none'), ':0\r\n')
})

test.run()
