import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../support/fake-clock.ts'
import { localCache } from '../../support/local-cache.ts'
import { gatewaysOf, HeldCache, type Running, until } from './harness.ts'

const test = suite('gateway/resp/session')

const start = gatewaysOf(test)

async function startHeld(holds: (key: string) => boolean): Promise<{ held: HeldCache; server: Running }> {
  const held = new HeldCache(localCache().cache, holds)
  return { held, server: await start({ cache: held.cache }) }
}

test('a pipeline is answered in order', async () => {
  const client = await (await start()).client()
  await client.ask(
    'SET a 1\nGET a\nINCR a\nnope x\nGET\nGET a\nPING',
    [
      '+OK\r\n$1\r\n1\r\n:2\r\n',
      "-ERR unknown command 'nope', with args beginning with: 'x' \r\n",
      "-ERR wrong number of arguments for 'get' command\r\n",
      '$1\r\n2\r\n+PONG\r\n',
    ].join(''),
  )
})

test('a whole pipeline in one piece leaves in one piece', async () => {
  // On a machine under load a turn may be over before the pipeline is; where no time passes it never is.
  const client = await (await start({ clock: new FakeClock() })).client()
  let pieces = 0
  client.socket.on('data', () => pieces++)
  await client.ask(Array.from({ length: 200 }, () => 'PING').join('\n'), '+PONG\r\n'.repeat(200))
  assert.ok(pieces <= 2, `${pieces} pieces`)
})

test('what is answered or begun late is not overwritten by what others send meanwhile', async () => {
  const { held, server } = await startHeld((key) => key === 'far')
  const client = await server.client()
  const other = await server.client()
  const overwrite = (): Promise<void> => other.ask(`PING ${'!'.repeat(200)}`, `$200\r\n${'!'.repeat(200)}\r\n`)
  // With GET the answer is what was there before.
  client.send('*4\r\n$3\r\nSET\r\n$3\r\nfar\r\n$1\r\n1\r\n$3\r\nGET\r\n')
  await until(() => held.keys().length === 1, 'SET')
  await overwrite()
  held.release('far')
  await client.expect('$-1\r\n')
  // The second pair waits for the first.
  client.send('*5\r\n$4\r\nMSET\r\n$3\r\nfar\r\n$1\r\n2\r\n$3\r\nfar\r\n$1\r\n3\r\n')
  await until(() => held.keys().length === 1, 'MSET')
  await overwrite()
  held.release('far')
  assert.equal(held.keys(), ['far'])
  held.release('far')
  await client.expect('+OK\r\n')
})

test('what a late reply needs of its command is kept, and nothing else is', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  const other = await server.client()
  client.send('SET near x\r\nSET far1 0123456789\r\nGETRANGE far2 0 1\r\nSET far3 v XX\r\nGETEX far4 PX 10\r\nGET far5\r\nSTRLEN far6\r\n')
  await until(() => held.keys().length === 6, 'all are asked for')
  await other.ask(`PING ${'!'.repeat(200)}`, `$200\r\n${'!'.repeat(200)}\r\n`)
  for (const key of ['far6', 'far5', 'far4', 'far3', 'far2', 'far1']) held.release(key)
  await client.expect('+OK\r\n+OK\r\n$0\r\n\r\n$-1\r\n$-1\r\n$-1\r\n:0\r\n')
})

test('names of commands and options have no case', async () => {
  const client = await (await start()).client()
  await client.ask('sEt k v nX\ngEt k', '+OK\r\n$1\r\nv\r\n')
})

test('keys and values are any bytes', async () => {
  const client = await (await start()).client()
  const value = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')
  client.send(`*3\r\n$3\r\nSET\r\n$2\r\n\0\xff\r\n$256\r\n${value}\r\n*2\r\n$3\r\nGET\r\n$2\r\n\0\xff\r\n`)
  await client.expect(`+OK\r\n$256\r\n${value}\r\n`)
})

