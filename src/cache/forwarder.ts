/**
 * The forwarder: brings an operation to whoever executes its slot, and the answer back.
 *
 * An operation is run here, sent to the slot's primary, or parked while nobody is known to serve the slot: whenever routes change it looks again,
 * until `forwardTimeoutMs` has passed. A refusal names the term the other side knows and may be followed by any operation; after a broken link only
 * an operation that may be repeated is sent again. What is parked is bounded in number and bytes.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import { CacheError } from '../lib/errors.ts'
import { slotOf } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeTerm, encodeTerm } from '../placement/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import {
  ANSWER_DONE,
  ANSWER_ENTRY,
  ANSWER_ERROR,
  ANSWER_REFUSED,
  decodeError,
  decodeOperation,
  encodeError,
  encodeOperation,
  KIND_OPERATION,
  OPERATION_GET,
  type Operation,
} from './messages.ts'
import { type Operations, type Outcome, operationRow } from './operations.ts'

const MAX_PARKED = 20_000
const MAX_PARKED_BYTES = 64 * 1024 * 1024
/** Between attempts when routes say nothing new. */
const RETRY_MS = 20

/** The outcome is only valid during the call. */
export type OperationDone = (error: CacheError | null, outcome: Outcome | null) => void

interface Pending {
  readonly operation: Operation
  readonly slot: number
  readonly repeatable: boolean
  readonly deadlineMs: number
  /** Asked for by a peer: it is run here or refused, never passed on. */
  readonly local: boolean
  readonly done: OperationDone
  /** A write was sent and its answer lost: it may have been executed. */
  uncertain: boolean
}

export interface ForwarderStats {
  readonly parked: number
  readonly parkedTotal: number
  readonly forwardedTotal: number
  readonly refusedTotal: number
  readonly retriedTotal: number
  readonly timedOutTotal: number
}

export class Forwarder {
  readonly #clock: Clock
  readonly #calls: CacheCalls
  readonly #authority: Authority
  readonly #operations: Operations
  readonly #timeoutMs: number
  #parked: Pending[] = []
  #parkedBytes = 0
  #wakeScheduled = false
  #closed = false
  #parkedTotal = 0
  #forwardedTotal = 0
  #refusedTotal = 0
  #retriedTotal = 0
  #timedOutTotal = 0

  constructor(clock: Clock, calls: CacheCalls, authority: Authority, operations: Operations, timeoutMs: number) {
    this.#clock = clock
    this.#calls = calls
    this.#authority = authority
    this.#operations = operations
    this.#timeoutMs = timeoutMs
    calls.handle(KIND_OPERATION, (_from, body, respond) => {
      if (respond !== null) this.#serve(Buffer.from(body), respond)
    })
  }

  /** Runs an operation wherever its slot is served. `done` is called inside this call when that is here. */
  run(operation: Operation, slot: number, done: OperationDone): void {
    const repeatable = operationRow(operation.code)?.repeatable ?? false
    this.#attempt({ operation, slot, repeatable, deadlineMs: this.#clock.now() + this.#timeoutMs, local: false, done, uncertain: false })
  }

  /** Routes may have changed: whatever waits looks again. */
  wake(): void {
    if (this.#parked.length === 0) return
    const waiting = this.#parked
    this.#parked = []
    this.#parkedBytes = 0
    for (const pending of waiting) this.#attempt(pending)
  }

  close(): void {
    this.#closed = true
    for (const pending of this.#parked.splice(0)) this.#give(pending, 'TRY_AGAIN', 'this member is stopping')
  }

  stats(): ForwarderStats {
    return {
      parked: this.#parked.length,
      parkedTotal: this.#parkedTotal,
      forwardedTotal: this.#forwardedTotal,
      refusedTotal: this.#refusedTotal,
      retriedTotal: this.#retriedTotal,
      timedOutTotal: this.#timedOutTotal,
    }
  }

  #attempt(pending: Pending): void {
    const { operation, slot, local, done } = pending
    const route = this.#authority.route(slot)
    if (route === 'here') {
      const row = operationRow(operation.code)
      if (row === undefined) done(new CacheError('INTERNAL', `operation ${operation.code} is not known here`), null)
      else done(null, row.run(this.#operations, operation, slot))
    } else if (route !== null && !local) {
      this.#send(pending, route)
    } else if (route !== null) {
      this.#refusedTotal++
      done(new CacheError('TRY_AGAIN', 'another member serves the slot'), null)
    } else {
      this.#park(pending)
    }
  }

  #send(pending: Pending, name: string): void {
    const leftMs = pending.deadlineMs - this.#clock.now()
    if (leftMs <= 0) {
      this.#timedOut(pending)
      return
    }
    this.#forwardedTotal++
    this.#calls.call(name, KIND_OPERATION, encodeOperation(pending.operation, leftMs), leftMs, (failure, body) => {
      if (body !== null) this.#answered(pending, body)
      else if (failure === 'unreachable' || failure === 'busy' || pending.repeatable) {
        this.#retriedTotal++
        pending.uncertain ||= failure === 'lost' && pending.operation.code !== OPERATION_GET
        this.#park(pending)
      } else {
        pending.done(new CacheError('OUTCOME_UNKNOWN', `the link to ${name} broke before it answered`), null)
      }
    })
  }

