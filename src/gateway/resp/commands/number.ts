/**
 * Commands that count. The cache adds; it leaves a JSON number, so that other faces read one.
 */
import { OPERATION_INCREMENT, OPERATION_INCREMENT_FLOAT, type Operation, type Outcome } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow } from '../command.ts'
import { NOT_AN_INTEGER, ReplyError } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { integerArgument, MIN_INTEGER, parseInteger } from './integer-argument.ts'
import { answerValue, ONE_KEY, on, withValue } from './row.ts'

const PLUS_ONE = Buffer.from('1')
const MINUS_ONE = Buffer.from('-1')

const MINUS = 0x2d

function addOne(amount: Buffer): (args: Arguments, operation: Operation) => void {
  return (args, operation) => void on(operation, OPERATION_INCREMENT, args, 1).setValue(amount)
}

/** Of a negative amount the digits are its opposite; another gets a minus before it. */
function subtract(args: Arguments, operation: Operation): void {
  const amount = integerArgument(args, 2)
  if (amount === MIN_INTEGER) throw new ReplyError('ERR decrement would overflow')
  on(operation, OPERATION_INCREMENT, args, 1)
  if (args.buffer[args.start(2)] === MINUS) operation.setValue(args.buffer, args.start(2) + 1, args.end(2))
  else operation.setValue(Buffer.from(String(-amount)))
}

function answerSum(reply: ReplyWriter, { entry }: Outcome): void {
  const sum = entry === null ? null : parseInteger(entry.value, entry.valueStart, entry.valueEnd)
  // A sum is an integer, unless a member of another version has other ideas.
  if (sum === null) reply.error(NOT_AN_INTEGER)
  else reply.integer(sum)
}

export const NUMBER_COMMANDS: readonly CommandRow[] = [
  {
    name: 'INCR',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Adds one to an integer; a key that is not there counts as 0.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: { kind: 'one', prepare: addOne(PLUS_ONE), answer: answerSum },
  },
  {
    name: 'DECR',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Takes one from an integer; a key that is not there counts as 0.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: { kind: 'one', prepare: addOne(MINUS_ONE), answer: answerSum },
  },
  {
    name: 'INCRBY',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Adds an amount to an integer.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key increment',
    action: {
      kind: 'one',
      prepare: (args, operation) => void withValue(on(operation, OPERATION_INCREMENT, args, 1), args, 2),
      answer: answerSum,
    },
  },
  {
    name: 'DECRBY',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Takes an amount from an integer.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key decrement',
    action: { kind: 'one', prepare: subtract, answer: answerSum },
  },
  {
    name: 'INCRBYFLOAT',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Adds a decimal fraction to a number, in 80-bit floating point, and answers the sum.',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key increment',
    action: {
      kind: 'one',
      prepare: (args, operation) => void withValue(on(operation, OPERATION_INCREMENT_FLOAT, args, 1), args, 2),
      answer: answerValue,
    },
  },
]
