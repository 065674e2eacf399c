/** The loader before a socket that answers by script. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Dialect, Loader, MEMCACHED, mixedKey, REDIS } from '../../bench/loader.ts'

interface Context {
  server: Server
  /** What has arrived. */
  received: string
  /** Called with every chunk that arrives. */
  answer: (socket: Socket) => void
}

const test = suite<Context>('bench/loader')

test.before.each(async (context) => {
  context.received = ''
  context.answer = () => {}
  context.server = createServer((socket) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      context.received += text
      context.answer(socket)
    })
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(context.server, 'listening')
})

test.after.each(({ server }) => {
  server.close()
})

async function withLoader({ server }: Context, dialect: Dialect, run: (loader: Loader) => Promise<void>): Promise<void> {
  const loader = await Loader.connect((server.address() as AddressInfo).port, dialect)
  try {
    await run(loader)
  } finally {
    loader.close()
  }
}

async function failure(running: Promise<void>): Promise<string> {
  const error = await running.then(
    () => new Error('it did not fail'),
    (reason: Error) => reason,
  )
  return error.message
}

test('replies may come in pieces', async (context) => {
  const pieces = ['+O', 'K\r\n+OK', '\r\n']
  context.answer = (socket) => {
    const send = (): void => {
      const piece = pieces.shift()
      if (piece !== undefined) socket.write(piece, () => setImmediate(send))
    }
    send()
  }
  await withLoader(context, REDIS, (loader) => loader.set(2, (i) => `k${i}`, 'v'))
  assert.is(context.received, '*3\r\n$3\r\nSET\r\n$2\r\nk0\r\n$1\r\nv\r\n*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$1\r\nv\r\n')
  assert.equal(pieces, [])
})

test('a refusal ends the run, and says what was answered', async (context) => {
  context.answer = (socket) => socket.write('+OK\r\n-OOM command not allowed\r\n')
  const message = await failure(withLoader(context, REDIS, (loader) => loader.set(2, (i) => `k${i}`, 'v')))
  assert.is(message, 'the server answered "-OOM command not allowed"')
})

test('a server with fewer entries than were set ends the run', async (context) => {
  context.answer = (socket) => socket.write(':19\r\n')
  const message = await failure(withLoader(context, REDIS, (loader) => loader.expect(20)))
  assert.is(message, 'the server answered ":19"')
})

test('a server that goes away ends the run', async (context) => {
  context.answer = (socket) => socket.destroy()
  assert.is(await failure(withLoader(context, REDIS, (loader) => loader.flush())), 'the server closed the connection')
})

test('memcached is told to be silent about success, and asked once in the end', async (context) => {
  context.answer = (socket) => socket.write('MN\r\n')
  await withLoader(context, MEMCACHED, (loader) => loader.set(1, () => 'k', 'abc'))
  assert.is(context.received, 'set k 0 0 3 noreply\r\nabc\r\nmn\r\n')
})

test('keys are all of 24 bytes, and all different', () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => mixedKey(i))
  assert.is(new Set(keys).size, keys.length)
  assert.ok(keys.every((key) => key.length === 24))
})

test.run()
