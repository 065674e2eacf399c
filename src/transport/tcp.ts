/**
 * Exchanges over TCP: one short connection for one message and its answer.
 *
 *     message   length u32 | bytes, at most 4 MiB
 *
 * A length is compared with the limit when it arrives, and memory is taken as bytes come, never by what was promised. Whoever is asked holds at
 * most 128 connections and ends each after 10 s, whatever it trickles. `from` is the asker's address and an ephemeral port: it identifies nobody.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { formatAddress, parseAddress } from './address.ts'
import type { Address, ExchangeTransport } from './transport.ts'

export interface TcpOptions {
  /** The local address to listen at: `0.0.0.0` or `::` for all. */
  readonly host: string
  /** 0 for one that is free: see `address()`. */
  readonly port: number
  readonly clock: Clock
  /** Longest life of a connection that was accepted. Default 10,000. */
  readonly inboundTimeoutMs?: number
  /** Connections accepted at a time; further ones are reset. Default 128. */
  readonly maxInbound?: number
}

type Handler = (message: Buffer, from: Address, respond: (answer: Buffer) => void) => void

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
const LENGTH_BYTES = 4
const DEFAULT_INBOUND_TIMEOUT_MS = 10_000
const DEFAULT_MAX_INBOUND = 128

export class TcpExchanges implements ExchangeTransport {
  readonly #options: TcpOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #handle: Handler | null = null
  #closed = false

  constructor(options: TcpOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
    this.#server.maxConnections = options.maxInbound ?? DEFAULT_MAX_INBOUND
  }

  /** Rejects when the address cannot be bound. */
  async listen(): Promise<void> {
    this.#server.listen({ host: this.#options.host, port: this.#options.port })
    await once(this.#server, 'listening')
    // An accept that failed (too many open files) is an exchange that failed, at the other side.
    this.#server.on('error', () => {})
  }

  /** Where the server listens; to be asked after `listen`. */
  address(): Address {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') throw new Error('not listening')
    return formatAddress(bound.address, bound.port)
  }

  exchange(to: Address, message: Buffer, timeoutMs: number, done: (error: Error | null, answer: Buffer | null) => void): void {
    const target = parseAddress(to)
    if (target === null || message.length > MAX_MESSAGE_BYTES || this.#closed) {
      const error = target === null ? new Error(`${to} is no address`) : new RangeError(`a message of ${message.length} bytes`)
      this.#options.clock.soon(() => {
        if (!this.#closed) done(error, null)
      })
      return
    }
    const socket = this.#keep(createConnection({ host: target.host, port: target.port, noDelay: true }))
    let ended = false
    const finish = (error: Error | null, answer: Buffer | null): void => {
      if (ended) return
      ended = true
      timer.cancel()
      socket.destroy()
      if (!this.#closed) done(error, answer)
    }
    const timer = this.#options.clock.after(timeoutMs, () => finish(new Error(`no answer within ${timeoutMs} ms`), null))
    socket.on('error', (error) => finish(error, null))
    socket.on('close', () => finish(new Error('the connection ended without an answer'), null))
    readMessage(socket, (error, answer) => finish(error, answer))
    writeMessage(socket, message)
  }

  onExchange(handle: Handler): void {
    this.#handle = handle
  }

  /** Ends all connections; exchanges under way are not heard of again. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(socket: Socket): void {
    this.#keep(socket)
    const { clock, inboundTimeoutMs = DEFAULT_INBOUND_TIMEOUT_MS } = this.#options
    const timer = clock.after(inboundTimeoutMs, () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => timer.cancel())
    const from = formatAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    readMessage(socket, (error, message) => {
      if (message === null || error !== null || this.#closed) {
        socket.destroy()
        return
      }
      let answered = false
      this.#handle?.(message, from, (answer) => {
        if (answered || socket.destroyed) return
        answered = true
        if (answer.length > MAX_MESSAGE_BYTES) {
          socket.destroy()
          return
        }
        writeMessage(socket, answer)
        socket.end()
      })
    })
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

/** Calls `done` once: with the one message, or with an error when its length is over the limit. Says nothing when the connection ends early. */
function readMessage(socket: Socket, done: (error: Error | null, message: Buffer | null) => void): void {
  const received = new ByteWriter()
  let expected = Number.POSITIVE_INFINITY
  const receive = (chunk: Buffer): void => {
    received.raw(chunk)
    if (received.length < LENGTH_BYTES) return
    if (expected === Number.POSITIVE_INFINITY) {
      const length = received.toBuffer().readUInt32BE(0)
      if (length > MAX_MESSAGE_BYTES) {
        stop()
        done(new RangeError(`a message of ${length} bytes was announced`), null)
        return
      }
      expected = LENGTH_BYTES + length
    }
    if (received.length < expected) return
    stop()
    done(null, received.toBuffer().subarray(LENGTH_BYTES, expected))
  }
  const stop = (): void => {
    socket.off('data', receive)
    // What else comes is read and forgotten, so that the end of the connection is seen.
    socket.resume()
  }
  socket.on('data', receive)
}

function writeMessage(socket: Socket, message: Buffer): void {
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32BE(message.length)
  socket.cork()
  socket.write(length)
  socket.write(message)
  socket.uncork()
}
