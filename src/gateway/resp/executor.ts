/**
 * Executor: carries out one client's commands, in order.
 *
 * The plain case, a command that is one operation from a client that is in no special state, goes to the pipeline at once. Everything else waits until
 * nothing is under way, and nothing is begun before it has finished: so a command may ask and change whatever it likes.
 */
import type { Cache } from '../../cache/cache.ts'
import { ACK_LOCAL, OPERATION_GET, type Outcome, saveOutcome } from '../../cache/operation.ts'
import type { CacheError } from '../../lib/errors.ts'
import { NO_VALUE, type RequestRun } from '../../lib/request-run.ts'
import { Arguments } from './arguments.ts'
import { Collector } from './collector.ts'
import type { Action, Call, Direct, Later, ManyOperations, SavedOutcome } from './command.ts'
import { type Command, type CommandTable, resolveCommand } from './command-table.ts'
import type { Meter } from './meter.ts'
import { executeEach } from './operation-batch.ts'
import { errorText, heldBytes, OPERATION_OVERHEAD_BYTES, replyTooLarge, writeRefusal } from './outcome-reply.ts'
import { adaptTo, type Output, Pipeline, type PipelineContext } from './pipeline.ts'
import { ReplyError } from './reply-error.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Router } from './router.ts'
import type { Session } from './session.ts'
import { type Queued, TransactionRun } from './transaction.ts'

export interface ExecutorContext extends PipelineContext {
  readonly table: CommandTable
  /** Of all commands between MULTI and EXEC, with 400 bytes for each and for each of its keys beside its arguments. */
  readonly maxTransactionBytes: number
  /** Sends clients elsewhere; `null`: everything is executed here. */
  readonly router: Router | null
}

/** What a queued command takes beside the bytes of its arguments. */
const QUEUED_OVERHEAD_BYTES = 400
/** Of a command that is no operation on keys. */
const MAX_DIRECT_ARGUMENTS = 16_384

/** After a reply of this length the clock is looked at. */
const LONG_BYTES = 4096

/** What is executed at once between MULTI and EXEC. */
const NOT_QUEUED: ReadonlySet<string> = new Set(['multi', 'exec', 'discard', 'watch', 'quit', 'reset'])
/** What a RESP2 client may say once it has subscribed: all else would be confused with messages. */
const FOR_SUBSCRIBERS: ReadonlySet<string> = new Set(['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe', 'ping', 'quit', 'reset'])

export class Executor {
  readonly #session: Session
  readonly #output: Output
  readonly #context: ExecutorContext
  readonly #cache: Cache
  readonly #table: CommandTable
  readonly #meter: Meter
  readonly #pipeline: Pipeline
  readonly #getCommand: Command
  readonly #setCommand: Command
  readonly #router: Router | null
  /** The reply to come of a command other than a single operation; `null` when none is under way. */
  #awaited: Later | null = null
  /** Bytes of the input that it works on. */
  #awaitedBytes = 0
  /** Nothing has to be asked before a command is executed: the client is not in MULTI, no RESP2 subscriber, and wants replies. */
  #open = true
  #queue: Queued[] | null = null
  #queuedBytes = 0
  #plain = false
  /** A command was refused between MULTI and EXEC. */
  #broken = false
  #closed = false

  constructor(session: Session, output: Output, context: ExecutorContext) {
    this.#session = session
    this.#output = output
    this.#context = context
    this.#cache = context.cache
    this.#table = context.table
    this.#meter = context.meter
    this.#pipeline = new Pipeline(session, output, context)
    this.#router = context.router
    this.#getCommand = this.#table.named('GET')
    this.#setCommand = this.#table.named('SET')
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#pipeline.idle && this.#awaited === null
  }

  /** The last command was one operation, which costs little. */
  get plain(): boolean {
    return this.#plain
  }

  get inTransaction(): boolean {
    return this.#queue !== null
  }

  get queued(): number {
    return this.#queue?.length ?? 0
  }

