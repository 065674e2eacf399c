/** `?ack=`: on every route that writes keys, and what is answered when it cannot be given. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_ALL, ACK_LOCAL, ACK_REPLICA } from '../../../src/cache/operation.ts'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('http acknowledgement')

const WRITES: readonly (readonly [method: string, path: string, body: string])[] = [
  ['POST', '/set', '{"a":1,"b":2}'],
  ['PUT', '/v1/a', 'v'],
  ['POST', '/v1/a', 'v'],
  ['DELETE', '/v1/a', ''],
  ['POST', '/keys', '{"key":"a","value":1}'],
  ['DELETE', '/keys/a', ''],
  ['POST', '/v1/keys/a', '{"value":"dg=="}'],
  ['DELETE', '/v1/keys/a', ''],
]

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function send(port: number, method: string, path: string, body: string): Promise<Answer> {
  return call(port, path, body === '' ? { method } : { method, body })
}

function code(answer: Answer): string {
  return `${answer.status} ${JSON.parse(answer.text).error.code}`
}

test('what is asked for goes along with each write, and is local where nothing is', async ({ port, cache }) => {
  for (const [method, path, body] of WRITES) {
    for (const [query, ack] of [
      ['', ACK_LOCAL],
      ['?ack=local', ACK_LOCAL],
      ['?ack=replica', ACK_REPLICA],
      ['?ack=all', ACK_ALL],
    ] as const) {
      cache.acks.length = 0
      assert.ok((await send(port, method, `${path}${query}`, body)).status < 300, `${method} ${path}`)
      assert.equal([...new Set(cache.acks)], [ack], `${method} ${path}${query}`)
    }
  }
})

test('a write under a condition asks for it too', async ({ port, cache }) => {
  const headers = { 'if-none-match': '*' }
  assert.is((await call(port, '/v1/k?ack=all', { method: 'PUT', body: 'v', headers })).status, 200)
  assert.is((await call(port, '/v1/k?ack=replica', { method: 'DELETE', headers: { 'if-match': '*' } })).status, 204)
  assert.equal(cache.acks, [ACK_ALL, ACK_REPLICA])
})

test('what is none of the three is refused, and nothing is written', async ({ port, cache }) => {
  for (const [method, path, body] of WRITES) {
    for (const ack of ['', 'ALL', 'one', '1']) {
      assert.is(code(await send(port, method, `${path}?ack=${ack}`, body)), '400 query_invalid', `${method} ${path}?ack=${ack}`)
    }
  }
  assert.is(cache.executed + cache.held.size, 0)
})

test('without replicas it is 503, and where they do not confirm it in time 504', async ({ port, cache }) => {
  for (const [method, path, body] of WRITES) {
    cache.failure = new CacheError('NO_REPLICAS', 'nobody is there')
    assert.is(code(await send(port, method, `${path}?ack=replica`, body)), '503 no_replicas')
    cache.failure = new CacheError('NOT_CONFIRMED', 'nobody answers')
    assert.is(code(await send(port, method, `${path}?ack=replica`, body)), '504 not_confirmed')
  }
})

test('of many pairs those that are written and not confirmed are named among those that failed, and by themselves', async ({
  port,
  cache,
}) => {
  cache.unconfirmed.add('b"').add('d')
  const answer = await call(port, '/set?ack=replica', { body: '{"a":1,"b\\"":2,"c":3,"d":4}' })
  assert.is(code(answer), '504 not_confirmed')
  const { set, failed, unconfirmed } = JSON.parse(answer.text)
  assert.equal({ set, failed, unconfirmed }, { set: 2, failed: ['b"', 'd'], unconfirmed: ['b"', 'd'] })
  cache.broken.add('a')
  const mixed = await call(port, '/set?ack=replica', { body: '{"a":1,"b\\"":2,"c":3}' })
  assert.is(code(mixed), '503 try_again')
  assert.equal(JSON.parse(mixed.text).failed, ['a', 'b"'])
  assert.equal(JSON.parse(mixed.text).unconfirmed, ['b"'])
})

test('the document tells of it at just the routes that have it', async ({ port }) => {
  const { paths } = JSON.parse((await call(port, '/openapi.json')).text)
  const told: string[] = []
  for (const [path, methods] of Object.entries<Record<string, { parameters?: { name: string; schema: unknown }[]; responses: object }>>(
    paths,
  )) {
    for (const [method, { parameters = [], responses }] of Object.entries(methods)) {
      const ack = parameters.find(({ name }) => name === 'ack')
      if (ack === undefined) continue
      told.push(`${method.toUpperCase()} ${path}`)
      assert.equal(ack.schema, { type: 'string', enum: ['local', 'replica', 'all'], default: 'local' })
      assert.match(JSON.stringify(responses), /no_replicas.*not_confirmed/s)
    }
  }
  assert.equal(told.sort(), WRITES.map(([method, path]) => `${method} ${path.replace(/a$/, '{key}')}`).sort())
})

test.run()
