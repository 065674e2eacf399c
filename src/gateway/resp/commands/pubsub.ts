/**
 * Pub/Sub: SUBSCRIBE and its kin. Messages travel between members by the cache; who listens on this one is `PubSub`'s to know, and all that PUBSUB
 * tells is of this member.
 */
import type { Limits } from '../../../cache/cache.ts'
import { OPERATION_GET } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import type { Call, CommandRow, Later } from '../command.ts'
import { matchesGlob } from '../glob.ts'
import { errorText } from '../outcome-reply.ts'
import { ReplyError } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { Session } from '../session.ts'
import { eachInTurns } from '../turn.ts'
import { checkChannel, patternArgument } from './name-argument.ts'
import { help, NO_KEY } from './row.ts'

/** Names that one client may listen to, in bytes. */
const MAX_NAME_BYTES = 1024 * 1024
const NAME_OVERHEAD_BYTES = 64

/** Channels or patterns: the two halves differ in nothing but whom they ask. */
interface Kind {
  /** Refuses a name that is too long. */
  readonly check: (args: Arguments, i: number, limits: Limits) => void
  readonly names: (session: Session) => Set<string>
  readonly add: (session: Session, name: string) => void
  readonly remove: (session: Session, name: string) => void
}

const CHANNELS: Kind = {
  check: checkChannel,
  names: (session) => session.channels,
  add: (session, name) => session.hub.pubsub.subscribe(name, session.control),
  remove: (session, name) => session.hub.pubsub.unsubscribe(name, session.control),
}

const PATTERNS: Kind = {
  check: patternArgument,
  names: (session) => session.patterns,
  add: (session, name) => session.hub.pubsub.subscribePattern(name, session.control),
  remove: (session, name) => session.hub.pubsub.unsubscribePattern(name, session.control),
}

const PUBSUB_HELP = [
  'CHANNELS [<pattern>]',
  '    Lists the channels that somebody listens to here, those that match if a pattern is given.',
  'NUMPAT',
  '    Counts the patterns that somebody listens to here.',
  'NUMSUB [<channel> ...]',
  '    Counts who listens to each channel here.',
]

export const PUBSUB_COMMANDS: readonly CommandRow[] = [
  {
    name: 'SUBSCRIBE',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Listens to channels.',
    since: '2.0.0',
    complexity: 'O(N) with N channels.',
    syntax: 'channel [channel ...]',
    action: { kind: 'direct', run: (call) => subscribe(call, 'subscribe', CHANNELS) },
  },
  {
    name: 'UNSUBSCRIBE',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Stops listening to channels; to all when none is named.',
    since: '2.0.0',
    complexity: 'O(N) with N channels.',
    syntax: '[channel [channel ...]]',
    action: { kind: 'direct', run: (call) => unsubscribe(call, 'unsubscribe', CHANNELS) },
  },
  {
    name: 'PSUBSCRIBE',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Listens to all channels whose names match patterns.',
    since: '2.0.0',
    complexity: 'O(N) with N patterns.',
    syntax: 'pattern [pattern ...]',
    action: { kind: 'direct', run: (call) => subscribe(call, 'psubscribe', PATTERNS) },
  },
  {
    name: 'PUNSUBSCRIBE',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Stops listening to patterns; to all when none is named.',
    since: '2.0.0',
    complexity: 'O(N) with N patterns.',
    syntax: '[pattern [pattern ...]]',
    action: { kind: 'direct', run: (call) => unsubscribe(call, 'punsubscribe', PATTERNS) },
  },
  {
    name: 'PUBLISH',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Sends a message to all who listen to a channel, on any member, and counts them.',
    since: '2.0.0',
    complexity: 'O(N+M) with N listeners and M patterns.',
    syntax: 'channel message',
    action: { kind: 'direct', run: publish },
  },
  {
    name: 'PUBSUB',
    arity: -2,
    flags: ['pubsub', 'loading', 'stale'],
    keys: NO_KEY,
    group: 'pubsub',
    summary: 'Tells who listens on this member.',
    since: '2.8.0',
    complexity: 'Depends on the subcommand.',
    syntax: 'subcommand [argument ...]',
    action: {
      kind: 'container',
      subcommands: [
        {
          name: 'CHANNELS',
          arity: -2,
          flags: ['pubsub', 'loading', 'stale'],
          keys: NO_KEY,
          group: 'pubsub',
          summary: 'Lists the channels that somebody listens to here.',
          since: '2.8.0',
          complexity: 'O(N) with N channels.',
          syntax: '[pattern]',
          action: { kind: 'direct', run: listChannels },
        },
        {
          name: 'NUMSUB',
          arity: -2,
          flags: ['pubsub', 'loading', 'stale'],
          keys: NO_KEY,
          group: 'pubsub',
          summary: 'Counts who listens to each channel here.',
          since: '2.8.0',
          complexity: 'O(N) with N channels asked for.',
          syntax: '[channel [channel ...]]',
          action: { kind: 'direct', run: countSubscribers },
        },
        {
          name: 'NUMPAT',
          arity: 2,
          flags: ['pubsub', 'loading', 'stale'],
          keys: NO_KEY,
          group: 'pubsub',
          summary: 'Counts the patterns that somebody listens to here.',
          since: '2.8.0',
          complexity: 'O(1)',
          syntax: '',
          action: { kind: 'direct', run: ({ session, reply }) => reply.integer(session.hub.pubsub.patternCount) },
        },
        {
          name: 'HELP',
          arity: 2,
          flags: ['loading', 'stale'],
          keys: NO_KEY,
          group: 'pubsub',
          summary: 'Tells about the subcommands.',
          since: '6.2.0',
          complexity: 'O(1)',
          syntax: '',
          action: help('PUBSUB', PUBSUB_HELP),
        },
      ],
    },
  },
]

