/**
 * `/v1/{key}` and `/flush`: plain text in and out, versions as entity tags, and the names under `/v1` that are no keys.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HEAD } from '../../../src/cache/operation.ts'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { FAKE_MS, FAKE_WRITER, FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('text routes')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function code(answer: Answer): string {
  return `${answer.status} ${JSON.parse(answer.text).error.code}`
}

const tagOf = (counter: number): string => `"${FAKE_MS}-${counter}-${FAKE_WRITER}"`

test('a value is put, read, and removed as text', async ({ port, cache }) => {
  for (const later of [false, true]) {
    cache.later = later
    for (const method of ['PUT', 'POST']) {
      const put = await call(port, '/v1/a/b', { method, body: `by ${method}`, headers: { 'content-type': 'text/plain' } })
      assert.is(`${put.status} ${put.text} ${put.headers['content-type']}`, '200 OK text/plain; charset=utf-8')
      const got = await call(port, '/v1/a%2Fb')
      assert.is(`${got.status} ${got.text} ${got.headers['content-type']}`, `200 by ${method} text/plain; charset=utf-8`)
      assert.is(got.headers.etag, put.headers.etag)
      const head = await call(port, '/v1/a/b', { method: 'HEAD' })
      assert.is(`${head.status} ${head.text} ${head.headers['content-length']}`, `200  ${got.text.length}`)
      assert.is(head.headers.etag, put.headers.etag)
    }
    for (const _ of ['there', 'not there']) {
      const gone = await call(port, '/v1/a/b', { method: 'DELETE' })
      assert.is(`${gone.status}${gone.text}`, '204')
    }
    assert.is(code(await call(port, '/v1/a/b')), '404 key_not_found')
  }
})

test('any bytes are a value, none too, and JSON shows its text', async ({ port, cache }) => {
  await call(port, '/v1/bytes', { method: 'PUT', body: Buffer.from([0xff, 0]) })
  const bytes = await call(port, '/v1/bytes')
  assert.equal(bytes.body, Buffer.from([0xff, 0]))
  assert.is(bytes.headers['content-type'], 'application/octet-stream')
  assert.is((await call(port, '/v1/empty', { method: 'PUT' })).status, 200)
  assert.is((await call(port, '/v1/empty')).text, '')
  assert.is((await call(port, '/get/empty')).text, '""')
  cache.put('j', '{"a" : 1.0}', VALUE_JSON)
  assert.is((await call(port, '/v1/j')).text, '{"a" : 1.0}')
})

test('what is not text is 415, what is too large 413, a key that cannot be 400, and nothing is written', async ({ port, cache }) => {
  for (const type of ['application/json', 'image/png', 'nonsense', 'text/plainer']) {
    assert.is(code(await call(port, '/v1/k', { body: '1', headers: { 'content-type': type } })), '415 media_type_unsupported', type)
  }
  assert.is(code(await call(port, '/v1/k', { body: 'x'.repeat(4097) })), '413 value_too_large')
  assert.is(code(await call(port, '/v1/k', { body: 'x'.repeat(17_000) })), '413 body_too_large')
  for (const key of ['', '%ff', 'x'.repeat(65)]) {
    for (const method of ['GET', 'PUT', 'DELETE']) assert.is(code(await call(port, `/v1/${key}`, { method })), '400 key_invalid')
  }
  assert.is(cache.executed, 0)
  cache.failure = new CacheError('OUT_OF_MEMORY', 'full')
  assert.is(code(await call(port, '/v1/k', { body: '1' })), '507 out_of_memory')
})

test('ttl, or else max-age, is the time to live', async ({ port, cache }) => {
  const cases: [query: string, cacheControl: string | undefined, ms: number | null][] = [
    ['', undefined, null],
    ['?ttl=500ms', undefined, 500],
    ['', 'max-age=60', 60_000],
    ['', 'no-transform, Max-Age=5', 5000],
    ['', 'no-cache', null],
    ['?ttl=1', 'max-age=60', 1000],
  ]
  for (const [query, cacheControl, ms] of cases) {
    const headers = cacheControl === undefined ? {} : { 'cache-control': cacheControl }
    assert.is((await call(port, `/v1/k${query}`, { method: 'PUT', body: 'v', headers })).status, 200)
    assert.is(cache.held.get('k')?.ttlMs, ms)
  }
  cache.held.clear()
  for (const [path, cacheControl] of [
    ['/v1/k?ttl=0', ''],
    ['/v1/k?ttl=x', ''],
    ['/v1/k', 'max-age=0'],
    ['/v1/k', 'max-age=99999999999'],
  ] as const) {
    const answer = await call(port, path, { method: 'PUT', body: 'v', headers: { 'cache-control': cacheControl } })
    assert.is(code(answer), '400 ttl_invalid')
    assert.match(answer.text, /10 years|ms, s, m, h or d/)
  }
  assert.is(cache.held.size, 0)
})

test('a read is 304 or 412 as its conditions say', async ({ port, cache }) => {
  cache.put('k', 'v')
  const [mine, other] = [tagOf(1), '"1-1-other"']
  const cases: [headers: Record<string, string>, status: number][] = [
    [{ 'if-none-match': mine }, 304],
    [{ 'if-none-match': `W/${mine}` }, 304],
    [{ 'if-none-match': `${other}, ${mine}` }, 304],
    [{ 'if-none-match': `${other} ,W/${mine}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': other }, 200],
    [{ 'if-match': mine }, 200],
    [{ 'if-match': `${other},${mine}` }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': other }, 412],
    [{ 'if-match': `W/${mine}` }, 412],
    [{ 'if-match': other, 'if-none-match': mine }, 412],
    [{ 'if-match': mine, 'if-none-match': mine }, 304],
    [{ 'if-match': '""' }, 412],
  ]
  for (const [headers, status] of cases) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await call(port, '/v1/k', { method, headers })
      assert.is(answer.status, status, JSON.stringify(headers))
      assert.is(answer.headers.etag, mine)
      if (status === 304) assert.is(answer.text, '')
    }
  }
  for (const wrong of ['x', '"a', 'a"', '"a" "b"', '"a",', ',', '', 'W/*', '*, "a"', 'w/"a"']) {
    assert.is(code(await call(port, '/v1/k', { headers: { 'if-match': wrong } })), '400 request_invalid', wrong)
  }
  assert.is((await call(port, '/v1/none', { headers: { 'if-match': '*' } })).status, 404)
})

test('a write happens only as its conditions say', async ({ port, cache }) => {
  const put = async (headers: Record<string, string>): Promise<number> =>
    (await call(port, '/v1/k', { method: 'PUT', body: 'new', headers })).status
  for (const later of [false, true]) {
    cache.later = later
    cache.held.clear()
    assert.is(await put({ 'if-match': '*' }), 412)
    assert.is(await put({ 'if-match': '"a"' }), 412)
    assert.is(cache.held.size, 0)
    assert.is(await put({ 'if-none-match': '*' }), 200)
    assert.is(await put({ 'if-none-match': '*' }), 412)
    const tag = (await call(port, '/v1/k')).headers.etag ?? ''
    assert.is(await put({ 'if-none-match': `"a", ${tag}` }), 412)
    assert.is(await put({ 'if-match': `W/${tag}` }), 412)
    assert.is((await call(port, '/v1/k')).headers.etag, tag)
    assert.is(await put({ 'if-match': `"a", ${tag}` }), 200)
    assert.is(await put({ 'if-match': tag }), 412)
    assert.is(await put({ 'if-none-match': tag }), 200)
    assert.is(await put({ 'if-match': '*' }), 200)
    assert.is((await call(port, '/v1/k', { method: 'DELETE', headers: { 'if-match': tag } })).status, 412)
    const now = (await call(port, '/v1/k')).headers.etag ?? ''
    assert.is((await call(port, '/v1/k', { method: 'DELETE', headers: { 'if-match': now } })).status, 204)
    assert.is((await call(port, '/v1/k', { method: 'DELETE', headers: { 'if-match': now } })).status, 412)
    assert.is((await call(port, '/v1/k', { method: 'DELETE', headers: { 'if-none-match': now } })).status, 204)
  }
})

test('a condition is judged again when somebody writes between the look and the write', async ({ port, cache }) => {
  cache.put('k', 'old')
  const tag = tagOf(1)
  let others = 1
  cache.before = ({ flags }) => {
    if (flags !== 0 || others-- <= 0) return
    cache.put('k', 'by somebody else')
  }
  assert.is((await call(port, '/v1/k', { method: 'PUT', body: 'mine', headers: { 'if-match': tag } })).status, 412)
  assert.is(cache.held.get('k')?.value.toString(), 'by somebody else')
  others = 3
  assert.is((await call(port, '/v1/k', { method: 'PUT', body: 'mine', headers: { 'if-match': '*' } })).status, 200)
  assert.is(cache.held.get('k')?.value.toString(), 'mine')
  others = 1000
  cache.executed = 0
  assert.is(code(await call(port, '/v1/k', { method: 'PUT', body: 'mine', headers: { 'if-match': '*' } })), '503 try_again')
  assert.is(cache.executed, 20)
})

test('the look before a write asks for no value and counts as no use', async ({ port, cache }) => {
  cache.put('k', 'old')
  const flags: number[] = []
  cache.before = (operation) => flags.push(operation.flags)
  await call(port, '/v1/k', { method: 'PUT', body: 'new', headers: { 'if-match': '*' } })
  assert.ok(((flags[0] as number) & HEAD) !== 0)
})

test('ping, readiness and keys/ under /v1 keep their meaning, and no write reaches a key of that name', async ({ port, cache }) => {
  for (const name of ['ping', 'readiness']) {
    cache.put(name, 'a value')
    assert.is((await call(port, `/v1/${name}`)).text, 'OK')
    for (const method of ['PUT', 'POST', 'DELETE']) assert.is((await call(port, `/v1/${name}`, { method })).status, 405)
    assert.is(cache.held.get(name)?.value.toString(), 'a value')
  }
  assert.is((await call(port, '/v1/keys/x', { method: 'PUT', body: 'text' })).status, 405)
  assert.is((await call(port, '/v1/keys', { method: 'PUT', body: 'a key as any' })).status, 200)
  assert.is((await call(port, '/v1/keys')).text, 'a key as any')
  assert.is((await call(port, '/v1/pings', { method: 'PUT', body: 'another' })).status, 200)
})

test('a flush removes everything, by either method, and names members that it did not reach', async ({ port, cache }) => {
  for (const method of ['DELETE', 'POST']) {
    cache.put('k', 'v')
    const flushed = await call(port, '/flush', {
      method,
      body: method === 'POST' ? '{}' : '',
      headers: { 'content-type': 'application/json' },
    })
    assert.is(`${flushed.status}${flushed.text}`, '204')
    assert.is(cache.held.size, 0)
  }
  cache.unreached = ['b', 'c']
  const partial = await call(port, '/flush', { method: 'POST' })
  assert.is(`${partial.status} ${partial.text}`, '200 {"unreached":["b","c"]}')
  cache.failure = new CacheError('TRY_AGAIN', 'nobody')
  assert.is(code(await call(port, '/flush', { method: 'DELETE' })), '503 try_again')
})

test.run()