  #answered(pending: Pending, body: Buffer): void {
    const reader = new ByteReader(body)
    const answer = reader.u8()
    if (answer === ANSWER_DONE) {
      pending.done(null, { error: null, existed: reader.u8() === 1, entry: null })
    } else if (answer === ANSWER_ENTRY) {
      pending.done(null, { error: null, existed: true, entry: decodeEntry(reader, new Entry()) })
    } else if (answer === ANSWER_ERROR) {
      const { code, message } = decodeError(reader)
      pending.done(new CacheError(code, message), null)
    } else {
      if (reader.u8() === 1) this.#authority.adoptTerms(new Map([[decodeTerm(reader), SlotSet.of([pending.slot])]]))
      this.#park(pending)
    }
  }

  #park(pending: Pending): void {
    const { operation, deadlineMs } = pending
    if (this.#closed) {
      this.#give(pending, 'TRY_AGAIN', 'this member is stopping')
    } else if (this.#clock.now() >= deadlineMs) {
      this.#timedOut(pending)
    } else if (this.#parked.length >= MAX_PARKED || this.#parkedBytes > MAX_PARKED_BYTES) {
      this.#give(pending, 'BUSY', `more than ${MAX_PARKED} requests or ${MAX_PARKED_BYTES} bytes are waiting`)
    } else {
      this.#parkedTotal++
      this.#parked.push(pending)
      this.#parkedBytes += operation.key.length + operation.value.length
      this.#wakeLater()
    }
  }

  #wakeLater(): void {
    if (this.#wakeScheduled) return
    this.#wakeScheduled = true
    this.#clock.after(RETRY_MS, () => {
      this.#wakeScheduled = false
      if (!this.#closed) this.wake()
    })
  }

  #timedOut(pending: Pending): void {
    this.#timedOutTotal++
    this.#give(pending, 'TRY_AGAIN', `no member could answer for the key within ${this.#timeoutMs} ms`)
  }

  /** Gives an operation up. A write that may have been executed is never said not to have been. */
  #give({ done, uncertain }: Pending, code: 'TRY_AGAIN' | 'BUSY', message: string): void {
    if (uncertain) done(new CacheError('OUTCOME_UNKNOWN', 'the write was sent and its answer was lost: it may have been executed'), null)
    else done(new CacheError(code, message), null)
  }

  /** A peer's request. It is run if this member executes the slot, waits while that is in doubt, and is refused with what is known otherwise. */
  #serve(body: Buffer, respond: (answer: Buffer) => void): void {
    const { operation, patienceMs } = decodeOperation(body)
    const slot = slotOf(operation.key)
    const deadlineMs = this.#clock.now() + Math.min(patienceMs, this.#timeoutMs) / 2
    this.#attempt({
      operation,
      slot,
      repeatable: true,
      deadlineMs,
      local: true,
      uncertain: false,
      done: (error, outcome) => {
        if (outcome !== null && outcome.error === null) respond(encodeOutcome(outcome))
        else if (outcome?.error) respond(encodeError(outcome.error, 'the memory limit is reached and nothing may be evicted'))
        else if (error?.code === 'TRY_AGAIN' || error?.code === 'BUSY') respond(this.#refusal(slot))
        else respond(encodeError(error?.code ?? 'INTERNAL', error?.message ?? ''))
      },
    })
  }

  #refusal(slot: number): Buffer {
    const term = this.#authority.term(slot)
    const writer = new ByteWriter(64).u8(ANSWER_REFUSED).u8(term === null ? 0 : 1)
    if (term !== null) encodeTerm(writer, term)
    return writer.toBuffer()
  }
}

function encodeOutcome({ entry, existed }: Outcome): Buffer {
  if (entry === null)
    return new ByteWriter(2)
      .u8(ANSWER_DONE)
      .u8(existed ? 1 : 0)
      .toBuffer()
  const writer = new ByteWriter(64 + entry.bytes).u8(ANSWER_ENTRY)
  encodeEntry(writer, entry)
  return writer.toBuffer()
}
