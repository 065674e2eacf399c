/**
 * JSON scanner: walks over the text of RFC 8259 in its bytes and says where things begin and end, without building them.
 *
 * A cache has no use for the numbers and objects inside a value, and building them would change them: `1.0`, `1e400` and
 * `12345678901234567890` do not survive a JavaScript number. The bytes must be valid UTF-8, which the caller checks once for the whole body.
 * Nesting is bounded, so the recursion is too. Whatever breaks the grammar throws `CacheError` BODY_INVALID with the offset.
 */
import { isUtf8 } from 'node:buffer'
import { CacheError } from './errors.ts'

/** How deep arrays and objects may be nested, the outermost object included. */
export const MAX_DEPTH = 128

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
const BACKSLASH = 0x5c
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const LOWER_U = 0x75

const LITERALS: ReadonlyMap<number, Buffer> = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]))

/** The byte that a letter after a backslash stands for; 0 for letters that may not stand there. */
const ESCAPES = new Uint8Array(256)
for (const [letter, byte] of Object.entries({ '"': 0x22, '\\': 0x5c, '/': 0x2f, b: 0x08, f: 0x0c, n: 0x0a, r: 0x0d, t: 0x09 })) {
  ESCAPES[letter.charCodeAt(0)] = byte
}

/** Whether these bytes are one JSON text in UTF-8, white space around it allowed, nested no deeper than `MAX_DEPTH`. O(bytes), and keeps nothing. */
export function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  const scanner = new JsonScanner(bytes)
  try {
    scanner.value(1)
    return scanner.peek() === -1
  } catch (error) {
    if (error instanceof CacheError) return false
    throw error
  }
}

export class JsonScanner {
  readonly #bytes: Buffer
  #at: number
  /** What the last `string()` found: the bytes between the quotes, and whether any of them is a backslash. */
  stringStart = 0
  stringEnd = 0
  stringEscaped = false

  constructor(bytes: Buffer, at: number = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  /** The next byte that is not white space; -1 at the end. */
  peek(): number {
    const bytes = this.#bytes
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at] as number
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte
      this.#at++
    }
    return -1
  }

  /** Steps over white space and `byte`, if that is what comes. */
  take(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.#at++
    return true
  }

  expect(byte: number, what: string): void {
    if (!this.take(byte)) throw this.error(`${what} is missing`)
  }

  /** Steps over a string and remembers where it is. */
  string(what: string): void {
    this.expect(QUOTE, what)
    const bytes = this.#bytes
    this.stringStart = this.#at
    this.stringEscaped = false
    for (;;) {
      const byte = bytes[this.#at]
      if (byte === undefined) throw this.error('a string does not end')
      if (byte === QUOTE) break
      if (byte < 0x20) throw this.error('a control character stands in a string')
      if (byte === BACKSLASH) this.#skipEscape()
      else this.#at++
    }
    this.stringEnd = this.#at++
  }

  /** Steps over one value of any kind, white space before it included. */
  value(depth: number): void {
    const byte = this.peek()
    if (byte === QUOTE) this.string('a value')
    else if (byte === OPEN_BRACE) this.#object(depth)
    else if (byte === OPEN_BRACKET) this.#array(depth)
    else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) this.#number()
    else this.#literal(byte)
  }

  /** What the last `string()` says: a view where nothing is escaped, else a new buffer. Throws for half a surrogate pair, which UTF-8 cannot hold. */
  text(): Buffer {
    const { stringStart: start, stringEnd: end } = this
    return this.stringEscaped ? this.#unescape(start, end) : this.#bytes.subarray(start, end)
  }

  error(what: string): CacheError {
    return new CacheError('BODY_INVALID', `the body is not the JSON that is expected: ${what} at byte ${this.#at}`)
  }

  #object(depth: number): void {
    this.#enter(depth)
    if (this.take(CLOSE_BRACE)) return
    do {
      this.string('a member name')
      this.expect(COLON, 'a colon')
      this.value(depth + 1)
    } while (this.take(COMMA))
    this.expect(CLOSE_BRACE, 'the end of an object')
  }

  #array(depth: number): void {
    this.#enter(depth)
    if (this.take(CLOSE_BRACKET)) return
    do this.value(depth + 1)
    while (this.take(COMMA))
    this.expect(CLOSE_BRACKET, 'the end of an array')
  }

  #enter(depth: number): void {
    if (depth > MAX_DEPTH) throw this.error(`nesting deeper than ${MAX_DEPTH}`)
    this.#at++
  }

  #number(): void {
    const bytes = this.#bytes
    if (bytes[this.#at] === MINUS) this.#at++
    if (bytes[this.#at] === ZERO) this.#at++
    else this.#digits()
    if (bytes[this.#at] === DOT) {
      this.#at++
      this.#digits()
    }
    // Both letters of an exponent differ in one bit only.
    if (((bytes[this.#at] ?? 0) | 0x20) === 0x65) {
      this.#at++
      const sign = bytes[this.#at]
      if (sign === PLUS || sign === MINUS) this.#at++
      this.#digits()
    }
  }

  #digits(): void {
    const bytes = this.#bytes
    const start = this.#at
    while ((bytes[this.#at] ?? 0) >= ZERO && (bytes[this.#at] as number) <= NINE) this.#at++
    if (this.#at === start) throw this.error('a digit is missing')
  }

  #literal(byte: number): void {
    const word = LITERALS.get(byte)
    if (
      word === undefined ||
      this.#bytes.compare(word, 0, word.length, this.#at, Math.min(this.#at + word.length, this.#bytes.length)) !== 0
    ) {
      throw this.error('a value is missing')
    }
    this.#at += word.length
  }

  #skipEscape(): void {
    const letter = this.#bytes[this.#at + 1] ?? 0
    this.stringEscaped = true
    if (letter === LOWER_U) {
      if (this.#hex(this.#at + 2) === -1) throw this.error('an escape is malformed')
      this.#at += 6
    } else {
      if (ESCAPES[letter] === 0) throw this.error('an escape is malformed')
      this.#at += 2
    }
  }

  /** The number that four hexadecimal digits spell; -1 if they are none. */
  #hex(at: number): number {
    let number = 0
    for (let i = at; i < at + 4; i++) {
      const byte = this.#bytes[i] ?? 0
      const letter = byte | 0x20
      if (byte >= ZERO && byte <= NINE) number = number * 16 + byte - ZERO
      else if (letter >= 0x61 && letter <= 0x66) number = number * 16 + letter - 0x61 + 10
      else return -1
    }
    return number
  }

  /** No escape is shorter than the UTF-8 it stands for, so the result fits the length of its source. */
  #unescape(start: number, end: number): Buffer {
    const bytes = this.#bytes
    const out = Buffer.allocUnsafe(end - start)
    let length = 0
    for (let at = start; at < end; ) {
      const byte = bytes[at] as number
      if (byte !== BACKSLASH) {
        out[length++] = byte
        at++
      } else if (bytes[at + 1] !== LOWER_U) {
        out[length++] = ESCAPES[bytes[at + 1] as number] as number
        at += 2
      } else {
        const unit = this.#hex(at + 2)
        at += 6
        let point = unit
        if (unit >= 0xd800 && unit <= 0xdfff) {
          const low = bytes[at] === BACKSLASH && bytes[at + 1] === LOWER_U ? this.#hex(at + 2) : -1
          if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) throw this.error('half a surrogate pair stands in a string before')
          point = 0x10000 + ((unit - 0xd800) << 10) + low - 0xdc00
          at += 6
        }
        length += out.write(String.fromCodePoint(point), length)
      }
    }
    return out.subarray(0, length)
  }
}
