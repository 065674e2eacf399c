/**
 * COMMAND: the command table, told to clients. What they read most are the positions of the keys.
 */
import type { Arguments } from '../arguments.ts'
import type { Call, CommandRow, Direct } from '../command.ts'
import { matchesGlob } from '../glob.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { patternArgument } from './name-argument.ts'
import { help, NO_KEY } from './row.ts'

const HELP = [
  '(no subcommand)',
  '    Tells about all commands.',
  'COUNT',
  '    Counts the commands.',
  'DOCS [<command-name> ...]',
  '    Tells about commands for people to read.',
  'GETKEYS <full-command>',
  '    Tells the keys of a whole command.',
  'INFO [<command-name> ...]',
  '    Tells about commands.',
  'LIST [FILTERBY (PATTERN <pattern> | ACLCAT <category> | MODULE <name>)]',
  '    Lists the names of commands.',
]

/** `rows` answers the whole table, this command included. */
export function commandCommand(rows: () => readonly CommandRow[]): CommandRow {
  return {
    name: 'COMMAND',
    arity: -1,
    flags: ['loading', 'stale'],
    keys: NO_KEY,
    group: 'server',
    summary: 'Tells about the commands there are.',
    since: '2.8.13',
    complexity: 'O(N) with N commands.',
    syntax: '[subcommand [argument ...]]',
    action: {
      kind: 'container',
      bare: ({ reply }) => writeAll(reply, rows(), writeInfo),
      subcommands: [
        row('COUNT', 2, 'Counts the commands.', '', '2.8.13', ({ reply }) => reply.integer(rows().length)),
        row('DOCS', -2, 'Tells about commands for people to read.', '[command-name [command-name ...]]', '7.0.0', (call) =>
          docs(call, rows()),
        ),
        row('INFO', -2, 'Tells about commands.', '[command-name [command-name ...]]', '2.8.13', (call) => info(call, rows())),
        row('LIST', -2, 'Lists the names of commands.', '[FILTERBY MODULE name | ACLCAT category | PATTERN pattern]', '7.0.0', (call) =>
          list(call, rows()),
        ),
        row('GETKEYS', -3, 'Tells the keys of a whole command.', 'command [arg [arg ...]]', '2.8.13', (call) => getKeys(call, rows())),
        { ...row('HELP', 2, 'Tells about the subcommands.', '', '5.0.0', () => {}), action: help('COMMAND', HELP) },
      ],
    },
  }
}

function row(name: string, arity: number, summary: string, syntax: string, since: string, run: Direct['run']): CommandRow {
  return {
    name,
    arity,
    flags: ['loading', 'stale'],
    keys: NO_KEY,
    group: 'server',
    summary,
    since,
    complexity: 'O(N) with N commands.',
    syntax,
    action: { kind: 'direct', run },
  }
}

/** `get`, or `client|kill` for a subcommand. */
function findByName(rows: readonly CommandRow[], name: string): { row: CommandRow; fullName: string } | null {
  const [first, second] = name.toUpperCase().split('|')
  const found = rows.find((candidate) => candidate.name === first)
  if (found === undefined) return null
  if (second === undefined) return { row: found, fullName: found.name.toLowerCase() }
  const child = subcommandsOf(found).find((candidate) => candidate.name === second)
  return child === undefined ? null : { row: child, fullName: `${found.name}|${child.name}`.toLowerCase() }
}

function subcommandsOf({ action }: CommandRow): readonly CommandRow[] {
  return action.kind === 'container' ? action.subcommands : []
}

function writeAll(reply: ReplyWriter, rows: readonly CommandRow[], write: typeof writeInfo): void {
  reply.array(rows.length)
  for (const each of rows) write(reply, each, each.name.toLowerCase())
}

function info({ args, reply }: Call, rows: readonly CommandRow[]): void {
  if (args.count === 2) {
    writeAll(reply, rows, writeInfo)
    return
  }
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const found = findByName(rows, args.text(i))
    if (found === null) reply.nilArray()
    else writeInfo(reply, found.row, found.fullName)
  }
}

function writeInfo(reply: ReplyWriter, each: CommandRow, fullName: string): void {
  const [first, last, step] = each.keys
  reply.array(10)
  reply.text(fullName)
  reply.integer(each.arity)
  reply.set(each.flags.length)
  for (const flag of each.flags) reply.simple(flag)
  reply.integer(first)
  reply.integer(last)
  reply.integer(step)
  const categories = categoriesOf(each)
  reply.set(categories.length)
  for (const category of categories) reply.simple(`@${category}`)
  // Hints for proxies: none.
  reply.array(0)
  writeKeySpecs(reply, each)
  const children = subcommandsOf(each)
  reply.array(children.length)
  for (const child of children) writeInfo(reply, child, `${fullName}|${child.name.toLowerCase()}`)
}

