import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock, type Timer } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { gatewaysOf, until } from './harness.ts'

const test = suite('gateway/resp/limits')

const start = gatewaysOf(test)

/** The machine's clock, running ahead by as much as a test says. */
class LeapingClock extends SystemClock {
  leapMs = 0

  longestMs = 0

  override now(): number {
    return super.now() + this.leapMs
  }

  override after(ms: number, fn: () => void): Timer {
    this.longestMs = Math.max(this.longestMs, ms)
    return super.after(ms, fn)
  }
}

const TOO_LARGE = '-ERR the reply would be over outputBufferLimitBytes (1048576)\r\n'

function bulk(value: string): string {
  return `$${value.length}\r\n${value}\r\n`
}

test('a client too many is told so and sent away; when one leaves, another may come', async () => {
  const server = await start({ maxClients: 2 })
  const first = await server.client()
  const second = await server.client()
  await first.ask('PING', '+PONG\r\n')
  await second.ask('PING', '+PONG\r\n')
  const third = await server.client()
  third.send('HELLO 3\r\n'.repeat(100))
  await third.expect('-ERR max number of clients reached\r\n')
  await third.closed()
  assert.is(server.gateway.stats().rejectedTotal, 1)
  second.destroy()
  await until(() => server.gateway.stats().connections === 1, 'one has left')
  await (await server.client()).ask('PING', '+PONG\r\n')
  await first.ask('CONFIG GET maxclients\nCONFIG SET maxclients 1', '*2\r\n$10\r\nmaxclients\r\n$1\r\n2\r\n+OK\r\n')
})

test('a client that does not read is not read from, and gets all of it unharmed once it reads', async () => {
  const server = await start({ outputBufferLimitBytes: 4 * 1024 * 1024 })
  const client = await server.client()
  const values = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter, i) => letter.repeat(10_000 + 100 * i))
  values.forEach((value, i) => {
    client.send(`*3\r\n$3\r\nSET\r\n$1\r\n${i}\r\n$${value.length}\r\n${value}\r\n`)
  })
  await client.expect('+OK\r\n'.repeat(values.length))
  client.socket.pause()
  // 70 MB of replies, were they all made at once.
  const rounds = 1000
  client.send(
    values
      .map((_, i) => `GET ${i}\r\n`)
      .join('')
      .repeat(rounds),
  )
  await until(() => (server.gateway.stats().commandsTotal['get'] ?? 0) > 0, 'some are executed')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const executed = server.gateway.stats().commandsTotal['get'] ?? 0
  assert.ok(executed < (rounds * values.length) / 2, `${executed} were executed`)
  // Others are served, in slabs of their own.
  const other = await server.client()
  await other.ask('GET 1\nGET 1\nGET 1\nGET 1\nGET 1\nGET 1', `$10100\r\n${values[1]}\r\n`.repeat(6))
  const round = Buffer.from(values.map((value) => `$${value.length}\r\n${value}\r\n`).join(''))
  const twice = Buffer.concat([round, round])
  let bytes = 0
  let harmed = 0
  client.socket.removeAllListeners('data')
  client.socket.on('data', (piece: Buffer) => {
    for (let at = 0; at < piece.length; at += round.length) {
      const part = piece.subarray(at, at + round.length)
      const from = (bytes + at) % round.length
      if (part.compare(twice, from, from + part.length) !== 0) harmed++
    }
    bytes += piece.length
  })
  client.socket.resume()
  await until(() => bytes === rounds * round.length, 'all are answered')
  assert.is(harmed, 0)
  assert.is(server.gateway.stats().outputLimitKillsTotal, 0)
})

test('a subscriber that does not read is cut off at the limit, and others are not', async () => {
  const server = await start({ outputBufferLimitBytes: 256 * 1024 })
  const slow = await server.client()
  const fast = await server.client()
  const publisher = await server.client()
  for (const client of [slow, fast]) await client.ask('SUBSCRIBE a', '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n')
  slow.socket.pause()
  const message = 'm'.repeat(100_000)
  for (let i = 0; i < 200 && server.gateway.stats().outputLimitKillsTotal === 0; i++) {
    publisher.send(`*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$${message.length}\r\n${message}\r\n`)
    await publisher.readTo('\r\n')
    await fast.expect(`*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$${message.length}\r\n${message}\r\n`)
  }
  assert.is(server.gateway.stats().outputLimitKillsTotal, 1)
  await until(() => server.gateway.stats().subscribers === 1, 'the slow one is gone')
})

