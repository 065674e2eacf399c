/**
 * How the command line ends: one number a kind of outcome, so that scripts can tell them apart, and the sentence that goes with a failure.
 */
import { CommanderError } from 'commander'
import { JackdawError, NotJsonError, ProtocolError, ServerError } from '../client/index.ts'

export const EXIT = {
  ok: 0,
  /** No such key, a condition that did not hold, an answer of "no". */
  negative: 1,
  /** The command or its input cannot be used. */
  usage: 2,
  /** The server answered with an error, or with something that it should not. */
  refused: 3,
  /** No server, or no answer in time. */
  unreachable: 4,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What was given cannot be used: options that exclude each other, a malformed line of a file. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof ServerError || error instanceof ProtocolError || error instanceof NotJsonError) return EXIT.refused
  if (error instanceof JackdawError) return error.code === 'VALUE_TOO_LARGE' ? EXIT.usage : EXIT.unreachable
  // The client throws RangeError for options that cannot be, and the file system has codes: both are what the caller gave.
  if (error instanceof UsageError || error instanceof RangeError || isSystemError(error)) return EXIT.usage
  throw error
}

/** A stable word for `--json`. */
export function errorCodeOf(error: unknown): string {
  if (error instanceof ServerError) return error.replyCode
  if (error instanceof JackdawError || isSystemError(error)) return error.code
  return 'USAGE'
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
}
