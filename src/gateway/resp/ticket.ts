/**
 * Ticket: one operation under way, and its place in the order of replies. Tickets are used again and again: a client that is answered at once needs
 * one, and those of clients whose keys are served elsewhere come from a pool that all share.
 */
import { Operation, type Outcome } from '../../cache/operation.ts'
import { NO_BYTES } from '../../lib/bytes.ts'
import type { CacheError } from '../../lib/errors.ts'
import { Arguments } from './arguments.ts'
import { Collector } from './collector.ts'
import type { Command } from './command-table.ts'

/** Of a command that needs none for its reply. */
export const NO_ARGUMENTS = new Arguments()

/** More than this many lie idle only after a burst; each takes a kilobyte or two. */
const MAX_IDLE = 2048

type TicketState = 'idle' | 'running' | 'late' | 'answered'

/** Whose operation it is. */
export interface TicketOwner {
  arrived(ticket: Ticket, error: CacheError | null, outcome: Outcome | null): void
}

export class Ticket {
  readonly operation = new Operation()
  readonly done: (error: CacheError | null, outcome: Outcome | null) => void
  owner: TicketOwner | null = null
  state: TicketState = 'idle'
  command: Command | null = null
  args: Arguments = NO_ARGUMENTS
  silent = false
  slot = 0
  startedMs = 0
  /** The reply, when it was there before its turn. */
  readonly held = new Collector()
  isHeld = false
  next: Ticket | null = null

  constructor() {
    this.done = (error, outcome) => this.owner?.arrived(this, error, outcome)
  }

  /** The input that it was made of is not needed any more. */
  release(): void {
    this.operation.key = NO_BYTES
    this.operation.value = NO_BYTES
    this.args = NO_ARGUMENTS
  }
}

export class TicketPool {
  readonly #idle: Ticket[] = []

  take(owner: TicketOwner): Ticket {
    const ticket = this.#idle.pop() ?? new Ticket()
    ticket.owner = owner
    return ticket
  }

  /** Its operation has been answered, and nobody will answer it again. */
  giveBack(ticket: Ticket): void {
    ticket.owner = null
    ticket.state = 'idle'
    ticket.release()
    if (this.#idle.length < MAX_IDLE) this.#idle.push(ticket)
  }
}