test('one command whose reply alone would be over the limit is answered with an error', async () => {
  const server = await start({ outputBufferLimitBytes: 1024 * 1024 })
  const client = await server.client()
  const value = 'v'.repeat(100_000)
  client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n`)
  await client.expect('+OK\r\n')
  await client.ask(`MGET${' k'.repeat(50)}`, TOO_LARGE)
  await client.ask(`MGET${' k'.repeat(10)}`, `*10\r\n${bulk(value).repeat(10)}`)
  await client.ask('STRLEN k', ':100000\r\n')
  assert.is(server.gateway.stats().outputLimitKillsTotal, 0)
})

test('EXEC answers what fits, and an error for each value that does not', async () => {
  const server = await start({ outputBufferLimitBytes: 1024 * 1024 })
  const client = await server.client()
  const value = 'v'.repeat(400_000)
  client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n`)
  await client.expect('+OK\r\n')
  await client.ask(
    `MULTI\nGET k\nGET k\nGET k\nMGET a k\nSET a 1\nGET a\nEXEC\nGET a`,
    `+OK\r\n${'+QUEUED\r\n'.repeat(6)}*6\r\n${bulk(value).repeat(2)}${TOO_LARGE.repeat(2)}+OK\r\n$1\r\n1\r\n$1\r\n1\r\n`,
  )
})

test('commands in EXEC that are no operations share its limit', async () => {
  const server = await start({ outputBufferLimitBytes: 256 * 1024 })
  const client = await server.client()
  const word = 'e'.repeat(60_000)
  await client.ask(
    `MULTI\n${`ECHO ${word}\n`.repeat(6)}PING\nEXEC\nPING`,
    `+OK\r\n${'+QUEUED\r\n'.repeat(7)}*7\r\n${bulk(word).repeat(4)}${TOO_LARGE.replace('1048576', '262144').repeat(2)}+PONG\r\n+PONG\r\n`,
  )
})

test('a client is cut off when what it is sent at once is over the limit', async () => {
  const server = await start({ outputBufferLimitBytes: 16 * 1024 })
  const client = await server.client()
  const word = 'e'.repeat(10_000)
  await client.ask(`ECHO ${word}`, bulk(word))
  // One answer, and not two: those may leave in two pieces.
  client.send(`ECHO ${word}${word}\r\n`)
  await client.closed()
  assert.is(server.gateway.stats().outputLimitKillsTotal, 1)
})

test('more keys than the output limit has room for are refused before anything is made for them', async () => {
  const client = await (await start({ outputBufferLimitBytes: 1024 * 1024, maxRequestBytes: 400_000 })).client()
  await client.ask(`EXISTS${' k'.repeat(2621)}`, ':0\r\n')
  await client.ask(`MGET${' k'.repeat(2622)}`, "-ERR too many keys for 'mget': the limit is 2621\r\n")
  await client.ask(`MSET${' k 1'.repeat(1311)}\nEXISTS k`, "-ERR too many keys for 'mset': the limit is 1310\r\n:0\r\n")
  await client.ask(`MSETNX${' k 1'.repeat(501)}`, "-ERR too many keys for 'msetnx': the limit is 500\r\n")
  await client.ask(
    `MULTI\nMGET${' k'.repeat(1000)}\nEXEC`,
    [
      '+OK\r\n-ERR the transaction is over the limit of 400000 bytes\r\n',
      '-EXECABORT Transaction discarded because of previous errors.\r\n',
    ].join(''),
  )
  await client.ask(`PUBSUB NUMSUB${' c'.repeat(16_383)}`, '-ERR too many arguments: the limit is 16384\r\n')
  await client.ask(`CONFIG GET${' c'.repeat(257)}`, '-ERR too many patterns: the limit is 256\r\n')
})

