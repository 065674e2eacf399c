/**
 * The forwarder: brings an errand to whoever serves its slot, and the answer back.
 *
 * An errand is run here, sent to the slot's primary, or parked while nobody is known to serve the slot: whenever routes change it looks again, until
 * `forwardTimeoutMs` has passed. A refusal names the term the other side knows and may be followed by any errand; after a broken link only one that
 * may be repeated is sent again. What is parked is bounded in number and bytes. A peer's request for a slot that is being granted to this member waits here:
 * the old primary names the heir as soon as it has stopped, and a refusal would have the asker knock at the heir's door until it has read the grant.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { CacheError } from '../lib/errors.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeTerm, encodeTerm, type Term } from '../placement/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { type Errand, ServedErrand } from './errand.ts'
import type { Executor } from './executor.ts'
import {
  ANSWER_DONE,
  ANSWER_ERROR,
  ANSWER_REFUSED,
  type Asked,
  decodeError,
  decodeOperation,
  decodeTransaction,
  encodeError,
  KIND_OPERATION,
  KIND_TRANSACTION,
} from './messages.ts'
import { belongs, operationRow } from './operation.ts'

const MAX_PARKED = 20_000
/** Errands for whose keys other copies are asked at a time; more of them wait. */
const MAX_ASKING = 1000
const MAX_PARKED_BYTES = 64 * 1024 * 1024
/** Between attempts when routes say nothing new. */
const RETRY_MS = 20

/** The part of the time left for a request that its acknowledgement may take: whoever asked is still there to hear that it did not come. */
export const CONFIRM_SHARE = 0.8

interface Pending {
  readonly errand: Errand
  readonly deadlineMs: number
  /** Asked for by a peer: it is run here or refused, never passed on. */
  readonly local: boolean
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
  readonly #executor: Executor
  readonly #timeoutMs: number
  #parked: Pending[] = []
  #parkedBytes = 0
  /** Errands for whose keys other copies are being asked. */
  #asking = 0
  #wakeScheduled = false
  #closed = false
  #parkedTotal = 0
  #forwardedTotal = 0
  #refusedTotal = 0
  #retriedTotal = 0
  #timedOutTotal = 0

  constructor(clock: Clock, calls: CacheCalls, authority: Authority, executor: Executor, timeoutMs: number) {
    this.#clock = clock
    this.#calls = calls
    this.#authority = authority
    this.#executor = executor
    this.#timeoutMs = timeoutMs
    calls.handle(KIND_OPERATION, (_from, body, respond) => {
      if (respond !== null) this.#serve(decodeOperation(Buffer.from(body)), true, respond)
    })
    calls.handle(KIND_TRANSACTION, (_from, body, respond) => {
      if (respond !== null) this.#serve(decodeTransaction(Buffer.from(body)), false, respond)
    })
  }

  /** Has an errand executed wherever its slot is served: inside this call when that is here. */
  run(errand: Errand): void {
    this.#attempt({ errand, deadlineMs: this.#clock.now() + this.#timeoutMs, local: false })
  }

  /** The same for one that was under way and has not been executed, in the time that it has left. */
  goOn(errand: Errand, deadlineMs: number): void {
    this.#attempt({ errand, deadlineMs, local: false })
  }

  /** A member has refused it, and named the term that it knows. */
  refused(errand: Errand, deadlineMs: number, term: Term | null): void {
    this.#refused({ errand, deadlineMs, local: false }, term)
  }

  /** The call that took it to `name` failed, as calls do. */
  failed(errand: Errand, deadlineMs: number, failure: string, name: string): void {
    this.#failed({ errand, deadlineMs, local: false }, failure, name)
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
    for (const { errand } of this.#parked.splice(0)) errand.fail(new CacheError('TRY_AGAIN', 'this member is stopping'))
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
    const { errand, local } = pending
    const route = this.#authority.route(errand.slot)
    if (route === 'here') {
      this.#execute(pending)
    } else if (route !== null && !local) {
      this.#send(pending, route)
    } else if (route !== null && !this.#authority.awaits(errand.slot)) {
      this.#refusedTotal++
      errand.fail(new CacheError('TRY_AGAIN', 'another member serves the slot'))
    } else {
      this.#park(pending)
    }
  }

  #execute(pending: Pending): void {
    const { errand } = pending
    if (!this.#authority.lacks(errand.slot)) {
      errand.execute((pending.deadlineMs - this.#clock.now()) * CONFIRM_SHARE)
    } else if (this.#asking >= MAX_ASKING || this.#closed) {
      this.#park(pending)
    } else {
      this.#asking++
      this.#authority.ask(errand.keys, errand.slot, () => {
        this.#asking--
        if (!this.#closed && this.#authority.route(errand.slot) === 'here')
          errand.execute((pending.deadlineMs - this.#clock.now()) * CONFIRM_SHARE)
        else this.#park(pending)
      })
    }
  }

  #send(pending: Pending, name: string): void {
    const { errand } = pending
    const leftMs = pending.deadlineMs - this.#clock.now()
    if (leftMs <= 0) {
      this.#timedOut(errand)
      return
    }
    this.#forwardedTotal++
    this.#calls.call(name, errand.kind, errand.encode(leftMs), leftMs, (failure, body) => {
      if (body !== null) this.#answered(pending, body)
      else this.#failed(pending, failure, name)
    })
  }

