/**
 * Listener: accepts the connections that grpc-js speaks HTTP/2 on, and bounds how many they are, which grpc-js cannot. One that is too many gets a
 * GOAWAY that says so, which clients treat as they treat a server that is busy: they try elsewhere, or later.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'

export interface ListenerOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly maxClients: number
  /** Connections that have not sent so much as the preface of HTTP/2 by then are cut off. */
  readonly prefaceTimeoutMs: number
  readonly connected: (socket: Socket) => void
}

const KEEP_ALIVE_MS = 60_000
/** Refused connections that are closed politely at the same time; beyond, they are cut off. */
const MAX_REFUSALS = 64
const LINGER_MS = 2_000
const PREFACE_BYTES = 24

/** RFC 9113: an empty SETTINGS, which has to come first, and GOAWAY with no stream handled, ENHANCE_YOUR_CALM and a word for people. */
const REFUSAL = Buffer.concat([
  frame(0x4, Buffer.alloc(0)),
  frame(0x7, Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 0xb]), Buffer.from('too many clients')])),
])

export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #refused = new Set<Socket>()
  connectionsTotal = 0
  rejectedTotal = 0

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) => this.#accept(socket))
  }

  get connections(): number {
    return this.#sockets.size
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#options.logger.warn({ error: error.message }, 'grpc: a connection could not be accepted'))
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** Accepts nothing more; resolves when the last connection has gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const socket of this.#refused) socket.destroy()
  }

  #accept(socket: Socket): void {
    socket.on('error', (error) => this.#options.logger.debug({ error: error.message }, 'grpc: a connection broke'))
    if (this.#sockets.size >= this.#options.maxClients) {
      this.#refuse(socket)
      return
    }
    this.connectionsTotal++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    this.#expectPreface(socket)
    this.#options.connected(socket)
  }

  /** HTTP/2 sessions that have not begun cannot be closed for being idle. */
  #expectPreface(socket: Socket): void {
    const { clock, prefaceTimeoutMs } = this.#options
    const timer = clock.after(prefaceTimeoutMs, () => {
      if (socket.bytesRead < PREFACE_BYTES) socket.destroy()
    })
    socket.on('close', () => timer.cancel())
  }

  #refuse(socket: Socket): void {
    this.rejectedTotal++
    if (this.#refused.size >= MAX_REFUSALS) {
      socket.destroy()
      return
    }
    this.#refused.add(socket)
    const timer = this.#options.clock.after(LINGER_MS, () => socket.destroy())
    socket.on('close', () => {
      timer.cancel()
      this.#refused.delete(socket)
    })
    socket.end(REFUSAL)
    // What the client sent is thrown away: closing with it unread would reset the connection, and the refusal with it.
    socket.resume()
  }
}

/** On stream 0, without flags. */
function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  return Buffer.concat([head, payload])
}
