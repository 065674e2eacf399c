/**
 * The executor: runs operations at the member that serves their slot, and sees to the acknowledgement that they ask for.
 *
 * An acknowledgement that cannot be given is refused before anything is written. One that does not come in time leaves the write where it is, and says so.
 */
import { CacheError, type ErrorCode } from '../lib/errors.ts'
import { slotOf } from '../lib/slot.ts'
import type { Authority } from './authority.ts'
import type { OutcomeDone } from './cache.ts'
import {
  ACK_ALL,
  ACK_LOCAL,
  type AckMode,
  OPERATION_REQUIRE,
  type Operation,
  type Outcome,
  operationRow,
  saveOutcome,
} from './operation.ts'
import type { Operations } from './operations.ts'

export type Each = (index: number, outcome: Outcome) => void

export class Executor {
  readonly #operations: Operations
  readonly #authority: Authority

  constructor(operations: Operations, authority: Authority) {
    this.#operations = operations
    this.#authority = authority
  }

  /** Answers at once, unless an acknowledgement has to be waited for, at most `confirmMs`. */
  run(operation: Operation, slot: number, confirmMs: number, done: OutcomeDone): void {
    const writes = operationRow(operation.code)?.writes === true
    if (writes && this.#authority.refusesWrites) {
      done(minority(), null)
      return
    }
    const ack = writes ? operation.ack : ACK_LOCAL
    if (ack !== ACK_LOCAL && !this.#authority.confirmable(slot)) {
      done(noReplicas(), null)
      return
    }
    const outcome = this.#operations.run(operation, slot)
    if (ack === ACK_LOCAL || outcome.error !== null) {
      giveOutcome(outcome, done)
      return
    }
    const saved = saveOutcome(outcome)
    this.#confirm(slot, ack, outcome.written, confirmMs, (error) => done(error, error === null ? saved : null))
  }

  /** See `Operations.answerBytes`. */
  answerBytes(list: readonly Operation[]): number {
    return this.#operations.answerBytes(list)
  }

  /** Runs all in order, with nothing in between; those that depend on a demand which is not met are left out. */
  runAll(list: readonly Operation[], slot: number, confirmMs: number, each: Each, done: (error: CacheError | null) => void): void {
    if (this.#authority.refusesWrites && list.some(({ code }) => operationRow(code)?.writes)) {
      done(minority())
      return
    }
    const ack = list.reduce<AckMode>((most, { code, ack: own }) => (operationRow(code)?.writes && own > most ? own : most), ACK_LOCAL)
    if (ack !== ACK_LOCAL && !this.#authority.confirmable(slot)) {
      done(noReplicas())
      return
    }
    let asked = false
    let wrote = false
    for (let i = 0; i < list.length; i++) {
      const operation = list[i] as Operation
      const outcome = this.#operations.run(operation, slotOf(operation.key, operation.keyStart, operation.keyEnd))
      const skipped = operation.code === OPERATION_REQUIRE && !outcome.written ? operation.offset : 0
      if (operationRow(operation.code)?.writes && outcome.error === null) {
        asked = true
        wrote ||= outcome.written
      }
      each(i, outcome)
      i += skipped
    }
    if (ack === ACK_LOCAL || !asked) done(null)
    else this.#confirm(slot, ack, wrote, confirmMs, done)
  }

  /**
   * Waits until the followers hold what was written. Also when nothing was: what the operation found, the asker's own first attempt perhaps, is as good
   * as answered; but then a follower has to say first that this member still serves the slot, as no frame can tell.
   */
  #confirm(slot: number, ack: AckMode, wrote: boolean, confirmMs: number, done: (error: CacheError | null) => void): void {
    const confirm = (): void =>
      this.#authority.confirm(slot, ack === ACK_ALL, confirmMs, (confirmed) => done(confirmed ? null : notConfirmed()))
    if (wrote) confirm()
    else this.#authority.affirm(slot, confirmMs, (serves) => (serves ? confirm() : done(notAffirmed())))
  }
}

/** An outcome's error becomes the error. */
export function giveOutcome(outcome: Outcome, done: OutcomeDone): void {
  if (outcome.error === null) done(null, outcome)
  else done(new CacheError(outcome.error, MESSAGES[outcome.error] ?? outcome.error), null)
}

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  OUT_OF_MEMORY: 'the memory limit is reached and nothing may be evicted',
  KEY_NOT_FOUND: 'no value is stored under the key',
  NOT_AN_INTEGER: 'value is not an integer or out of range',
  NOT_A_NUMBER: 'value is not a decimal number',
  OVERFLOW: 'the sum is out of range',
  VALUE_TOO_LARGE: 'the value would be over the limit',
}

/** The refusal of a write on the smaller side of a partition. */
export function minority(): CacheError {
  return new CacheError('PARTITIONED', 'this member sees less than half of the cluster: writes are refused, nothing was written')
}

function noReplicas(): CacheError {
  return new CacheError('NO_REPLICAS', 'no replica of the key can be reached: nothing was written')
}

function notConfirmed(): CacheError {
  return new CacheError('NOT_CONFIRMED', 'written, but the replicas asked for have not confirmed it')
}

function notAffirmed(): CacheError {
  return new CacheError('TRY_AGAIN', 'nothing was written, and no replica has said that this member still serves the key')
}
