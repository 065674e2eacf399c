/** What is refused whatever the route: see request-guard.ts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call, raw } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('request guard')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function verdictOf({ status, text }: Answer): string {
  return status === 403 ? JSON.parse(text).error.code : String(status)
}

test('a page of another origin cannot change anything, by whatever route', async ({ port, cache }) => {
  cache.put('k', 'v')
  const here = `127.0.0.1:${port}`
  const foreign = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'cross-site', origin: `http://${here}` },
    { origin: 'https://example.com' },
    { origin: 'null' },
    { origin: 'nonsense' },
    { origin: 'file://' },
    { origin: 'http://127.0.0.1:1' },
    { origin: `http://x.${here}` },
  ]
  const changes: readonly [method: string, path: string, body: string][] = [
    ['POST', '/set', '{"k":1}'],
    ['PUT', '/v1/k', 'x'],
    ['POST', '/v1/k', 'x'],
    ['DELETE', '/v1/k', ''],
    ['POST', '/keys', '{"key":"k","value":"x"}'],
    ['POST', '/flush', ''],
    ['POST', '/register', '{}'],
  ]
  for (const headers of foreign) {
    for (const [method, path, body] of changes) {
      const answer = await call(port, path, { method, headers: { ...headers, 'content-type': 'text/plain' }, body })
      assert.is(verdictOf(answer), 'forbidden', `${method} ${path} ${JSON.stringify(headers)}`)
    }
  }
  assert.is((await call(port, '/get/k')).text, '"v"')
})

test('a page of this origin, and clients that are no browser, can; the port that the scheme implies may be left out', async ({ port }) => {
  const here = `127.0.0.1:${port}`
  const own = [
    {},
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-origin', origin: `http://${here}` },
    { origin: `https://${here}` },
    { host: 'Cache.example.com:443', origin: 'https://cache.example.com' },
    { host: 'cache.example.com', origin: 'https://cache.example.com' },
  ]
  for (const headers of own) {
    const answer = await call(port, '/set', { headers: { ...headers, 'content-type': 'application/json' }, body: '{"k":1}' })
    assert.is(verdictOf(answer), '200', JSON.stringify(headers))
  }
})

test('reading is nobody else’s business: it is answered, and no other page is shown the answer', async ({ port, cache }) => {
  cache.put('k', 'v')
  for (const path of ['/get/k', '/search', '/v1/k']) {
    const answer = await call(port, path, { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://example.com' } })
    assert.is(answer.status, 200)
    assert.is(answer.headers['access-control-allow-origin'], undefined)
  }
})

test('HTTP/1.1 without a host, and what nobody can expect, are refused in words', async ({ port }) => {
  const refused = /^HTTP\/1.1 400 Bad Request\r\n.*\{"error":\{"code":"request_invalid","message":"[^"]+"\}\}$/s
  assert.match(await raw(port, 'GET /live HTTP/1.1\r\nConnection: close\r\n\r\n'), refused)
  assert.match(await raw(port, 'GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: foo\r\n\r\n'), refused)
  assert.match(await raw(port, 'POST /set HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: foo\r\nContent-Length: 2\r\n\r\n{}'), refused)
  assert.match(await raw(port, 'GET /live HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 OK/)
  assert.match(
    await raw(port, 'POST /set HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}'),
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/,
  )
})

test('what two readers could take for two requests is refused on both lanes, and nothing behind it is read', async ({ port, cache }) => {
  cache.put('k', 'v')
  const behind = 'POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{"behind":1}'
  const chunked = '7\r\n{"a":1}\r\n0\r\n\r\n'
  const ambiguous = [
    'GET /get/k HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
    'GET /get/k HTTP/1.1\r\nHost: x\r\nhOST: x\r\n\r\n',
    'GET /get/k HTTP/1.0\r\nHost: x\r\nHost: y\r\nConnection: keep-alive\r\n\r\n',
    'GET /get/k HTTP/1.1\r\n\r\n',
    'GET /get/k HTTP/1.1\r\nHost: x y\r\n\r\n',
    'GET /get/k HTTP/1.1\r\nHost: http://x\r\n\r\n',
    'GET /get/k HTTP/2.0\r\nHost: x\r\n\r\n',
    'GET /get/k HTTP/0.9\r\nHost: x\r\n\r\n',
    'POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n{"a":1}',
    'POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 7, 7\r\n\r\n{"a":1}',
    `POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    `POST /set HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${chunked}`,
    `POST /set HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
  ]
  const plain = 'GET /get/k HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const request of ambiguous) {
    for (const before of ['', plain, `HEAD /live HTTP/1.1\r\nHost: x\r\n\r\n`]) {
      const answer = await raw(port, before + request + behind)
      assert.match(answer, /HTTP\/1.1 400 Bad Request\r\n(?!.*HTTP\/1.1 \d).*\{"error":\{"code":"request_invalid"/s, request)
      assert.is(answer.match(/HTTP\/1.1 200 OK/g)?.length ?? 0, before === '' ? 0 : 1)
    }
  }
  assert.equal([...cache.held.keys()], ['k'])
})

test('a body that is encoded is not taken for what it is not', async ({ port, cache }) => {
  for (const path of ['/set', '/v1/k', '/keys']) {
    const answer = await call(port, path, { body: '{"key":"k","value":"x"}', headers: { 'content-encoding': 'gzip' } })
    assert.is(answer.status, 415)
    assert.is(JSON.parse(answer.text).error.code, 'media_type_unsupported')
  }
  assert.is(cache.held.size, 0)
  assert.is((await call(port, '/v1/k', { body: 'x', headers: { 'content-encoding': 'Identity' } })).status, 200)
})

test('the page at / shows the address by which it was asked for, and nothing that a request could slip in', async ({ port }) => {
  const page = async (headers: Record<string, string>): Promise<string> =>
    (await call(port, '/', { headers: { accept: 'text/html', ...headers } })).text
  assert.match(await page({}), `curl http://127.0.0.1:${port}/get/abc-1`)
  assert.match(await page({ host: 'cache.example.com', 'x-forwarded-proto': 'https' }), 'curl https://cache.example.com/get/abc-1')
  const slipped = await page({ host: 'x$(rm)' })
  assert.not.match(slipped, '$(rm)')
})

test('/docs/ leads to /docs', async ({ port }) => {
  const answer = await call(port, '/docs/')
  assert.is(answer.status, 308)
  assert.is(answer.headers.location, '/docs')
})

test.run()
