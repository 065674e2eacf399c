import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cache } from '../../../src/cache/cache.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { localCache } from '../../support/local-cache.ts'
import { gatewaysOf, until, withMethod } from './harness.ts'

const test = suite('gateway/resp/pubsub')

const start = gatewaysOf(test)

test('messages reach those who listen to the channel or to a pattern', async () => {
  const server = await start()
  const listener = await server.client()
  const publisher = await server.client()
  await listener.ask(
    'SUBSCRIBE news sport\nPSUBSCRIBE n*',
    [
      '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$5\r\nsport\r\n:2\r\n',
      '*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n',
    ].join(''),
  )
  await publisher.ask('PUBLISH news hi\nPUBLISH nothing x\nPUBLISH other x', ':2\r\n:1\r\n:0\r\n')
  await listener.expect(
    [
      '*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n',
      '*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$7\r\nnothing\r\n$1\r\nx\r\n',
    ].join(''),
  )
  assert.is(server.gateway.stats().messagesTotal, 3)
})

test('a RESP2 subscriber may say little else', async () => {
  const client = await (await start()).client()
  await client.ask(
    'SUBSCRIBE a\nGET a\nPING\nPING x\nUNSUBSCRIBE\nGET a',
    [
      '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n',
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
      '*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n$-1\r\n',
    ].join(''),
  )
})

test('a RESP3 subscriber gets pushes and may say everything', async () => {
  const client = await (await start()).client()
  client.send('HELLO 3\r\n')
  await client.readTo('modules\r\n*0\r\n')
  await client.ask(
    'SUBSCRIBE a\nGET k\nPUBLISH a hi\nPING',
    '>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n_\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n:1\r\n+PONG\r\n',
  )
})

test('unsubscribing from nothing is answered too', async () => {
  const client = await (await start()).client()
  await client.ask('UNSUBSCRIBE\nPUNSUBSCRIBE x', '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n*3\r\n$12\r\npunsubscribe\r\n$1\r\nx\r\n:0\r\n')
})

test('PUBSUB tells who listens', async () => {
  const server = await start()
  const listener = await server.client()
  await listener.ask('SUBSCRIBE news\nPSUBSCRIBE n* m*', '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n')
  const client = await server.client()
  await listener.readTo(':3\r\n')
  await client.ask(
    'PUBSUB CHANNELS\nPUBSUB CHANNELS x*\nPUBSUB NUMSUB news none\nPUBSUB NUMPAT',
    '*1\r\n$4\r\nnews\r\n*0\r\n*4\r\n$4\r\nnews\r\n:1\r\n$4\r\nnone\r\n:0\r\n:2\r\n',
  )
})

test('who leaves listens no more', async () => {
  const server = await start()
  const listener = await server.client()
  const publisher = await server.client()
  await listener.ask('SUBSCRIBE a\nPSUBSCRIBE *', '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n')
  await listener.readTo(':2\r\n')
  await publisher.ask('PUBLISH a x', ':2\r\n')
  listener.destroy()
  await until(() => server.gateway.stats().connections === 1, 'it is gone')
  await publisher.ask('PUBLISH a x\nPUBSUB NUMPAT', ':0\r\n:0\r\n')
})

test('RESET ends all subscriptions', async () => {
  const server = await start()
  const client = await server.client()
  await client.ask('SUBSCRIBE a\nRESET\nPUBLISH a x', '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+RESET\r\n:0\r\n')
})

test('names to listen to have a limit in bytes', async () => {
  const client = await (await start()).client()
  const names = Array.from({ length: 1100 }, (_, i) => `$1000\r\n${String(i).padEnd(1000, 'a')}\r\n`)
  client.send(`*1101\r\n$9\r\nSUBSCRIBE\r\n${names.join('')}`)
  await client.expect('-ERR the names that a client listens to are limited to 1048576 bytes in all\r\n')
})

test('a pattern or a channel longer than a key may be is refused', async () => {
  const client = await (await start()).client()
  const long = 'a'.repeat(1025)
  for (const command of ['PSUBSCRIBE', 'PUBSUB CHANNELS', 'KEYS', 'SCAN 0 MATCH', 'CONFIG GET', 'COMMAND LIST FILTERBY PATTERN']) {
    await client.ask(`${command} ${long}`, '-ERR pattern is too long, the limit is 1024 bytes\r\n')
  }
  for (const command of [`SUBSCRIBE b ${long}`, `PUBLISH ${long} x`]) {
    await client.ask(command, '-ERR channel is too long, the limit is 1024 bytes\r\n')
  }
  await client.ask('PUBSUB CHANNELS\nPUBSUB NUMPAT', '*0\r\n:0\r\n')
})

test('what EXEC publishes reaches the client itself', async () => {
  const client = await (await start()).client()
  client.send('HELLO 3\r\n')
  await client.readTo('modules\r\n*0\r\n')
  await client.ask(
    'SUBSCRIBE a\nMULTI\nPUBLISH a hi\nEXEC',
    '>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+OK\r\n+QUEUED\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*1\r\n:1\r\n',
  )
})

test('a message that not every member was told of answers an error of its own, alone and in a transaction', async () => {
  const real = localCache().cache
  const publish: Cache['publish'] = (_channel, _message, done) => done(new CacheError('PARTLY_PUBLISHED', 'delivered to 3'), 3)
  const cache = withMethod(real, 'publish', publish)
  const client = await (await start({ cache })).client()
  await client.ask(
    'PUBLISH a hi\nMULTI\nPUBLISH a hi\nEXEC',
    '-PARTIAL delivered to 3\r\n+OK\r\n+QUEUED\r\n*1\r\n-PARTIAL delivered to 3\r\n',
  )
})

test.run()
