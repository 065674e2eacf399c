/**
 * MULTI and its kin. Queueing and executing are the executor's; WATCH is here.
 *
 * A watched key is remembered by the version that a read answers for it. EXEC asks that it is still the same, where the key lives and at the moment
 * the transaction is executed; so nobody has to be told of changes meanwhile.
 */
import { HEAD, OPERATION_GET, Operation, UNTOUCHED } from '../../../cache/operation.ts'
import type { CacheError } from '../../../lib/errors.ts'
import type { Call, CommandRow, Later } from '../command.ts'
import { errorText } from '../outcome-reply.ts'
import { ReplyError } from '../reply-error.ts'
import type { Watch } from '../session.ts'
import { ALL_KEYS, NO_KEY } from './row.ts'

/** What one client may watch at a time. */
const MAX_WATCHES = 10_000
const TOO_MANY_WATCHES = `ERR a client may watch ${MAX_WATCHES} keys`

export const TRANSACTION_COMMANDS: readonly CommandRow[] = [
  {
    name: 'MULTI',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: NO_KEY,
    group: 'transactions',
    summary: 'Begins a transaction: what follows is queued until EXEC.',
    since: '1.2.0',
    complexity: 'O(1)',
    syntax: '',
    action: {
      kind: 'direct',
      run: ({ session, reply }) => {
        if (session.control.inTransaction) throw new ReplyError('ERR MULTI calls can not be nested')
        session.control.multi()
        reply.ok()
      },
    },
  },
  {
    name: 'EXEC',
    arity: 1,
    flags: ['noscript', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'transactions',
    summary: 'Executes what was queued since MULTI, if no watched key has changed.',
    since: '1.2.0',
    complexity: 'That of the queued commands.',
    syntax: '',
    action: {
      kind: 'direct',
      run: ({ session }) => {
        if (!session.control.inTransaction) throw new ReplyError('ERR EXEC without MULTI')
        session.control.exec()
      },
    },
  },
  {
    name: 'DISCARD',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: NO_KEY,
    group: 'transactions',
    summary: 'Forgets what was queued since MULTI, and all watched keys.',
    since: '2.0.0',
    complexity: 'O(N) with N queued commands.',
    syntax: '',
    action: {
      kind: 'direct',
      run: ({ session, reply }) => {
        if (!session.control.inTransaction) throw new ReplyError('ERR DISCARD without MULTI')
        session.control.discard()
        reply.ok()
      },
    },
  },
  {
    name: 'WATCH',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: ALL_KEYS,
    group: 'transactions',
    summary: 'Makes the next EXEC depend on that the keys have not changed.',
    since: '2.2.0',
    complexity: 'O(1) for each key.',
    syntax: 'key [key ...]',
    action: { kind: 'direct', run: watch },
  },
  {
    name: 'UNWATCH',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: NO_KEY,
    group: 'transactions',
    summary: 'Forgets all watched keys.',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: '',
    action: {
      kind: 'direct',
      run: ({ session, reply }) => {
        session.watches = []
        reply.ok()
      },
    },
  },
]

function watch(call: Call): void {
  const { session, cache } = call
  if (session.control.inTransaction) throw new ReplyError('ERR WATCH inside MULTI is not allowed')
  if (call.args.count - 1 > MAX_WATCHES) throw new ReplyError(TOO_MANY_WATCHES)
  const keys = unwatchedKeys(call)
  if (session.watches.length + keys.length > MAX_WATCHES) throw new ReplyError(TOO_MANY_WATCHES)
  const watches: Watch[] = []
  let missing = keys.length
  let failed: CacheError | null = null
  let later: Later | null = null
  const finish = (): void => {
    const reply = later === null ? call.reply : later.reply
    if (failed !== null) {
      reply.error(errorText(failed, OPERATION_GET))
    } else {
      session.watches.push(...watches)
      reply.ok()
    }
    later?.finish()
  }
  for (const key of keys) {
    const operation = new Operation().reset(OPERATION_GET).setKey(key)
    operation.flags = HEAD | UNTOUCHED
    cache.execute(operation, (error, outcome) => {
      if (outcome === null) failed ??= error
      else watches.push({ key, existed: outcome.existed, ms: outcome.ms, counter: outcome.counter, writer: outcome.writer })
      if (--missing === 0) finish()
    })
  }
  if (keys.length === 0) finish()
  else if (missing > 0) later = call.later()
}

function unwatchedKeys({ args, session }: Call): Buffer[] {
  const known = new Set(session.watches.map(({ key }) => key.toString('latin1')))
  const keys: Buffer[] = []
  for (let i = 1; i < args.count; i++) {
    const name = args.text(i, 'latin1')
    if (known.has(name)) continue
    known.add(name)
    keys.push(args.copy(i))
  }
  return keys
}
