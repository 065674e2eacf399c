/**
 * The HTTP face over real sockets, before a cache in memory: what each route answers, and that what is refused has changed nothing.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call, raw } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
  observed: [route: string, status: number, seconds: number][]
}

const MAX_BODY_BYTES = 16 * 1024
const test = suite<Context>('http gateway')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.observed = []
  context.gateway = face({
    cache: context.cache,
    observe: (route, status, seconds) => context.observed.push([route, status, seconds]),
    maxBodyBytes: MAX_BODY_BYTES,
  })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function errorOf(answer: Answer): string {
  assert.is(answer.headers['content-type'], 'application/json; charset=utf-8')
  const { error } = JSON.parse(answer.text)
  assert.type(error.message, 'string')
  return `${answer.status} ${error.code}`
}

test('values come back from /get as the JSON they were set with, to the byte', async ({ port, cache }) => {
  const values = [
    '1',
    '1.0',
    '1e400',
    '12345678901234567890',
    '"three"',
    '{"a" : [1,2]}',
    'null',
    '"q\\"\\\\\\n\\u0001é"',
    '{"$base64":"/wD+"}',
  ]
  const body = `{${values.map((value, i) => `"k-${i}":${value}`).join()}}`
  for (const later of [false, true]) {
    cache.later = later
    const set = await call(port, '/set', { body, headers: { 'content-type': 'application/json' } })
    assert.is(set.status, 200)
    assert.is(set.text, `{"set":${values.length}}`)
    for (const [i, value] of values.entries()) {
      const got = await call(port, `/get/k-${i}`)
      assert.is(got.status, 200)
      assert.is(got.text, value)
      assert.is(got.headers['content-type'], 'application/json; charset=utf-8')
      assert.is(got.headers['content-length'], String(Buffer.byteLength(value)))
    }
  }
})

test('a key is the rest of the path, decoded once, slashes included', async ({ port, cache }) => {
  const keys = ['a', 'a/b/c', '/', '//x/', 'a b', 'ü', '%41', 'a+b', 'a?b=c#d', '../x', '\0', '\u{1f600}', 'x'.repeat(64), '%'.repeat(64)]
  for (const key of keys) {
    cache.put(key, `value of ${key}`)
    const got = await call(port, `/get/${encodeURIComponent(key)}`, { headers: { accept: 'text/plain' } })
    assert.is(`${got.status} ${got.text}`, `200 value of ${key}`)
  }
  assert.is((await call(port, '/get/a/b/c?x=1')).text, '"value of a/b/c"')
  assert.is((await call(port, '/get//')).text, '"value of /"')
  assert.is((await call(port, '/get/a+b')).text, '"value of a+b"')
  assert.match(await raw(port, `GET http://any.host/get/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /"value of a"$/)
})

test('keys that cannot be are refused', async ({ port }) => {
  for (const path of ['/get/', '/get/%', '/get/%zz', '/get/%ff', '/get/%c0%80', '/get/%ed%a0%80', `/get/${'x'.repeat(65)}`]) {
    assert.is(errorOf(await call(port, path)), '400 key_invalid', path)
  }
  assert.is(errorOf(await call(port, `/get/${'%C3%BC'.repeat(33)}`)), '400 key_invalid')
  assert.is(errorOf(await call(port, `/get/${'x'.repeat(10_000)}`)), '400 key_invalid')
  assert.is(errorOf(await call(port, '/ge%74/x')), '404 route_not_found')
})

test('a miss is 404, an error has the status of its row', async ({ port, cache }) => {
  assert.is(errorOf(await call(port, '/get/none')), '404 key_not_found')
  cache.failure = new CacheError('TRY_AGAIN', 'nobody there')
  assert.is(errorOf(await call(port, '/get/none')), '503 try_again')
  assert.is(errorOf(await call(port, '/set', { body: '{"a":1}' })), '503 try_again')
  assert.is(errorOf(await call(port, '/search')), '503 try_again')
  assert.is(errorOf(await call(port, '/')), '503 try_again')
  cache.failure = new CacheError('OUT_OF_MEMORY', 'full')
  assert.is(errorOf(await call(port, '/set', { body: '{"a":1}' })), '507 out_of_memory')
})

test('the raw bytes are there for who asks', async ({ port, cache }) => {
  cache.put('s', Buffer.from([0xff, 0, 0x22]))
  cache.put('j', '{"a":1}', VALUE_JSON)
  const octets = await call(port, '/get/s', { headers: { accept: 'application/octet-stream' } })
  assert.equal(octets.body, Buffer.from([0xff, 0, 0x22]))
  assert.is(octets.headers['content-type'], 'application/octet-stream')
  const text = await call(port, '/get/j', { headers: { accept: 'text/plain' } })
  assert.is(text.text, '{"a":1}')
  assert.is(text.headers['content-type'], 'text/plain; charset=utf-8')
  assert.is((await call(port, '/get/s')).text, '{"$base64":"/wAi"}')
  assert.is((await call(port, '/get/j', { headers: { accept: 'image/png' } })).text, '{"a":1}')
})

test('a value that no socket takes at once is answered whole, though the cache has its bytes back', async ({ port, cache }) => {
  const value = Buffer.alloc(16 * 1024 * 1024, 'v')
  cache.put('large', value)
  const got = await call(port, '/get/large', { headers: { accept: 'application/octet-stream' } })
  assert.ok(got.body.equals(value))
})

test('HEAD answers the head of a GET and no body', async ({ port, cache }) => {
  cache.put('k', 'three')
  for (const [path, length] of [
    ['/get/k', '7'],
    ['/search', '5'],
    ['/', '13'],
  ] as const) {
    const head = await call(port, path, { method: 'HEAD' })
    assert.is(head.status, 200)
    assert.is(head.headers['content-length'], length)
    assert.is(head.text, '')
  }
  assert.is((await call(port, '/get/none', { method: 'HEAD' })).status, 404)
})

test('a body is taken as JSON under the types that people send it with, and no other', async ({ port, cache }) => {
  const types = [
    undefined,
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/x-www-form-urlencoded',
    'text/plain',
  ]
  for (const type of types) {
    cache.held.clear()
    const set = await call(port, '/set', { body: '{"a":1}', headers: type === undefined ? {} : { 'content-type': type } })
    assert.is(`${set.status} ${set.text}`, '200 {"set":1}', type)
    assert.is(cache.held.size, 1)
  }
  cache.held.clear()
  for (const type of ['application/xml', 'multipart/form-data; boundary=x', 'nonsense', 'application/jsonp']) {
    assert.is(errorOf(await call(port, '/set', { body: '{"a":1}', headers: { 'content-type': type } })), '415 media_type_unsupported', type)
  }
  assert.is(cache.held.size, 0)
})

test('ttl reaches the cache in ms, and is refused where it is no duration', async ({ port, cache }) => {
  for (const [ttl, ms] of [
    ['30', 30_000],
    ['0.5', 500],
    ['1d', 86_400_000],
  ] as const) {
    await call(port, `/set?ttl=${ttl}`, { body: '{"a":1}' })
    assert.is(cache.held.get('a')?.ttlMs, ms)
  }
  await call(port, '/set', { body: '{"a":1}' })
  assert.is(cache.held.get('a')?.ttlMs, null)
  cache.held.clear()
  for (const ttl of ['', '0', '-1', 'x', '3651d', '5%20s']) {
    assert.is(errorOf(await call(port, `/set?ttl=${ttl}`, { body: '{"a":1}' })), '400 ttl_invalid', ttl)
  }
  assert.is(errorOf(await call(port, '/set?ttl=1&ttl=2', { body: '{"a":1}' })), '400 query_invalid')
  assert.is(errorOf(await call(port, '/set?ttl=%zz', { body: '{"a":1}' })), '400 query_invalid')
  assert.is(cache.held.size, 0)
})

test('a body that is refused has set nothing, whatever stood before the fault', async ({ port, cache }) => {
  const refused: [body: string, answer: string][] = [
    ['', '400 body_invalid'],
    ['[1]', '400 body_invalid'],
    ['{"a":1,"b":tru}', '400 body_invalid'],
    ['{"a":1} {"b":2}', '400 body_invalid'],
    ['{"a":1,"":2}', '400 key_invalid'],
    [`{"a":1,"${'k'.repeat(65)}":2}`, '400 key_invalid'],
    [`{"a":1,"b":"${'v'.repeat(4097)}"}`, '413 value_too_large'],
  ]
  for (const [body, answer] of refused) assert.is(errorOf(await call(port, '/set', { body })), answer, body.slice(0, 40))
  assert.is(cache.held.size, 0)
  assert.is((await call(port, '/set', { body: '{}' })).text, '{"set":0}')
})

test('pairs that could not be written are named, beside the count of those that were', async ({ port, cache }) => {
  cache.broken.add('b"').add('c')
  const answer = await call(port, '/set', { body: '{"a":1,"b\\"":2,"c":3}' })
  assert.is(errorOf(answer), '503 try_again')
  const { set, failed } = JSON.parse(answer.text)
  assert.equal({ set, failed }, { set: 1, failed: ['b"', 'c'] })
})

test('a body over the limit is refused while it is still being sent, and the connection lives', async ({ port, cache }) => {
  const body = `{"a":"${'x'.repeat(MAX_BODY_BYTES)}"}`
  const next = 'GET /get/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const sized = await raw(port, `POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}${next}`)
  assert.match(sized, /^HTTP\/1.1 413 .*"code":"body_too_large".*HTTP\/1.1 404 /s)
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const chunked = await raw(port, `POST /set HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}${next}`)
  assert.match(chunked, /^HTTP\/1.1 413 .*"code":"body_too_large".*HTTP\/1.1 404 /s)
  assert.is(cache.held.size, 0)
})

test('a client that waits for leave to send gets it, unless its body is too large', async ({ port, cache }) => {
  const head = (length: number): string =>
    `POST /set HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`
  assert.match(await raw(port, `${head(7)}{"a":1}`), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /)
  assert.match(await raw(port, head(MAX_BODY_BYTES + 1)), /^HTTP\/1.1 413 /)
  assert.is(cache.held.size, 1)
})

test('unknown paths are 404, known ones name the methods they have', async ({ port }) => {
  for (const path of ['/get', '/sets', '/set/', '/search/x', '/favicon.ico', '/%ff']) {
    const answer = errorOf(await call(port, path))
    assert.is(answer, path === '/%ff' ? '400 key_invalid' : '404 route_not_found', path)
  }
  const cases: [method: string, path: string, allow: string][] = [
    ['GET', '/set', 'POST, OPTIONS'],
    ['HEAD', '/set', 'POST, OPTIONS'],
    ['PUT', '/set?ttl=1', 'POST, OPTIONS'],
    ['POST', '/', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/get/a', 'GET, HEAD, OPTIONS'],
    ['POST', '/search?prefix=a', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/get/a/b', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/search', 'GET, HEAD, OPTIONS'],
    ['GET', '/flush', 'DELETE, POST, OPTIONS'],
    ['PUT', '/v1/ping', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/v1/readiness', 'GET, HEAD, OPTIONS'],
    ['PUT', '/v1/keys/a', 'POST, GET, HEAD, DELETE, OPTIONS'],
    ['PATCH', '/v1/a/b', 'GET, HEAD, PUT, POST, DELETE, OPTIONS'],
    ['PUT', '/keys', 'POST, OPTIONS'],
  ]
  for (const [method, path, allow] of cases) {
    const answer = await call(port, path, { method })
    assert.is(answer.status, 405, `${method} ${path}`)
    assert.is(answer.headers.allow, allow)
    if (method !== 'HEAD') assert.is(errorOf(answer), '405 method_not_allowed')
  }
})

test('what is no HTTP is answered as JSON and hung up on', async ({ port, gateway }) => {
  for (const input of ['hello\r\n\r\n', 'GET /get/ü HTTP/1.1\r\n\r\n', `GET /get/a HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`]) {
    const answer = await raw(port, Buffer.from(input))
    assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n.*Connection: close\r\n.*{"error":{"code":"request_invalid","message":"[^"]+"}}$/s)
  }
  assert.is(gateway.stats().malformedTotal, 3)
})

test('a browser gets a page at /, everybody else the pairs', async ({ port }) => {
  const page = await call(port, '/', { headers: { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' } })
  assert.is(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.is(page.headers.vary, 'accept')
  assert.match(page.text, 'curl')
  for (const accept of ['*/*', 'application/json', 'application/json, text/plain, */*']) {
    assert.is((await call(port, '/', { headers: { accept } })).text, '{}')
  }
})

test('answers are counted by route and status class, and observed with the time they took', async ({ port, cache, gateway, observed }) => {
  cache.put('k', 'v')
  await call(port, '/get/k')
  await call(port, '/get/none')
  await call(port, '/set', { body: '{"a":1}' })
  await call(port, '/set', { body: 'x', headers: { 'content-type': 'image/png' } })
  await call(port, '/nowhere')
  await call(port, '/')
  const { requestsTotal } = gateway.stats()
  assert.equal(requestsTotal['/get/{key}'], { '2xx': 1, '3xx': 0, '4xx': 1, '5xx': 0 })
  assert.equal(requestsTotal['/set'], { '2xx': 1, '3xx': 0, '4xx': 1, '5xx': 0 })
  assert.is(requestsTotal.other['4xx'], 1)
  assert.is(requestsTotal['/']['2xx'], 1)
  assert.equal(
    observed.map(([route, status]) => `${route} ${status}`),
    ['/get/{key} 200', '/get/{key} 404', '/set 200', '/set 415', 'other 404', '/ 200'],
  )
  for (const [, , seconds] of observed) assert.ok(seconds >= 0 && seconds < 1)
})

test('a defect is 500 without its details', async ({ port, cache }) => {
  cache.execute = () => {
    throw new TypeError('secret detail')
  }
  const answer = await call(port, '/get/k')
  assert.is(errorOf(answer), '500 internal')
  assert.not.match(answer.text, 'secret')
})

test.run()
