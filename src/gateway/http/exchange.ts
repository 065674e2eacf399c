/**
 * Exchange: one request and its answer. Every answer of this face leaves through here, so that each is counted once, carries the same headers, and
 * says `Connection: close` while the server drains.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { errorBody, toCacheError } from './error-answer.ts'
import { localTarget } from './request-target.ts'
import type { HttpRoute, Traffic } from './traffic.ts'

export const JSON_TYPE = 'application/json; charset=utf-8'

/** What all exchanges of a server share. */
export interface ExchangeContext {
  readonly clock: Clock
  readonly logger: Logger
  readonly traffic: Traffic
  /** True from `drain()` on. */
  draining: boolean
}

export class Exchange {
  readonly context: ExchangeContext
  readonly route: HttpRoute
  readonly reply: FastifyReply
  readonly #startedMs: number

  constructor(context: ExchangeContext, route: HttpRoute, reply: FastifyReply) {
    this.context = context
    this.route = route
    this.reply = reply
    this.#startedMs = context.clock.now()
  }

  /** Path and query of the request, as they were sent. */
  get target(): string {
    return localTarget(this.reply.request.raw.url ?? '')
  }

  get isHead(): boolean {
    return this.reply.request.raw.method === 'HEAD'
  }

  header(name: string, value: string): this {
    this.reply.header(name, value)
    return this
  }

  send(status: number, type: string, body: Buffer | string): void {
    this.#announceClose()
    this.reply.code(status).header('content-type', type).send(body)
    this.#count(status)
  }

  /** Begins an answer whose length is not known; the caller writes it to `reply.raw` and ends or destroys that. */
  beginStream(type: string): void {
    this.#announceClose()
    const headers = this.reply.header('content-type', type).getHeaders() as OutgoingHttpHeaders
    this.reply.hijack()
    this.reply.raw.writeHead(200, headers)
    this.#count(200)
  }

  fail(cause: unknown): void {
    const error = toCacheError(cause)
    if (error.code === 'INTERNAL') this.context.logger.error({ err: error.cause ?? error, route: this.route }, 'request failed')
    this.send(error.row.http, JSON_TYPE, errorBody(error))
  }

  #announceClose(): void {
    if (this.context.draining) this.reply.header('connection', 'close')
  }

  #count(status: number): void {
    this.context.traffic.count(this.route, status, (this.context.clock.now() - this.#startedMs) / 1000)
  }
}
