/**
 * Connection: one socket, with many requests in flight. Answers come in the order of the requests, so the requests wait in a queue and each reply
 * belongs to the first. A request that was given up (timeout, abort) stays in the queue until its answer has come and is thrown away.
 *
 * What one turn of the event loop sends leaves in one write. It is never checked before use: when it turns out to be dead, its owner gets all
 * unanswered requests back and knows of each whether its bytes had left. Retired, it takes no new request, finishes what it has, and closes.
 */
import { connect, type Socket } from 'node:net'
import type { Address } from './address.ts'
import type { Clock, Timer } from './clock.ts'
import { ConnectionLostError, ProtocolError, ServerError } from './errors.ts'
import type { Acknowledgement, Credentials } from './options.ts'
import { type Carrier, Request } from './request.ts'
import { encodeCommands, type Reply, ReplyDecoder, type ReplyLimits } from './resp.ts'

export interface ConnectionOptions {
  readonly clock: Clock
  readonly connectTimeoutMs: number
  /** Retired at this age. */
  readonly maxAgeMs: number
  /** Retired when unused for this long. */
  readonly idleTimeoutMs: number
  readonly maxInFlight: number
  readonly limits: ReplyLimits
  readonly auth: Credentials | null
  readonly ack: Acknowledgement
  readonly maxStaleMs: number
}

/** All calls come from the event loop, never from within `send`. */
export interface ConnectionOwner {
  /** All replies are there; the owner settles the request or tries again. */
  answered(request: Request): void
  /** There is room for another request. */
  spare(): void
  /** A request timed out and nothing at all has come since it was sent. */
  silent(connection: Connection): void
  /** No new request is to be sent here: it is too old, or unused. */
  retired(connection: Connection): void
  /** Gone. `unanswered` in the order they were sent, those given up among them. The last call. */
  lost(connection: Connection, error: Error, unanswered: readonly Request[]): void
}

/** The kernel asks a silent peer after this long; requests have deadlines of their own. */
const KEEP_ALIVE_MS = 10_000

