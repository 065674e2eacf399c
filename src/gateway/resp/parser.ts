/**
 * Parser: RESP2 arrays of bulk strings, and inline commands, out of whatever pieces the network delivers.
 *
 * A command that is whole within a piece is parsed where it lies and costs no memory; the piece is lent, and what is needed for longer is copied when
 * somebody says so. A command that is not whole is carried over: its bytes move to a buffer that doubles as the rest comes in, and parsing goes on where
 * it stopped, so a command of n bytes costs O(n) however it is cut. Every length is checked against its limit before anything is kept for it. After an error the input has no meaning any more: the connection is to be closed.
 *
 * Inline commands are for people at a terminal: words apart by blanks, quoted as in Redis (`sdssplitargs`): "\x41\n" and 'it\'s'.
 */
import { NO_BYTES } from '../../lib/bytes.ts'
import type { RequestRun } from '../../lib/request-run.ts'
import { Arguments } from './arguments.ts'
import { splitWords } from './inline.ts'
import { type PlainLimits, readPlainRequests } from './plain-requests.ts'

export interface ParserLimits {
  /** Of one argument. */
  readonly maxBulkBytes: number
  /** Of a whole command. */
  readonly maxRequestBytes: number
}

/** What `next` found. */
export const NEEDS_MORE = 0
export const COMMAND = 1
/** `error` says what; without the leading `ERR`. */
export const MALFORMED = 2
/** A line that HTTP has and nobody types: there is no command of that name. */
export const CROSS_PROTOCOL = 3

const MAX_ARGUMENTS = 1024 * 1024
/** Of an inline command. */
const MAX_LINE_BYTES = 64 * 1024

const LF = 0x0a
const CR = 0x0d
const STAR = 0x2a
const DOLLAR = 0x24
const ZERO = 0x30
const DASH = 0x2d
/** Enough for every length there may be, and exact in a double. */
const MAX_DIGITS = 15

const INITIAL_CARRY_BYTES = 1024

/** What `#length` answers when there is no length: the line has not arrived, is none, or is below 0. */
const UNFINISHED = -3
const INVALID = -2
const NEGATIVE = -1

export class Parser {
  /** The command that `next` has found. Another object may take its place between two calls. */
  args = new Arguments()
  /** Set by `MALFORMED`. */
  error = ''
  /** Commands that have ended: of two halves with the same number, the second continues the first. */
  ended = 0
  readonly #limits: ParserLimits
  /** Input not consumed: `#input[#at, #end)`; the command under way begins at `#begin`. */
  #input: Buffer = NO_BYTES
  #begin = 0
  #at = 0
  #end = 0
  /** Whether `#input` is the carry, with room behind `#end`, or a piece as it came. */
  #carrying = false
  /** Whether `#input` is somebody else's, who will write to it. */
  #lent = false
  /** Where the command begins that was found last, or is under way: nothing before it is needed. */
  #last = 0
  /** Arguments of the array under way that are still to come; -1 between commands. */
  #missing = -1
  /** Length of the bulk string whose bytes come next; -1 when its header does. */
  #bulk = -1
  /** How far the line under way has been searched for its end. */
  #searched = 0

  constructor(limits: ParserLimits) {
    this.#limits = limits
  }

  /** Bytes that wait: a part of a command, and whatever follows. */
  get pendingBytes(): number {
    return this.#end - this.#begin
  }

  /** Memory that these take: more, while a command is carried over. */
  get heldBytes(): number {
    return this.#carrying && this.#begin < this.#end ? this.#input.length : this.#end - this.#begin
  }

  /** More input: `piece[0, length)`. It is only lent: before anybody writes to it, or wants to keep the arguments that lie in it, `own` is to be called. */
  push(piece: Buffer, length: number = piece.length): void {
    if (this.#begin === this.#end) {
      this.#input = piece
      this.#begin = 0
      this.#at = 0
      this.#end = length
      this.#searched = 0
      this.#carrying = false
      this.#lent = true
      this.#last = 0
      return
    }
    this.#carry(piece, length)
  }

