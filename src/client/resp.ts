/**
 * RESP2, the client's half: commands into bytes, and bytes as they come into replies. After the Redis serialization protocol specification.
 *
 * The decoder takes chunks cut anywhere, even inside a line end, and keeps only what is unfinished. Nothing that a server announces is allocated
 * before it is compared with the limits: a value over `maxBulkBytes` or a reply over `maxReplyBytes` is a `ProtocolError`, and arrays grow with
 * their elements, not with their announcement. After an error the position in the stream is lost; the caller gives the connection up.
 *
 * The client never says HELLO, so a server does not speak RESP3 to it; the types that came with RESP3 are errors here.
 */
import { ProtocolError, type ServerError, serverErrorOf } from './errors.ts'

/** One word of a command. Strings travel as UTF-8. */
export type Argument = string | number | bigint | Uint8Array

/** What a server answers. Integers beyond 2^53 come as bigint; errors inside arrays are values. */
export type Reply = string | number | bigint | Buffer | null | ServerError | Reply[]

export interface ReplyLimits {
  /** Largest single value. */
  readonly maxBulkBytes: number
  /** Largest reply, with all it contains. */
  readonly maxReplyBytes: number
}

interface Frame {
  readonly length: number
  readonly items: Reply[]
}

const MAX_LINE_BYTES = 64 * 1024
const MAX_DEPTH = 8
const CR = 0x0d
const LF = 0x0a
const LINE_END_BYTES = 2
const EMPTY = Buffer.alloc(0)
const INTEGER = /^[+-]?\d{1,19}$/
const LENGTH = /^(?:-1|\d{1,10})$/

/** The commands one after the other, in one buffer of their own: the arguments may be changed afterwards. */
export function encodeCommands(commands: readonly (readonly Argument[])[]): Buffer {
  let bytes = 0
  const words: { word: string | Uint8Array; length: number }[] = []
  for (const command of commands) {
    bytes += headBytes(command.length)
    for (const argument of command) {
      const word = typeof argument === 'number' || typeof argument === 'bigint' ? String(argument) : argument
      const length = typeof word === 'string' ? Buffer.byteLength(word) : word.byteLength
      words.push({ word, length })
      bytes += headBytes(length) + length + LINE_END_BYTES
    }
  }
  const encoded = Buffer.allocUnsafe(bytes)
  let at = 0
  let next = 0
  for (const command of commands) {
    at += encoded.write(`*${command.length}\r\n`, at, 'latin1')
    for (const end = next + command.length; next < end; next++) {
      const { word, length } = words[next] as (typeof words)[number]
      at += encoded.write(`$${length}\r\n`, at, 'latin1')
      if (typeof word === 'string') encoded.write(word, at, 'utf8')
      else encoded.set(word, at)
      at += length
      at += encoded.write('\r\n', at, 'latin1')
    }
  }
  return encoded
}

/** Bytes of `*123\r\n`. */
function headBytes(count: number): number {
  return 1 + String(count).length + LINE_END_BYTES
}

export class ReplyDecoder {
  readonly #limits: ReplyLimits
  readonly #onReply: (reply: Reply) => void
  /** The beginning of a line whose end has not come. */
  #line: Buffer = EMPTY
  /** The value being filled, with room for its line end; null between values. */
  #bulk: Buffer | null = null
  #filled = 0
  /** Arrays that wait for elements, the innermost last. */
  readonly #frames: Frame[] = []
  #replyBytes = 0

  /** `onReply` is called from within `push`, once for each whole reply, in the order of the wire. */
  constructor(limits: ReplyLimits, onReply: (reply: Reply) => void) {
    this.#limits = limits
    this.#onReply = onReply
  }

  /** Throws `ProtocolError`; then the decoder is of no further use. Keeps no reference to `chunk`, but for an unfinished line. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#bulk !== null) {
        at += this.#fill(this.#bulk, chunk, at)
        continue
      }
      const end = chunk.indexOf(LF, at)
      const part = chunk.subarray(at, end === -1 ? chunk.length : end)
      if (this.#line.length + part.length > MAX_LINE_BYTES) throw new ProtocolError(`a line of the server is over ${MAX_LINE_BYTES} bytes`)
      const line = this.#line.length === 0 ? part : Buffer.concat([this.#line, part])
      if (end === -1) {
        this.#line = line
        return
      }
      this.#line = EMPTY
      at = end + 1
      if (line[line.length - 1] !== CR) throw new ProtocolError('a line of the server does not end with CR LF')
      this.#count(line.length + 1)
      this.#readLine(line.subarray(0, -1))
    }
  }

  #fill(bulk: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(bulk, this.#filled, at)
    this.#filled += copied
    if (this.#filled === bulk.length) {
      const end = bulk.length - LINE_END_BYTES
      if (bulk[end] !== CR || bulk[end + 1] !== LF) throw new ProtocolError('a value of the server is longer than it was announced')
      this.#bulk = null
      this.#emit(bulk.subarray(0, end))
    }
    return copied
  }

  #readLine(line: Buffer): void {
    const rest = line.toString('utf8', 1)
    switch (line[0]) {
      case 0x2b: // +
        this.#emit(rest)
        break
      case 0x2d: // -
        this.#emit(serverErrorOf(rest))
        break
      case 0x3a: // :
        this.#emit(readInteger(rest))
        break
      case 0x24: // $
        this.#beginBulk(readLength(rest))
        break
      case 0x2a: // *
        this.#beginArray(readLength(rest))
        break
      default:
        throw new ProtocolError('what the server sent is not a RESP2 reply')
    }
  }

  #beginBulk(length: number): void {
    const { maxBulkBytes } = this.#limits
    if (length > maxBulkBytes)
      throw new ProtocolError(`the server announced a value of ${length} bytes; at most ${maxBulkBytes} are accepted`)
    if (length === -1) {
      this.#emit(null)
      return
    }
    this.#count(length + LINE_END_BYTES)
    this.#bulk = Buffer.allocUnsafe(length + LINE_END_BYTES)
    this.#filled = 0
  }

  #beginArray(length: number): void {
    if (this.#frames.length === MAX_DEPTH) throw new ProtocolError(`a reply of the server is nested over ${MAX_DEPTH} deep`)
    if (length > 0) this.#frames.push({ length, items: [] })
    else this.#emit(length === -1 ? null : [])
  }

  /** A value is whole: it completes its array, which may complete the next, and what stands in no array is a reply. */
  #emit(value: Reply): void {
    let whole = value
    for (;;) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) break
      frame.items.push(whole)
      if (frame.items.length < frame.length) return
      this.#frames.pop()
      whole = frame.items
    }
    this.#replyBytes = 0
    this.#onReply(whole)
  }

  #count(bytes: number): void {
    this.#replyBytes += bytes
    const { maxReplyBytes } = this.#limits
    if (this.#replyBytes > maxReplyBytes) throw new ProtocolError(`a reply of the server is over ${maxReplyBytes} bytes`)
  }
}

function readInteger(text: string): number | bigint {
  if (!INTEGER.test(text)) throw new ProtocolError('the server sent an integer that is none')
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

function readLength(text: string): number {
  if (!LENGTH.test(text)) throw new ProtocolError('the server sent a length that is none')
  return Number(text)
}