test('what single commands may ask for is limited', async () => {
  const client = await (await start()).client()
  const long = 'n'.repeat(1025)
  await client.ask(`CLIENT SETNAME ${long}\nCLIENT SETINFO LIB-VER ${long}`, '-ERR a name may have 1024 bytes\r\n'.repeat(2))
  await client.ask(`HELLO 2 SETNAME ${long}\nCLIENT GETNAME`, '-ERR a name may have 1024 bytes\r\n$-1\r\n')
  await client.ask(`WATCH${' k'.repeat(10_001)}`, '-ERR a client may watch 10000 keys\r\n')
  await client.ask(
    `SET a ${'x'.repeat(1025)}\nSET b ${'y'.repeat(1024)}\nLCS a b LEN`,
    '+OK\r\n+OK\r\n-ERR LCS is limited to values whose lengths have a product of 1048576 or less\r\n',
  )
  client.send('CLIENT LIST ID 1 1 1 1\r\n')
  const list = await client.readTo('\n\r\n')
  assert.is(list.split('id=1 ').length, 2)
})

test('CLIENT PAUSE lasts a minute at most', async () => {
  const clock = new LeapingClock()
  const client = await (await start({ clock })).client()
  await client.ask('CLIENT PAUSE 999999999', '+OK\r\n')
  assert.ok(clock.longestMs > 59_000 && clock.longestMs <= 60_000, String(clock.longestMs))
  await client.ask('CLIENT UNPAUSE\nPING', '+OK\r\n+PONG\r\n')
})

test('SCAN takes a larger COUNT as 10,000', async () => {
  const server = await start()
  const client = await server.client()
  for (let from = 0; from < 15_000; from += 5000) {
    await client.ask(`MSET${Array.from({ length: 5000 }, (_, i) => ` ${from + i} v`).join('')}`, '+OK\r\n')
  }
  client.send('SCAN 0 COUNT 100000\r\nECHO end\r\n')
  const page = await client.readTo('$3\r\nend\r\n')
  const keys = Number(/\*2\r\n\$\d+\r\n\d+\r\n\*(\d+)/.exec(page)?.[1])
  assert.ok(keys >= 10_000 && keys < 11_000, `${keys} keys`)
})

test('POST and Host: end the connection with a warning, once a minute', async () => {
  const warnings: string[] = []
  const server = await start({ logger: { ...SILENT, warn: (_fields, message) => warnings.push(message) } })
  for (const line of ['POST / HTTP/1.1', 'GET / HTTP/1.1\r\nhost: x', 'hOST: x', 'post']) {
    const client = await server.client()
    client.send(`${line}\r\nSET a 1\r\n`)
    await client.closed()
  }
  assert.is(warnings.length, 1)
  assert.match(warnings[0] as string, 'cross-protocol')
  assert.is(server.gateway.stats().protocolErrorsTotal, 4)
  await (await server.client()).ask('GET a\nGET POST', '$-1\r\n$-1\r\n')
})

test('a client that says nothing for too long is cut off, a subscriber is not', async () => {
  const clock = new LeapingClock()
  const server = await start({ clock, idleTimeoutMs: 10_000 })
  const idle = await server.client()
  const subscriber = await server.client()
  await idle.ask('PING', '+PONG\r\n')
  await subscriber.ask('SUBSCRIBE a', '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n')
  clock.leapMs += 11_000
  await idle.closed()
  const other = await server.client()
  await other.ask('PUBLISH a x', ':1\r\n')
  assert.is(server.gateway.stats().idleKillsTotal, 1)
})

test('a client that takes its replies slowly is not idle; one that takes none is', async () => {
  const clock = new FakeClock()
  const server = await start({ clock, idleTimeoutMs: 10_000 })
  const client = await server.client()
  const value = 'v'.repeat(500_000)
  client.send(`*3\r\n$3\r\nSET\r\n$1\r\na\r\n${bulk(value)}`)
  await client.expect('+OK\r\n')
  client.socket.removeAllListeners('data')
  client.socket.pause()
  client.send('GET a\r\n'.repeat(200))
  let got = 0
  client.socket.on('data', (piece: Buffer) => {
    got += piece.length
  })
  // Ten megabytes in four seconds: more than the system holds between the two.
  for (let round = 1; round <= 8; round++) {
    client.socket.resume()
    await until(() => got >= round * 10_000_000, 'more has been read')
    client.socket.pause()
    clock.advance(4_000)
    assert.is(server.gateway.stats().idleKillsTotal, 0, `after ${got} bytes`)
  }
  assert.ok(server.gateway.outputBytes > 0)
  clock.advance(12_000)
  assert.is(server.gateway.stats().idleKillsTotal, 1)
  client.socket.resume()
  await client.closed()
  await until(() => server.gateway.outputBytes === 0, 'nothing waits')
})

