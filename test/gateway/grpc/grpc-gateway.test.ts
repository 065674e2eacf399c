/** What surrounds the calls: health, reflection, limits, drain and close. */

import { connect as connectHttp2 } from 'node:http2'
import { createRequire } from 'node:module'
import { connect as connectTcp } from 'node:net'
import { dirname, join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GrpcGateway } from '../../../src/gateway/grpc/index.ts'
import type { SearchResponse } from '../../../src/gateway/grpc/messages.ts'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Failure, failureOf, type GrpcClient } from './grpc-client.ts'
import { CACHE, failuresOf, type Running, until, withGateway } from './running.ts'

const test = suite('grpc gateway')

const HEALTH = 'grpc.health.v1.Health'
const CLUSTER = 'jackdaw.cluster.v1.Cluster'
const REFLECTION_FOLDER = join(dirname(createRequire(import.meta.url).resolve('@grpc/reflection')), '../proto')
const key = Buffer.from('k')
/** Words that the description of a service has. */
const DESCRIBED: Readonly<Record<string, readonly string[]>> = {
  [CACHE]: ['SearchRequest', 'ttl_ms', 'KIND_JSON', 'if_version'],
  [CLUSTER]: ['DescribeResponse', 'MEMBER_STATE_ALIVE', 'addresses'],
  [HEALTH]: ['HealthCheckResponse'],
}

/** MessageOptions with `map_entry`. The library names the types of maps as no other reader accepts them, and these refuse the whole file (grpcurl does). */
const MAP_ENTRY = Buffer.from([0x3a, 2, 0x38, 1])

/** The message `FileDescriptorSet` of descriptor.proto: its field 1 is every file. */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a, (file.length & 0x7f) | 0x80, file.length >> 7]), file]))
}

function health({ connect }: Running): GrpcClient {
  return connect(HEALTH, 'health.proto')
}

test('a health check answers readiness as it is at that moment, for the server and the service', () => {
  let ready = false
  return withGateway({ ready: () => ready }, async (running) => {
    const client = health(running)
    assert.equal(await client.call('Check'), { status: 'NOT_SERVING' })
    ready = true
    assert.equal(await client.call('Check'), { status: 'SERVING' })
    assert.equal(await client.call('Check', { service: CACHE }), { status: 'SERVING' })
    assert.is((await client.call<Failure>('Check', { service: 'other' })).code, status.NOT_FOUND)
    running.gateway.drain()
    assert.equal(await client.call('Check'), { status: 'NOT_SERVING' })
  })
})

test('a watch tells every change, the drain at once, and ends when the server closes', () => {
  let ready = false
  return withGateway({ ready: () => ready }, async (running) => {
    const told: string[] = []
    let ended = false
    const watch = health(running).stream('Watch', { service: CACHE }, { deadline: Number.POSITIVE_INFINITY })
    watch.on('data', (message: { status: string }) => told.push(message.status))
    watch.on('error', () => {})
    watch.on('end', () => {
      ended = true
    })
    await until(() => told.length === 1)
    ready = true
    await until(() => told.length === 2)
    running.gateway.drain()
    await until(() => told.length === 3)
    assert.equal(told, ['NOT_SERVING', 'SERVING', 'NOT_SERVING'])
    const started = performance.now()
    await running.gateway.close(5000)
    assert.ok(performance.now() - started < 3000)
    await until(() => ended)
  })
})

test('a watch of a service that is not known says so', () =>
  withGateway({}, async (running) => {
    const watch = health(running).stream('Watch', { service: 'other' })
    watch.on('error', () => {})
    const first = await new Promise((resolve) => watch.on('data', resolve))
    assert.equal(first, { status: 'SERVICE_UNKNOWN' })
    watch.cancel()
  }))

for (const version of ['v1', 'v1alpha']) {
  test(`reflection ${version} lists the services and describes each, as a client can build it`, () =>
    withGateway({}, async ({ connect }) => {
      const file = join(REFLECTION_FOLDER, `grpc/reflection/${version}/reflection.proto`)
      const stream = connect(`grpc.reflection.${version}.ServerReflection`, file).stream('ServerReflectionInfo')
      // A failure ends it, and is told by what it was.
      stream.on('error', () => {})
      const answers: Record<string, { service: { name: string }[]; file_descriptor_proto: Buffer[] }>[] = []
      stream.on('data', (answer: (typeof answers)[number]) => answers.push(answer))
      stream.write({ list_services: '' })
      await until(() => answers.length === 1)
      const names = answers[0]?.['list_services_response']?.service.map(({ name }) => name) ?? []
      assert.equal(names.sort(), [HEALTH, CACHE, CLUSTER])
      for (const name of names) stream.write({ file_containing_symbol: name })
      await until(() => answers.length === 1 + names.length)
      names.forEach((name, at) => {
        const files = answers[1 + at]?.['file_descriptor_response']?.file_descriptor_proto ?? []
        const built = loadFileDescriptorSetFromBuffer(descriptorSet(files))
        assert.ok(name in built, name)
        assert.not.ok(Buffer.concat(files).includes(MAP_ENTRY), `${name} has a map`)
        const described = Buffer.concat(files).toString('latin1')
        for (const word of DESCRIBED[name] ?? []) assert.ok(described.includes(word), word)
      })
      stream.end()
      await new Promise((resolve) => stream.on('end', resolve))
    }))
}