  #failed(pending: Pending, failure: string | null, name: string): void {
    const { errand } = pending
    if (failure === 'too large' || failure === 'answer too large') {
      errand.fail(overlong(failure === 'answer too large' && errand.writes))
    } else if (failure !== 'lost' || errand.repeatable) {
      this.#retriedTotal++
      errand.uncertain ||= failure === 'lost' && errand.writes
      this.#park(pending)
    } else {
      errand.fail(new CacheError('OUTCOME_UNKNOWN', `the link to ${name} broke before it answered: the write may have been executed`))
    }
  }

  #refused(pending: Pending, term: Term | null): void {
    if (term !== null) this.#authority.adoptTerms(new Map([[term, SlotSet.of([pending.errand.slot])]]))
    this.#park(pending)
  }

  #answered(pending: Pending, body: Buffer): void {
    const { errand } = pending
    const reader = new ByteReader(body)
    const answer = reader.u8()
    if (answer === ANSWER_DONE) {
      errand.answered(reader)
    } else if (answer === ANSWER_ERROR) {
      const { code, message } = decodeError(reader)
      errand.fail(new CacheError(code, message))
    } else {
      this.#refused(pending, reader.u8() === 1 ? decodeTerm(reader) : null)
    }
  }

  #park(pending: Pending): void {
    const { errand, deadlineMs } = pending
    if (this.#closed) {
      errand.fail(new CacheError('TRY_AGAIN', 'this member is stopping'))
    } else if (this.#clock.now() >= deadlineMs) {
      this.#timedOut(errand)
    } else if (this.#parked.length >= MAX_PARKED || this.#parkedBytes > MAX_PARKED_BYTES) {
      errand.fail(new CacheError('BUSY', `more than ${MAX_PARKED} requests or ${MAX_PARKED_BYTES} bytes are waiting`))
    } else {
      this.#parkedTotal++
      this.#parked.push(pending)
      this.#parkedBytes += errand.bytes
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

  #timedOut(errand: Errand): void {
    this.#timedOutTotal++
    errand.fail(new CacheError('TRY_AGAIN', `no member could answer for the key within ${this.#timeoutMs} ms`))
  }

  /** A peer's request. It is run if this member executes the slot, waits while that is in doubt or about to be, and is refused with what is known otherwise. */
  #serve({ operations, slot, patienceMs }: Asked, single: boolean, respond: (answer: Buffer) => void): void {
    const unknown = operations.find(({ code }) => operationRow(code) === undefined)
    if (unknown !== undefined) {
      respond(encodeError('INTERNAL', `operation ${unknown.code} is not known here`))
      return
    }
    if (!operations.every((operation) => belongs(operation, slot, operationRow(operation.code)?.twoKeys === true))) {
      respond(encodeError('CROSS_SLOT', `an operation on another slot than ${slot}`))
      return
    }
    const errand = new ServedErrand(operations, slot, single, this.#executor, respond, (error) => {
      if (error.code === 'TRY_AGAIN' || error.code === 'BUSY') respond(this.#refusal(slot))
      else respond(encodeError(error.code, error.message))
    })
    const deadlineMs = this.#clock.now() + Math.min(patienceMs, this.#timeoutMs) / 2
    this.#attempt({ errand, deadlineMs, local: true })
  }

  #refusal(slot: number): Buffer {
    const term = this.#authority.term(slot)
    const writer = new ByteWriter(64).u8(ANSWER_REFUSED).u8(term === null ? 0 : 1)
    if (term !== null) encodeTerm(writer, term)
    return writer.toBuffer()
  }
}

function overlong(executed: boolean): CacheError {
  if (executed)
    return new CacheError('OUTCOME_UNKNOWN', 'it was executed, and its answer is too long to be sent from one member to another')
  return new CacheError('MESSAGE_TOO_LARGE', 'it is longer than one message between members: nothing was written')
}
