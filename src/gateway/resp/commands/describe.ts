/**
 * What is known of a key besides its value: OBJECT and MEMORY, as far as they have a meaning here.
 *
 * ENCODING says how Redis would keep the value, for tools that ask; here all values are kept alike.
 */
import { OPERATION_DESCRIBE, OPERATION_GET, type Operation, type Outcome, UNTOUCHED } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow } from '../command.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { integerArgument, parseInteger } from './integer-argument.ts'
import { help, NO_KEY, on, SUBCOMMAND_KEY } from './row.ts'

/** The longest string that Redis keeps in one piece with its header. */
const EMBEDDED_BYTES = 44

const KEY_AT = 2
const USAGE_OPTIONS_AT = 3

const TAKES_TIME = 'Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.'
const NO_FREQUENCY = `ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${TAKES_TIME}`
const NO_IDLE_TIME = `ERR An LFU maxmemory policy is selected, idle time not tracked. ${TAKES_TIME}`

function describe(args: Arguments, operation: Operation): void {
  on(operation, OPERATION_DESCRIBE, args, KEY_AT)
}

function prepareUsage(args: Arguments, operation: Operation): void {
  describe(args, operation)
  for (let i = USAGE_OPTIONS_AT; i < args.count; i++) {
    if (!args.is(i, 'SAMPLES') || i + 1 === args.count || integerArgument(args, ++i) < 0) throw new ReplyError(SYNTAX_ERROR)
  }
}

/** One number of a key that is there; below 0 it is not kept. */
function answerFact(reply: ReplyWriter, { existed }: Outcome, fact: number, refusal: string): void {
  if (!existed) reply.nil()
  else if (fact < 0) reply.error(refusal)
  else reply.integer(fact)
}

function encodingOf(value: Buffer, start: number, end: number): string {
  if (parseInteger(value, start, end) !== null) return 'int'
  return end - start <= EMBEDDED_BYTES ? 'embstr' : 'raw'
}

const OBJECT_SUBCOMMANDS: readonly CommandRow[] = [
  {
    name: 'ENCODING',
    arity: 3,
    flags: ['readonly'],
    keys: SUBCOMMAND_KEY,
    group: 'generic',
    summary: 'Answers how Redis would keep the value: `int`, `embstr` or `raw`.',
    since: '2.2.3',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        on(operation, OPERATION_GET, args, KEY_AT).flags = UNTOUCHED
      },
      answer: (reply, { entry }) => {
        if (entry === null) reply.nil()
        else reply.text(encodingOf(entry.value, entry.valueStart, entry.valueEnd))
      },
    },
  },
  {
    name: 'FREQ',
    arity: 3,
    flags: ['readonly'],
    keys: SUBCOMMAND_KEY,
    group: 'generic',
    summary: 'Answers how often a key is used, on the logarithmic scale of an LFU policy.',
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: describe,
      answer: (reply, outcome) => answerFact(reply, outcome, outcome.frequency, NO_FREQUENCY),
    },
  },
  {
    name: 'IDLETIME',
    arity: 3,
    flags: ['readonly'],
    keys: SUBCOMMAND_KEY,
    group: 'generic',
    summary: 'Answers for how many seconds a key has not been used.',
    since: '2.2.3',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: describe,
      answer: (reply, outcome) => answerFact(reply, outcome, Math.floor(outcome.idleMs / 1000), NO_IDLE_TIME),
    },
  },
  {
    name: 'REFCOUNT',
    arity: 3,
    flags: ['readonly'],
    keys: SUBCOMMAND_KEY,
    group: 'generic',
    summary: 'Answers 1 for a key that is there: values are not shared.',
    since: '2.2.3',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: describe,
      answer: (reply, outcome) => answerFact(reply, outcome, 1, ''),
    },
  },
  {
    name: 'HELP',
    arity: 2,
    flags: ['loading', 'stale'],
    keys: NO_KEY,
    group: 'generic',
    summary: 'Lists the subcommands.',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: '',
    action: help('OBJECT', [
      'ENCODING <key>',
      '    Return how Redis would keep the value of <key>.',
      'FREQ <key>',
      '    Return how often <key> is used, on a logarithmic scale.',
      'IDLETIME <key>',
      '    Return the seconds since the last use of <key>.',
      'REFCOUNT <key>',
      '    Return 1, since values are not shared.',
    ]),
  },
]

export const OBJECT: CommandRow = {
  name: 'OBJECT',
  arity: -2,
  flags: [],
  keys: NO_KEY,
  group: 'generic',
  summary: 'Tells of a key what its value does not.',
  since: '2.2.3',
  complexity: 'Depends on the subcommand.',
  syntax: 'subcommand [key]',
  action: { kind: 'container', subcommands: OBJECT_SUBCOMMANDS },
}

const MEMORY_SUBCOMMANDS: readonly CommandRow[] = [
  {
    name: 'USAGE',
    arity: -3,
    flags: ['readonly'],
    keys: SUBCOMMAND_KEY,
    group: 'server',
    summary: 'Answers how many bytes of memory a key and its value take, bookkeeping included.',
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: 'key [SAMPLES count]',
    action: {
      kind: 'one',
      prepare: prepareUsage,
      answer: (reply, outcome) => answerFact(reply, outcome, outcome.length, ''),
    },
  },
  {
    name: 'HELP',
    arity: 2,
    flags: ['loading', 'stale'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Lists the subcommands.',
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: '',
    action: help('MEMORY', [
      'USAGE <key> [SAMPLES <count>]',
      '    Return the bytes of memory that <key> and its value take. <count> is read and makes no difference.',
    ]),
  },
]

export const MEMORY: CommandRow = {
  name: 'MEMORY',
  arity: -2,
  flags: [],
  keys: NO_KEY,
  group: 'server',
  summary: 'Tells of memory.',
  since: '4.0.0',
  complexity: 'Depends on the subcommand.',
  syntax: 'subcommand [key]',
  action: { kind: 'container', subcommands: MEMORY_SUBCOMMANDS },
}
