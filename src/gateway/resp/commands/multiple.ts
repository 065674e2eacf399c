/**
 * Commands on several keys. But for MSETNX each key is read or written by itself, wherever it lives: nothing has to be in one slot, and what another
 * client writes meanwhile may come in between. MSET refuses all of its pairs before it writes any.
 */
import type { Limits } from '../../../cache/cache.ts'
import {
  HEAD,
  IF_ABSENT,
  OPERATION_DELETE,
  OPERATION_GET,
  OPERATION_REQUIRE,
  OPERATION_SET,
  Operation,
  type Outcome,
  UNTOUCHED,
} from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow, ManyOperations } from '../command.ts'
import { ReplyError, wrongNumberOfArguments } from '../reply-error.ts'
import { answeredFailure } from './failure.ts'
import { ALL_KEYS, answerValue, on, PAIRED_KEYS, withValue } from './row.ts'

/** The same operation on every key; the reply is a number of keys. */
function counting(code: number, flags: number, counts: (outcome: Outcome) => boolean): ManyOperations {
  return {
    kind: 'many',
    atomic: false,
    prepare: (args) => onEach(args, code, flags),
    answer: (reply, outcomes) => {
      if (answeredFailure(reply, outcomes, code)) return
      reply.integer(outcomes.reduce((count, outcome) => (outcome !== null && counts(outcome) ? count + 1 : count), 0))
    },
  }
}

function onEach(args: Arguments, code: number, flags: number): Operation[] {
  const operations: Operation[] = []
  for (let i = 1; i < args.count; i++) {
    const operation = on(new Operation(), code, args, i)
    operation.flags = flags
    operations.push(operation)
  }
  return operations
}

function pairs(args: Arguments, command: string): Operation[] {
  if (args.count % 2 === 0) throw new ReplyError(wrongNumberOfArguments(command))
  const operations: Operation[] = []
  for (let i = 1; i < args.count; i += 2) operations.push(withValue(on(new Operation(), OPERATION_SET, args, i), args, i + 1))
  return operations
}

function prepareMset(args: Arguments, { maxKeyBytes, maxValueBytes }: Limits): Operation[] {
  const operations = pairs(args, 'mset')
  for (const { keyStart, keyEnd, valueStart, valueEnd } of operations) {
    if (keyEnd === keyStart) throw new ReplyError('ERR the key is empty')
    if (keyEnd - keyStart > maxKeyBytes) throw new ReplyError(`ERR a key has ${keyEnd - keyStart} bytes, over the limit of ${maxKeyBytes}`)
    if (valueEnd - valueStart > maxValueBytes) {
      throw new ReplyError(`ERR a value has ${valueEnd - valueStart} bytes, over the limit of ${maxValueBytes}`)
    }
  }
  return operations
}

/** First every key is required to be free: one that is not leaves out all that follows. */
function prepareMsetnx(args: Arguments): Operation[] {
  const sets = pairs(args, 'msetnx')
  const demands = sets.map(({ key, keyStart, keyEnd }, i) => {
    const demand = new Operation().reset(OPERATION_REQUIRE).setKey(key, keyStart, keyEnd)
    demand.condition = IF_ABSENT
    demand.offset = 2 * sets.length - 1 - i
    return demand
  })
  return [...demands, ...sets]
}

const existing = ({ existed }: Outcome): boolean => existed
const DELETE = counting(OPERATION_DELETE, 0, existing)

export const MULTIPLE_STRING_COMMANDS: readonly CommandRow[] = [
  {
    name: 'MGET',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: ALL_KEYS,
    group: 'string',
    summary: 'Answers the values of several keys.',
    since: '1.0.0',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: {
      kind: 'many',
      atomic: false,
      prepare: (args) => onEach(args, OPERATION_GET, 0),
      answer: (reply, outcomes) => {
        if (answeredFailure(reply, outcomes, OPERATION_GET)) return
        reply.array(outcomes.length)
        for (const outcome of outcomes) {
          if (outcome === null) reply.nil()
          else answerValue(reply, outcome)
        }
      },
    },
  },
  {
    name: 'MSET',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: PAIRED_KEYS,
    group: 'string',
    summary: 'Stores several values, each by itself.',
    since: '1.0.1',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key value [key value ...]',
    action: {
      kind: 'many',
      atomic: false,
      prepare: prepareMset,
      answer: (reply, outcomes) => {
        if (!answeredFailure(reply, outcomes, OPERATION_SET)) reply.ok()
      },
    },
  },
  {
    name: 'MSETNX',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: PAIRED_KEYS,
    group: 'string',
    summary: 'Stores several values at once, or none if one of the keys is taken.',
    since: '1.0.1',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key value [key value ...]',
    action: {
      kind: 'many',
      atomic: true,
      prepare: prepareMsetnx,
      answer: (reply, outcomes) => {
        if (!answeredFailure(reply, outcomes, OPERATION_SET)) reply.integer(outcomes.at(-1) === null ? 0 : 1)
      },
    },
  },
]

export const MULTIPLE_GENERIC_COMMANDS: readonly CommandRow[] = [
  {
    name: 'DEL',
    arity: -2,
    flags: ['write'],
    keys: ALL_KEYS,
    group: 'generic',
    summary: 'Deletes keys and answers how many there were.',
    since: '1.0.0',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: DELETE,
  },
  {
    name: 'UNLINK',
    arity: -2,
    flags: ['write', 'fast'],
    keys: ALL_KEYS,
    group: 'generic',
    summary: 'Does what DEL does, which never waits for memory to be freed.',
    since: '4.0.0',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: DELETE,
  },
  {
    name: 'DELETE',
    arity: -2,
    flags: ['write'],
    keys: ALL_KEYS,
    group: 'generic',
    summary: 'Another name of DEL.',
    since: '0.1.0',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: DELETE,
  },
  {
    name: 'EXISTS',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: ALL_KEYS,
    group: 'generic',
    summary: 'Answers how many of the keys exist; one that is named twice counts twice.',
    since: '1.0.0',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: counting(OPERATION_GET, HEAD | UNTOUCHED, existing),
  },
  {
    name: 'TOUCH',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: ALL_KEYS,
    group: 'generic',
    summary: 'Counts keys as used for eviction, and answers how many exist.',
    since: '3.2.1',
    complexity: 'O(N) with the number of keys.',
    syntax: 'key [key ...]',
    action: counting(OPERATION_GET, HEAD, existing),
  },
]
