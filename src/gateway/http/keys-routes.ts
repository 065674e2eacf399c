/**
 * Keys: one key and its value as members of a JSON object. `/keys` with JSON values, `/v1/keys` with base64.
 */

import type { Cache } from '../../cache/cache.ts'
import { ACK_LOCAL, EXPIRY_IN, OPERATION_DELETE, OPERATION_GET, OPERATION_SET, Operation, type Outcome } from '../../cache/operation.ts'
import { ByteWriter } from '../../lib/bytes.ts'
import { Entry, VALUE_STRING, type ValueKind } from '../../lib/entry.ts'
import type { JsonScanner } from '../../lib/json-scanner.ts'
import type { Exchange } from './exchange.ts'
import { type ObjectSchema, readMembers, readText } from './json-members.ts'
import { checkLength, decodeBase64, readKey, readValue } from './json-pairs.ts'
import { appendString, appendValue } from './json-text.ts'
import { JSON_BODY_TYPES, JSON_FORM, JSON_TYPE } from './media-type.ts'
import { keyNotFound } from './pairs-routes.ts'
import { ACK, keyParameter, MAX_STALE, TTL } from './parameter.ts'
import { ANY_JSON, BODY_ERRORS, CACHE_ERRORS, type Route, type RouteParts, WRITE_ERRORS } from './route.ts'

const OPEN_KEY = Buffer.from('{"key":')
const OPEN_VALUE = Buffer.from(',"value":')
const CLOSE = Buffer.from('}')

const RECORD = { key: 'abc-1', value: { n: 1 } }
const BASE64_RECORD = { value: 'dGhyZWU=' }

export function keysRoutes(parts: RouteParts): Route[] {
  const { limits } = parts.cache
  const key = keyParameter(limits.maxKeyBytes)
  const record: ObjectSchema = {
    type: 'object',
    required: ['key', 'value'],
    properties: { key: { type: 'string', minLength: 1, maxLength: limits.maxKeyBytes }, value: ANY_JSON },
    additionalProperties: false,
  }
  const base64: ObjectSchema = {
    type: 'object',
    required: ['value'],
    properties: { value: { type: 'string', contentEncoding: 'base64', maxLength: Math.ceil(limits.maxValueBytes / 3) * 4 } },
    additionalProperties: false,
  }
  const body = { types: JSON_BODY_TYPES, required: true }
  const recordContents = [{ type: JSON_FORM, schema: record, example: RECORD }]
  const base64Contents = [{ type: JSON_FORM, schema: base64, example: BASE64_RECORD }]
  const writeErrors = ['KEY_INVALID', 'VALUE_TOO_LARGE', 'OUT_OF_MEMORY', ...BODY_ERRORS, ...WRITE_ERRORS] as const
  return [
    {
      method: 'POST',
      path: '/keys',
      operationId: 'createKey',
      tag: 'keys',
      summary: 'Sets a key',
      parameters: [TTL, ACK],
      body: { ...body, description: 'The key and any JSON value.', schema: record, example: RECORD },
      answers: [
        { status: 201, description: 'What was set.', contents: recordContents, headers: { Location: 'Where the key can be read.' } },
      ],
      errors: writeErrors,
      handle: (exchange, sent) => create(parts.cache, record, exchange, sent),
    },
    {
      method: 'GET',
      path: '/keys/{key}',
      operationId: 'getKey',
      tag: 'keys',
      summary: 'A key and its value',
      parameters: [key, MAX_STALE],
      answers: [{ status: 200, description: 'Both.', contents: recordContents }],
      errors: ['KEY_NOT_FOUND', ...CACHE_ERRORS],
      handle: (exchange) => read(parts.cache, exchange, recordOf),
    },
    {
      method: 'DELETE',
      path: '/keys/{key}',
      operationId: 'deleteKey',
      tag: 'keys',
      summary: 'Removes a key',
      parameters: [key, ACK],
      answers: [{ status: 204, description: 'Gone, whether it was there or not.', contents: [] }],
      errors: WRITE_ERRORS,
      handle: (exchange) => remove(parts.cache, exchange, () => exchange.sendNothing(204)),
    },
    {
      method: 'POST',
      path: '/v1/keys/{key}',
      operationId: 'setBase64',
      tag: 'base64',
      summary: 'Sets a key to bytes',
      parameters: [key, TTL, ACK],
      body: { ...body, description: 'The bytes in base64, with padding.', schema: base64, example: BASE64_RECORD },
      answers: [
        {
          status: 200,
          description: 'Set.',
          contents: [{ type: JSON_FORM, schema: { type: 'object', properties: { set: { type: 'integer' } } }, example: { set: 1 } }],
        },
      ],
      errors: writeErrors,
      handle: (exchange, sent) => setBase64(parts.cache, base64, exchange, sent),
    },
    {
      method: 'GET',
      path: '/v1/keys/{key}',
      operationId: 'getBase64',
      tag: 'base64',
      summary: 'The bytes of a value',
      parameters: [key, MAX_STALE],
      answers: [{ status: 200, description: 'The bytes in base64.', contents: base64Contents }],
      errors: ['KEY_NOT_FOUND', ...CACHE_ERRORS],
      handle: (exchange) => read(parts.cache, exchange, base64Of),
    },
    {
      method: 'DELETE',
      path: '/v1/keys/{key}',
      operationId: 'deleteBase64',
      tag: 'base64',
      summary: 'Removes a key',
      parameters: [key, ACK],
      answers: [
        {
          status: 200,
          description: 'Gone. `deleted` tells whether it was there.',
          contents: [
            { type: JSON_FORM, schema: { type: 'object', properties: { deleted: { type: 'boolean' } } }, example: { deleted: true } },
          ],
        },
      ],
      errors: WRITE_ERRORS,
      handle: (exchange) => remove(parts.cache, exchange, ({ existed }) => exchange.send(200, JSON_TYPE, `{"deleted":${existed}}`)),
    },
  ]
}

