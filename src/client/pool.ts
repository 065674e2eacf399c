/**
 * Pool: gives each request a connection, opens and replaces connections, and decides about further attempts.
 *
 * A request goes at once to the open connection with the fewest requests in flight; only while all are full does it wait, in order, within its own
 * deadline and a bounded queue. Connections are opened by demand, one at a time: when none is there, or when a request had to join another one
 * on its connection and the pool may grow. Nothing is checked before use; whatever comes back from a lost connection is judged:
 *
 * | the request | then |
 * |---|---|
 * | had not left whole, or is a read, or may be repeated | goes out again, on whichever connection comes first |
 * | may have been executed, and may not be repeated | `OutcomeUnknownError` |
 * | answered TRYAGAIN, not executed | goes out again, after a pause |
 * | answered NOREPLICAS or NOTCONFIRMED | fails with that: whoever asked for an acknowledgement decides what it is worth |
 * | waited while every address refused | waits for the next round of addresses |
 *
 * each until its `retries` are used up. When all addresses fail, the next round waits for the backoff.
 */
import { Backoff } from './backoff.ts'
import type { Timer } from './clock.ts'
import { type Connection, type ConnectionOptions, type ConnectionOwner, openConnection } from './connection.ts'
import { ClientClosedError, PoolExhaustedError, ServerError, UnreachableError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Request } from './request.ts'
import { Rotation } from './rotation.ts'

/** What happened since the start, for whoever watches the client. */
export interface PoolCounters {
  /** Connections there now. */
  connections: number
  opened: number
  /** Ended by the other side, or by an error. */
  lost: number
  /** Replaced for their age, for being unused, or for their silence. */
  retired: number
  /** Attempts after the first. */
  retries: number
}

/** By how much chance may shorten a connection's life, so that connections that were opened together are not replaced together. */
const AGE_JITTER = 0.1

export class Pool implements ConnectionOwner {
  readonly counters: PoolCounters = { connections: 0, opened: 0, lost: 0, retired: 0, retries: 0 }
  readonly #settings: Settings
  readonly #backoff: Backoff
  readonly #rotation: Rotation
  /** Those that take requests. */
  readonly #connections = new Set<Connection>()
  /** Those that finish what they have. */
  readonly #leaving = new Set<Connection>()
  /** In the order they asked. */
  readonly #waiting = new Set<Request>()
  /** Every request that is not settled, and the timer of its next attempt if it waits for that. */
  readonly #live = new Map<Request, Timer | null>()
  readonly #closing = new AbortController()
  #dialing = false
  #failedRounds = 0
  #pause: Timer | null = null
  #closed = false
  #whenEmpty: (() => void) | null = null

  constructor(settings: Settings) {
    const { clock, random, retryBaseMs, retryMaxMs } = settings
    this.#settings = settings
    this.#backoff = new Backoff({ baseMs: retryBaseMs, maxMs: retryMaxMs }, random)
    this.#rotation = new Rotation(settings.addresses, this.#backoff, clock, random)
  }

  /** The request's promise tells the rest. */
  submit(request: Request): void {
    if (request.settled) return
    const refusal = this.#refusal()
    if (refusal !== null) {
      request.fail(refusal)
      return
    }
    this.#live.set(request, null)
    request.onSettled = () => this.#forget(request)
    this.#waiting.add(request)
    this.#pump()
  }

