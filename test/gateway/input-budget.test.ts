/** The budget by itself, and each face under it: many clients, each half-way, and one of them sent away. */
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GrpcGateway } from '../../src/gateway/grpc/index.ts'
import { InputBudget, type InputHolder } from '../../src/gateway/input-budget.ts'
import { TextGateway } from '../../src/gateway/text/index.ts'
import { SystemClock } from '../../src/lib/clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { localCache } from '../support/local-cache.ts'
import { respFace } from '../support/resp-face.ts'
import { face } from './http/face.ts'

const test = suite('input budget')

/** Closed after each test, also one that fails. */
const open: { close(graceMs: number): Promise<void> }[] = []

test.after.each(async () => {
  for (const gateway of open.splice(0)) await gateway.close(0)
})

class Holder implements InputHolder {
  readonly name: string
  readonly #budget: InputBudget
  readonly #log: string[]

  constructor(name: string, budget: InputBudget, log: string[]) {
    this.name = name
    this.#budget = budget
    this.#log = log
  }

  refuseInput(): void {
    this.#log.push(this.name)
    this.#budget.hold(this, 0, true)
  }
}

test('over the limit the largest is refused, the earliest of equals, and as many as it takes', () => {
  const budget = new InputBudget(100)
  const refused: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Holder(name, budget, refused)) as [Holder, Holder, Holder, Holder]
  budget.hold(a, 30, true)
  budget.hold(b, 30, true)
  budget.hold(c, 40, true)
  assert.is(budget.heldBytes, 100)
  assert.equal(refused, [])
  budget.hold(d, 1, true)
  assert.equal([refused, budget.heldBytes], [['c'], 61])
  budget.hold(d, 30, true)
  budget.hold(c, 100, true)
  assert.equal([refused, budget.heldBytes, budget.refusedTotal], [['c', 'c'], 90, 2])
  budget.hold(d, 0, true)
  budget.hold(c, 30, true)
  budget.hold(d, 20, true)
  assert.equal([refused, budget.heldBytes], [['c', 'c', 'a'], 80])
})

test('what is being executed is counted and not refused, and whoever cannot let go at once is refused once', () => {
  const budget = new InputBudget(100)
  const refused: string[] = []
  const running = new Holder('running', budget, refused)
  const stuck: InputHolder = { refuseInput: () => refused.push('stuck') }
  const small = new Holder('small', budget, refused)
  budget.hold(running, 90, false)
  budget.hold(small, 20, true)
  assert.equal([refused, budget.heldBytes], [['small'], 90])
  budget.hold(stuck, 20, true)
  budget.hold(small, 5, true)
  assert.equal([refused, budget.heldBytes], [['small', 'stuck', 'small'], 110])
  budget.hold(stuck, 0, true)
  budget.hold(running, 0, false)
  assert.is(budget.heldBytes, 0)
})

const MIB = 1024 * 1024
/** Held by eight clients that are half-way, beside the small ones. */
const LIMIT = 8 * MIB
const HALF = Buffer.alloc(MIB - 64 * 1024, 'x')
const CLIENTS = 40

class Client {
  readonly socket: Socket
  received = ''
  closed = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      this.received += text
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 2000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(condition(), what)
}

/** Opens clients that send half a request each, and sees that the budget holds, that others are served, and that all is given back in the end. */
async function flood(
  port: number,
  input: InputBudget,
  half: readonly (string | Buffer)[],
  refused: (client: Client) => boolean,
  small: string,
  answered: RegExp,
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, () => new Client(port))
  try {
    let most = 0
    for (const { socket } of clients) for (const piece of half) socket.write(piece)
    await until(() => {
      most = Math.max(most, input.heldBytes)
      return input.refusedTotal >= CLIENTS - LIMIT / HALF.length - 1 && clients.filter(refused).length === input.refusedTotal
    }, 'those over the budget are refused')
    assert.ok(most <= LIMIT, `${most} bytes held`)
    assert.ok(input.heldBytes > LIMIT / 4, 'the others are still there')
    const other = new Client(port)
    clients.push(other)
    other.socket.write(small)
    await until(() => answered.test(other.received), 'a small request is served meanwhile')
    assert.is(refused(other), false)
  } finally {
    for (const { socket } of clients) socket.destroy()
  }
  await until(() => input.heldBytes === 0, 'all is given back')
}

