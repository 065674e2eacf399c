/**
 * Integers as Redis reads them (`string2ll`): whole numbers of 64 bits in decimal, without `+`, leading zeros, `-0` or spaces.
 *
 * Up to 15 digits one is a plain number, which costs nothing; longer ones are read exactly, as `bigint` where a number could not hold them. The two
 * compare with each other as they are.
 */
import type { Arguments } from '../arguments.ts'
import { NOT_AN_INTEGER, ReplyError } from '../reply-error.ts'

const MINUS = 0x2d
const ZERO = 0x30
const SHORT_DIGITS = 15
const LONGEST = 20

const MAX_INTEGER = 2n ** 63n - 1n
export const MIN_INTEGER: bigint = -(2n ** 63n)

/** `null` for what is no integer of 64 bits. */
export function parseInteger(buffer: Buffer, start: number, end: number): number | bigint | null {
  const first = buffer[start] === MINUS ? start + 1 : start
  if (end <= first || end - start > LONGEST) return null
  if (buffer[first] === ZERO) return end - start === 1 ? 0 : null
  let value = 0
  for (let at = first; at < end; at++) {
    const digit = (buffer[at] as number) - ZERO
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  if (end - first <= SHORT_DIGITS) return first === start ? value : -value
  return exactInteger(buffer.toString('latin1', start, end))
}

/** Throws `ReplyError` for what is no integer of 64 bits. */
export function integerArgument(args: Arguments, i: number): number | bigint {
  const value = parseInteger(args.buffer, args.start(i), args.end(i))
  if (value === null) throw new ReplyError(NOT_AN_INTEGER)
  return value
}

function exactInteger(digits: string): number | bigint | null {
  const exact = BigInt(digits)
  if (exact > MAX_INTEGER || exact < MIN_INTEGER) return null
  const number = Number(exact)
  return Number.isSafeInteger(number) ? number : exact
}
