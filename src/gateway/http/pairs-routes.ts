/**
 * Pairs: keys with JSON values. `/get/{key}`, `/set`, `/search`, and `/` with everything.
 */

import type { SetManyResult } from '../../cache/cache.ts'
import { ACK_LOCAL, OPERATION_GET, Operation } from '../../cache/operation.ts'
import { ByteWriter, NO_BYTES } from '../../lib/bytes.ts'
import { type Entry, VALUE_JSON } from '../../lib/entry.ts'
import { CacheError } from '../../lib/errors.ts'
import { COMMA } from '../../lib/json-scanner.ts'
import { preferred } from './accept.ts'
import { errorObject } from './error-answer.ts'
import type { Exchange } from './exchange.ts'
import { PairReader } from './json-pairs.ts'
import { appendString, appendValue } from './json-text.ts'
import { landingPage } from './landing-page.ts'
import { HTML_TYPE, JSON_BODY_TYPES, JSON_FORM, JSON_TYPE, OCTETS_TYPE, TEXT_TYPE, VALUE_FORMS } from './media-type.ts'
import { ACK, cursorParameter, keyParameter, LIMIT, MAX_STALE, type Parameter, PREFIX, SUFFIX, TTL, VALUES } from './parameter.ts'
import { ANY_JSON, BODY_ERRORS, CACHE_ERRORS, type Content, PAIRS, type Route, type RouteParts, WRITE_ERRORS } from './route.ts'
import { ScanAnswer, SKIPPED_KEYS_HEADER } from './scan-answer.ts'

const PAGE_FORMS = [JSON_FORM, 'text/html'] as const

const EXAMPLE = { 'abc-1': 1, 'abc-2': 2, 'xyz-1': 'three', 'xyz-2': 4 }
const KEYS: Content = { type: JSON_FORM, schema: { type: 'array', items: { type: 'string' } }, example: ['abc-1', 'abc-2'] }
const ALL: Content = { type: JSON_FORM, schema: PAIRS, example: EXAMPLE }
const SKIPPED = {
  [SKIPPED_KEYS_HEADER]:
    'How many keys were left out because they are not UTF-8; absent when none was. A trailer when the answer is streamed.',
}

export function pairsRoutes(parts: RouteParts): Route[] {
  const { limits } = parts.cache
  const cursor = cursorParameter(limits.maxKeyBytes)
  return [
    {
      method: 'GET',
      path: '/get/{key}',
      operationId: 'getValue',
      tag: 'pairs',
      summary: 'The value of a key, as the JSON it was set with',
      description:
        'A value whose bytes are not UTF-8 is `{"$base64":"..."}`. With `Accept: text/plain` or `application/octet-stream`: its bytes.',
      parameters: [keyParameter(limits.maxKeyBytes), MAX_STALE],
      answers: [
        {
          status: 200,
          description: 'The value.',
          contents: [
            { type: JSON_FORM, schema: ANY_JSON, example: 'three' },
            { type: 'text/plain', schema: { type: 'string' }, example: 'three' },
            { type: OCTETS_TYPE, schema: {} },
          ],
        },
      ],
      errors: ['KEY_NOT_FOUND', ...CACHE_ERRORS],
      handle: (exchange) => get(parts, exchange),
    },
    {
      method: 'POST',
      path: '/set',
      operationId: 'setPairs',
      tag: 'pairs',
      summary: 'Sets pairs',
      description:
        'Any JSON values; digits are kept as they were sent. `{"$base64":"..."}` sets bytes. All pairs are checked before the first is written. If some then cannot be written, or are not confirmed as `ack` asks, the answer is an error that names them.',
      parameters: [TTL, ACK],
      body: { description: 'Keys and values.', types: JSON_BODY_TYPES, required: true, schema: PAIRS, example: EXAMPLE },
      answers: [
        {
          status: 200,
          description: 'How many were set.',
          contents: [
            {
              type: JSON_FORM,
              schema: { type: 'object', required: ['set'], properties: { set: { type: 'integer' } } },
              example: { set: 4 },
            },
          ],
        },
      ],
      errors: ['KEY_INVALID', 'VALUE_TOO_LARGE', 'OUT_OF_MEMORY', ...BODY_ERRORS, ...WRITE_ERRORS],
      handle: (exchange, body) => set(parts, exchange, body),
    },
    {
      method: 'GET',
      path: '/search',
      operationId: 'search',
      tag: 'pairs',
      summary: 'Keys by prefix and suffix, in the order of their bytes',
      description: 'With both, both must hold; with none, every key. Streamed, unless there is a `limit`.',
      parameters: [PREFIX, SUFFIX, LIMIT, cursor, VALUES],
      answers: [
        {
          status: 200,
          description: 'An array of keys; with `values=true` an object of pairs.',
          contents: [KEYS],
          headers: { Link: 'With a `limit`, when there is more: `</search?...>; rel="next"`.', ...SKIPPED },
        },
      ],
      errors: CACHE_ERRORS,
      handle: (exchange) => search(parts, cursor, exchange),
    },
    {
      method: 'GET',
      path: '/',
      operationId: 'getAll',
      tag: 'pairs',
      summary: 'All pairs, as one JSON object',
      description: 'Streamed. With `Accept: text/html`, as browsers send it: a page about this server.',
      parameters: [],
      answers: [
        {
          status: 200,
          description: 'All pairs.',
          contents: [ALL, { type: 'text/html', schema: { type: 'string' }, example: '<!doctype html>...' }],
          headers: SKIPPED,
        },
      ],
      errors: CACHE_ERRORS,
      handle: (exchange) => all(parts, exchange),
    },
  ]
}

