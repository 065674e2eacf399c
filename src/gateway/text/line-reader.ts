/**
 * Line reader: chunks in, lines out, with their bytes where they came.
 *
 * A line ends with LF or CR LF. One that lies within a chunk is a view of it; one that does not is gathered, up to the limit. What is longer is
 * reported once, and the rest of it is dropped as it comes. At the beginning of a line, where no command has a byte 255, the commands that telnet
 * clients send for negotiation (RFC 854) are stepped over: two bytes, three with an option, or all of a subnegotiation, and a line feed within one of
 * them ends no line. Reads no clock and knows no socket.
 */
import { NO_BYTES } from '../../lib/bytes.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

const IAC = 255
const SUBNEGOTIATION = 250
const SUBNEGOTIATION_END = 240
/** The first byte that is a telnet command after IAC, and the first that names an option. */
const FIRST_COMMAND = 236
const FIRST_WITH_OPTION = 251

/** The room that a gathered line has at first. */
const INITIAL_CAPACITY = 1024

/** `line`: one stands between `start` and `end` of `bytes`. `over`: one was longer than the limit. `more`: the next chunk is needed. */
export type LineResult = 'line' | 'over' | 'more'

type Telnet = 'none' | 'command' | 'option' | 'subnegotiation' | 'subnegotiation-command'

export class LineReader {
  readonly #maxLineBytes: number
  #chunk: Buffer = NO_BYTES
  #at = 0
  #held: Buffer = NO_BYTES
  #heldLength = 0
  #dropping = false
  #telnet: Telnet = 'none'
  /** The line, without its end: the receiver's to change, and valid until the next call. */
  bytes: Buffer = NO_BYTES
  start = 0
  end = 0

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes
  }

  /** True while the beginning of a line has come and its end has not. */
  get partial(): boolean {
    return this.#heldLength > 0 || this.#dropping || this.#telnet !== 'none'
  }

  /** Bytes of the beginning of a line. */
  get partialBytes(): number {
    return this.#heldLength
  }

  /** Memory that these take. */
  get heldBytes(): number {
    return this.#heldLength === 0 ? 0 : this.#held.length
  }

  /** Forgets the beginning of a line; the rest of it is dropped as it comes. */
  drop(): void {
    if (this.#heldLength > 0) this.#dropping = true
    this.#forget()
  }

  /** Takes the next chunk, which the reader may change. Only after `next` has answered `more`. */
  push(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
  }

  next(): LineResult {
    for (;;) {
      if (!this.partial || this.#telnet !== 'none') this.#skipTelnet()
      const chunk = this.#chunk
      const at = this.#at
      if (at === chunk.length) break
      const lineFeed = chunk.indexOf(LINE_FEED, at)
      const end = lineFeed === -1 ? chunk.length : lineFeed
      this.#at = lineFeed === -1 ? end : end + 1
      if (this.#dropping) {
        this.#dropping = lineFeed === -1
      } else if (this.#heldLength + end - at > this.#maxLineBytes) {
        this.#dropping = lineFeed === -1
        this.#forget()
        return 'over'
      } else if (lineFeed === -1) {
        this.#hold(chunk, at, end)
      } else {
        this.#complete(chunk, at, end)
        return 'line'
      }
    }
    this.#chunk = NO_BYTES
    this.#at = 0
    return 'more'
  }

  #complete(chunk: Buffer, at: number, end: number): void {
    if (this.#heldLength === 0) {
      this.bytes = chunk
      this.start = at
      this.end = end
    } else {
      this.#hold(chunk, at, end)
      this.bytes = this.#held
      this.start = 0
      this.end = this.#heldLength
      this.#forget()
    }
    if (this.end > this.start && this.bytes[this.end - 1] === CARRIAGE_RETURN) this.end--
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const length = this.#heldLength + end - start
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(INITIAL_CAPACITY, Math.min(length * 2, this.#maxLineBytes)))
      this.#held.copy(grown, 0, 0, this.#heldLength)
      this.#held = grown
    }
    chunk.copy(this.#held, this.#heldLength, start, end)
    this.#heldLength = length
  }

  #forget(): void {
    this.#held = NO_BYTES
    this.#heldLength = 0
  }

  /** At the beginning of a line: stands behind it at the line's first byte, or at the end of the chunk. */
  #skipTelnet(): void {
    const chunk = this.#chunk
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at] as number
      const before = this.#telnet
      // What follows an IAC and is no command belongs to a line that is no command either.
      if (before === 'none' ? byte !== IAC : before === 'command' && byte < FIRST_COMMAND) {
        this.#telnet = 'none'
        return
      }
      this.#telnet = afterTelnet(before, byte)
      this.#at++
    }
  }
}

function afterTelnet(state: Telnet, byte: number): Telnet {
  switch (state) {
    case 'none':
      return 'command'
    case 'command':
      if (byte === SUBNEGOTIATION) return 'subnegotiation'
      return byte >= FIRST_WITH_OPTION && byte !== IAC ? 'option' : 'none'
    case 'option':
      return 'none'
    case 'subnegotiation':
      return byte === IAC ? 'subnegotiation-command' : 'subnegotiation'
    case 'subnegotiation-command':
      return byte === SUBNEGOTIATION_END ? 'none' : 'subnegotiation'
  }
}
