/**
 * Expiry argument: a time to live or a moment, in seconds or milliseconds, as SET, GETEX and the EXPIRE family take it.
 *
 * Redis keeps expiries of 63 bits, this cache such of 47 (until the year 6429); what lies between is refused with the text that Redis has for what
 * is beyond its own limit.
 */
import { EXPIRY_AT, EXPIRY_IN, type Operation } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import { invalidExpireTime, ReplyError } from '../reply-error.ts'
import { integerArgument } from './integer-argument.ts'

export interface ExpiryUnit {
  /** Milliseconds since 1970, or from now. */
  readonly mode: typeof EXPIRY_AT | typeof EXPIRY_IN
  /** Milliseconds in one. */
  readonly unitMs: 1 | 1000
}

export const SECONDS_FROM_NOW: ExpiryUnit = { mode: EXPIRY_IN, unitMs: 1000 }
export const MILLISECONDS_FROM_NOW: ExpiryUnit = { mode: EXPIRY_IN, unitMs: 1 }
export const AT_SECOND: ExpiryUnit = { mode: EXPIRY_AT, unitMs: 1000 }
export const AT_MILLISECOND: ExpiryUnit = { mode: EXPIRY_AT, unitMs: 1 }

/** What an option's name says of the amount that follows it; `null` for another word. */
export function expiryUnit(args: Arguments, i: number): ExpiryUnit | null {
  if (args.is(i, 'EX')) return SECONDS_FROM_NOW
  if (args.is(i, 'PX')) return MILLISECONDS_FROM_NOW
  if (args.is(i, 'EXAT')) return AT_SECOND
  return args.is(i, 'PXAT') ? AT_MILLISECOND : null
}

/** The latest moment. */
const MAX_EXPIRY_MS = 2 ** 47
/** A time to live must lead there from any moment before the year 2109. */
const MAX_LIFE_MS = MAX_EXPIRY_MS - 2 ** 42
/** Fewer seconds than these are more milliseconds than 64 bits hold. */
const MIN_SECONDS = -(2n ** 63n) / 1000n

/** For SET and its kin: the expiry must be above 0. `command` is in lower case. */
export function setExpiry(operation: Operation, args: Arguments, i: number, unit: ExpiryUnit, command: string): void {
  const amount = integerArgument(args, i)
  if (amount <= 0) throw new ReplyError(invalidExpireTime(command))
  giveExpiry(operation, amount, unit, command)
}

/** For the EXPIRE family: an expiry in the past is one, too. */
export function setAnyExpiry(operation: Operation, args: Arguments, i: number, unit: ExpiryUnit, command: string): void {
  const amount = integerArgument(args, i)
  if (unit.unitMs === 1000 && amount < MIN_SECONDS) throw new ReplyError(invalidExpireTime(command))
  giveExpiry(operation, amount, unit, command)
}

function giveExpiry(operation: Operation, amount: number | bigint, { mode, unitMs }: ExpiryUnit, command: string): void {
  const ms = Number(amount) * unitMs
  if (ms > (mode === EXPIRY_AT ? MAX_EXPIRY_MS : MAX_LIFE_MS)) throw new ReplyError(invalidExpireTime(command))
  operation.setExpiry(mode, Math.max(ms, -MAX_EXPIRY_MS))
}
