/**
 * Route: one path and method as data. What is registered, what is checked before a handler is called, what `Allow` says and what the OpenAPI
 * document tells comes from the same rows, so none of them can say something else.
 *
 * A GET answers HEAD too, and every path answers OPTIONS: neither has a row.
 */
import type { Cache } from '../../cache/cache.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Parameter, Schema } from './parameter.ts'
import type { HttpRoute } from './traffic.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/** What can be shown of a body: its schema, and one as it travels. */
export interface Content {
  readonly type: string
  readonly schema: Schema
  readonly example?: unknown
}

export interface RouteBody {
  readonly description: string
  /** Media types that are read, in lower case. A request that names none is taken to have the first. */
  readonly types: readonly [string, ...string[]]
  readonly required: boolean
  readonly schema: Schema
  readonly example: unknown
}

export interface RouteAnswer {
  readonly status: number
  readonly description: string
  readonly contents: readonly Content[]
  /** Headers of this answer, each with what it says. */
  readonly headers?: Readonly<Record<string, string>>
}

/** May throw `CacheError`. `body` is empty for a route without one, whatever was sent. */
export type Handler = (exchange: Exchange, body: Buffer) => void

export interface Route {
  readonly method: Method
  /** As it is documented and counted. `{key}` takes the rest of the path. */
  readonly path: Exclude<HttpRoute, 'other'>
  readonly operationId: string
  readonly tag: string
  /** A sentence without a full stop. */
  readonly summary: string
  readonly description?: string
  readonly parameters: readonly Parameter<unknown>[]
  readonly body?: RouteBody
  readonly answers: readonly RouteAnswer[]
  /** Besides `EVERY_ROUTE` and those of the parameters. */
  readonly errors: readonly ErrorCode[]
  readonly handle: Handler
}

export interface Verdict {
  readonly ok: boolean
  /** One sentence, shown to whoever asks. */
  readonly reason: string
}

/** What the handlers work with. */
export interface RouteParts {
  readonly cache: Cache
  readonly ready: () => Verdict
  /** Bytes that may wait for one connection. */
  readonly outputBufferLimitBytes: number
}

/** What any route that asks the cache may answer. */
export const CACHE_ERRORS: readonly ErrorCode[] = ['TRY_AGAIN', 'BUSY', 'INTERNAL']
/** What a route that changes something may answer besides. */
export const CHANGE_ERRORS: readonly ErrorCode[] = [...CACHE_ERRORS, 'OUTCOME_UNKNOWN', 'PARTITIONED']
/** What one that writes keys, and reads `ack`, may answer besides. */
export const WRITE_ERRORS: readonly ErrorCode[] = [...CHANGE_ERRORS, 'NO_REPLICAS', 'NOT_CONFIRMED']
/** What any route with a body may answer besides. */
export const BODY_ERRORS: readonly ErrorCode[] = ['BODY_INVALID', 'BODY_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED', 'REQUEST_TIMEOUT']

/** Schemas that the document names once: see openapi.ts. */
export const ANY_JSON: Schema = { $ref: '#/components/schemas/Json' }
export const PAIRS: Schema = { $ref: '#/components/schemas/Pairs' }

/** As fastify has it. */
export function patternOf(path: string): string {
  return path.replace('{key}', '*').replace('{address}', ':address').replace('{file}', ':file')
}

/** The value of `Allow` for a path that has these methods. */
export function allowOf(methods: Iterable<Method>): string {
  const all = [...methods].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return [...all, 'OPTIONS'].join(', ')
}
