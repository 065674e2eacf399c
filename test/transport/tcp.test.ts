/** Exchanges over real sockets, on loopback. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../../src/lib/clock.ts'
import { parseAddress } from '../../src/transport/address.ts'
import { TcpExchanges, type TcpOptions } from '../../src/transport/tcp.ts'

const test = suite('tcp')

const MIB = 1024 * 1024

async function open(options: Partial<TcpOptions> = {}): Promise<TcpExchanges> {
  const exchanges = new TcpExchanges({ host: '127.0.0.1', port: 0, clock: new SystemClock(), ...options })
  await exchanges.listen()
  return exchanges
}

interface Outcome {
  readonly error: Error | null
  readonly answer: Buffer | null
}

function ask(from: TcpExchanges, to: string, message: Buffer, timeoutMs: number = 5_000): Promise<Outcome> {
  // The clock's timers do not hold the process, a test has to.
  const hold = setTimeout(() => {}, timeoutMs + 1_000)
  return new Promise((resolve) => {
    from.exchange(to, message, timeoutMs, (error, answer) => {
      clearTimeout(hold)
      resolve({ error, answer })
    })
  })
}

async function raw(to: TcpExchanges): Promise<Socket> {
  const { host, port } = parseAddress(to.address()) as { host: string; port: number }
  const socket = createConnection({ host, port })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Runs `body` with an asker and an answerer that echoes, and closes both. */
async function between(body: (a: TcpExchanges, b: TcpExchanges) => Promise<void>, options: Partial<TcpOptions> = {}): Promise<void> {
  const [a, b] = [await open(), await open(options)]
  b.onExchange((message, _from, respond) => respond(Buffer.concat([Buffer.from('re: '), message])))
  try {
    await body(a, b)
  } finally {
    await Promise.all([a.close(), b.close()])
  }
}

test('a message is answered', () =>
  between(async (a, b) => {
    assert.equal(await ask(a, b.address(), Buffer.from('hello')), { error: null, answer: Buffer.from('re: hello') })
    assert.equal(await ask(a, b.address(), Buffer.alloc(0)), { error: null, answer: Buffer.from('re: ') })
  }))

test('large messages pass both ways, many at a time', () =>
  between(async (a, b) => {
    const sizes = Array.from({ length: 20 }, (_, i) => i * 100_000)
    const outcomes = await Promise.all(sizes.map((size) => ask(a, b.address(), Buffer.alloc(size, 1))))
    assert.equal(
      outcomes.map(({ answer }) => answer?.length),
      sizes.map((size) => size + 4),
    )
  }))

test('a message that arrives byte by byte is read', () =>
  between(async (_a, b) => {
    const socket = await raw(b)
    for (const byte of [0, 0, 0, 3, 97, 98, 99]) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'close')
    assert.equal(Buffer.concat(chunks), Buffer.from('\0\0\0\x07re: abc'))
  }))

test('a length over 4 MiB ends the connection before anything is allocated or handled', () =>
  between(async (a, b) => {
    const socket = await raw(b)
    socket.write(Buffer.from([0x00, 0x40, 0x00, 0x01]))
    socket.resume()
    await once(socket, 'close')
    const { error } = await ask(a, b.address(), Buffer.alloc(4 * MIB + 1))
    assert.instance(error, RangeError)
  }))

test('an answer over 4 MiB is an error at the asker', () =>
  between(async (a, b) => {
    b.onExchange((_message, _from, respond) => respond(Buffer.alloc(4 * MIB + 1)))
    assert.ok((await ask(a, b.address(), Buffer.from('x'))).error)
  }))

test('no answer in time is an error, and a late one is not heard', () =>
  between(async (a, b) => {
    let late: ((answer: Buffer) => void) | undefined
    b.onExchange((_message, _from, respond) => {
      late = respond
    })
    let calls = 0
    await new Promise<void>((resolve) => {
      const hold = setTimeout(() => {}, 2_000)
      a.exchange(b.address(), Buffer.from('x'), 50, (error) => {
        calls++
        clearTimeout(hold)
        assert.match(error?.message as string, /no answer within 50 ms/)
        resolve()
      })
    })
    late?.(Buffer.from('too late'))
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.is(calls, 1)
  }))

test('a refused connection and an address that is none are errors in a later turn', async () => {
  const [a, gone] = [await open(), await open()]
  const address = gone.address()
  await gone.close()
  let synchronous = true
  const refused = ask(a, address, Buffer.from('x')).then((outcome) => {
    assert.not(synchronous)
    return outcome
  })
  const none = ask(a, 'nowhere', Buffer.from('x'))
  synchronous = false
  assert.match(String((await refused).error), /ECONNREFUSED/)
  assert.match(String((await none).error), /no address/)
  await a.close()
})

test('a connection that ends without an answer is an error at once', () =>
  between(async (a, b) => {
    b.onExchange(() => void b.close())
    assert.ok((await ask(a, b.address(), Buffer.from('x'))).error)
  }))

test('one who trickles is cut off', () =>
  between(
    async (_a, b) => {
      const socket = await raw(b)
      socket.write(Buffer.from([0, 0]))
      const startMs = performance.now()
      socket.resume()
      await once(socket, 'close')
      assert.ok(performance.now() - startMs < 2_000)
    },
    { inboundTimeoutMs: 80 },
  ))

test('connections over the limit are dropped, and there is room again afterwards', () =>
  between(
    async (a, b) => {
      const idle = [await raw(b), await raw(b)]
      await new Promise((resolve) => setTimeout(resolve, 30))
      assert.ok((await ask(a, b.address(), Buffer.from('x'))).error)
      await Promise.all(
        idle.map((socket) => {
          socket.resume()
          socket.end()
          return once(socket, 'close')
        }),
      )
      await new Promise((resolve) => setTimeout(resolve, 30))
      assert.is((await ask(a, b.address(), Buffer.from('x'))).error, null)
    },
    { maxInbound: 2 },
  ))

test('nothing is called after close', async () => {
  const [a, b] = [await open(), await open()]
  b.onExchange(() => {})
  let calls = 0
  a.exchange(b.address(), Buffer.from('x'), 20, () => calls++)
  a.exchange('nowhere', Buffer.from('x'), 20, () => calls++)
  await a.close()
  a.exchange(b.address(), Buffer.from('x'), 20, () => calls++)
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.is(calls, 0)
  await Promise.all([a.close(), b.close()])
})

test.run()