/** Where the keys are, in Redis 7's own terms: from an index, a range. */
function writeKeySpecs(reply: ReplyWriter, each: CommandRow): void {
  const [first, last, step] = each.keys
  if (first === 0) {
    reply.array(0)
    return
  }
  reply.array(1)
  reply.map(3)
  reply.text('flags')
  const access = each.flags.includes('write') ? ['RW', 'ACCESS', 'UPDATE'] : ['RO', 'ACCESS']
  reply.set(access.length)
  for (const flag of access) reply.simple(flag)
  reply.text('begin_search')
  reply.map(2)
  reply.text('type')
  reply.text('index')
  reply.text('spec')
  reply.map(1)
  reply.text('index')
  reply.integer(first)
  reply.text('find_keys')
  reply.map(2)
  reply.text('type')
  reply.text('range')
  reply.text('spec')
  reply.map(3)
  reply.text('lastkey')
  reply.integer(last < 0 ? last : last - first)
  reply.text('keystep')
  reply.integer(step)
  reply.text('limit')
  reply.integer(0)
}

/** As Redis's access control groups commands. */
function categoriesOf(each: CommandRow): readonly string[] {
  const { flags, group } = each
  const categories: string[] = []
  if (flags.includes('write')) categories.push('write')
  if (flags.includes('readonly')) categories.push('read')
  if (group === 'generic' || group === 'search') categories.push('keyspace')
  else if (group === 'transactions') categories.push('transaction')
  else if (group === 'string' || group === 'pubsub' || group === 'connection') categories.push(group)
  if (flags.includes('admin')) categories.push('admin', 'dangerous')
  categories.push(flags.includes('fast') ? 'fast' : 'slow')
  return categories
}

function docs({ args, reply }: Call, rows: readonly CommandRow[]): void {
  const found: { row: CommandRow; fullName: string }[] = []
  if (args.count === 2) for (const each of rows) found.push({ row: each, fullName: each.name.toLowerCase() })
  for (let i = 2; i < args.count; i++) {
    const one = findByName(rows, args.text(i))
    if (one !== null) found.push(one)
  }
  reply.map(found.length)
  for (const { row: each, fullName } of found) writeDocs(reply, each, fullName)
}

function writeDocs(reply: ReplyWriter, each: CommandRow, fullName: string): void {
  const children = subcommandsOf(each)
  reply.text(fullName)
  reply.map(children.length > 0 ? 5 : 4)
  reply.text('summary')
  reply.text(each.summary)
  reply.text('since')
  reply.text(each.since)
  reply.text('group')
  reply.text(each.group)
  reply.text('complexity')
  reply.text(each.complexity)
  if (children.length === 0) return
  reply.text('subcommands')
  reply.map(children.length)
  for (const child of children) writeDocs(reply, child, `${fullName}|${child.name.toLowerCase()}`)
}

function list({ args, reply, cache }: Call, rows: readonly CommandRow[]): void {
  let found = rows
  if (args.count === 5 && args.is(2, 'FILTERBY')) {
    const filter = patternArgument(args, 4, cache.limits)
    const text = args.text(4).toLowerCase()
    if (args.is(3, 'PATTERN')) found = rows.filter((each) => matchesGlob(filter, Buffer.from(each.name), 0, each.name.length, true))
    else if (args.is(3, 'ACLCAT')) found = rows.filter((each) => categoriesOf(each).includes(text))
    else if (args.is(3, 'MODULE')) found = []
    else throw new ReplyError(SYNTAX_ERROR)
  } else if (args.count > 2) {
    throw new ReplyError(SYNTAX_ERROR)
  }
  reply.array(found.length)
  for (const each of found) reply.text(each.name.toLowerCase())
}

function getKeys({ args, reply }: Call, rows: readonly CommandRow[]): void {
  const found = rows.find((candidate) => args.is(2, candidate.name))
  if (found === undefined) throw new ReplyError('ERR Invalid command specified')
  const child = args.count > 3 ? subcommandsOf(found).find((candidate) => args.is(3, candidate.name)) : undefined
  const each = child ?? found
  const count = args.count - 2
  if (each.keys[0] === 0) throw new ReplyError('ERR The command has no key arguments')
  if (each.arity >= 0 ? count !== each.arity : count < -each.arity) {
    throw new ReplyError('ERR Invalid number of arguments specified for command')
  }
  const positions = keyPositions(each, count)
  reply.array(positions.length)
  for (const position of positions) writeArgument(reply, args, position + 2)
}

/** Positions in a command of `count` words. */
function keyPositions({ keys: [first, last, step] }: CommandRow, count: number): number[] {
  const positions: number[] = []
  const end = last < 0 ? count + last : last
  for (let at = first; at <= end && at < count; at += step) positions.push(at)
  return positions
}

function writeArgument(reply: ReplyWriter, args: Arguments, i: number): void {
  reply.bulk(args.buffer, args.start(i), args.end(i))
}
