/**
 * The loader: fills a server with entries over one connection, and makes sure that it has them. Nothing here is timed.
 *
 * It speaks two dialects, Redis's and memcached's text protocol, of each the few sentences it needs. Every reply is known beforehand, and any
 * other ends the run.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { HOST } from './machine.ts'

export interface Sentence {
  readonly request: string
  readonly reply: string
}

export interface Dialect {
  /** Several sets in one request. */
  sets(pairs: readonly (readonly [key: string, value: string])[]): Sentence
  readonly flush: Sentence
  /** True only of a server with so many entries; `null` where the replies to the sets have said it already. */
  holds(entries: number): Sentence | null
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

export const REDIS: Dialect = {
  sets: (pairs) => ({
    request: pairs.map(([key, value]) => `*3\r\n${bulk('SET')}${bulk(key)}${bulk(value)}`).join(''),
    reply: '+OK\r\n'.repeat(pairs.length),
  }),
  flush: { request: '*1\r\n$8\r\nFLUSHALL\r\n', reply: '+OK\r\n' },
  holds: (entries) => ({ request: '*1\r\n$6\r\nDBSIZE\r\n', reply: `:${entries}\r\n` }),
}

export const MEMCACHED: Dialect = {
  // `noreply` silences success alone, and `mn` is answered after all that came before it.
  sets: (pairs) => ({
    request: `${pairs.map(([key, value]) => `set ${key} 0 0 ${value.length} noreply\r\n${value}\r\n`).join('')}mn\r\n`,
    reply: 'MN\r\n',
  }),
  flush: { request: 'flush_all\r\n', reply: 'OK\r\n' },
  holds: () => null,
}

const PAIRS_AT_A_TIME = 1_000
const REPLY_LIMIT_MS = 30_000

export class Loader {
  readonly #socket: Socket
  readonly #dialect: Dialect
  #received = ''
  #failure: Error | null = null
  #changed: () => void = () => {}

  private constructor(socket: Socket, dialect: Dialect) {
    this.#socket = socket
    this.#dialect = dialect
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#changed()
    })
    const fail = (error: Error): void => {
      this.#failure ??= error
      this.#changed()
    }
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the server closed the connection')))
    socket.setTimeout(REPLY_LIMIT_MS, () => fail(new Error(`the server answered nothing for ${REPLY_LIMIT_MS} ms`)))
  }

  static async connect(port: number, dialect: Dialect): Promise<Loader> {
    const socket = connect({ host: HOST, port, noDelay: true })
    await once(socket, 'connect')
    return new Loader(socket, dialect)
  }

  /** Sets `count` times, the key by the number of the set. Keys and values are ASCII. */
  async set(count: number, keyOf: (i: number) => string, value: string): Promise<void> {
    for (let from = 0; from < count; from += PAIRS_AT_A_TIME) {
      const pairs = Array.from({ length: Math.min(PAIRS_AT_A_TIME, count - from) }, (_, i) => [keyOf(from + i), value] as const)
      await this.#say(this.#dialect.sets(pairs))
    }
  }

  async flush(): Promise<void> {
    await this.#say(this.#dialect.flush)
  }

  /** Rejects unless the server has so many entries. */
  async expect(entries: number): Promise<void> {
    const sentence = this.#dialect.holds(entries)
    if (sentence !== null) await this.#say(sentence)
  }

  close(): void {
    this.#socket.destroy()
  }

  async #say({ request, reply }: Sentence): Promise<void> {
    this.#received = ''
    this.#socket.write(request, 'latin1')
    while (this.#received.length < reply.length) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
        if (this.#failure !== null) resolve()
      })
      if (this.#failure !== null) throw this.#failure
      if (!reply.startsWith(this.#received)) throw new Error(`the server answered ${firstDifference(this.#received, reply)}`)
    }
  }
}

/** The line with which a reply leaves what was expected. */
function firstDifference(received: string, reply: string): string {
  const lines = reply.split('\r\n')
  return JSON.stringify(received.split('\r\n').find((line, i) => line !== lines[i]) ?? received)
}

/** 24 bytes, in no order that an index could make use of. */
export function mixedKey(i: number): string {
  const mixed = Math.imul(i, 0x9e3779b1) >>> 0
  return `user:${mixed.toString(16).padStart(8, '0')}:${String(i).padStart(10, '0')}`
}
