import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { localCache } from '../../support/local-cache.ts'
import { gatewaysOf, HeldCache, until } from './harness.ts'

const test = suite('gateway/resp/transactions')

const start = gatewaysOf(test)

test('EXEC answers what was queued, each in its place', async () => {
  const client = await (await start()).client()
  await client.ask(
    'MULTI\nSET a 5\nINCR a\nMGET a b\nDEL a b\nGET a\nEXEC',
    '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n+OK\r\n:6\r\n*2\r\n$1\r\n6\r\n$-1\r\n:1\r\n$-1\r\n',
  )
  await client.ask('MULTI\nEXEC', '+OK\r\n*0\r\n')
})

test('a command that fails does not stop the others', async () => {
  const client = await (await start()).client()
  await client.ask(
    'SET s text\nMULTI\nINCR s\nSET s 1 NX XX\nSET t 2\nRENAME nokey x\nEXEC\nGET t',
    [
      '+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n',
      '*4\r\n-ERR value is not an integer or out of range\r\n-ERR syntax error\r\n+OK\r\n-ERR no such key\r\n$1\r\n2\r\n',
    ].join(''),
  )
})

test('a command that cannot be queued aborts all', async () => {
  const client = await (await start()).client()
  for (const bad of ['nope', 'GET', 'CLIENT nope', 'MULTI x']) {
    client.send(`MULTI\r\nSET a 1\r\n${bad}\r\nEXEC\r\nGET a\r\n`)
    const text = await client.readTo('$-1\r\n')
    assert.ok(text.startsWith('+OK\r\n+QUEUED\r\n-ERR '), text)
    assert.ok(text.endsWith('-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n'), text)
  }
})

test('what makes no sense is refused as in Redis, and aborts nothing', async () => {
  const client = await (await start()).client()
  await client.ask(
    'EXEC\nDISCARD\nMULTI\nMULTI\nWATCH a\nSET a 1\nEXEC',
    [
      '-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n-ERR MULTI calls can not be nested\r\n',
      '-ERR WATCH inside MULTI is not allowed\r\n+QUEUED\r\n*1\r\n+OK\r\n',
    ].join(''),
  )
})

test('DISCARD forgets what was queued', async () => {
  const client = await (await start()).client()
  await client.ask('MULTI\nSET a 1\nDISCARD\nGET a', '+OK\r\n+QUEUED\r\n+OK\r\n$-1\r\n')
})

test('a watched key that has changed lets EXEC do nothing, one that has not lets it go on', async () => {
  const server = await start()
  const client = await server.client()
  const other = await server.client()
  await client.ask('SET a 1\nWATCH a b\nMULTI\nSET a 2', '+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n')
  await other.ask('SET b 1', '+OK\r\n')
  await client.ask('EXEC\nGET a', '*-1\r\n$1\r\n1\r\n')
  await client.ask('WATCH a b\nGET a\nMULTI\nSET a 3\nEXEC\nGET a', '+OK\r\n$1\r\n1\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$1\r\n3\r\n')
  await client.ask('HELLO 3', '%7\r\n')
  await client.readTo('modules\r\n*0\r\n')
  await client.ask('WATCH a', '+OK\r\n')
  await other.ask('DEL a', ':1\r\n')
  await client.ask('MULTI\nGET a\nEXEC', '+OK\r\n+QUEUED\r\n_\r\n')
})

test('a watched key that was deleted and made again has changed; UNWATCH, DISCARD and EXEC forget it', async () => {
  const server = await start()
  const client = await server.client()
  const other = await server.client()
  await client.ask('SET a 1\nWATCH a', '+OK\r\n+OK\r\n')
  await other.ask('DEL a\nSET a 1', ':1\r\n+OK\r\n')
  await client.ask('MULTI\nEXEC', '+OK\r\n*-1\r\n')
  await client.ask('MULTI\nEXEC', '+OK\r\n*0\r\n')
  for (const forget of ['UNWATCH', 'MULTI\nDISCARD']) {
    client.send('WATCH a\r\n')
    await client.expect('+OK\r\n')
    await other.ask('INCR a', `:${forget === 'UNWATCH' ? 2 : 3}\r\n`)
    await client.ask(`${forget}\nMULTI\nPING\nEXEC`, `${'+OK\r\n'.repeat(forget.split('\n').length + 1)}+QUEUED\r\n*1\r\n+PONG\r\n`)
  }
})

test('commands that are no operations are executed in their place', async () => {
  const client = await (await start()).client()
  await client.ask(
    'MULTI\nSET a 1\nPING\nDBSIZE\nSET b 2\nECHO x\nDBSIZE\nEXEC',
    `+OK\r\n${'+QUEUED\r\n'.repeat(6)}*6\r\n+OK\r\n+PONG\r\n:1\r\n+OK\r\n$1\r\nx\r\n:2\r\n`,
  )
})

test('a long queue of commands that are no operations does not overflow the stack', async () => {
  const client = await (await start()).client()
  const count = 15_000
  client.send(`MULTI\r\n${'PING\r\n'.repeat(count)}EXEC\r\n`)
  await client.expect(`+OK\r\n${'+QUEUED\r\n'.repeat(count)}*${count}\r\n${'+PONG\r\n'.repeat(count)}`)
})

test('what is queued has a limit in bytes', async () => {
  const client = await (await start({ maxRequestBytes: 2000 })).client()
  client.send(`MULTI\r\n${`SET a ${'v'.repeat(400)}\r\n`.repeat(3)}EXEC\r\n`)
  await client.expect('+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR the transaction is over the limit of 2000 bytes\r\n-EXECABORT')
})

test('WATCH waits for versions that come late', async () => {
  const held = new HeldCache(localCache().cache, (key) => key === 'far')
  const server = await start({ cache: held.cache })
  const client = await server.client()
  client.send('WATCH far near\r\nMULTI\r\nGET near\r\nEXEC\r\n')
  await until(() => held.keys().length === 1, 'it is asked for')
  assert.is(client.received, '')
  held.release('far')
  await client.expect('+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n')
})

test('RESET ends a transaction', async () => {
  const client = await (await start()).client()
  await client.ask('MULTI\nSET a 1\nRESET\nEXEC', '+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n')
})

test.run()
