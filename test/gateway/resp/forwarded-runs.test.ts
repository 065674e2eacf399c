/** Plain requests whose keys other members serve: read in runs like those that are answered here, begun one by one, and answered in their order. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { localCache } from '../../support/local-cache.ts'
import { encodeCommand } from '../../support/raw-resp.ts'
import { type Client, gatewaysOf, HeldCache, type Running, until } from './harness.ts'

const test = suite('gateway/resp/forwarded-runs')
const start = gatewaysOf(test)

/** What is asked for `far…` waits for the test; all else is answered at once. */
async function startHeld(): Promise<{ held: HeldCache; server: Running; client: Client }> {
  const held = new HeldCache(localCache().cache, (key) => key.startsWith('far'))
  const server = await start({ cache: held.cache })
  return { held, server, client: await server.client() }
}

function sent(...commands: readonly string[]): string {
  return commands.map((command) => encodeCommand(command.split(' ')).toString('latin1')).join('')
}

test('answers of others come in any order, and leave in that of the requests', async () => {
  const { held, client } = await startHeld()
  client.send(sent('SET near 1', 'SET far1 2', 'GET near', 'GET far2', 'SET near 3', 'GET near', 'SET far3 4'))
  await until(() => held.keys().length === 3, 'all are asked for')
  for (const key of ['far3', 'far2', 'far1']) held.release(key)
  await client.expect('+OK\r\n+OK\r\n$1\r\n1\r\n$-1\r\n+OK\r\n$1\r\n3\r\n+OK\r\n')
  client.send(sent('GET far1', 'GET far3'))
  await until(() => held.keys().length === 2, 'both are asked for')
  for (const key of ['far1', 'far3']) held.release(key)
  await client.expect('$1\r\n2\r\n$1\r\n4\r\n')
})

test('a request waits while another one for its slot is under way, and those after it wait with it', async () => {
  const { held, client } = await startHeld()
  client.send(sent('SET far1 1', 'SET far1 2', 'GET far2', 'GET far1'))
  await until(() => held.keys().length === 1, 'the first is asked for')
  held.release('far1')
  await until(() => held.keys().length === 2, 'the second, and the third beside it')
  assert.equal(held.keys(), ['far1', 'far2'])
  held.release('far2')
  held.release('far1')
  await until(() => held.keys().length === 1, 'the last')
  held.release('far1')
  await client.expect('+OK\r\n+OK\r\n$-1\r\n$1\r\n2\r\n')
})

test('what was read of a piece of input is not read again when the rest of a request comes', async () => {
  const { held, client } = await startHeld()
  const piece = sent('SET far1 one', 'SET far2 two', 'GET far3')
  for (let cut = 1; cut < piece.length; cut += 7) {
    client.send(piece.slice(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    client.send(piece.slice(cut))
    await until(() => held.keys().length === 3, 'all are asked for')
    for (const key of ['far2', 'far1', 'far3']) held.release(key)
    await client.expect('+OK\r\n+OK\r\n$-1\r\n')
  }
})

test('each is counted once', async () => {
  const { held, server, client } = await startHeld()
  client.send(sent('SET far1 1', 'SET near 2', 'GET far2', 'GET near'))
  await until(() => held.keys().length === 2, 'both are asked for')
  for (const key of ['far1', 'far2']) held.release(key)
  await client.expect('+OK\r\n+OK\r\n$-1\r\n$1\r\n2\r\n')
  client.send(sent('CLIENT INFO', 'PING'))
  assert.match(await client.readTo('+PONG\r\n'), / tot-cmds=5\s/, 'these, and the one that asks')
  const { commandsTotal } = server.gateway.stats()
  assert.equal([commandsTotal['get'], commandsTotal['set']], [2, 2])
})

test('beyond so many under way the rest waits, and none is lost', async () => {
  const { held, client } = await startHeld()
  const keys = Array.from({ length: 300 }, (_, i) => `far${i}`)
  client.send(sent(...keys.map((key) => `SET ${key} ${key}`)))
  await until(() => held.keys().length > 0, 'the first are asked for')
  let most = 0
  for (let left = keys.length; left > 0; left--) {
    await until(() => held.keys().length > 0, 'another one')
    most = Math.max(most, held.keys().length)
    held.release(held.keys()[0] as string)
  }
  assert.ok(most <= 128, `${most} were under way`)
  await client.expect('+OK\r\n'.repeat(keys.length))
})

test.run()
