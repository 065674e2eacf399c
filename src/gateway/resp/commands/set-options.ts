/**
 * Options of SET, read without allocating: every word is judged before the number that follows one of them, as in Redis.
 *
 * A word may be said twice; two words that ask for different things may not. `SET k v EX 10 EX 20` is good and takes the last.
 */
import { EXPIRY_KEEP, IF_ABSENT, IF_PRESENT, type Operation, type Outcome, WANT_OLD } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { type ExpiryUnit, expiryUnit, setExpiry } from './expiry-argument.ts'
import { answerValue } from './row.ts'

const OPTIONS_AT = 3

/** Gives the operation what follows `SET key value`; `command` is the name that errors tell. Throws `ReplyError`. */
export function applySetOptions(args: Arguments, operation: Operation, command: string = 'set'): void {
  let unit: ExpiryUnit | null = null
  let amountAt = 0
  for (let i = OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'NX') && operation.condition !== IF_PRESENT) {
      operation.condition = IF_ABSENT
    } else if (args.is(i, 'XX') && operation.condition !== IF_ABSENT) {
      operation.condition = IF_PRESENT
    } else if (args.is(i, 'GET')) {
      operation.flags |= WANT_OLD
    } else if (args.is(i, 'KEEPTTL') && unit === null) {
      operation.setExpiry(EXPIRY_KEEP)
    } else {
      const said = expiryUnit(args, i)
      const other = operation.expiry === EXPIRY_KEEP || (unit !== null && unit !== said)
      if (said === null || other || i + 1 === args.count) throw new ReplyError(SYNTAX_ERROR)
      unit = said
      amountAt = ++i
    }
  }
  if (unit !== null) setExpiry(operation, args, amountAt, unit, command)
}

export function hasSetOptions({ count }: Arguments): boolean {
  return count > OPTIONS_AT
}

/** What was replaced with GET, else whether the condition was met. That a moment in the past leaves nothing behind makes no difference. */
export function answerSet(reply: ReplyWriter, outcome: Outcome, args: Arguments): void {
  let refused = false
  for (let i = OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'GET')) {
      answerValue(reply, outcome)
      return
    }
    if (args.is(i, 'NX')) refused = outcome.existed
    else if (args.is(i, 'XX')) refused = !outcome.existed
  }
  if (refused) reply.nil()
  else reply.ok()
}
