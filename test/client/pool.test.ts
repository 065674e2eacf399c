/**
 * The pool and its connections against a server that misbehaves: what is tried again, what is not, and whose answer is whose. Time is virtual; the
 * sockets are real.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ClientClosedError,
  type ClientOptions,
  ConnectionLostError,
  JackdawClient,
  type JackdawError,
  NoReplicasError,
  NotConfirmedError,
  OutcomeUnknownError,
  PoolExhaustedError,
  ProtocolError,
  ServerError,
  TimeoutError,
  UnreachableError,
} from '../../src/client/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { bulk, deadAddress, memory, type Peer, type Script, ScriptedServer } from './scripted-server.ts'

const test = suite('client: pool')

interface Scene {
  readonly client: JackdawClient
  readonly server: ScriptedServer
  readonly clock: FakeClock
}

/** Runs `body` with a client of one connection and its server, and closes both. */
async function scene(
  script: Script,
  body: (scene: Scene) => Promise<void>,
  options: ClientOptions = {},
  greet?: (peer: Peer) => void,
): Promise<void> {
  const server = await ScriptedServer.start(script, greet)
  const clock = new FakeClock()
  const client = new JackdawClient({ addresses: [server.address], poolSize: 1, clock, random: () => 0, ...options })
  try {
    await body({ client, server, clock })
  } finally {
    client.destroy()
    await server.close()
  }
}

/** Waits in real time, for sockets; bounded. */
async function until(done: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 5000
  while (!done()) {
    if (performance.now() > end) throw new Error(`${what}: not so after 5 s`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The promise's result; virtual time moves on until it is there. */
async function passing<T>(clock: FakeClock, promise: Promise<T>, stepMs: number = 5): Promise<T> {
  let done = false
  const settle = (): void => {
    done = true
  }
  promise.then(settle, settle)
  await until(() => {
    if (!done) clock.advance(stepMs)
    return done
  }, 'the call to settle')
  return promise
}

async function errorOf(promise: Promise<unknown>): Promise<JackdawError> {
  return promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: JackdawError) => error,
  )
}

/** Echoes the key of GET. */
const echo: Script = ([name, key], peer) => peer.send(String(name) === 'GET' ? bulk(key as Buffer) : '+OK\r\n')

test('an answer that comes byte by byte is one answer, and the next is not mixed up with it', () =>
  scene(
    ([, key], peer) => {
      peer.socket.setNoDelay(true)
      for (const byte of bulk(key as Buffer)) peer.send(Buffer.from([byte]))
    },
    async ({ client }) => {
      const values = await Promise.all(['first', 'second', ''].map((key) => client.getText(key)))
      assert.equal(values, ['first', 'second', ''])
    },
  ))

test('many calls share one connection and each gets its own answer', () =>
  scene(echo, async ({ client, server }) => {
    const keys = Array.from({ length: 3000 }, (_, i) => `key-${i}`)
    assert.equal(await Promise.all(keys.map((key) => client.getText(key))), keys)
    assert.is(server.peers.length, 1)
  }))

test('connections are opened only while those there are busy, and no more than the pool may have', () =>
  scene(
    echo,
    async ({ client, server }) => {
      for (let i = 0; i < 5; i++) await client.get('one at a time')
      assert.is(server.peers.length, 1)
      for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 50 }, () => client.get('at once')))
      await until(() => server.peers.length === 3, 'three connections')
      for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 50 }, () => client.get('at once')))
      assert.is(server.peers.length, 3)
      assert.is(new Set(server.heard.map((line) => line[0])).size, 3)
    },
    { poolSize: 3 },
  ))

test('a refused connection leads to the next address', async () => {
  const dead = await deadAddress()
  await scene(echo, async ({ server }) => {
    const client = new JackdawClient({ addresses: [dead, server.address], random: () => 0 })
    assert.is(await client.getText('k'), 'k')
    assert.equal(client.counters().retries, 0)
    await client.close()
  })
})

