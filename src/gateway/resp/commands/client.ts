/**
 * CLIENT: what a client says about itself, and what an operator asks about clients and does to them. All of it is about this member's.
 */
import { ACK_ALL, ACK_LOCAL, ACK_REPLICA, type AckMode, MAX_STALE_MS } from '../../../cache/operation.ts'
import type { Arguments } from '../arguments.ts'
import { type ClientType, clientLine, typeOf } from '../client-line.ts'
import type { Call, CommandFlag, CommandRow } from '../command.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { Session } from '../session.ts'
import { directRows, help, NO_KEY } from './row.ts'

/** What a client says about itself is kept, and told with every CLIENT LIST. */
const MAX_NAME_BYTES = 1024
/** A longer CLIENT PAUSE is taken as one of this length: one that was forgotten ends. */
const MAX_PAUSE_MS = 60_000

const PLAIN: readonly CommandFlag[] = ['noscript', 'loading', 'stale']
const ADMIN: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale']

const ACK_WORDS: Readonly<Record<AckMode, string>> = { [ACK_LOCAL]: 'local', [ACK_REPLICA]: 'replica', [ACK_ALL]: 'all' }

const HELP = [
  'ACK [LOCAL|REPLICA|ALL]',
  '    When writes of this connection are answered: once they are written, once one replica has them too, once all replicas have.',
  'GETNAME',
  '    Tells the name of this connection.',
  'ID',
  '    Tells the number of this connection.',
  'INFO',
  '    Tells about this connection.',
  'KILL <ip:port>',
  '    Cuts the connection from that address.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Cuts the connections for which all options hold: ADDR, LADDR, TYPE, USER, ID; SKIPME (yes|no).',
  'LIST [TYPE <type>] [ID <id> [<id> ...]]',
  '    Tells about connections.',
  'MAXSTALE [<milliseconds>]',
  '    How old what this connection reads may be, so that copies may answer; 0 reads from primaries.',
  'NO-EVICT (ON|OFF)',
  '    Marks this connection as one to keep.',
  'NO-TOUCH (ON|OFF)',
  '    Whether reads of this connection leave the order of eviction as it is.',
  'PAUSE <timeout> [WRITE|ALL]',
  '    Lets commands wait for so many milliseconds, 60000 at most.',
  'REPLY (ON|OFF|SKIP)',
  '    Whether this connection wants replies.',
  'SETINFO <option> <value>',
  '    Tells about the client library: LIB-NAME, LIB-VER.',
  'SETNAME <name>',
  '    Gives this connection a name.',
  'UNPAUSE',
  '    Ends a PAUSE.',
]

const row = directRows('connection', (name) => (name === 'LIST' || name === 'KILL' ? 'O(N) with N connections.' : 'O(1)'))

