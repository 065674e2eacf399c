/**
 * The forwarder: brings an errand to whoever serves its slot, and the answer back.
 *
 * An errand is run here, sent to the slot's primary, or parked while nobody is known to serve the slot, or nothing can be sent to whoever does: whenever
 * routes change, and now and then, it looks again, once for each slot, until `forwardTimeoutMs` has passed. A refusal names the term the other side knows
 * and may be followed by any errand; after a broken link only one that may be repeated is sent again. What is parked is bounded in number and bytes. A
 * peer's request for a slot that is being granted to this member waits here: the old primary names the heir as soon as it has stopped, and a refusal would
 * have the asker knock at the heir's door until it has read the grant.
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
  /** It had to wait. */
  waited: boolean
  /** It was sent, and the call failed: the next time is a repetition. */
  sent: boolean
}

/** What waits for one slot, in the order in which it came. */
interface Waiting {
  readonly list: Pending[]
  /** The earliest end of their time. */
  endMs: number
  /** A peer's are among them. */
  local: boolean
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
  readonly #parked = new Map<number, Waiting>()
  #parkedCount = 0
  #parkedBytes = 0
  /** Errands for whose keys other copies are being asked. */
  #asking = 0
  /** While it looks through what waits: whom something can be sent to. */
  #reached: Map<string, boolean> | null = null
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
    this.#attempt(pendingOf(errand, this.#clock.now() + this.#timeoutMs))
  }

  /** The same for one that was under way and has not been executed, in the time that it has left. */
  goOn(errand: Errand, deadlineMs: number): void {
    this.#attempt(pendingOf(errand, deadlineMs))
  }

  /** A member has refused it, and named the term that it knows. */
  refused(errand: Errand, deadlineMs: number, term: Term | null): void {
    this.#refused(pendingOf(errand, deadlineMs), term)
  }

  /** The call that took it to `name` failed, as calls do. */
  failed(errand: Errand, deadlineMs: number, failure: string, name: string): void {
    this.#failed(pendingOf(errand, deadlineMs), failure, name)
  }

  /** Routes may have changed: whatever waits looks again. */
  wake(): void {
    if (this.#parkedCount === 0 || this.#reached !== null) return
    this.#reached = new Map()
    try {
      for (const [slot, waiting] of [...this.#parked]) this.#wakeSlot(slot, waiting)
    } finally {
      this.#reached = null
    }
    if (this.#parkedCount > 0) this.#wakeLater()
  }

  #wakeSlot(slot: number, waiting: Waiting): void {
    const route = this.#authority.route(slot)
    const stays = route === null || (route !== 'here' && !waiting.local && !this.#reaches(route))
    if (stays && this.#clock.now() < waiting.endMs) return
    this.#parked.delete(slot)
    this.#parkedCount -= waiting.list.length
    for (const { errand } of waiting.list) this.#parkedBytes -= errand.bytes
    for (const pending of waiting.list) {
      // Those whose time is over find that out.
      if (stays) this.#park(pending)
      else this.#attempt(pending)
    }
  }

  close(): void {
    this.#closed = true
    const parked = [...this.#parked.values()]
    this.#parked.clear()
    this.#parkedCount = 0
    this.#parkedBytes = 0
    for (const { list } of parked) for (const { errand } of list) errand.fail(new CacheError('TRY_AGAIN', 'this member is stopping'))
  }

  stats(): ForwarderStats {
    return {
      parked: this.#parkedCount,
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
    if (!this.#reaches(name)) {
      this.#park(pending)
      return
    }
    let left = true
    this.#calls.call(name, errand.kind, errand.encode(leftMs), leftMs, (failure, body) => {
      // Inside this call.
      if (failure === 'unreachable' || failure === 'busy' || failure === 'too large') left = false
      if (body !== null) this.#answered(pending, body)
      else this.#failed(pending, failure, name)
    })
    if (!left) return
    this.#forwardedTotal++
    if (pending.sent) this.#retriedTotal++
  }

  #reaches(name: string): boolean {
    const known = this.#reached?.get(name)
    if (known !== undefined) return known
    const reaches = this.#calls.reaches(name)
    this.#reached?.set(name, reaches)
    return reaches
  }

  #failed(pending: Pending, failure: string | null, name: string): void {
    const { errand } = pending
    if (failure === 'too large' || failure === 'answer too large') {
      errand.fail(overlong(failure === 'answer too large' && errand.writes))
    } else if (failure !== 'lost' || errand.repeatable) {
      if (failure === 'unreachable' || failure === 'busy') this.#reached?.set(name, false)
      else pending.sent = true
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
    } else if (this.#parkedCount >= MAX_PARKED || this.#parkedBytes > MAX_PARKED_BYTES) {
      errand.fail(new CacheError('BUSY', `more than ${MAX_PARKED} requests or ${MAX_PARKED_BYTES} bytes are waiting`))
    } else {
      if (!pending.waited) this.#parkedTotal++
      pending.waited = true
      const waiting = this.#parked.get(errand.slot)
      if (waiting === undefined) {
        this.#parked.set(errand.slot, { list: [pending], endMs: deadlineMs, local: pending.local })
      } else {
        waiting.list.push(pending)
        waiting.endMs = Math.min(waiting.endMs, deadlineMs)
        waiting.local ||= pending.local
      }
      this.#parkedCount++
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
    this.#attempt(pendingOf(errand, deadlineMs, true))
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

function pendingOf(errand: Errand, deadlineMs: number, local: boolean = false): Pending {
  return { errand, deadlineMs, local, waited: false, sent: false }
}
