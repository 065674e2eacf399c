/**
 * The HTTP face: `/get/{key}`, `/set`, `/search` and `/`, over fastify.
 *
 * It parses, calls the cache, and answers; where a key lives is not its business. Handlers take callbacks and no promises, values are copied once,
 * and fastify's own parsing of queries, bodies and parameters is not used, because keys and values are bytes here and would not survive it.
 *
 * A stop goes in two steps. `drain()`: everything is accepted and served as before, but each answer says `Connection: close`, so that clients and
 * proxies leave by themselves while they learn of the stop. `close()`: nothing new is accepted, what is being answered is finished.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Cache, SetManyResult } from '../../cache/cache.ts'
import { ByteWriter } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Entry, VALUE_JSON } from '../../lib/entry.ts'
import { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { preferred } from './accept.ts'
import { errorBody, errorObject, toCacheError, toParseError } from './error-answer.ts'
import { Exchange, type ExchangeContext, JSON_TYPE } from './exchange.ts'
import { readPairs } from './json-pairs.ts'
import { appendString, appendValue } from './json-text.ts'
import { LANDING_PAGE } from './landing-page.ts'
import { keyOf, pathOf, Query } from './request-target.ts'
import { ScanAnswer } from './scan-answer.ts'
import { type HttpRoute, type HttpStats, type ObserveRequest, Traffic } from './traffic.ts'
import { parseTtlMs } from './ttl.ts'

export interface HttpGatewayOptions {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  readonly observe: ObserveRequest
  /** Larger bodies are refused with 413. */
  readonly maxBodyBytes: number
}

/** Above the 90 s after which common proxies drop an idle connection: the side that closes first must be theirs, or a request meets a closed socket. */
const KEEP_ALIVE_TIMEOUT_MS = 100_000
/**
 * For the head of a request, and for the whole of it. Node takes the smaller of its two settings for the head and the larger for the whole, and
 * counts the first from the moment a connection opens: a proxy's spare connection that was never used must outlive the proxy's patience as well.
 */
const REQUEST_TIMEOUT_MS = 105_000
/** How long nothing at all may move on a connection: a client that does not read its answer is given up. */
const INACTIVITY_TIMEOUT_MS = 110_000
/** How often Node looks for requests that are late. */
const TIMEOUT_CHECK_MS = 5_000
/** For all that is not the key: other headers, and the rest of the request line. */
const HEADER_BYTES = 16 * 1024
/** Bytes that one byte of a key may take in a path. */
const PERCENT_ENCODED_BYTES = 3
/** Entries of one answer with a `limit`. */
const MAX_LIMIT = 10_000

const GET_PREFIX = '/get/'
const READ = 'GET, HEAD'
const RAW_FORMS = ['application/json', 'text/plain', 'application/octet-stream'] as const
const PAGE_FORMS = ['application/json', 'text/html'] as const
/** `curl -d` says it sends a form; people who say nothing, or text, mean JSON as well. */
const DEFAULT_BODY_TYPE = 'application/json'
const BODY_TYPES = [DEFAULT_BODY_TYPE, 'application/x-www-form-urlencoded', 'text/plain']

type Handler = (exchange: Exchange, request: FastifyRequest) => void

export class HttpGateway {
  readonly #cache: Cache
  readonly #clock: Clock
  readonly #context: ExchangeContext
  readonly #traffic: Traffic
  readonly #app: FastifyInstance

