/**
 * Limits of connections over real sockets: how many, how long idle, how much unread. What is refused is told so, and others do not suffer.
 */
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway, HttpGatewayOptions } from '../../../src/gateway/http/index.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { call, raw } from '../../support/http-client.ts'
import { face, until } from './face.ts'

const test = suite('limits')

const HOST = 'Host: x\r\n'
const GET = `GET /get/k HTTP/1.1\r\n${HOST}\r\n`
const LIVE = `GET /live HTTP/1.1\r\n${HOST}\r\n`

async function start(options: Partial<HttpGatewayOptions>): Promise<{ cache: FakeCache; gateway: HttpGateway; port: number }> {
  const cache = new FakeCache()
  cache.put('k', 'v')
  const gateway = face({ cache, ...options })
  return { cache, gateway, port: await gateway.listen('127.0.0.1', 0) }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', () => {})
  })
}

test('connections over maxClients are answered 503 and closed, and counted; the others are served', async () => {
  const { gateway, port } = await start({ maxClients: 2 })
  const [first, second] = [await open(port), await open(port)]
  await until(() => gateway.stats().connections === 2)
  const refused = await raw(port, GET)
  assert.match(
    refused,
    /^HTTP\/1.1 503 Service Unavailable\r\nConnection: close\r\n.*"code":"too_many_clients","message":"maxClients \(2\)/s,
  )
  assert.is(gateway.stats().refusedConnectionsTotal, 1)
  let answer = ''
  first.on('data', (chunk) => {
    answer += chunk
  })
  first.write(GET)
  await until(() => answer.endsWith('"v"'))
  second.destroy()
  await until(() => gateway.stats().connections === 1)
  assert.is((await call(port, '/get/k')).status, 200)
  first.destroy()
  await gateway.close(0)
})

test('a refused flood is hung up on without a word, and leaves nothing behind', async () => {
  const { gateway, port } = await start({ maxClients: 1 })
  const kept = await open(port)
  await until(() => gateway.stats().connections === 1)
  const flood = await Promise.all(Array.from({ length: 200 }, () => open(port)))
  await until(() => gateway.stats().refusedConnectionsTotal === 200)
  for (const socket of flood) socket.resume().end()
  await until(() => flood.every((socket) => socket.closed))
  kept.destroy()
  await gateway.close(0)
})

test('a connection that has been idle too long is closed, in the lane and out of it', async () => {
  const { gateway, port } = await start({ idleTimeoutMs: 100 })
  for (const request of [GET, LIVE]) {
    const startedMs = performance.now()
    assert.match(await raw(port, request), /^HTTP\/1.1 200 OK\r\n/)
    assert.ok(performance.now() - startedMs >= 99)
  }
  await gateway.close(0)
})

test('a connection in use is not idle, and one whose answer is awaited neither', async () => {
  const { cache, gateway, port } = await start({ idleTimeoutMs: 150 })
  const socket = await open(port)
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
  })
  for (let i = 1; i <= 6; i++) {
    socket.write(GET)
    await until(() => received.split('"v"').length === i + 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  cache.hold()
  socket.write(GET)
  await new Promise((resolve) => setTimeout(resolve, 400))
  cache.release()
  await until(() => received.split('"v"').length === 8)
  socket.destroy()
  await gateway.close(0)
})

test('a client that does not read a pipeline of either lane costs one answer, and gets all when it reads', async () => {
  const { cache, gateway, port } = await start({})
  cache.put('large', 'x'.repeat(1_000_000))
  for (const target of ['/get/large', '/v1/large']) {
    cache.executed = 0
    const socket = await open(port)
    socket.pause()
    socket.write(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`.repeat(100))
    let executed = -1
    await until(() => {
      const still = executed === cache.executed && executed > 0
      executed = cache.executed
      return still
    })
    // What the kernel holds for both sides is more than one answer, and less than twenty.
    assert.ok(executed < 20, `${executed} executed`)
    assert.is((await call(port, '/get/k')).text, '"v"')
    let received = 0
    socket.on('data', (chunk) => {
      received += chunk.length
    })
    socket.resume()
    await until(() => received > 100_000_000)
    assert.is(cache.executed, 101)
    socket.destroy()
  }
  await gateway.close(0)
})

test('a walk is streamed in pieces of outputBufferLimitBytes, and a page ends at it', async () => {
  const { cache, gateway, port } = await start({ outputBufferLimitBytes: 4096 })
  for (let i = 0; i < 100; i++) cache.put(`key-${i}`, 'x'.repeat(1000))
  cache.pageSize = 1
  const page = await call(port, '/search?values=true&limit=100')
  assert.equal(Object.keys(JSON.parse(page.text)), ['k', 'key-0', 'key-1', 'key-10', 'key-11', 'key-12'])
  assert.match(String(page.headers['link']), 'cursor=')
  assert.is(Object.keys(JSON.parse((await call(port, '/')).text)).length, 101)
  await gateway.close(0)
})

test('half a request is answered 408 when its time is up', async () => {
  const { gateway, port } = await start({ idleTimeoutMs: 200 })
  assert.match(await raw(port, 'GET /get/k HTTP/1.1\r\nHost'), /^HTTP\/1.1 408 Request Timeout\r\n.*"code":"request_timeout"/s)
  assert.match(
    await raw(port, `POST /set HTTP/1.1\r\n${HOST}Content-Length: 7\r\n\r\n{"a"`),
    /^HTTP\/1.1 408 Request Timeout\r\n.*"code":"request_timeout"/s,
  )
  const unused = await open(port)
  await new Promise((resolve) => unused.resume().on('close', resolve))
  await gateway.close(0)
})

test.run()
