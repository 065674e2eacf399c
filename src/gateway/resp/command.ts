/**
 * Commands as data: what the parser checks, what MULTI queues, what COMMAND tells and what the documentation lists comes from the same rows.
 *
 * A command that works on keys says which operations it is made of and how their outcomes read as a reply; the session carries them out, one by
 * one, or all in one transaction when EXEC comes. So no command knows about pipelines, transactions or where a key lives.
 */
import type { Cache, Limits } from '../../cache/cache.ts'
import type { Operation, Outcome } from '../../cache/operation.ts'
import type { Entry } from '../../lib/entry.ts'
import type { Arguments } from './arguments.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Session } from './session.ts'

export type CommandGroup = 'string' | 'generic' | 'connection' | 'pubsub' | 'transactions' | 'server' | 'search' | 'cluster'

/** As `COMMAND` names them. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'allow_busy'
  | 'movablekeys'

export interface CommandRow {
  /** Upper case; a subcommand's without its container's. */
  readonly name: string
  /** The number of arguments, the name included (and a subcommand's container's); negative: at least so many. */
  readonly arity: number
  readonly flags: readonly CommandFlag[]
  /** Positions of the keys, counted from the (container's) name as 0; all 0 for none. A negative last one counts from the end. */
  readonly keys: readonly [first: number, last: number, step: number]
  readonly group: CommandGroup
  /** One sentence for COMMAND DOCS and docs/protocol.md. */
  readonly summary: string
  /** The Redis version that introduced it; this project's first version for what is its own. */
  readonly since: string
  readonly complexity: string
  /** Options in one line, as the documentation prints them: `key value [NX | XX] [GET]`. */
  readonly syntax: string
  readonly action: Action
}

export type Action = OneOperation | ManyOperations | Direct | Container

/** A command that is one operation. The hot path: nothing here allocates. */
export interface OneOperation {
  readonly kind: 'one'
  /** Fills the operation, whose bytes may be views of the arguments. Throws `ReplyError`. */
  readonly prepare: (args: Arguments, operation: Operation) => void
  /** True for an `answer` that reads `nowMs`; it is 0 for the others. */
  readonly needsTime?: true
  /** Whether `answer` reads the arguments; without it it does not, and may be given none. */
  readonly needsArguments?: (args: Arguments) => boolean
  /** Writes just one reply. The arguments are those of `prepare`, if it needs them. `nowMs` is the cache's, in milliseconds since 1970. */
  readonly answer: (reply: ReplyWriter, outcome: Outcome, args: Arguments, nowMs: number) => void
}

/** An outcome that outlives its call; what `Outcome` lends is copied. */
export interface SavedOutcome extends Outcome {
  readonly entry: Entry | null
}

/** A command made of several operations. */
export interface ManyOperations {
  readonly kind: 'many'
  /** True: all in one transaction. False: each by itself, wherever its key is. */
  readonly atomic: boolean
  /**
   * The operations, with bytes that live as long as the arguments do. Throws `ReplyError`. What writes and is not atomic holds its arguments against
   * `limits` itself, so that nothing is written when one of them is refused.
   */
  readonly prepare: (args: Arguments, limits: Limits) => Operation[]
  /** `outcomes[i]` is `null` for an operation that was left out. */
  readonly answer: (reply: ReplyWriter, outcomes: readonly (SavedOutcome | null)[], args: Arguments) => void
}

/** A command that speaks to the session or to the whole cache. */
export interface Direct {
  readonly kind: 'direct'
  readonly run: (call: Call) => void
}

/** A command whose first argument names the real one: CLIENT, CONFIG, COMMAND, ... */
export interface Container {
  readonly kind: 'container'
  readonly subcommands: readonly CommandRow[]
  /** What the name alone does, where `arity` allows that. */
  readonly bare?: Direct['run']
}

export interface Call {
  readonly args: Arguments
  readonly session: Session
  readonly cache: Cache
  /** For replies that are written before `run` returns. */
  readonly reply: ReplyWriter
  /**
   * The reply comes later; the arguments are copied and stay valid. Replies keep their order, and nothing that this client has sent after is
   * executed before `finish` was called.
   */
  later(): Later
}

export interface Later {
  readonly args: Arguments
  readonly reply: ReplyWriter
  finish(): void
}
