/** The clients that people use, unchanged, in both versions of the protocol. */
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Running, startGateway } from './harness.ts'

const test = suite('gateway/resp/stock-clients')

let running: Running | null = null

test.before.each(async () => {
  running = await startGateway()
})

test.after.each(async () => {
  const errors = running?.errors ?? []
  await running?.close()
  running = null
  assert.equal(errors, [])
})

function port(): number {
  return running?.port ?? 0
}

for (const protocol of [2, 3] as const) {
  test(`ioredis speaks RESP${protocol}`, async () => {
    const client = new Redis({ host: '127.0.0.1', port: port(), protocol, connectionName: 'bird' })
    const subscriber = client.duplicate()
    try {
      assert.is(await client.set('a', '1', 'EX', 100), 'OK')
      assert.is(await client.get('a'), '1')
      assert.is(await client.get('none'), null)
      assert.is(await client.incrby('a', 4), 5)
      assert.equal(await client.mget('a', 'none'), ['5', null])
      const ttl = await client.ttl('a')
      assert.ok(ttl > 95 && ttl <= 100)
      assert.equal(await client.pipeline().set('b', 'x').get('b').del('b').exec(), [
        [null, 'OK'],
        [null, 'x'],
        [null, 1],
      ])
      assert.equal(await client.multi().incr('n').incr('n').exec(), [
        [null, 1],
        [null, 2],
      ])
      await client.watch('n')
      assert.equal(await client.multi().get('n').exec(), [[null, '2']])
      assert.equal((await client.keys('*')).sort(), ['a', 'n'])
      assert.equal((await client.scan('0', 'COUNT', 100))[1].sort(), ['a', 'n'])
      assert.is(await client.client('GETNAME'), 'bird')
      const error = await client.call('nope').catch((caught: Error) => caught)
      assert.match((error as Error).message, /unknown command 'nope'/)
      const bytes = Buffer.from([0, 1, 254, 255, 13, 10])
      await client.set(bytes, bytes)
      assert.equal(await client.getBuffer(bytes), bytes)
      const message = new Promise((resolve) => subscriber.on('message', (channel, text) => resolve([channel, text])))
      assert.is(await subscriber.subscribe('news'), 1)
      assert.is(await client.publish('news', 'hi'), 1)
      assert.equal(await message, ['news', 'hi'])
    } finally {
      client.disconnect()
      subscriber.disconnect()
    }
  })

  test(`node-redis speaks RESP${protocol}`, async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: port(), reconnectStrategy: false }, RESP: protocol, name: 'bird' })
    const subscriber = client.duplicate()
    try {
      await Promise.all([client.connect(), subscriber.connect()])
      assert.is(await client.set('a', '1', { EX: 100 }), 'OK')
      assert.is(await client.get('a'), '1')
      assert.is(await client.get('none'), null)
      assert.is(await client.incrBy('a', 4), 5)
      assert.equal(await client.mGet(['a', 'none']), ['5', null])
      assert.is(await client.expire('a', 50), 1)
      assert.equal(await client.multi().set('b', 'x').get('b').exec(), ['OK', 'x'])
      await client.watch('b')
      await client.set('b', 'y')
      const broken = await client
        .multi()
        .get('b')
        .exec()
        .catch((error: Error) => error.constructor.name)
      assert.is(broken, 'WatchError')
      const found: string[] = []
      for await (const keys of client.scanIterator({ COUNT: 10 })) found.push(...keys)
      assert.equal(found.sort(), ['a', 'b'])
      assert.is(await client.clientGetName(), 'bird')
      assert.match(await client.info('server'), /redis_version/)
      assert.is(Number((await client.clientInfo()).id) > 0, true)
      const error = await client.sendCommand(['nope']).catch((caught: Error) => caught)
      assert.match((error as Error).message, /unknown command 'nope'/)
      let heard: (text: string) => void = () => {}
      const message = new Promise<string>((resolve) => {
        heard = resolve
      })
      await subscriber.subscribe('news', (text) => heard(text))
      assert.is(await client.publish('news', 'hi'), 1)
      assert.is(await message, 'hi')
      await subscriber.unsubscribe('news')
      assert.is(await client.publish('news', 'hi'), 0)
    } finally {
      client.destroy()
      subscriber.destroy()
    }
  })
}

test.run()
