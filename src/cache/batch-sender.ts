/**
 * BatchSender: what is asked here and served elsewhere, as far as nothing goes wrong. All that one turn of the event loop has for one peer is written
 * into one buffer and leaves as one call with one timer; the answers are read where they lie. No object is made for an operation. While two batches are
 * under way to a peer the third gathers further turns.
 *
 * Whatever goes wrong (a refusal, a broken link, a peer that does not know batches) is the forwarder's: it gets the operation as an errand, with the
 * time that is left of it, and the rules of what may be sent again are there alone. Operations of one slot in one batch stay in their order: the peer
 * executes them in the order in which they came, and from the first that it does not execute on, none of that slot.
 */
import { ByteReader, MalformedError } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { CacheError } from '../lib/errors.ts'
import { decodeTerm } from '../placement/index.ts'
import type { CacheCalls } from './authority.ts'
import { Batch } from './batch.ts'
import { ANSWER_ALONE, ANSWER_VALUE, BatchOutcome, KIND_BATCH } from './batch-messages.ts'
import type { OutcomeDone } from './cache.ts'
import type { OperationErrand } from './errand.ts'
import { giveOutcome } from './executor.ts'
import type { Forwarder } from './forwarder.ts'
import { ANSWER_DONE, ANSWER_ERROR, ANSWER_REFUSED, decodeError } from './messages.ts'
import { ACK_LOCAL, OPERATION_GET, type Operation } from './operation.ts'

/** What is longer goes by itself: it would hold up the others. */
const MAX_OPERATION_BYTES = 16 * 1024
/** A batch leaves when it has so many bytes, whether the turn is over or not. */
const FULL_BYTES = 256 * 1024
/**
 * With so many under way to a peer the next one gathers until one is answered, so that batches grow with the load: a message costs as much as dozens of
 * the operations in it. Not for long: the time that is left of an operation is that of its batch.
 */
const MAX_UNDER_WAY = 2
const MAX_HELD_MS = 20
/** A peer that did not know the kind is asked again after so long: it may have been replaced. */
const UNAWARE_MS = 10_000
const MAX_UNAWARE = 1024
/** Batches that are kept for the next turns, and how much memory one may have for that. */
const MAX_IDLE = 16
const MAX_IDLE_BYTES = 64 * 1024

export interface BatchSenderOptions {
  readonly clock: Clock
  readonly calls: CacheCalls
  readonly forwarder: Forwarder
  readonly timeoutMs: number
  /** An operation that goes on by itself. */
  readonly errandOf: (operation: Operation, slot: number, done: OutcomeDone) => OperationErrand
  /** A get has found something. */
  readonly hit: () => void
}

