/**
 * Transaction: what MULTI has queued, and how EXEC carries it out.
 *
 * The operations of all key commands become one `cache.transact`, with the watched keys as requirements in front: so nothing comes in between, here
 * or at the member that holds the keys. Commands that speak to the session or to the whole cache are no operations: the queue is cut there, what is
 * before them is one transaction and what is after them another. What Redis does between MULTI and EXEC is so kept for all that is data of one slot.
 */
import type { Cache } from '../../cache/cache.ts'
import { IF_UNCHANGED, OPERATION_GET, OPERATION_REQUIRE, Operation, type Outcome, WAS_LIVE } from '../../cache/operation.ts'
import { CacheError, ERRORS } from '../../lib/errors.ts'
import type { Arguments } from './arguments.ts'
import type { SavedOutcome } from './command.ts'
import type { Command } from './command-table.ts'
import { errorText, heldBytes, saveOutcome } from './outcome-reply.ts'
import { ReplyError } from './reply-error.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Watch } from './session.ts'

export interface Queued {
  readonly command: Command
  /** With bytes of its own. */
  readonly args: Arguments
}

/** Runs a command that is no operation; `done` may be called at once. */
export type RunDirect = (queued: Queued, reply: ReplyWriter, done: () => void) => void

/** A queued key command and where its operations are in the transaction; `refused` when there are none because it makes no sense. */
interface Part {
  readonly queued: Queued
  readonly from: number
  readonly to: number
  readonly refused: string | null
}

export interface TransactionOptions {
  readonly queue: readonly Queued[]
  readonly watches: readonly Watch[]
  readonly cache: Cache
  /** Gets all of EXEC's reply before `done` is called. */
  readonly reply: ReplyWriter
  /** Gives an operation what the client has said about all of its. */
  readonly adapt: (operation: Operation) => void
  readonly runDirect: RunDirect
  readonly done: () => void
  /** What is answered may be as large as this in all; once it is larger, `overflow` is called and no more is kept. */
  readonly maxHeldBytes: number
  readonly overflow: () => void
}

export class TransactionRun {
  readonly #options: TransactionOptions
  readonly #queue: readonly Queued[]
  readonly #cache: Cache
  readonly #reply: ReplyWriter
  #at = 0
  #begun = false
  #held = 0

  constructor(options: TransactionOptions) {
    this.#options = options
    this.#queue = options.queue
    this.#cache = options.cache
    this.#reply = options.reply
  }

  /** Goes on for as long as answers come at once; without recursion, for a queue may be long. */
  run(): void {
    for (;;) {
      let looping = true
      let ready = false
      const next = (goOn: boolean): void => {
        if (!goOn) this.#options.done()
        else if (looping) ready = true
        else this.run()
      }
      if (this.#begun && this.#at === this.#queue.length) {
        this.#options.done()
        return
      }
      this.#step(next)
      looping = false
      if (!ready) return
    }
  }

  #step(next: (goOn: boolean) => void): void {
    const queued = this.#queue[this.#at]
    if (this.#begun && queued !== undefined && !isOnKeys(queued.command)) {
      this.#at++
      this.#options.runDirect(queued, this.#reply, () => next(true))
      return
    }
    this.#transact(next)
  }

  /** Everything up to the next command that is no operation; the first time with the watched keys in front. */
  #transact(next: (goOn: boolean) => void): void {
    const first = !this.#begun
    this.#begun = true
    const operations = first ? requirements(this.#options.watches) : []
    const required = operations.length
    const parts: Part[] = []
    for (; this.#at < this.#queue.length; this.#at++) {
      const queued = this.#queue[this.#at] as Queued
      if (!isOnKeys(queued.command)) break
      parts.push(prepare(queued, operations, this.#cache))
    }
    for (let i = required; i < operations.length; i++) this.#options.adapt(operations[i] as Operation)
    for (let i = 0; i < required; i++) (operations[i] as Operation).offset = operations.length - i - 1
    const outcomes: (SavedOutcome | null)[] = new Array(operations.length).fill(null)
    const save = (index: number, outcome: Outcome): void => {
      if (this.#held > this.#options.maxHeldBytes) return
      const saved = saveOutcome(outcome)
      outcomes[index] = saved
      this.#held += heldBytes(saved)
      if (this.#held > this.#options.maxHeldBytes) this.#options.overflow()
    }
    const finish = (error: CacheError | null): void => {
      if (this.#held > this.#options.maxHeldBytes) return
      if (first && error !== null) {
        this.#reply.error(errorText(error, operations[required]?.code ?? OPERATION_GET))
        next(false)
        return
      }
      if (first && outcomes.slice(0, required).some((outcome) => outcome?.written === false)) {
        this.#reply.nilArray()
        next(false)
        return
      }
      if (first) this.#reply.array(this.#queue.length)
      for (const part of parts) this.#answer(part, operations, outcomes, error)
      next(true)
    }
    if (operations.length === 0) finish(null)
    else this.#cache.transact(operations, save, finish)
  }

  #answer(part: Part, operations: readonly Operation[], outcomes: readonly (SavedOutcome | null)[], error: CacheError | null): void {
    const { queued, from, to, refused } = part
    const { action } = queued.command
    if (refused !== null) {
      this.#reply.error(refused)
    } else if (error !== null) {
      this.#reply.error(errorText(error, operations[from]?.code ?? OPERATION_GET))
    } else if (action.kind === 'many') {
      action.answer(this.#reply, outcomes.slice(from, to), queued.args)
    } else if (action.kind === 'one') {
      const outcome = outcomes[from] as SavedOutcome
      if (outcome.error !== null) {
        const failure = new CacheError(outcome.error, ERRORS[outcome.error].meaning)
        this.#reply.error(errorText(failure, (operations[from] as Operation).code))
      } else {
        action.answer(this.#reply, outcome, queued.args, action.needsTime === true ? this.#cache.nowMs : 0)
      }
    }
  }
}

function isOnKeys({ action }: Command): boolean {
  return action.kind === 'one' || action.kind === 'many'
}

/** A read of each watched key must answer what it did; where one does not, all that follows is left out. */
function requirements(watches: readonly Watch[]): Operation[] {
  return watches.map(({ key, existed, ms, counter, writer }) => {
    const operation = new Operation().reset(OPERATION_REQUIRE).setKey(key).setVersion(ms, counter, writer)
    operation.condition = IF_UNCHANGED
    operation.flags = existed ? WAS_LIVE : 0
    return operation
  })
}

/** Puts the command's operations behind those there are. */
function prepare(queued: Queued, operations: Operation[], cache: Cache): Part {
  const { command, args } = queued
  const { action } = command
  const from = operations.length
  try {
    if (action.kind === 'one') {
      const operation = new Operation()
      action.prepare(args, operation)
      operations.push(operation)
    } else if (action.kind === 'many') {
      for (const operation of action.prepare(args, cache.limits)) operations.push(operation)
    }
    return { queued, from, to: operations.length, refused: null }
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    return { queued, from, to: from, refused: error.message }
  }
}
