/**
 * Walks over all keys, as answers: whole in one write when small, in pieces when large, linked when limited, and never cut short in silence.
 */
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call, raw } from '../../support/http-client.ts'
import { face, until } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('scan answer')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function fill(cache: FakeCache, count: number, value: string): Record<string, string> {
  const all: Record<string, string> = {}
  for (let i = 0; i < count; i++) {
    const key = `key-${String(i).padStart(6, '0')}`
    cache.put(key, value)
    all[key] = value
  }
  return all
}

/** Where the next page is. */
function nextOf(answer: Answer): string | undefined {
  const { link } = answer.headers
  return /^<(.+)>; rel="next"$/.exec(String(link))?.[1]
}

test('a search finds the keys with a prefix, a suffix, both or neither, in byte order', async ({ port, cache }) => {
  for (const key of ['xyz-1', 'abc-2', 'abc-1', 'xyz-2', 'é-1', 'a b', '"q"']) cache.put(key, '1', VALUE_JSON)
  const cases: [query: string, keys: string[]][] = [
    ['', ['"q"', 'a b', 'abc-1', 'abc-2', 'xyz-1', 'xyz-2', 'é-1']],
    ['?prefix=abc', ['abc-1', 'abc-2']],
    ['?suffix=-1', ['abc-1', 'xyz-1', 'é-1']],
    ['?prefix=x&suffix=-1', ['xyz-1']],
    ['?prefix=%C3%A9', ['é-1']],
    ['?prefix=a+b', ['a b']],
    ['?prefix=&suffix=', ['"q"', 'a b', 'abc-1', 'abc-2', 'xyz-1', 'xyz-2', 'é-1']],
    ['?prefix=none', []],
  ]
  for (const [query, keys] of cases) {
    const answer = await call(port, `/search${query}`)
    assert.is(answer.status, 200)
    assert.is(answer.text, JSON.stringify(keys), query)
    assert.is(answer.headers['content-length'], String(answer.body.length))
  }
})

test('/ and values=true answer pairs as JSON', async ({ port, cache }) => {
  cache.put('n', '1.0', VALUE_JSON)
  cache.put('s', 'three')
  cache.put('b', Buffer.from([0xff]))
  assert.is((await call(port, '/')).text, '{"b":{"$base64":"/w=="},"n":1.0,"s":"three"}')
  assert.is((await call(port, '/search?values=true&prefix=n')).text, '{"n":1.0}')
  assert.is((await call(port, '/search?values=false&prefix=n')).text, '["n"]')
})

test('keys that are not UTF-8 are left out, and counted in a header', async ({ port, cache }) => {
  cache.put('b', '1')
  assert.is((await call(port, '/')).headers['x-jackdaw-skipped-keys'], undefined)
  cache.put(Buffer.from([0x61, 0xff]), '1')
  cache.put(Buffer.from([0xff]), '1')
  for (const [path, text] of [
    ['/search', '["b"]'],
    ['/', '{"b":"1"}'],
    ['/search?limit=1&prefix=b', '["b"]'],
  ] as const) {
    const answer = await call(port, path)
    assert.is(answer.text, text)
    assert.is(answer.headers['x-jackdaw-skipped-keys'], path.includes('prefix') ? undefined : '2')
  }
  assert.is((await call(port, '/', { method: 'HEAD' })).headers['x-jackdaw-skipped-keys'], '2')
})

