/**
 * Transaction: what MULTI has queued, and how EXEC carries it out.
 *
 * The operations of all key commands become one `cache.transact`, with the watched keys as requirements in front: so nothing comes in between, here
 * or at the member that holds the keys. Commands that speak to the session or to the whole cache are no operations: the queue is cut there, what is
 * before them is one transaction and what is after them another. What Redis does between MULTI and EXEC is so kept for all that is data of one slot.
 *
 * Values that would make the reply larger than a client may have are not kept: an error stands in their place, and what was executed is executed.
 * Nothing comes in between operations, but between the replies that are made of them others have their turn.
 */
import type { Cache } from '../../cache/cache.ts'
import { IF_UNCHANGED, OPERATION_GET, OPERATION_REQUIRE, Operation, type Outcome, saveOutcome, WAS_LIVE } from '../../cache/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import { CacheError, ERRORS } from '../../lib/errors.ts'
import type { Arguments } from './arguments.ts'
import { Collector } from './collector.ts'
import type { SavedOutcome } from './command.ts'
import type { Command } from './command-table.ts'
import { errorText, heldBytes, replyTooLarge } from './outcome-reply.ts'
import { ReplyError } from './reply-error.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Watch } from './session.ts'
import { eachInTurns, Turn } from './turn.ts'

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
  readonly clock: Clock
  /** Gets all of EXEC's reply before `done` is called. */
  readonly reply: ReplyWriter
  /** Gives an operation what the client has said about all of its. */
  readonly adapt: (operation: Operation) => void
  readonly runDirect: RunDirect
  readonly done: () => void
  /** What is answered may be as large as this in all. */
  readonly outputBufferLimitBytes: number
  /** The client is no more: nobody waits for an end. */
  readonly gone: () => boolean
}

/** What a reply without a value may take, which each has a right to. */
const SMALL_REPLY_BYTES = 128

export class TransactionRun {
  readonly #options: TransactionOptions
  readonly #queue: readonly Queued[]
  readonly #cache: Cache
  readonly #reply: ReplyWriter
  readonly #turn: Turn
  /** For values, beside what every command may answer. */
  readonly #maxHeldBytes: number
  #at = 0
  #begun = false
  /** Bytes of values that are, or will be, in the reply. */
  #held = 0

  constructor(options: TransactionOptions) {
    this.#options = options
    this.#queue = options.queue
    this.#cache = options.cache
    this.#reply = options.reply
    this.#turn = new Turn(options.clock)
    this.#maxHeldBytes = Math.max(0, options.outputBufferLimitBytes - options.queue.length * SMALL_REPLY_BYTES)
  }

  /** Goes on for as long as answers come at once; without recursion, for a queue may be long. */
  run(): void {
    this.#turn.begin()
    for (;;) {
      if (this.#options.gone()) return
      if (this.#turn.overNow()) {
        this.#options.clock.soon(() => this.run())
        return
      }
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
      this.#direct(queued, next)
      return
    }
    this.#transact(next)
  }

  #direct(queued: Queued, next: (goOn: boolean) => void): void {
    const roomBytes = Math.max(SMALL_REPLY_BYTES, this.#maxHeldBytes - this.#held)
    const part = new Collector().open(this.#reply.protocol, roomBytes)
    this.#options.runDirect(queued, part.reply, () => {
      this.#reply.protocol = part.reply.protocol
      if (part.bytes > roomBytes) {
        this.#reply.error(replyTooLarge(this.#options.outputBufferLimitBytes))
      } else {
        this.#held += part.bytes
        part.moveTo(this.#reply)
      }
      next(true)
    })
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
    const lost = new Set<number>()
    const save = (index: number, outcome: Outcome): void => {
      const bytes = heldBytes(outcome)
      if (index >= required && outcome.entry !== null && this.#held + bytes > this.#maxHeldBytes) {
        lost.add(index)
        return
      }
      outcomes[index] = saveOutcome(outcome)
      this.#held += bytes
    }
    const finish = (error: CacheError | null): void => {
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
      const answer = (part: Part): boolean => {
        this.#answer(part, operations, outcomes, lost, error)
        return !this.#options.gone()
      }
      eachInTurns(this.#options.clock, parts, answer, () => next(true))
    }
    if (operations.length === 0) finish(null)
    else this.#cache.transact(operations, save, finish)
  }

  #answer(
    part: Part,
    operations: readonly Operation[],
    outcomes: readonly (SavedOutcome | null)[],
    lost: ReadonlySet<number>,
    error: CacheError | null,
  ): void {
    const { queued, from, to, refused } = part
    const { action } = queued.command
    if (refused !== null) {
      this.#reply.error(refused)
    } else if (error !== null) {
      this.#reply.error(errorText(error, operations[from]?.code ?? OPERATION_GET))
    } else if (lost.size > 0 && isAnyOf(lost, from, to)) {
      this.#reply.error(replyTooLarge(this.#options.outputBufferLimitBytes))
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

function isAnyOf(indices: ReadonlySet<number>, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (indices.has(i)) return true
  return false
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
