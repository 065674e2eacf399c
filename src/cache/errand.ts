/**
 * Errand: something to be done at whoever serves a slot, as the forwarder carries it. What it is, the forwarder does not know: it asks the errand to
 * be executed here, or to be written down for a peer, and hands it the answer.
 */
import { type ByteReader, ByteWriter } from '../lib/bytes.ts'
import { CacheError } from '../lib/errors.ts'
import type { OutcomeDone } from './cache.ts'
import { type Each, type Executor, giveOutcome } from './executor.ts'
import {
  ANSWER_DONE,
  encodeError,
  encodeOperation,
  encodeTransaction,
  KIND_OPERATION,
  KIND_TRANSACTION,
  readOutcome,
  writeOutcome,
} from './messages.ts'
import { isRepeatable, OPERATION_DELETE, OPERATION_SET, type Operation, type Outcome, operationRow } from './operation.ts'

/** Of a transaction that is executed for a peer: one value of the largest size fits, and it is well below the longest message. */
export const MAX_ANSWER_BYTES = 33 * 1024 * 1024

export interface Errand {
  /** The call that brings it to a peer. */
  readonly kind: number
  readonly slot: number
  /** What it is about. */
  readonly keys: readonly Buffer[]
  /** What it holds in memory while it waits. */
  readonly bytes: number
  readonly writes: boolean
  /** May be sent again when it is not known whether it was executed. */
  readonly repeatable: boolean
  /** A write was sent and its answer lost: it may have been executed, and no error that comes later may say that it was not. */
  uncertain: boolean
  /** Executes it here, now, and answers whoever asked: at once, or when the acknowledgement asked for has come, `confirmMs` later at most. */
  execute(confirmMs: number): void
  encode(patienceMs: number): Buffer
  /** A peer has executed it: what follows the first byte of its answer. Throws `MalformedError`. */
  answered(reader: ByteReader): void
  fail(error: CacheError): void
}

/** One operation for a face of this member. Its bytes are its own. */
export class OperationErrand implements Errand {
  readonly kind = KIND_OPERATION
  readonly slot: number
  uncertain = false
  readonly #operation: Operation
  readonly #executor: Executor
  readonly #done: OutcomeDone

  constructor(operation: Operation, slot: number, executor: Executor, done: OutcomeDone) {
    this.slot = slot
    this.#operation = operation
    this.#executor = executor
    this.#done = done
  }