test('a message larger than a key and a value may be is refused, and the connection goes on', () =>
  withGateway({}, async ({ client, cache }) => {
    const value = Buffer.alloc(1024 * 1024)
    assert.is((await client.call<Failure>('Set', { key, value: Buffer.alloc(value.length + 4096) })).code, status.RESOURCE_EXHAUSTED)
    assert.is(cache.executed, 0)
    assert.is((await client.call<{ existed: boolean }>('Set', { key, value })).existed, false)
  }))

test('connections over the limit are told to go, and those within it are served', () =>
  withGateway({ maxClients: 1 }, async ({ client, cache, gateway, connect, port }) => {
    cache.put('k', 'v')
    await client.call('Get', { key })
    const refused = await connect(CACHE, 'cache.proto').call<Failure>('Get', { key })
    assert.is(refused.code, status.UNAVAILABLE)
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    const [code, , word] = await new Promise<[number, number, Buffer]>((resolve) => session.on('goaway', (...all) => resolve(all as never)))
    assert.is(code, 0xb)
    assert.is(Buffer.from(word).toString(), 'too many clients')
    session.destroy()
    assert.is((await client.call<{ kind: string }>('Get', { key })).kind, 'KIND_STRING')
    assert.ok(gateway.stats().rejectedTotal >= 2)
    assert.is(gateway.stats().connections, 1)
  }))

test('a request that does not arrive whole in time is answered, and others on the connection are served', () =>
  withGateway({ idleTimeoutMs: 200 }, async ({ gateway, port }) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const path = `/${CACHE}/Get`
    const head = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
    const half = session.request(head)
    half.write(Buffer.from([0, 0, 0, 0, 100, 1, 2]))
    const headers = await new Promise<Record<string, string>>((resolve) => half.on('response', (got) => resolve(got as never)))
    assert.is(Number(headers['grpc-status']), status.INVALID_ARGUMENT)
    assert.is(headers['jackdaw-code'], 'request_timeout')
    assert.is(gateway.stats().timeoutsTotal, 1)
    const whole = session.request(head)
    whole.end(Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x6b]))
    const answer = await new Promise<Record<string, string>>((resolve) => whole.on('response', (got) => resolve(got as never)))
    assert.is(Number(answer['grpc-status']), status.NOT_FOUND)
    session.destroy()
  }))

test('half a request is given up without any timeout set, and so is a connection that says nothing', async () => {
  const clock = new FakeClock()
  await withGateway({ clock }, async ({ gateway, port }) => {
    const silent = connectTcp(port, '127.0.0.1')
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const half = session.request({ ':method': 'POST', ':path': `/${CACHE}/Get`, 'content-type': 'application/grpc', te: 'trailers' })
    half.write(Buffer.from([0, 0, 0, 0, 100, 1, 2]))
    const answered = new Promise<Record<string, string>>((resolve) => half.on('response', (got) => resolve(got as never)))
    // One of each connection, one of input that arrives, one of the request.
    await until(() => clock.pending === 4)
    clock.advance(31_000)
    await until(() => gateway.stats().connections === 1)
    clock.advance(64_000)
    assert.is((await answered)['jackdaw-code'], 'request_timeout')
    session.destroy()
    silent.destroy()
  })
})

test('a connection without a call ends after the idle time', () =>
  withGateway({ idleTimeoutMs: 200 }, async ({ gateway, port }) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const silent = connectTcp(port, '127.0.0.1')
    silent.on('error', () => {})
    await until(() => gateway.stats().connections === 2)
    await until(() => gateway.stats().connections === 0)
    session.destroy()
    silent.destroy()
  }))

test('a search stands still while its client does not read, and is given up after the idle time', () =>
  withGateway({ idleTimeoutMs: 300 }, async ({ port, cache, gateway }) => {
    for (let i = 0; i < 300; i++) cache.put(`key${i}`, Buffer.alloc(50_000, 'x'))
    cache.pageSize = 1
    // The client of grpc-js takes in all that comes, read or not; one of HTTP/2 alone does not.
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':method': 'POST', ':path': `/${CACHE}/Search`, 'content-type': 'application/grpc', te: 'trailers' })
    stream.end(Buffer.from([0, 0, 0, 0, 2, 0x28, 1]))
    await until(() => cache.pagesServed > 0)
    let before = -1
    while (before !== cache.pagesServed) {
      before = cache.pagesServed
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.ok(cache.pagesServed < 10, `${cache.pagesServed} pages for a client that reads nothing`)
    assert.is(cache.openScans, 1)
    await until(() => cache.openScans === 0)
    assert.is(gateway.stats().timeoutsTotal, 1)
    let trailers: Record<string, unknown> = {}
    stream.on('trailers', (got) => {
      trailers = got
    })
    stream.resume()
    await until(() => trailers['jackdaw-code'] === 'request_timeout')
    session.destroy()
  }))

