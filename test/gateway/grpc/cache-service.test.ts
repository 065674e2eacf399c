/** The calls of proto/cache.proto, by a client made from it, over real sockets. */

import { status } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_ALL, ACK_LOCAL, ACK_REPLICA } from '../../../src/cache/operation.ts'
import { GrpcGateway } from '../../../src/gateway/grpc/index.ts'
import type { GetResponse, SearchResponse, SetResponse } from '../../../src/gateway/grpc/messages.ts'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { VALUE_JSON } from '../../../src/lib/entry.ts'
import { CacheError, ERRORS, type ErrorCode, publicCode } from '../../../src/lib/errors.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FAKE_MS, FAKE_WRITER } from '../../support/fake-cache.ts'
import { localCache } from '../../support/local-cache.ts'
import { type Failure, GrpcClient } from './grpc-client.ts'
import { CACHE, failuresOf, until, withGateway } from './running.ts'

const test = suite('grpc cache service')

const key = Buffer.from([0x6b, 0xff, 0x00])
const value = Buffer.from([0x76, 0x00, 0xfe])
const version = (counter: number): object => ({ ms: FAKE_MS, counter, writer: FAKE_WRITER })

function keysOf(messages: readonly SearchResponse[]): string[] {
  return messages.flatMap(({ entries }) => entries.map((entry) => entry.key.toString()))
}

test('what is set is got: any bytes, with kind and version', () =>
  withGateway({}, async ({ client, observed, gateway }) => {
    assert.equal(await client.call<SetResponse>('Set', { key, value }), { existed: false, version: version(1) })
    const found = await client.call<GetResponse>('Get', { key })
    assert.equal(found, { value, kind: 'KIND_STRING', version: version(1), expires_at_ms: 0 })
    assert.equal(await client.call('Set', { key, value: Buffer.from('2'), kind: 'KIND_JSON' }), { existed: true, version: version(2) })
    assert.is((await client.call<GetResponse>('Get', { key })).kind, 'KIND_JSON')
    await until(() => observed.length === 4)
    assert.equal(observed, ['set', 'get', 'set', 'get'])
    const { get, set, other } = gateway.stats().callsTotal
    assert.equal({ get, set, other }, { get: 2, set: 2, other: 0 })
    assert.equal(failuresOf(gateway.stats()), {})
  }))

test('a key that is not there is NOT_FOUND, with the stable name of the error', () =>
  withGateway({}, async ({ client, gateway }) => {
    const { code, name } = await client.call<Failure>('Get', { key })
    assert.equal({ code, name }, { code: status.NOT_FOUND, name: 'key_not_found' })
    assert.equal(failuresOf(gateway.stats()), { NOT_FOUND: 1 })
  }))

test('deleting says whether there was something', () =>
  withGateway({}, async ({ client, cache }) => {
    cache.put('k', 'v')
    assert.equal(await client.call('Delete', { key: Buffer.from('k') }), { existed: true })
    assert.equal(await client.call('Delete', { key: Buffer.from('k') }), { existed: false })
    assert.is(cache.held.size, 0)
  }))

test('a condition that is not met is FAILED_PRECONDITION and writes nothing; false is no condition', () =>
  withGateway({}, async ({ client, cache }) => {
    const k = Buffer.from('k')
    const refused = async (method: string, request: object): Promise<void> => {
      const { code, name } = await client.call<Failure>(method, { key: k, value, ...request })
      assert.equal({ code, name }, { code: status.FAILED_PRECONDITION, name: 'precondition_failed' })
    }
    await refused('Set', { if_present: true })
    await refused('Set', { if_version: version(1) })
    await refused('Delete', { if_version: version(1) })
    assert.is(cache.held.size, 0)
    assert.equal(await client.call('Set', { key: k, value, if_absent: true }), { existed: false, version: version(1) })
    await refused('Set', { if_absent: true })
    await refused('Set', { if_version: version(2) })
    await refused('Delete', { if_version: version(2) })
    assert.equal(await client.call('Set', { key: k, value, if_absent: false }), { existed: true, version: version(2) })
    assert.equal(await client.call('Set', { key: k, value, if_version: version(2) }), { existed: true, version: version(3) })
    assert.equal(await client.call('Set', { key: k, value, if_present: true }), { existed: true, version: version(4) })
    assert.equal(await client.call('Delete', { key: k, if_version: version(4) }), { existed: true })
  }))

test('the acknowledgement that is asked for goes along with each write', () =>
  withGateway({}, async ({ client, cache }) => {
    for (const request of [{}, { ack: 'ACK_LOCAL' }, { ack: 'ACK_REPLICA' }, { ack: 'ACK_ALL' }]) {
      await client.call('Set', { key, value, ...request })
      await client.call('Delete', { key, ...request })
    }
    const asked = [ACK_LOCAL, ACK_LOCAL, ACK_REPLICA, ACK_ALL]
    assert.equal(
      cache.acks,
      asked.flatMap((ack) => [ack, ack]),
    )
    for (const method of ['Set', 'Delete']) {
      const { code, name } = await client.call<Failure>(method, { key, value, ack: 9 })
      assert.equal({ code, name }, { code: status.INVALID_ARGUMENT, name: 'body_invalid' })
    }
    assert.is(cache.acks.length, 8)
  }))