test('RESP: clients half-way through a value are refused with an error and closed', async () => {
  const input = new InputBudget(LIMIT)
  const gateway = respFace({ cache: localCache().cache, input })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  await flood(
    port,
    input,
    ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n', HALF],
    ({ received, closed }) => closed && /^-ERR requests that are not whole are over maxInputBytes \(8388608\)/.test(received),
    'SET a b\r\n',
    /^\+OK\r\n$/,
  )
})

test('RESP: what MULTI queues counts as well, and a transaction that runs is given back when it ends', async () => {
  const input = new InputBudget(LIMIT)
  const gateway = respFace({ cache: localCache().cache, input })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  const value = Buffer.concat([Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${HALF.length}\r\n`), HALF, Buffer.from('\r\n')])
  await flood(
    port,
    input,
    ['MULTI\r\n', value],
    ({ received, closed }) => closed && received.includes('-ERR requests that are not whole'),
    'MULTI\r\nSET a b\r\nEXEC\r\n',
    /\*1\r\n\+OK\r\n$/,
  )
})

test('HTTP: bodies that do not end are answered 503, and nothing of them is written', async () => {
  const input = new InputBudget(LIMIT)
  const { cache } = localCache()
  const gateway = face({ cache, input, maxBodyBytes: 2 * MIB })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  await flood(
    port,
    input,
    ['PUT /v1/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n', HALF],
    ({ received }) => /^HTTP\/1.1 503 .*"too_much_input"/s.test(received),
    'PUT /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb',
    /^HTTP\/1.1 200 OK/,
  )
  cache.size((_error, keys) => assert.is(keys, 1))
})

test('HTTP: who was refused may go on with the connection once the body has come', async () => {
  const input = new InputBudget(MIB)
  const { cache } = localCache()
  const gateway = face({ cache, input, maxBodyBytes: 4 * MIB })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  const client = new Client(port)
  const body = Buffer.alloc(2 * MIB, 'x')
  client.socket.write(`PUT /v1/k HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
  client.socket.write(body)
  client.socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => /^HTTP\/1.1 503 .*HTTP\/1.1 200 OK.*OK$/s.test(client.received), 'both are answered')
  cache.size((_error, keys) => assert.is(keys, 0))
  client.socket.destroy()
})

test('text: lines that do not end are refused with an error and closed', async () => {
  const input = new InputBudget(LIMIT)
  const options = { clock: new SystemClock(), logger: SILENT, observe: () => {}, maxClients: 100, outputBufferLimitBytes: 4 * MIB }
  const gateway = new TextGateway({ ...options, cache: localCache().cache, idleTimeoutMs: 0, input })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  await flood(
    port,
    input,
    ['SET k ', HALF],
    ({ received }) => /^ERROR: Requests that are not whole are over maxInputBytes/.test(received),
    'SET a b\n',
    /^OK\n$/,
  )
})

test('gRPC: connections whose messages are not whole are closed', async () => {
  const input = new InputBudget(LIMIT)
  const options = { clock: new SystemClock(), logger: SILENT, observe: () => {}, maxClients: 100, ready: () => true }
  const gateway = new GrpcGateway({ ...options, cache: localCache().cache, idleTimeoutMs: 0, input })
  open.push(gateway)
  const port = await gateway.listen('127.0.0.1', 0)
  const sessions = Array.from({ length: CLIENTS }, () => connectHttp2(`http://127.0.0.1:${port}`))
  for (const session of sessions) {
    session.on('error', () => {})
    const stream = session.request({
      ':method': 'POST',
      ':path': '/jackdaw.cache.v1.Cache/Set',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {})
    stream.write(Buffer.from([0, 0, 0x10, 0, 0]))
    stream.write(HALF)
  }
  await until(() => sessions.filter(({ destroyed }) => destroyed).length >= CLIENTS - LIMIT / HALF.length - 1, 'those over it are closed')
  await until(() => input.heldBytes <= LIMIT, 'the budget holds')
  assert.ok(sessions.some(({ destroyed }) => !destroyed))
  for (const session of sessions) session.destroy()
  await until(() => input.heldBytes === 0, 'all is given back')
})

test.run()