  /** Copies what is still needed of what was lent, the command found last included. */
  own(): void {
    if (!this.#lent) return
    this.#lent = false
    const from = this.#last
    const own = Buffer.allocUnsafeSlow(this.#end - from)
    this.#input.copy(own, 0, from, this.#end)
    if (this.args.buffer === this.#input) this.args.rebase(own, from)
    this.#input = own
    this.#begin -= from
    this.#at -= from
    this.#end -= from
    this.#searched -= from
    this.#last = 0
  }

  /** Reads the plain requests that come next, as many as fit into `run`. They stay in the input until `passed` says that they were executed. */
  plain(limits: PlainLimits, run: RequestRun): number {
    if (this.#missing >= 0) return 0
    this.#last = this.#begin
    readPlainRequests(this.#input, this.#begin, this.#end, limits, run)
    return run.count
  }

  /** All before `end` in the input of the run has been executed. */
  passed(end: number): void {
    this.#at = end
    this.#ended()
    this.#last = end
  }

  /** Looks for the next whole command. `args` is valid until it is parsed into again, whatever is pushed. */
  next(): number {
    if (this.#missing < 0) {
      this.#last = this.#begin
      const found = this.#begins()
      if (found !== COMMAND || this.#missing < 0) return found
    }
    while (this.#missing > 0) {
      if (this.#bulk < 0) {
        const found = this.#bulkHeader()
        if (found !== COMMAND) return found
      }
      const from = this.#at
      const to = from + this.#bulk
      if (to + 2 > this.#end) return NEEDS_MORE
      this.args.add(from, to)
      this.#at = to + 2
      this.#bulk = -1
      this.#missing--
    }
    return this.#ended()
  }

  /** Nothing is held any more. */
  clear(): void {
    this.#input = NO_BYTES
    this.#begin = 0
    this.#at = 0
    this.#end = 0
    this.#missing = -1
    this.#bulk = -1
    this.#carrying = false
    this.#lent = false
    this.#last = 0
  }

  /** The first line of a command. Answers `COMMAND` with `#missing` set for an array, with -1 for an inline command, which is whole. */
  #begins(): number {
    for (;;) {
      if (this.#begin === this.#end) {
        this.clear()
        return NEEDS_MORE
      }
      this.args.reset(this.#input)
      if (this.#input[this.#at] !== STAR) {
        const found = this.#inline()
        if (found !== COMMAND || this.args.count > 0) return found
        continue
      }
      const count = this.#length()
      if (count === UNFINISHED) return NEEDS_MORE
      if (count > MAX_ARGUMENTS || count === INVALID) return this.#fail('invalid multibulk length')
      // Nothing asked, nothing answered: `*0` and `*-1`.
      if (count > 0) {
        this.#missing = count
        return COMMAND
      }
      this.#ended()
    }
  }

  #bulkHeader(): number {
    if (this.#at === this.#end) return NEEDS_MORE
    const type = this.#input[this.#at] as number
    if (type !== DOLLAR) return this.#fail(`expected '$', got '${printable(type)}'`)
    const length = this.#length()
    if (length === UNFINISHED) return NEEDS_MORE
    if (length < 0) return this.#fail('invalid bulk length')
    const { maxBulkBytes, maxRequestBytes } = this.#limits
    if (length > maxBulkBytes) return this.#fail(`invalid bulk length, the limit is ${maxBulkBytes} bytes`)
    if (this.#at - this.#begin + length > maxRequestBytes) return this.#fail(`too big request, the limit is ${maxRequestBytes} bytes`)
    this.#bulk = length
    return COMMAND
  }

  /** Reads the number between the type byte at `#at` and the line end, written as Redis asks for it: no sign, no zeros in front. */
  #length(): number {
    const input = this.#input
    const end = this.#end
    let first = this.#at + 1
    const negative = input[first] === DASH && first < end
    if (negative) first++
    let value = 0
    let at = first
    for (; at < end; at++) {
      const digit = (input[at] as number) - ZERO
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    const digits = at - first
    if (digits > MAX_DIGITS || (digits > 1 && input[first] === ZERO)) return INVALID
    if (at === end) return UNFINISHED
    if (input[at] !== CR || digits === 0 || (negative && value === 0)) return INVALID
    // Redis does not look at the byte after CR either.
    if (at + 2 > end) return UNFINISHED
    this.#at = at + 2
    return negative ? NEGATIVE : value
  }

  #inline(): number {
    const from = Math.max(this.#at, this.#searched)
    const lineEnd = this.#input.subarray(0, this.#end).indexOf(LF, from)
    if (lineEnd < 0) {
      this.#searched = this.#end
      return this.#end - this.#at > MAX_LINE_BYTES ? this.#fail('too big inline request') : NEEDS_MORE
    }
    const start = this.#at
    if (lineEnd - start > MAX_LINE_BYTES) return this.#fail('too big inline request')
    const to = lineEnd > start && this.#input[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
    if (!splitWords(this.#input, start, to, this.args)) return this.#fail('unbalanced quotes in request')
    if (this.args.count > 0 && (this.args.is(0, 'POST') || this.args.is(0, 'HOST:'))) {
      this.clear()
      return CROSS_PROTOCOL
    }
    this.#at = lineEnd + 1
    return this.#ended()
  }

  #ended(): number {
    this.ended++
    this.#missing = -1
    this.#begin = this.#at
    this.#searched = this.#at
    return COMMAND
  }

  #fail(error: string): number {
    this.error = `Protocol error: ${error}`
    this.clear()
    return MALFORMED
  }

  /** Puts `piece` behind what is left. The bytes of earlier commands stay where they are: their arguments may still be read. */
  #carry(piece: Buffer, length: number): void {
    const held = this.#end - this.#begin
    if (!this.#carrying || this.#end + length > this.#input.length) {
      const needed = held + length
      let capacity = INITIAL_CARRY_BYTES
      while (capacity < needed) capacity *= 2
      // At least doubled, so that a command is moved a bounded number of times; never more than it may be long.
      const grown = Buffer.allocUnsafeSlow(capacity)
      this.#input.copy(grown, 0, this.#begin, this.#end)
      if (this.#missing >= 0) this.args.rebase(grown, this.#begin)
      this.#at -= this.#begin
      this.#searched -= this.#begin
      this.#begin = 0
      this.#last = 0
      this.#input = grown
      this.#end = held
      this.#carrying = true
      this.#lent = false
    }
    this.#end += piece.copy(this.#input, this.#end, 0, length)
  }
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
}
