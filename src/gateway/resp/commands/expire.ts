/**
 * Commands on the expiry of a key.
 *
 * A moment is compared with what is stored where the key lives, at the moment that happens; a key that has no expiry counts as one that expires
 * infinitely late, as in Redis.
 */
import {
  ALWAYS,
  EXPIRY_NONE,
  HEAD,
  IF_EARLIER,
  IF_EXPIRING,
  IF_EXPIRING_AND_EARLIER,
  IF_LASTING,
  IF_LATER,
  OPERATION_EXPIRE,
  OPERATION_GET,
  UNTOUCHED,
} from '../../../cache/operation.ts'
import { NEVER } from '../../../lib/entry.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow, OneOperation } from '../command.ts'
import { ReplyError } from '../reply-error.ts'
import { AT_MILLISECOND, AT_SECOND, type ExpiryUnit, MILLISECONDS_FROM_NOW, SECONDS_FROM_NOW, setAnyExpiry } from './expiry-argument.ts'
import { answerWritten, ONE_KEY, on } from './row.ts'

const OPTIONS_AT = 3
/** TTL of a key that is not there, and of one that does not expire. */
const NO_KEY = -2
export const NO_EXPIRY = -1

/** NX XX GT LT; throws `ReplyError` for what cannot be together. */
function conditionOf(args: Arguments): number {
  let [nx, xx, gt, lt] = [false, false, false, false]
  for (let i = OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'NX')) nx = true
    else if (args.is(i, 'XX')) xx = true
    else if (args.is(i, 'GT')) gt = true
    else if (args.is(i, 'LT')) lt = true
    else throw new ReplyError(`ERR Unsupported option ${args.text(i)}`)
  }
  if (nx && (xx || gt || lt)) throw new ReplyError('ERR NX and XX, GT or LT options at the same time are not compatible')
  if (gt && lt) throw new ReplyError('ERR GT and LT options at the same time are not compatible')
  if (nx) return IF_LASTING
  if (gt) return IF_LATER
  if (lt) return xx ? IF_EXPIRING_AND_EARLIER : IF_EARLIER
  return xx ? IF_EXPIRING : ALWAYS
}

function expire(unit: ExpiryUnit, command: string): OneOperation {
  return {
    kind: 'one',
    prepare: (args, operation) => {
      on(operation, OPERATION_EXPIRE, args, 1)
      if (args.count > OPTIONS_AT) operation.condition = conditionOf(args)
      setAnyExpiry(operation, args, 2, unit, command)
    },
    answer: answerWritten,
  }
}

/** `amount` makes the reply of the moment of expiry. */
function look(amount: (expiresAtMs: number, nowMs: number) => number): OneOperation {
  return {
    kind: 'one',
    needsTime: true,
    prepare: (args, operation) => {
      on(operation, OPERATION_GET, args, 1).flags = HEAD | UNTOUCHED
    },
    answer: (reply, { entry }, _args, nowMs) => {
      if (entry === null) reply.integer(NO_KEY)
      else reply.integer(entry.expiresAtMs === NEVER ? NO_EXPIRY : amount(entry.expiresAtMs, nowMs))
    },
  }
}

/** As Redis rounds. */
function inSeconds(ms: number): number {
  return Math.floor((ms + 500) / 1000)
}

/** Another machine's clock may be behind ours, and time has passed since the entry was found. */
export function remainingMs(expiresAtMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil(expiresAtMs - nowMs))
}

export const EXPIRE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'EXPIRE',
    arity: -3,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Lets a key live for some seconds more.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key seconds [NX | XX | GT | LT]',
    action: expire(SECONDS_FROM_NOW, 'expire'),
  },
  {
    name: 'PEXPIRE',
    arity: -3,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Lets a key live for some milliseconds more.',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key milliseconds [NX | XX | GT | LT]',
    action: expire(MILLISECONDS_FROM_NOW, 'pexpire'),
  },
  {
    name: 'EXPIREAT',
    arity: -3,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Lets a key live until a second since 1970.',
    since: '1.2.0',
    complexity: 'O(1)',
    syntax: 'key unix-time-seconds [NX | XX | GT | LT]',
    action: expire(AT_SECOND, 'expireat'),
  },
  {
    name: 'PEXPIREAT',
    arity: -3,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Lets a key live until a millisecond since 1970.',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key unix-time-milliseconds [NX | XX | GT | LT]',
    action: expire(AT_MILLISECOND, 'pexpireat'),
  },
  {
    name: 'TTL',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Answers how many seconds a key has left; -1 if it does not expire, -2 if it is not there.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: look((expiresAtMs, nowMs) => inSeconds(remainingMs(expiresAtMs, nowMs))),
  },
  {
    name: 'PTTL',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Answers how many milliseconds a key has left; -1 if it does not expire, -2 if it is not there.',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: look(remainingMs),
  },
  {
    name: 'EXPIRETIME',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Answers the second since 1970 at which a key expires; -1 if it does not, -2 if it is not there.',
    since: '7.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: look(inSeconds),
  },
  {
    name: 'PEXPIRETIME',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Answers the millisecond since 1970 at which a key expires; -1 if it does not, -2 if it is not there.',
    since: '7.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: look((expiresAtMs) => expiresAtMs),
  },
  {
    name: 'PERSIST',
    arity: 2,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'generic',
    summary: 'Takes the expiry from a key.',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      prepare: (args, operation) => {
        on(operation, OPERATION_EXPIRE, args, 1).setExpiry(EXPIRY_NONE).condition = IF_EXPIRING
      },
      answer: answerWritten,
    },
  },
]