export const CLIENT_COMMAND: CommandRow = {
  name: 'CLIENT',
  arity: -2,
  flags: [],
  keys: NO_KEY,
  group: 'connection',
  summary: 'Tells about clients, and what a client says about itself.',
  since: '2.4.0',
  complexity: 'Depends on the subcommand.',
  syntax: 'subcommand [argument ...]',
  action: {
    kind: 'container',
    subcommands: [
      row(
        'ACK',
        -2,
        PLAIN,
        'Tells, or sets, when writes of this connection are answered.',
        '[LOCAL | REPLICA | ALL]',
        '0.1.0',
        acknowledge,
      ),
      row('ID', 2, PLAIN, 'Tells the number of this connection.', '', '5.0.0', ({ session, reply }) => reply.integer(session.id)),
      row('INFO', 2, PLAIN, 'Tells about this connection.', '', '6.2.0', ({ session, reply }) =>
        reply.verbatim('txt', `${clientLine(session)}\n`),
      ),
      row('LIST', -2, ADMIN, 'Tells about connections.', '[TYPE type] [ID id [id ...]]', '2.4.0', list),
      row('GETNAME', 2, PLAIN, 'Tells the name of this connection.', '', '2.6.9', ({ session, reply }) => {
        if (session.name === '') reply.nil()
        else reply.text(session.name)
      }),
      row('SETNAME', 3, PLAIN, 'Gives this connection a name.', 'connection-name', '2.6.9', ({ args, session, reply }) => {
        session.name = nameOf(args, 2)
        reply.ok()
      }),
      row('SETINFO', 4, PLAIN, 'Tells about the client library.', 'LIB-NAME libname | LIB-VER libver', '7.2.0', setInfo),
      row(
        'MAXSTALE',
        -2,
        PLAIN,
        'Tells, or sets, how old what this connection reads may be: within that, copies answer.',
        '[milliseconds]',
        '0.1.0',
        maxStale,
      ),
      row('NO-EVICT', 3, ADMIN, 'Marks this connection as one to keep.', 'ON | OFF', '7.0.0', ({ args, session, reply }) => {
        session.noEvict = readSwitch(args, 2)
        reply.ok()
      }),
      row('NO-TOUCH', 3, PLAIN, 'Whether reads leave the order of eviction as it is.', 'ON | OFF', '7.2.0', ({ args, session, reply }) => {
        session.noTouch = readSwitch(args, 2)
        reply.ok()
      }),
      row('REPLY', 3, PLAIN, 'Whether this connection wants replies.', 'ON | OFF | SKIP', '3.2.0', setReply),
      row('KILL', -3, ADMIN, 'Cuts connections.', 'ip:port | option value [option value ...]', '2.4.0', kill),
      row('PAUSE', -3, ADMIN, 'Lets commands wait for so many milliseconds, 60,000 at most.', 'timeout [WRITE | ALL]', '3.0.0', pause),
      row('UNPAUSE', 2, ADMIN, 'Ends a PAUSE.', '', '6.2.0', ({ session, reply }) => {
        session.hub.setPause(null)
        reply.ok()
      }),
      { ...row('HELP', 2, ['loading', 'stale'], 'Tells about the subcommands.', '', '5.0.0', () => {}), action: help('CLIENT', HELP) },
    ],
  },
}

/** The name in argument `i`, which may have no blanks. */
export function nameOf(args: Arguments, i: number): string {
  const name = printable(args, i)
  if (name === null) throw new ReplyError('ERR Client names cannot contain spaces, newlines or special characters.')
  return name
}

/** `null` for anything but visible ASCII. */
function printable(args: Arguments, i: number): string | null {
  if (args.length(i) > MAX_NAME_BYTES) throw new ReplyError(`ERR a name may have ${MAX_NAME_BYTES} bytes`)
  const text = args.text(i, 'latin1')
  return /^[!-~]*$/.test(text) ? text : null
}

function readSwitch(args: Arguments, i: number): boolean {
  if (args.is(i, 'ON')) return true
  if (args.is(i, 'OFF')) return false
  throw new ReplyError(SYNTAX_ERROR)
}

function acknowledge({ args, session, reply }: Call): void {
  if (args.count === 2) {
    reply.text(ACK_WORDS[session.ack])
    return
  }
  const ack =
    args.count === 3 ? ([ACK_LOCAL, ACK_REPLICA, ACK_ALL] as const).find((mode) => args.is(2, ACK_WORDS[mode].toUpperCase())) : undefined
  if (ack === undefined) throw new ReplyError(SYNTAX_ERROR)
  session.ack = ack
  reply.ok()
}

function maxStale({ args, session, reply }: Call): void {
  if (args.count === 2) {
    reply.integer(session.maxStaleMs)
    return
  }
  const ms = args.count === 3 && args.length(2) <= 8 && /^\d+$/.test(args.text(2)) ? Number(args.text(2)) : Number.NaN
  if (!(ms <= MAX_STALE_MS)) throw new ReplyError(`ERR MAXSTALE is a whole number of milliseconds from 0 to ${MAX_STALE_MS}`)
  session.maxStaleMs = ms
  reply.ok()
}

function setInfo({ args, session, reply }: Call): void {
  const isName = args.is(2, 'LIB-NAME')
  if (!isName && !args.is(2, 'LIB-VER')) throw new ReplyError(`ERR Unrecognized option '${args.text(2)}'`)
  const text = printable(args, 3)
  if (text === null) {
    throw new ReplyError(`ERR ${isName ? 'lib-name' : 'lib-ver'} cannot contain spaces, newlines or special characters.`)
  }
  if (isName) session.libName = text
  else session.libVersion = text
  reply.ok()
}

function setReply({ args, session }: Call): void {
  if (args.is(2, 'ON')) {
    session.replyMode = 'on'
    // The call's own writer is still the one of a client that wants no replies.
    session.control.send((reply) => reply.ok())
  } else if (args.is(2, 'OFF')) {
    session.replyMode = 'off'
  } else if (args.is(2, 'SKIP')) {
    if (session.replyMode !== 'off') session.replyMode = 'skipping'
  } else {
    throw new ReplyError(SYNTAX_ERROR)
  }
}