  /** Takes no further requests; resolves when those it has are settled and the connections closed. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#live.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const earlier = this.#whenEmpty
      this.#whenEmpty = () => {
        earlier?.()
        resolve()
      }
      await promise
    }
    this.destroy()
  }

  /** Fails what is under way and closes everything now. */
  destroy(): void {
    this.#closed = true
    this.#pause?.cancel()
    this.#closing.abort()
    for (const request of [...this.#live.keys()]) request.fail(new ClientClosedError(request.touched))
    for (const connection of [...this.#connections, ...this.#leaving]) connection.destroy(new ClientClosedError())
  }

  answered(request: Request): void {
    const [reply] = request.replies
    if (request.replies.length > 1 || !(reply instanceof ServerError)) {
      request.succeed()
      return
    }
    if (reply.touched === 'maybe') request.doubted()
    if (reply.transient && request.repeatable) this.#retry(request, reply, true)
    else request.fail(reply)
  }

  spare(): void {
    this.#pump()
  }

  silent(connection: Connection): void {
    this.#rotation.failed(connection.address)
    this.retired(connection)
  }

  retired(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    this.counters.retired++
    this.counters.connections = this.#connections.size
    this.#leaving.add(connection)
    connection.retire()
    this.#pump()
  }

  lost(connection: Connection, error: Error, unanswered: readonly Request[]): void {
    if (this.#connections.delete(connection)) {
      this.counters.connections = this.#connections.size
      if (!this.#closing.signal.aborted) {
        this.counters.lost++
        this.#rotation.failed(connection.address)
      }
    }
    this.#leaving.delete(connection)
    for (const request of unanswered) {
      if (request.settled) continue
      if (request.repeatable) this.#retry(request, error, false)
      else request.fail(error)
    }
    this.#pump()
  }

  #refusal(): Error | null {
    if (this.#closed) return new ClientClosedError()
    const { size } = this.#waiting
    return size >= this.#settings.maxWaiting ? new PoolExhaustedError(size) : null
  }

  #forget(request: Request): void {
    this.#waiting.delete(request)
    this.#live.get(request)?.cancel()
    this.#live.delete(request)
    if (this.#live.size === 0) this.#whenEmpty?.()
  }

  /** `patiently`: the server is there and asked for time. Otherwise the first further attempt is at once, on another connection. */
  #retry(request: Request, error: Error, patiently: boolean): void {
    if (!this.#failed(request, error)) return
    this.counters.retries++
    const pauses = patiently ? request.failures : request.failures - 1
    const delayMs = pauses === 0 ? 0 : this.#backoff.delayMs(pauses)
    const timer = this.#settings.clock.after(delayMs, () => {
      this.#live.set(request, null)
      this.#waiting.add(request)
      this.#pump()
    })
    this.#live.set(request, timer)
  }

  /** Counts a failed attempt; false when it was the last, and the request has failed with it. */
  #failed(request: Request, error: Error): boolean {
    request.failures++
    request.lastError = error
    if (request.failures <= this.#settings.retries) return true
    request.fail(error)
    return false
  }

  #pump(): void {
    let crowded = false
    for (const request of this.#waiting) {
      const connection = this.#leastBusy()
      if (connection === null) break
      this.#waiting.delete(request)
      crowded ||= connection.inFlight > 0
      connection.send(request)
    }
    const wanted = this.#waiting.size > 0 || crowded
    if (wanted && !this.#dialing && this.#pause === null && this.#connections.size < this.#settings.poolSize) void this.#dial()
  }

  #leastBusy(): Connection | null {
    let least: Connection | null = null
    for (const connection of this.#connections) {
      if (connection.hasRoom && (least === null || connection.inFlight < least.inFlight)) least = connection
    }
    return least
  }

  /** Opens one connection, to the first address that lets it. Never rejects. */
  async #dial(): Promise<void> {
    this.#dialing = true
    const errors: Error[] = []
    let opened = false
    for (const address of this.#rotation.order()) {
      if (this.#closing.signal.aborted) break
      try {
        this.#adopt(await openConnection(address, this.#connectionOptions(), this, this.#closing.signal))
        this.#rotation.succeeded(address)
        opened = true
        break
      } catch (error) {
        this.#rotation.failed(address)
        errors.push(error as Error)
      }
    }
    this.#dialing = false
    if (this.#closing.signal.aborted) return
    if (opened) this.#failedRounds = 0
    else this.#roundFailed(errors)
    this.#pump()
  }

  #adopt(connection: Connection): void {
    if (this.#closing.signal.aborted) {
      connection.destroy(new ClientClosedError())
      return
    }
    this.counters.opened++
    this.#connections.add(connection)
    this.counters.connections = this.#connections.size
  }

  #connectionOptions(): ConnectionOptions {
    const {
      clock,
      random,
      connectTimeoutMs,
      maxConnectionAgeMs,
      idleTimeoutMs,
      maxInFlight,
      maxValueBytes,
      maxReplyBytes,
      auth,
      ack,
      maxStaleMs,
    } = this.#settings
    const limits = { maxBulkBytes: maxValueBytes, maxReplyBytes }
    const maxAgeMs = maxConnectionAgeMs * (1 - AGE_JITTER * random())
    return { clock, connectTimeoutMs, maxAgeMs, idleTimeoutMs, maxInFlight, limits, auth, ack, maxStaleMs }
  }

  #roundFailed(errors: readonly Error[]): void {
    this.#failedRounds++
    this.#pause = this.#settings.clock.after(this.#backoff.delayMs(this.#failedRounds), () => {
      this.#pause = null
      this.#pump()
    })
    if (this.#connections.size > 0) return
    // A refused password will be refused again: further rounds would only lock the account.
    const refusal = errors.find((error) => error instanceof ServerError && !error.transient)
    const unreachable = new UnreachableError(
      this.#settings.addresses.map(({ text }) => text),
      errors,
    )
    for (const request of [...this.#waiting]) {
      if (refusal !== undefined) request.fail(refusal)
      else this.#failed(request, unreachable)
    }
  }
}
