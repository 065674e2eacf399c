/**
 * PING, AUTH, HELLO and their kin: what a client says about the connection itself.
 */
import { ACK_LOCAL } from '../../../cache/operation.ts'
import type { Call, CommandRow } from '../command.ts'
import { NOT_AN_INTEGER, ReplyError, SYNTAX_ERROR, wrongNumberOfArguments } from '../reply-error.ts'
import { CLIENT_COMMAND, nameOf } from './client.ts'
import { unsubscribeAll } from './pubsub.ts'
import { NO_KEY } from './row.ts'

/** The version of Redis whose commands and replies these are: clients ask for it to know what they may use. */
export const REDIS_VERSION = '7.0.15'
/** There are no others, and it needs no password: see docs/protocol.md. AUTH and HELLO answer what Redis does in that case. */
const USER = 'default'
const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'

export const CONNECTION_COMMANDS: readonly CommandRow[] = [
  {
    name: 'PING',
    arity: -1,
    flags: ['fast'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Answers PONG, or what it was sent.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '[message]',
    action: { kind: 'direct', run: ping },
  },
  {
    name: 'ECHO',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Answers what it was sent.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'message',
    action: { kind: 'direct', run: ({ args, reply }) => reply.bulk(args.buffer, args.start(1), args.end(1)) },
  },
  {
    name: 'QUIT',
    arity: -1,
    flags: ['allow_busy', 'noscript', 'loading', 'stale', 'fast', 'no_auth'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Closes the connection.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    action: {
      kind: 'direct',
      run: ({ session, reply }) => {
        reply.ok()
        session.control.end()
      },
    },
  },
  {
    name: 'RESET',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Makes the connection as it was when it was opened.',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: '',
    action: { kind: 'direct', run: reset },
  },
  {
    name: 'AUTH',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Is there for clients that insist: there is one user, `default`, and no password.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '[username] password',
    action: { kind: 'direct', run: auth },
  },
  {
    name: 'HELLO',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Agrees on the version of the protocol, and tells about the server.',
    since: '6.0.0',
    complexity: 'O(1)',
    syntax: '[protover [AUTH username password] [SETNAME clientname]]',
    action: { kind: 'direct', run: hello },
  },
  {
    name: 'SELECT',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    keys: NO_KEY,
    group: 'connection',
    summary: 'Chooses the database; there is just 0.',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'index',
    action: {
      kind: 'direct',
      run: ({ args, reply }) => {
        if (readIndex(args.text(1), NOT_AN_INTEGER) !== 0) throw new ReplyError('ERR DB index is out of range')
        reply.ok()
      },
    },
  },
  {
    name: 'SWAPDB',
    arity: 3,
    flags: ['write', 'fast'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Exchanges two databases; there is just 0.',
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: 'index1 index2',
    action: {
      kind: 'direct',
      run: ({ args, reply }) => {
        const first = readIndex(args.text(1), 'ERR invalid first DB index')
        const second = readIndex(args.text(2), 'ERR invalid second DB index')
        if (first !== 0 || second !== 0) throw new ReplyError('ERR DB index is out of range')
        reply.ok()
      },
    },
  },
  CLIENT_COMMAND,
]

function ping({ args, session, reply }: Call): void {
  if (args.count > 2) throw new ReplyError(wrongNumberOfArguments('ping'))
  if (session.protocol === 2 && session.subscriptions > 0) {
    reply.array(2)
    reply.text('pong')
    if (args.count === 2) reply.bulk(args.buffer, args.start(1), args.end(1))
    else reply.text('')
  } else if (args.count === 2) {
    reply.bulk(args.buffer, args.start(1), args.end(1))
  } else {
    reply.simple('PONG')
  }
}

function reset({ session, reply }: Call): void {
  session.control.discard()
  unsubscribeAll(session)
  session.protocol = 2
  session.name = ''
  session.noEvict = false
  session.noTouch = false
  session.maxStaleMs = 0
  session.asking = false
  session.ack = ACK_LOCAL
  session.replyMode = 'on'
  reply.protocol = 2
  reply.simple('RESET')
}

function auth({ args, reply }: Call): void {
  if (args.count > 3) throw new ReplyError(SYNTAX_ERROR)
  if (args.count === 2) {
    const doubt = 'Are you sure your configuration is correct?'
    throw new ReplyError(`ERR AUTH <password> called without any password configured for the default user. ${doubt}`)
  }
  checkUser(args.text(1))
  reply.ok()
}

function hello({ args, session, reply }: Call): void {
  let protocol = session.protocol
  if (args.count > 1) {
    const version = readIndex(args.text(1), 'ERR Protocol version is not an integer or out of range')
    if (version !== 2 && version !== 3) throw new ReplyError('NOPROTO unsupported protocol version')
    protocol = version
  }
  let name: string | null = null
  for (let i = 2; i < args.count; ) {
    if (args.is(i, 'AUTH') && i + 2 < args.count) {
      checkUser(args.text(i + 1))
      i += 3
    } else if (args.is(i, 'SETNAME') && i + 1 < args.count) {
      name = nameOf(args, i + 1)
      i += 2
    } else {
      throw new ReplyError(`ERR Syntax error in HELLO option '${args.text(i)}'`)
    }
  }
  if (name !== null) session.name = name
  session.protocol = protocol
  reply.protocol = protocol
  reply.map(7)
  reply.text('server')
  reply.text('redis')
  reply.text('version')
  reply.text(REDIS_VERSION)
  reply.text('proto')
  reply.integer(protocol)
  reply.text('id')
  reply.integer(session.id)
  reply.text('mode')
  reply.text(session.hub.cluster ? 'cluster' : 'standalone')
  reply.text('role')
  reply.text('master')
  reply.text('modules')
  reply.array(0)
}

function checkUser(user: string): void {
  if (user !== USER) throw new ReplyError(WRONG_PASSWORD)
}

/** A whole number of 31 bits, as Redis reads it; what is none is refused with `text`. */
function readIndex(word: string, text: string): number {
  const value = /^(0|-?[1-9][0-9]{0,9})$/.test(word) ? Number(word) : Number.NaN
  if (!(Math.abs(value) < 2 ** 31)) throw new ReplyError(text)
  return value
}