  /** Input that is queued, or that a command under way works on. */
  get heldBytes(): number {
    return (this.#queue === null ? 0 : this.#queuedBytes) + (this.#awaited === null ? 0 : this.#awaitedBytes)
  }

  /** The input that was executed last is not needed any more. */
  release(): void {
    this.#pipeline.release()
  }

  /** Answers that come from here on go nowhere. */
  close(): void {
    this.#closed = true
    this.#queue = null
    this.#pipeline.close()
  }

  /** Executes or queues a command. False: it has to wait, and nothing has happened; the same is to be tried again after `Output.proceed`. */
  execute(args: Arguments): boolean {
    const command = this.#table.find(args)
    if (
      this.#open &&
      command !== undefined &&
      command.action.kind === 'one' &&
      command.accepts(args.count) &&
      this.#awaited === null &&
      this.#session.hub.pause === null &&
      (this.#router === null || this.#router.isHere(command, args))
    ) {
      this.#plain = true
      if (!this.#pipeline.begin(command, args, false)) return false
      this.#session.commands++
      this.#session.lastCommand = command.name
      return true
    }
    this.#plain = false
    // Whatever it does, it may keep its arguments.
    this.#output.source.own()
    return this.idle && this.#guarded(command, args)
  }

  /** Whether a run of plain requests may be executed now: no other command is under way, and nothing that the client has said changes what they mean. */
  get takesRuns(): boolean {
    const { hub, noTouch, ack, writtenSlots } = this.#session
    return this.#open && this.#awaited === null && hub.pause === null && !noTouch && ack === ACK_LOCAL && writtenSlots === null
  }

  /**
   * Executes plain requests as far as they are answered at once, and begins those after them that are served elsewhere. Answers how many it were: the next
   * one is to be parsed and executed like any other.
   */
  executeRun(run: RequestRun): number {
    const executed = this.#pipeline.idle ? this.#executeHere(run) : 0
    const begun = this.#router === null ? this.#begin(run, executed) : executed
    if (begun === 0) return 0
    const session = this.#session
    session.commands += begun
    session.lastCommand = this.#commandOf(run, begun - 1).name
    this.#plain = true
    return begun
  }

  #executeHere(run: RequestRun): number {
    const executed = this.#cache.executeRun(run, this.#output.reply())
    let sets = 0
    for (let i = 0; i < executed; i++) if (run.valueStart[i] !== NO_VALUE) sets++
    this.#meter.countMany(this.#getCommand.id, executed - sets)
    this.#meter.countMany(this.#setCommand.id, sets)
    if (sets > 0) this.#session.writes(this.#cache)
    return executed
  }

  /** From the request `i` on. Ends after one that was answered at once, if others may be looked up together or the answer was long. Answers which comes next. */
  #begin(run: RequestRun, i: number): number {
    const pipeline = this.#pipeline
    for (; i < run.count; i++) {
      if (!pipeline.beginPlain(this.#commandOf(run, i), run, i)) return i
      if (pipeline.idle || pipeline.lastBytes >= LONG_BYTES) return i + 1
    }
    return i
  }

  #commandOf(run: RequestRun, i: number): Command {
    return run.valueStart[i] === NO_VALUE ? this.#getCommand : this.#setCommand
  }

  multi(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.#broken = false
  }

  discard(): void {
    this.#queue = null
    this.#session.watches = []
  }

  /** EXEC: writes its own reply. */
  exec(): void {
    const queue = this.#queue ?? []
    const { watches } = this.#session
    this.discard()
    if (this.#broken) throw new ReplyError('EXECABORT Transaction discarded because of previous errors.')
    const later = this.#later(this.#silent(), new Arguments())
    this.#awaitedBytes = this.#queuedBytes
    // What a transaction has written to is not followed: WAIT asks for all slots again.
    if (queue.some(({ command }) => command.writes)) {
      this.#session.writes(this.#cache)
      this.#session.writtenSlots = null
    }
    new TransactionRun({
      queue,
      watches,
      cache: this.#cache,
      reply: later.reply,
      clock: this.#session.hub.clock,
      adapt: (operation) => adaptTo(this.#session, operation, false, this.#cache),
      gone: () => this.#closed,
      outputBufferLimitBytes: this.#context.outputBufferLimitBytes,
      runDirect: (queued, reply, done) => this.#directInTransaction(queued, reply, done),
      done: () => later.finish(),
    }).run()
  }

  /** Everything but the plain case of a plain client. Nothing is under way. */
  #guarded(found: Command | undefined, args: Arguments): boolean {
    const session = this.#session
    const { pause } = session.hub
    if (pause !== null && found !== undefined && found.row.name !== 'CLIENT' && (!pause.writesOnly || this.#mayWrite(found))) return false
    session.commands++
    const silent = this.#silent()
    let admitted = false
    try {
      const command = resolveCommand(found, args)
      this.#refuse(command, args)
      session.lastCommand = command.name
      admitted = this.#queue === null || NOT_QUEUED.has(command.name)
      if (admitted) this.#run(command, args, silent)
      else this.#enqueue(command, args, silent)
    } catch (error) {
      // What cannot even be queued breaks the transaction; what fails when it is executed does not.
      if (!admitted) this.#broken = true
      writeRefusal(this.#target(silent), !admitted && found?.row.name === 'EXEC' ? this.#abort(error) : error, this.#context.logger)
    }
    if (session.replyMode === 'skip') session.replyMode = 'on'
    else if (session.replyMode === 'skipping') session.replyMode = 'skip'
    this.refresh()
    return true
  }

  /** An EXEC that is malformed ends the transaction, and one that was never begun as well. */
  #abort(error: unknown): unknown {
    this.discard()
    if (!(error instanceof ReplyError)) return error
    return new ReplyError(`EXECABORT Transaction discarded because of: ${error.message.replace(/^ERR /, '')}`, error.encoding)
  }

  /** To be called when something has changed that commands depend on. */
  refresh(): void {
    const session = this.#session
    const subscriber = session.protocol === 2 && session.subscriptions > 0
    this.#open = this.#queue === null && !subscriber && session.replyMode === 'on' && !session.asking
  }

  #mayWrite(command: Command): boolean {
    if (command.name === 'exec') return this.#queue?.some((queued) => queued.command.writes) ?? false
    return command.writes || command.name === 'publish'
  }

  #silent(): boolean {
    return this.#session.replyMode !== 'on'
  }

  #refuse(command: Command, args: Arguments): void {
    const session = this.#session
    if (session.protocol === 2 && session.subscriptions > 0 && !FOR_SUBSCRIBERS.has(command.name)) {
      const allowed = '(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET'
      throw new ReplyError(`ERR Can't execute '${command.name}': only ${allowed} are allowed in this context`)
    }
    if (this.#queue !== null && command.row.flags.includes('no_multi')) {
      throw new ReplyError('ERR Command not allowed inside a transaction')
    }
    const elsewhere = this.#router?.refusal(command, args, session) ?? null
    session.asking = false
    if (elsewhere !== null) throw new ReplyError(elsewhere)
  }

  #enqueue(command: Command, args: Arguments, silent: boolean): void {
    const operations = command.action.kind === 'many' ? args.count - 1 : 0
    if (command.action.kind !== 'many') refuseTooMany(args)
    const copy = args.copyAll()
    this.#queuedBytes += copy.buffer.length + QUEUED_OVERHEAD_BYTES + operations * OPERATION_OVERHEAD_BYTES
    if (this.#queuedBytes > this.#context.maxTransactionBytes) {
      throw new ReplyError(`ERR the transaction is over the limit of ${this.#context.maxTransactionBytes} bytes`)
    }
    this.#queue?.push({ command, args: copy })
    this.#target(silent).simple('QUEUED')
  }

  #run(command: Command, args: Arguments, silent: boolean): void {
    const { action } = command
    if (action.kind === 'one') {
      this.#pipeline.begin(command, args, silent)
    } else if (action.kind === 'many') {
      this.#meter.count(command.id)
      this.#refuseTooManyKeys(command, action, args)
      this.#many(action, command.writes, args, silent)
    } else {
      refuseTooMany(args)
      this.#meter.count(command.id)
      runOf(action)(this.#call(args, silent))
    }
  }

  /** Before anything is made for them. A transaction goes on without a pause, and may have no more than those of MULTI. */
  #refuseTooManyKeys(command: Command, { atomic }: ManyOperations, args: Arguments): void {
    const { outputBufferLimitBytes, maxTransactionBytes } = this.#context
    const limitBytes = atomic ? Math.min(outputBufferLimitBytes, maxTransactionBytes) : outputBufferLimitBytes
    if ((args.count - 1) * OPERATION_OVERHEAD_BYTES <= limitBytes) return
    const keys = Math.floor(limitBytes / OPERATION_OVERHEAD_BYTES / Math.max(1, command.row.keys[2]))
    throw new ReplyError(`ERR too many keys for '${command.name}': the limit is ${keys}`)
  }

