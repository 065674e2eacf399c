/** The telnet protocol over real sockets: what each line is answered, however its bytes come. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { TextGateway } from '../../../src/gateway/text/index.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { localCache } from '../../support/local-cache.ts'
import { LineClient } from './line-client.ts'
import { withGateway } from './running.ts'

const test = suite('text gateway')

const UNKNOWN = 'ERROR: Unknown command: there are GET, SET, DELETE, KEYS, FLUSH, PING and EXIT'
const USAGE_GET = 'ERROR: GET takes one key, which has no white space'
const USAGE_SET = 'ERROR: SET takes a key, one space and a value'

/** A conversation from an empty cache on: each line and its answer. */
const CONVERSATION: readonly (readonly [line: string, answer: string])[] = [
  ['PING', 'PONG'],
  ['ping', 'PONG'],
  ['  PiNg \t', 'PONG'],
  ['PING x', 'ERROR: PING stands alone on its line'],
  ['KEYS', 'No keys found'],
  ['GET k', 'ERROR: Key not found'],
  ['DELETE k', 'ERROR: Key not found'],
  ['SET k a value with spaces', 'OK'],
  ['GET k', 'a value with spaces'],
  ['get\tk  ', 'a value with spaces'],
  ['GET K', 'ERROR: Key not found'],
  ['SET k  two spaces around  ', 'OK'],
  ['GET k', ' two spaces around  '],
  ['SET k ', 'OK'],
  ['GET k', ''],
  ['SET k', USAGE_SET],
  ['SET', USAGE_SET],
  ['SET ', USAGE_SET],
  ['GET', USAGE_GET],
  ['GET a b', USAGE_GET],
  ['DELETE', 'ERROR: DELETE takes one key, which has no white space'],
  ['SET m one\\ntwo\\rthree', 'OK'],
  ['GET m', 'one\\ntwo\\rthree'],
  ['SET m C:\\temp', 'OK'],
  ['GET m', 'C:\\temp'],
  ['SET m C:\\\\new', 'OK'],
  ['GET m', 'C:\\\\new'],
  ['SET a\\nb of a key with two lines', 'OK'],
  ['GET a\\nb', 'of a key with two lines'],
  ['KEYS', 'a\\nb\nk\nm'],
  ['DELETE a\\nb', 'OK'],
  ['DELETE k', 'OK'],
  ['DELETE k', 'ERROR: Key not found'],
  ['KEYS', 'm'],
  ['', 'ERROR: The line is empty'],
  ['HELLO', UNKNOWN],
  ['GETX k', UNKNOWN],
  ['FLUSH now', 'ERROR: FLUSH stands alone on its line'],
  ['FLUSH', 'OK'],
  ['KEYS', 'No keys found'],
  ['SET k v', 'OK'],
  ['EXIT', 'Goodbye!'],
]
const ANSWERS = `${CONVERSATION.map(([, answer]) => answer).join('\n')}\n`

for (const [name, end] of [
  ['LF', '\n'],
  ['CR LF', '\r\n'],
] as const) {
  const sent = CONVERSATION.map(([line]) => line + end).join('')

  test(`every line that ends with ${name} has its answer, one after the other`, () =>
    withGateway(async ({ client }) => {
      for (const [line, answer] of CONVERSATION) {
        const lines = await client.send(line + end).lines(answer.split('\n').length)
        assert.is(lines.join('\n'), answer, line)
      }
      assert.is(await client.rest(), '')
      assert.is(client.ended, 'closed')
    }))

  test(`lines that end with ${name} and come in one piece are answered in order`, () =>
    withGateway(async ({ client }) => {
      client.send(`${sent}PING${end}`)
      assert.is(await client.rest(), ANSWERS)
      assert.is(client.ended, 'closed')
    }))

  test(`lines that end with ${name} are answered in order when the cache answers later`, () => {
    const cache = new FakeCache()
    cache.later = true
    return withGateway(async ({ client }) => {
      client.send(`${sent}PING${end}`)
      assert.is(await client.rest(), ANSWERS)
    }, cache)
  })
}

test('a conversation reads the same split at every byte', () =>
  withGateway(async ({ client, cache }) => {
    const sent = Buffer.from('\xff\xfd\x03SET k a\\nb\r\nGET k\nKEYS\r\nDELETE k\nGET k\n', 'latin1')
    client.socket.setNoDelay(true)
    for (let at = 1; at < sent.length; at++) {
      client.send(sent.subarray(0, at))
      await new Promise((resolve) => setImmediate(resolve))
      client.send(sent.subarray(at))
      assert.equal(await client.lines(5), ['OK', 'a\\nb', 'k', 'OK', 'ERROR: Key not found'], `split at ${at}`)
      assert.is(cache.held.size, 0)
    }
  }))

