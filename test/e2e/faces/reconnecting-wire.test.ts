/**
 * What a checked client forgives is what client libraries mend by themselves, and no more: a close between two requests, and one that crossed a request.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReconnectingWire } from './reconnecting-wire.ts'

const test = suite('reconnecting wire')

interface Served {
  readonly wire: ReconnectingWire
  /** Connections as the server has them. */
  readonly sockets: readonly Socket[]
}

/** Each line is a request and an answer. `answer` is told which connection it is, from 0 on. */
async function serving(answer: (socket: Socket, connection: number) => void, event: (served: Served) => Promise<void>): Promise<void> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const connection = sockets.push(socket) - 1
    socket.on('data', () => answer(socket, connection)).on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const wire = new ReconnectingWire({ host: '127.0.0.1', port, complete: (bytes) => bytes.at(-1) === 0x0a })
  try {
    await event({ wire, sockets })
  } finally {
    wire.close()
    server.close()
    await once(server, 'close')
  }
}

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it resolved',
    (error: Error) => error.message,
  )
}

test('a connection that was closed while it rested is made anew for the next request', async () => {
  await serving(
    (socket) => socket.write('one\n'),
    async ({ wire, sockets }) => {
      assert.is((await wire.ask(Buffer.from('?\n'))).toString(), 'one\n')
      const first = sockets[0] as Socket
      first.end()
      await once(first, 'close')
      assert.is((await wire.ask(Buffer.from('?\n'))).toString(), 'one\n')
      assert.is(wire.connections, 2)
      assert.is(wire.repeats, 0)
    },
  )
})

test('a request that a close crossed is sent once more, and counted', async () => {
  await serving(
    (socket, connection) => (connection === 0 ? socket.end() : socket.write('second\n')),
    async ({ wire }) => {
      assert.is((await wire.ask(Buffer.from('?\n'))).toString(), 'second\n')
      assert.is(wire.repeats, 1)
    },
  )
})

test('a request that is not answered on the second connection either has failed', async () => {
  await serving(
    (socket) => socket.end(),
    async ({ wire }) => {
      assert.match(await rejection(wire.ask(Buffer.from('?\n'))), 'closed before an answer')
      assert.is(wire.connections, 2)
    },
  )
})

test('an answer that is cut in its middle is a failure, and is not asked for again', async () => {
  await serving(
    (socket, connection) => (connection === 0 ? socket.end('hal') : socket.write('whole\n')),
    async ({ wire }) => {
      assert.match(await rejection(wire.ask(Buffer.from('?\n'))), 'in the middle')
      assert.is(wire.connections, 1)
      assert.is((await wire.ask(Buffer.from('?\n'))).toString(), 'whole\n')
    },
  )
})

test.run()
