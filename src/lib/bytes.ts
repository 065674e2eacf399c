/**
 * Bytes: comparing, and reading and writing the packed layouts that travel between members.
 *
 * All numbers are big-endian. A `ByteReader` never trusts a length: reading past the end throws `MalformedError`, as a text that is no UTF-8 does, so a
 * decoder is a straight line of reads inside one `try` at the edge. A `ByteWriter` grows by doubling and is meant to be kept and `reset`.
 */
import { isUtf8 } from 'node:buffer'

export type Bytes = Uint8Array

export const NO_BYTES: Buffer = Buffer.alloc(0)

/** So many bytes in front of a message are enough for a transport to put its own header there, instead of copying the message behind one. */
export const MESSAGE_HEADROOM = 8

/** The bytes that came are not what the layout says. The stream or packet they came in is not to be read further. */
export class MalformedError extends Error {}

/** Order of two byte ranges as `memcmp` has it; the shorter of equal prefixes comes first. */
export function compareBytes(a: Bytes, aStart: number, aEnd: number, b: Bytes, bStart: number, bEnd: number): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < length; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number)
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

export function startsWith(bytes: Bytes, start: number, end: number, prefix: Bytes): boolean {
  if (end - start < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false
  return true
}

export function endsWith(bytes: Bytes, start: number, end: number, suffix: Bytes): boolean {
  const from = end - suffix.length
  if (from < start) return false
  for (let i = 0; i < suffix.length; i++) if (bytes[from + i] !== suffix[i]) return false
  return true
}

/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 24

/** Copies `from[start, end)` to `to` from `at` on, where there must be room. Allocates nothing. */
export function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > SHORT_BYTES) {
    from.copy(to, at, start, end)
    return
  }
  const shift = at - start
  for (let i = start; i < end; i++) to[shift + i] = from[i] as number
}

/**
 * The text of `length` bytes at `start`, which has as many when it is written again. What is no UTF-8 throws a `MalformedError`: read with its wrong bytes
 * replaced it would be up to three times as long, and the field it goes to next could not hold it.
 */
export function textAt(buffer: Buffer, start: number, length: number): string {
  const end = start + length
  let at = start
  while (at < end && (buffer[at] as number) < 0x80) at++
  if (at === end) return buffer.toString('latin1', start, end)
  if (!isUtf8(buffer.subarray(at, end))) throw new MalformedError(`a text of ${length} bytes is no UTF-8`)
  return buffer.toString('utf8', start, end)
}

const INITIAL_CAPACITY = 1024

export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(capacity: number = INITIAL_CAPACITY) {
    this.#buffer = Buffer.allocUnsafe(Math.max(capacity, 16))
  }

  get length(): number {
    return this.#length
  }

  /** Where what was written lies, until the next write. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** Makes room for `length` bytes, which the caller writes into `buffer` by itself, all of them, from the place that is answered. */
  claim(length: number): number {
    const at = this.#length
    this.#reserve(length)
    this.#length = at + length
    return at
  }

  /** Forgets what was written and keeps the memory. Views taken earlier become garbage. */
  reset(): void {
    this.#length = 0
  }

  /** What was written, where it lies: valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** The memory that is kept, in bytes. */
  get capacity(): number {
    return this.#buffer.length
  }

  /** A copy of what was written, independent of later writes. */
  toBuffer(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  u8(value: number): this {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
    return this
  }

  u16(value: number): this {
    this.#reserve(2)
    this.#length = this.#buffer.writeUInt16BE(value, this.#length)
    return this
  }

  u32(value: number): this {
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32BE(value >>> 0, this.#length)
    return this
  }

  /** 48 bits: milliseconds since 1970, generations, sequence numbers. */
  u48(value: number): this {
    this.#reserve(6)
    this.#length = this.#buffer.writeUIntBE(value, this.#length, 6)
    return this
  }

  f64(value: number): this {
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleBE(value, this.#length)
    return this
  }

  raw(source: Bytes, start: number = 0, end: number = source.length): this {
    const length = end - start
    this.#reserve(length)
    if (Buffer.isBuffer(source)) copyBytes(source, start, end, this.#buffer, this.#length)
    else this.#buffer.set(source.subarray(start, end), this.#length)
    this.#length += length
    return this
  }

  /** A string of at most 255 bytes of UTF-8, after its length: names, addresses. */
  text(value: string): this {
    if (this.#asciiText(value)) return this
    const length = Buffer.byteLength(value)
    if (length > 255) throw new RangeError(`a text of ${length} bytes does not fit a field of 255`)
    this.u8(length)
    this.#reserve(length)
    this.#length += this.#buffer.write(value, this.#length)
    return this
  }

  /** `text` of what is short and has a byte for each character, as names have: without a call out of JavaScript. False, and nothing written, for all else. */
  #asciiText(value: string): boolean {
    const { length } = value
    if (length > SHORT_BYTES) return false
    this.#reserve(1 + length)
    const buffer = this.#buffer
    const at = this.#length + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      buffer[at + i] = code
    }
    buffer[at - 1] = length
    this.#length = at + length
    return true
  }

  /** Bytes after a 32-bit length. */
  block(source: Bytes, start: number = 0, end: number = source.length): this {
    return this.u32(end - start).raw(source, start, end)
  }

  /** Overwrites four bytes written earlier: a count or length that was not known then. */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value >>> 0, at)
  }

  patchU8(at: number, value: number): void {
    this.#buffer[at] = value
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra
    if (needed <= this.#buffer.length) return
    let capacity = this.#buffer.length * 2
    while (capacity < needed) capacity *= 2
    const grown = Buffer.allocUnsafe(capacity)
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}

export class ByteReader {
  #buffer: Buffer
  #at: number
  #end: number

  constructor(buffer: Buffer, start: number = 0, end: number = buffer.length) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  /** Goes on with other bytes: for one reader that is kept where many would be made. */
  over(buffer: Buffer, start: number, end: number): this {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
    return this
  }

  get buffer(): Buffer {
    return this.#buffer
  }

  get at(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number
  }

  /** The next byte, which stays where it is. */
  peek(): number {
    if (this.#at === this.#end) throw new MalformedError('a byte wanted, none left')
    return this.#buffer[this.#at] as number
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.#buffer.readUIntBE(this.#take(6), 6)
  }

  f64(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }

  /** What `ByteWriter.text` wrote. Throws a `MalformedError` for what is no UTF-8, and so could not be written again. */
  text(): string {
    const length = this.u8()
    return textAt(this.#buffer, this.#take(length), length)
  }

  /** Skips `length` bytes and tells where they begin in `buffer`. */
  skip(length: number): number {
    return this.#take(length)
  }

  /** A view, not a copy: valid as long as the buffer is. */
  raw(length: number): Buffer {
    const start = this.#take(length)
    return this.#buffer.subarray(start, start + length)
  }

  /** A view of bytes that follow a 32-bit length. */
  block(maxLength: number = this.remaining): Buffer {
    const length = this.u32()
    if (length > maxLength) throw new MalformedError(`a block of ${length} bytes is over the limit of ${maxLength}`)
    return this.raw(length)
  }

  #take(length: number): number {
    const start = this.#at
    if (length > this.#end - start) throw new MalformedError(`${length} bytes wanted, ${this.#end - start} left`)
    this.#at = start + length
    return start
  }
}