test('when every address refuses, the call fails after its attempts, and names them', async () => {
  const addresses = [await deadAddress(), await deadAddress()]
  const clock = new FakeClock()
  const client = new JackdawClient({ addresses, clock, retries: 3, random: () => 0 })
  const error = await errorOf(passing(clock, client.set('k', 'v')))
  assert.instance(error, UnreachableError)
  assert.is(error.touched, 'no')
  for (const address of addresses) assert.match(error.message, address)
  // Three pauses of 50, 100 and 200 ms, each halved by chance.
  assert.ok(clock.now() >= 175, `after ${clock.now()} ms`)
  await client.close()
})

test('a server that comes back is found by the call that waits for it', async () => {
  const server = await ScriptedServer.start(echo)
  const { address, port } = server
  await server.close()
  const client = new JackdawClient({ addresses: [address], retries: 100, retryMaxMs: 50, random: () => 0 })
  const waiting = client.getText('k')
  const { createServer } = await import('node:net')
  const back = createServer((socket) => socket.on('data', () => socket.write(bulk('back'))))
  back.listen(port, '127.0.0.1')
  assert.is(await waiting, 'back')
  client.destroy()
  back.close()
})

test('a read whose connection closes in the middle of the answer goes out again', () =>
  scene(
    ([, key], peer) => {
      if (peer.number === 1) peer.socket.end('$5\r\nva')
      else peer.send(bulk(key as Buffer))
    },
    async ({ client, server, clock }) => {
      assert.is(await passing(clock, client.getText('whole')), 'whole')
      assert.is(server.peers.length, 2)
      assert.is(client.counters().retries, 1)
    },
  ))

test('a write that may be repeated goes out again; one that may not is of unknown outcome', () =>
  scene(
    (_, peer) => {
      if (peer.number <= 2) peer.socket.destroy()
      else peer.send('+OK\r\n')
    },
    async ({ client, server, clock }) => {
      const error = await errorOf(passing(clock, client.increment('n')))
      assert.instance(error, OutcomeUnknownError)
      assert.is(error.touched, 'maybe')
      assert.instance(error.cause, ConnectionLostError)
      assert.is(await passing(clock, client.set('k', 'v')), true)
      assert.equal(server.heard, ['1 INCRBY n 1', '2 SET k v', '3 SET k v'])
    },
  ))

test('a write with a condition is not repeated', () =>
  scene(
    (_, peer) => peer.socket.destroy(),
    async ({ client, server, clock }) => {
      assert.instance(await errorOf(passing(clock, client.set('k', 'v', { ifAbsent: true }))), OutcomeUnknownError)
      assert.is(server.heard.length, 1)
    },
  ))

test('a repeatable write whose attempts are used up is of unknown outcome, a read is not', () =>
  scene(
    (_, peer) => peer.socket.destroy(),
    async ({ client, server, clock }) => {
      assert.instance(await errorOf(passing(clock, client.set('k', 'v'))), OutcomeUnknownError)
      assert.is(server.heard.length, 3)
      const error = await errorOf(passing(clock, client.get('k')))
      assert.instance(error, ConnectionLostError)
      assert.is(error.touched, 'no')
    },
    { retries: 2 },
  ))

test('a write of which not all bytes had left goes out again, even one that may not be repeated', () =>
  scene(
    ([name], peer) => peer.send(String(name) === 'APPEND' ? ':1\r\n' : '+OK\r\n'),
    async ({ client, server, clock }) => {
      await client.ping()
      const [peer] = server.peers as [Peer]
      peer.socket.pause()
      // More than the buffers of two sockets hold.
      const pending = client.command(['APPEND', 'k', Buffer.alloc(16_000_000)])
      setTimeout(() => peer.socket.resetAndDestroy(), 50)
      assert.is(await passing(clock, pending), 1)
      assert.equal(server.heard, ['1 PING', '2 APPEND k ...'])
    },
    { requestTimeoutMs: 1_000_000 },
  ))

