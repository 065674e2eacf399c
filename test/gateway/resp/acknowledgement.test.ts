/** CLIENT ACK: which writes ask for replicas, and what a client is told when they do not answer, or when there are none. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Authority } from '../../../src/cache/authority.ts'
import { slotOf } from '../../../src/lib/slot.ts'
import { localCache } from '../../support/local-cache.ts'
import { gatewaysOf, type Running, until } from './harness.ts'

const test = suite('gateway/resp/acknowledgement')

const NO_REPLICAS = '-NOREPLICAS Not enough good replicas to write.\r\n'
const NOT_CONFIRMED = '-NOTCONFIRMED written, but the replicas asked for have not confirmed it\r\n'

const open = gatewaysOf(test)

function start(confirm?: Authority['confirm']): Promise<Running> {
  return open({ cache: localCache(confirm === undefined ? {} : { confirm }).cache })
}

test('CLIENT ACK tells and sets it for one connection, and RESET sets it back', async () => {
  const server = await start((_slot, _all, _timeoutMs, done) => done(true))
  const client = await server.client()
  await client.ask(
    'CLIENT ACK\nCLIENT ACK Replica\nCLIENT ACK\nclient ack ALL\nCLIENT ACK',
    '$5\r\nlocal\r\n+OK\r\n$7\r\nreplica\r\n+OK\r\n$3\r\nall\r\n',
  )
  const other = await server.client()
  await other.ask('CLIENT ACK', '$5\r\nlocal\r\n')
  await client.ask('RESET\nCLIENT ACK', '+RESET\r\n$5\r\nlocal\r\n')
  await client.ask('CLIENT ACK some\nCLIENT ACK all all\nCLIENT ACK', '-ERR syntax error\r\n-ERR syntax error\r\n$5\r\nlocal\r\n')
})

test('without replicas what writes is refused, whatever it comes in, and what reads is not', async () => {
  const client = await (await start()).client()
  await client.ask('SET k old\nCLIENT ACK replica', '+OK\r\n+OK\r\n')
  for (const command of [
    'SET k v',
    'DEL k',
    'MSET a 1 b 2',
    'INCR n',
    'EXPIRE k 10',
    'MSETNX a 1',
    'GETDEL k',
    'RENAME k l',
    'APPEND k x',
  ]) {
    await client.ask(command, NO_REPLICAS)
  }
  await client.ask('MULTI\nSET k v\nGET k\nEXEC', `+OK\r\n+QUEUED\r\n+QUEUED\r\n${NO_REPLICAS}`)
  await client.ask('MULTI\nGET k\nEXEC', '+OK\r\n+QUEUED\r\n*1\r\n$3\r\nold\r\n')
  await client.ask('GET k\nMGET k a\nEXISTS a b n\nTTL k', '$3\r\nold\r\n*2\r\n$3\r\nold\r\n$-1\r\n:0\r\n:-1\r\n')
  await client.ask('CLIENT ACK local\nSET k v', '+OK\r\n+OK\r\n')
})

test('what is not confirmed is written, and the reply says so', async () => {
  const client = await (await start((_slot, _all, _timeoutMs, done) => done(false))).client()
  await client.ask('CLIENT ACK all\nSET k v\nGET k', `+OK\r\n${NOT_CONFIRMED}$1\r\nv\r\n`)
  await client.ask('MSET a 1 b 2\nMGET a b', `${NOT_CONFIRMED}*2\r\n$1\r\n1\r\n$1\r\n2\r\n`)
  await client.ask('MULTI\nSET k w\nGET k\nEXEC\nGET k', `+OK\r\n+QUEUED\r\n+QUEUED\r\n${NOT_CONFIRMED}$1\r\nw\r\n`)
})

test('each command asks for what its connection has said, a transaction once', async () => {
  const asked: string[] = []
  const server = await start((slot, all, _timeoutMs, done) => {
    asked.push(`${slot} ${all ? 'all' : 'replica'}`)
    done(true)
  })
  const client = await server.client()
  const [a, b] = ['a', 'b'].map((key) => slotOf(Buffer.from(key)))
  await client.ask('SET a 1\nCLIENT ACK replica\nSET a 1\nGET a\nMSET a 1 b 2', '+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n')
  assert.equal(asked.splice(0), [`${a} replica`, `${a} replica`, `${b} replica`])
  await client.ask(
    'CLIENT ACK all\nMULTI\nSET a 1\nINCR a\nGET a\nEXEC',
    '+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n',
  )
  assert.equal(asked.splice(0), [`${a} all`])
  await client.ask('CLIENT ACK local\nSET a 1\nMSET a 1\nMULTI\nSET a 1\nEXEC', '+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n')
  assert.equal(asked, [])
})

test('replies keep their order while writes wait for their replicas', async () => {
  const waiting: ((confirmed: boolean) => void)[] = []
  const client = await (await start((_slot, _all, _timeoutMs, done) => waiting.push(done))).client()
  client.send('CLIENT ACK replica\r\nSET a 1\r\nSET b 2\r\nGET c\r\nGET a\r\n')
  await until(() => waiting.length === 2, 'both writes')
  waiting[1]?.(true)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(client.received, '+OK\r\n')
  waiting[0]?.(false)
  await client.expect(`+OK\r\n${NOT_CONFIRMED}+OK\r\n$-1\r\n$1\r\n1\r\n`)
})

test('of a command on several keys the reply tells the most that has happened', async () => {
  const slots = new Map(['none', 'late', 'fine'].map((key) => [slotOf(Buffer.from(key)), key]))
  const { cache } = localCache({
    confirm: (slot, _all, _timeoutMs, done) => done(slots.get(slot) !== 'late'),
    confirmable: (slot) => slots.get(slot) !== 'none',
  })
  const client = await (await open({ cache })).client()
  await client.ask(
    'CLIENT ACK replica\nMSET none 1 fine 2\nMGET none fine',
    `+OK\r\n${NO_REPLICAS.replace('\r\n', ' Other keys of the command were written.\r\n')}*2\r\n$-1\r\n$1\r\n2\r\n`,
  )
  await client.ask('MSET none 1 late 2 fine 3\nMGET none late fine', `${NOT_CONFIRMED}*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n`)
  await client.ask('DEL none', NO_REPLICAS)
})

test.run()