  /** Several operations: in one transaction, or each by itself, those of one slot one after the other. */
  #many(action: ManyOperations, writes: boolean, args: Arguments, silent: boolean): void {
    const operations = action.prepare(args, this.#cache.limits)
    for (const operation of operations) adaptTo(this.#session, operation, writes, this.#cache)
    const outcomes: (SavedOutcome | null)[] = new Array(operations.length).fill(null)
    let later: Later | null = null
    let finished = false
    const { outputBufferLimitBytes } = this.#context
    let held = 0
    const save = (index: number, outcome: Outcome): void => {
      if (this.#closed || held > outputBufferLimitBytes) return
      held += heldBytes(outcome)
      if (held > outputBufferLimitBytes) outcomes.fill(null)
      else outcomes[index] = saveOutcome(outcome)
    }
    const finish = (error: CacheError | null, operation: number, partly: boolean): void => {
      finished = true
      if (this.#closed) return
      const reply = later === null ? this.#target(silent) : later.reply
      if (error === null && held > outputBufferLimitBytes) reply.error(replyTooLarge(outputBufferLimitBytes))
      else if (error === null) action.answer(reply, outcomes, args)
      else reply.error(errorText(error, operation, partly))
      later?.finish()
    }
    if (action.atomic) this.#cache.transact(operations, save, (error) => finish(error, operations[0]?.code ?? OPERATION_GET, false))
    else executeEach(this.#cache, this.#session.hub.clock, operations, save, finish)
    if (!finished) later = this.#later(silent, args)
  }

  #call(args: Arguments, silent: boolean): Call {
    const session = this.#session
    return {
      args,
      session,
      cache: this.#cache,
      reply: this.#target(silent),
      later: () => this.#later(silent, args),
    }
  }

  /** A command of EXEC's queue: its reply belongs between its neighbours'. */
  #directInTransaction(queued: Queued, reply: ReplyWriter, done: () => void): void {
    const { command, args } = queued
    let deferred = false
    const later = (): Later => {
      deferred = true
      return { args, reply, finish: done }
    }
    this.#meter.count(command.id)
    try {
      runOf(command.action)({ args, session: this.#session, cache: this.#cache, reply, later })
    } catch (error) {
      writeRefusal(reply, error, this.#context.logger)
      deferred = false
    }
    if (!deferred) done()
  }

  /** Nothing else is executed until it has finished. The arguments stay as they are: the parser goes on with others. */
  #later(silent: boolean, args: Arguments): Later {
    const collector = new Collector().open(this.#session.protocol, this.#context.outputBufferLimitBytes, () => this.#output.overflow())
    const later: Later = {
      args,
      reply: silent ? this.#context.nowhere : collector.reply,
      finish: () => {
        // A command that failed after it had asked for time has been answered.
        if (this.#closed || this.#awaited !== later) return
        this.#awaited = null
        collector.moveTo(this.#output.reply())
        this.refresh()
        this.#output.proceed()
      },
    }
    this.#awaited = later
    this.#awaitedBytes = args.buffer.length
    this.#output.source.args = new Arguments()
    return later
  }

  #target(silent: boolean): ReplyWriter {
    return silent ? this.#context.nowhere : this.#output.reply()
  }
}

function refuseTooMany(args: Arguments): void {
  if (args.count > MAX_DIRECT_ARGUMENTS) throw new ReplyError(`ERR too many arguments: the limit is ${MAX_DIRECT_ARGUMENTS}`)
}

/** A container is run by its bare name only. */
function runOf(action: Action): Direct['run'] {
  const run = action.kind === 'direct' ? action.run : action.kind === 'container' ? action.bare : undefined
  if (run === undefined) throw new Error(`a command of kind ${action.kind} has nothing to run`)
  return run
}
