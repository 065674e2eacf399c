/**
 * Texts: values as plain bytes. `/v1/{key}`, and `/flush`.
 *
 * The tag of a value is its version (see entity-tag.ts), so a client can write only what it has seen, and read only what has changed.
 */

import { isUtf8 } from 'node:buffer'
import type { FlushResult } from '../../cache/cache.ts'
import { ACK_LOCAL, EXPIRY_IN, OPERATION_DELETE, OPERATION_GET, OPERATION_SET, Operation } from '../../cache/operation.ts'
import { CacheError } from '../../lib/errors.ts'
import { writeIf } from './conditional-write.ts'
import { formatEntityTag, meetsIfMatch, meetsIfNoneMatch, type Preconditions } from './entity-tag.ts'
import type { Exchange } from './exchange.ts'
import { JSON_TYPE, OCTETS_TYPE, TEXT_BODY_TYPES, TEXT_TYPE } from './media-type.ts'
import { keyNotFound } from './pairs-routes.ts'
import { ACK, CACHE_CONTROL, IF_MATCH, IF_NONE_MATCH, keyParameter, MAX_STALE, TTL } from './parameter.ts'
import {
  BODY_ERRORS,
  CACHE_ERRORS,
  CHANGE_ERRORS,
  type Content,
  type Method,
  type Route,
  type RouteAnswer,
  type RouteParts,
  WRITE_ERRORS,
} from './route.ts'

const OK: Content = { type: 'text/plain', schema: { type: 'string' }, example: 'OK' }
const TAG = { ETag: 'The version of the value: `"ms-counter-writer"`.' }
const GONE: RouteAnswer = { status: 204, description: 'Gone, whether it was there or not.', contents: [] }

export function textRoutes(parts: RouteParts): Route[] {
  const { limits } = parts.cache
  const key = keyParameter(limits.maxKeyBytes)
  const shared = { path: '/v1/{key}', tag: 'texts' } as const
  const write = (method: Method, operationId: string, summary: string): Route => ({
    ...shared,
    method,
    operationId,
    summary,
    description: 'The body is the value, whatever its bytes. The value is replaced with its expiry.',
    parameters: [key, TTL, CACHE_CONTROL, ACK, IF_MATCH, IF_NONE_MATCH],
    body: {
      description: `The value, at most ${limits.maxValueBytes} bytes.`,
      types: TEXT_BODY_TYPES,
      required: false,
      schema: { type: 'string' },
      example: 'a value',
    },
    answers: [{ status: 200, description: 'Written.', contents: [OK], headers: TAG }],
    errors: ['PRECONDITION_FAILED', 'VALUE_TOO_LARGE', 'OUT_OF_MEMORY', ...BODY_ERRORS, ...WRITE_ERRORS],
    handle: (exchange, body) => put(parts, exchange, body),
  })
  const flushRoute = (method: Method, operationId: string): Route => ({
    method,
    path: '/flush',
    operationId,
    tag: 'texts',
    summary: 'Removes every key',
    parameters: [],
    answers: [
      { status: 204, description: 'Every key that was there is gone.', contents: [] },
      {
        status: 200,
        description: 'The members named could not be reached: keys that only they hold may come back.',
        contents: [
          {
            type: 'application/json',
            schema: { type: 'object', required: ['unreached'], properties: { unreached: { type: 'array', items: { type: 'string' } } } },
            example: { unreached: ['jackdaw-2'] },
          },
        ],
      },
    ],
    errors: CHANGE_ERRORS,
    handle: (exchange) => flush(parts, exchange),
  })
  return [
    {
      ...shared,
      method: 'GET',
      operationId: 'getText',
      summary: 'The bytes of a value',
      description: 'Of a JSON value, its text. A value whose bytes are not UTF-8 comes as `application/octet-stream`.',
      parameters: [key, MAX_STALE, IF_MATCH, IF_NONE_MATCH],
      answers: [
        {
          status: 200,
          description: 'The value.',
          contents: [
            { type: 'text/plain', schema: { type: 'string' }, example: 'a value' },
            { type: OCTETS_TYPE, schema: {} },
          ],
          headers: TAG,
        },
        { status: 304, description: 'The value has a version that `If-None-Match` names.', contents: [], headers: TAG },
      ],
      errors: ['KEY_NOT_FOUND', 'PRECONDITION_FAILED', ...CACHE_ERRORS],
      handle: (exchange) => get(parts, exchange),
    },
    write('PUT', 'putText', 'Sets a value'),
    write('POST', 'postText', 'Sets a value, as PUT does'),
    {
      ...shared,
      method: 'DELETE',
      operationId: 'deleteText',
      summary: 'Removes a key',
      parameters: [key, ACK, IF_MATCH, IF_NONE_MATCH],
      answers: [GONE],
      errors: ['PRECONDITION_FAILED', ...WRITE_ERRORS],
      handle: (exchange) => remove(parts, exchange),
    },
    flushRoute('DELETE', 'flush'),
    flushRoute('POST', 'postFlush'),
  ]
}