test('an idle connection that the server closed is replaced without an error', () =>
  scene(echo, async ({ client, server }) => {
    await client.get('k')
    server.peers[0]?.socket.end()
    await until(() => client.counters().lost === 1, 'the loss to be seen')
    await client.increment('n').catch((error: Error) => assert.instance(error, ProtocolError))
    assert.is(server.heard.at(-1), '2 INCRBY n 1')
    assert.is(client.counters().retries, 0)
  }))

test('TRYAGAIN is asked again after a pause, whatever the command', () =>
  scene(
    (_, peer) => peer.send(peer.server.heard.length <= 3 ? '-TRYAGAIN no member could answer\r\n' : ':8\r\n'),
    async ({ client, server, clock }) => {
      assert.is(await passing(clock, client.increment('n')), 8)
      assert.is(server.heard.length, 4)
      assert.ok(clock.now() >= 175, 'pauses of 50, 100 and 200 ms, halved by chance')
    },
  ))

test('a write that may have been executed is asked again only if that does no harm', () =>
  scene(
    ([name], peer) => {
      const doubtful = '-OUTCOMEUNKNOWN the link broke: the write may have been executed\r\n'
      peer.send(String(name) === 'SET' && peer.server.heard.length > 2 ? '+OK\r\n' : doubtful)
    },
    async ({ client, server, clock }) => {
      const error = await errorOf(passing(clock, client.increment('n')))
      assert.instance(error, OutcomeUnknownError)
      assert.instance(error.cause, ServerError)
      assert.is(await passing(clock, client.set('k', 'v')), true)
      assert.equal(server.heard, ['1 INCRBY n 1', '1 SET k v', '1 SET k v'])
    },
  ))

test('TRYAGAIN to the end is the error of the last attempt', () =>
  scene(
    (_, peer) => peer.send('-TRYAGAIN not now\r\n'),
    async ({ client, server, clock }) => {
      const error = (await errorOf(passing(clock, client.set('k', 'v')))) as ServerError
      assert.instance(error, ServerError)
      assert.equal([error.replyCode, error.touched, server.heard.length], ['TRYAGAIN', 'no', 3])
    },
    { retries: 2 },
  ))

test('other errors of the server are passed on at once, and the connection goes on', () =>
  scene(
    ([name], peer) => peer.send(String(name) === 'GET' ? '-WRONGTYPE not that kind\r\n' : '+PONG\r\n'),
    async ({ client, server }) => {
      const error = (await errorOf(client.get('k'))) as ServerError
      assert.equal([error.code, error.replyCode, error.message], ['REFUSED', 'WRONGTYPE', 'WRONGTYPE not that kind'])
      await client.ping()
      assert.equal(server.heard, ['1 GET k', '1 PING'])
    },
  ))

/** Answers nothing by itself; the test does. */
const mute: Script = () => {}

test('a call that times out while others are answered keeps its place in the order of answers', () =>
  scene(mute, async ({ client, server, clock }) => {
    const answered = client.getText('answered')
    const slow = errorOf(client.get('slow', { timeoutMs: 100 }))
    await until(() => server.heard.length === 2, 'both to arrive')
    const [peer] = server.peers as [Peer]
    clock.advance(10)
    peer.send(bulk('answered'))
    assert.is(await answered, 'answered')
    clock.advance(90)
    const error = await slow
    assert.instance(error, TimeoutError)
    assert.is(error.touched, 'no')
    const next = client.getText('next')
    await until(() => server.heard.length === 3, 'the next to arrive')
    peer.send(Buffer.concat([bulk('too late'), bulk('next')]))
    assert.is(await next, 'next')
    assert.is(server.peers.length, 1)
  }))

