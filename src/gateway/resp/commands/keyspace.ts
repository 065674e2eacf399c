/**
 * Commands on all keys. KEYS walks them in byte order, beginning at what its pattern says they begin with, and answers all or an error; SCAN walks
 * them in the order of slots, a page at a time; FLUSHALL empties the cache.
 */
import type { Limits, SlotPage } from '../../../cache/cache.ts'
import { NO_BYTES } from '../../../lib/bytes.ts'
import type { Entry } from '../../../lib/entry.ts'
import type { Call, CommandRow, Direct } from '../command.ts'
import { matchesGlob } from '../glob.ts'
import { INVALID_CURSOR, ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import { eachInTurns } from '../turn.ts'
import { integerArgument } from './integer-argument.ts'
import { walkKeys } from './key-walk.ts'
import { patternArgument } from './name-argument.ts'
import { finishWithError, NO_KEY } from './row.ts'

/** Of the keys that KEYS answers, as they are in the reply: half of what may wait for one client by default. */
const MAX_KEYS_BYTES = 16 * 1024 * 1024

const DEFAULT_COUNT = 10
/** A larger one is taken as this. */
const MAX_COUNT = 10_000
/** None is 0, as Redis reads it. */
const CURSOR = /^\d{0,15}$/
/** Cursors of the cache are below. */
const CURSOR_END = 2 ** 48

/** The bytes with which every key begins that the pattern matches. */
export function literalPrefix(pattern: Buffer): Buffer {
  const special = /[*?[\\]/.exec(pattern.toString('latin1'))
  return special === null ? pattern : pattern.subarray(0, special.index)
}

/** The bytes with which every such key ends, where they are easily told: no classes, nothing escaped. */
export function literalSuffix(pattern: Buffer): Buffer {
  const text = pattern.toString('latin1')
  if (/[[\\]/.test(text)) return NO_BYTES
  const last = Math.max(text.lastIndexOf('*'), text.lastIndexOf('?'))
  return last < 0 ? NO_BYTES : pattern.subarray(last + 1)
}

function runKeys(call: Call): void {
  patternArgument(call.args, 1, call.cache.limits)
  const later = call.later()
  const pattern = later.args.bytes(1)
  walkKeys(
    call,
    {
      query: { prefix: literalPrefix(pattern), suffix: literalSuffix(pattern), after: null, values: false },
      matches: ({ key, keyStart, keyEnd }) => matchesGlob(pattern, key, keyStart, keyEnd),
      maxKeys: Infinity,
      maxBytes: MAX_KEYS_BYTES,
    },
    (error, keys) => {
      if (error !== null) return finishWithError(later, error)
      if (keys.more) later.reply.error('ERR KEYS answers at most 16 MiB of keys; SCAN and SEARCH answer them page by page')
      else keys.write(later.reply)
      later.finish()
    },
  )
}

interface ScanOptions {
  readonly cursor: number
  readonly count: number
  readonly matches: (entry: Entry) => boolean
}

/** The cursor is judged before the options, as in Redis. */
function scanOptions(args: Call['args'], limits: Limits): ScanOptions {
  const text = args.text(1, 'latin1')
  const cursor = CURSOR.test(text) ? Number(text) : CURSOR_END
  if (cursor >= CURSOR_END) throw new ReplyError(INVALID_CURSOR)
  let count = DEFAULT_COUNT
  let pattern: Buffer | null = null
  let otherType = false
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 === args.count) throw new ReplyError(SYNTAX_ERROR)
    if (args.is(i, 'COUNT')) {
      const asked = integerArgument(args, i + 1)
      if (asked < 1) throw new ReplyError(SYNTAX_ERROR)
      count = Math.min(MAX_COUNT, Number(asked))
    } else if (args.is(i, 'MATCH')) {
      pattern = patternArgument(args, i + 1, limits)
    } else if (args.is(i, 'TYPE')) {
      otherType = !args.is(i + 1, 'STRING')
    } else {
      throw new ReplyError(SYNTAX_ERROR)
    }
  }
  const glob = pattern
  const matches = ({ key, keyStart, keyEnd }: Entry): boolean => !otherType && (glob === null || matchesGlob(glob, key, keyStart, keyEnd))
  return { cursor, count, matches }
}

function runScan(call: Call): void {
  const { limits } = call.cache
  scanOptions(call.args, limits)
  const later = call.later()
  const { cursor, count, matches } = scanOptions(later.args, limits)
  call.cache.scanSlots(cursor, count, (error, page) => {
    if (error !== null) return finishWithError(later, error)
    const { entries, cursor: next } = page as SlotPage
    const found: Entry[] = []
    const judge = (entry: Entry): boolean => {
      if (matches(entry)) found.push(entry)
      return true
    }
    eachInTurns(call.session.hub.clock, entries, judge, () => {
      later.reply.array(2)
      later.reply.text(String(next))
      later.reply.array(found.length)
      for (const { key, keyStart, keyEnd } of found) later.reply.bulk(key, keyStart, keyEnd)
      later.finish()
    })
  })
}

function runDbsize(call: Call): void {
  const later = call.later()
  call.cache.size((error, keys) => {
    if (error !== null) return finishWithError(later, error)
    later.reply.integer(keys)
    later.finish()
  })
}

function runRandomKey(call: Call): void {
  const later = call.later()
  call.cache.randomKey((error, key) => {
    if (error !== null) return finishWithError(later, error)
    if (key === null) later.reply.nil()
    else later.reply.bulk(key)
    later.finish()
  })
}

/** ASYNC and SYNC make no difference: memory is given back in small steps, and the keys are gone at once. */
const FLUSH: Direct = {
  kind: 'direct',
  run: (call) => {
    const { args } = call
    if (args.count > 2 || (args.count === 2 && !args.is(1, 'ASYNC') && !args.is(1, 'SYNC'))) throw new ReplyError(SYNTAX_ERROR)
    const later = call.later()
    call.cache.flush((error, result) => {
      if (error !== null) return finishWithError(later, error)
      const unreached = result?.unreached ?? []
      if (unreached.length === 0) later.reply.ok()
      else later.reply.error(`ERR flushed, but ${unreached.join(', ')} did not answer: what they hold may come back`)
      later.finish()
    })
  },
}

export const KEYSPACE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'KEYS',
    arity: 2,
    flags: ['readonly'],
    keys: NO_KEY,
    group: 'generic',
    summary: 'Answers the keys that match a pattern, or an error if they are more than 16 MiB.',
    since: '1.0.0',
    complexity: 'O(N) with the number of keys that begin, and of those that end, as the pattern does; others have their turn meanwhile.',
    syntax: 'pattern',
    action: { kind: 'direct', run: runKeys },
  },
  {
    name: 'SCAN',
    arity: -2,
    flags: ['readonly'],
    keys: NO_KEY,
    group: 'generic',
    summary: 'Answers a page of keys and the cursor of the next; every key that stays is met exactly once.',
    since: '2.8.0',
    complexity: 'O(1) for a call, O(N) for all.',
    syntax: 'cursor [MATCH pattern] [COUNT count] [TYPE type]',
    action: { kind: 'direct', run: runScan },
  },
  {
    name: 'RANDOMKEY',
    arity: 1,
    flags: ['readonly'],
    keys: NO_KEY,
    group: 'generic',
    summary: 'Answers any key.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    action: { kind: 'direct', run: runRandomKey },
  },
  {
    name: 'DBSIZE',
    arity: 1,
    flags: ['readonly', 'fast'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Answers how many keys there are.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    action: { kind: 'direct', run: runDbsize },
  },
  {
    name: 'FLUSHALL',
    arity: -1,
    flags: ['write'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Removes every key.',
    since: '1.0.0',
    complexity: 'O(1); memory is given back in the course of time.',
    syntax: '[ASYNC | SYNC]',
    action: FLUSH,
  },
  {
    name: 'FLUSHDB',
    arity: -1,
    flags: ['write'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Does what FLUSHALL does: there is one database.',
    since: '1.0.0',
    complexity: 'O(1); memory is given back in the course of time.',
    syntax: '[ASYNC | SYNC]',
    action: FLUSH,
  },
  {
    name: 'FLUSH',
    arity: -1,
    flags: ['write'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Another name of FLUSHALL.',
    since: '0.1.0',
    complexity: 'O(1); memory is given back in the course of time.',
    syntax: '[ASYNC | SYNC]',
    action: FLUSH,
  },
]
