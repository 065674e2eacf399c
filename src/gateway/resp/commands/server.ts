/**
 * CONFIG, INFO, TIME and their kin: the server seen by whoever runs it.
 */
import { SLOT_COUNT } from '../../../lib/slot.ts'
import type { Call, CommandFlag, CommandRow, Later } from '../command.ts'
import { matchesGlob } from '../glob.ts'
import { infoText } from '../info.ts'
import { NOT_AN_INTEGER, ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { integerArgument } from './integer-argument.ts'
import { patternArgument } from './name-argument.ts'
import { directRows, help } from './row.ts'

/** Of one CONFIG GET. */
const MAX_PATTERNS = 256

const ADMIN: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale']

const CONFIG_HELP = [
  'GET <pattern>',
  '    Tells the parameters whose names match.',
  'SET <directive> <value>',
  '    Changes a parameter.',
  'RESETSTAT',
  '    Counts from 0 again.',
]

const DEBUG_HELP = [
  'ERROR <string>',
  '    Answers an error that begins with <string>.',
  'PROTOCOL <type>',
  '    Answers something of a type: string, integer, double, null, array, set, map, push, verbatim, true, false, bignum.',
  'SLEEP <seconds>',
  '    Lets this client wait; nobody else.',
]

/** A client that would wait for ever (timeout 0) is answered after this: ten minutes. */
const MAX_WAIT_MS = 600_000
/** More are never meant. */
const MAX_REPLICAS = 0xffff

const BIRD = String.raw`
    __
 __( o)>
 \ <_. )
  '---'`

const row = directRows('server', () => 'O(1)')

export const SERVER_COMMANDS: readonly CommandRow[] = [
  row('INFO', -1, ['loading', 'stale'], 'Tells about the server, for people and tools.', '[section [section ...]]', '1.0.0', info),
  row('TIME', 1, ['loading', 'stale', 'fast'], 'Tells the time: seconds since 1970, and microseconds.', '', '2.6.0', time),
  row('LOLWUT', -1, ['readonly', 'fast'], 'Shows a bird and the version.', '[VERSION version]', '5.0.0', lolwut),
  row(
    'WAIT',
    3,
    ['noscript'],
    'Tells how many replicas have acknowledged the writes of this connection.',
    'numreplicas timeout',
    '3.0.0',
    wait,
  ),
  {
    ...row('CONFIG', -2, [], 'Tells and changes parameters.', 'subcommand [argument ...]', '2.0.0', () => {}),
    action: {
      kind: 'container',
      subcommands: [
        row('GET', -3, ADMIN, 'Tells the parameters whose names match.', 'parameter [parameter ...]', '2.0.0', configGet),
        row('SET', -4, ADMIN, 'Changes parameters.', 'parameter value [parameter value ...]', '2.0.0', configSet),
        row('RESETSTAT', 2, ADMIN, 'Counts from 0 again.', '', '2.0.0', ({ session, reply }) => {
          session.hub.resetStats()
          reply.ok()
        }),
        row('REWRITE', 2, ADMIN, 'Refused: there is no file to write to.', '', '2.8.0', () => {
          throw new ReplyError('ERR The server is running without a config file')
        }),
        {
          ...row('HELP', 2, ['loading', 'stale'], 'Tells about the subcommands.', '', '5.0.0', () => {}),
          action: help('CONFIG', CONFIG_HELP),
        },
      ],
    },
  },
  row('DEBUG', -2, ADMIN, 'For tests; refused unless an option allows it.', 'subcommand [argument ...]', '1.0.0', debug),
]

function info({ args, session, reply }: Call): void {
  const wanted: string[] = []
  for (let i = 1; i < args.count; i++) wanted.push(args.text(i).toLowerCase())
  reply.verbatim('txt', infoText(session.hub.info(), wanted))
}

/** The time that expiry goes by, which the wall clock of this machine need not show. */
function time({ cache, reply }: Call): void {
  const ms = cache.nowMs
  reply.array(2)
  reply.text(String(Math.floor(ms / 1000)))
  reply.text(String((ms % 1000) * 1000))
}

/**
 * Which slots a client has written to is followed from its first WAIT on; until then it waits for all writes of all clients, which is more than it
 * asked for and never less. A slot that has passed to another member since the first write in question may have lost it: then the answer is 0, to the same
 * question again too, until the client writes something else.
 */
function wait(call: Call): void {
  const { args, session, cache } = call
  const wanted = readNumber(args.text(1), NOT_AN_INTEGER)
  const timeoutMs = readNumber(args.text(2), 'ERR timeout is not an integer or out of range')
  if (timeoutMs < 0) throw new ReplyError('ERR timeout is negative')
  const written = session.writtenSlots
  const slots = written === null || written.size === 0 ? allSlots() : [...written]
  session.writtenSlots ??= new Set()
  const since = Math.max(session.unconfirmedSince, session.askedSince)
  session.askedSince = since
  session.unconfirmedSince = -1
  let later: Later | null = null
  let answered = false
  const limitMs = timeoutMs === 0 ? MAX_WAIT_MS : Math.min(timeoutMs, MAX_WAIT_MS)
  cache.confirm(slots, since < 0 ? cache.holderVersion : since, Math.min(Math.max(wanted, 0), MAX_REPLICAS), limitMs, (replicas) => {
    answered = true
    if (replicas > 0) session.askedSince = -1
    const reply = later === null ? call.reply : later.reply
    reply.integer(replicas)
    later?.finish()
  })
  if (!answered) later = call.later()
}

function allSlots(): number[] {
  return Array.from({ length: SLOT_COUNT }, (_, slot) => slot)
}

function readNumber(word: string, text: string): number {
  if (!/^-?[0-9]{1,15}$/.test(word)) throw new ReplyError(text)
  return Number(word)
}

function lolwut({ args, session, reply }: Call): void {
  // There is one bird, whatever version is asked for.
  if (args.count > 2 && args.is(1, 'VERSION')) integerArgument(args, 2)
  reply.verbatim('txt', `${BIRD}\n\nJackdaw ver. ${session.hub.version}\n`)
}

function configGet({ args, session, reply, cache }: Call): void {
  if (args.count - 2 > MAX_PATTERNS) throw new ReplyError(`ERR too many patterns: the limit is ${MAX_PATTERNS}`)
  const { settings } = session.hub
  const found = new Set<string>()
  for (let i = 2; i < args.count; i++) {
    const pattern = patternArgument(args, i, cache.limits)
    for (const name of settings.names()) if (matchesGlob(pattern, Buffer.from(name), 0, name.length, true)) found.add(name)
  }
  reply.map(found.size)
  for (const name of found) {
    reply.text(name)
    reply.text(settings.get(name))
  }
}

function configSet({ args, session, reply }: Call): void {
  const { settings } = session.hub
  const known = new Set(settings.names())
  if (args.count % 2 !== 0) throw new ReplyError(SYNTAX_ERROR)
  for (let i = 2; i < args.count; i += 2) {
    const name = args.text(i)
    if (!known.has(name.toLowerCase())) throw new ReplyError(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`)
  }
  const wanted = new Map<string, string>()
  for (let i = 2; i < args.count; i += 2) {
    const name = args.text(i).toLowerCase()
    const value = args.text(i + 1)
    const refusal = wanted.has(name) ? 'duplicate parameter' : settings.refusal(name, value)
    if (refusal !== null) throw new ReplyError(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${refusal}`)
    wanted.set(name, value)
  }
  // All or nothing, as in Redis 7.0.
  for (const [name, value] of wanted) settings.set(name, value)
  reply.ok()
}

function debug(call: Call): void {
  const { args, session, reply } = call
  if (!session.hub.debugCommands) {
    throw new ReplyError(
      'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, ' +
        'otherwise you need to set this option in the configuration file, and then restart the server.',
    )
  }
  if (args.is(1, 'SLEEP') && args.count === 3) {
    const seconds = Number(args.text(2))
    if (!(seconds >= 0)) throw new ReplyError('ERR value is not a valid float')
    const later = call.later()
    session.hub.clock.after(seconds * 1000, () => {
      later.reply.ok()
      later.finish()
    })
  } else if (args.is(1, 'ERROR') && args.count === 3) {
    reply.error(args.text(2))
  } else if (args.is(1, 'PROTOCOL') && args.count === 3) {
    const write = SAMPLES[args.text(2).toLowerCase()]
    if (write === undefined) throw new ReplyError(SYNTAX_ERROR)
    write(reply)
  } else if (args.is(1, 'HELP') && args.count === 2) {
    help('DEBUG', DEBUG_HELP).run(call)
  } else {
    throw new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. Try DEBUG HELP.`)
  }
}

/** One reply of each type. */
const SAMPLES: Readonly<Record<string, (reply: ReplyWriter) => void>> = {
  string: (reply) => reply.text('Hello World'),
  integer: (reply) => reply.integer(12345),
  double: (reply) => reply.double(2.5),
  null: (reply) => reply.nil(),
  array: (reply) => {
    reply.array(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  set: (reply) => {
    reply.set(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  map: (reply) => {
    reply.map(3)
    for (let i = 0; i < 3; i++) {
      reply.integer(i)
      reply.boolean(i === 1)
    }
  },
  push: (reply) => {
    reply.push(2)
    reply.text('server-cpu-usage')
    reply.integer(42)
  },
  verbatim: (reply) => reply.verbatim('txt', 'This is a verbatim\nstring'),
  true: (reply) => reply.boolean(true),
  false: (reply) => reply.boolean(false),
  bignum: (reply) => reply.bigNumber(1_234_567_999_999_999_999_999_999_999_999_999_999n),
}
