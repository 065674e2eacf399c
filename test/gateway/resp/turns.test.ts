/** That one client's work, however much it asks for at once, leaves room for the others. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OPERATION_GET, Operation } from '../../../src/cache/operation.ts'
import { executeEach } from '../../../src/gateway/resp/operation-batch.ts'
import { eachInTurns } from '../../../src/gateway/resp/turn.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { localCache } from '../../support/local-cache.ts'
import { type Client, gatewaysOf, type Running } from './harness.ts'

const test = suite('gateway/resp/turns')

const start = gatewaysOf(test)

/** Time stands still but for what a test adds, and what is to come soon waits for the test. */
class SteppedClock extends SystemClock {
  atMs = 0
  readonly waiting: (() => void)[] = []

  override now(): number {
    return this.atMs
  }

  override soon(fn: () => void): void {
    this.waiting.push(fn)
  }
}

async function withValues(): Promise<{ server: Running; busy: Client; other: Client }> {
  const server = await start()
  const busy = await server.client()
  const other = await server.client()
  await busy.ask(`SET a ${'ab'.repeat(500)}\nSET b ${'ba'.repeat(500)}`, '+OK\r\n+OK\r\n')
  await other.ask('PING', '+PONG\r\n')
  return { server, busy, other }
}

test('a pipeline of costly commands lets others in between, and keeps its order', async () => {
  const { server, busy, other } = await withValues()
  const rounds = 100
  busy.send(Array.from({ length: rounds }, (_, i) => `LCS a b LEN\r\nECHO ${i}\r\n`).join(''))
  await other.ask('PING', '+PONG\r\n')
  const executed = server.gateway.stats().commandsTotal['lcs'] ?? 0
  assert.ok(executed < rounds / 2, `${executed} were executed before`)
  await busy.expect(Array.from({ length: rounds }, (_, i) => `:999\r\n$${String(i).length}\r\n${i}\r\n`).join(''))
})

test('a pipeline that is cut short by its sender is executed to its end all the same', async () => {
  const { busy } = await withValues()
  busy.socket.end(`${'LCS a b LEN\r\n'.repeat(20)}GET nokey\r\n`)
  await busy.expect(`${':999\r\n'.repeat(20)}$-1\r\n`)
  await busy.closed()
})

test('a transaction of costly commands lets others in between its replies', async () => {
  const { server, busy, other } = await withValues()
  const rounds = 100
  const queued = '+QUEUED\r\n'.repeat(rounds + 1)
  await busy.ask(`MULTI\n${'LCS a b LEN\n'.repeat(rounds)}ECHO end`, `+OK\r\n${queued}`)
  busy.send('EXEC\r\n')
  await other.ask('PING', '+PONG\r\n')
  assert.is(server.gateway.stats().commandsTotal['echo'], undefined, 'the last is not executed yet')
  await busy.expect(`*${rounds + 1}\r\n${':999\r\n'.repeat(rounds)}$3\r\nend\r\n`)
})

test('a transaction of commands that are no operations lets others in between', async () => {
  const { server, busy, other } = await withValues()
  const rounds = 1000
  const queued = '+QUEUED\r\n'.repeat(rounds + 1)
  await busy.ask(`MULTI\n${'COMMAND LIST\n'.repeat(rounds)}ECHO end`, `+OK\r\n${queued}`)
  busy.send('EXEC\r\n')
  await other.ask('PING', '+PONG\r\n')
  assert.is(server.gateway.stats().commandsTotal['echo'], undefined, 'the last is not executed yet')
  await busy.readTo('$3\r\nend\r\n')
})

test('operations are begun in slices of 500', () => {
  const { cache } = localCache()
  const clock = new SteppedClock()
  const operations = Array.from({ length: 1200 }, (_, i) => new Operation().reset(OPERATION_GET).setKey(Buffer.from(`k${i}`)))
  const answered: number[] = []
  let done = 0
  executeEach(
    cache,
    clock,
    operations,
    (index) => answered.push(index),
    () => done++,
  )
  for (const total of [500, 1000]) {
    assert.is(answered.length, total)
    assert.is(clock.waiting.length, 1)
    assert.is(done, 0)
    clock.waiting.shift()?.()
  }
  assert.equal(
    answered,
    operations.map((_, i) => i),
  )
  assert.is(done, 1)
  assert.is(clock.waiting.length, 0)
})

test('few operations are executed within the call', () => {
  const { cache } = localCache()
  const clock = new SteppedClock()
  const operations = Array.from({ length: 500 }, (_, i) => new Operation().reset(OPERATION_GET).setKey(Buffer.from(`k${i}`)))
  let done = 0
  executeEach(
    cache,
    clock,
    operations,
    () => {},
    () => done++,
  )
  assert.is(done, 1)
  assert.is(clock.waiting.length, 0)
})

test('items are gone through in turns of two milliseconds, until one says enough', () => {
  const clock = new SteppedClock()
  const seen: number[] = []
  let done = 0
  const each = (item: number): boolean => {
    clock.atMs += 1
    return seen.push(item) < 5
  }
  eachInTurns(clock, [0, 1, 2, 3, 4, 5, 6], each, () => done++)
  assert.equal(seen, [0, 1])
  clock.waiting.shift()?.()
  assert.equal(seen, [0, 1, 2, 3])
  assert.is(done, 0)
  clock.waiting.shift()?.()
  assert.equal(seen, [0, 1, 2, 3, 4])
  assert.is(done, 1)
  assert.is(clock.waiting.length, 0)
})

test.run()
