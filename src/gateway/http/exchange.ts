/**
 * Exchange: one request and its answer. Every answer of the ordinary server leaves through here, so that each is counted once, carries the same
 * headers, and says `Connection: close` while the server drains.
 */

import * as assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { errorBody, toCacheError } from './error-answer.ts'
import { JSON_TYPE, TEXT_TYPE } from './media-type.ts'
import type { Parameter } from './parameter.ts'
import { keyOf, localTarget, prefixOf, Query } from './request-target.ts'
import type { HttpRoute, Traffic } from './traffic.ts'

/** What all exchanges of a server share. */
export interface ExchangeContext {
  readonly clock: Clock
  readonly logger: Logger
  readonly traffic: Traffic
  /** True from `drain()` on. */
  draining: boolean
}

/** What an exchange knows of its route. */
export interface ExchangeRoute {
  readonly path: HttpRoute
  readonly parameters: readonly Parameter<unknown>[]
}

export class Exchange {
  readonly context: ExchangeContext
  /** As it is counted. */
  readonly route: HttpRoute
  readonly reply: FastifyReply
  readonly #route: ExchangeRoute | null
  readonly #startedMs: number
  #query: Query | null = null

  /** `route` is `null` when none matched. */
  constructor(context: ExchangeContext, route: ExchangeRoute | null, reply: FastifyReply) {
    this.context = context
    this.route = route?.path ?? 'other'
    this.reply = reply
    this.#route = route
    this.#startedMs = context.clock.now()
  }

  /** Path and query of the request, as they were sent. */
  get target(): string {
    return localTarget(this.reply.request.raw.url ?? '')
  }

  get isHead(): boolean {
    return this.reply.request.raw.method === 'HEAD'
  }

  /** The key that stands in the path. */
  key(maxKeyBytes: number): Buffer {
    return keyOf(this.target, prefixOf(this.route), maxKeyBytes)
  }

  /** What the request says of a parameter of its route; `null` where it says nothing. */
  parameter<T>(parameter: Parameter<T>): T | null {
    const text = this.text(parameter)
    return text === null ? null : parameter.parse(text)
  }

  /** The same, decoded and not looked at. */
  text(parameter: Parameter<unknown>): string | null {
    assert.ok(this.#route?.parameters.includes(parameter), `${parameter.name} is not documented for ${this.route}`)
    if (parameter.in === 'header') {
      const header = this.reply.request.headers[parameter.name.toLowerCase()]
      return header === undefined ? null : String(header)
    }
    this.#query ??= new Query(this.target)
    return this.#query.text(parameter.name)
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

  sendText(status: number, text: string): void {
    this.send(status, TEXT_TYPE, text)
  }

  /** 204, 304: a head alone. */
  sendNothing(status: number): void {
    this.#announceClose()
    this.reply.code(status).send()
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