test('a call that is aborted keeps its place in the order of answers', () =>
  scene(mute, async ({ client, server }) => {
    const controller = new AbortController()
    const aborted = errorOf(client.set('aborted', 'v', { signal: controller.signal }))
    await until(() => server.heard.length === 1, 'it to arrive')
    controller.abort(new Error('enough'))
    const error = await aborted
    assert.equal([error.name, error.code, error.touched], ['AbortError', 'ABORT_ERR', 'maybe'])
    assert.is((error.cause as Error).message, 'enough')
    const next = client.getText('next')
    await until(() => server.heard.length === 2, 'the next to arrive')
    server.peers[0]?.send(Buffer.concat([Buffer.from('+OK\r\n'), bulk('next')]))
    assert.is(await next, 'next')
    assert.is(server.peers.length, 1)
  }))

test('a call whose signal had fired before is not sent, nor does its signal keep anything', () =>
  scene(echo, async ({ client, server }) => {
    const error = await errorOf(client.set('k', 'v', { signal: AbortSignal.abort() }))
    assert.equal([error.name, error.touched], ['AbortError', 'no'])
    await client.get('k')
    assert.equal(server.heard, ['1 GET k'])
  }))

test('a server that says nothing at all is left for another address, and found dead even by calls that nobody waits for', async () => {
  const other = await ScriptedServer.start(echo)
  const silent = await ScriptedServer.start(mute)
  for (const giveUp of [false, true]) {
    const clock = new FakeClock()
    const options = { addresses: [silent.address, other.address], poolSize: 1, clock, random: () => 0, requestTimeoutMs: 1000 }
    const client = new JackdawClient(options)
    const controller = new AbortController()
    const heard = silent.heard.length
    const stuck = errorOf(client.increment('n', 1, { signal: controller.signal }))
    await until(() => silent.heard.length > heard, 'it to arrive')
    if (giveUp) controller.abort()
    clock.advance(1000)
    const error = await stuck
    assert.equal([error.name, error.touched], [giveUp ? 'AbortError' : 'TimeoutError', 'maybe'])
    assert.is(await client.getText('k'), 'k')
    assert.equal(client.counters().retired, 1)
    await client.close()
  }
  await Promise.all([silent.close(), other.close()])
})

test('after its silence an address is avoided for a while', async () => {
  const other = await ScriptedServer.start(echo)
  const silent = await ScriptedServer.start(mute)
  const clock = new FakeClock()
  const client = new JackdawClient({
    addresses: [silent.address, other.address],
    poolSize: 1,
    clock,
    random: () => 0,
    maxConnectionAgeMs: 1000,
    retryBaseMs: 10_000,
    retryMaxMs: 10_000,
  })
  const stuck = errorOf(client.get('k', { timeoutMs: 100 }))
  await until(() => silent.heard.length === 1, 'it to arrive')
  clock.advance(100)
  assert.instance(await stuck, TimeoutError)
  for (let i = 0; i < 3; i++) {
    assert.is(await client.getText('k'), 'k')
    clock.advance(1000)
  }
  assert.equal([silent.peers.length, other.peers.length], [1, 3])
  await client.close()
  await Promise.all([silent.close(), other.close()])
})

test('a silent connection still brings the answers that have more time', () =>
  scene(
    (words, peer) => {
      if (peer.number > 1) echo(words, peer)
    },
    async ({ client, server, clock }) => {
      const patient = client.getText('patient', { timeoutMs: 10_000 })
      const hasty = errorOf(client.get('hasty', { timeoutMs: 100 }))
      await until(() => server.heard.length === 2, 'both to arrive')
      clock.advance(100)
      assert.instance(await hasty, TimeoutError)
      assert.is(await client.getText('elsewhere'), 'elsewhere')
      server.peers[0]?.send(Buffer.concat([bulk('patient'), bulk('hasty')]))
      assert.is(await patient, 'patient')
    },
  ))

