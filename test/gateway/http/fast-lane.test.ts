/**
 * The fast lane beside the ordinary server: the same requests to both, and the same bytes back. A connection is made ordinary by a first request that
 * the lane does not take.
 */
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { face, until } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('fast lane')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.cache.put('k', 'three')
  context.cache.put('j', '{"a" : 1.0}', VALUE_JSON)
  context.cache.put('q', 'say "é"\n\\')
  context.cache.put('b', Buffer.from([0xff, 0]))
  context.cache.put('empty', '')
  context.cache.put('a/b', 'x'.repeat(99))
  context.cache.put('long', 'y'.repeat(100_000))
  context.cache.put('longest', 'z'.repeat(3_000_000))
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

/** After which a connection is taken to have said all it will. */
const QUIET_TURNS = 15
const HOST = 'Host: x\r\n'
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const get = (key: string, fields: string = HOST): string => `GET /get/${key} HTTP/1.1\r\n${fields}\r\n`

/** All that comes back for `pieces`, sent one after another, and with them, if so wished, the end of what this side says. The dates are taken out. */
async function answers(port: number, pieces: readonly (string | Buffer)[], ordinary: boolean, ends = false): Promise<string> {
  let received = ''
  let quietTurns = 0
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    quietTurns = 0
  })
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', (error) => {
    received += `<${(error as { code?: string }).code}>`
  })
  if (ordinary) {
    socket.write(`HEAD /live HTTP/1.1\r\n${HOST}\r\n`)
    await until(() => received.endsWith('\r\n\r\n'))
    received = ''
  }
  for (const piece of pieces) {
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    if (pieces.length > 1) await pause(2)
  }
  if (ends) socket.end()
  // Turns of the event loop, not time: the server is in the same process, and gets as many.
  for (quietTurns = 0; quietTurns < QUIET_TURNS && !socket.destroyed; quietTurns++) await pause(2)
  socket.end()
  await Promise.race([closed, pause(500)])
  socket.destroy()
  return received.replaceAll(/^Date: .*\r$/gm, 'Date: -\r')
}

async function same(port: number, pieces: readonly (string | Buffer)[]): Promise<string> {
  const [fast, ordinary] = await Promise.all([answers(port, pieces, false), answers(port, pieces, true)])
  assert.is(fast, ordinary, JSON.stringify(pieces.join('|').slice(0, 300)))
  return fast
}

const PLAIN: readonly string[] = [
  ...['k', 'j', 'q', 'b', 'empty', 'a/b', 'long', 'longest', 'none', 'x'.repeat(64), "-._~!$&'()*+,;=:@/", '/', '..', '../k'].map((key) =>
    get(key),
  ),
  get('k', 'Host: localhost:8080\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n'),
  get('k', 'Host: [::1]:8080\r\n'),
  get('k', 'host: x\r\nACCEPT: application/json, text/plain, */*\r\nconnection: Keep-Alive\r\naccept-encoding: gzip, br\r\n'),
]

