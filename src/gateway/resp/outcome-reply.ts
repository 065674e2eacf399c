/**
 * What comes back from the cache, as replies need it: what outcomes hold, and errors in Redis's own words.
 */
import { OPERATION_GET, type Outcome } from '../../cache/operation.ts'
import { CacheError, type ErrorCode } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { failureText } from './commands/failure.ts'
import { ReplyError } from './reply-error.ts'
import type { ReplyWriter } from './reply-writer.ts'

const IN_REDIS_WORDS: ReadonlySet<ErrorCode> = new Set([
  'OUT_OF_MEMORY',
  'NOT_AN_INTEGER',
  'NOT_A_NUMBER',
  'OVERFLOW',
  'KEY_NOT_FOUND',
  'VALUE_TOO_LARGE',
])

/** What an operation and its outcome take while a command is under way, beside their bytes. */
export const OPERATION_OVERHEAD_BYTES = 400
/** No value is framed by more in a reply. */
const FRAME_BYTES = 32

/** Bytes that an outcome holds once it is saved; as many at least as its reply has. */
export function heldBytes(outcome: Outcome): number {
  return FRAME_BYTES + (outcome.entry === null ? 0 : outcome.entry.bytes)
}

/** Instead of a reply that the client may not have. */
export function replyTooLarge(limitBytes: number): string {
  return `ERR the reply would be over outputBufferLimitBytes (${limitBytes})`
}

/**
 * The whole error reply for an operation of kind `operation` that the cache refused: Redis's words where it has some, else the cache's own. `partly`:
 * the command was made of several, and others have written something.
 */
export function errorText(error: CacheError, operation: number, partly: boolean = false): string {
  if (error.code === 'CROSS_SLOT') return "CROSSSLOT Keys in request don't hash to the same slot"
  if (error.code === 'NO_REPLICAS')
    return `NOREPLICAS Not enough good replicas to write.${partly ? ' Other keys of the command were written.' : ''}`
  return IN_REDIS_WORDS.has(error.code) ? failureText(error.code, operation) : `${error.row.resp} ${error.message}`
}

/** Writes the error reply for whatever a command has thrown. What no command should throw is logged. */
export function writeRefusal(reply: ReplyWriter, error: unknown, logger: Logger): void {
  if (error instanceof ReplyError) {
    reply.error(error.message, error.encoding)
  } else if (error instanceof CacheError) {
    reply.error(errorText(error, OPERATION_GET))
  } else {
    logger.error({ err: error }, 'a command failed in a way that it should not')
    reply.error('ERR internal error')
  }
}
