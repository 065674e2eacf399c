/**
 * The telnet face: one command a line, for people with `nc` or `telnet` and for programs that speak as simply.
 *
 * `SET key value` answers `OK`; `GET key` the value; `DELETE key` `OK`; `KEYS` one key a line, or `No keys found`; `FLUSH` `OK`; `PING` `PONG`; `EXIT`
 * `Goodbye!` and ends the connection. Every line has an answer, and what cannot be done is answered `ERROR: ` and a sentence. Here are the listener
 * and what bounds it; sessions do the work.
 *
 * A stop goes in two steps. `drain()`: everything is accepted and served as before, but a connection ends as soon as it rests, so that clients move
 * elsewhere one after the other. `close()`: nothing new is accepted, what is being answered is finished.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Cache } from '../../cache/cache.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { InputBudget } from '../input-budget.ts'
import { endGently, type SessionContext, TextSession } from './text-session.ts'
import { type ObserveCommand, type TextStats, Traffic } from './traffic.ts'

export interface TextGatewayOptions {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  readonly observe: ObserveCommand
  /** Connections beyond are answered `ERROR: too many clients` and closed. */
  readonly maxClients: number
  /** A client that leaves more output unread is cut off. Has to hold the largest answer: twice `maxValueBytes`. */
  readonly outputBufferLimitBytes: number
  /** For lines that have no end yet, and requests of the other faces. */
  readonly input: InputBudget
  /** Connections end after so long without a line, and so long after a line began that does not end, or output that nobody reads; 0: never, but for lines (`arrivalLimitMs`). */
  readonly idleTimeoutMs: number
}

const TOO_MANY_CLIENTS = 'ERROR: too many clients\n'
/** Refused connections that are closed politely at the same time; beyond, they are cut off. */
const MAX_REFUSALS = 64
/** Name, spaces and the bytes of negotiation that may stand before a key. */
const LINE_MARGIN_BYTES = 64
/** A byte of a key or value may be escaped by two. */
const ESCAPED_BYTES = 2
/** While it drains, a connection rests when nothing came for so long. */
const DRAIN_REST_MS = 500
const MAX_SWEEP_MS = 1_000
const KEEP_ALIVE_MS = 60_000

export class TextGateway {
  readonly #options: TextGatewayOptions
  readonly #context: SessionContext
  readonly #traffic: Traffic
  readonly #server: Server
  readonly #sessions = new Set<TextSession>()
  readonly #refused = new Set<Socket>()
  #sweep: Timer | null = null
  #draining = false

  constructor(options: TextGatewayOptions) {
    const { cache, clock, input, outputBufferLimitBytes } = options
    const { maxKeyBytes, maxValueBytes } = cache.limits
    this.#options = options
    this.#traffic = new Traffic(options.observe)
    const maxLineBytes = ESCAPED_BYTES * (maxKeyBytes + maxValueBytes) + LINE_MARGIN_BYTES
    this.#context = { cache, clock, traffic: this.#traffic, maxLineBytes, input, outputBufferLimitBytes }
    const settings = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
    this.#server = createServer(settings, (socket) => this.#accept(socket))
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) =>
          this.#options.logger.warn({ error: error.message }, 'telnet: a connection could not be accepted'),
        )
        this.#startSweep()
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** From now on connections end as soon as they rest; new ones are still accepted and served. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.#startSweep()
  }

  /** Accepts nothing more, finishes what is being answered, and after `graceMs` cuts what is left. */
  close(graceMs: number): Promise<void> {
    const deadline = this.#options.clock.after(graceMs, () => this.#cut())
    for (const session of this.#sessions) session.end()
    return new Promise((resolve) => {
      this.#server.close(() => {
        deadline.cancel()
        this.#sweep?.cancel()
        this.#sweep = null
        resolve()
      })
    })
  }

  /** Of answers that wait for their clients. O(connections). */
  get outputBytes(): number {
    let bytes = 0
    for (const session of this.#sessions) bytes += session.outputBytes
    return bytes
  }

  /** Plain numbers, counted since start. */
  stats(): TextStats {
    return this.#traffic.stats(this.#sessions.size)
  }

  #accept(socket: Socket): void {
    socket.on('error', (error) => this.#options.logger.debug({ error: error.message }, 'telnet: a connection broke'))
    if (this.#sessions.size >= this.#options.maxClients) {
      this.#refuse(socket)
      return
    }
    this.#traffic.connectionsTotal++
    const session = new TextSession(socket, this.#context)
    this.#sessions.add(session)
    socket.on('close', () => this.#sessions.delete(session))
  }

  #refuse(socket: Socket): void {
    this.#traffic.rejectedTotal++
    if (this.#refused.size >= MAX_REFUSALS) {
      socket.destroy()
      return
    }
    this.#refused.add(socket)
    socket.on('close', () => this.#refused.delete(socket))
    socket.write(TOO_MANY_CLIENTS)
    endGently(socket, this.#options.clock)
  }

  #cut(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#refused) socket.destroy()
  }

  /** One timer for all connections: each costs nothing until its time is up. */
  #startSweep(): void {
    this.#sweep?.cancel()
    const { clock, idleTimeoutMs } = this.#options
    const shortest = this.#draining ? DRAIN_REST_MS : idleTimeoutMs || Number.POSITIVE_INFINITY
    this.#sweep = clock.after(Math.min(shortest / 4, MAX_SWEEP_MS), () => {
      this.#endIdle(clock.now())
      this.#startSweep()
    })
  }

  #endIdle(nowMs: number): void {
    const { idleTimeoutMs } = this.#options
    for (const session of this.#sessions) {
      session.endIfLate(nowMs)
      if (idleTimeoutMs > 0) session.endIfIdle(nowMs, idleTimeoutMs, false)
      if (this.#draining) session.endIfIdle(nowMs, DRAIN_REST_MS, true)
    }
  }
}