function list({ args, session, reply }: Call): void {
  let sessions = [...session.hub.sessions.values()]
  if (args.count === 4 && args.is(2, 'TYPE')) {
    const type = readType(args, 3)
    sessions = sessions.filter((other) => typeOf(other) === type)
  } else if (args.count > 3 && args.is(2, 'ID')) {
    const wanted = new Set<Session>()
    for (let i = 3; i < args.count; i++) {
      if (!/^-?[0-9]{1,15}$/.test(args.text(i))) throw new ReplyError('ERR Invalid client ID')
      const other = session.hub.sessions.get(Number(args.text(i)))
      if (other !== undefined) wanted.add(other)
    }
    sessions = [...wanted]
  } else if (args.count > 2) {
    throw new ReplyError(SYNTAX_ERROR)
  }
  reply.verbatim('txt', sessions.map((other) => `${clientLine(other)}\n`).join(''))
}

function readType(args: Arguments, i: number): ClientType {
  const type = args.text(i).toLowerCase()
  if (type === 'slave') return 'replica'
  if (type === 'normal' || type === 'pubsub' || type === 'master' || type === 'replica') return type
  throw new ReplyError(`ERR Unknown client type '${args.text(i)}'`)
}

function kill({ args, session, reply }: Call): void {
  const { sessions } = session.hub
  if (args.count === 3) {
    const address = args.text(2)
    const found = [...sessions.values()].find((other) => other.address === address)
    if (found === undefined) throw new ReplyError('ERR No such client')
    reply.ok()
    cut(found, session)
    return
  }
  if (args.count % 2 !== 0) throw new ReplyError(SYNTAX_ERROR)
  const conditions: ((other: Session) => boolean)[] = []
  let skipMe = true
  for (let i = 2; i < args.count; i += 2) {
    if (args.is(i, 'SKIPME')) {
      if (!args.is(i + 1, 'YES') && !args.is(i + 1, 'NO')) throw new ReplyError(SYNTAX_ERROR)
      skipMe = args.is(i + 1, 'YES')
    } else {
      conditions.push(readCondition(args, i))
    }
  }
  const doomed = [...sessions.values()].filter(
    (other) => !(skipMe && other === session) && conditions.every((condition) => condition(other)),
  )
  reply.integer(doomed.length)
  for (const other of doomed) cut(other, session)
}

function readCondition(args: Arguments, i: number): (other: Session) => boolean {
  const value = args.text(i + 1)
  if (args.is(i, 'ID')) {
    const id = Number(value)
    if (!Number.isSafeInteger(id) || id < 1) throw new ReplyError('ERR client-id should be greater than 0')
    return (other) => other.id === id
  }
  if (args.is(i, 'TYPE')) {
    const type = readType(args, i + 1)
    return (other) => typeOf(other) === type
  }
  if (args.is(i, 'ADDR')) return (other) => other.address === value
  if (args.is(i, 'LADDR')) return (other) => other.localAddress === value
  if (args.is(i, 'USER')) {
    if (value !== 'default') throw new ReplyError(`ERR No such user '${value}'`)
    return () => true
  }
  throw new ReplyError(SYNTAX_ERROR)
}

/** A client that ends itself still gets its reply. */
function cut(session: Session, self: Session): void {
  if (session === self) session.control.end()
  else session.control.destroy()
}

function pause({ args, session, reply }: Call): void {
  if (args.count > 4) throw new ReplyError(SYNTAX_ERROR)
  const writesOnly = args.count === 4 && args.is(3, 'WRITE')
  if (args.count === 4 && !writesOnly && !args.is(3, 'ALL')) throw new ReplyError('ERR CLIENT PAUSE mode must be WRITE or ALL')
  const word = args.text(2)
  if (!/^-?[0-9]{1,15}$/.test(word)) throw new ReplyError('ERR timeout is not an integer or out of range')
  if (Number(word) < 0) throw new ReplyError('ERR timeout is negative')
  session.hub.setPause({ untilMs: session.hub.clock.now() + Math.min(MAX_PAUSE_MS, Number(word)), writesOnly })
  reply.ok()
}
