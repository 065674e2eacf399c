/**
 * GETENTRY and SETJSON: what GET and SET leave out. This project's own.
 *
 * A value is a string or JSON (see docs/protocol.md). Redis knows strings only, so its commands answer the bytes of either
 * and write strings. Who has to carry entries from one cache to another, or shares JSON with clients of HTTP, needs the kind: one command reads
 * everything about an entry at one moment, the other writes JSON. Clients of Redis never meet either.
 */
import { OPERATION_GET, OPERATION_SET, type Operation, type Outcome } from '../../../cache/operation.ts'
import { NEVER, VALUE_JSON } from '../../../lib/entry.ts'
import { isJson, MAX_DEPTH } from '../../../lib/json-scanner.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow } from '../command.ts'
import { ReplyError } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { NO_EXPIRY, remainingMs } from './expire.ts'
import { ONE_KEY, on, withValue } from './row.ts'
import { answerSet, applySetOptions, hasSetOptions } from './set-options.ts'

const VALUE_AT = 2
const NOT_JSON = `ERR the value is not one JSON text in UTF-8, nested at most ${MAX_DEPTH} deep`
const KIND_STRING = Buffer.from('string')
const KIND_JSON = Buffer.from('json')

function prepareSetJson(args: Arguments, operation: Operation): void {
  withValue(on(operation, OPERATION_SET, args, 1), args, VALUE_AT).kind = VALUE_JSON
  if (args.count > VALUE_AT + 1) applySetOptions(args, operation, 'setjson')
  if (!isJson(args.bytes(VALUE_AT))) throw new ReplyError(NOT_JSON)
}

function answerEntry(reply: ReplyWriter, { entry }: Outcome, _args: Arguments, nowMs: number): void {
  if (entry === null) {
    reply.nil()
    return
  }
  reply.array(3)
  reply.bulk(entry.kind === VALUE_JSON ? KIND_JSON : KIND_STRING)
  reply.bulk(entry.value, entry.valueStart, entry.valueEnd)
  reply.integer(entry.expiresAtMs === NEVER ? NO_EXPIRY : remainingMs(entry.expiresAtMs, nowMs))
}

export const ENTRY_COMMANDS: readonly CommandRow[] = [
  {
    name: 'GETENTRY',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    summary:
      'Answers `string` or `json`, the value, and the milliseconds it has left, -1 if it does not expire; nothing if it is not there.',
    since: '0.1.0',
    complexity: 'O(1)',
    syntax: 'key',
    action: {
      kind: 'one',
      needsTime: true,
      prepare: (args, operation) => void on(operation, OPERATION_GET, args, 1),
      answer: answerEntry,
    },
  },
  {
    name: 'SETJSON',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    summary: 'Does what SET does, with a value that is JSON, checked and kept as it was sent: HTTP answers it as JSON, GET its text.',
    since: '0.1.0',
    complexity: 'O(N) with the length of the value.',
    syntax: 'key json [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]',
    action: { kind: 'one', prepare: prepareSetJson, needsArguments: hasSetOptions, answer: answerSet },
  },
]
