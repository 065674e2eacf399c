/**
 * Lane connection: one connection of the fast lane.
 *
 * Requests are executed in the order in which they came, each after the answer to the one before; the answers to one chunk leave in one write. While
 * an answer is awaited one chunk more is read, so that the end of the connection is noticed; while the client has not taken all that was sent,
 * nothing. So what one connection can hold here is two chunks of requests, and a slab of answers or a single one that is larger.
 */
import type { Socket } from 'node:net'
import type { Cache, OutcomeDone } from '../../cache/cache.ts'
import type { Operation } from '../../cache/operation.ts'
import { NO_BYTES } from '../../lib/bytes.ts'
import type { CacheError } from '../../lib/errors.ts'
import { type AnswerBytes, Slab } from './answer-bytes.ts'
import { toCacheError } from './error-answer.ts'
import type { ExchangeContext } from './exchange.ts'
import { PlainGet } from './plain-get.ts'

export interface LaneOptions {
  readonly cache: Cache
  readonly context: ExchangeContext
  /** How long nothing may move on a connection whose answers are not read. */
  readonly inactivityTimeoutMs: number
}

/** What all connections of the lane share. Nothing of it is in use between two calls from outside. */
export interface Lane {
  readonly options: LaneOptions
  /** A GET, whose key is to be filled in. */
  readonly operation: Operation
  readonly answers: AnswerBytes
  /** For the answers to one chunk; empty in between. */
  readonly slab: Slab
  /** From so many bytes on, answers are sent. */
  readonly fullBytes: number
  /** The bytes of the slab belong to a socket until it has sent them, or it has grown: the next answers get another. */
  replaceSlab(): void
  /** Its socket is closed, or with the ordinary server. */
  forget(connection: LaneConnection): void
}

const ROUTE = '/get/{key}'
/** For an answer that came late, and travels alone. */
const LATE_ANSWER_BYTES = 512

export class LaneConnection {
  /** When the last request came, or the connection. */
  lastMs: number
  used = false
  readonly #lane: Lane
  readonly #socket: Socket
  readonly #serve: () => void
  readonly #get: PlainGet
  /** What follows the request that is being answered, from `#at` on; `null` when nothing is held. */
  #rest: Buffer | null = null
  #at = 0
  #startedMs = 0
  /** Whether the cache has a question of this connection, and has had it for longer than the call. */
  #asked: 'nothing' | 'now' | 'late' = 'nothing'
  #closed = false
  /** Answers of the chunk in hand, to be counted with it. */
  #hits = 0
  #misses = 0