function create(cache: Cache, schema: ObjectSchema, exchange: Exchange, body: Buffer): void {
  const members = readMembers(body, schema)
  const key = readKey(members.get('key') as JsonScanner, cache.limits.maxKeyBytes)
  const { value, kind } = readValue(members.get('value') as JsonScanner, body, cache.limits.maxValueBytes, key)
  store(cache, exchange, key, value, kind, () => {
    exchange.header('location', `/keys/${encodeURIComponent(key.toString())}`)
    exchange.send(201, JSON_TYPE, recordOf(key, entryOf(value, kind)))
  })
}

function setBase64(cache: Cache, schema: ObjectSchema, exchange: Exchange, body: Buffer): void {
  const key = exchange.key(cache.limits.maxKeyBytes)
  const scanner = readMembers(body, schema).get('value') as JsonScanner
  readText(scanner, 'value')
  const value = decodeBase64(scanner)
  checkLength(value, cache.limits.maxValueBytes, key)
  store(cache, exchange, key, value, VALUE_STRING, () => exchange.send(200, JSON_TYPE, '{"set":1}'))
}

function store(cache: Cache, exchange: Exchange, key: Buffer, value: Buffer, kind: ValueKind, done: () => void): void {
  const operation = new Operation().reset(OPERATION_SET).setKey(key).setValue(value)
  operation.kind = kind
  const ttlMs = exchange.parameter(TTL)
  if (ttlMs !== null) operation.setExpiry(EXPIRY_IN, ttlMs)
  operation.ack = exchange.parameter(ACK) ?? ACK_LOCAL
  cache.execute(operation, (error) => {
    if (error !== null) exchange.fail(error)
    else done()
  })
}

function read(cache: Cache, exchange: Exchange, format: (key: Buffer, entry: Entry) => Buffer): void {
  const key = exchange.key(cache.limits.maxKeyBytes)
  const operation = new Operation().reset(OPERATION_GET).setKey(key)
  operation.maxStaleMs = exchange.parameter(MAX_STALE) ?? 0
  cache.execute(operation, (error, outcome) => {
    if (error !== null) exchange.fail(error)
    else if (outcome?.entry == null) exchange.fail(keyNotFound())
    else exchange.send(200, JSON_TYPE, format(key, outcome.entry))
  })
}

function remove(cache: Cache, exchange: Exchange, done: (outcome: Outcome) => void): void {
  const operation = new Operation().reset(OPERATION_DELETE).setKey(exchange.key(cache.limits.maxKeyBytes))
  operation.ack = exchange.parameter(ACK) ?? ACK_LOCAL
  cache.execute(operation, (error, outcome) => {
    if (error !== null || outcome === null) exchange.fail(error)
    else done(outcome)
  })
}

function recordOf(key: Buffer, entry: Entry): Buffer {
  const out = new ByteWriter(entry.valueEnd - entry.valueStart + key.length + 32).raw(OPEN_KEY)
  appendString(out, key, 0, key.length)
  out.raw(OPEN_VALUE)
  appendValue(out, entry)
  return out.raw(CLOSE).toBuffer()
}

function base64Of(_key: Buffer, { value, valueStart, valueEnd }: Entry): Buffer {
  return Buffer.from(`{"value":"${value.toString('base64', valueStart, valueEnd)}"}`)
}

function entryOf(value: Buffer, kind: ValueKind): Entry {
  const entry = new Entry().setValue(value)
  entry.kind = kind
  return entry
}
