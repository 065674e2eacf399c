/**
 * Plain GET: recognises, in the bytes of a chunk, a request that the fast lane may answer, and says nothing of any other.
 *
 * The shape: `GET /get/<key> HTTP/1.1`, a key of bytes that stand for themselves, and header fields that mean nothing for the answer, or what the
 * answer assumes anyway; each line ended by CR LF, all of it in the chunk. It is a subset of what RFC 9112 allows and of what Node's parser takes, chosen so
 * that both read it alike: no folding, no bare line feed, no white space but one space after a colon, no field twice that may stand once, nothing
 * that could announce a body, an upgrade or an end of the connection. Whatever differs in one byte is not judged here, not even as an error.
 *
 * A client sends the same fields with every request, so those that were judged once are kept and later compared as a block.
 */

import { preferred } from './accept.ts'
import { VALUE_FORMS } from './media-type.ts'
import { isHost } from './request-guard.ts'

/** A client with more than this beside its request line goes the ordinary way. */
const MAX_BLOCK_BYTES = 2048
/** From here on comparing in native code is faster than a loop. */
const LONG_BLOCK_BYTES = 96

const PREFIX = Buffer.from('GET /get/')
const SUFFIX = Buffer.from(' HTTP/1.1\r\n')
const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const COLON = 0x3a
const DELETE = 0x7f

/** 1 for bytes that stand for themselves in a path (RFC 3986, pchar and slash), so that no two decoders can differ about them. */
const KEY_BYTES = byteTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/")
const NAME_BYTES = byteTable('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-')

/** Fields whose value, whatever it is, changes nothing about the answer to a GET of a key. */
const IDLE_FIELDS: ReadonlySet<string> = new Set([
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'forwarded',
  'origin',
  'pragma',
  'priority',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-real-ip',
  'x-request-id',
])

export class PlainGet {
  readonly #maxKeyBytes: number
  /** The fields of the last request that was judged, with the empty line after them. */
  #known: Buffer | null = null
  /** Where the key of the last match is. */
  keyStart = 0
  keyEnd = 0

  constructor(maxKeyBytes: number) {
    this.#maxKeyBytes = maxKeyBytes
  }

  /** Where the request that begins at `at` ends; -1 if it is not of the shape, or not whole. */
  match(chunk: Buffer, at: number): number {
    if (!equalAt(chunk, at, PREFIX)) return -1
    const start = at + PREFIX.length
    const last = Math.min(chunk.length, start + this.#maxKeyBytes)
    let end = start
    while (end < last && KEY_BYTES[chunk[end] as number] === 1) end++
    if (end === start || !equalAt(chunk, end, SUFFIX)) return -1
    this.keyStart = start
    this.keyEnd = end
    const block = end + SUFFIX.length
    const known = this.#known
    if (known !== null && sameBlock(chunk, block, known)) return block + known.length
    return this.#judge(chunk, block)
  }

  #judge(chunk: Buffer, start: number): number {
    const seen = new Set<string>()
    let at = start
    while (chunk[at] !== CR) {
      const lineEnd = this.#judgeField(chunk, at, seen)
      if (lineEnd === -1 || lineEnd - start > MAX_BLOCK_BYTES) return -1
      at = lineEnd
    }
    // RFC 9112 has 400 for a request without it, and Node gives that.
    if (chunk[at + 1] !== LF || !seen.has('host')) return -1
    this.#known = Buffer.from(chunk.subarray(start, at + 2))
    return at + 2
  }

  /** Where the line after this field begins; -1 if it is none that can be left unread. */
  #judgeField(chunk: Buffer, start: number, seen: Set<string>): number {
    let at = start
    while (NAME_BYTES[chunk[at] ?? 0] === 1) at++
    if (at === start || chunk[at] !== COLON || chunk[at + 1] !== SPACE) return -1
    const name = chunk.toString('latin1', start, at).toLowerCase()
    const valueStart = at + 2
    at = valueStart
    while (isVisible(chunk[at])) at++
    if (at === valueStart || chunk[valueStart] === SPACE || chunk[at - 1] === SPACE || chunk[at] !== CR || chunk[at + 1] !== LF) return -1
    if (seen.has(name)) return -1
    seen.add(name)
    return isHarmless(name, chunk.toString('latin1', valueStart, at)) ? at + 2 : -1
  }
}

function isHarmless(name: string, value: string): boolean {
  switch (name) {
    case 'host':
      return isHost(value)
    case 'accept':
      return preferred(value, VALUE_FORMS) === VALUE_FORMS[0]
    case 'connection':
      return value.toLowerCase() === 'keep-alive'
    default:
      return IDLE_FIELDS.has(name)
  }
}

function isVisible(byte: number | undefined): boolean {
  return byte !== undefined && byte >= SPACE && byte < DELETE
}

function sameBlock(chunk: Buffer, start: number, known: Buffer): boolean {
  const end = start + known.length
  if (end > chunk.length) return false
  return known.length < LONG_BLOCK_BYTES ? equalAt(chunk, start, known) : known.compare(chunk, start, end) === 0
}

function equalAt(chunk: Buffer, start: number, bytes: Buffer): boolean {
  if (start + bytes.length > chunk.length) return false
  for (let i = 0; i < bytes.length; i++) if (chunk[start + i] !== bytes[i]) return false
  return true
}

function byteTable(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const byte of Buffer.from(characters)) table[byte] = 1
  return table
}