test('an acknowledgement that cannot be given, or did not come, is a status of its own', () =>
  withGateway({}, async ({ client, cache }) => {
    for (const [cause, expected] of [
      ['NO_REPLICAS', { code: status.UNAVAILABLE, name: 'no_replicas' }],
      ['NOT_CONFIRMED', { code: status.DEADLINE_EXCEEDED, name: 'not_confirmed' }],
    ] as const) {
      cache.failure = new CacheError(cause, 'of replicas')
      for (const method of ['Set', 'Delete']) {
        const { code, name } = await client.call<Failure>(method, { key, value, ack: 'ACK_REPLICA' })
        assert.equal({ code, name }, expected)
      }
    }
  }))

test('a version that is none is refused', () =>
  withGateway({}, async ({ client, cache }) => {
    for (const wrong of [
      { ms: 2 ** 48, counter: 1, writer: 'a' },
      { ms: 1, counter: 2 ** 16, writer: 'a' },
    ]) {
      const { code, name } = await client.call<Failure>('Set', { key, value, if_version: wrong })
      assert.equal({ code, name }, { code: status.INVALID_ARGUMENT, name: 'body_invalid' })
    }
    assert.is(cache.executed, 0)
  }))

test('a time to live is kept; none is none, and 0 or more than ten years is refused', () =>
  withGateway({}, async ({ client, cache }) => {
    await client.call('Set', { key: Buffer.from('a'), value, ttl_ms: 1500 })
    await client.call('Set', { key: Buffer.from('b'), value })
    assert.is(cache.held.get('a')?.ttlMs, 1500)
    assert.is(cache.held.get('b')?.ttlMs, null)
    for (const ttl_ms of [0, 10 * 365 * 86_400_000 + 1, 2 ** 53]) {
      const { code, name } = await client.call<Failure>('Set', { key: Buffer.from('c'), value, ttl_ms })
      assert.equal({ code, name }, { code: status.INVALID_ARGUMENT, name: 'ttl_invalid' })
    }
    assert.is(cache.held.size, 2)
  }))

test('JSON is checked and kept as it was sent, digits and white space included', () =>
  withGateway({}, async ({ client, cache }) => {
    const text = ' {"n": 12345678901234567890, "x": 1.0}\n'
    await client.call('Set', { key: Buffer.from('k'), value: Buffer.from(text), kind: 'KIND_JSON' })
    assert.is(cache.held.get('k')?.value.toString(), text)
    assert.is(cache.held.get('k')?.kind, VALUE_JSON)
    for (const wrong of [Buffer.from('{'), Buffer.from(''), Buffer.from('1 2'), Buffer.from([0x22, 0xff, 0x22])]) {
      const { code, name } = await client.call<Failure>('Set', { key: Buffer.from('k'), value: wrong, kind: 'KIND_JSON' })
      assert.equal({ code, name }, { code: status.INVALID_ARGUMENT, name: 'body_invalid' })
    }
    const { name } = await client.call<Failure>('Set', { key: Buffer.from('k'), value, kind: 7 })
    assert.is(name, 'body_invalid')
    assert.is(cache.held.get('k')?.value.toString(), text)
  }))

test('every error of the cache has the status of its row and its name', () =>
  withGateway({}, async ({ client, cache }) => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      cache.failure = new CacheError(code, 'a sentence')
      const expected: Failure = { code: ERRORS[code].grpc, details: 'a sentence', name: publicCode(code) }
      assert.equal(await client.call('Get', { key }), expected)
      assert.equal(await client.call('Set', { key, value }), expected)
      assert.equal(await client.call('Delete', { key }), expected)
      assert.equal(await client.call('Flush'), expected)
      assert.equal(await client.collect('Search', {}), { messages: [], failure: expected })
    }
  }))

test('flush empties the cache and names the members that did not answer', () =>
  withGateway({}, async ({ client, cache }) => {
    cache.put('k', 'v')
    assert.equal(await client.call('Flush'), { unreached: [] })
    assert.is(cache.held.size, 0)
    cache.unreached = ['b', 'c']
    assert.equal(await client.call('Flush'), { unreached: ['b', 'c'] })
  }))