  get keys(): Buffer[] {
    return keysOf(this.#operation)
  }

  get bytes(): number {
    return this.#operation.bytes
  }

  get writes(): boolean {
    return operationRow(this.#operation.code)?.writes ?? false
  }

  get repeatable(): boolean {
    return isRepeatable(this.#operation)
  }

  execute(confirmMs: number): void {
    this.#executor.run(this.#operation, this.slot, confirmMs, this.#told)
  }

  encode(patienceMs: number): Buffer {
    return encodeOperation(this.#operation, this.slot, patienceMs)
  }

  answered(reader: ByteReader): void {
    giveOutcome(readOutcome(reader), this.#told)
  }

  readonly #told: OutcomeDone = (error, outcome) => {
    if (error !== null) this.fail(error)
    else if (this.uncertain && this.#operation.code === OPERATION_DELETE && outcome?.existed === false) this.#done(gone(), null)
    else this.#done(null, outcome)
  }

  fail(error: CacheError): void {
    this.#done(this.uncertain ? doubted(error) : error, null)
  }
}

/** Several operations on keys of one slot with nothing in between, for a face of this member. Their bytes are its own. */
export class TransactionErrand implements Errand {
  readonly kind = KIND_TRANSACTION
  readonly slot: number
  uncertain = false
  readonly #list: readonly Operation[]
  readonly #executor: Executor
  readonly #each: Each
  readonly #done: (error: CacheError | null) => void

  constructor(list: readonly Operation[], slot: number, executor: Executor, each: Each, done: (error: CacheError | null) => void) {
    this.slot = slot
    this.#list = list
    this.#executor = executor
    this.#each = each
    this.#done = done
  }

  get keys(): Buffer[] {
    return this.#list.flatMap(keysOf)
  }

  get bytes(): number {
    return this.#list.reduce((sum, operation) => sum + operation.bytes, 0)
  }

  get writes(): boolean {
    return this.#list.some(({ code }) => operationRow(code)?.writes)
  }

  get repeatable(): boolean {
    // Operations that may each be repeated may not be in a row: the second time a read or a demand meets what the row has written, and a DELETE nothing.
    return !this.writes || this.#list.every((operation) => operation.code === OPERATION_SET && isRepeatable(operation))
  }

  execute(confirmMs: number): void {
    this.#executor.runAll(this.#list, this.slot, confirmMs, this.#each, (error) => {
      if (error === null) this.#done(null)
      else this.fail(error)
    })
  }

  encode(patienceMs: number): Buffer {
    return encodeTransaction(this.#list, this.slot, patienceMs)
  }

  answered(reader: ByteReader): void {
    const count = reader.u32()
    const outcomes: [number, Outcome][] = []
    for (let i = 0; i < count; i++) outcomes.push([reader.u32(), readOutcome(reader)])
    for (const [index, outcome] of outcomes) this.#each(index, outcome)
    this.#done(null)
  }

  fail(error: CacheError): void {
    this.#done(this.uncertain ? doubted(error) : error)
  }
}

/** What a peer asked to be done here. It is answered in bytes; where it is not executed, `refuse` says so. */
export class ServedErrand implements Errand {
  readonly kind = 0
  readonly slot: number
  readonly bytes: number
  readonly writes = false
  readonly repeatable = true
  readonly uncertain = false
  readonly #list: readonly Operation[]
  readonly #single: boolean
  readonly #executor: Executor
  readonly #respond: (answer: Buffer) => void
  readonly #refuse: (error: CacheError) => void

  constructor(
    list: readonly Operation[],
    slot: number,
    single: boolean,
    executor: Executor,
    respond: (answer: Buffer) => void,
    refuse: (error: CacheError) => void,
  ) {
    this.slot = slot
    this.bytes = list.reduce((sum, operation) => sum + operation.bytes, 0)
    this.#list = list
    this.#single = single
    this.#executor = executor
    this.#respond = respond
    this.#refuse = refuse
  }

  get keys(): Buffer[] {
    return this.#list.flatMap(keysOf)
  }

  execute(confirmMs: number): void {
    if (this.#single) this.#executeOne(this.#list[0] as Operation, confirmMs)
    else this.#executeAll(confirmMs)
  }

  #executeOne(operation: Operation, confirmMs: number): void {
    this.#executor.run(operation, this.slot, confirmMs, (error, outcome) => {
      if (outcome === null) {
        this.#failed(error as CacheError)
        return
      }
      const answer = new ByteWriter(64).u8(ANSWER_DONE)
      writeOutcome(answer, outcome)
      this.#respond(answer.view())
    })
  }

  #executeAll(confirmMs: number): void {
    const bytes = this.#executor.answerBytes(this.#list)
    if (bytes > MAX_ANSWER_BYTES) {
      const why = `the transaction may answer ${bytes} bytes, over the limit of ${MAX_ANSWER_BYTES} at another member: nothing was executed`
      this.#failed(new CacheError('MESSAGE_TOO_LARGE', why))
      return
    }
    const answer = new ByteWriter(bytes).u8(ANSWER_DONE)
    const countAt = answer.length
    let count = 0
    answer.u32(0)
    const each: Each = (index, outcome) => {
      count++
      writeOutcome(answer.u32(index), outcome)
    }
    this.#executor.runAll(this.#list, this.slot, confirmMs, each, (error) => {
      if (error !== null) {
        this.#failed(error)
        return
      }
      answer.patchU32(countAt, count)
      this.#respond(answer.view())
    })
  }

  /** It came as far as being executed, and was not, or not as asked. */
  #failed(error: CacheError): void {
    this.#respond(encodeError(error.code, error.message))
  }

  encode(): Buffer {
    throw new Error('what a peer asked for is not sent on')
  }

  answered(): void {
    throw new Error('what a peer asked for is not sent on')
  }

  fail(error: CacheError): void {
    this.#refuse(error)
  }
}

/** What is to be answered to a DELETE that found nothing when it was repeated: the key may have been there, and its own first attempt may have deleted it. */
function gone(): CacheError {
  return new CacheError('OUTCOME_UNKNOWN', 'the key is gone; the first answer was lost, so whether it was there before is not known')
}

/** What is to be answered when a later attempt failed, and an earlier one may have been executed. */
function doubted(error: CacheError): CacheError {
  if (error.row.touched !== 'no') return error
  return new CacheError('OUTCOME_UNKNOWN', 'the write was sent and its answer was lost: it may have been executed', { cause: error })
}

function keysOf({ code, key, keyStart, keyEnd, value, valueStart, valueEnd }: Operation): Buffer[] {
  const first = key.subarray(keyStart, keyEnd)
  return operationRow(code)?.twoKeys === true ? [first, value.subarray(valueStart, valueEnd)] : [first]
}
