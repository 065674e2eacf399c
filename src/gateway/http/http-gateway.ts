/**
 * The HTTP face: all routes (see route.ts) over fastify, on connections that `Listener` accepts and a fast lane shortens.
 *
 * It parses, calls the cache, and answers; where a key lives is not its business. Handlers take callbacks and no promises, values are copied once,
 * and fastify's own parsing of queries, bodies and parameters is not used, because keys and values are bytes here and would not survive it.
 *
 * A stop goes in two steps. `drain()`: everything is accepted and served as before, but each answer says `Connection: close`, so that clients and
 * proxies leave by themselves while they learn of the stop. `close()`: nothing new is accepted, what is being answered is finished.
 */
import * as assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Cache } from '../../cache/cache.ts'
import { NO_BYTES } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import type { InputBudget } from '../input-budget.ts'
import { ArrivingBody, type BodyDone } from './arriving-body.ts'
import { errorResponse, toCacheError, toParseError } from './error-answer.ts'
import { Exchange, type ExchangeContext } from './exchange.ts'
import { Listener } from './listener.ts'
import { refusalOf } from './request-guard.ts'
import { pathOf } from './request-target.ts'
import { patternOf, type Route, type Verdict } from './route.ts'
import { RouteTable } from './route-table.ts'
import { type HttpStats, type ObserveRequest, Traffic } from './traffic.ts'
import { needsMore, Turns } from './turns.ts'

export interface HttpGatewayOptions {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  readonly observe: ObserveRequest
  /** Asked by `/ready` and `/v1/readiness`: must be quick, and must not throw. */
  readonly ready: () => Verdict
  /** Of the product; `/openapi.json` shows it. */
  readonly version: string
  /** Larger bodies are refused with 413. Values of `maxValueBytes` come whole only if it is above 4/3 of that. */
  readonly maxBodyBytes: number
  /** For bodies that are arriving, and requests of the other faces. */
  readonly input: InputBudget
  /** Connections at a time; more are answered 503 and closed. */
  readonly maxClients: number
  /**
   * How long a connection without a request stays open, in ms. Above the 90 s after which common proxies drop an idle connection: the side that
   * closes first must be theirs, or a request meets a closed socket.
   */
  readonly idleTimeoutMs: number
  /** Bytes of answers that may wait for a client that does not read, and one answer more: then nothing further is done for it until it does. */
  readonly outputBufferLimitBytes: number
}

/**
 * Times the idle time: for the head of a request, and for the whole of it. Node takes the smaller of its two settings for the head and the larger
 * for the whole, and counts the first from the moment a connection opens: a proxy's spare connection that was never used must outlive the proxy's
 * patience as well.
 */
const REQUEST_SHARE = 1.05
/**
 * Times the idle time: how long nothing at all may move on a connection. A client that does not read its answer is given up. Longer than it takes to find a
 * late request, which is told so.
 */
const INACTIVITY_SHARE = 1.2
/** How often, at least, late requests are looked for; a share of the idle time where that is short. */
const TIMEOUT_CHECK_MS = 5_000
const CHECK_SHARE = 0.05
/** For all that is not the key: other headers, and the rest of the request line. */
const HEADER_BYTES = 16 * 1024
/** Bytes that one byte of a key may take in a path. */
const PERCENT_ENCODED_BYTES = 3

export class HttpGateway {
  readonly #options: HttpGatewayOptions
  readonly #clock: Clock
  readonly #context: ExchangeContext
  readonly #traffic: Traffic
  readonly #routes: RouteTable
  readonly #turns = new Turns()
  /** For the reader of bodies, to whom fastify shows the request alone. */
  readonly #responses = new WeakMap<IncomingMessage, ServerResponse>()
  readonly #listener: Listener
  readonly #app: FastifyInstance