  constructor(lane: Lane, socket: Socket, serve: () => void) {
    this.#lane = lane
    this.#socket = socket
    this.#serve = serve
    this.#get = new PlainGet(lane.options.cache.limits.maxKeyBytes)
    this.lastMs = lane.options.context.clock.now()
    socket.on('data', this.#read)
    socket.on('end', this.#end)
    socket.on('error', this.#fail)
    socket.on('close', this.#close)
  }

  /** Nothing is being answered or sent. */
  get idle(): boolean {
    return this.#rest === null
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #read = (chunk: Buffer): void => {
    if (this.#rest === null) {
      this.#run(chunk, 0)
    } else {
      this.#hold(Buffer.concat([this.#rest.subarray(this.#at), chunk]), 0)
      this.#socket.pause()
    }
  }

  /** As the ordinary server has it: a client that has said all it will does not wait for an answer that is not there yet. */
  readonly #end = (): void => {
    this.#closed = true
    this.#socket.end()
  }

  readonly #fail = (): void => {
    this.#socket.destroy()
  }

  readonly #close = (): void => {
    this.#closed = true
    this.#lane.forget(this)
  }

  #run(chunk: Buffer, from: number): void {
    const lane = this.#lane
    const { context } = lane.options
    this.#startedMs = context.clock.now()
    this.lastMs = this.#startedMs
    lane.answers.tick(this.#startedMs)
    let at = from
    while (at < chunk.length) {
      const end = context.draining ? -1 : this.#get.match(chunk, at)
      if (end === -1) {
        this.#flush()
        this.#handOver(chunk.subarray(at))
        return
      }
      at = end
      this.used = true
      if (!this.#ask(chunk)) {
        this.#flush()
        this.#asked = 'late'
        this.#hold(chunk, at)
        return
      }
      if (lane.slab.length >= lane.fullBytes && !this.#flush()) {
        this.#stall(chunk, at)
        return
      }
    }
    if (!this.#flush()) this.#stall(chunk, at)
  }

  /** Whether the answer came within the call. */
  #ask(chunk: Buffer): boolean {
    const { options, operation } = this.#lane
    this.#asked = 'now'
    try {
      options.cache.execute(operation.setKey(chunk, this.#get.keyStart, this.#get.keyEnd), this.#answer)
    } catch (cause) {
      this.#answer(toCacheError(cause), null)
    }
    return this.#isAnswered()
  }

  #isAnswered(): boolean {
    return this.#asked === 'nothing'
  }

  /** Called by the cache once for each request, within `execute` or later. Were it called twice, the bytes would be somebody else's answer. */
  readonly #answer: OutcomeDone = (error, outcome) => {
    if (this.#asked === 'nothing') return
    const late = this.#asked === 'late'
    this.#asked = 'nothing'
    if (late) {
      this.#answerLate(error, outcome)
      return
    }
    const { slab, answers } = this.#lane
    if (error !== null) this.#writeError(slab, error, false)
    else if (outcome?.entry == null) {
      this.#misses++
      answers.miss(slab, false)
    } else {
      this.#hits++
      answers.value(slab, outcome.entry, false)
    }
  }

  #answerLate(...[error, outcome]: Parameters<OutcomeDone>): void {
    const { answers, options } = this.#lane
    const { draining, clock, traffic } = options.context
    const slab = new Slab(LATE_ANSWER_BYTES)
    this.lastMs = clock.now()
    answers.tick(this.lastMs)
    if (error !== null) {
      this.#writeError(slab, error, draining)
    } else {
      const entry = outcome?.entry ?? null
      if (entry === null) answers.miss(slab, draining)
      else answers.value(slab, entry, draining)
      traffic.count(ROUTE, entry === null ? 404 : 200, (this.lastMs - this.#startedMs) / 1000)
      traffic.fastLaneTotal++
    }
    if (this.#closed) return
    this.#socket.write(slab.written())
    if (draining) this.#socket.end()
    // Others may be in the middle of the operation and the slab that all share: what follows waits for its own turn.
    else if (this.#socket.writableLength === 0) clock.soon(() => this.#goOn())
    else this.#stall(this.#rest ?? NO_BYTES, this.#at)
  }

  #writeError(slab: Slab, error: CacheError, close: boolean): void {
    const { context } = this.#lane.options
    if (error.code === 'INTERNAL') context.logger.error({ err: error.cause ?? error, route: ROUTE }, 'request failed')
    this.#lane.answers.error(slab, error, close)
    context.traffic.count(ROUTE, error.row.http, (context.clock.now() - this.#startedMs) / 1000)
    context.traffic.fastLaneTotal++
  }

  /** Sends what the slab holds; false if the kernel did not take all of it. */
  #flush(): boolean {
    const { slab } = this.#lane
    if (slab.length === 0) return true
    this.#socket.write(slab.written())
    this.#count()
    const taken = this.#socket.writableLength === 0
    if (!taken || slab.grown) this.#lane.replaceSlab()
    else slab.length = 0
    return taken
  }

  #count(): void {
    const { traffic, clock } = this.#lane.options.context
    const seconds = (clock.now() - this.#startedMs) / 1000
    traffic.fastLaneTotal += this.#hits + this.#misses
    for (; this.#hits > 0; this.#hits--) traffic.count(ROUTE, 200, seconds)
    for (; this.#misses > 0; this.#misses--) traffic.count(ROUTE, 404, seconds)
  }

  #hold(chunk: Buffer, at: number): void {
    this.#rest = chunk
    this.#at = at
  }

  /** Reads no further until the client has taken all that was sent, or nothing has moved for too long. */
  #stall(chunk: Buffer, at: number): void {
    const { context, inactivityTimeoutMs } = this.#lane.options
    context.traffic.stalledReadersTotal++
    this.#hold(chunk, at)
    this.#socket.pause()
    this.#socket.setTimeout(inactivityTimeoutMs, this.#fail)
    this.#socket.write(NO_BYTES, () => {
      this.#socket.setTimeout(0, this.#fail)
      this.lastMs = context.clock.now()
      this.#goOn()
    })
  }

  #goOn(): void {
    const rest = this.#rest
    if (this.#closed || rest === null) return
    this.#rest = null
    this.#socket.resume()
    this.#run(rest, this.#at)
  }

  #handOver(rest: Buffer): void {
    const socket = this.#socket
    this.#lane.forget(this)
    socket.off('data', this.#read)
    socket.off('end', this.#end)
    socket.off('error', this.#fail)
    socket.off('close', this.#close)
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#serve()
    socket.resume()
  }
}
