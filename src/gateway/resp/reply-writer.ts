/**
 * ReplyWriter: replies in RESP2 or RESP3, written straight into one slab that is used again and again.
 *
 * A full slab goes to the sink, which tells whether it has done with the bytes; if not, a new slab takes its place. A value longer than a slab gets
 * one of its own size. So a reply costs one copy of its bytes and, as long as the client reads, no memory. RESP3 adds types (maps, sets, doubles, ...)
 * that RESP2 clients get as arrays and bulk strings: the same call writes either, by `protocol`.
 */
export type Protocol = 2 | 3

export interface ReplySink {
  /** Takes `buffer[0, end)`. True: they may be overwritten at once. False: they are the sink's now. */
  take(buffer: Buffer, end: number): boolean
}

const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const DASH = 0x2d

const DOLLAR = 0x24
const STAR = 0x2a
const COLON = 0x3a
const PLUS = 0x2b
const PERCENT = 0x25
const TILDE = 0x7e
const GREATER = 0x3e
const COMMA = 0x2c
const EQUALS = 0x3d
const OPEN_PAREN = 0x28
const NUMBER_SIGN = 0x23
const UNDERSCORE = 0x5f

/** Shorter runs are copied byte by byte: less than a call costs. */
const COPY_BYTES = 32
/** Room for a type byte, a sign, 20 digits and CR LF. */
const NUMBER_BYTES = 24

export class ReplyWriter {
  protocol: Protocol = 2
  readonly #slabBytes: number
  #slab: Buffer
  #at = 0
  #sink: ReplySink

  constructor(sink: ReplySink, slabBytes: number) {
    this.#sink = sink
    this.#slabBytes = slabBytes
    this.#slab = Buffer.allocUnsafeSlow(slabBytes)
  }

  /** What waits in the slab, in bytes. */
  get length(): number {
    return this.#at
  }

  /** For another receiver from now on. Nothing may be waiting. */
  attach(sink: ReplySink, protocol: Protocol): void {
    this.#sink = sink
    this.protocol = protocol
  }

