/**
 * `/keys` and `/v1/keys`: one key as members of a JSON object, with JSON or with base64.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { type Answer, call } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('keys routes')
const MAX_VALUE_BYTES = 1024 * 1024

test.before.each(async (context) => {
  context.cache = new FakeCache({ maxKeyBytes: 64, maxValueBytes: MAX_VALUE_BYTES })
  context.gateway = face({ cache: context.cache, maxBodyBytes: 2 * MAX_VALUE_BYTES })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function code(answer: Answer): string {
  return `${answer.status} ${JSON.parse(answer.text).error.code}`
}

test('a key is created with any JSON value, to the digit, read and removed', async ({ port, cache }) => {
  const values = ['"value3"', '1.0', '12345678901234567890', '{"a" : [null]}', 'true', '{"$base64":"/wD+"}', '""']
  for (const value of values) {
    for (const body of [`{"key":"a/ü","value":${value}}`, ` { "value" : ${value} , "k\\u0065y" : "a/\\u00fc" } `]) {
      const created = await call(port, '/keys', { body, headers: { 'content-type': 'application/json' } })
      assert.is(`${created.status} ${created.text}`, `201 {"key":"a/ü","value":${value}}`)
      const read = await call(port, String(created.headers.location))
      assert.is(`${read.status} ${read.text}`, `200 {"key":"a/ü","value":${value}}`)
      assert.is((await call(port, '/keys/a/%C3%BC')).text, read.text)
      assert.is((await call(port, '/get/a%2F%C3%BC')).text, value)
    }
  }
  for (const _ of ['there', 'not there']) {
    const gone = await call(port, '/keys/a%2F%C3%BC', { method: 'DELETE' })
    assert.is(`${gone.status}${gone.text}`, '204')
  }
  assert.is(code(await call(port, '/keys/a%2F%C3%BC')), '404 key_not_found')
  await call(port, '/keys?ttl=5m', { body: '{"key":"t","value":1}' })
  assert.is(cache.held.get('t')?.ttlMs, 300_000)
})

test('a body that is not a key and a value is refused, and nothing is set', async ({ port, cache }) => {
  const refused: [body: string, answer: string][] = [
    ['', '400 body_invalid'],
    ['[]', '400 body_invalid'],
    ['{}', '400 body_invalid'],
    ['{"key":"a"}', '400 body_invalid'],
    ['{"value":1}', '400 body_invalid'],
    ['{"key":1,"value":1}', '400 body_invalid'],
    ['{"key":"a","value":tru}', '400 body_invalid'],
    ['{"key":"a","value":1}x', '400 body_invalid'],
    ['{"key":"a","value":1,"ttl":5}', '400 body_invalid'],
    ['{"key":"a","key":"b","value":1}', '400 body_invalid'],
    ['{"key":"a","value":{"$base64":"!"}}', '400 body_invalid'],
    ['{"key":"\\ud800","value":1}', '400 body_invalid'],
    [`{"key":"a","value":1,"${'x'.repeat(100)}":1}`, '400 body_invalid'],
    ['{"key":"","value":1}', '400 key_invalid'],
    [`{"key":"${'k'.repeat(65)}","value":1}`, '400 key_invalid'],
    [`{"key":"a","value":"${'v'.repeat(MAX_VALUE_BYTES + 1)}"}`, '413 value_too_large'],
    [`{"key":"a","value":"${'v'.repeat(2 * MAX_VALUE_BYTES)}"}`, '413 body_too_large'],
  ]
  for (const [body, answer] of refused) assert.is(code(await call(port, '/keys', { body, method: 'POST' })), answer, body.slice(0, 60))
  assert.is(code(await call(port, '/keys', { body: Buffer.from('{"key":"\xff","value":1}', 'latin1') })), '400 body_invalid')
  assert.is(code(await call(port, '/keys', { body: '{}', headers: { 'content-type': 'text/html' } })), '415 media_type_unsupported')
  assert.is(cache.executed, 0)
})

test('bytes go in and come out as base64, a megabyte too', async ({ port }) => {
  for (const bytes of [Buffer.from('three'), Buffer.from([0, 0xff]), Buffer.alloc(0), Buffer.alloc(MAX_VALUE_BYTES, 0xfe)]) {
    const body = JSON.stringify({ value: bytes.toString('base64') })
    const set = await call(port, '/v1/keys/a/b/c', { body, headers: { 'content-type': 'application/json' } })
    assert.is(`${set.status} ${set.text}`, '200 {"set":1}')
    const got = await call(port, '/v1/keys/a%2Fb%2Fc')
    assert.is(got.status, 200)
    assert.is(got.text, body)
    assert.equal((await call(port, '/get/a/b/c', { headers: { accept: 'application/octet-stream' } })).body, bytes)
  }
  assert.is((await call(port, '/v1/keys/a/b/c', { method: 'DELETE' })).text, '{"deleted":true}')
  const again = await call(port, '/v1/keys/a/b/c', { method: 'DELETE' })
  assert.is(`${again.status} ${again.text}`, '200 {"deleted":false}')
  assert.is(code(await call(port, '/v1/keys/a/b/c')), '404 key_not_found')
})

test('what is not base64 of the standard alphabet with its padding is refused', async ({ port, cache }) => {
  for (const value of ['"YQ"', '"YQ==="', '"Y Q="', '"_-=="', '"="', '1', 'null', '{}', '"YQ=\\n"']) {
    assert.is(code(await call(port, '/v1/keys/k', { body: `{"value":${value}}` })), '400 body_invalid', value)
  }
  const large = Buffer.alloc(MAX_VALUE_BYTES + 1).toString('base64')
  assert.is(code(await call(port, '/v1/keys/k', { body: `{"value":"${large}"}` })), '413 value_too_large')
  assert.is(code(await call(port, '/v1/keys/', { body: '{"value":""}' })), '400 key_invalid')
  assert.is(cache.executed, 0)
})

test.run()
