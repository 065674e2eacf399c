/**
 * A RESP server that does what a test tells it: a script gets each command and answers, waits, breaks off or sends nonsense. `memory()` is a script
 * that behaves, with the commands the client and the command line use.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

export interface Peer {
  /** Connections are counted from 1. */
  readonly number: number
  readonly socket: Socket
  readonly server: ScriptedServer
  send(bytes: string | Buffer): void
}

export type Script = (words: readonly Buffer[], peer: Peer) => void

export class ScriptedServer {
  readonly address: string
  readonly port: number
  /** Every command as text, with the number of its connection before it. */
  readonly heard: string[] = []
  readonly peers: Peer[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.address = `127.0.0.1:${this.port}`
  }

  /** `greet` is called for each new connection. */
  static async start(script: Script, greet: (peer: Peer) => void = () => {}): Promise<ScriptedServer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const scripted = new ScriptedServer(server)
    server.on('connection', (socket) => {
      const peer: Peer = {
        number: scripted.peers.length + 1,
        socket,
        server: scripted,
        send: (bytes: string | Buffer) => socket.write(bytes),
      }
      scripted.peers.push(peer)
      let rest: Buffer = Buffer.alloc(0)
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk])
        for (let read = readCommand(rest); read !== null; read = readCommand(rest)) {
          rest = rest.subarray(read.bytes)
          scripted.heard.push(`${peer.number} ${read.words.map((word) => (word.length > 100 ? '...' : String(word))).join(' ')}`)
          script(read.words, peer)
        }
      })
      greet(peer)
    })
    return scripted
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const { socket } of this.peers) socket.destroy()
    if (this.#server.listening) await once(this.#server, 'close')
  }
}

/** A port at which nobody listens. */
export async function deadAddress(): Promise<string> {
  const server = await ScriptedServer.start(() => {})
  await server.close()
  return server.address
}

function readCommand(bytes: Buffer): { words: Buffer[]; bytes: number } | null {
  const head = /^\*(\d+)\r\n/.exec(bytes.subarray(0, 16).toString('latin1'))
  if (head === null) return null
  let at = head[0].length
  const words: Buffer[] = []
  while (words.length < Number(head[1])) {
    const length = /^\$(\d+)\r\n/.exec(bytes.subarray(at, at + 16).toString('latin1'))
    if (length === null) return null
    at += length[0].length
    const end = at + Number(length[1])
    if (bytes.length < end + 2) return null
    words.push(bytes.subarray(at, end))
    at = end + 2
  }
  return { words, bytes: at }
}

export function bulk(value: string | Buffer | null): Buffer {
  if (value === null) return Buffer.from('$-1\r\n')
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}

function array(items: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items])
}

export interface Stored {
  readonly value: Buffer
  readonly ttlMs: number | null
  readonly json?: true
}

/** Entries by their key in Latin-1; a time to live is kept and does not run. */
export type Entries = Map<string, Stored>

const OK = Buffer.from('+OK\r\n')
const NUMBER = (value: number): Buffer => Buffer.from(`:${value}\r\n`)
const PAGE = 3

/** A cache that behaves. Walks come in pages of three keys whatever is asked for; keys sort by their bytes. */
export function memory(entries: Entries): Script {
  const idOf = (word: Buffer | undefined): string => (word as Buffer).toString('latin1')
  const page = (ids: string[], from: number, end: string): Buffer => {
    const keys = ids.slice(from, from + PAGE).map((id) => bulk(Buffer.from(id, 'latin1')))
    return array([bulk(from + PAGE < ids.length ? String(from + PAGE) : end), array(keys)])
  }
  const set = ([key, value, ...options]: readonly Buffer[], kind: { readonly json?: true } = {}): Buffer => {
    const words = options.map((word) => String(word).toUpperCase())
    const id = idOf(key)
    if ((words.includes('NX') && entries.has(id)) || (words.includes('XX') && !entries.has(id))) return bulk(null)
    const px = words.indexOf('PX')
    entries.set(id, { value: Buffer.from(value as Buffer), ttlMs: px === -1 ? null : Number(words[px + 1]), ...kind })
    return OK
  }
  const answers: Readonly<Record<string, (words: readonly Buffer[]) => Buffer>> = {
    PING: () => Buffer.from('+PONG\r\n'),
    CLIENT: ([word]) => (String(word) === 'ACK' ? OK : Buffer.from('-ERR unknown subcommand\r\n')),
    GET: ([key]) => bulk(entries.get(idOf(key))?.value ?? null),
    SET: (words) => set(words),
    SETJSON: (words) => set(words, { json: true }),
    GETENTRY: ([key]) => {
      const entry = entries.get(idOf(key))
      if (entry === undefined) return bulk(null)
      return array([bulk(entry.json ? 'json' : 'string'), bulk(entry.value), NUMBER(entry.ttlMs ?? -1)])
    },
    MGET: (keys) => array(keys.map((key) => bulk(entries.get(idOf(key))?.value ?? null))),
    MSET: (words) => {
      for (let i = 0; i < words.length; i += 2) set(words.slice(i, i + 2))
      return OK
    },
    DEL: (keys) => NUMBER(keys.filter((key) => entries.delete(idOf(key))).length),
    PTTL: ([key]) => {
      const entry = entries.get(idOf(key))
      return NUMBER(entry === undefined ? -2 : (entry.ttlMs ?? -1))
    },
    PEXPIRE: ([key, ttl]) => {
      const entry = entries.get(idOf(key))
      if (entry === undefined) return NUMBER(0)
      entries.set(idOf(key), { value: entry.value, ttlMs: Number(ttl) })
      return NUMBER(1)
    },
    PERSIST: ([key]) => {
      const entry = entries.get(idOf(key))
      if (entry === undefined || entry.ttlMs === null) return NUMBER(0)
      entries.set(idOf(key), { value: entry.value, ttlMs: null })
      return NUMBER(1)
    },
    INCRBY: ([key, by]) => {
      const sum = Number(entries.get(idOf(key))?.value ?? 0) + Number(by)
      if (Number.isNaN(sum)) return Buffer.from('-ERR value is not an integer or out of range\r\n')
      entries.set(idOf(key), { value: Buffer.from(String(sum)), ttlMs: null })
      return NUMBER(sum)
    },
    DBSIZE: () => NUMBER(entries.size),
    FLUSHALL: () => {
      entries.clear()
      return OK
    },
    INFO: () => bulk('# Server\r\njackdaw_version:0.1.0\r\n\r\n# Keyspace\r\ndb0:keys=1\r\n'),
    SCAN: ([cursor, ...words]) => {
      const match = words[0]?.toString() === 'MATCH' ? idOf(words[1]) : '*'
      const pattern = new RegExp(`^${match.replaceAll('*', '.*')}$`, 's')
      return page(
        [...entries.keys()].filter((id) => pattern.test(id)),
        Number(cursor),
        '0',
      )
    },
    SEARCH: (words) => {
      const optionOf = (name: string): string => {
        const at = words.findIndex((word) => word.toString() === name)
        return at === -1 ? '' : idOf(words[at + 1])
      }
      const ids = [...entries.keys()].filter((id) => id.startsWith(optionOf('PREFIX')) && id.endsWith(optionOf('SUFFIX'))).sort()
      return page(ids, Number(optionOf('CURSOR')), '')
    },
  }
  return ([name, ...words], peer) => {
    const answer = answers[String(name)]
    peer.send(answer === undefined ? `-ERR unknown command '${String(name)}'\r\n` : answer(words))
  }
}
