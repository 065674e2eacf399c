/**
 * GETEX: GET without options, else EXPIRE that answers the value.
 *
 * Redis judges the words first, then looks for the key, and judges the amount only if there is one: so a bad amount is found when the operation is
 * prepared, which then only looks, and told when it is answered.
 */
import {
  EXPIRY_NONE,
  HEAD,
  OPERATION_EXPIRE,
  OPERATION_GET,
  Operation,
  type Outcome,
  UNTOUCHED,
  WANT_OLD,
} from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { type ExpiryUnit, expiryUnit, setExpiry } from './expiry-argument.ts'
import { answerValue, on } from './row.ts'

const OPTIONS_AT = 2
/** What stands for the position of an amount where there is none. */
const NO_OPTION = 0
const PERSIST = -1

const scratch = new Operation()

/** Throws `ReplyError`. */
export function prepareGetex(args: Arguments, operation: Operation): void {
  const amountAt = option(args)
  if (amountAt === NO_OPTION) {
    on(operation, OPERATION_GET, args, 1)
    return
  }
  on(operation, OPERATION_EXPIRE, args, 1).flags = WANT_OLD
  if (amountAt === PERSIST) operation.setExpiry(EXPIRY_NONE)
  else if (fault(args, amountAt, operation) !== null) on(operation, OPERATION_GET, args, 1).flags = HEAD | UNTOUCHED
}

export function answerGetex(reply: ReplyWriter, outcome: Outcome, args: Arguments): void {
  const amountAt = outcome.entry === null ? NO_OPTION : option(args)
  const text = amountAt > 0 ? fault(args, amountAt, scratch) : null
  if (text === null) answerValue(reply, outcome)
  else reply.error(text)
}

/** Where the amount of the last expiry stands, or `NO_OPTION`, or `PERSIST`. */
function option(args: Arguments): number {
  let unit: ExpiryUnit | null = null
  let found = NO_OPTION
  for (let i = OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'PERSIST') && unit === null) {
      found = PERSIST
    } else {
      const said = expiryUnit(args, i)
      const other = found === PERSIST || (unit !== null && unit !== said)
      if (said === null || other || i + 1 === args.count) throw new ReplyError(SYNTAX_ERROR)
      unit = said
      found = ++i
    }
  }
  return found
}

/** Gives the operation its expiry; if that cannot be, says why. */
function fault(args: Arguments, amountAt: number, operation: Operation): string | null {
  try {
    setExpiry(operation, args, amountAt, expiryUnit(args, amountAt - 1) as ExpiryUnit, 'getex')
    return null
  } catch (error) {
    if (error instanceof ReplyError) return error.message
    throw error
  }
}