test('values larger than a slab come whole, with what is around them', async () => {
  const client = await (await start()).client()
  const value = 'v'.repeat(300_000)
  client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\nPING\r\nGET k\r\nGET k\r\nPING\r\n`)
  await client.expect(`+OK\r\n+PONG\r\n${`$${value.length}\r\n${value}\r\n`.repeat(2)}+PONG\r\n`)
})

test('answers that come late and out of order are written in order', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.send('SET far1 a\r\nSET near b\r\nGET near\r\nSET far2 c\r\nGET near\r\n')
  await until(() => held.keys().length === 2, 'both are asked for')
  assert.is(client.received, '')
  held.release('far2')
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(client.received, '')
  held.release('far1')
  await client.expect('+OK\r\n+OK\r\n$1\r\nb\r\n+OK\r\n$1\r\nb\r\n')
})

test('a command on a slot that is under way waits for the answer', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.send('SET far 1\r\nINCR far\r\nGET near\r\nGET far\r\n')
  await until(() => held.keys().length === 1, 'the first is asked for')
  held.release('far')
  await until(() => held.keys().length === 1, 'the second is asked for')
  await client.expect('+OK\r\n')
  held.release('far')
  await until(() => held.keys().length === 1, 'the last is asked for')
  held.release('far')
  await client.expect(':2\r\n$-1\r\n$1\r\n2\r\n')
})

test('what is no single operation waits until nothing is under way', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.send('GET far1\r\nGET far2\r\nPING\r\nGET far3\r\n')
  await until(() => held.keys().length === 2, 'two are asked for')
  assert.equal(held.keys(), ['far1', 'far2'])
  held.release('far2')
  held.release('far1')
  await client.expect('$-1\r\n$-1\r\n+PONG\r\n')
  await until(() => held.keys().length === 1, 'the last is asked for')
  held.release('far3')
  await client.expect('$-1\r\n')
})

test('at most 128 operations of one client are under way', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  const keys = Array.from({ length: 300 }, (_, i) => `far${i}`)
  client.send(keys.map((key) => `GET ${key}\r\n`).join(''))
  await until(() => held.keys().length > 0, 'some are asked for')
  let answered = 0
  while (answered < keys.length) {
    assert.ok(held.keys().length <= 128)
    for (const key of held.keys().reverse()) {
      held.release(key)
      answered++
    }
    if (answered < keys.length) await until(() => held.keys().length > 0, 'more are asked for')
  }
  await client.expect('$-1\r\n'.repeat(300))
})

test('commands of several operations are answered when all are', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.send('MSET far1 a near b far2 c\r\n')
  for (const key of ['far2', 'far1']) {
    await until(() => held.keys().includes(key), `${key} is asked for`)
    held.release(key)
  }
  await client.expect('+OK\r\n')
  client.send('MGET near far1 far2\r\nPING\r\n')
  for (const key of ['far1', 'far2']) {
    await until(() => held.keys().includes(key), `${key} is asked for`)
    held.release(key)
  }
  await client.expect('*3\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n+PONG\r\n')
})

test('a client that leaves before its answer harms nobody', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.send('GET far\r\nMGET far2\r\n')
  await until(() => held.keys().length === 1, 'it is asked for')
  client.socket.resetAndDestroy()
  await until(() => server.gateway.stats().connections === 0, 'it is gone')
  held.release('far')
  await (await server.client()).ask('PING', '+PONG\r\n')
})

test('a client that closes its side gets what it has asked for', async () => {
  const { held, server } = await startHeld((key) => key.startsWith('far'))
  const client = await server.client()
  client.socket.end('PING\r\nGET far\r\nPING\r\n')
  await until(() => held.keys().length === 1, 'it is asked for')
  held.release('far')
  await client.expect('+PONG\r\n$-1\r\n+PONG\r\n')
  await client.closed()
})

test('QUIT is answered, and nothing behind it is executed', async () => {
  const server = await start()
  const client = await server.client()
  await client.ask('SET a 1\nQUIT\nSET a 2', '+OK\r\n+OK\r\n')
  await client.closed()
  await (await server.client()).ask('GET a', '$1\r\n1\r\n')
})

test('a protocol error is answered after what came before it, and ends the connection', async () => {
  const { held, server } = await startHeld((key) => key === 'far')
  const client = await server.client()
  client.send('GET far\r\n*1\r\n!oops\r\nPING\r\n')
  await until(() => held.keys().length === 1, 'it is asked for')
  assert.is(client.received, '')
  held.release('far')
  await client.expect("$-1\r\n-ERR Protocol error: expected '$', got '!'\r\n")
  await client.closed()
  assert.is(server.gateway.stats().protocolErrorsTotal, 1)
})

test('unknown subcommands, and wrong numbers of their arguments, are named as in Redis', async () => {
  const client = await (await start()).client()
  await client.ask(
    'CLIENT NOPE\nCLIENT SETNAME\nCLIENT\nCONFIG FOO',
    [
      "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n",
      "-ERR wrong number of arguments for 'client|setname' command\r\n",
      "-ERR wrong number of arguments for 'client' command\r\n",
      "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n",
    ].join(''),
  )
})

test('CLIENT REPLY silences one reply or all', async () => {
  const client = await (await start()).client()
  await client.ask('CLIENT REPLY SKIP\nPING\nECHO a', '$1\r\na\r\n')
  await client.ask('CLIENT REPLY OFF\nPING\nnope\nSET a 1\nMGET a\nGET a\nCLIENT REPLY ON\nGET a', '+OK\r\n$1\r\n1\r\n')
})

test('CLIENT PAUSE lets all wait, or those who write, and UNPAUSE wakes them', async () => {
  const server = await start()
  const client = await server.client()
  const operator = await server.client()
  await operator.ask('CLIENT PAUSE 60000 WRITE', '+OK\r\n')
  await client.ask('GET a', '$-1\r\n')
  client.send('SET a 1\r\nGET a\r\n')
  await operator.ask('GET b', '$-1\r\n')
  assert.is(client.received, '')
  await operator.ask('CLIENT UNPAUSE', '+OK\r\n')
  await client.expect('+OK\r\n$1\r\n1\r\n')
  await operator.ask('CLIENT PAUSE 30 ALL', '+OK\r\n')
  const startedMs = performance.now()
  await client.ask('GET a', '$1\r\n1\r\n')
  assert.ok(performance.now() - startedMs > 15)
})

test('CLIENT tells and sets what belongs to a connection', async () => {
  const server = await start()
  const client = await server.client()
  await client.ask(
    'CLIENT ID\nCLIENT GETNAME\nCLIENT SETNAME bird\nCLIENT GETNAME\nCLIENT SETNAME "a b"',
    [':1\r\n$-1\r\n+OK\r\n$4\r\nbird\r\n', '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'].join(''),
  )
  await client.ask('CLIENT SETINFO LIB-NAME x\nCLIENT SETINFO lib-ver 1\nCLIENT NO-EVICT on\nCLIENT NO-TOUCH on', '+OK\r\n'.repeat(4))
  client.send('CLIENT INFO\r\n')
  const line = await client.readTo('\n\r\n')
  for (const field of ['id=1 ', 'name=bird ', 'flags=eT ', 'cmd=client|info ', 'resp=2 ', 'lib-name=x ', 'lib-ver=1 ', 'multi=-1 ']) {
    assert.ok(line.includes(field), `${field} in ${line}`)
  }
})

test('CLIENT KILL cuts others at once and itself after the reply', async () => {
  const server = await start()
  const first = await server.client()
  const second = await server.client()
  await second.ask('PING', '+PONG\r\n')
  await first.ask('CLIENT KILL ID 2', ':1\r\n')
  await second.closed()
  await first.ask('CLIENT KILL ID 1\nCLIENT KILL 1.2.3.4:5\nCLIENT KILL SKIPME no ID 1', ':0\r\n-ERR No such client\r\n:1\r\n')
  await first.closed()
})

test('HELLO changes the protocol for its own reply and all that follow', async () => {
  const client = await (await start()).client()
  await client.ask('GET a', '$-1\r\n')
  client.send('HELLO 3 SETNAME me\r\n')
  const hello = await client.readTo('$7\r\nmodules\r\n*0\r\n')
  assert.ok(hello.startsWith('%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n'), hello)
  await client.ask(
    'GET a\nCLIENT GETNAME\nHELLO 4\nHELLO x\nHELLO 2 FOO',
    [
      '_\r\n$2\r\nme\r\n-NOPROTO unsupported protocol version\r\n',
      '-ERR Protocol version is not an integer or out of range\r\n',
      "-ERR Syntax error in HELLO option 'FOO'\r\n",
    ].join(''),
  )
  await client.ask('RESET\nGET a\nCLIENT GETNAME', '+RESET\r\n$-1\r\n$-1\r\n')
})

test('there is no password: AUTH and HELLO AUTH answer as Redis does without one', async () => {
  const client = await (await start()).client()
  await client.ask(
    'AUTH x\nAUTH default x\nAUTH other x\nAUTH a b c\nHELLO 2 AUTH other x',
    [
      '-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n',
      '+OK\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n-ERR syntax error\r\n',
      '-WRONGPASS invalid username-password pair or user is disabled.\r\n',
    ].join(''),
  )
  client.send('HELLO 3 AUTH default x\r\n')
  await client.readTo('modules\r\n*0\r\n')
})

test('there is one database', async () => {
  const client = await (await start()).client()
  await client.ask(
    'SELECT 0\nSELECT 1\nSELECT x\nSWAPDB 0 1',
    ['+OK\r\n-ERR DB index is out of range\r\n-ERR value is not an integer or out of range\r\n-ERR DB index is out of range\r\n'].join(''),
  )
})

test.run()
