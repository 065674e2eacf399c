/**
 * JSON pairs: one JSON object of a request body as the keys and values to be set.
 *
 * Every value keeps the bytes it was sent with, less the white space around it; only strings are unescaped, so that other faces read the text
 * itself, and `{"$base64":"..."}` stands for bytes that no JSON string can hold. A key that is named twice takes its last value, as JavaScript's
 * own parser has it. Everything is checked before anything is answered: a body is taken whole or refused whole.
 */
import { isUtf8 } from 'node:buffer'
import type { Limits, SetRequest } from '../../cache/cache.ts'
import { ACK_LOCAL, type AckMode } from '../../cache/operation.ts'
import { VALUE_JSON, VALUE_STRING, type ValueKind } from '../../lib/entry.ts'
import { CacheError } from '../../lib/errors.ts'
import { CLOSE_BRACE, COLON, COMMA, JsonScanner, OPEN_BRACE, QUOTE } from '../../lib/json-scanner.ts'

/** Pairs in one body. Each costs a few hundred bytes while it is on its way, many times what the smallest takes on the wire. */
export const MAX_PAIRS = 100_000

const BASE64_NAME = Buffer.from('$base64')
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** Reading stops here to let others have their turn: some 2 ms of work either way. A value is never left half-way, however long it is. */
const SLICE_PAIRS = 500
const SLICE_BYTES = 64 * 1024

/** Reads one body, slice by slice. After an error there is nothing more to read. */
export class PairReader {
  readonly #body: Buffer
  readonly #ttlMs: number | null
  readonly #limits: Limits
  readonly #ack: AckMode
  readonly #scanner: JsonScanner
  readonly #indexes = new Map<string, number>()
  #begun = false
  /** Keys and values may be views of the body. Whole once `read` has answered true. */
  readonly requests: SetRequest[] = []

  /** Every pair gets `ttlMs` and `ack`. Throws `CacheError` for what is not UTF-8. */
  constructor(body: Buffer, ttlMs: number | null, limits: Limits, ack: AckMode = ACK_LOCAL) {
    if (!isUtf8(body)) throw new CacheError('BODY_INVALID', 'the body is not valid UTF-8')
    this.#body = body
    this.#ttlMs = ttlMs
    this.#limits = limits
    this.#ack = ack
    this.#scanner = new JsonScanner(body)
  }

  /** Reads on for a slice; true when the body has been read to its end. Throws `CacheError` for what is not JSON or over a limit. */
  read(): boolean {
    const scanner = this.#scanner
    if (!this.#begun) {
      this.#begun = true
      scanner.expect(OPEN_BRACE, 'the object of pairs')
      if (scanner.take(CLOSE_BRACE)) return this.#ended()
    }
    const untilByte = scanner.at + SLICE_BYTES
    for (let left = SLICE_PAIRS; left > 0 && scanner.at < untilByte; left--) {
      this.#pair()
      if (scanner.take(COMMA)) continue
      scanner.expect(CLOSE_BRACE, 'the end of the object')
      return this.#ended()
    }
    return false
  }

  #pair(): void {
    const scanner = this.#scanner
    const key = readKey(scanner, this.#limits.maxKeyBytes)
    scanner.expect(COLON, 'a colon')
    const { value, kind } = readValue(scanner, this.#body, this.#limits.maxValueBytes, key)
    const name = key.toString('latin1')
    const index = this.#indexes.get(name) ?? this.requests.length
    if (index === MAX_PAIRS) throw new CacheError('BODY_TOO_LARGE', `the body has more than ${MAX_PAIRS} pairs`)
    this.#indexes.set(name, index)
    this.requests[index] = { key, value, kind, ttlMs: this.#ttlMs, ack: this.#ack }
  }

  #ended(): true {
    if (this.#scanner.peek() !== -1) throw this.#scanner.error('something follows the object')
    return true
  }
}

/** The text of a string that is to be a key. */
export function readKey(scanner: JsonScanner, maxKeyBytes: number): Buffer {
  scanner.string('a key')
  const key = scanner.text()
  if (key.length === 0) throw new CacheError('KEY_INVALID', 'a key of the body is empty')
  if (key.length > maxKeyBytes) {
    throw new CacheError('KEY_INVALID', `a key of the body has ${key.length} bytes, over maxKeyBytes (${maxKeyBytes})`)
  }
  return key
}

/** One value of any kind, as it is to be stored; `key` is for the message. */
export function readValue(scanner: JsonScanner, body: Buffer, maxValueBytes: number, key: Buffer): { value: Buffer; kind: ValueKind } {
  const first = scanner.peek()
  const start = scanner.at
  let value: Buffer
  let kind: ValueKind = VALUE_STRING
  if (first === QUOTE) {
    scanner.string('a value')
    value = scanner.text()
  } else {
    scanner.value(2)
    const decoded = first === OPEN_BRACE ? decodeObject(body, start, scanner.at) : null
    if (decoded === null) kind = VALUE_JSON
    value = decoded ?? body.subarray(start, scanner.at)
  }
  checkLength(value, maxValueBytes, key)
  return { value, kind }
}

export function checkLength(value: Buffer, maxValueBytes: number, key: Buffer): void {
  if (value.length <= maxValueBytes) return
  throw new CacheError(
    'VALUE_TOO_LARGE',
    `the value of ${JSON.stringify(key.toString())} has ${value.length} bytes, over maxValueBytes (${maxValueBytes})`,
  )
}

/** The bytes that the text of the last string stands for; it must be base64 as RFC 4648 has it in section 4, with padding. */
export function decodeBase64(scanner: JsonScanner): Buffer {
  const text = scanner.text().toString('latin1')
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw scanner.error('base64 of the standard alphabet with padding is missing')
  return Buffer.from(text, 'base64')
}

/** The bytes that an object means which is exactly `{"$base64":"..."}`; `null` for all others. The object is known to be valid JSON. */
function decodeObject(body: Buffer, start: number, end: number): Buffer | null {
  const scanner = new JsonScanner(body, start)
  scanner.take(OPEN_BRACE)
  if (scanner.peek() !== QUOTE) return null
  scanner.string('a name')
  if (!isBase64Name(scanner)) return null
  scanner.take(COLON)
  if (scanner.peek() !== QUOTE) return null
  scanner.string('a value')
  if (!scanner.take(CLOSE_BRACE) || scanner.at !== end) return null
  return decodeBase64(scanner)
}

/** Names that are longer than every way to escape the one are not looked at, whatever they hold. */
function isBase64Name(scanner: JsonScanner): boolean {
  return scanner.stringEnd - scanner.stringStart <= BASE64_NAME.length * 6 && scanner.text().equals(BASE64_NAME)
}
