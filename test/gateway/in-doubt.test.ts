/**
 * What clients hear, at every face, while it is in doubt who serves a key: that nobody could answer in time, that a write may have been executed, and
 * that the smaller side of a partition does not write. The word that says which of them it is stands in every answer.
 */
import { status } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError, type ErrorCode, publicCode } from '../../src/lib/errors.ts'
import { FakeCache } from '../support/fake-cache.ts'
import { call } from '../support/http-client.ts'
import type { Failure } from './grpc/grpc-client.ts'
import { withGateway as withGrpc } from './grpc/running.ts'
import { face } from './http/face.ts'
import { startGateway } from './resp/harness.ts'
import { withGateway as withText } from './text/running.ts'

const test = suite('a primary in doubt')

const DOUBTS: readonly {
  readonly code: ErrorCode
  readonly message: string
  readonly http: number
  readonly resp: string
  readonly grpc: status
}[] = [
  {
    code: 'TRY_AGAIN',
    message: 'no member could answer for the key within 5000 ms',
    http: 503,
    resp: 'TRYAGAIN',
    grpc: status.UNAVAILABLE,
  },
  {
    code: 'OUTCOME_UNKNOWN',
    message: 'the link to b broke before it answered: the write may have been executed',
    http: 503,
    resp: 'OUTCOMEUNKNOWN',
    grpc: status.UNKNOWN,
  },
  {
    code: 'PARTITIONED',
    message: 'this member sees less than half of the cluster: writes are refused',
    http: 503,
    resp: 'CLUSTERDOWN',
    grpc: status.UNAVAILABLE,
  },
]

for (const { code, message, http, resp, grpc } of DOUBTS) {
  const failing = (): FakeCache => {
    const cache = new FakeCache()
    cache.failure = new CacheError(code, message)
    return cache
  }

  test(`${code} over HTTP is a ${http} with the stable name`, async () => {
    const gateway = face({ cache: failing() })
    try {
      const port = await gateway.listen('127.0.0.1', 0)
      for (const [path, options] of [
        ['/v1/k', { method: 'PUT', body: 'v' }],
        ['/v1/keys/k', { method: 'DELETE' }],
        ['/v1/k', { method: 'DELETE' }],
      ] as const) {
        const answer = await call(port, path, options)
        const { error } = JSON.parse(answer.text)
        assert.equal([answer.status, error.code ?? error, answer.text.includes(message)], [http, publicCode(code), true], path)
      }
    } finally {
      await gateway.close(100)
    }
  })

  test(`${code} over RESP is an error with ${resp} in front`, async () => {
    // No messages are published here.
    const running = await startGateway({ cache: Object.assign(failing(), { subscribe: () => () => {} }) })
    try {
      const client = await running.client()
      for (const command of ['SET k v', 'INCR k', 'APPEND k v', 'GETDEL k']) await client.ask(command, `-${resp} ${message}\r\n`)
    } finally {
      await running.close()
    }
  })

  test(`${code} over the text face is a sentence`, () =>
    withText(async ({ client, cache }) => {
      cache.failure = new CacheError(code, message)
      const sentence = message.charAt(0).toUpperCase() + message.slice(1)
      assert.equal(await client.send('SET k v\nDELETE k\n').lines(2), [`ERROR: ${sentence}`, `ERROR: ${sentence}`])
    }))

  test(`${code} over gRPC is ${status[grpc]} with the stable name`, () =>
    withGrpc({}, async ({ client, cache }) => {
      cache.failure = new CacheError(code, message)
      const failure = await client.call<Failure>('Set', { key: Buffer.from('k'), value: Buffer.from('v') })
      assert.equal([failure.code, failure.name], [grpc, publicCode(code)])
    }))
}

test.run()