test('a thousand commands in one write are answered in order', () =>
  withGateway(async ({ client, gateway, observed }) => {
    let sent = ''
    for (let i = 0; i < 500; i++) sent += `SET key${i % 7} value ${i}\nGET key${i % 7}\n`
    const lines = await client.send(sent).lines(1000)
    for (let i = 0; i < 500; i++) {
      assert.is(lines[2 * i], 'OK')
      assert.is(lines[2 * i + 1], `value ${i}`)
    }
    const { commandsTotal, readBytesTotal, writtenBytesTotal, errorsTotal, connections } = gateway.stats()
    assert.is(commandsTotal.set, 500)
    assert.is(commandsTotal.get, 500)
    assert.is(readBytesTotal, sent.length)
    assert.is(writtenBytesTotal, `${lines.join('\n')}\n`.length)
    assert.is(errorsTotal, 0)
    assert.is(connections, 1)
    assert.is(observed.length, 1000)
    assert.equal(observed.slice(0, 2), ['set', 'get'])
  }))

test('any bytes but line breaks pass as they are', () =>
  withGateway(async ({ client, cache }) => {
    const bytes = Buffer.from([...Array(256).keys()].filter((byte) => byte !== 0x0a && byte !== 0x0d))
    client.send(Buffer.concat([Buffer.from('SET k '), bytes, Buffer.from('\nGET k\n')]))
    await client.until(() => client.received.length >= 3 + bytes.length + 1)
    assert.ok(cache.held.get('k')?.value.equals(bytes))
    assert.ok(client.received.subarray(3, -1).equals(bytes))
  }))

test('what other faces wrote keeps to its line: strings escaped, JSON as its text', () =>
  withGateway(async ({ client, cache }) => {
    cache.put('lines', 'a\r\nb\\n')
    cache.put('json', '{\n  "a": "x\\ny"\r\n}', VALUE_JSON)
    cache.put('number', '12345678901234567890', VALUE_JSON)
    cache.put('with space\n', '')
    client.send('GET lines\nGET json\nGET number\nKEYS\n')
    assert.equal(await client.lines(3), ['a\\r\\nb\\\\n', '{   "a": "x\\ny"  }', '12345678901234567890'])
    assert.equal(await client.lines(4), ['json', 'lines', 'number', 'with space\\n'])
  }))

test('what the cache refuses is answered as a sentence, and the next line is served', () =>
  withGateway(async ({ client, cache, gateway }) => {
    cache.failure = new CacheError('OUT_OF_MEMORY', 'the memory is full')
    client.send('SET k v\nGET k\nDELETE k\nFLUSH\nKEYS\nPING\n')
    assert.equal(await client.lines(6), [...Array(5).fill('ERROR: The memory is full'), 'PONG'])
    assert.is(gateway.stats().errorsTotal, 5)
    cache.failure = null
    cache.unreached = ['b', 'c']
    assert.match((await client.send('FLUSH\n').lines(1))[0] ?? '', /^ERROR: .*b, c$/)
  }))

test('a listing that fails at its beginning is an error, one that fails midway ends the connection too', () =>
  withGateway(async ({ client, cache, gateway }) => {
    for (const key of ['a', 'b', 'c']) cache.put(key, '')
    cache.pageSize = 1
    cache.failingPage = 0
    assert.equal(await client.send('KEYS\nPING\n').lines(2), ['ERROR: A member was lost', 'PONG'])
    cache.failingPage = 2
    client.send('KEYS\nPING\n')
    assert.is(await client.rest(), 'a\nb\nERROR: A member was lost\n')
    assert.is(gateway.stats().brokenListingsTotal, 1)
    assert.is(cache.openScans, 0)
  }))

test('a listing of many pages comes whole and in order, and what follows it waits', () =>
  withGateway(async ({ client, cache }) => {
    const keys = Array.from({ length: 5000 }, (_, i) => `key${String(i).padStart(5, '0')}`)
    for (const key of keys) cache.put(key, 'v')
    cache.pageSize = 37
    assert.equal(await client.send('KEYS\nPING\n').lines(5001), [...keys, 'PONG'])
    assert.is(cache.openScans, 0)
  }))

test('a listing whose page fills many writes loses no key', () =>
  withGateway(async ({ client, cache }) => {
    const keys = Array.from({ length: 5000 }, (_, i) => String(i).padStart(60, 'k'))
    for (const key of keys) cache.put(key, 'v')
    cache.pageSize = 5000
    assert.equal(await client.send('KEYS\nPING\n').lines(5001), [...keys.sort(), 'PONG'])
  }))

test('a real cache judges keys and values: too long ones are refused and change nothing', async () => {
  const { cache, clock } = localCache({ limits: { maxKeyBytes: 8, maxValueBytes: 16 } })
  const gateway = new TextGateway({
    cache,
    clock,
    logger: SILENT,
    observe: () => {},
    input: new InputBudget(2 ** 26),
    maxClients: 10,
    outputBufferLimitBytes: 1024,
    idleTimeoutMs: 0,
  })
  const client = new LineClient(await gateway.listen('127.0.0.1', 0))
  client.send(`SET 123456789 v\nSET 12345678 ${'v'.repeat(17)}\nKEYS\nSET 12345678 ${'\\n'.repeat(16)}\nGET 12345678\nKEYS\nFLUSH\nKEYS\n`)
  const lines = await client.lines(8)
  assert.match(lines[0] ?? '', /^ERROR: /)
  assert.match(lines[1] ?? '', /^ERROR: /)
  assert.equal(lines.slice(2), ['No keys found', 'OK', '\\n'.repeat(16), '12345678', 'OK', 'No keys found'])
  client.close()
  await gateway.close(100)
})

test.run()