  /** Hands what was written to the sink. */
  flush(): void {
    if (this.#at === 0) return
    const end = this.#at
    this.#at = 0
    const free = this.#sink.take(this.#slab, end)
    if (!free || this.#slab.length !== this.#slabBytes) this.#slab = Buffer.allocUnsafeSlow(this.#slabBytes)
  }

  /** Writes what waits here to `target`, and keeps nothing of it. */
  moveTo(target: ReplyWriter): void {
    if (this.#at === 0) return
    target.raw(this.#slab, 0, this.#at)
    this.#at = 0
    if (this.#slab.length !== this.#slabBytes) this.#slab = Buffer.allocUnsafeSlow(this.#slabBytes)
  }

  /** `+text`: ASCII without line breaks. */
  simple(text: string): void {
    this.#line(PLUS, text)
  }

  ok(): void {
    this.#reserve(5)
    const slab = this.#slab
    const at = this.#at
    slab[at] = PLUS
    slab[at + 1] = 0x4f
    slab[at + 2] = 0x4b
    slab[at + 3] = CR
    slab[at + 4] = LF
    this.#at = at + 5
  }

  /** `-text`, with the first word: `ERR syntax error`. Line breaks become spaces, or they would end the reply. */
  error(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): void {
    this.#line(DASH, text.replace(/[\r\n]/g, ' '), encoding)
  }

  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value < 0x7fffffff) {
      this.#header(COLON, value)
    } else {
      this.#line(COLON, String(value))
    }
  }

  /** The value `bytes[start, end)`. */
  bulk(bytes: Buffer, start: number = 0, end: number = bytes.length): void {
    const length = end - start
    this.#reserve(length + NUMBER_BYTES + 2)
    this.#header(DOLLAR, length)
    this.#copy(bytes, start, end)
    this.#lineEnd()
  }

  /** A bulk string of UTF-8. */
  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.#reserve(length + NUMBER_BYTES + 2)
    this.#header(DOLLAR, length)
    this.#at += this.#slab.write(text, this.#at, 'utf8')
    this.#lineEnd()
  }

  /** No value. */
  nil(): void {
    if (this.protocol === 3) this.#null()
    else this.#minusOne(DOLLAR)
  }

  /** No array. */
  nilArray(): void {
    if (this.protocol === 3) this.#null()
    else this.#minusOne(STAR)
  }

  /** `count` replies follow. */
  array(count: number): void {
    this.#header(STAR, count)
  }

  /** `pairs` keys, each followed by its value. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#header(PERCENT, pairs)
    else this.#header(STAR, pairs * 2)
  }

  set(count: number): void {
    this.#header(this.protocol === 3 ? TILDE : STAR, count)
  }

  /** What nobody asked for: messages to subscribers. */
  push(count: number): void {
    this.#header(this.protocol === 3 ? GREATER : STAR, count)
  }

  double(value: number): void {
    const text = value === Infinity ? 'inf' : value === -Infinity ? '-inf' : Number.isNaN(value) ? 'nan' : String(value)
    if (this.protocol === 3) this.#line(COMMA, text)
    else this.text(text)
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(NUMBER_SIGN, value ? 't' : 'f')
    else this.integer(value ? 1 : 0)
  }

  /** Text for people to read. `format` has three letters: `txt`, `mkd`. */
  verbatim(format: string, text: string): void {
    if (this.protocol !== 3) {
      this.text(text)
      return
    }
    const length = Buffer.byteLength(text) + 4
    this.#reserve(length + NUMBER_BYTES + 2)
    this.#header(EQUALS, length)
    this.#at += this.#slab.write(`${format}:${text}`, this.#at, 'utf8')
    this.#lineEnd()
  }

  bigNumber(value: bigint): void {
    if (this.protocol === 3) this.#line(OPEN_PAREN, String(value))
    else this.text(String(value))
  }

  /** Bytes that are replies already. */
  raw(bytes: Buffer, start: number = 0, end: number = bytes.length): void {
    this.#reserve(end - start)
    this.#copy(bytes, start, end)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.length) return
    this.flush()
    if (bytes > this.#slab.length) this.#slab = Buffer.allocUnsafeSlow(bytes)
  }

  /** A type and a whole number from 0 to 2^31 - 1. */
  #header(type: number, value: number): void {
    this.#reserve(NUMBER_BYTES)
    const slab = this.#slab
    let at = this.#at
    slab[at++] = type
    if (value >= 10) {
      let unit = 10
      while (unit * 10 <= value) unit *= 10
      for (; unit >= 10; unit = (unit / 10) | 0) {
        const digit = (value / unit) | 0
        slab[at++] = ZERO + digit
        value -= digit * unit
      }
    }
    slab[at++] = ZERO + value
    slab[at++] = CR
    slab[at++] = LF
    this.#at = at
  }

  #line(type: number, text: string, encoding: 'utf8' | 'latin1' = 'utf8'): void {
    this.#reserve(text.length * 3 + 3)
    this.#slab[this.#at++] = type
    this.#at += this.#slab.write(text, this.#at, encoding)
    this.#lineEnd()
  }

  #null(): void {
    this.#reserve(3)
    this.#slab[this.#at++] = UNDERSCORE
    this.#lineEnd()
  }

  #minusOne(type: number): void {
    this.#reserve(5)
    this.#slab[this.#at++] = type
    this.#slab[this.#at++] = DASH
    this.#slab[this.#at++] = ZERO + 1
    this.#lineEnd()
  }

  #lineEnd(): void {
    this.#slab[this.#at++] = CR
    this.#slab[this.#at++] = LF
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    const slab = this.#slab
    const at = this.#at
    if (length <= COPY_BYTES) for (let i = 0; i < length; i++) slab[at + i] = bytes[start + i] as number
    else bytes.copy(slab, at, start, end)
    this.#at = at + length
  }
}
