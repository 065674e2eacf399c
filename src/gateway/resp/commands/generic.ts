/**
 * Commands on keys, whatever their values are.
 */
import {
  ALWAYS,
  HEAD,
  IF_ABSENT,
  OPERATION_COPY,
  OPERATION_GET,
  OPERATION_RENAME,
  type Operation,
  UNTOUCHED,
} from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow } from '../command.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import { MEMORY, OBJECT } from './describe.ts'
import { EXPIRE_COMMANDS } from './expire.ts'
import { integerArgument } from './integer-argument.ts'
import { KEYSPACE_COMMANDS } from './keyspace.ts'
import { MULTIPLE_GENERIC_COMMANDS } from './multiple.ts'
import { answerOk, answerWritten, ONE_KEY, on, TWO_KEYS, withValue } from './row.ts'
import { SEARCH } from './search.ts'

const MAX_INT = 2 ** 31 - 1
const COPY_OPTIONS_AT = 3

function transfer(code: number, args: Arguments, operation: Operation): Operation {
  return withValue(on(operation, code, args, 1), args, 2)
}

/** There is one database, 0. */
function databaseArgument(args: Arguments, i: number): void {
  const database = integerArgument(args, i)
  if (database > MAX_INT || database < -MAX_INT - 1) {
    throw new ReplyError(`ERR value is out of range, value must between ${-MAX_INT - 1} and ${MAX_INT}`)
  }
  if (database !== 0) throw new ReplyError('ERR DB index is out of range')
}

function prepareCopy(args: Arguments, operation: Operation): void {
  transfer(OPERATION_COPY, args, operation).condition = IF_ABSENT
  for (let i = COPY_OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'REPLACE')) operation.condition = ALWAYS
    else if (args.is(i, 'DB') && i + 1 < args.count) databaseArgument(args, ++i)
    else throw new ReplyError(SYNTAX_ERROR)
  }
  if (args.bytes(1).equals(args.bytes(2))) throw new ReplyError('ERR source and destination objects are the same')
}

const SINGLE: readonly CommandRow[] = [
  {
    name: 'TYPE',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Answers `string` for a key that is there, `none` for one that is not.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        on(operation, OPERATION_GET, args, 1).flags = HEAD | UNTOUCHED
      },
      answer: (reply, { existed }) => reply.simple(existed ? 'string' : 'none'),
    },
  },
  {
    name: 'RENAME',
    arity: 3,
    flags: ['write'],
    keys: TWO_KEYS,
    group: 'generic',
    summary: 'Gives a value and its expiry another key, in place of what is there.',
    since: '1.0.0',
    complexity: 'O(N) with the length of the value.',
    syntax: 'key newkey',
    action: {
      kind: 'one',
      prepare: (args, operation) => void transfer(OPERATION_RENAME, args, operation),
      answer: answerOk,
    },
  },
  {
    name: 'RENAMENX',
    arity: 3,
    flags: ['write', 'fast'],
    keys: TWO_KEYS,
    group: 'generic',
    summary: 'Gives a value and its expiry another key, if that one is free.',
    since: '1.0.0',
    complexity: 'O(N) with the length of the value.',
    syntax: 'key newkey',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        transfer(OPERATION_RENAME, args, operation).condition = IF_ABSENT
      },
      answer: answerWritten,
    },
  },
  {
    name: 'COPY',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: TWO_KEYS,
    group: 'generic',
    summary: 'Stores a value and its expiry under another key, too.',
    since: '6.2.0',
    complexity: 'O(N) with the length of the value.',
    syntax: 'source destination [DB destination-db] [REPLACE]',
    action: { kind: 'one', prepare: prepareCopy, answer: answerWritten },
  },
]

export const GENERIC_COMMANDS: readonly CommandRow[] = [
  ...MULTIPLE_GENERIC_COMMANDS,
  ...SINGLE,
  ...EXPIRE_COMMANDS,
  ...KEYSPACE_COMMANDS,
  SEARCH,
  OBJECT,
  MEMORY,
]
