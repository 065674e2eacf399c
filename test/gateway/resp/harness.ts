/** A gateway over a real cache of one node, clients that speak bytes, and a cache whose answers a test holds back. */

import { connect, type Socket } from 'node:net'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cache, OutcomeDone } from '../../../src/cache/cache.ts'
import type { Operation } from '../../../src/cache/operation.ts'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { RespGateway, type RespGatewayOptions } from '../../../src/gateway/resp/index.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { localCache } from '../../support/local-cache.ts'

const PATIENCE_MS = 5_000

export interface Running {
  readonly gateway: RespGateway
  readonly cache: Cache
  readonly port: number
  readonly errors: string[]
  client(): Promise<Client>
  /** Closes the gateway and all clients. */
  close(): Promise<void>
}

export async function startGateway(options: Partial<RespGatewayOptions> = {}): Promise<Running> {
  const local = localCache()
  const errors: string[] = []
  const settings = new Map([
    ['maxmemory', '1024'],
    ['save', ''],
  ])
  const gateway = new RespGateway({
    cache: local.cache,
    clock: local.clock,
    logger: { ...SILENT, error: (fields, message) => errors.push(`${message}: ${JSON.stringify(fields)}`) },
    version: '1.2.3',
    input: new InputBudget(64 * 1024 * 1024),
    maxClients: 100,
    outputBufferLimitBytes: 16 * 1024 * 1024,
    idleTimeoutMs: 0,
    maxRequestBytes: 8 * 1024 * 1024,
    debugCommands: false,
    maxStaleMs: 1000,
    observe: () => {},
    info: () => [{ name: 'Memory', fields: [['used_memory', 42]] }],
    settings: {
      names: () => [...settings.keys()],
      get: (name) => settings.get(name) ?? '',
      refusal: (name) => (name === 'maxmemory' ? null : "can't set immutable config"),
      set: (name, value) => settings.set(name, value),
    },
    ...options,
  })
  const port = await gateway.listen('127.0.0.1', 0)
  const clients: Client[] = []
  return {
    gateway,
    cache: options.cache ?? local.cache,
    port,
    errors,
    client: async () => {
      const client = await Client.connect(port)
      clients.push(client)
      return client
    },
    close: async () => {
      for (const client of clients) client.destroy()
      await gateway.close(50)
    },
  }
}

/** Starts a gateway for a test of the suite. After each test its gateway is closed, and nothing may have been logged as an error. */
export function gatewaysOf(test: Test): (options?: Partial<RespGatewayOptions>) => Promise<Running> {
  let running: Running | null = null
  test.after.each(async () => {
    const errors = running?.errors ?? []
    await running?.close()
    running = null
    assert.equal(errors, [])
  })
  return async (options = {}) => {
    running = await startGateway(options)
    return running
  }
}

/** Speaks bytes; text is latin1. */
export class Client {
  readonly socket: Socket
  #received = ''
  #closed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (piece) => {
      this.#received += piece.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static connect(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
        socket.off('error', reject)
        resolve(new Client(socket))
      })
      socket.once('error', reject)
    })
  }

  get received(): string {
    return this.#received
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Inline commands, one a line; waits for exactly these replies, and fails when others come. */
  async ask(lines: string, expected: string): Promise<void> {
    this.send(lines.replaceAll('\n', '\r\n').concat('\r\n'))
    await this.expect(expected)
  }

  async expect(expected: string): Promise<void> {
    await this.until(() => this.#received.length >= expected.length, expected)
    const got = this.#received.slice(0, expected.length)
    this.#received = this.#received.slice(expected.length)
    if (got !== expected) throw new Error(`got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`)
  }

  /** Everything up to and with `end`. */
  async readTo(end: string): Promise<string> {
    await this.until(() => this.#received.includes(end), end)
    const at = this.#received.indexOf(end) + end.length
    const text = this.#received.slice(0, at)
    this.#received = this.#received.slice(at)
    return text
  }

  async closed(): Promise<void> {
    await this.until(() => this.#closed, 'the end of the connection')
  }

  destroy(): void {
    this.socket.destroy()
  }

  async until(done: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS
    while (!done()) {
      if (this.#closed && !done())
        throw new Error(`closed while waiting for ${JSON.stringify(what)}; got ${JSON.stringify(this.#received)}`)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no ${JSON.stringify(what)} in time; got ${JSON.stringify(this.#received.slice(0, 1000))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** Waits until `done`, looking often. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`${what}: not in time`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The same cache, but for one method. With another `execute` nothing is executed past it. */
export function withMethod<Name extends 'execute' | 'confirm' | 'publish'>(real: Cache, name: Name, replacement: Cache[Name]): Cache {
  return new Proxy(real, {
    get: (target, wanted) => {
      if (wanted === name) return replacement
      if (wanted === 'executeRun' && name === 'execute') return () => 0
      const value = Reflect.get(target, wanted, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

interface Held {
  readonly key: string
  readonly operation: Operation
  readonly done: OutcomeDone
}

/** Executes operations on keys that `holds` names only when the test says so; all else at once. */
export class HeldCache {
  readonly cache: Cache
  readonly held: Held[] = []
  readonly #real: Cache

  constructor(real: Cache, holds: (key: string) => boolean) {
    this.#real = real
    const held = this.held
    this.cache = withMethod(real, 'execute', (operation, done) => {
      const key = operation.key.toString('latin1', operation.keyStart, operation.keyEnd)
      if (holds(key)) held.push({ key, operation: operation.copy(), done })
      else real.execute(operation, done)
    })
  }

  keys(): string[] {
    return this.held.map(({ key }) => key)
  }

  /** Executes the first held operation on `key`. */
  release(key: string): void {
    const at = this.held.findIndex((one) => one.key === key)
    const [one] = this.held.splice(at, 1)
    if (at < 0 || one === undefined) throw new Error(`nothing is held for ${key}`)
    this.#real.execute(one.operation, one.done)
  }
}