test('calls that wait for room do so in order, within their time, and in bounded number', () =>
  scene(
    mute,
    async ({ client, server, clock }) => {
      const sent = client.getText('sent')
      await until(() => server.heard.length === 1, 'the first to arrive')
      const waiting = client.getText('waiting', { timeoutMs: 4000 })
      const hasty = errorOf(client.set('hasty', 'v', { timeoutMs: 100 }))
      const tooMany = await errorOf(client.get('too many'))
      assert.instance(tooMany, PoolExhaustedError)
      clock.advance(100)
      const error = await hasty
      assert.instance(error, TimeoutError)
      assert.match(error.message, 'waiting for a connection')
      assert.is(error.touched, 'no')
      server.peers[0]?.send(bulk('1'))
      assert.is(await sent, '1')
      await until(() => server.heard.length === 2, 'the one that waited')
      server.peers[0]?.send(bulk('2'))
      assert.is(await waiting, '2')
      assert.equal(server.heard, ['1 GET sent', '1 GET waiting'])
    },
    { maxInFlight: 1, maxWaiting: 2 },
  ))

test('an old connection finishes what it has and is replaced', () =>
  scene(
    (words, peer) => {
      if (String(words[1]) !== 'held') echo(words, peer)
    },
    async ({ client, server, clock }) => {
      await client.get('k')
      clock.advance(59_000)
      const held = client.getText('held', { timeoutMs: 20_000 })
      await until(() => server.heard.length === 2, 'it to arrive')
      clock.advance(1000)
      assert.is(await client.getText('new'), 'new')
      assert.is(server.heard.at(-1), '2 GET new')
      server.peers[0]?.send(bulk('held'))
      assert.is(await held, 'held')
      await until(() => server.peers[0]?.socket.readableEnded === true, 'the old one to be closed')
      assert.equal(client.counters().retired, 1)
    },
    { maxConnectionAgeMs: 60_000, idleTimeoutMs: 100_000 },
  ))

test('an unused connection is closed, a used one is not', () =>
  scene(
    echo,
    async ({ client, server, clock }) => {
      for (let i = 0; i < 4; i++) {
        await client.get('k')
        clock.advance(900)
      }
      assert.is(server.peers.length, 1)
      clock.advance(100)
      await until(() => server.peers[0]?.socket.readableEnded === true, 'it to be closed')
      assert.is(client.counters().connections, 0)
      assert.is(await client.getText('k'), 'k')
      assert.is(server.peers.length, 2)
    },
    { idleTimeoutMs: 1000 },
  ))

test('a value over the limit is refused and not asked for again; the calls behind it are', () =>
  scene(
    ([, key], peer) => peer.send(String(key) === 'huge' ? '$999999999\r\n' : bulk(key as Buffer)),
    async ({ client, server, clock }) => {
      const [huge, behind] = [errorOf(client.get('huge')), client.getText('behind')]
      assert.instance(await huge, ProtocolError)
      assert.is(await passing(clock, behind), 'behind')
      assert.is(server.heard.filter((line) => line.endsWith('huge')).length, 1)
    },
    { maxValueBytes: 1000, maxReplyBytes: 10_000 },
  ))

test('a reply that nobody asked for ends the connection, not the client', () =>
  scene(echo, async ({ client, server }) => {
    assert.is(await client.getText('k'), 'k')
    server.peers[0]?.send('+surprise\r\n')
    await until(() => client.counters().lost === 1, 'the connection to end')
    assert.is(await client.getText('again'), 'again')
  }))

test('the password goes first, on every connection', () =>
  scene(
    echo,
    async ({ client, server }) => {
      await client.get('k')
      server.peers[0]?.socket.end()
      await until(() => client.counters().lost === 1, 'the loss to be seen')
      await client.get('k')
      assert.equal(server.heard, ['1 AUTH me secret', '1 GET k', '2 AUTH me secret', '2 GET k'])
    },
    { auth: { username: 'me', password: 'secret' } },
  ))