test('a search whose client neither reads nor has time left ends its walk, and then says so', () =>
  withGateway({}, async ({ port, cache, client }) => {
    for (let i = 0; i < 300; i++) cache.put(`key${i}`, Buffer.alloc(50_000, 'x'))
    cache.pageSize = 1
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const head = { ':method': 'POST', ':path': `/${CACHE}/Search`, 'content-type': 'application/grpc', te: 'trailers' }
    const stream = session.request({ ...head, 'grpc-timeout': '200m' })
    stream.end(Buffer.from([0, 0, 0, 0, 2, 0x28, 1]))
    await until(() => cache.openScans === 1)
    await until(() => cache.openScans === 0)
    const trailers = new Promise<Record<string, unknown>>((resolve) => stream.on('trailers', resolve))
    stream.resume()
    assert.is(Number((await trailers)['grpc-status']), status.DEADLINE_EXCEEDED)
    assert.equal(await client.call('Flush'), { unreached: [] })
    session.destroy()
  }))

test('a search goes on when its client reads again', () =>
  withGateway({}, async ({ client, cache }) => {
    for (let i = 0; i < 300; i++) cache.put(`key${i}`, Buffer.alloc(50_000, 'x'))
    cache.pageSize = 7
    const stream = client.stream('Search', { values: true })
    await new Promise((resolve) => setTimeout(resolve, 200))
    let entries = 0
    stream.on('data', (message: SearchResponse) => {
      entries += message.entries.length
    })
    await new Promise((resolve) => stream.on('end', resolve))
    assert.is(entries, 300)
  }))

test('a search that is cancelled, or out of time, ends its walk', () =>
  withGateway({}, async ({ client, cache, gateway }) => {
    for (let i = 0; i < 100; i++) cache.put(`key${i}`, '')
    cache.pageSize = 1
    cache.hold()
    const cancelled = client.stream('Search', {})
    cancelled.on('error', () => {})
    await until(() => cache.openScans === 1)
    cancelled.cancel()
    await until(() => cache.openScans === 0)
    const late = client.stream('Search', {}, { deadline: Date.now() + 100 })
    const failure = new Promise((resolve) => late.on('error', (error) => resolve(failureOf(error).code)))
    await until(() => cache.openScans === 1)
    assert.is(await failure, status.DEADLINE_EXCEEDED)
    await until(() => cache.openScans === 0)
    await until(() => gateway.stats().callsTotal.search === 2)
    assert.equal(failuresOf(gateway.stats()), { CANCELLED: 2 })
  }))

test('an unknown call is UNIMPLEMENTED', () =>
  withGateway({}, async ({ port }) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const call = session.request({ ':method': 'POST', ':path': `/${CACHE}/Nothing`, 'content-type': 'application/grpc', te: 'trailers' })
    call.end()
    const headers = await new Promise<Record<string, string>>((resolve) => call.on('response', (got) => resolve(got as never)))
    assert.is(Number(headers['grpc-status']), status.UNIMPLEMENTED)
    session.destroy()
  }))

test('closing finishes the calls under way, accepts nothing new, and resolves when all is gone', () =>
  withGateway({}, async ({ client, cache, gateway, connect }) => {
    cache.put('k', 'v')
    cache.hold()
    const busy = client.call<{ kind: string }>('Get', { key })
    await until(() => cache.waiting === 1)
    const closing = gateway.close(5000)
    const refused = await connect(CACHE, 'cache.proto').call<Failure>('Get', { key }, { deadline: Date.now() + 500 })
    assert.ok([status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(refused.code))
    cache.release()
    assert.is((await busy).kind, 'KIND_STRING')
    await closing
    await until(() => gateway.stats().connections === 0)
  }))

test('closing cuts off what does not come to an end', () =>
  withGateway({}, async ({ client, cache, gateway }) => {
    cache.hold()
    const stuck = client.call<Failure>('Get', { key })
    await until(() => cache.waiting === 1)
    await gateway.close(50)
    assert.is((await stuck).code, status.UNAVAILABLE)
  }))

test('closing a face that never listened is nothing, and a port that is taken is told', async () => {
  const make = (): GrpcGateway => {
    const options = {
      clock: new SystemClock(),
      logger: SILENT,
      observe: () => {},
      ready: () => true,
      input: new InputBudget(2 ** 26),
      maxClients: 1,
      idleTimeoutMs: 0,
    }
    return new GrpcGateway({ cache: new FakeCache(), ...options })
  }
  await make().close(100)
  const first = make()
  const second = make()
  const port = await first.listen('127.0.0.1', 0)
  let code: unknown
  await second.listen('127.0.0.1', port).catch((error: { code?: string }) => {
    code = error.code
  })
  assert.is(code, 'EADDRINUSE')
  await second.close(10)
  await first.close(10)
})

test.run()
