/** What bounds a client of the telnet face, and that nobody else suffers when one is bounded. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { TextGateway, type TextGatewayOptions } from '../../../src/gateway/text/index.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { LineClient } from './line-client.ts'

const test = suite('text gateway limits')

interface Running {
  readonly cache: FakeCache
  readonly gateway: TextGateway
  readonly client: () => LineClient
}

async function withGateway(options: Partial<TextGatewayOptions>, use: (running: Running) => Promise<void>): Promise<void> {
  const cache = new FakeCache({ maxKeyBytes: 64, maxValueBytes: 4 * 1024 * 1024 })
  const defaults = { maxClients: 10, input: new InputBudget(2 ** 26), outputBufferLimitBytes: 64 * 1024 * 1024, idleTimeoutMs: 0 }
  const gateway = new TextGateway({ cache, clock: new SystemClock(), logger: SILENT, observe: () => {}, ...defaults, ...options })
  const port = await gateway.listen('127.0.0.1', 0)
  const clients: LineClient[] = []
  const client = (): LineClient => {
    const made = new LineClient(port)
    clients.push(made)
    return made
  }
  try {
    await use({ cache, gateway, client })
  } finally {
    for (const made of clients) made.close()
    await gateway.close(100)
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(condition())
}

test('clients over the limit are told so and closed; when one leaves, the next is served', () =>
  withGateway({ maxClients: 2 }, async ({ client, gateway }) => {
    const first = client()
    const second = client()
    assert.equal(await first.send('PING\n').lines(1), ['PONG'])
    assert.equal(await second.send('PING\n').lines(1), ['PONG'])
    const third = client().send('PING\nPING\n')
    assert.is(await third.rest(), 'ERROR: too many clients\n')
    assert.is(third.ended, 'closed')
    assert.equal(await first.send('PING\n').lines(1), ['PONG'])
    first.close()
    await until(() => gateway.stats().connections === 1)
    assert.equal(await client().send('PING\n').lines(1), ['PONG'])
    const { rejectedTotal, connectionsTotal } = gateway.stats()
    assert.equal({ rejectedTotal, connectionsTotal }, { rejectedTotal: 1, connectionsTotal: 3 })
  }))

test('a client that speaks HTTP is sent away, and nothing after its first line is executed', () =>
  withGateway({}, async ({ client }) => {
    for (const line of ['POST / HTTP/1.1', 'GET / HTTP/1.0', 'hOST: example.org']) {
      assert.is(await client().send(`${line}\r\nSET a 1\r\n`).rest(), 'ERROR: This is no HTTP server\n')
    }
    const plain = client()
    assert.equal(await plain.send('GET a\nSET a is HTTP/1.1\nGET a\n').lines(3), ['ERROR: Key not found', 'OK', 'is HTTP/1.1'])
  }))

test('a line over the limit is refused once, and the line after it is served', () =>
  withGateway({}, async ({ client, cache, gateway }) => {
    const one = client()
    one.send('SET k ')
    const piece = Buffer.alloc(1024 * 1024, 'x')
    for (let i = 0; i < 20; i++) one.send(piece)
    one.send('\nPING\n')
    const [refusal, pong] = await one.lines(2)
    assert.match(refusal ?? '', /^ERROR: The line is longer than \d+ bytes$/)
    assert.is(pong, 'PONG')
    assert.is(cache.held.size, 0)
    assert.is(gateway.stats().commandsTotal.other, 1)
  }))

test('the longest line there can be is served: all of key and value escaped', () =>
  withGateway({}, async ({ client, cache }) => {
    const { maxKeyBytes, maxValueBytes } = cache.limits
    const one = client().send(`SET ${'\\n'.repeat(maxKeyBytes)} ${'\\n'.repeat(maxValueBytes)}\r\n`)
    assert.equal(await one.lines(1), ['OK'])
    assert.is(cache.held.get('\n'.repeat(maxKeyBytes))?.value.length, maxValueBytes)
  }))

test('a client that does not read is not served further, and others are', () =>
  withGateway({}, async ({ client, cache, gateway }) => {
    cache.put('big', Buffer.alloc(100_000, 'x'))
    const slow = client()
    assert.equal(await slow.send('PING\n').lines(1), ['PONG'])
    slow.socket.pause()
    slow.send('GET big\n'.repeat(1000))
    await until(() => cache.executed > 0)
    let before = -1
    while (before !== cache.executed) {
      before = cache.executed
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.ok(cache.executed < 1000, `${cache.executed} executed for a client that reads nothing`)
    assert.ok(gateway.outputBytes >= 100_000)
    assert.equal(await client().send('PING\n').lines(1), ['PONG'])
    slow.socket.resume()
    await slow.until(() => slow.receivedBytes === 'PONG\n'.length + 1000 * 100_001)
    assert.is(cache.executed, 1000)
    await until(() => gateway.outputBytes === 0)
  }))

test('a listing stands still while its client does not read, and is given up with it', () =>
  withGateway({}, async ({ client, cache }) => {
    for (let i = 0; i < 60_000; i++) cache.put(`${i}`.padStart(64, 'k'), '')
    cache.pageSize = 100
    const slow = client()
    slow.socket.pause()
    slow.send('KEYS\n')
    await until(() => cache.pagesServed > 0)
    let before = -1
    while (before !== cache.pagesServed) {
      before = cache.pagesServed
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const stoodAt = cache.pagesServed
    if (stoodAt < 600) assert.is(cache.openScans, 1)
    slow.socket.destroy()
    await until(() => cache.openScans === 0)
  }))

test('an answer that overflows the output limit of a client that does not read cuts it off, counted', () =>
  withGateway({ outputBufferLimitBytes: 512 * 1024 }, async ({ client, cache, gateway }) => {
    cache.put('big', Buffer.alloc(4_000_000, 'x'))
    const slow = client()
    slow.socket.pause()
    slow.send('GET big\n'.repeat(10))
    await until(() => gateway.stats().outputLimitTotal === 1)
    slow.socket.resume()
    await until(() => slow.ended !== null)
    assert.is(slow.ended, 'reset')
    assert.equal(await client().send('PING\n').lines(1), ['PONG'])
    await until(() => gateway.stats().connections === 1)
  }))

test('a line that does not end in time is refused without any timeout set, and one that comes on has its time', async () => {
  const clock = new FakeClock()
  await withGateway({ clock }, async ({ client, gateway }) => {
    const half = client().send('SET a x')
    const large = client().send('SET b ')
    const resting = client().send('PING\n')
    assert.equal(await resting.lines(1), ['PONG'])
    let sent = 18
    for (let at = 0; at < 10; at++) {
      if (at < 6) half.send('x')
      large.send('y'.repeat(100_000))
      sent += 100_000 + (at < 6 ? 1 : 0)
      await until(() => gateway.stats().readBytesTotal === sent)
      clock.advance(5_000)
    }
    clock.advance(2_000)
    assert.is(await half.rest(), 'ERROR: The line did not end in time\n')
    assert.equal(await large.send('\n').lines(1), ['OK'])
    assert.equal(await resting.send('PING\n').lines(1), ['PONG'])
    assert.is(gateway.stats().timeoutsTotal, 1)
  })
})

test('idle connections end, and one that speaks now and then does not', () =>
  withGateway({ idleTimeoutMs: 200 }, async ({ client, gateway }) => {
    const idle = client()
    const lively = client()
    for (let i = 0; i < 8; i++) {
      assert.equal(await lively.send('PING\n').lines(1), ['PONG'])
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    assert.is(idle.ended, 'closed')
    assert.is(idle.text, '')
    assert.is(lively.ended, null)
    assert.is(gateway.stats().timeoutsTotal, 1)
  }))

test('a line that does not end in time is refused, however its bytes drip', () =>
  withGateway({ idleTimeoutMs: 200 }, async ({ client }) => {
    const dripping = client()
    const timer = setInterval(() => dripping.send('x'), 20)
    assert.is(await dripping.rest(), 'ERROR: The line did not end in time\n')
    clearInterval(timer)
  }))

test('a client that waits for the cache is not idle', () =>
  withGateway({ idleTimeoutMs: 100 }, async ({ client, cache, gateway }) => {
    cache.put('k', 'v')
    cache.hold()
    const waiting = client().send('GET k\n')
    await until(() => cache.waiting === 1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.is(waiting.ended, null)
    cache.release()
    assert.equal(await waiting.send('PING\n').lines(2), ['v', 'PONG'])
    assert.is(gateway.stats().timeoutsTotal, 0)
  }))

test('a client that reads nothing of its answer for the idle time is cut off', () =>
  withGateway({ idleTimeoutMs: 200 }, async ({ client, cache, gateway }) => {
    cache.put('big', Buffer.alloc(4_000_000, 'x'))
    const slow = client()
    slow.socket.pause()
    slow.send('GET big\n'.repeat(5))
    await until(() => gateway.stats().timeoutsTotal === 1)
    await until(() => gateway.stats().connections === 0)
  }))

test('EXIT amid a pipeline ends it: what comes after is not executed', () =>
  withGateway({}, async ({ client, cache }) => {
    const one = client().send('SET a 1\nEXIT\nSET b 2\n')
    one.send('SET c 3\n'.repeat(1000))
    assert.is(await one.rest(), 'OK\nGoodbye!\n')
    assert.is(one.ended, 'closed')
    assert.equal([...cache.held.keys()], ['a'])
  }))

test('a client that sends all and closes its side still gets its answers', () =>
  withGateway({}, async ({ client, cache }) => {
    cache.later = true
    cache.put('k', 'v')
    const one = client()
    one.socket.end('GET k\nKEYS\nPING\n')
    assert.is(await one.rest(), 'v\nk\nPONG\n')
  }))

test('while it drains, busy connections are served, resting ones end, and new ones are accepted', () =>
  withGateway({}, async ({ client, gateway, cache }) => {
    cache.put('k', 'v')
    const resting = client()
    assert.equal(await resting.send('PING\n').lines(1), ['PONG'])
    cache.hold()
    const busy = client().send('GET k\n')
    await until(() => cache.waiting === 1)
    gateway.drain()
    assert.is(await resting.rest(), '')
    assert.is(resting.ended, 'closed')
    assert.equal(await client().send('PING\n').lines(1), ['PONG'])
    cache.release()
    assert.equal(await busy.lines(1), ['v'])
  }))

test('closing answers what is under way, ends idle connections at once, and cuts the rest when its time is up', () =>
  withGateway({}, async ({ client, gateway, cache }) => {
    cache.put('k', 'v')
    const idle = client()
    assert.equal(await idle.send('PING\n').lines(1), ['PONG'])
    cache.hold()
    const busy = client().send('GET k\nGET k\n')
    await until(() => cache.waiting === 1)
    const closing = gateway.close(5000)
    assert.is(await idle.rest(), '')
    cache.release()
    assert.is(await busy.rest(), 'v\n')
    await closing
  }))

test('closing cuts off what does not come to an end', () =>
  withGateway({}, async ({ client, gateway, cache }) => {
    cache.hold()
    const stuck = client().send('KEYS\n')
    await until(() => cache.waiting === 1)
    await gateway.close(50)
    await until(() => stuck.ended !== null)
    assert.is(stuck.ended, 'reset')
    assert.is(cache.openScans, 0)
  }))

test('closing a face that never listened is nothing, and a port that is taken is told', async () => {
  await withGateway({}, async ({ gateway }) => {
    assert.is(gateway.stats().connections, 0)
    const options = {
      clock: new SystemClock(),
      logger: SILENT,
      observe: () => {},
      input: new InputBudget(2 ** 26),
      maxClients: 1,
      outputBufferLimitBytes: 1,
      idleTimeoutMs: 0,
    }
    const first = new TextGateway({ cache: new FakeCache(), ...options })
    const second = new TextGateway({ cache: new FakeCache(), ...options })
    const port = await first.listen('127.0.0.1', 0)
    let code: unknown
    await second.listen('127.0.0.1', port).catch((error: { code?: string }) => {
      code = error.code
    })
    assert.is(code, 'EADDRINUSE')
    await second.close(10)
    await first.close(10)
  })
})

test.run()