/** Ends all of a session's subscriptions without a word. */
export function unsubscribeAll(session: Session): void {
  for (const kind of [CHANNELS, PATTERNS]) {
    for (const name of kind.names(session)) kind.remove(session, name)
    kind.names(session).clear()
  }
}

function subscribe({ args, session, reply, cache }: Call, word: string, kind: Kind): void {
  for (let i = 1; i < args.count; i++) kind.check(args, i, cache.limits)
  let bytes = 0
  for (const { names } of [CHANNELS, PATTERNS]) for (const name of names(session)) bytes += name.length + NAME_OVERHEAD_BYTES
  for (let i = 1; i < args.count; i++) bytes += args.length(i) + NAME_OVERHEAD_BYTES
  if (bytes > MAX_NAME_BYTES) throw new ReplyError(`ERR the names that a client listens to are limited to ${MAX_NAME_BYTES} bytes in all`)
  const names = kind.names(session)
  for (let i = 1; i < args.count; i++) {
    const name = args.text(i, 'latin1')
    if (!names.has(name)) {
      names.add(name)
      kind.add(session, name)
    }
    confirm(reply, session, word, args.bytes(i))
  }
}

function unsubscribe({ args, session, reply }: Call, word: string, kind: Kind): void {
  const names = kind.names(session)
  const leaving = args.count > 1 ? [] : [...names]
  for (let i = 1; i < args.count; i++) leaving.push(args.text(i, 'latin1'))
  for (const name of leaving) {
    if (names.delete(name)) kind.remove(session, name)
    confirm(reply, session, word, Buffer.from(name, 'latin1'))
  }
  if (leaving.length === 0) confirm(reply, session, word, null)
}

function confirm(reply: ReplyWriter, session: Session, word: string, name: Buffer | null): void {
  reply.push(3)
  reply.text(word)
  if (name === null) reply.nil()
  else reply.bulk(name)
  reply.integer(session.subscriptions)
}

function publish(call: Call): void {
  const { args, cache } = call
  checkChannel(args, 1, cache.limits)
  let later: Later | null = null
  let answered = false
  cache.publish(args.copy(1), args.copy(2), (error, receivers) => {
    answered = true
    const reply = later === null ? call.reply : later.reply
    if (error === null) reply.integer(receivers)
    else reply.error(errorText(error, OPERATION_GET))
    later?.finish()
  })
  if (!answered) later = call.later()
}

function listChannels(call: Call): void {
  if (call.args.count > 3) {
    throw new ReplyError(
      `ERR unknown subcommand or wrong number of arguments for '${call.args.text(1, 'latin1')}'. Try PUBSUB HELP.`,
      'latin1',
    )
  }
  if (call.args.count > 2) patternArgument(call.args, 2, call.cache.limits)
  const later = call.later()
  const { args, reply } = later
  const { clock, pubsub } = call.session.hub
  const pattern = args.count > 2 ? args.bytes(2) : null
  const found: Buffer[] = []
  const judge = (name: string): boolean => {
    const channel = Buffer.from(name, 'latin1')
    if (pattern === null || matchesGlob(pattern, channel)) found.push(channel)
    return true
  }
  eachInTurns(clock, pubsub.channels(), judge, () => {
    reply.array(found.length)
    for (const channel of found) reply.bulk(channel)
    later.finish()
  })
}

function countSubscribers({ args, session, reply }: Call): void {
  // A flat list of pairs also in RESP3, as in Redis.
  reply.array((args.count - 2) * 2)
  for (let i = 2; i < args.count; i++) {
    reply.bulk(args.buffer, args.start(i), args.end(i))
    reply.integer(session.hub.pubsub.subscribers(args.text(i, 'latin1')))
  }
}
