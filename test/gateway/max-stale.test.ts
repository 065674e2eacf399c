/** How old an answer may be: every face hands on what its client allows, with reads alone, and refuses what is no bound. */
import { status } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Operation } from '../../src/cache/operation.ts'
import { FakeCache } from '../support/fake-cache.ts'
import { call } from '../support/http-client.ts'
import { localCache } from '../support/local-cache.ts'
import type { Failure } from './grpc/grpc-client.ts'
import { withGateway as withGrpc } from './grpc/running.ts'
import { face } from './http/face.ts'
import { startGateway } from './resp/harness.ts'

const test = suite('reads with a bound on staleness')

test('HTTP: max-stale is a duration of at most a day, on every route that reads one key', async () => {
  const cache = new FakeCache()
  cache.put('k', 'v')
  const heard: number[] = []
  cache.before = ({ maxStaleMs }) => heard.push(maxStaleMs)
  const gateway = face({ cache })
  try {
    const port = await gateway.listen('127.0.0.1', 0)
    for (const path of ['/get/k', '/keys/k', '/v1/keys/k', '/v1/k']) {
      for (const [text, ms] of [
        ['', 0],
        ['?max-stale=0', 0],
        ['?max-stale=250ms', 250],
        ['?max-stale=2', 2000],
        ['?max-stale=1d', 86_400_000],
      ] as const) {
        assert.is((await call(port, `${path}${text}`)).status, 200, path + text)
        assert.is(heard.pop(), ms, path + text)
      }
      for (const text of ['', '-1', 'x', '25h', '1e9']) {
        const { status: answered, text: body } = await call(port, `${path}?max-stale=${text}`)
        assert.equal([answered, JSON.parse(body).error.code], [400, 'query_invalid'], path + text)
      }
    }
    assert.equal(heard, [])
  } finally {
    await gateway.close(100)
  }
})

test('gRPC: max_stale_ms of Get, a day at most', () =>
  withGrpc({}, async ({ client, cache }) => {
    const heard: number[] = []
    cache.put('k', 'v')
    cache.before = ({ maxStaleMs }) => heard.push(maxStaleMs)
    const key = Buffer.from('k')
    await client.call('Get', { key })
    await client.call('Get', { key, max_stale_ms: 250 })
    const { code } = await client.call<Failure>('Get', { key, max_stale_ms: 86_400_001 })
    assert.equal([heard, code], [[0, 250], status.INVALID_ARGUMENT])
  }))

test('RESP: READONLY sets the bound of the member, CLIENT MAXSTALE one of its own, READWRITE and RESET end both', async () => {
  const { cache } = localCache()
  const heard: string[] = []
  const told = ({ code, maxStaleMs }: Operation): void => {
    heard.push(`${code}:${maxStaleMs}`)
  }
  const { execute, transact } = cache
  cache.execute = (operation, done) => {
    told(operation)
    execute.call(cache, operation, done)
  }
  cache.transact = (operations, each, done) => {
    for (const operation of operations) told(operation)
    transact.call(cache, operations, each, done)
  }
  const running = await startGateway({ cache, maxStaleMs: 700 })
  try {
    const client = await running.client()
    const get = async (command: string, reply: string): Promise<void> => client.ask(`${command}\nGET k`, `${reply}$-1\r\n`)
    await get('CLIENT MAXSTALE', ':0\r\n')
    await get('READONLY', '+OK\r\n')
    await get('CLIENT MAXSTALE', ':700\r\n')
    await get('CLIENT MAXSTALE 50', '+OK\r\n')
    await get('READWRITE', '+OK\r\n')
    await get('CLIENT MAXSTALE 86400000', '+OK\r\n')
    await get('RESET', '+RESET\r\n')
    assert.equal(heard.splice(0), ['1:0', '1:700', '1:700', '1:50', '1:0', '1:86400000', '1:0'])
    await client.ask('READONLY\nSET k v\nGETDEL k\nMGET a b\nSTRLEN k', '+OK\r\n+OK\r\n$1\r\nv\r\n*2\r\n$-1\r\n$-1\r\n:0\r\n')
    assert.equal(heard.splice(0), ['2:0', '3:0', '1:700', '1:700', '1:700'])
    await client.ask('MULTI\nGET k\nGET l\nEXEC', '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$-1\r\n$-1\r\n')
    assert.equal(heard.splice(0), ['1:700', '1:700'])
    const refusal = '-ERR MAXSTALE is a whole number of milliseconds from 0 to 86400000\r\n'
    await client.ask('CLIENT MAXSTALE x\nCLIENT MAXSTALE -1\nCLIENT MAXSTALE 86400001\nCLIENT MAXSTALE 1 2', refusal.repeat(4))
  } finally {
    await running.close()
  }
})

test.run()
