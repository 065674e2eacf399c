/**
 * Plain requests: `GET key` and `SET key value`, as every client library writes them, found in the input without a parser's state.
 *
 * Nearly all that a cache is asked looks like this, and most of what such a request cost was on the way to the store. So a run of them is read here in
 * one go and executed in one go (`cache/plain-runs.ts`): in pipelines of 16 that halves what a request takes beside the sockets' share. What differs in the least (another command, an option, an inline command, a number written
 * oddly, a length over its limit, a request that is not whole) ends the run and is left, unread, to the parser: there is no second grammar here, only
 * a recogniser of one of its sentences.
 */
import { NO_VALUE, type RequestRun, RUN_CAPACITY } from '../../lib/request-run.ts'

export interface PlainLimits {
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
}

const CR = 0x0d
const LF = 0x0a
const STAR = 0x2a
const DOLLAR = 0x24
const ZERO = 0x30
const TWO = 0x32
const THREE = 0x33
const CASE_BIT = 0x20
const E = 0x65
const G = 0x67
const S = 0x73
const T = 0x74

/** `*2`, `$3`, `GET`, each with its line end. */
const NAME_BYTES = 13
/** `$0` and nothing, each with its line end: no argument is shorter. */
const LEAST_ARGUMENT_BYTES = 6
/** A longer number is left to the parser. */
const MAX_DIGITS = 8

/** Fills `run` with the whole plain requests that `buffer[from, to)` begins with, as many as it has room for. */
export function readPlainRequests(buffer: Buffer, from: number, to: number, limits: PlainLimits, run: RequestRun): void {
  const { maxKeyBytes, maxValueBytes } = limits
  const { keyStart, keyEnd, valueStart, valueEnd } = run
  run.buffer = buffer
  let count = 0
  for (let at = from; count < RUN_CAPACITY && at + NAME_BYTES + LEAST_ARGUMENT_BYTES <= to; count++) {
    const kind = kindOf(buffer, at)
    if (kind === 0) break
    at = argument(buffer, at + NAME_BYTES, to, maxKeyBytes, keyStart, keyEnd, count)
    if (at < 0 || keyStart[count] === keyEnd[count]) break
    if (kind === THREE) {
      at = argument(buffer, at, to, maxValueBytes, valueStart, valueEnd, count)
      if (at < 0) break
    } else {
      valueStart[count] = NO_VALUE
    }
    run.end[count] = at
  }
  run.count = count
}

/** `TWO` for a GET, `THREE` for a SET, each with as many arguments; 0 for all else. There are `NAME_BYTES` bytes. */
function kindOf(buffer: Buffer, at: number): number {
  if (
    buffer[at] !== STAR ||
    buffer[at + 2] !== CR ||
    buffer[at + 3] !== LF ||
    buffer[at + 4] !== DOLLAR ||
    buffer[at + 5] !== THREE ||
    buffer[at + 6] !== CR ||
    buffer[at + 7] !== LF ||
    ((buffer[at + 9] as number) | CASE_BIT) !== E ||
    ((buffer[at + 10] as number) | CASE_BIT) !== T ||
    buffer[at + 11] !== CR ||
    buffer[at + 12] !== LF
  )
    return 0
  const count = buffer[at + 1] as number
  const letter = (buffer[at + 8] as number) | CASE_BIT
  return (count === TWO && letter === G) || (count === THREE && letter === S) ? count : 0
}

/** Notes where the bulk string at `at` lies; answers where it ends with its line, -1 if it is not whole, not plain or longer than `most`. */
function argument(buffer: Buffer, at: number, to: number, most: number, starts: Int32Array, ends: Int32Array, i: number): number {
  if (at + LEAST_ARGUMENT_BYTES > to || buffer[at] !== DOLLAR) return -1
  const first = at + 1
  const last = Math.min(to, first + MAX_DIGITS)
  let length = 0
  let digitAt = first
  for (; digitAt < last; digitAt++) {
    const digit = (buffer[digitAt] as number) - ZERO
    if (digit < 0 || digit > 9) break
    length = length * 10 + digit
  }
  const digits = digitAt - first
  if (digits === 0 || (digits > 1 && buffer[first] === ZERO) || length > most) return -1
  if (digitAt + 2 > to || buffer[digitAt] !== CR || buffer[digitAt + 1] !== LF) return -1
  const start = digitAt + 2
  const end = start + length
  if (end + 2 > to) return -1
  starts[i] = start
  ends[i] = end
  return end + 2
}
