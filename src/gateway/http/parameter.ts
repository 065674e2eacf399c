/**
 * Parameters: what a request may say beside its path and body. Each is one object that both reads the text and tells the OpenAPI document what it
 * reads, so the two cannot differ: the limits that are checked are those of the schema.
 *
 * Parameters that no route names are ignored, as proxies and browsers add their own.
 */
import { ACK_ALL, ACK_LOCAL, ACK_REPLICA, type AckMode, MAX_STALE_MS } from '../../cache/operation.ts'
import type { Bytes } from '../../lib/bytes.ts'
import { CacheError, type ErrorCode } from '../../lib/errors.ts'
import { type EntityTags, parseEntityTags } from './entity-tag.ts'
import { MAX_TTL_MS, parseDurationMs, parseTtlMs, TTL_PATTERN } from './ttl.ts'

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type Schema = Readonly<Record<string, unknown>>

export interface Parameter<T> {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly description: string
  readonly schema: Schema
  readonly example?: string | number | boolean
  /** What a request is refused with that has it wrong. */
  readonly error: ErrorCode
  /** Throws `CacheError`. */
  parse(text: string): T
}

/** Entries of one answer with a `limit`. */
const MAX_LIMIT = 10_000

export const TTL: Parameter<number> = {
  name: 'ttl',
  in: 'query',
  description: `Time to live: seconds, or a number with ms, s, m, h or d; 1 ms to ${MAX_TTL_MS / 86_400_000} days. Without it the value stays.`,
  schema: { type: 'string', pattern: TTL_PATTERN },
  error: 'TTL_INVALID',
  parse: parseTtlMs,
}

const ACKS: ReadonlyMap<string, AckMode> = new Map([
  ['local', ACK_LOCAL],
  ['replica', ACK_REPLICA],
  ['all', ACK_ALL],
])

/** When a write is answered. */
export const ACK: Parameter<AckMode> = {
  name: 'ack',
  in: 'query',
  description:
    'When it is answered: once it is written (`local`), once one replica has it too (`replica`), or once all replicas have it (`all`).',
  schema: { type: 'string', enum: [...ACKS.keys()], default: 'local' },
  error: 'QUERY_INVALID',
  parse: (text) => {
    const ack = ACKS.get(text)
    if (ack === undefined) throw new CacheError('QUERY_INVALID', 'ack must be local, replica or all')
    return ack
  },
}

/** How old an answer may be. */
export const MAX_STALE: Parameter<number> = {
  name: 'max-stale',
  in: 'query',
  description:
    'How old the answer may be: seconds, or a number with ms, s, m or h, up to a day. A member that has a copy which was as its primary no longer ago answers from it. Without it, and with 0, the primary answers.',
  schema: { type: 'string', pattern: TTL_PATTERN },
  error: 'QUERY_INVALID',
  parse: (text) => {
    const ms = parseDurationMs(text)
    if (ms === null || ms > MAX_STALE_MS) {
      throw new CacheError('QUERY_INVALID', 'max-stale must be a number of seconds, or a number with ms, s, m or h, of at most a day')
    }
    return ms
  },
}

export const PREFIX = bytesParameter('prefix', 'What the key begins with.')
export const SUFFIX = bytesParameter('suffix', 'What the key ends with.')

export const VALUES: Parameter<boolean> = {
  name: 'values',
  in: 'query',
  description: 'True: an object of pairs instead of an array of keys.',
  schema: { type: 'boolean', default: false },
  error: 'QUERY_INVALID',
  parse: (text) => {
    if (text !== 'true' && text !== 'false') throw new CacheError('QUERY_INVALID', 'values must be true or false')
    return text === 'true'
  },
}

export const LIMIT = integerParameter(
  'limit',
  'At most so many entries. The header `Link` leads to those that follow; an answer that grows over 4 MiB ends early, and links likewise.',
  1,
  MAX_LIMIT,
)

/** Where an earlier answer ended; the bytes of its last key in base64url. */
export function cursorParameter(maxKeyBytes: number): Parameter<Buffer> {
  return {
    name: 'cursor',
    in: 'query',
    description: 'Where an earlier answer ended, as its `Link` says.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', maxLength: Math.ceil((maxKeyBytes * 4) / 3) },
    error: 'QUERY_INVALID',
    parse: (text) => {
      const key = Buffer.from(text, 'base64url')
      if (key.length === 0 || key.length > maxKeyBytes || key.toString('base64url') !== text) {
        throw new CacheError('QUERY_INVALID', 'cursor is not one that an earlier answer linked to')
      }
      return key
    },
  }
}

export const IF_MATCH = tagsParameter('If-Match', 'Only if the key has one of these versions; `*`: only if there is a value.')
export const IF_NONE_MATCH = tagsParameter('If-None-Match', 'Only if the key has none of these versions; `*`: only if there is no value.')

const MAX_AGE = /^max-age(?:=(.*))?$/i
/** RFC 9111 has servers read a number in quotes, too. */
const SECONDS = /^("?)(\d+)\1$/

/** The time to live in ms that a `max-age` gives; `null` where there is none. */
export const CACHE_CONTROL: Parameter<number | null> = {
  name: 'Cache-Control',
  in: 'header',
  description: '`max-age=<seconds>` is the time to live, unless `ttl` is given. Other directives are ignored.',
  schema: { type: 'string' },
  error: 'TTL_INVALID',
  parse: (text) => {
    for (const directive of text.split(',')) {
      const age = MAX_AGE.exec(directive.trim())
      if (age === null) continue
      const seconds = SECONDS.exec(age[1] ?? '')?.[2]
      if (seconds === undefined) throw new CacheError('TTL_INVALID', 'max-age must be a whole number of seconds')
      return parseTtlMs(seconds)
    }
    return null
  },
}

/** The rest of the path; read by `keyOf` in request-target.ts, as no router keeps its bytes. */
export function keyParameter(maxKeyBytes: number): Parameter<never> {
  return {
    name: 'key',
    in: 'path',
    description: `1 to ${maxKeyBytes} bytes of UTF-8, percent-encoded once. A slash may be encoded or not: it is the same key.`,
    schema: { type: 'string', minLength: 1, maxLength: maxKeyBytes },
    example: 'abc-1',
    error: 'KEY_INVALID',
    parse: () => {
      throw new TypeError('keys are read from the path')
    },
  }
}

function integerParameter(name: string, description: string, minimum: number, maximum: number): Parameter<number> {
  return {
    name,
    in: 'query',
    description,
    schema: { type: 'integer', minimum, maximum },
    error: 'QUERY_INVALID',
    parse: (text) => {
      const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
      if (!(number >= minimum && number <= maximum)) {
        throw new CacheError('QUERY_INVALID', `${name} must be a whole number from ${minimum} to ${maximum}`)
      }
      return number
    },
  }
}

function bytesParameter(name: string, description: string): Parameter<Bytes> {
  return { name, in: 'query', description, schema: { type: 'string' }, error: 'QUERY_INVALID', parse: (text) => Buffer.from(text) }
}

function tagsParameter(name: string, description: string): Parameter<EntityTags> {
  return {
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
    error: 'REQUEST_INVALID',
    parse: (text) => parseEntityTags(name, text),
  }
}
