/**
 * SEARCH: keys by how they begin and end, in byte order, page by page. This project's own; HTTP's `/search` has the same meaning and cursors.
 */
import { type Bytes, NO_BYTES } from '../../../lib/bytes.ts'
import type { Arguments } from '../arguments.ts'
import type { Call, CommandRow } from '../command.ts'
import { INVALID_CURSOR, ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import { integerArgument } from './integer-argument.ts'
import { walkKeys } from './key-walk.ts'
import { finishWithError, NO_KEY } from './row.ts'

const DEFAULT_LIMIT = 1000
const MAX_LIMIT = 10_000
/** A page ends early beyond this. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

interface Search {
  readonly prefix: Bytes
  readonly suffix: Bytes
  readonly limit: number
  readonly after: Bytes | null
}

function searchOf(args: Arguments, maxKeyBytes: number): Search {
  let prefix: Bytes = NO_BYTES
  let suffix: Bytes = NO_BYTES
  let limit = DEFAULT_LIMIT
  let after: Bytes | null = null
  for (let i = 1; i < args.count; i += 2) {
    if (i + 1 === args.count) throw new ReplyError(SYNTAX_ERROR)
    if (args.is(i, 'PREFIX')) prefix = args.bytes(i + 1)
    else if (args.is(i, 'SUFFIX')) suffix = args.bytes(i + 1)
    else if (args.is(i, 'LIMIT')) limit = limitArgument(args, i + 1)
    else if (args.is(i, 'CURSOR')) after = cursorArgument(args, i + 1, maxKeyBytes)
    else throw new ReplyError(SYNTAX_ERROR)
  }
  return { prefix, suffix, limit, after }
}

function limitArgument(args: Arguments, i: number): number {
  const limit = integerArgument(args, i)
  if (limit < 1 || limit > MAX_LIMIT) throw new ReplyError(`ERR LIMIT must be between 1 and ${MAX_LIMIT}`)
  return Number(limit)
}

/** The last key of the page before; an empty one begins at the first key, so that a loop may begin with what it ends with. */
function cursorArgument(args: Arguments, i: number, maxKeyBytes: number): Buffer | null {
  if (args.length(i) === 0) return null
  if (args.length(i) > Math.ceil((maxKeyBytes * 4) / 3)) throw new ReplyError(INVALID_CURSOR)
  const text = args.text(i, 'latin1')
  const key = Buffer.from(text, 'base64url')
  if (key.toString('base64url') !== text) throw new ReplyError(INVALID_CURSOR)
  return key
}

function runSearch(call: Call): void {
  const { maxKeyBytes } = call.cache.limits
  searchOf(call.args, maxKeyBytes)
  const later = call.later()
  const { prefix, suffix, limit, after } = searchOf(later.args, maxKeyBytes)
  walkKeys(
    call,
    { query: { prefix, suffix, after, values: false }, matches: () => true, maxKeys: limit, maxBytes: MAX_PAGE_BYTES },
    (error, keys) => {
      if (error !== null) return finishWithError(later, error)
      later.reply.array(2)
      later.reply.text(keys.more && keys.last !== null ? keys.last.toString('base64url') : '')
      keys.write(later.reply)
      later.finish()
    },
  )
}

export const SEARCH: CommandRow = {
  name: 'SEARCH',
  arity: -1,
  flags: ['readonly'],
  keys: NO_KEY,
  group: 'search',
  summary: 'Answers the keys with a prefix and a suffix in byte order, and a cursor for those that follow, empty at the end.',
  since: '0.1.0',
  complexity: 'O(N) with the number of keys that have the prefix or, if they are fewer, the suffix; others have their turn meanwhile.',
  syntax: '[PREFIX prefix] [SUFFIX suffix] [LIMIT count] [CURSOR cursor]',
  action: { kind: 'direct', run: runSearch },
}