test('without a timeout nobody is idle', async () => {
  const clock = new LeapingClock()
  const server = await start({ clock })
  const idle = await server.client()
  await idle.ask('PING', '+PONG\r\n')
  clock.leapMs += 1_000_000
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await idle.ask('PING\nCONFIG SET timeout 60\nCONFIG GET timeout', '+PONG\r\n+OK\r\n*2\r\n$7\r\ntimeout\r\n$2\r\n60\r\n')
})

const LATE = '-ERR Protocol error: the command did not arrive whole in time\r\n'

test('a command that stands still half-way is refused and given up', async () => {
  const clock = new FakeClock()
  const server = await start({ clock })
  const client = await server.client()
  client.send('PING\r\n*2\r\n$3\r\nGET\r\n$5\r\nab')
  await client.expect('+PONG\r\n')
  clock.advance(29_000)
  assert.is(server.gateway.stats().halfRequestKillsTotal, 0)
  clock.advance(2_000)
  await client.expect(LATE)
  await client.closed()
  assert.is(server.gateway.stats().halfRequestKillsTotal, 1)
})

test('a command that comes a byte now and then is refused, another client at the same pace between commands is not', async () => {
  const clock = new FakeClock()
  const server = await start({ clock })
  const slow = await server.client()
  const steady = await server.client()
  let sent = 0
  const sendAll = async (toSlow: string, toSteady: string): Promise<void> => {
    slow.send(toSlow)
    steady.send(toSteady)
    sent += toSlow.length + toSteady.length
    await until(() => server.gateway.stats().bytesInTotal === sent, 'all has come')
  }
  await sendAll('*2\r\n$3\r\nGET\r\n$9\r\na', '*1\r\n$4\r\nPI')
  for (let at = 0; at < 3; at++) {
    clock.advance(9_000)
    await sendAll('a', 'NG\r\n*1\r\n$4\r\nPI')
    await steady.expect('+PONG\r\n')
  }
  clock.advance(5_000)
  await slow.expect(LATE)
  await slow.closed()
  await steady.ask('NG', '+PONG\r\n')
  assert.is(server.gateway.stats().halfRequestKillsTotal, 1)
})

test('a large value over a slow link has its time', async () => {
  const clock = new FakeClock()
  const server = await start({ clock })
  const client = await server.client()
  const head = '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n'
  client.send(head)
  for (let pieces = 1; pieces <= 10; pieces++) {
    client.send('v'.repeat(100_000))
    await until(() => server.gateway.stats().bytesInTotal === head.length + pieces * 100_000, 'a piece has come')
    clock.advance(5_000)
  }
  await client.ask('', '+OK\r\n')
})

test('a value over the limit is refused before it is held', async () => {
  const client = await (await start()).client()
  client.send('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n')
  await client.expect('-ERR Protocol error: invalid bulk length, the limit is 1048576 bytes\r\n')
  await client.closed()
})

test('close lets clients finish, then goes', async () => {
  const server = await start()
  const client = await server.client()
  await client.ask('PING', '+PONG\r\n')
  const startedMs = performance.now()
  await server.gateway.close(2_000)
  assert.ok(performance.now() - startedMs < 1_900)
  await client.closed()
})

test('what is under way when close begins is still answered', async () => {
  const server = await start({ debugCommands: true })
  const client = await server.client()
  client.send('DEBUG SLEEP 0.2\r\n')
  await until(() => server.gateway.stats().bytesInTotal > 0, 'it is under way')
  const closed = server.gateway.close(3_000)
  await client.expect('+OK\r\n')
  await client.closed()
  await closed
})

test('the time of commands is observed, a pipeline sharing it', async () => {
  const observed = new Map<string, number>()
  const server = await start({
    observe: (command, seconds, times) => {
      assert.ok(seconds >= 0 && seconds < 1)
      observed.set(command, (observed.get(command) ?? 0) + times)
    },
  })
  const client = await server.client()
  await client.ask('SET a 1\nGET a\nGET a\nCLIENT ID', '+OK\r\n$1\r\n1\r\n$1\r\n1\r\n:1\r\n')
  assert.equal(Object.fromEntries(observed), { set: 1, get: 2, 'client|id': 1 })
  assert.equal(server.gateway.stats().commandsTotal, { get: 2, set: 1, 'client|id': 1 })
})

test.run()