  constructor(options: HttpGatewayOptions) {
    const { cache, clock, logger, idleTimeoutMs } = options
    this.#options = options
    this.#clock = clock
    this.#traffic = new Traffic(options.observe)
    this.#context = { clock, logger, traffic: this.#traffic, draining: false }
    this.#routes = new RouteTable(options, options.version)
    this.#listener = new Listener({
      cache,
      context: this.#context,
      maxClients: options.maxClients,
      idleTimeoutMs,
      unusedTimeoutMs: this.#requestMs,
      inactivityTimeoutMs: this.#inactivityMs,
      checkMs: this.#checkMs,
      outputBufferLimitBytes: options.outputBufferLimitBytes,
    })
    this.#app = this.#build()
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    await this.#app.listen({ host, port })
    this.#listener.start()
    return (this.#app.server.address() as AddressInfo).port
  }

  /** From now on every answer ends its connection; everything is still accepted and served. */
  drain(): void {
    this.#context.draining = true
  }

  /** Accepts nothing more, finishes what is being answered, and after `graceMs` cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.drain()
    const deadline = this.#clock.after(graceMs, () => {
      this.#listener.destroy()
      this.#app.server.closeAllConnections()
    })
    this.#listener.close()
    await this.#app.close()
    deadline.cancel()
  }

  /** Plain numbers, counted since start. */
  stats(): HttpStats {
    return this.#traffic.stats()
  }

  /** Of answers that wait for their clients. O(connections). */
  get outputBytes(): number {
    return this.#listener.outputBytes
  }

  get #requestMs(): number {
    return Math.ceil(this.#options.idleTimeoutMs * REQUEST_SHARE)
  }

  get #inactivityMs(): number {
    return Math.ceil(this.#options.idleTimeoutMs * INACTIVITY_SHARE)
  }

  get #checkMs(): number {
    return Math.min(TIMEOUT_CHECK_MS, Math.ceil(this.#options.idleTimeoutMs * CHECK_SHARE))
  }

  #build(): FastifyInstance {
    const { cache, maxBodyBytes } = this.#options
    const app: FastifyInstance = fastify({
      serverFactory: (handler) => this.#server(handler as (request: IncomingMessage, response: ServerResponse) => void),
      bodyLimit: maxBodyBytes,
      return503OnClosing: false,
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: cache.limits.maxKeyBytes * PERCENT_ENCODED_BYTES, querystringParser: () => ({}) },
      clientErrorHandler: (error, socket) => this.#refuseInput(error, socket),
      frameworkErrors: (error, _request, reply) => new Exchange(this.#context, null, reply).fail(error),
    })
    app.server.on('checkContinue', (request, response) => continueUnlessTooLarge(app, maxBodyBytes, request, response))
    app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (request, _payload, done) => this.#readBody(request.raw, done))
    app.addHook('onRequest', (request, reply, next) => {
      this.#responses.set(request.raw, reply.raw)
      this.#turns.take(request.raw, reply.raw, () => {
        const refusal = refusalOf(request.raw)
        if (refusal !== null) this.#refuse(refusal, reply)
        else if (request.is404) this.#refuseRoute(request, reply)
        else next()
      })
    })
    app.setNotFoundHandler((request, reply) => this.#refuseRoute(request, reply))
    for (const { path, methods, others } of this.#routes.paths) {
      for (const route of methods.values()) this.#register(app, route)
      // A path that is more exact must not leave its other methods to one that is less.
      const refuse = (request: FastifyRequest, reply: FastifyReply): void => this.#refuseRoute(request, reply)
      app.route({ method: others, url: patternOf(path), onRequest: refuse, handler: refuse })
    }
    return app
  }

  #server(handler: (request: IncomingMessage, response: ServerResponse) => void): Server {
    const { cache, idleTimeoutMs } = this.#options
    const options = {
      keepAliveTimeout: idleTimeoutMs,
      // Node's own refusal has no body; the guard's has.
      requireHostHeader: false,
      requestTimeout: this.#requestMs,
      headersTimeout: this.#requestMs,
      connectionsCheckingInterval: this.#checkMs,
      maxHeaderSize: HEADER_BYTES + cache.limits.maxKeyBytes * PERCENT_ENCODED_BYTES,
    }
    const server = createServer(options, handler)
    server.setTimeout(this.#inactivityMs)
    this.#listener.attach(server)
    return server
  }

  #register(app: FastifyInstance, route: Route): void {
    app.route({
      method: route.method === 'GET' ? ['GET', 'HEAD'] : [route.method],
      url: patternOf(route.path),
      onRequest: (request, reply, next) => {
        const refusal = route.body === undefined ? null : refusalOfType(route, request)
        if (refusal === null) next()
        else new Exchange(this.#context, route, reply).fail(refusal)
      },
      errorHandler: (error, request, reply) => this.#refuseBody(route, error, request, reply),
      handler: (request, reply) => {
        const exchange = new Exchange(this.#context, route, reply)
        try {
          route.handle(exchange, route.body !== undefined && Buffer.isBuffer(request.body) ? request.body : NO_BYTES)
        } catch (error) {
          exchange.fail(error)
        }
      },
    })
  }

  #readBody(request: IncomingMessage, done: BodyDone): void {
    const response = this.#responses.get(request)
    assert.ok(response !== undefined)
    const { input, maxBodyBytes } = this.#options
    new ArrivingBody(request, response, input, maxBodyBytes, done).start()
  }

  /** By the guard. What follows a request that can be read in two ways is not read: it may be somebody else's. */
  #refuse(refusal: CacheError, reply: FastifyReply): void {
    const exchange = new Exchange(this.#context, null, reply)
    if (refusal.code === 'REQUEST_INVALID') exchange.header('connection', 'close')
    exchange.fail(refusal)
  }

  /** No route, or not for this method; answered without waiting for a body. */
  #refuseRoute(request: FastifyRequest, reply: FastifyReply): void {
    const exchange = new Exchange(this.#context, null, reply)
    const allow = this.#routes.allowAt(pathOf(exchange.target))
    if (allow === null) exchange.fail(new CacheError('ROUTE_NOT_FOUND', 'there is no such path'))
    else if (request.method === 'OPTIONS') exchange.header('allow', allow).sendNothing(204)
    else exchange.header('allow', allow).fail(new CacheError('METHOD_NOT_ALLOWED', `this path has ${allow}`))
  }

  /** What fails before a handler is called: only bodies do. */
  #refuseBody(route: Route, cause: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const error = toCacheError(cause)
    // A connection that is closed while the client still sends would be reset, and the answer lost with it: Node reads on and drops what comes,
    // within the time that a request has. A client that waits for leave to send is told to go.
    if ((error.code === 'BODY_TOO_LARGE' || error.code === 'TOO_MUCH_INPUT') && request.headers.expect === undefined)
      reply.removeHeader('connection')
    new Exchange(this.#context, route, reply).fail(error)
  }

  /** Input that is no request, or not in time. The parser is lost, so the connection ends, with the answers to what came before. */
  #refuseInput(cause: Error & { code?: string }, socket: Socket & { _httpMessage?: ServerResponse | null }): void {
    const answering = socket._httpMessage
    if (cause.code === 'ECONNRESET' || !socket.writable || socket.bytesRead === 0) socket.destroy()
    else if (answering != null && (answering.writableEnded || !needsMore(answering.req))) {
      socket.pause()
      this.#turns.last(socket, () => this.#hangUp(cause, socket))
    } else if (answering?.headersSent === true) socket.destroy()
    else this.#hangUp(cause, socket)
  }

  #hangUp(cause: Error, socket: Socket): void {
    if (!socket.writable) return
    this.#traffic.malformedTotal++
    socket.end(errorResponse(toParseError(cause)))
    socket.destroySoon()
  }
}

/** `null`: the body may be read. A request that names no type is given that of the route, for fastify wants one. */
function refusalOfType({ body }: Route, { raw, headers }: FastifyRequest): CacheError | null {
  const types: readonly string[] = body?.types ?? []
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    return new CacheError('MEDIA_TYPE_UNSUPPORTED', 'send the body as it is, without a content encoding')
  const type = headers['content-type'] ?? ''
  if (type === '') raw.headers['content-type'] = types[0]
  else if (!types.includes((type.split(';', 1)[0] ?? '').trim().toLowerCase())) {
    return new CacheError('MEDIA_TYPE_UNSUPPORTED', `send ${types[0]}, or no content type`)
  }
  return null
}

function continueUnlessTooLarge(app: FastifyInstance, maxBodyBytes: number, request: IncomingMessage, response: ServerResponse): void {
  if (!(Number(request.headers['content-length']) > maxBodyBytes)) response.writeContinue()
  app.server.emit('request', request, response)
}