const OTHERS: readonly (string | Buffer)[] = [
  // Keys.
  get(''),
  get('x'.repeat(65)),
  get('x'.repeat(30_000)),
  get('a%2Fb'),
  get('%6b'),
  get('%ff'),
  get('k?x=1'),
  get('k#x'),
  get('k "'),
  Buffer.from(get('\xfc'), 'latin1'),
  get('k\0'),
  get('k\t'),
  // Fields.
  get('k', ''),
  get('k', 'Host:x\r\n'),
  get('k', 'Host: \r\n'),
  get('k', 'Host:\r\n'),
  get('k', 'Host: x\r\nHost: y\r\n'),
  get('k', 'Host: x\r\nhost: x\r\n'),
  get('k', 'Host: x y\r\n'),
  get('k', 'Host: x/y\r\n'),
  get('k', 'Host: u@x\r\n'),
  get('k', `${HOST}Accept: text/plain\r\n`),
  get('k', `${HOST}Accept: application/octet-stream\r\n`),
  get('k', `${HOST}Accept: text/html\r\nAccept: text/plain\r\n`),
  get('k', `${HOST}Connection: close\r\n`),
  get('k', `${HOST}Connection: keep-alive, close\r\n`),
  get('k', `${HOST}X-Own: 1\r\n`),
  get('k', `${HOST}User-Agent: a\r\nUser-Agent: b\r\n`),
  get('k', `${HOST}User-Agent: \x80\xff\r\n`),
  get('k', `${HOST}User-Agent: a\tb\r\n`),
  get('k', `${HOST}User-Agent:  a \r\n`),
  get('k', `${HOST}User-Agent: a\x00b\r\n`),
  get('k', `${HOST}User-Agent: a\x7fb\r\n`),
  get('k', `${HOST}Expect: 100-continue\r\n`),
  get('k', `${HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n`),
  get('k', `${HOST}Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n`),
  get('k', `${HOST}User-Agent: ${'u'.repeat(3000)}\r\n`),
  get('k', `${HOST}User-Agent: ${'u'.repeat(30_000)}\r\n`),
  // Bodies and what pretends to one.
  `${get('k', `${HOST}Content-Length: 0\r\n`)}`,
  `${get('k', `${HOST}Content-Length: 5\r\n`)}hello${get('j')}`,
  `${get('k', `${HOST}Content-Length: 5\r\nContent-Length: 5\r\n`)}hello`,
  `${get('k', `${HOST}Content-Length: 5\r\nContent-Length: 6\r\n`)}hello!`,
  `${get('k', `${HOST}Content-Length: +5\r\n`)}hello`,
  `${get('k', `${HOST}Content-Length: ${get('j').length}\r\n`)}${get('j')}${get('q')}`,
  `${get('k', `${HOST}Transfer-Encoding: chunked\r\n`)}0\r\n\r\n${get('j')}`,
  `${get('k', `${HOST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n`)}0\r\n\r\n${get('j')}`,
  `${get('k', `${HOST}Transfer-Encoding: xchunked\r\n`)}0\r\n\r\n`,
  `${get('k', `${HOST}Transfer-Encoding: gzip, chunked\r\n`)}0\r\n\r\n${get('j')}`,
  `GET /get/k HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${get('j')}`,
  `${get('k', `${HOST}Transfer-Encoding : chunked\r\n`)}0\r\n\r\n`,
  `${get('k', `${HOST}Transfer-Encoding:\x0bchunked\r\n`)}0\r\n\r\n`,
  // Lines.
  'GET /get/k HTTP/1.1\nHost: x\n\n',
  'GET /get/k HTTP/1.1\r\nHost: x\n\r\n',
  'GET /get/k HTTP/1.1\r\nHost: x\r\n\n',
  'GET /get/k HTTP/1.1\r\rHost: x\r\n\r\n',
  'GET /get/k HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n',
  'GET /get/k HTTP/1.1\r\n Host: x\r\n\r\n',
  'GET /get/k HTTP/1.1\r\nHost : x\r\n\r\n',
  'GET /get/k HTTP/1.1\r\nHost\r\n\r\n',
  'GET /get/k HTTP/1.1\r\n: x\r\n\r\n',
  'GET /get/k HTTP/1.1\r\nH\0st: x\r\n\r\n',
  'GET  /get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /get/k  HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /get/k HTTP/1.1 \r\nHost: x\r\n\r\n',
  'GET\t/get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /get/k HTTP/1.0\r\nHost: x\r\n\r\n',
  'GET /get/k HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n',
  'GET /get/k HTTP/2.0\r\nHost: x\r\n\r\n',
  'GET /get/k HTTP/1.2\r\nHost: x\r\n\r\n',
  'GET /get/k http/1.1\r\nHost: x\r\n\r\n',
  'GET /get/k\r\n\r\n',
  'get /get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET http://x/get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET //get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /GET/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'HEAD /get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  '\r\n\r\nGET /get/k HTTP/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  '\0',
]

test('a plain request is answered by the lane with the bytes of the ordinary server', async ({ port, gateway }) => {
  for (const request of PLAIN) {
    const before = gateway.stats().fastLaneTotal
    assert.match(await same(port, [request]), /^HTTP\/1.1 (200|404) /)
    assert.is(gateway.stats().fastLaneTotal, before + 1, request)
  }
})

test('whatever else comes is answered as ever, and not by the lane', async ({ port, gateway }) => {
  for (let i = 0; i < OTHERS.length; i += 10) await Promise.all(OTHERS.slice(i, i + 10).map((request) => same(port, [request])))
  assert.is(gateway.stats().fastLaneTotal, 0)
})

test('requests in pipelines of every mixture are answered in order', async ({ port, cache, gateway }) => {
  const plain = get('k') + get('none') + get('j')
  for (const later of [false, true]) {
    cache.later = later
    await same(port, [plain])
    await same(port, [get('longest') + get('k') + get('longest') + get('none')])
    for (let i = 0; i < OTHERS.length; i += 10) {
      await Promise.all(OTHERS.slice(i, i + 10).map((other) => same(port, [plain + other.toString('latin1') + plain])))
    }
    assert.ok(gateway.stats().fastLaneTotal > 0)
  }
})

test('a request in two pieces, split anywhere, and a byte at a time', async ({ port, cache }) => {
  const request = `${get('k')}${get('a/b', `${HOST}Accept: */*\r\n`)}POST /set HTTP/1.1\r\n${HOST}Content-Length: 7\r\n\r\n{"z":1}${get('z')}`
  const whole = await answers(port, [request], true)
  assert.is(whole.match(/HTTP\/1.1 200 OK/g)?.length, 4)
  for (const later of [false, true]) {
    cache.later = later
    const splits = Array.from({ length: request.length + 1 }, (_, at) => [request.slice(0, at), request.slice(at)])
    for (let i = 0; i < splits.length; i += 40) {
      const all = await Promise.all(splits.slice(i, i + 40).map((pieces) => answers(port, pieces, false)))
      for (const one of all) assert.is(one, whole)
    }
    assert.is(await answers(port, [...request], false), whole)
  }
})

test('thousands of requests in one write come back in order, at once or later', async ({ port, cache, gateway }) => {
  const keys = Array.from({ length: 3000 }, (_, i) => `key-${i}`)
  for (const key of keys) cache.put(key, `of ${key}`)
  for (const later of [false, true]) {
    cache.later = later
    const text = await answers(port, [keys.map((key) => get(key)).join('')], false)
    assert.equal(
      [...text.matchAll(/"of (key-\d+)"/g)].map((match) => match[1]),
      keys,
    )
  }
  assert.ok(gateway.stats().fastLaneTotal > 1000)
})

test('a client that has said all it will gets what is there, and does not wait for what is not', async ({ port, cache }) => {
  const both = (): Promise<string[]> => Promise.all([false, true].map((ordinary) => answers(port, [get('k') + get('j')], ordinary, true)))
  const [fast, ordinary] = await both()
  assert.is(fast, ordinary)
  assert.match(String(fast), /"three".*1\.0}$/s)
  cache.hold()
  const none = both()
  await until(() => cache.waiting === 2)
  await pause(20)
  cache.release()
  assert.equal(await none, ['', ''])
})

test('errors of the cache and defects are answered alike', async ({ port, cache, gateway }) => {
  cache.failure = new CacheError('TRY_AGAIN', 'nobody there')
  for (const later of [false, true]) {
    cache.later = later
    assert.match(await same(port, [get('k') + get('k')]), /^HTTP\/1.1 503 Service Unavailable\r\n.*nobody there.*nobody there/s)
  }
  cache.execute = () => {
    throw new TypeError('secret')
  }
  assert.match(await same(port, [get('k')]), /^HTTP\/1.1 500 (?!.*secret)/s)
  assert.is(gateway.stats().requestsTotal['/get/{key}']['5xx'], 10)
})

test('an answer that a defect makes come twice reaches nobody', async ({ port, cache }) => {
  const execute = cache.execute.bind(cache)
  const again: (() => void)[] = []
  cache.execute = (operation, done) => {
    execute(operation, (error, outcome) => {
      done(error, outcome)
      again.push(() => done(new CacheError('BUSY', 'twice'), null))
      if (again.length % 2 === 0) throw new TypeError('after the answer')
    })
  }
  await same(port, [get('k') + get('j') + get('none')])
  for (const one of again) one()
  assert.not.match(await answers(port, [get('k')], false), 'twice')
})

test('answers under way when the drain begins, and all after it, end their connections alike', async () => {
  for (const key of ['k', 'none']) {
    const cache = new FakeCache()
    cache.put('k', 'three')
    const gateway = face({ cache })
    const port = await gateway.listen('127.0.0.1', 0)
    cache.hold()
    const both = [answers(port, [get(key)], false), answers(port, [get(key)], true)]
    await until(() => cache.waiting === 2)
    gateway.drain()
    cache.release()
    const [fast, ordinary] = await Promise.all(both)
    assert.is(fast, ordinary)
    assert.match(String(fast), /connection: close\r\n/)
    assert.match(await answers(port, [get('k') + get('k')], false), /^HTTP\/1.1 200 OK\r\nvary: accept\r\nconnection: close\r\n(?!.*HTTP)/s)
    await gateway.close(0)
  }
})

test('a client that does not read is not read from, and gets everything when it does', async ({ port, cache, gateway }) => {
  const count = 400
  let received = 0
  const socket: Socket = connect(port, '127.0.0.1', () => socket.write(get('long').repeat(count)))
  socket.pause()
  await until(() => gateway.stats().stalledReadersTotal > 0)
  let executed = -1
  await until(() => {
    const still = cache.executed === executed
    executed = cache.executed
    return still
  })
  await pause(50)
  assert.is(cache.executed, executed)
  assert.ok(executed < count)
  assert.ok(gateway.outputBytes > 0)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  socket.resume()
  await until(() => received > count * 100_000)
  assert.is(cache.executed, count)
  socket.destroy()
})

test('a client that goes while its answer is awaited harms nobody', async ({ port, cache, gateway }) => {
  cache.hold()
  const socket = connect(port, '127.0.0.1', () => socket.write(get('k') + get('k')))
  await until(() => cache.waiting === 1)
  socket.destroy()
  await until(() => gateway.stats().connections === 0)
  cache.release()
  assert.match(await answers(port, [get('k')], false), /"three"$/)
})

test.run()