export class BatchSender {
  readonly #clock: Clock
  readonly #calls: CacheCalls
  readonly #forwarder: Forwarder
  readonly #timeoutMs: number
  readonly #errandOf: BatchSenderOptions['errandOf']
  readonly #hit: () => void
  /** Those of this turn, by peer. */
  #gathering: Batch[] = []
  readonly #idle: Batch[] = []
  /** By name: until when a peer is taken not to know batches. */
  readonly #unawareUntilMs = new Map<string, number>()
  readonly #outcome = new BatchOutcome()
  /** By name: batches that a peer has not answered yet. */
  readonly #underWay = new Map<string, number>()
  readonly #endTurn = (): void => {
    this.#scheduled = false
    this.#depart()
  }
  #scheduled = false
  #timed = false
  #sentTotal = 0

  constructor({ clock, calls, forwarder, timeoutMs, errandOf, hit }: BatchSenderOptions) {
    this.#clock = clock
    this.#calls = calls
    this.#forwarder = forwarder
    this.#timeoutMs = timeoutMs
    this.#errandOf = errandOf
    this.#hit = hit
  }

  /** Operations that have left in batches. */
  get sentTotal(): number {
    return this.#sentTotal
  }

  /** Takes the operation along to the peer, and copies its bytes. False: it is to be forwarded by itself, and nothing has happened. */
  send(operation: Operation, slot: number, name: string, done: OutcomeDone): boolean {
    if (operation.ack !== ACK_LOCAL || operation.bytes > MAX_OPERATION_BYTES) return false
    if (this.#unawareUntilMs.size > 0 && this.#isUnaware(name)) return false
    let batch = this.#batchFor(name)
    if (batch.full || batch.bytes >= FULL_BYTES) {
      this.#gathering.splice(this.#gathering.indexOf(batch), 1)
      this.#dispatch(batch)
      batch = this.#batchFor(name)
    }
    batch.add(operation, slot, done)
    return true
  }

  /** What has not left is not going to. */
  close(): void {
    for (const batch of this.#gathering.splice(0)) {
      batch.body()
      this.#fail(batch, 'unreachable')
    }
  }

  #batchFor(name: string): Batch {
    const gathering = this.#gathering
    for (let i = 0; i < gathering.length; i++) {
      const batch = gathering[i] as Batch
      if (batch.name === name) return batch
    }
    const batch = (this.#idle.pop() ?? new Batch()).open(name, this.#clock.turn() + this.#timeoutMs)
    gathering.push(batch)
    this.#departSoon()
    return batch
  }

  #departSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(this.#endTurn)
  }

  /** All leave but those for peers that have enough under way: the answer to one of these, or `MAX_HELD_MS`, lets them go. */
  #depart(): void {
    const heldBeforeMs = this.#clock.turn() - MAX_HELD_MS
    const leaving = this.#gathering
    this.#gathering = []
    for (const batch of leaving) {
      const underWay = this.#underWay.get(batch.name) ?? 0
      if (underWay >= MAX_UNDER_WAY && batch.deadlineMs - this.#timeoutMs > heldBeforeMs) this.#gathering.push(batch)
      else this.#dispatch(batch)
    }
    if (this.#gathering.length > 0 && !this.#timed) {
      this.#timed = true
      this.#clock.after(MAX_HELD_MS, () => {
        this.#timed = false
        this.#depart()
      })
    }
  }

  #dispatch(batch: Batch): void {
    const { name } = batch
    this.#sentTotal += batch.count
    this.#underWay.set(name, (this.#underWay.get(name) ?? 0) + 1)
    this.#calls.call(
      name,
      KIND_BATCH,
      batch.body(),
      batch.deadlineMs - this.#clock.turn(),
      (failure, body) => {
        if (body === null) this.#fail(batch, failure ?? 'lost')
        else this.#read(batch, body)
        this.#arrived(name)
        batch.clear()
        if (this.#idle.length < MAX_IDLE && batch.capacity <= MAX_IDLE_BYTES) this.#idle.push(batch)
      },
      true,
    )
  }

  #arrived(name: string): void {
    const underWay = (this.#underWay.get(name) ?? 0) - 1
    if (underWay > 0) this.#underWay.set(name, underWay)
    else this.#underWay.delete(name)
    if (this.#gathering.length > 0) this.#departSoon()
  }

  /** Throws `MalformedError`; those that were not answered by then are as good as lost. */
  #read(batch: Batch, body: Buffer): void {
    const reader = new ByteReader(body)
    const { count } = batch
    while (batch.answered < count) {
      const i = batch.answered
      const how = reader.u8()
      if (how === ANSWER_VALUE) {
        const outcome = this.#outcome.readValue(reader, batch.sent, batch.keyStart(i), batch.keyEnd(i))
        batch.answered++
        this.#hit()
        batch.done(i)(null, outcome)
      } else if (how === ANSWER_DONE) {
        const outcome = this.#outcome.readDone(reader)
        batch.answered++
        if (outcome.existed && batch.code(i) === OPERATION_GET) this.#hit()
        giveOutcome(outcome, batch.done(i))
      } else this.#readOther(batch, how, reader)
    }
  }

  #readOther(batch: Batch, how: number, reader: ByteReader): void {
    const i = batch.answered
    if (how === ANSWER_ERROR) {
      const { code, message } = decodeError(reader)
      batch.answered++
      batch.done(i)(new CacheError(code, message), null)
    } else if (how === ANSWER_REFUSED) {
      const term = reader.u8() === 1 ? decodeTerm(reader) : null
      this.#forwarder.refused(this.#next(batch), batch.deadlineMs, term)
    } else if (how === ANSWER_ALONE) {
      this.#forwarder.goOn(this.#next(batch), batch.deadlineMs)
    } else {
      throw new MalformedError(`there is no answer ${how}`)
    }
  }

  /** The call failed: what it means to each is for the forwarder to say. */
  #fail(batch: Batch, failure: string): void {
    if (failure === 'refused') {
      if (this.#unawareUntilMs.size >= MAX_UNAWARE) this.#unawareUntilMs.clear()
      this.#unawareUntilMs.set(batch.name, this.#clock.now() + UNAWARE_MS)
    }
    while (batch.answered < batch.count) this.#forwarder.failed(this.#next(batch), batch.deadlineMs, failure, batch.name)
  }

  /** The first that has no answer goes on by itself, and counts as answered here. */
  #next(batch: Batch): OperationErrand {
    const i = batch.answered++
    return this.#errandOf(batch.operation(i), batch.slot(i), batch.done(i))
  }

  #isUnaware(name: string): boolean {
    const untilMs = this.#unawareUntilMs.get(name)
    if (untilMs === undefined) return false
    if (this.#clock.turn() < untilMs) return true
    this.#unawareUntilMs.delete(name)
    return false
  }
}
