/**
 * Pipeline: one client's commands that are one operation each, and the order of their replies.
 *
 * An operation on a key of this node is answered inside the call: its reply goes straight to the client's slab and nothing is allocated. An answer
 * that comes later leaves a ticket in a chain; while the chain is not empty, further operations are begun only on slots that have none under way for
 * this client, which is what the cache's promise of order needs, and their replies wait behind the ticket.
 */
import type { Cache } from '../../cache/cache.ts'
import { ACK_LOCAL, OPERATION_GET, OPERATION_SET, type Operation, type Outcome, operationRow, UNTOUCHED } from '../../cache/operation.ts'
import type { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { NO_VALUE, type RequestRun } from '../../lib/request-run.ts'
import { slotOf } from '../../lib/slot.ts'
import { Arguments } from './arguments.ts'
import type { OneOperation } from './command.ts'
import type { Command } from './command-table.ts'
import type { Meter } from './meter.ts'
import { errorText, writeRefusal } from './outcome-reply.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Session } from './session.ts'
import { NO_ARGUMENTS, type Ticket, type TicketOwner, type TicketPool } from './ticket.ts'

/** Operations of one client that may be under way at the same time. */
const MAX_IN_FLIGHT = 128
const SLOT_MASK = 0xff

/** The connection, as those see it who execute its commands. */
export interface Output {
  /** Where replies go in their order. What is written is sent at the end of this turn at the latest. */
  reply(): ReplyWriter
  /** Where the arguments come from; whoever keeps them has them owned and puts others in their place. */
  readonly source: { args: Arguments; own(): void }
  /** What had to wait may be tried again. */
  proceed(): void
  /** More is waiting to be sent than this client may have: it is to be cut off. */
  overflow(): void
}

export interface PipelineContext {
  readonly cache: Cache
  readonly meter: Meter
  readonly logger: Logger
  readonly tickets: TicketPool
  /** Takes replies that nobody wants. */
  readonly nowhere: ReplyWriter
  /** Of replies that wait. */
  readonly outputBufferLimitBytes: number
}

export class Pipeline implements TicketOwner {
  readonly #session: Session
  readonly #output: Output
  readonly #context: PipelineContext
  readonly #cache: Cache
  readonly #meter: Meter
  /** For the next command; taken when it is answered late. */
  #spare: Ticket | null = null
  #head: Ticket | null = null
  #tail: Ticket | null = null
  #inFlight = 0
  /** By the low bits of a slot: how many operations under way have it. Only where there are some has the chain to be searched. */
  #slotCounts: Uint8Array | null = null
  /** Bytes of replies whose turn has not come. */
  #held = 0
  #closed = false
  readonly #overflow = (): void => this.#output.overflow()

  constructor(session: Session, output: Output, context: PipelineContext) {
    this.#session = session
    this.#output = output
    this.#context = context
    this.#cache = context.cache
    this.#meter = context.meter
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#head === null
  }

  /** Of the latest reply, where it waits for those before it. */
  get lastBytes(): number {
    return this.#tail?.isHeld === true ? this.#tail.held.bytes : 0
  }

  /** The input that was executed last is not needed any more. */
  release(): void {
    this.#spare?.release()
  }

  /** Answers that come from here on go nowhere. */
  close(): void {
    this.#closed = true
  }

  /** Begins a command whose action is one operation; its reply is written in its turn. False: it has to wait, and nothing has happened. */
  begin(command: Command, args: Arguments, silent: boolean): boolean {
    const ticket = this.#spare ?? this.#context.tickets.take(this)
    this.#spare = ticket
    const { operation } = ticket
    try {
      ;(command.action as OneOperation).prepare(args, operation)
    } catch (error) {
      if (this.#head !== null) return false
      this.#meter.count(command.id)
      writeRefusal(silent ? this.#context.nowhere : this.#output.reply(), error, this.#context.logger)
      return true
    }
    return this.#start(ticket, command, args, silent)
  }

  /** `begin` of the plain request `i` of a run, a GET or a SET: where its parts are is known. */
  beginPlain(command: Command, run: RequestRun, i: number): boolean {
    const ticket = this.#spare ?? this.#context.tickets.take(this)
    this.#spare = ticket
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = run
    const writes = valueStart[i] !== NO_VALUE
    const operation = ticket.operation.reset(writes ? OPERATION_SET : OPERATION_GET)
    operation.setKey(buffer, keyStart[i] as number, keyEnd[i] as number)
    if (writes) operation.setValue(buffer, valueStart[i] as number, valueEnd[i] as number)
    return this.#start(ticket, command, NO_ARGUMENTS, false)
  }

  /** The ticket's operation is prepared. */
  #start(ticket: Ticket, command: Command, args: Arguments, silent: boolean): boolean {
    if (this.#head !== null && !this.#mayOvertake(ticket)) return false
    const { operation } = ticket
    adaptTo(this.#session, operation, command.writes, this.#cache)
    ticket.state = 'running'
    ticket.command = command
    ticket.args = args
    ticket.silent = silent
    this.#cache.execute(operation, ticket.done)
    if (isAnswered(ticket)) {
      this.#meter.count(command.id)
      // Its reply has to wait for those before it.
      if (ticket.isHeld) {
        this.#chain(ticket)
        if (ticket === this.#head) this.#advance()
      }
      return true
    }
    ticket.state = 'late'
    // Where others are under way `#mayOvertake` has found it already.
    if (this.#head === null) ticket.slot = slotOf(operation.key, operation.keyStart, operation.keyEnd)
    ticket.startedMs = this.#meter.startedMs
    this.#countSlot(ticket.slot, 1)
    this.#inFlight++
    this.#chain(ticket)
    if ((command.action as OneOperation).needsArguments?.(args)) {
      // The parser goes on with others.
      this.#output.source.own()
      this.#output.source.args = new Arguments()
    } else {
      ticket.release()
    }
    return true
  }

  #mayOvertake(next: Ticket): boolean {
    const { operation } = next
    if (this.#inFlight >= MAX_IN_FLIGHT || operationRow(operation.code)?.twoKeys === true) return false
    const slot = slotOf(operation.key, operation.keyStart, operation.keyEnd)
    next.slot = slot
    if (this.#slotCounts === null || this.#slotCounts[slot & SLOT_MASK] === 0) return true
    for (let ticket = this.#head; ticket !== null; ticket = ticket.next) if (ticket.state === 'late' && ticket.slot === slot) return false
    return true
  }

  #countSlot(slot: number, by: 1 | -1): void {
    this.#slotCounts ??= new Uint8Array(SLOT_MASK + 1)
    const at = slot & SLOT_MASK
    this.#slotCounts[at] = (this.#slotCounts[at] as number) + by
  }

  #chain(ticket: Ticket): void {
    this.#spare = null
    ticket.next = null
    if (this.#tail === null) this.#head = ticket
    else this.#tail.next = ticket
    this.#tail = ticket
  }

  arrived(ticket: Ticket, error: CacheError | null, outcome: Outcome | null): void {
    const late = ticket.state === 'late'
    ticket.state = 'answered'
    if (this.#closed) return
    if (late) {
      this.#inFlight--
      this.#countSlot(ticket.slot, -1)
      this.#meter.countLate((ticket.command as Command).id, ticket.startedMs)
    }
    if (late ? ticket === this.#head : this.#head === null) {
      this.#answer(ticket, ticket.silent ? this.#context.nowhere : this.#output.reply(), error, outcome)
    } else {
      const held = ticket.held.open(this.#session.protocol, this.#context.outputBufferLimitBytes, this.#overflow)
      this.#answer(ticket, ticket.silent ? this.#context.nowhere : held.reply, error, outcome)
      ticket.isHeld = true
      this.#held += held.bytes
      if (this.#held > this.#context.outputBufferLimitBytes) this.#output.overflow()
    }
    if (!late) return
    if (ticket === this.#head) this.#advance()
    this.#output.proceed()
  }

  #answer(ticket: Ticket, reply: ReplyWriter, error: CacheError | null, outcome: Outcome | null): void {
    if (error !== null) {
      reply.error(errorText(error, ticket.operation.code))
      return
    }
    const action = (ticket.command as Command).action as OneOperation
    action.answer(reply, outcome as Outcome, ticket.args, action.needsTime === true ? this.#cache.nowMs : 0)
  }

  /** The first in the chain has been answered: so it goes, and with it those behind it that were waiting for nothing else. */
  #advance(): void {
    let ticket = this.#head
    while (ticket !== null && ticket.state === 'answered') {
      if (ticket.isHeld) {
        this.#held -= ticket.held.bytes
        ticket.held.moveTo(this.#output.reply())
        ticket.isHeld = false
      }
      this.#head = ticket.next
      ticket.next = null
      if (this.#spare === null) this.#spare = ticket
      else this.#context.tickets.giveBack(ticket)
      ticket = this.#head
    }
    if (ticket === null) this.#tail = null
  }
}

/** What the client has said about its commands, applied to one operation of them. */
export function adaptTo(session: Session, operation: Operation, writes: boolean, cache: Cache): void {
  if (session.noTouch && operation.code === OPERATION_GET) operation.flags |= UNTOUCHED
  if (session.ack !== ACK_LOCAL && operationRow(operation.code)?.writes === true) operation.ack = session.ack
  if (!writes) operation.maxStaleMs = session.maxStaleMs
  if (!writes) return
  session.writes(cache)
  session.writtenSlots?.add(slotOf(operation.key, operation.keyStart, operation.keyEnd))
}

/** The state may have changed within a call. */
function isAnswered(ticket: Ticket): boolean {
  return ticket.state === 'answered'
}
