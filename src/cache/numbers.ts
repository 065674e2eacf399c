/**
 * Sums of numbers that are stored as decimal text: whole numbers of 64 bits, and fractions in the 80-bit extended format that Redis computes in on
 * the machines it mostly runs on, so that the digits of an answer are the same. JavaScript's own numbers are too short for both, hence `bigint`;
 * whole numbers that a double holds exactly take a short way.
 *
 * Text that is no number answers `NOT_AN_INTEGER` or `NOT_A_NUMBER`, a sum out of range `OVERFLOW`. Hexadecimal floats are not read.
 */
import type { ErrorCode } from '../lib/errors.ts'

const MAX_INTEGER = 2n ** 63n - 1n
const MIN_INTEGER = -(2n ** 63n)
/** Sign and digits of a number that a double surely holds, and so the sum of two. */
const SHORT_DIGITS = 15
const LONGEST_INTEGER = 20

const MINUS = 0x2d
const ZERO = 0x30

/** `stored` is `null` for 0. */
export function addInteger(stored: Buffer | null, amount: Buffer): Buffer | ErrorCode {
  const base = stored === null ? 0 : parseInteger(stored)
  const added = parseInteger(amount)
  if (base === null || added === null) return 'NOT_AN_INTEGER'
  if (typeof base === 'number' && typeof added === 'number') return Buffer.from(String(base + added))
  const sum = BigInt(base) + BigInt(added)
  return sum > MAX_INTEGER || sum < MIN_INTEGER ? 'OVERFLOW' : Buffer.from(sum.toString())
}

/** As strict as Redis: no sign `+`, no leading zeros, no `-0`, no spaces. */
function parseInteger(text: Buffer): number | bigint | null {
  if (text.length === 0 || text.length > LONGEST_INTEGER) return null
  const negative = text[0] === MINUS
  const first = negative ? 1 : 0
  if (text.length === first) return null
  if (text[first] === ZERO) return text.length === 1 ? 0 : null
  let value = 0
  for (let i = first; i < text.length; i++) {
    const digit = (text[i] as number) - ZERO
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  if (text.length - first <= SHORT_DIGITS) return negative ? -value : value
  const exact = BigInt(text.toString('latin1'))
  return exact > MAX_INTEGER || exact < MIN_INTEGER ? null : exact
}

/** `mantissa` * 2 ^ `exponent`, the mantissa of at most 64 bits, and signed. */
interface Extended {
  readonly mantissa: bigint
  readonly exponent: number
}

const MANTISSA_BITS = 64
/** Of the lowest bit, for the smallest and the largest numbers. */
const MIN_EXPONENT = -16_445
const MAX_EXPONENT = 16_383 - 63
/** Beyond these powers of ten the number is infinite, or zero. */
const MAX_DECIMAL_EXPONENT = 5_000
/** Redis prints so many digits after the point, and drops the zeros at the end. */
const PRINTED_DIGITS = 17
const MAX_TEXT = 5 * 1024

/** `stored` is `null` for 0. */
export function addFloat(stored: Buffer | null, amount: Buffer): Buffer | ErrorCode {
  const base = stored === null ? { mantissa: 0n, exponent: 0 } : parseFloat80(stored)
  const added = parseFloat80(amount)
  if (base === 'nothing' || added === 'nothing') return 'NOT_A_NUMBER'
  if (base === 'infinite' || added === 'infinite') return 'OVERFLOW'
  const exponent = Math.min(base.exponent, added.exponent)
  const sum = (base.mantissa << BigInt(base.exponent - exponent)) + (added.mantissa << BigInt(added.exponent - exponent))
  const rounded = round(sum, 1n, exponent)
  return rounded === null ? 'OVERFLOW' : Buffer.from(print(rounded))
}

function parseFloat80(bytes: Buffer): Extended | 'infinite' | 'nothing' {
  if (bytes.length > MAX_TEXT) return 'nothing'
  const text = bytes.toString('latin1')
  const match = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?$/.exec(text)
  if (match === null) return /^[+-]?inf(inity)?$/i.test(text) ? 'infinite' : 'nothing'
  const [, sign, whole = '', afterPoint, onlyFraction, power = '0'] = match
  const fraction = afterPoint ?? onlyFraction ?? ''
  const digits = BigInt(whole + fraction)
  if (digits === 0n) return { mantissa: 0n, exponent: 0 }
  const decimalExponent = Number(power) - fraction.length
  const magnitude = decimalExponent + digits.toString().length
  if (magnitude > MAX_DECIMAL_EXPONENT || magnitude < -MAX_DECIMAL_EXPONENT) return 'nothing'
  const signed = sign === '-' ? -digits : digits
  const scale = 10n ** BigInt(Math.abs(decimalExponent))
  const value = decimalExponent >= 0 ? round(signed * scale, 1n, 0) : round(signed, scale, 0)
  return value === null || value.mantissa === 0n ? 'nothing' : value
}

/** The nearest number to `numerator / denominator * 2 ^ exponent`, ties to even; `null` when it is too large. */
function round(numerator: bigint, denominator: bigint, exponent: number): Extended | null {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 }
  const negative = numerator < 0n
  const magnitude = negative ? -numerator : numerator
  // One bit more than the mantissa has, or two: the quotient is then shifted once at the most.
  let shift = MANTISSA_BITS + 1 - (bits(magnitude) - bits(denominator))
  let lowest = exponent - shift
  if (lowest < MIN_EXPONENT) {
    shift -= MIN_EXPONENT - lowest
    lowest = MIN_EXPONENT
  }
  let mantissa = divideToEven(magnitude, denominator, shift)
  while (bits(mantissa) > MANTISSA_BITS) {
    // Rounded from the exact value again, not from the rounded one.
    shift--
    lowest++
    mantissa = divideToEven(magnitude, denominator, shift)
  }
  if (lowest > MAX_EXPONENT) return null
  return { mantissa: negative ? -mantissa : mantissa, exponent: lowest }
}

/** `numerator * 2 ^ shift / denominator`, to the nearest whole number, ties to even. */
function divideToEven(numerator: bigint, denominator: bigint, shift: number): bigint {
  const top = shift >= 0 ? numerator << BigInt(shift) : numerator
  const bottom = shift >= 0 ? denominator : denominator << BigInt(-shift)
  const quotient = top / bottom
  const twice = (top % bottom) * 2n
  return twice > bottom || (twice === bottom && (quotient & 1n) === 1n) ? quotient + 1n : quotient
}

function bits(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length
}

function print({ mantissa, exponent }: Extended): string {
  const negative = mantissa < 0n
  const magnitude = negative ? -mantissa : mantissa
  const scaled = divideToEven(magnitude * 10n ** BigInt(PRINTED_DIGITS), 1n, exponent)
  const digits = scaled.toString().padStart(PRINTED_DIGITS + 1, '0')
  const whole = digits.slice(0, -PRINTED_DIGITS)
  const fraction = digits.slice(-PRINTED_DIGITS).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return negative && text !== '0' ? `-${text}` : text
}