/** Connects, authenticates if asked to, and agrees on the acknowledgement of writes. Rejects with what the socket says, a `ConnectionLostError`, or the `ServerError` of the refusal. */
export async function openConnection(
  address: Address,
  options: ConnectionOptions,
  owner: ConnectionOwner,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = new Connection(await openSocket(address, options, signal), address, options, owner)
  const giveUp = (): void => connection.destroy(new ConnectionLostError(address.text, 'was given up'))
  signal.addEventListener('abort', giveUp)
  try {
    await connection.greet()
    if (connection.closed) throw new ConnectionLostError(address.text, 'was closed by the server')
  } catch (error) {
    connection.destroy(error as Error)
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
  connection.begin()
  return connection
}

export class Connection implements Carrier {
  readonly address: Address
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #owner: ConnectionOwner
  readonly #decoder: ReplyDecoder
  readonly #unanswered: Request[] = []
  readonly #openedAtMs: number
  #lastUsedAtMs: number
  #receivedAtMs: number
  #lifetime: Timer | null = null
  #state: 'greeting' | 'open' | 'retired' | 'closed' = 'greeting'
  #corked = false

  constructor(socket: Socket, address: Address, options: ConnectionOptions, owner: ConnectionOwner) {
    this.address = address
    this.#socket = socket
    this.#options = options
    this.#owner = owner
    this.#decoder = new ReplyDecoder(options.limits, (reply) => this.#answer(reply))
    this.#openedAtMs = options.clock.now()
    this.#lastUsedAtMs = this.#openedAtMs
    this.#receivedAtMs = this.#openedAtMs
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#offer())
    socket.on('end', () => this.#lose(new ConnectionLostError(address.text, 'was closed by the server')))
    socket.on('error', (error) => this.#lose(new ConnectionLostError(address.text, `broke: ${error.message}`, error)))
    socket.on('close', () => this.#lose(new ConnectionLostError(address.text, 'was closed')))
  }

  get inFlight(): number {
    return this.#unanswered.length
  }

  get hasRoom(): boolean {
    return this.#state === 'open' && this.#unanswered.length < this.#options.maxInFlight && !this.#socket.writableNeedDrain
  }

  /** What has to be said first may take as long as connecting may. Rejects with the server's refusal, or because no answer came. */
  async greet(): Promise<void> {
    const { clock, connectTimeoutMs, auth, ack, maxStaleMs } = this.#options
    const commands: string[][] = []
    if (auth !== null) commands.push(auth.username === undefined ? ['AUTH', auth.password] : ['AUTH', auth.username, auth.password])
    if (ack !== 'local') commands.push(['CLIENT', 'ACK', ack])
    if (maxStaleMs > 0) commands.push(['CLIENT', 'MAXSTALE', String(maxStaleMs)])
    if (commands.length === 0) return
    const payload = encodeCommands(commands)
    const request = new Request({ payload, replies: commands.length, effect: 'read', clock, timeoutMs: connectTimeoutMs })
    this.send(request)
    for (const reply of await request.promise) if (reply instanceof ServerError) throw reply
  }

  /** From now on the owner hears of it. */
  begin(): void {
    this.#state = 'open'
    this.#watchLifetime()
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  send(request: Request): void {
    this.#unanswered.push(request)
    this.#lastUsedAtMs = this.#options.clock.now()
    request.sentOn(this)
    this.#cork()
    this.#socket.write(request.payload, (error) => {
      if (!error) request.flushed()
    })
  }

  overdue(request: Request): void {
    if (this.#receivedAtMs <= request.sentAtMs && this.#state !== 'greeting') this.#owner.silent(this)
    this.#closeIfDone()
  }

  /** Takes no new requests; closes once nobody waits for an answer any more. */
  retire(): void {
    if (this.#state !== 'open') return
    this.#state = 'retired'
    this.#lifetime?.cancel()
    this.#closeIfDone()
  }

  destroy(error: Error): void {
    this.#lose(error)
  }

  /** Holds this turn's writes back until its end: one system call for all of them. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  #receive(chunk: Buffer): void {
    this.#receivedAtMs = this.#options.clock.now()
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // The first in the queue asked for what cannot be read: asking again would bring it again.
      this.#unanswered[0]?.fail(error)
      this.#lose(error)
      return
    }
    this.#offer()
    this.#closeIfDone()
  }

  #answer(reply: Reply): void {
    const request = this.#unanswered[0]
    if (request === undefined) throw new ProtocolError('the server sent a reply that nobody asked for')
    if (!request.take(reply)) return
    this.#unanswered.shift()
    if (request.settled) return
    if (this.#state === 'greeting') request.succeed()
    else this.#owner.answered(request)
  }

  #offer(): void {
    if (this.hasRoom) this.#owner.spare()
  }

  #closeIfDone(): void {
    if (this.#state === 'retired' && this.#unanswered.every((request) => request.settled)) {
      this.#lose(new ConnectionLostError(this.address.text, 'was retired'))
    }
  }

  #lose(error: Error): void {
    if (this.#state === 'closed') return
    const known = this.#state !== 'greeting'
    this.#state = 'closed'
    this.#lifetime?.cancel()
    this.#socket.destroy()
    const unanswered = this.#unanswered.splice(0)
    for (const request of unanswered) request.interrupted()
    if (known) this.#owner.lost(this, error, unanswered)
    else for (const request of unanswered) request.fail(error)
  }

  #watchLifetime(): void {
    const { clock, maxAgeMs, idleTimeoutMs } = this.#options
    const oldAtMs = this.#openedAtMs + maxAgeMs
    const dueAtMs = Math.min(oldAtMs, this.#lastUsedAtMs + idleTimeoutMs)
    this.#lifetime = clock.after(dueAtMs - clock.now(), () => {
      const now = clock.now()
      if (this.#unanswered.length > 0) this.#lastUsedAtMs = now
      if (now >= oldAtMs || now >= this.#lastUsedAtMs + idleTimeoutMs) this.#owner.retired(this)
      else this.#watchLifetime()
    })
  }
}

function openSocket(address: Address, options: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  const { clock, connectTimeoutMs } = options
  return new Promise((resolve, reject) => {
    const { host, port } = address
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS })
    const settle = (error: Error | null): void => {
      timer.cancel()
      signal.removeEventListener('abort', abort)
      socket.off('error', settle)
      socket.off('connect', connected)
      if (error === null) {
        resolve(socket)
        return
      }
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const connected = (): void => settle(null)
    const abort = (): void => settle(new ConnectionLostError(address.text, 'was given up'))
    const timer = clock.after(connectTimeoutMs, () => {
      settle(new ConnectionLostError(address.text, `was not there within ${connectTimeoutMs} ms`))
    })
    signal.addEventListener('abort', abort)
    socket.on('error', settle)
    socket.on('connect', connected)
  })
}
