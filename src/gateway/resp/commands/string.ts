/**
 * Commands on one string: reading, writing and replacing it whole. What a write over RESP leaves is a string; what a read answers are the value's
 * bytes, whichever face wrote them.
 */
import { HEAD, IF_ABSENT, OPERATION_DELETE, OPERATION_GET, OPERATION_SET, type Operation, WANT_OLD } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow } from '../command.ts'
import { type ExpiryUnit, MILLISECONDS_FROM_NOW, SECONDS_FROM_NOW, setExpiry } from './expiry-argument.ts'
import { answerGetex, prepareGetex } from './getex.ts'
import { LCS } from './lcs.ts'
import { MULTIPLE_STRING_COMMANDS } from './multiple.ts'
import { NUMBER_COMMANDS } from './number.ts'
import { RANGE_COMMANDS } from './range.ts'
import { answerLength, answerOk, answerValue, ONE_KEY, on, withValue } from './row.ts'
import { answerSet, applySetOptions, hasSetOptions } from './set-options.ts'

const VALUE_AT = 2

function set(args: Arguments, operation: Operation): Operation {
  return withValue(on(operation, OPERATION_SET, args, 1), args, VALUE_AT)
}

/** SETEX and PSETEX have the amount before the value. */
function setExpiring(unit: ExpiryUnit, command: string): (args: Arguments, operation: Operation) => void {
  return (args, operation) => {
    withValue(on(operation, OPERATION_SET, args, 1), args, 3)
    setExpiry(operation, args, 2, unit, command)
  }
}

const SINGLE: readonly CommandRow[] = [
  {
    name: 'GET',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Answers the value of a key.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => void on(operation, OPERATION_GET, args, 1),
      answer: answerValue,
    },
  },
  {
    name: 'SET',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Stores a value under a key, with an expiry and under a condition if asked.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        set(args, operation)
        if (args.count > 3) applySetOptions(args, operation)
      },
      needsArguments: hasSetOptions,
      answer: answerSet,
    },
  },
  {
    name: 'SETNX',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Stores a value if the key is free.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key value',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        set(args, operation).condition = IF_ABSENT
      },
      answer: (reply, { existed }) => reply.integer(existed ? 0 : 1),
    },
  },
  {
    name: 'SETEX',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Stores a value that lives for some seconds.',
    since: '2.0.0',
    complexity: 'O(1)',
    syntax: 'key seconds value',
    action: { kind: 'one', prepare: setExpiring(SECONDS_FROM_NOW, 'setex'), answer: answerOk },
  },
  {
    name: 'PSETEX',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Stores a value that lives for some milliseconds.',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key milliseconds value',
    action: { kind: 'one', prepare: setExpiring(MILLISECONDS_FROM_NOW, 'psetex'), answer: answerOk },
  },
  {
    name: 'GETSET',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Stores a value and answers the one it replaced.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key value',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        set(args, operation).flags = WANT_OLD
      },
      answer: answerValue,
    },
  },
  {
    name: 'GETDEL',
    arity: 2,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Deletes a key and answers its value.',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        on(operation, OPERATION_DELETE, args, 1).flags = WANT_OLD
      },
      answer: answerValue,
    },
  },
  {
    name: 'GETEX',
    arity: -2,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Answers the value of a key and gives it another expiry, or takes it away.',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: 'key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]',
    action: { kind: 'one', prepare: prepareGetex, needsArguments: () => true, answer: answerGetex },
  },
  {
    name: 'STRLEN',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Answers the length of a value in bytes.',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        on(operation, OPERATION_GET, args, 1).flags = HEAD
      },
      answer: answerLength,
    },
  },
]

export const STRING_COMMANDS: readonly CommandRow[] = [...SINGLE, ...MULTIPLE_STRING_COMMANDS, ...RANGE_COMMANDS, ...NUMBER_COMMANDS, LCS]
