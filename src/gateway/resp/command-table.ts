/**
 * CommandTable: from the bytes of a name to its command, without making a string.
 *
 * Names are hashed with the bit that parts ASCII's upper from lower case set, into a table several times larger than needed; the arguments then
 * confirm the name. Every command and subcommand has a number, by which it is counted.
 */
import assert from 'node:assert/strict'
import type { Arguments } from './arguments.ts'
import type { Action, CommandRow } from './command.ts'
import { ReplyError, wrongNumberOfArguments } from './reply-error.ts'

const BUCKETS = 1024
const CASE_BIT = 0x20
const FNV_PRIME = 16_777_619

export class Command {
  readonly row: CommandRow
  /** As it is counted and shown: `get`, `client|kill`. */
  readonly name: string
  readonly id: number
  readonly action: Action
  /** The container's own name first, as arity counts. */
  readonly arity: number
  readonly writes: boolean
  readonly subcommands: readonly Command[]

  constructor(row: CommandRow, id: number, container: string | null, subcommands: readonly Command[]) {
    this.row = row
    this.id = id
    this.name = `${container === null ? '' : `${container.toLowerCase()}|`}${row.name.toLowerCase()}`
    this.action = row.action
    this.arity = row.arity
    this.writes = row.flags.includes('write')
    this.subcommands = subcommands
  }

  accepts(count: number): boolean {
    return this.arity >= 0 ? count === this.arity : count >= -this.arity
  }
}

export class CommandTable {
  /** Containers' subcommands included; the index is the command's `id`. */
  readonly all: readonly Command[]
  readonly #top: readonly Command[]
  readonly #buckets: (readonly Command[] | undefined)[] = new Array(BUCKETS).fill(undefined)

  /** A name that occurs twice is a defect. */
  constructor(rows: readonly CommandRow[]) {
    const all: Command[] = []
    const top: Command[] = []
    for (const row of rows) {
      const children = row.action.kind === 'container' ? row.action.subcommands : []
      const subcommands = children.map((child) => {
        const command = new Command(child, all.length, row.name, [])
        all.push(command)
        return command
      })
      const command = new Command(row, all.length, null, subcommands)
      all.push(command)
      top.push(command)
      this.#insert(command)
    }
    this.all = all
    this.#top = top
  }

  /** Without subcommands, in the order of the rows. */
  get top(): readonly Command[] {
    return this.#top
  }

  /** The command that argument `i` names; `undefined` for none. */
  find(args: Arguments, i: number = 0): Command | undefined {
    const bytes = args.buffer
    const end = args.end(i)
    let hash = 0
    for (let at = args.start(i); at < end; at++) hash = Math.imul(hash ^ ((bytes[at] as number) | CASE_BIT), FNV_PRIME)
    const bucket = this.#buckets[(hash ^ (hash >>> 15)) & (BUCKETS - 1)]
    if (bucket === undefined) return undefined
    for (let k = 0; k < bucket.length; k++) {
      const command = bucket[k] as Command
      if (args.is(i, command.row.name)) return command
    }
    return undefined
  }

  /** The command of this name, in upper case, which must be there. */
  named(name: string): Command {
    const command = this.#top.find(({ row }) => row.name === name)
    assert(command !== undefined, `there is no command ${name}`)
    return command
  }

  #insert(command: Command): void {
    const name = command.row.name
    let hash = 0
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ (name.charCodeAt(at) | CASE_BIT), FNV_PRIME)
    const at = (hash ^ (hash >>> 15)) & (BUCKETS - 1)
    const bucket = this.#buckets[at] ?? []
    if (bucket.some((other) => other.row.name === name)) throw new Error(`the command ${name} is there twice`)
    this.#buckets[at] = [...bucket, command]
  }
}

/** The command or subcommand that is meant, with the right number of arguments; `found` is what `find` has answered. Throws `ReplyError`. */
export function resolveCommand(found: Command | undefined, args: Arguments): Command {
  if (found === undefined) throw new ReplyError(unknownCommand(args), 'latin1')
  let command = found
  if (found.action.kind === 'container' && args.count > 1) {
    const child = found.subcommands.find((candidate) => args.is(1, candidate.row.name))
    if (child === undefined) throw new ReplyError(unknownSubcommand(args, found.row.name), 'latin1')
    command = child
  }
  if (!command.accepts(args.count)) throw new ReplyError(wrongNumberOfArguments(command.name))
  return command
}

/** Redis shows this much of what it does not know. */
const SHOWN_BYTES = 128

/** As latin1, byte by byte: a client may have sent anything. */
function unknownCommand(args: Arguments): string {
  let shown = ''
  for (let i = 1; i < args.count && shown.length < SHOWN_BYTES; i++) {
    shown += `'${untilZero(args, i, SHOWN_BYTES - shown.length)}' `
  }
  return `ERR unknown command '${untilZero(args, 0, SHOWN_BYTES)}', with args beginning with: ${shown}`
}

/** As latin1. `container` in upper case. */
function unknownSubcommand(args: Arguments, container: string): string {
  return `ERR unknown subcommand '${untilZero(args, 1, SHOWN_BYTES)}'. Try ${container} HELP.`
}

/** A C string ends at its first zero byte. */
function untilZero(args: Arguments, i: number, limit: number): string {
  const text = args.buffer.toString('latin1', args.start(i), Math.min(args.end(i), args.start(i) + limit))
  const zero = text.indexOf('\0')
  return zero < 0 ? text : text.slice(0, zero)
}