test('a refused password is an error at once, and is not tried over and over', () =>
  scene(
    (_, peer) => peer.send('-WRONGPASS invalid\r\n'),
    async ({ client, server }) => {
      const error = (await errorOf(client.get('k'))) as ServerError
      assert.equal([error.name, error.replyCode, error.touched], ['ServerError', 'WRONGPASS', 'no'])
      assert.equal(server.heard, ['1 AUTH wrong'])
    },
    { auth: { password: 'wrong' } },
  ))

test('the acknowledgement wanted is agreed on with each connection, after the password, before anything is sent', () =>
  scene(
    ([name], peer) => peer.send(String(name) === 'GET' ? '$-1\r\n' : '+OK\r\n'),
    async ({ client, server }) => {
      await client.get('k')
      server.peers[0]?.socket.end()
      await until(() => client.counters().lost === 1, 'the loss to be seen')
      await client.set('k', 'v')
      assert.equal(server.heard, ['1 AUTH secret', '1 CLIENT ACK replica', '1 GET k', '2 AUTH secret', '2 CLIENT ACK replica', '2 SET k v'])
    },
    { auth: { password: 'secret' }, ack: 'replica' },
  ))

test('how old reads may be is agreed on with each connection', () =>
  scene(
    ([name], peer) => peer.send(String(name) === 'GET' ? '$-1\r\n' : '+OK\r\n'),
    async ({ client, server }) => {
      await client.get('k')
      assert.equal(server.heard, ['1 CLIENT MAXSTALE 250', '1 GET k'])
    },
    { maxStaleMs: 250 },
  ))

test('without one nothing is said, and a server that knows none is refused', async () => {
  await scene(
    (_, peer) => peer.send('$-1\r\n'),
    async ({ client, server }) => {
      await client.get('k')
      assert.equal(server.heard, ['1 GET k'])
    },
    { ack: 'local' },
  )
  await scene(
    (_, peer) => peer.send("-ERR unknown subcommand 'ACK'. Try CLIENT HELP.\r\n"),
    async ({ client, server }) => {
      assert.instance(await errorOf(client.set('k', 'v')), ServerError)
      assert.equal(server.heard, ['1 CLIENT ACK all'])
    },
    { ack: 'all' },
  )
})

test('a write that is refused for want of replicas, or not confirmed, has its own error and is not sent again', async () => {
  for (const [reply, type, code, touched] of [
    ['-NOREPLICAS Not enough good replicas to write.', NoReplicasError, 'NO_REPLICAS', 'no'],
    ['-NOREPLICAS Not enough good replicas to write. Other keys of the command were written.', NoReplicasError, 'NO_REPLICAS', 'yes'],
    ['-NOTCONFIRMED written, but the replicas asked for have not confirmed it', NotConfirmedError, 'NOT_CONFIRMED', 'yes'],
  ] as const) {
    await scene(
      ([name], peer) => peer.send(String(name) === 'CLIENT' ? '+OK\r\n' : `${reply}\r\n`),
      async ({ client, server }) => {
        const calls = [() => client.set('k', 'v'), () => client.increment('k'), () => client.setMany([['k', 'v']], { ttlMs: 5 })]
        for (const call of calls) {
          const error = (await errorOf(call())) as ServerError
          assert.instance(error, type)
          assert.instance(error, ServerError)
          assert.equal([error.name, error.code, error.touched, error.transient], [type.name, code, touched, false])
          assert.is(error.replyCode, reply.slice(1).split(' ')[0])
        }
        assert.equal(server.heard.slice(1), ['1 SET k v', '1 INCRBY k 1', '1 SET k v PX 5'])
      },
      { ack: 'replica' },
    )
  }
})