test('search answers the keys with prefix and suffix in order, without values and with', () =>
  withGateway({}, async ({ client, cache }) => {
    for (const name of ['b:2:x', 'a:1:x', 'a:2:y', 'a:0:x']) cache.put(name, `value of ${name}`)
    const all = await client.collect<SearchResponse>('Search', {})
    assert.equal(keysOf(all.messages), ['a:0:x', 'a:1:x', 'a:2:y', 'b:2:x'])
    assert.is(all.failure, null)
    const request = { prefix: Buffer.from('a:'), suffix: Buffer.from(':x') }
    const some = await client.collect<SearchResponse>('Search', { ...request, values: true })
    assert.equal(keysOf(some.messages), ['a:0:x', 'a:1:x'])
    const first = some.messages[0]?.entries[0]
    assert.is(first?.value.toString(), 'value of a:0:x')
    assert.equal(first?.version, version(4))
    const bare = await client.collect<SearchResponse>('Search', request)
    assert.is(bare.messages[0]?.entries[0]?.value.length, 0)
    const none = await client.collect<SearchResponse>('Search', { prefix: Buffer.from('none') })
    assert.equal(none, { messages: [{ entries: [], cursor: Buffer.alloc(0) }], failure: null })
  }))

test('a limit ends the search with a cursor if there is more, and the cursor leads on', () =>
  withGateway({}, async ({ client, cache }) => {
    const names = Array.from({ length: 10 }, (_, i) => `key${i}`)
    for (const name of names) cache.put(name, '')
    cache.pageSize = 3
    const found: string[] = []
    let cursor = Buffer.alloc(0)
    let searches = 0
    do {
      const { messages } = await client.collect<SearchResponse>('Search', { limit: 5, cursor })
      found.push(...keysOf(messages))
      cursor = messages.at(-1)?.cursor as Buffer<ArrayBuffer>
      searches++
    } while (cursor.length > 0)
    assert.equal(found, names)
    assert.is(searches, 2)
    assert.is(cache.openScans, 0)
    const { failure } = await client.collect('Search', { cursor: Buffer.alloc(65) })
    assert.is(failure?.name, 'query_invalid')
  }))

test('a large search comes in messages that any client accepts, each but the last with a cursor', () =>
  withGateway({}, async ({ client, cache }) => {
    for (let i = 0; i < 300; i++) cache.put(`key${String(i).padStart(3, '0')}`, Buffer.alloc(2000, 'x'))
    cache.put('large', Buffer.alloc(1024 * 1024, 'y'))
    const { messages, failure } = await client.collect<SearchResponse>('Search', { values: true })
    assert.is(failure, null)
    assert.is(keysOf(messages).length, 301)
    assert.ok(messages.length >= 10)
    for (const message of messages.slice(0, -1)) assert.ok(message.cursor.equals(message.entries.at(-1)?.key as Buffer))
    assert.is(messages.at(-1)?.cursor.length, 0)
    assert.is(messages.at(-1)?.entries.at(-1)?.value.length, 1024 * 1024)
  }))

test('a search that fails midway ends with the error, never as if complete', () =>
  withGateway({}, async ({ client, cache }) => {
    for (let i = 0; i < 300; i++) cache.put(`key${i}`, Buffer.alloc(2000, 'x'))
    cache.pageSize = 100
    cache.failingPage = 2
    const { messages, failure } = await client.collect<SearchResponse>('Search', { values: true })
    assert.is(failure?.code, status.UNAVAILABLE)
    assert.is(failure?.name, 'try_again')
    for (const { cursor } of messages) assert.ok(cursor.length > 0)
    assert.is(cache.openScans, 0)
  }))

test('a real cache answers: limits are those of the cache, and expiry is told', async () => {
  const { cache, clock } = localCache({ limits: { maxKeyBytes: 8, maxValueBytes: 100 } })
  const options = {
    cache,
    clock,
    logger: SILENT,
    observe: () => {},
    ready: () => true,
    input: new InputBudget(2 ** 26),
    maxClients: 10,
    idleTimeoutMs: 0,
  }
  const gateway = new GrpcGateway(options)
  const client = new GrpcClient(await gateway.listen('127.0.0.1', 0), CACHE, 'cache.proto')
  const k = Buffer.from('12345678')
  assert.is((await client.call<SetResponse>('Set', { key: k, value, ttl_ms: 60_000 })).existed, false)
  const found = await client.call<GetResponse>('Get', { key: k })
  assert.ok(Math.abs(found.expires_at_ms - cache.nowMs - 60_000) < 5000)
  assert.is((await client.call<Failure>('Set', { key: Buffer.alloc(9, 'x'), value })).name, 'key_invalid')
  assert.is((await client.call<Failure>('Set', { key: Buffer.alloc(0), value })).name, 'key_invalid')
  assert.is((await client.call<Failure>('Set', { key: k, value: Buffer.alloc(101), kind: 'KIND_JSON' })).name, 'value_too_large')
  const stale = await client.call<Failure>('Set', { key: k, value, if_version: { ...found.version, counter: found.version.counter + 1 } })
  assert.is(stale.name, 'precondition_failed')
  assert.is((await client.call<SetResponse>('Set', { key: k, value, if_version: found.version })).existed, true)
  assert.equal(keysOf((await client.collect<SearchResponse>('Search', {})).messages), ['12345678'])
  assert.equal(await client.call('Flush'), { unreached: [] })
  assert.is((await client.call<Failure>('Get', { key: k })).name, 'key_not_found')
  client.close()
  await gateway.close(100)
})

test.run()