test('in a streamed answer they are counted in a trailer, which HTTP/1.0 has not', async ({ port, cache }) => {
  fill(cache, 300, 'x'.repeat(1000))
  cache.put(Buffer.from([0xff]), '1')
  cache.pageSize = 100
  const streamed = await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  assert.match(streamed, /^HTTP\/1.1 200 OK\r\n.*trailer: x-jackdaw-skipped-keys\r\n/s)
  assert.match(streamed, /\r\n0\r\nx-jackdaw-skipped-keys: 1\r\n\r\n$/)
  const old = await raw(port, 'GET / HTTP/1.0\r\nHost: x\r\n\r\n')
  assert.match(old, /^HTTP\/1.1 200 OK\r\n(?!.*skipped-keys).*"\}$/s)
})

test('a large answer travels in pieces and is whole, at once or later', async ({ port, cache, gateway }) => {
  const all = fill(cache, 2000, 'x'.repeat(200))
  cache.pageSize = 37
  for (const later of [false, true]) {
    cache.later = later
    const answer = await call(port, '/')
    assert.is(answer.headers['content-length'], undefined)
    assert.is(answer.headers.vary, 'accept')
    assert.equal(JSON.parse(answer.text), all)
  }
  assert.is(gateway.stats().requestsTotal['/']['2xx'], 2)
})

test('pages without entries are walked through', async ({ port, cache }) => {
  for (let i = 0; i < 500; i++) cache.put(Buffer.from([0xff, i >> 8, i & 255]), '1')
  cache.put('a', '1')
  cache.pageSize = 1
  assert.is((await call(port, '/search')).text, '["a"]')
})

test('a walk that fails before anything was sent is an error, whole and in order', async ({ port, cache }) => {
  fill(cache, 20, 'x')
  cache.pageSize = 10
  cache.failingPage = 1
  const answer = await call(port, '/')
  assert.is(answer.status, 503)
  assert.is(JSON.parse(answer.text).error.code, 'try_again')
})

test('a walk that fails later resets the connection', async ({ port, cache, gateway }) => {
  fill(cache, 1000, 'x'.repeat(400))
  cache.pageSize = 250
  cache.failingPage = 3
  for (const later of [false, true]) {
    cache.later = later
    let broken: unknown
    try {
      await call(port, '/')
    } catch (error) {
      broken = error
    }
    assert.is((broken as { code?: string } | undefined)?.code, 'ECONNRESET')
  }
  assert.is(gateway.stats().brokenStreamsTotal, 2)
  assert.is(cache.openScans, 0)
})

test('a client that does not read stops the walk, and one that leaves ends it', async ({ port, cache }) => {
  fill(cache, 20_000, 'x'.repeat(1000))
  cache.pageSize = 100
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  socket.pause()
  await until(() => cache.pagesServed > 1)
  let before = -1
  await until(() => {
    const still = cache.pagesServed === before
    before = cache.pagesServed
    return still
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.is(cache.pagesServed, before)
  assert.ok(before < 200)
  assert.is(cache.openScans, 1)
  socket.destroy()
  await until(() => cache.openScans === 0)
  assert.is(cache.pagesServed, before)
})

test('HEAD of a large answer walks no further than to its head', async ({ port, cache }) => {
  fill(cache, 2000, 'x'.repeat(1000))
  cache.pageSize = 100
  const head = await call(port, '/', { method: 'HEAD' })
  assert.is(head.status, 200)
  assert.is(head.text, '')
  assert.is(cache.pagesServed, 1)
  assert.is(cache.openScans, 0)
})

test('following the links of a limited search meets every key once, whatever the pages', async ({ port, cache }) => {
  const all = Object.keys(fill(cache, 50, '1'))
  for (const pageSize of [1, 7, 10, 1000]) {
    cache.pageSize = pageSize
    for (const limit of [1, 7, 10, 49, 50, 51]) {
      const met: string[] = []
      let path: string | undefined = `/search?prefix=key-&limit=${limit}`
      let requests = 0
      while (path !== undefined) {
        const answer = await call(port, path)
        const keys = JSON.parse(answer.text)
        assert.ok(keys.length <= limit)
        met.push(...keys)
        requests++
        path = nextOf(answer)
      }
      assert.equal(met, all)
      assert.is(requests, Math.ceil(50 / limit))
    }
  }
})

test('a link asks the same question', async ({ port, cache }) => {
  for (const key of ['a&b 1-x', 'a&b 2-x', 'a&b 3-y', 'b']) cache.put(key, key)
  const first = await call(port, '/search?prefix=a%26b+&suffix=-x&values=true&limit=1')
  assert.is(first.text, '{"a&b 1-x":"a&b 1-x"}')
  const link = nextOf(first) ?? ''
  const second = await call(port, link)
  assert.is(second.text, '{"a&b 2-x":"a&b 2-x"}')
  assert.is(nextOf(second), undefined)
})

test('a limited answer of large values ends early and links to the rest', async ({ port, cache }) => {
  fill(cache, 60, 'x'.repeat(100_000))
  const first = await call(port, '/search?values=true&limit=100')
  const count = Object.keys(JSON.parse(first.text)).length
  assert.ok(count > 1 && count < 60)
  assert.match(nextOf(first) ?? '', 'cursor=')
  assert.is(cache.openScans, 0)
})

test('parameters that make no sense are refused', async ({ port, cache }) => {
  cache.put('a', '1')
  const wrong = [
    'limit=0',
    'limit=10001',
    'limit=-1',
    'limit=x',
    'limit=1.5',
    'limit=',
    'values=1',
    'cursor=',
    'cursor=!',
    'cursor=YQ==',
    'prefix=%ff',
    'prefix=a&prefix=b',
  ]
  for (const query of [...wrong, `cursor=${Buffer.from('x'.repeat(65)).toString('base64url')}`]) {
    const answer = await call(port, `/search?${query}`)
    assert.is(answer.status, 400, query)
    assert.is(JSON.parse(answer.text).error.code, 'query_invalid', query)
  }
  assert.is(cache.scans.length, 0)
})

test.run()