test('a write that may have been executed is not said to be refused, and one that is written is said to be', async () => {
  for (const [reply, name] of [
    ['-NOREPLICAS Not enough good replicas to write.', 'OutcomeUnknownError'],
    ['-NOTCONFIRMED written, but the replicas asked for have not confirmed it', 'NotConfirmedError'],
  ] as const) {
    await scene(
      ([command], peer) => {
        if (String(command) === 'CLIENT') peer.send('+OK\r\n')
        else if (peer.number === 1) peer.socket.destroy()
        else peer.send(`${reply}\r\n`)
      },
      async ({ client, server, clock }) => {
        assert.is((await errorOf(passing(clock, client.set('k', 'v')))).name, name)
        assert.is(server.peers.length, 2)
      },
      { ack: 'replica' },
    )
  }
})

test('a server that closes during the greeting counts as unreachable', () =>
  scene(
    (_, peer) => peer.socket.destroy(),
    async ({ client, server, clock }) => {
      assert.instance(await errorOf(passing(clock, client.set('k', 'v'))), UnreachableError)
      assert.is(server.heard.length, 3)
    },
    { auth: { password: 'secret' }, retries: 2 },
  ))

test('an address that accepts nothing is given up in its time', async () => {
  const clock = new FakeClock()
  // A greeting that is never answered stands for a connection that is never accepted: both have connectTimeoutMs.
  const silent = await ScriptedServer.start(mute)
  const client = new JackdawClient({ addresses: [silent.address], clock, retries: 0, connectTimeoutMs: 200, auth: { password: 'x' } })
  const failed = errorOf(client.get('k'))
  await until(() => silent.heard.length === 1, 'the greeting')
  clock.advance(200)
  assert.instance(await failed, UnreachableError)
  client.destroy()
  await silent.close()
})

test('close waits for what is under way, takes no more, and then everything is closed', () =>
  scene(mute, async ({ client, server }) => {
    const pending = client.getText('pending')
    await until(() => server.heard.length === 1, 'it to arrive')
    const closed = Promise.all([client.close(), client.close()])
    assert.instance(await errorOf(client.get('late')), ClientClosedError)
    server.peers[0]?.send(bulk('here'))
    assert.is(await pending, 'here')
    await closed
    await until(() => server.peers[0]?.socket.readableEnded === true, 'the connection to be closed')
    assert.is(client.counters().lost, 0)
  }))

test('destroy fails what is under way, and says whether a write is in doubt', () =>
  scene(
    mute,
    async ({ client, server }) => {
      const [sent, waiting] = [errorOf(client.increment('n')), errorOf(client.increment('m'))]
      await until(() => server.heard.length === 1, 'one to arrive')
      client.destroy()
      assert.equal([(await sent).code, (await sent).touched], ['CLOSED', 'maybe'])
      assert.equal([(await waiting).code, (await waiting).touched], ['CLOSED', 'no'])
    },
    { maxInFlight: 1 },
  ))

test('a pipeline is answered command by command, and is one request when its connection breaks', () =>
  scene(
    (words, peer) => {
      if (String(words[0]) === 'INCRBY' && peer.number === 1) peer.socket.destroy()
      else memory(new Map())(words, peer)
    },
    async ({ client, server, clock }) => {
      const commands = [['SET', 'a', 'text'], ['INCRBY', 'n', 1], ['NONSENSE']]
      assert.instance(await errorOf(passing(clock, client.pipeline(commands))), OutcomeUnknownError)
      const [ok, one, error] = await client.pipeline(commands)
      assert.equal([ok, one, (error as ServerError).replyCode], ['OK', 1, 'ERR'])
      assert.equal(server.heard.slice(3), ['2 SET a text', '2 INCRBY n 1', '2 NONSENSE'])
    },
  ))

test('a pipeline that says it may be repeated is', () =>
  scene(
    ([key], peer) => {
      if (peer.number === 1) peer.socket.end(bulk('half'))
      else peer.send(bulk(key as Buffer))
    },
    async ({ client, clock }) => {
      const replies = await passing(clock, client.pipeline([['A'], ['B']], { idempotent: true }))
      assert.equal(replies.map(String), ['A', 'B'])
    },
  ))

test.run()
