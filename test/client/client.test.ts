/** The methods of the client against a server that behaves. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { JackdawClient, type JackdawError, NotJsonError, ProtocolError, ServerError, ValueTooLargeError } from '../../src/client/index.ts'
import { bulk, type Entries, memory, type Script, ScriptedServer } from './scripted-server.ts'

const test = suite('client: methods')

interface Scene {
  readonly client: JackdawClient
  readonly server: ScriptedServer
  readonly entries: Entries
}

async function scene(body: (scene: Scene) => Promise<void>, script?: Script): Promise<void> {
  const entries: Entries = new Map()
  const server = await ScriptedServer.start(script ?? memory(entries))
  const client = new JackdawClient({ addresses: [server.address], maxValueBytes: 100_000 })
  try {
    await body({ client, server, entries })
  } finally {
    await client.close()
    await server.close()
  }
}

async function errorOf(promise: Promise<unknown>): Promise<JackdawError> {
  return promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: JackdawError) => error,
  )
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test('bytes come back as they were set, under keys of any bytes', () =>
  scene(async ({ client }) => {
    const [key, value] = [Buffer.from([0, 13, 10, 255]), Buffer.from([255, 0, 13, 10])]
    assert.is(await client.set(key, value), true)
    assert.equal(await client.get(key), value)
    assert.is(await client.get('nothing'), null)
    await client.set('text', 'grün')
    assert.is(await client.getText('text'), 'grün')
    assert.is(await client.getText('nothing'), null)
    await client.set('array', new Uint8Array([1, 2]))
    assert.equal(await client.get('array'), Buffer.from([1, 2]))
  }))

test('conditions and times to live travel with a set', () =>
  scene(async ({ client, server }) => {
    assert.is(await client.set('k', '1', { ifPresent: true }), false)
    assert.is(await client.set('k', '1', { ifAbsent: true, ttlMs: 5000 }), true)
    assert.is(await client.set('k', '2', { ifAbsent: true }), false)
    assert.equal(server.heard, ['1 SET k 1 XX', '1 SET k 1 PX 5000 NX', '1 SET k 2 NX'])
    assert.match((await errorOf(client.set('k', '1', { ifAbsent: true, ifPresent: true }))).message, 'exclude')
    for (const ttlMs of [0, -1, 1.5, Number.NaN]) assert.instance(await errorOf(client.set('k', '1', { ttlMs })), RangeError)
    assert.is(server.heard.length, 3)
  }))

test('times to live are read, set and taken away', () =>
  scene(async ({ client }) => {
    await client.set('k', 'v')
    assert.is(await client.ttl('k'), Infinity)
    assert.is(await client.expire('k', 1234), true)
    assert.is(await client.ttl('k'), 1234)
    assert.is(await client.persist('k'), true)
    assert.is(await client.persist('k'), false)
    assert.is(await client.ttl('nothing'), null)
    assert.is(await client.expire('nothing', 1), false)
  }))

test('JSON goes in and comes out, and what is none says which key', () =>
  scene(async ({ client, entries }) => {
    await client.setJson('k', { list: [1, null], text: 'ü' }, { ttlMs: 5000 })
    assert.equal(entries.get('k'), { value: Buffer.from('{"list":[1,null],"text":"ü"}'), ttlMs: 5000, json: true })
    assert.equal(await client.getEntry('k'), { value: Buffer.from('{"list":[1,null],"text":"ü"}'), json: true, ttlMs: 5000 })
    await client.set('s', 'v')
    assert.equal(await client.getEntry('s'), { value: Buffer.from('v'), json: false, ttlMs: Infinity })
    assert.is(await client.getEntry('nothing'), null)
    assert.equal(await client.getJson('k'), { list: [1, null], text: 'ü' })
    assert.is(await client.getJson('nothing'), null)
    await client.set('text', 'secret')
    const error = await errorOf(client.getJson('text'))
    assert.instance(error, NotJsonError)
    assert.match(error.message, '`text`')
    assert.not.match(JSON.stringify([error.message, error.stack, String(error.cause)]), 'secret')
    assert.instance(await errorOf(client.setJson('k', undefined)), TypeError)
  }))

test('many keys are set, read and deleted in batches, in their order', () =>
  scene(async ({ client, server }) => {
    const pairs = Array.from({ length: 1200 }, (_, i) => [`k${i}`, `v${i}`] as const)
    await client.setMany(new Map(pairs))
    assert.is(server.heard.length, 3)
    const values = await client.getMany(['nothing', ...pairs.map(([key]) => key)])
    assert.equal(values.map(String), ['null', ...pairs.map(([, value]) => value)])
    assert.is(await client.delete(pairs.map(([key]) => key)), 1200)
    assert.is(await client.delete('k1'), 0)
    assert.equal(await client.getMany([]), [])
    assert.not.ok(
      server.heard.some((command) => command.includes('MGET')),
      'no answer holds all values',
    )
    await client.setMany([])
    assert.is(await client.size(), 0)
  }))

test('large values do not gather in one MSET, and values with a time to live are set one by one', () =>
  scene(async ({ client, server, entries }) => {
    await client.setMany(Array.from({ length: 100 }, (_, i) => [`k${i}`, Buffer.alloc(90_000)] as const))
    assert.is(server.heard.length, 3)
    await client.setMany([['a', '1'] as const, ['b', '2'] as const], { ttlMs: 700 })
    assert.equal(server.heard.slice(3), ['1 SET a 1 PX 700', '1 SET b 2 PX 700'])
    assert.is(entries.get('b')?.ttlMs, 700)
  }))

test('an error among many sets is thrown', () =>
  scene(
    async ({ client }) => {
      const error = await errorOf(client.setMany([['a', '1'] as const, ['b', '2'] as const], { ttlMs: 700 }))
      assert.instance(error, ServerError)
    },
    ([, key], peer) => peer.send(String(key) === 'b' ? '-OOM full\r\n' : '+OK\r\n'),
  ))

test('numbers are counted up and down', () =>
  scene(async ({ client }) => {
    assert.is(await client.increment('n'), 1)
    assert.is(await client.increment('n', 41), 42)
    assert.is(await client.increment('n', -2), 40)
    assert.instance(await errorOf(client.increment('n', 0.5)), RangeError)
  }))

test('a search walks its pages in order and stops at its limit', () =>
  scene(async ({ client, server }) => {
    await client.setMany(['ab1x', 'ab2x', 'ab3x', 'ab4x', 'ab5x', 'ab6y', 'c1x'].map((key) => [key, ''] as const))
    assert.equal(await listOf(client.search({ prefix: 'ab', suffix: 'x' })), ['ab1x', 'ab2x', 'ab3x', 'ab4x', 'ab5x'])
    assert.equal(server.heard.slice(1), ['1 SEARCH PREFIX ab SUFFIX x LIMIT 1000', '1 SEARCH PREFIX ab SUFFIX x LIMIT 1000 CURSOR 3'])
    assert.equal(await listOf(client.search({ suffix: 'x', limit: 4 })), ['ab1x', 'ab2x', 'ab3x', 'ab4x'])
    assert.equal(server.heard.slice(3), ['1 SEARCH SUFFIX x LIMIT 4', '1 SEARCH SUFFIX x LIMIT 1 CURSOR 3'])
    assert.equal(await listOf(client.search({ prefix: 'z' })), [])
    assert.equal(await listOf(client.search({ limit: 0 })), [])
  }))

test('a search that is left early asks for no further pages', () =>
  scene(async ({ client, server }) => {
    await client.setMany(Array.from({ length: 20 }, (_, i) => [`k${i}`, ''] as const))
    for await (const _ of client.search({ prefix: 'k' })) break
    assert.is(server.heard.length, 2)
  }))

test('of many keys those that the cluster cannot answer at once are asked for again', () => {
  let asked = 0
  return scene(
    async ({ client }) => {
      assert.equal((await client.getMany(['a', 'b', 'c'])).map(String), ['a', 'b', 'c'])
      assert.is(asked, 4)
    },
    (words, peer) => {
      const key = String(words[1])
      asked++
      peer.send(key === 'b' && asked < 4 ? '-TRYAGAIN not now\r\n' : bulk(key))
    },
  )
})

test('a search asks for no more at a time than a server answers', () =>
  scene(async ({ client, server }) => {
    await listOf(client.search({ pageSize: 100_000 }))
    assert.equal(server.heard, ['1 SEARCH LIMIT 10000'])
  }))

test('all keys are walked, with a pattern or without, as text or as bytes', () =>
  scene(async ({ client }) => {
    await client.setMany(['user:1', 'user:2', 'order:1', 'x'].map((key) => [key, ''] as const))
    await client.set(Buffer.from([0xff]), '')
    assert.equal((await listOf(client.keys())).sort(), ['order:1', 'user:1', 'user:2', 'x', '\ufffd'])
    assert.equal((await listOf(client.keys({ match: 'user:*', pageSize: 10 }))).sort(), ['user:1', 'user:2'])
    assert.ok((await listOf(client.keysBytes())).some((key) => key.equals(Buffer.from([0xff]))))
    assert.instance(await errorOf(listOf(client.keys({ pageSize: 0 }))), RangeError)
  }))

test('ping, info, stats and flush', () =>
  scene(async ({ client, entries }) => {
    await client.ping()
    assert.match(await client.info(), 'jackdaw_version:0.1.0')
    assert.is((await client.stats())['server']?.['jackdaw_version'], '0.1.0')
    await client.set('k', 'v')
    await client.flush()
    assert.is(entries.size, 0)
  }))

test('callers at the same time share one look-up and one load', () =>
  scene(async ({ client, server }) => {
    let loads = 0
    const load = async (): Promise<string> => `loaded ${++loads}`
    const values = await Promise.all(Array.from({ length: 20 }, () => client.getOrSet('k', load, { ttlMs: 900 })))
    assert.equal(new Set(values.map(String)), new Set(['loaded 1']))
    assert.equal(server.heard, ['1 GET k', '1 SET k loaded 1 PX 900'])
    assert.is(String(await client.getOrSet(Buffer.from('k'), load)), 'loaded 1')
    assert.is(loads, 1)
  }))

test('an error of the load goes to all callers, is not stored, and not remembered', () =>
  scene(async ({ client, entries }) => {
    let loads = 0
    const fail = async (): Promise<string> => {
      loads++
      throw new Error('the source is down')
    }
    const results = await Promise.allSettled([1, 2, 3].map(() => client.getOrSet('k', fail)))
    assert.equal(
      results.map((result) => (result as PromiseRejectedResult).reason.message),
      Array(3).fill('the source is down'),
    )
    assert.equal([loads, entries.size], [1, 0])
    assert.is(String(await client.getOrSet('k', () => 'there again')), 'there again')
  }))

test('a caller that aborts leaves the load to the others', () =>
  scene(async ({ client }) => {
    const source = Promise.withResolvers<string>()
    const controller = new AbortController()
    const leaving = errorOf(client.getOrSet('k', () => source.promise, { signal: controller.signal }))
    const staying = client.getOrSet('k', () => 'not called')
    controller.abort()
    assert.is((await leaving).name, 'AbortError')
    source.resolve('from the source')
    assert.is(String(await staying), 'from the source')
  }))

test('a loaded value that cannot be stored is returned all the same, and counted', () =>
  scene(
    async ({ client }) => {
      assert.is(String(await client.getOrSet('k', () => 'v')), 'v')
      assert.is(client.counters().unstored, 1)
    },
    ([name], peer) => peer.send(String(name) === 'GET' ? bulk(null) : '-OOM full\r\n'),
  ))

test('a cache that does not answer is an error, and does not send everybody to the source', () =>
  scene(
    async ({ client }) => {
      let loads = 0
      const error = await errorOf(client.getOrSet('k', () => `${++loads}`))
      assert.equal([error.code, loads], ['REFUSED', 0])
    },
    (_, peer) => peer.send('-ERR broken\r\n'),
  ))

test('every caller of getOrSetJson has an object of its own', () =>
  scene(async ({ client }) => {
    const load = (): { list: number[] } => ({ list: [1] })
    const [a, b] = await Promise.all([client.getOrSetJson('k', load), client.getOrSetJson('k', load)])
    a.list.push(2)
    assert.equal(b, { list: [1] })
    assert.equal(await client.getOrSetJson<unknown>('k', load), { list: [1] })
    assert.instance(await errorOf(client.getOrSetJson('u', () => undefined)), TypeError)
  }))

test('what is too large or no word is refused before it is sent', () =>
  scene(async ({ client, server }) => {
    assert.instance(await errorOf(client.set('k', Buffer.alloc(100_001))), ValueTooLargeError)
    assert.instance(await errorOf(client.set('k', 'ü'.repeat(50_001))), ValueTooLargeError)
    assert.instance(await errorOf(client.set('k', undefined as unknown as string)), TypeError)
    assert.instance(await errorOf(client.get({} as string)), TypeError)
    assert.instance(await errorOf(client.command(['INCRBY', 'k', Number.NaN])), TypeError)
    assert.instance(await errorOf(client.get('k', { timeoutMs: 0 })), RangeError)
    assert.instance(await errorOf(client.command([])), TypeError)
    assert.is(server.heard.length, 0)
  }))

test('the raw door gives replies as they came, and refuses what would change the connection for others', () =>
  scene(async ({ client, server }) => {
    assert.is(await client.command(['DBSIZE']), 0)
    for (const words of [
      ['MULTI'],
      ['subscribe', 'news'],
      ['Auth', 'x'],
      ['CLIENT', 'reply', 'off'],
      ['client', 'ack', 'all'],
      [Buffer.from('hello'), '3'],
    ]) {
      assert.match((await errorOf(client.command(words))).message, 'changes the connection')
      assert.match((await errorOf(client.pipeline([['PING'], words]))).message, 'changes the connection')
    }
    assert.equal(server.heard, ['1 DBSIZE'])
    assert.instance(await errorOf(client.command(['CLIENT', 'LIST'])), ServerError)
    const [error] = await client.pipeline([['NONSENSE']])
    assert.instance(error, ServerError)
    assert.equal(await client.pipeline([]), [])
  }))

test('an answer of another kind than the method expects is a protocol error', () =>
  scene(
    async ({ client }) => {
      for (const call of [client.get('k'), client.delete('k'), client.getMany(['k']), listOf(client.keys()), client.info()]) {
        assert.instance(await errorOf(call), ProtocolError)
      }
    },
    (_, peer) => peer.send('+what\r\n'),
  ))

test('await using closes the client', async () => {
  const server = await ScriptedServer.start(memory(new Map()))
  let kept: JackdawClient
  {
    await using client = new JackdawClient({ addresses: [server.address] })
    kept = client
    await client.ping()
  }
  assert.is((await errorOf(kept.ping())).code, 'CLOSED')
  await server.close()
})

test.run()