function get({ cache }: RouteParts, exchange: Exchange): void {
  const preconditions = preconditionsOf(exchange)
  const operation = new Operation().reset(OPERATION_GET).setKey(exchange.key(cache.limits.maxKeyBytes))
  operation.maxStaleMs = exchange.parameter(MAX_STALE) ?? 0
  cache.execute(operation, (error, outcome) => {
    if (error !== null || outcome === null) {
      exchange.fail(error)
      return
    }
    const { entry } = outcome
    if (entry === null) {
      exchange.fail(keyNotFound())
      return
    }
    const tag = formatEntityTag(outcome)
    exchange.header('etag', tag)
    if (!meetsIfMatch(preconditions, tag)) {
      exchange.fail(new CacheError('PRECONDITION_FAILED', `the value has the version ${tag}`))
    } else if (!meetsIfNoneMatch(preconditions, tag)) {
      exchange.sendNothing(304)
    } else {
      const value = Buffer.from(entry.valueBytes())
      exchange.header('x-content-type-options', 'nosniff').send(200, isUtf8(value) ? TEXT_TYPE : OCTETS_TYPE, value)
    }
  })
}

function put({ cache }: RouteParts, exchange: Exchange, body: Buffer): void {
  const { maxKeyBytes, maxValueBytes } = cache.limits
  const operation = new Operation().reset(OPERATION_SET).setKey(exchange.key(maxKeyBytes)).setValue(body)
  const ttlMs = exchange.parameter(TTL) ?? exchange.parameter(CACHE_CONTROL)
  if (ttlMs !== null) operation.setExpiry(EXPIRY_IN, ttlMs)
  operation.ack = exchange.parameter(ACK) ?? ACK_LOCAL
  const preconditions = preconditionsOf(exchange)
  if (body.length > maxValueBytes) {
    throw new CacheError('VALUE_TOO_LARGE', `the value has ${body.length} bytes, over maxValueBytes (${maxValueBytes})`)
  }
  writeIf(cache, operation, preconditions, (error, tag) => {
    if (error !== null) exchange.fail(error)
    else exchange.header('etag', tag ?? '').sendText(200, 'OK')
  })
}

function remove({ cache }: RouteParts, exchange: Exchange): void {
  const operation = new Operation().reset(OPERATION_DELETE).setKey(exchange.key(cache.limits.maxKeyBytes))
  operation.ack = exchange.parameter(ACK) ?? ACK_LOCAL
  writeIf(cache, operation, preconditionsOf(exchange), (error) => {
    if (error !== null) exchange.fail(error)
    else exchange.sendNothing(204)
  })
}

function flush({ cache }: RouteParts, exchange: Exchange): void {
  cache.flush((error, result: FlushResult | null) => {
    if (error !== null || result === null) exchange.fail(error)
    else if (result.unreached.length === 0) exchange.sendNothing(204)
    else exchange.send(200, JSON_TYPE, JSON.stringify({ unreached: result.unreached }))
  })
}

function preconditionsOf(exchange: Exchange): Preconditions {
  return { ifMatch: exchange.parameter(IF_MATCH), ifNoneMatch: exchange.parameter(IF_NONE_MATCH) }
}