function get({ cache }: RouteParts, exchange: Exchange): void {
  const operation = new Operation().reset(OPERATION_GET).setKey(exchange.key(cache.limits.maxKeyBytes))
  operation.maxStaleMs = exchange.parameter(MAX_STALE) ?? 0
  exchange.header('vary', 'accept')
  cache.execute(operation, (error, outcome) => {
    if (error !== null) exchange.fail(error)
    else if (outcome?.entry == null) exchange.fail(keyNotFound())
    else sendValue(exchange, outcome.entry)
  })
}

export function keyNotFound(): CacheError {
  return new CacheError('KEY_NOT_FOUND', 'no value is stored under the key')
}

function set({ cache }: RouteParts, exchange: Exchange, body: Buffer): void {
  const ttlMs = exchange.parameter(TTL)
  const ack = exchange.parameter(ACK) ?? ACK_LOCAL
  if (body.length === 0) throw new CacheError('BODY_INVALID', 'the body is empty: send a JSON object of pairs')
  const reader = new PairReader(body, ttlMs, cache.limits, ack)
  const goOn = (): void => {
    try {
      if (!reader.read()) exchange.context.clock.soon(goOn)
      else
        cache.setMany(reader.requests, (error, result) => {
          if (error !== null || result === null) exchange.fail(error)
          else sendResult(exchange, result)
        })
    } catch (error) {
      exchange.fail(error)
    }
  }
  goOn()
}

function search({ cache, outputBufferLimitBytes }: RouteParts, cursor: Parameter<Buffer>, exchange: Exchange): void {
  const values = exchange.parameter(VALUES) ?? false
  const limit = exchange.parameter(LIMIT)
  const prefix = exchange.parameter(PREFIX) ?? NO_BYTES
  const suffix = exchange.parameter(SUFFIX) ?? NO_BYTES
  const after = exchange.parameter(cursor)
  const linkAfter = (key: Buffer): string => linkTo(exchange, cursor, key)
  const scan = cache.scan({ prefix, suffix, after, values })
  new ScanAnswer(exchange, scan, { values, limit, linkAfter, maxBytes: outputBufferLimitBytes }).start()
}

function all({ cache, outputBufferLimitBytes }: RouteParts, exchange: Exchange): void {
  exchange.header('vary', 'accept')
  if (preferred(exchange.reply.request.headers.accept, PAGE_FORMS) === 'text/html') {
    const { host, 'x-forwarded-proto': proto } = exchange.reply.request.headers
    exchange.send(200, HTML_TYPE, landingPage(host, proto === undefined ? undefined : String(proto)))
    return
  }
  const scan = cache.scan({ prefix: NO_BYTES, suffix: NO_BYTES, after: null, values: true })
  new ScanAnswer(exchange, scan, { values: true, limit: null, linkAfter: () => '', maxBytes: outputBufferLimitBytes }).start()
}

/** The entry is valid during the call only, so its bytes are copied. */
function sendValue(exchange: Exchange, entry: Entry): void {
  const form = preferred(exchange.reply.request.headers.accept, VALUE_FORMS)
  if (form === JSON_FORM && entry.kind !== VALUE_JSON) {
    const text = new ByteWriter(entry.valueEnd - entry.valueStart + 16)
    appendValue(text, entry)
    exchange.send(200, JSON_TYPE, text.toBuffer())
    return
  }
  const type = form === JSON_FORM ? JSON_TYPE : form === 'text/plain' ? TEXT_TYPE : form
  exchange.send(200, type, Buffer.from(entry.valueBytes()))
}

function sendResult(exchange: Exchange, result: SetManyResult): void {
  const { set, failed, unconfirmed, error } = result
  if (error === null) {
    exchange.send(200, JSON_TYPE, `{"set":${set}}`)
    return
  }
  const written = unconfirmed.length === 0 ? '' : `,"unconfirmed":${keyList(unconfirmed)}`
  const body = `{"error":${errorObject(error)},"set":${set},"failed":${keyList(failed)}${written}}`
  exchange.send(error.row.http, JSON_TYPE, body)
}

function keyList(keys: readonly Buffer[]): string {
  const text = new ByteWriter()
  keys.forEach((key, i) => {
    if (i > 0) text.u8(COMMA)
    appendString(text, key, 0, key.length)
  })
  return `[${text.toBuffer().toString()}]`
}

/** The same question, from a key on. */
function linkTo(exchange: Exchange, cursor: Parameter<Buffer>, key: Buffer): string {
  const parameters = new URLSearchParams()
  for (const parameter of [PREFIX, SUFFIX, VALUES, LIMIT]) {
    const text = exchange.text(parameter)
    if (text !== null) parameters.set(parameter.name, text)
  }
  parameters.set(cursor.name, key.toString('base64url'))
  return `</search?${parameters}>; rel="next"`
}
