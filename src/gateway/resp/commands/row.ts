/**
 * What rows of the command table have in common: where a command has its keys, and the replies that many of them give.
 */
import type { Operation, Outcome } from '../../../cache/operation.ts'
import type { CacheError } from '../../../lib/errors.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandFlag, CommandRow, Direct, Later } from '../command.ts'
import { errorText } from '../outcome-reply.ts'
import type { ReplyWriter } from '../reply-writer.ts'

const NO_OPERATION = 0

type Keys = CommandRow['keys']

export const NO_KEY: Keys = [0, 0, 0]
export const ONE_KEY: Keys = [1, 1, 1]
export const TWO_KEYS: Keys = [1, 2, 1]
export const ALL_KEYS: Keys = [1, -1, 1]
/** Keys and values in turn. */
export const PAIRED_KEYS: Keys = [1, -1, 2]
/** Of a subcommand. */
export const SUBCOMMAND_KEY: Keys = [2, 2, 1]

/** Makes rows of commands that speak to the session or the whole cache and name no key: what a group of them has in common is said once. */
export function directRows(
  group: CommandRow['group'],
  complexityOf: (name: string, flags: readonly CommandFlag[]) => string,
): (
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  summary: string,
  syntax: string,
  since: string,
  run: Direct['run'],
) => CommandRow {
  return (name, arity, flags, summary, syntax, since, run) => {
    const complexity = complexityOf(name, flags)
    return { name, arity, flags, keys: NO_KEY, group, summary, since, complexity, syntax, action: { kind: 'direct', run } }
  }
}

/** Begins the operation on the key in argument `i`. */
export function on(operation: Operation, code: number, args: Arguments, i: number): Operation {
  return operation.reset(code).setKey(args.buffer, args.start(i), args.end(i))
}

/** Gives the operation argument `i` for its value. */
export function withValue(operation: Operation, args: Arguments, i: number): Operation {
  return operation.setValue(args.buffer, args.start(i), args.end(i))
}

export function answerOk(reply: ReplyWriter): void {
  reply.ok()
}

/** The value of the entry asked for; no value for none. */
export function answerValue(reply: ReplyWriter, { entry }: Outcome): void {
  if (entry === null) reply.nil()
  else reply.bulk(entry.value, entry.valueStart, entry.valueEnd)
}

export function answerLength(reply: ReplyWriter, { length }: Outcome): void {
  reply.integer(length)
}

export function answerWritten(reply: ReplyWriter, { written }: Outcome): void {
  reply.integer(written ? 1 : 0)
}

/** For a call that is no operation on a key. */
export function finishWithError(later: Later, error: CacheError): void {
  later.reply.error(errorText(error, NO_OPERATION))
  later.finish()
}

/** The lines of a container's HELP, as Redis frames them. */
export function help(container: string, lines: readonly string[]): Direct {
  const all = [`${container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`, ...lines, 'HELP', '    Prints this help.']
  return {
    kind: 'direct',
    run: ({ reply }) => {
      reply.array(all.length)
      for (const line of all) reply.simple(line)
    },
  }
}