  constructor(options: HttpGatewayOptions) {
    this.#cache = options.cache
    this.#clock = options.clock
    this.#traffic = new Traffic(options.observe)
    this.#context = { clock: options.clock, logger: options.logger, traffic: this.#traffic, draining: false }
    this.#app = this.#build(options.maxBodyBytes)
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    await this.#app.listen({ host, port })
    return (this.#app.server.address() as AddressInfo).port
  }

  /** From now on every answer ends its connection; everything is still accepted and served. */
  drain(): void {
    this.#context.draining = true
  }

  /** Accepts nothing more, finishes what is being answered, and after `graceMs` cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.drain()
    const deadline = this.#clock.after(graceMs, () => this.#app.server.closeAllConnections())
    await this.#app.close()
    deadline.cancel()
  }

  /** Plain numbers, counted since start. */
  stats(): HttpStats {
    return this.#traffic.stats()
  }

  #build(maxBodyBytes: number): FastifyInstance {
    const { maxKeyBytes } = this.#cache.limits
    const app: FastifyInstance = fastify({
      bodyLimit: maxBodyBytes,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: INACTIVITY_TIMEOUT_MS,
      return503OnClosing: false,
      exposeHeadRoutes: false,
      http: {
        headersTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        maxHeaderSize: HEADER_BYTES + maxKeyBytes * PERCENT_ENCODED_BYTES,
      },
      routerOptions: { maxParamLength: maxKeyBytes * PERCENT_ENCODED_BYTES, querystringParser: () => ({}) },
      clientErrorHandler: (error, socket) => this.#refuseInput(error, socket),
      frameworkErrors: (error, _request, reply) => new Exchange(this.#context, 'other', reply).fail(error),
    })
    app.server.on('checkContinue', (request, response) => continueUnlessTooLarge(app, maxBodyBytes, request, response))
    app.removeAllContentTypeParsers()
    app.setNotFoundHandler((_request, reply) => this.#refuseRoute(reply))
    app.setErrorHandler((error, request, reply) => this.#refuseBody(error, request, reply))
    this.#route(app, ['GET', 'HEAD'], '/', '/', (exchange) => this.#all(exchange))
    this.#route(app, ['GET', 'HEAD'], `${GET_PREFIX}*`, '/get/{key}', (exchange) => this.#get(exchange))
    this.#route(app, ['GET', 'HEAD'], '/search', '/search', (exchange) => this.#search(exchange))
    // Bodies are read in this scope alone: what has no route or the wrong method is answered without waiting for its body.
    app.register((scope, _options, done) => {
      scope.addHook('onRequest', (request, _reply, next) => {
        request.raw.headers['content-type'] ??= DEFAULT_BODY_TYPE
        next()
      })
      scope.addContentTypeParser([...BODY_TYPES], { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body))
      this.#route(scope, ['POST'], '/set', '/set', (exchange, request) => this.#set(exchange, request.body))
      done()
    })
    return app
  }

  #route(app: FastifyInstance, method: string[], url: string, route: HttpRoute, handler: Handler): void {
    app.route({
      method,
      url,
      handler: (request, reply) => {
        const exchange = new Exchange(this.#context, route, reply)
        try {
          handler(exchange, request)
        } catch (error) {
          exchange.fail(error)
        }
      },
    })
  }

  #get(exchange: Exchange): void {
    const key = keyOf(exchange.target, GET_PREFIX, this.#cache.limits.maxKeyBytes)
    this.#cache.get(key, 0, key.length, (error, entry) => {
      exchange.header('vary', 'accept')
      if (error !== null) exchange.fail(error)
      else if (entry === null) exchange.fail(new CacheError('KEY_NOT_FOUND', 'no value is stored under the key'))
      else sendValue(exchange, entry)
    })
  }

  #set(exchange: Exchange, body: unknown): void {
    const ttl = new Query(exchange.target).text('ttl')
    const ttlMs = ttl === null ? null : parseTtlMs(ttl)
    if (!Buffer.isBuffer(body)) throw new CacheError('BODY_INVALID', 'the body is empty: send a JSON object of pairs')
    const requests = readPairs(body, ttlMs, this.#cache.limits)
    if (requests.length === 0) {
      exchange.send(200, JSON_TYPE, '{"set":0}')
      return
    }
    this.#cache.setMany(requests, (error, result) => {
      if (error !== null || result === null) exchange.fail(error)
      else sendResult(exchange, result)
    })
  }

  #search(exchange: Exchange): void {
    const { target } = exchange
    const query = new Query(target)
    const values = readFlag(query, 'values')
    const limit = readLimit(query)
    const prefix = query.bytes('prefix')
    const suffix = query.bytes('suffix')
    const after = readCursor(query, this.#cache.limits.maxKeyBytes)
    const linkAfter = (key: Buffer): string => linkTo(query, key)
    new ScanAnswer(exchange, this.#cache.scan({ prefix, suffix, after, values }), { values, limit, linkAfter }).start()
  }

  #all(exchange: Exchange): void {
    exchange.header('vary', 'accept')
    if (preferred(exchange.reply.request.headers.accept, PAGE_FORMS) === 'text/html') {
      exchange.send(200, 'text/html; charset=utf-8', LANDING_PAGE)
      return
    }
    const nothing = Buffer.alloc(0)
    const scan = this.#cache.scan({ prefix: nothing, suffix: nothing, after: null, values: true })
    new ScanAnswer(exchange, scan, { values: true, limit: null, linkAfter: () => '' }).start()
  }

  #refuseRoute(reply: FastifyReply): void {
    const exchange = new Exchange(this.#context, 'other', reply)
    const allow = allowedAt(pathOf(exchange.target))
    if (allow === null) exchange.fail(new CacheError('ROUTE_NOT_FOUND', 'there is no such path'))
    else exchange.header('allow', allow).fail(new CacheError('METHOD_NOT_ALLOWED', `this path has ${allow}`))
  }

  /** What fails before a handler is called: only bodies do. */
  #refuseBody(cause: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const error = toCacheError(cause)
    // A connection that is closed while the client still sends would be reset, and the answer lost with it: Node reads on and drops what comes,
    // within the time that a request has. A client that waits for leave to send is told to go.
    if (error.code === 'BODY_TOO_LARGE' && request.headers.expect === undefined) reply.removeHeader('connection')
    new Exchange(this.#context, '/set', reply).fail(error)
  }

  /** Input that is no request, or not in time. The parser is lost, so the connection ends. */
  #refuseInput(cause: Error & { code?: string }, socket: Socket & { _httpMessage?: ServerResponse }): void {
    const answering = socket._httpMessage?.headersSent === true
    if (cause.code === 'ECONNRESET' || !socket.writable || socket.bytesRead === 0 || answering) {
      socket.destroy()
      return
    }
    this.#traffic.malformedTotal++
    const error = toParseError(cause)
    const body = errorBody(error)
    const head = `HTTP/1.1 ${error.row.http} ${error.row.http === 408 ? 'Request Timeout' : 'Bad Request'}`
    socket.end(`${head}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    socket.destroySoon()
  }
}

/** The entry is valid during the call only, so its bytes are copied. */
function sendValue(exchange: Exchange, entry: Entry): void {
  const form = preferred(exchange.reply.request.headers.accept, RAW_FORMS)
  if (form === 'application/json' && entry.kind !== VALUE_JSON) {
    const text = new ByteWriter(entry.valueEnd - entry.valueStart + 16)
    appendValue(text, entry)
    exchange.send(200, JSON_TYPE, text.toBuffer())
    return
  }
  const type = form === 'application/json' ? JSON_TYPE : form === 'text/plain' ? 'text/plain; charset=utf-8' : form
  exchange.send(200, type, Buffer.from(entry.valueBytes()))
}

function sendResult(exchange: Exchange, result: SetManyResult): void {
  const { set, failed, error } = result
  if (error === null) {
    exchange.send(200, JSON_TYPE, `{"set":${set}}`)
    return
  }
  const keys = new ByteWriter()
  failed.forEach((key, i) => {
    if (i > 0) keys.raw(Buffer.from(','))
    appendString(keys, key, 0, key.length)
  })
  const body = `{"error":${errorObject(error)},"set":${set},"failed":[${keys.toBuffer().toString()}]}`
  exchange.send(error.row.http, JSON_TYPE, body)
}

function continueUnlessTooLarge(app: FastifyInstance, maxBodyBytes: number, request: IncomingMessage, response: ServerResponse): void {
  if (!(Number(request.headers['content-length']) > maxBodyBytes)) response.writeContinue()
  app.server.emit('request', request, response)
}

function allowedAt(path: string): string | null {
  if (path === '/set') return 'POST'
  return path === '/' || path === '/search' || path.startsWith(GET_PREFIX) ? READ : null
}

function readFlag(query: Query, name: string): boolean {
  const text = query.text(name)
  if (text === null || text === 'false') return false
  if (text === 'true') return true
  throw new CacheError('QUERY_INVALID', `${name} must be true or false`)
}

function readLimit(query: Query): number | null {
  const text = query.text('limit')
  if (text === null) return null
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > MAX_LIMIT) throw new CacheError('QUERY_INVALID', `limit must be a whole number from 1 to ${MAX_LIMIT}`)
  return limit
}

/** The key after which to go on, as an earlier `Link` named it. */
function readCursor(query: Query, maxKeyBytes: number): Buffer | null {
  const text = query.text('cursor')
  if (text === null) return null
  const key = Buffer.from(text, 'base64url')
  if (key.length === 0 || key.length > maxKeyBytes || key.toString('base64url') !== text) {
    throw new CacheError('QUERY_INVALID', 'cursor is not one that an earlier answer linked to')
  }
  return key
}

/** The same question, from a key on. */
function linkTo(query: Query, key: Buffer): string {
  const parameters = new URLSearchParams()
  for (const name of ['prefix', 'suffix', 'values', 'limit']) {
    const text = query.text(name)
    if (text !== null) parameters.set(name, text)
  }
  parameters.set('cursor', key.toString('base64url'))
  return `</search?${parameters}>; rel="next"`
}
