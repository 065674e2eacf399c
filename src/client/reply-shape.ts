/** What a reply has to look like for the method that asked; anything else is a `ProtocolError`. */
import { ProtocolError } from './errors.ts'
import type { Reply } from './resp.ts'

export function bytesOrNull(reply: Reply | undefined): Buffer | null {
  if (reply === null || Buffer.isBuffer(reply)) return reply
  throw unexpected('a value')
}

export function bytesOf(reply: Reply | undefined): Buffer {
  if (Buffer.isBuffer(reply)) return reply
  throw unexpected('a value')
}

/** Integers beyond 2^53 lose their last digits. */
export function numberOf(reply: Reply | undefined): number {
  if (typeof reply === 'number' || typeof reply === 'bigint') return Number(reply)
  throw unexpected('an integer')
}

/** What GETENTRY answers. */
export function entryOrNull(reply: Reply): { readonly value: Buffer; readonly json: boolean; readonly ttlMs: number } | null {
  if (reply === null) return null
  const [kind, value, left] = arrayOf(reply)
  const ttlMs = numberOf(left)
  return { json: bytesOf(kind).toString() === 'json', value: bytesOf(value), ttlMs: ttlMs < 0 ? Infinity : ttlMs }
}

function arrayOf(reply: Reply | undefined): Reply[] {
  if (Array.isArray(reply)) return reply
  throw unexpected('an array')
}

/** One page of a walk over keys: where to go on, and the keys. */
export function pageOf(reply: Reply): { readonly cursor: string; readonly keys: Buffer[] } {
  const [cursor, keys] = arrayOf(reply)
  return { cursor: bytesOf(cursor).toString(), keys: arrayOf(keys).map(bytesOf) }
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`the server answered something else than ${what}`)
}
