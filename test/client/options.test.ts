import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAddress } from '../../src/client/address.ts'
import { type ClientOptions, readOptions } from '../../src/client/options.ts'

const test = suite('client: options')

test('addresses are hosts with a port, the usual one if none is given', () => {
  for (const [text, host, port, full] of [
    ['cache:7000', 'cache', 7000, 'cache:7000'],
    ['10.0.0.1', '10.0.0.1', 6379, '10.0.0.1:6379'],
    ['[::1]:7000', '::1', 7000, '[::1]:7000'],
    ['[fe80::1]', 'fe80::1', 6379, '[fe80::1]:6379'],
  ] as const) {
    assert.equal(parseAddress(text), { host, port, text: full })
  }
})

test('what is no address is refused', () => {
  for (const text of ['', ':6379', 'a:0', 'a:65536', 'a:x', '::1', 'a b', 'redis://a:1', 'a:1:2', '[a]:1']) {
    assert.throws(() => parseAddress(text), /must be host:port/, text)
  }
})

test('defaults fill what is not given', () => {
  const settings = readOptions({ poolSize: 7 })
  assert.is(settings.poolSize, 7)
  assert.is(settings.requestTimeoutMs, 5000)
  assert.is(settings.addresses[0]?.text, '127.0.0.1:6379')
  assert.is(settings.ack, 'local')
})

test('numbers out of range and contradictions are refused in a sentence', () => {
  const wrong: readonly (readonly [ClientOptions, RegExp])[] = [
    [{ poolSize: 0 }, /poolSize is 0, but must be a whole number from 1 to 1024/],
    [{ requestTimeoutMs: 1.5 }, /requestTimeoutMs is 1.5/],
    [{ retries: Number.NaN }, /retries is NaN/],
    [{ requestTimeoutMs: 2 ** 31 }, /requestTimeoutMs/],
    [{ retryBaseMs: 2000 }, /retryBaseMs is above retryMaxMs/],
    [{ maxReplyBytes: 2048, maxValueBytes: 4096 }, /maxReplyBytes is below maxValueBytes/],
    [{ addresses: [] }, /addresses must be 1 to/],
    [{ addresses: ['nowhere:'] }, /`nowhere:` is no address/],
    [{ ack: 'some' as 'all' }, /ack is some, but must be one of local, replica, all/],
  ]
  for (const [options, message] of wrong) assert.throws(() => readOptions(options), message)
})

test.run()
