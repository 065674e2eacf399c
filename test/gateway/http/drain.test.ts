/**
 * A stop without a lost request: what the HTTP face does between the word that it shall stop and the end of its last connection.
 */
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { call, raw } from '../../support/http-client.ts'
import { face, until } from './face.ts'

const test = suite('drain')

async function start(): Promise<{ cache: FakeCache; gateway: HttpGateway; port: number }> {
  const cache = new FakeCache()
  cache.put('k', 'v')
  const gateway = face({ cache, maxBodyBytes: 1024 })
  return { cache, gateway, port: await gateway.listen('127.0.0.1', 0) }
}

test('connections are kept between requests until the drain begins', async () => {
  const { gateway, port } = await start()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 3; i++) assert.is((await call(port, '/get/k', { agent })).headers.connection, 'keep-alive')
  gateway.drain()
  const last = await call(port, '/get/k', { agent })
  assert.is(last.text, '"v"')
  assert.is(last.headers.connection, 'close')
  agent.destroy()
  await gateway.close(100)
})

test('while it drains, new connections are accepted and every kind of answer ends its own', async () => {
  const { cache, gateway, port } = await start()
  gateway.drain()
  assert.is((await call(port, '/set', { body: '{"a":1}' })).status, 200)
  assert.is(cache.held.size, 2)
  const agent = new Agent({ keepAlive: true })
  for (const [path, status] of [
    ['/get/k', 200],
    ['/get/none', 404],
    ['/get/%ff', 400],
    ['/set', 405],
    ['/none', 404],
    ['/search', 200],
    ['/', 200],
  ] as const) {
    const answer = await call(port, path, { agent })
    assert.is(`${path} ${answer.status} ${answer.headers.connection}`, `${path} ${status} close`)
  }
  const tooLarge = await call(port, '/set', { body: 'x'.repeat(2000), agent })
  assert.is(`${tooLarge.status} ${tooLarge.headers.connection}`, '413 close')
  agent.destroy()
  await gateway.close(100)
})

test('an answer in pieces ends its connection too', async () => {
  const { cache, gateway, port } = await start()
  for (let i = 0; i < 200; i++) cache.put(`k${i}`, 'x'.repeat(1000))
  cache.pageSize = 10
  gateway.drain()
  const agent = new Agent({ keepAlive: true })
  assert.is((await call(port, '/', { agent })).headers.connection, 'close')
  agent.destroy()
  await gateway.close(100)
})

test('a request under way when the drain begins is answered, and ends its connection', async () => {
  const { cache, gateway, port } = await start()
  cache.hold()
  const agent = new Agent({ keepAlive: true })
  const answer = call(port, '/get/k', { agent })
  await until(() => cache.waiting === 1)
  gateway.drain()
  cache.release()
  assert.is((await answer).headers.connection, 'close')
  agent.destroy()
  await gateway.close(100)
})

test('closing finishes what is being answered and accepts nothing new', async () => {
  const { cache, gateway, port } = await start()
  cache.hold()
  const answer = call(port, '/get/k')
  await until(() => cache.waiting === 1)
  let closed = false
  const closing = gateway.close(5000).then(() => {
    closed = true
  })
  let refused: unknown
  await until(() => {
    call(port, '/get/k').catch((error: unknown) => {
      refused = error
    })
    return refused !== undefined
  })
  assert.is((refused as { code?: string }).code, 'ECONNREFUSED')
  assert.not(closed)
  cache.release()
  assert.is((await answer).text, '"v"')
  await closing
})

test('a request that was still arriving when the face closed is served', async () => {
  const { gateway, port } = await start()
  let received = ''
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /get/k HTTP/1.1\r\n'))
  socket.on('data', (chunk) => {
    received += chunk
  })
  const ended = new Promise((resolve) => socket.on('close', resolve))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const closing = gateway.close(5000)
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.write('Host: x\r\n\r\n')
  await ended
  await closing
  assert.match(received, /^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*"v"$/is)
})

test('closing ends idle connections at once and cuts the rest when its time is up', async () => {
  const { cache, gateway, port } = await start()
  const idle = raw(port, 'GET /get/k HTTP/1.1\r\nHost: x\r\n\r\n')
  const silent = connect(port, '127.0.0.1')
  const silentClosed = new Promise((resolve) => silent.on('close', resolve))
  silent.on('error', () => {})
  cache.hold()
  const stuck = call(port, '/get/k').then(
    () => 'answered',
    () => 'cut',
  )
  await until(() => cache.waiting >= 1)
  cache.later = false
  await gateway.close(50)
  assert.is(await stuck, 'cut')
  await silentClosed
  await idle.catch(() => '')
})

test('closing a face that never listened is nothing', async () => {
  const gateway = face({ cache: new FakeCache() })
  await gateway.close(100)
})

test('a port that is taken is told', async () => {
  const { gateway, port } = await start()
  const other = face({ cache: new FakeCache() })
  let code: unknown
  await other.listen('127.0.0.1', port).catch((error: { code?: string }) => {
    code = error.code
  })
  assert.is(code, 'EADDRINUSE')
  await other.close(0)
  await gateway.close(0)
})

test.run()
