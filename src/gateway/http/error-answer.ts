/**
 * Error answers: what went wrong, as `{"error":{"code","message"}}`, with the status from the table in lib/errors.ts.
 *
 * Fastify and Node's parser have errors of their own; here they are given the row of the table that says the same.
 */

import { STATUS_CODES } from 'node:http'
import { CacheError, type ErrorCode, publicCode } from '../../lib/errors.ts'
import { JSON_TYPE } from './media-type.ts'

/** Fastify's and Node's codes for what a client did wrong. Everything else is a defect. */
const CLIENT_ERRORS: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', ['BODY_TOO_LARGE', 'the body is over maxBodyBytes']],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', ['MEDIA_TYPE_UNSUPPORTED', 'the content type cannot be read']],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', ['BODY_INVALID', 'the body is not as long as its content-length says']],
  ['ECONNRESET', ['BODY_INVALID', 'the connection ended before the body did']],
  ['FST_ERR_BAD_URL', ['KEY_INVALID', 'the path is not percent-encoded UTF-8']],
  ['FST_ERR_MAX_PARAM_LENGTH', ['KEY_INVALID', 'the key is over maxKeyBytes']],
  ['ERR_HTTP_REQUEST_TIMEOUT', ['REQUEST_TIMEOUT', 'the request did not arrive whole in time']],
])

/** The row for whatever was thrown while a request was read or answered. `INTERNAL`, with the cause, for what no client can be blamed for. */
export function toCacheError(error: unknown): CacheError {
  if (error instanceof CacheError) return error
  const known = CLIENT_ERRORS.get(codeOf(error))
  if (known !== undefined) return new CacheError(known[0], known[1], { cause: error })
  return new CacheError('INTERNAL', 'the server failed; its log has the cause', { cause: error })
}

/** What cannot be read as a request at all. */
export function toParseError(error: unknown): CacheError {
  if (codeOf(error) === 'HPE_HEADER_OVERFLOW') {
    return new CacheError('REQUEST_INVALID', 'the request line and headers are too long', { cause: error })
  }
  const known = toCacheError(error)
  return known.code === 'INTERNAL' ? new CacheError('REQUEST_INVALID', 'this is not an HTTP/1.1 request', { cause: error }) : known
}

/** A whole answer that ends its connection, for where there is no server to write one. */
export function errorResponse(error: CacheError): string {
  const body = errorBody(error)
  const { http } = error.row
  return `HTTP/1.1 ${http} ${STATUS_CODES[http]}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

export function errorBody(error: CacheError): string {
  return `{"error":${errorObject(error)}}`
}

export function errorObject(error: CacheError): string {
  return JSON.stringify({ code: publicCode(error.code), message: error.message })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
