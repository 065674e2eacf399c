/**
 * Commands on a part of a string.
 */
import { OPERATION_APPEND, OPERATION_GET, OPERATION_SET_RANGE, type Operation, type Outcome } from '../../../cache/operation.ts'
import { NO_BYTES } from '../../../lib/bytes.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow, OneOperation } from '../command.ts'
import { ReplyError } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { STRING_TOO_LONG } from './failure.ts'
import { integerArgument } from './integer-argument.ts'
import { answerLength, ONE_KEY, on, withValue } from './row.ts'

/** Redis's `proto-max-bulk-len`: it refuses longer strings in these words. What is over `maxValueBytes` the cache refuses. */
const MAX_STRING_BYTES = 512 * 1024 * 1024

function prepareSetRange(args: Arguments, operation: Operation): void {
  const offset = integerArgument(args, 2)
  if (offset < 0) throw new ReplyError('ERR offset is out of range')
  const length = args.length(3)
  withValue(on(operation, OPERATION_SET_RANGE, args, 1), args, 3)
  // Nothing is written by no bytes, wherever they would go.
  if (length === 0) return
  if (offset > MAX_STRING_BYTES - length) {
    throw new ReplyError(STRING_TOO_LONG)
  }
  operation.offset = Number(offset)
}

function prepareGetRange(args: Arguments, operation: Operation): void {
  integerArgument(args, 2)
  integerArgument(args, 3)
  on(operation, OPERATION_GET, args, 1)
}

function answerGetRange(reply: ReplyWriter, { entry }: Outcome, args: Arguments): void {
  const first = integerArgument(args, 2)
  const last = integerArgument(args, 3)
  const length = entry === null ? 0 : entry.valueEnd - entry.valueStart
  const from = Math.max(0, first < 0 ? length + Number(first) : Number(first))
  const to = Math.min(length - 1, Math.max(0, last < 0 ? length + Number(last) : Number(last)))
  const backwards = first < 0 && last < 0 && first > last
  if (entry === null || backwards || from > to) reply.bulk(NO_BYTES)
  else reply.bulk(entry.value, entry.valueStart + from, entry.valueStart + to + 1)
}

const GET_RANGE: OneOperation = {
  kind: 'one',
  prepare: prepareGetRange,
  needsArguments: () => true,
  answer: answerGetRange,
}

export const RANGE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'APPEND',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Adds bytes at the end of a value and answers its length.',
    since: '2.0.0',
    complexity: 'O(N) with the length of the result.',
    syntax: 'key value',
    action: {
      kind: 'one',
      prepare: (args, operation) => void withValue(on(operation, OPERATION_APPEND, args, 1), args, 2),
      answer: answerLength,
    },
  },
  {
    name: 'SETRANGE',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Overwrites a value from an offset on, filling a gap with zero bytes, and answers its length.',
    since: '2.2.0',
    complexity: 'O(N) with the length of the result.',
    syntax: 'key offset value',
    action: { kind: 'one', prepare: prepareSetRange, answer: answerLength },
  },
  {
    name: 'GETRANGE',
    arity: 4,
    flags: ['readonly'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Answers the bytes of a value from one position to another, both included; negative ones count from the end.',
    since: '2.4.0',
    complexity: 'O(N) with the length of what is answered.',
    syntax: 'key start end',
    action: GET_RANGE,
  },
  {
    name: 'SUBSTR',
    arity: 4,
    flags: ['readonly'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'The old name of GETRANGE.',
    since: '1.0.0',
    complexity: 'O(N) with the length of what is answered.',
    syntax: 'key start end',
    action: GET_RANGE,
  },
]
