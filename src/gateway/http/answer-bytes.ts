/**
 * Answer bytes: what the ordinary server would answer to a plain GET, written straight into memory that is used again and again. The same fields in
 * the same order; a test compares the two byte by byte.
 */

import { STATUS_CODES } from 'node:http'
import { ByteWriter } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Entry, VALUE_JSON } from '../../lib/entry.ts'
import type { CacheError } from '../../lib/errors.ts'
import { errorBody } from './error-answer.ts'
import { appendValue } from './json-text.ts'
import { JSON_TYPE } from './media-type.ts'
import { keyNotFound } from './pairs-routes.ts'

const QUOTE = 0x22
const ZERO = 0x30
/** Up to here a loop copies faster than native code, for the call. */
const SHORT_BYTES = 32
/** Longer strings are looked at and quoted in native code. */
const MAX_PLAIN_BYTES = 4096
/** More than any head takes, the digits of a length included. */
const HEAD_BYTES = 512

/** 1 for bytes that stand for themselves in a JSON string, whatever stands beside them. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== 0x5c ? 1 : 0))

/** Memory for answers: grows for a large one. */
export class Slab {
  bytes: Buffer
  length = 0
  grown = false

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  reserve(extra: number): void {
    if (this.length + extra <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.length + extra, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
    this.grown = true
  }

  /** There must be room. */
  raw(source: Buffer, start: number = 0, end: number = source.length): void {
    const { bytes } = this
    if (end - start <= SHORT_BYTES) {
      let to = this.length
      for (let from = start; from < end; from++) bytes[to++] = source[from] as number
    } else {
      source.copy(bytes, this.length, start, end)
    }
    this.length += end - start
  }

  /** A view, valid until something else is written. */
  written(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}

/** Of one status: what stands before the length, for a connection that stays and for one that ends. */
interface Head {
  readonly keep: Buffer
  readonly close: Buffer
}

const OK = headOf(200)
const MISS_BODY = Buffer.from(errorBody(keyNotFound()))
const MISS = headOf(404)

export class AnswerBytes {
  readonly #clock: Clock
  readonly #keepAlive: string
  #untilMs = Number.NEGATIVE_INFINITY
  /** What stands after the length. */
  #keepTail: Buffer = Buffer.alloc(0)
  #closeTail: Buffer = Buffer.alloc(0)

  constructor(clock: Clock, idleTimeoutMs: number) {
    this.#clock = clock
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(idleTimeoutMs / 1000)}\r\n\r\n`
  }

  /** To be called before answers are written, with the clock's `now()`: the date is good for the second it names. */
  tick(nowMs: number): void {
    if (nowMs < this.#untilMs) return
    const wallMs = this.#clock.wallMs()
    const date = `\r\nDate: ${new Date(wallMs).toUTCString()}\r\n`
    this.#untilMs = nowMs + 1000 - (wallMs % 1000)
    this.#keepTail = Buffer.from(date + this.#keepAlive)
    this.#closeTail = Buffer.from(`${date}\r\n`)
  }

  value(slab: Slab, entry: Entry, close: boolean): void {
    const { value, valueStart: start, valueEnd: end } = entry
    if (entry.kind === VALUE_JSON) {
      this.#head(slab, OK, end - start, close)
      slab.raw(value, start, end)
    } else if (isPlain(value, start, end)) {
      this.#head(slab, OK, end - start + 2, close)
      slab.bytes[slab.length++] = QUOTE
      slab.raw(value, start, end)
      slab.bytes[slab.length++] = QUOTE
    } else {
      const text = new ByteWriter(end - start + 16)
      appendValue(text, entry)
      this.#answer(slab, OK, text.toBuffer(), close)
    }
  }

  miss(slab: Slab, close: boolean): void {
    this.#answer(slab, MISS, MISS_BODY, close)
  }

  error(slab: Slab, error: CacheError, close: boolean): void {
    this.#answer(slab, headOf(error.row.http), Buffer.from(errorBody(error)), close)
  }

  #answer(slab: Slab, head: Head, body: Buffer, close: boolean): void {
    this.#head(slab, head, body.length, close)
    slab.raw(body)
  }

  /** The head, and room for the body. */
  #head(slab: Slab, head: Head, bodyBytes: number, close: boolean): void {
    slab.reserve(HEAD_BYTES + bodyBytes)
    slab.raw(close ? head.close : head.keep)
    let power = 1
    while (power * 10 <= bodyBytes) power *= 10
    for (let rest = bodyBytes; power >= 1; power /= 10) {
      const digit = Math.floor(rest / power)
      slab.bytes[slab.length++] = ZERO + digit
      rest -= digit * power
    }
    slab.raw(close ? this.#closeTail : this.#keepTail)
  }
}

function headOf(status: number): Head {
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nvary: accept\r\n`
  const type = `content-type: ${JSON_TYPE}\r\ncontent-length: `
  return { keep: Buffer.from(line + type), close: Buffer.from(`${line}connection: close\r\n${type}`) }
}

function isPlain(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > MAX_PLAIN_BYTES) return false
  for (let at = start; at < end; at++) if (PLAIN[bytes[at] as number] === 0) return false
  return true
}
