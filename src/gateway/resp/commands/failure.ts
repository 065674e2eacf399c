/**
 * Failure: how an operation that failed by itself reads as a reply, in Redis's words where it has some.
 *
 * The same code has another text for another operation: a sum that is out of range is an overflow for INCR and no number for INCRBYFLOAT.
 */
import { OPERATION_APPEND, OPERATION_INCREMENT_FLOAT, OPERATION_SET_RANGE } from '../../../cache/operation.ts'
import { ERRORS, type ErrorCode } from '../../../lib/errors.ts'
import type { SavedOutcome } from '../command.ts'
import { NO_SUCH_KEY, NOT_A_FLOAT, NOT_AN_INTEGER } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'

/** Redis names its own limit. */
export const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'

/** The text of an error reply, its first word included. `operation` is the operation's code. */
export function failureText(error: ErrorCode, operation: number): string {
  switch (error) {
    case 'NOT_AN_INTEGER':
      return NOT_AN_INTEGER
    case 'NOT_A_NUMBER':
      return NOT_A_FLOAT
    case 'OVERFLOW':
      return operation === OPERATION_INCREMENT_FLOAT
        ? 'ERR increment would produce NaN or Infinity'
        : 'ERR increment or decrement would overflow'
    case 'KEY_NOT_FOUND':
      return NO_SUCH_KEY
    case 'VALUE_TOO_LARGE':
      return operation === OPERATION_APPEND || operation === OPERATION_SET_RANGE
        ? STRING_TOO_LONG
        : 'ERR the value is over the limit of maxValueBytes'
    case 'OUT_OF_MEMORY':
      return "OOM command not allowed when used memory > 'maxmemory'."
    default:
      return `${ERRORS[error].resp} ${ERRORS[error].meaning}`
  }
}

/** Writes the first failure among `outcomes`, if there is one, and tells whether. `operation` is the code of those that can fail. */
export function answeredFailure(reply: ReplyWriter, outcomes: readonly (SavedOutcome | null)[], operation: number): boolean {
  for (const outcome of outcomes) {
    if (outcome === null || outcome.error === null) continue
    reply.error(failureText(outcome.error, operation))
    return true
  }
  return false
}
