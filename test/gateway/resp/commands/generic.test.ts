import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Speaker } from './speaker.ts'

const test = suite('resp: commands on keys')

test('RENAME moves value and expiry, and RENAMENX and COPY only to a free key', () => {
  const speaker = new Speaker()
  speaker.say('SET', 'a', '1', 'PX', 5000)
  speaker.say('SET', 'b', '2')
  assert.is(speaker.say('RENAMENX', 'a', 'b'), ':0\r\n')
  assert.is(speaker.say('COPY', 'a', 'b'), ':0\r\n')
  assert.is(speaker.say('RENAME', 'a', 'b'), '+OK\r\n')
  assert.is(speaker.say('MGET', 'a', 'b'), '*2\r\n$-1\r\n$1\r\n1\r\n')
  assert.is(speaker.say('PTTL', 'b'), ':5000\r\n')
  assert.is(speaker.say('COPY', 'b', 'c'), ':1\r\n')
  assert.is(speaker.say('PTTL', 'c'), ':5000\r\n')
  assert.is(speaker.say('RENAME', 'none', 'c'), '-ERR no such key\r\n')
})

test('TYPE knows strings and none', () => {
  const speaker = new Speaker()
  speaker.say('INCR', 'n')
  assert.is(speaker.say('TYPE', 'n'), '+string\r\n')
  assert.is(speaker.say('TYPE', 'none'), '+none\r\n')
})

test('OBJECT ENCODING is what Redis would say of the value', () => {
  const speaker = new Speaker()
  const cases: readonly (readonly [value: string, encoding: string])[] = [
    ['12345', 'int'],
    ['-9223372036854775808', 'int'],
    ['9223372036854775808', 'embstr'],
    ['012', 'embstr'],
    ['', 'embstr'],
    ['x'.repeat(44), 'embstr'],
    ['x'.repeat(45), 'raw'],
  ]
  for (const [value, encoding] of cases) {
    speaker.say('SET', 'k', value)
    assert.is(speaker.say('OBJECT', 'ENCODING', 'k'), `$${encoding.length}\r\n${encoding}\r\n`, value)
  }
  assert.is(speaker.say('OBJECT', 'ENCODING', 'none'), '$-1\r\n')
})

test('OBJECT tells idle time or frequency, whichever the policy keeps, and why not the other', () => {
  const lru = new Speaker({ evictionPolicy: 'allkeys-lru' })
  lru.say('SET', 'k', 'v')
  lru.clock.advance(60_000)
  assert.match(lru.say('OBJECT', 'IDLETIME', 'k'), /^:(5\d|6\d)\r\n$/)
  assert.match(lru.say('OBJECT', 'FREQ', 'k'), /^-ERR An LFU maxmemory policy is not selected, access frequency not tracked\./)
  const lfu = new Speaker({ evictionPolicy: 'allkeys-lfu' })
  lfu.say('SET', 'k', 'v')
  assert.match(lfu.say('OBJECT', 'FREQ', 'k'), /^:\d+\r\n$/)
  assert.match(lfu.say('OBJECT', 'IDLETIME', 'k'), /^-ERR An LFU maxmemory policy is selected, idle time not tracked\./)
  for (const subcommand of ['FREQ', 'IDLETIME', 'REFCOUNT']) assert.is(lfu.say('OBJECT', subcommand, 'none'), '$-1\r\n')
  assert.is(lfu.say('OBJECT', 'REFCOUNT', 'k'), ':1\r\n')
})

test('looking at a key is no use of it', () => {
  const speaker = new Speaker()
  speaker.say('SET', 'k', 'v')
  speaker.clock.advance(100_000)
  for (const words of [
    ['TTL', 'k'],
    ['EXISTS', 'k'],
    ['TYPE', 'k'],
    ['OBJECT', 'ENCODING', 'k'],
    ['MEMORY', 'USAGE', 'k'],
    ['GETEX', 'k', 'EX', '0'],
  ]) {
    speaker.say(...words)
    assert.not.match(speaker.say('OBJECT', 'IDLETIME', 'k'), /^:0\r\n$/, words.join(' '))
  }
  speaker.say('TOUCH', 'k')
  assert.is(speaker.say('OBJECT', 'IDLETIME', 'k'), ':0\r\n')
})

test('MEMORY USAGE grows with the value and takes SAMPLES as Redis does', () => {
  const speaker = new Speaker()
  speaker.say('MSET', 'small', 'x', 'large', 'x'.repeat(10_000))
  const bytes = (key: string): number => Number(speaker.say('MEMORY', 'USAGE', key, 'SAMPLES', 0).slice(1))
  assert.ok(bytes('small') > 0)
  assert.ok(bytes('large') > bytes('small') + 9000)
  assert.is(speaker.say('MEMORY', 'USAGE', 'none'), '$-1\r\n')
  assert.is(speaker.say('MEMORY', 'USAGE', 'small', 'SAMPLES', '-1'), '-ERR syntax error\r\n')
  assert.is(speaker.say('MEMORY', 'USAGE', 'small', 'SAMPLES'), '-ERR syntax error\r\n')
})

test('a full memory that may not evict answers OOM to what writes', () => {
  const speaker = new Speaker({ maxMemoryBytes: 2 * 1024 * 1024, evictionPolicy: 'noeviction' })
  const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
  let reply = ''
  for (let i = 0; i < 1000 && reply !== oom; i++) reply = speaker.say('SET', `k${i}`, 'x'.repeat(100_000))
  assert.is(reply, oom)
  assert.is(speaker.say('MSET', 'a', 'x'.repeat(100_000)), oom)
  assert.is(speaker.say('MSETNX', 'a', 'x'.repeat(100_000)), oom)
  assert.is(speaker.say('GET', 'none'), '$-1\r\n')
})

test.run()
