/**
 * BatchServer: executes what peers ask for in batches, in one loop straight from the bytes that came, and writes the answers into one buffer.
 *
 * An operation is executed if this member serves its slot at this moment. Reads and writes without options that
 * come one after the other are looked up together, as those of a client are. Nothing waits here: what is in doubt, or waits for an acknowledgement, is
 * to be asked for by itself. The same goes for all that come when the answers have grown long: a message has to stay bounded, whatever is read.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import { RequestRun } from '../lib/request-run.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { ANSWER_ALONE, BatchRunAnswers, KIND_BATCH, readRun, writeAnswer, writeError, writeRefusal } from './batch-messages.ts'
import type { OutcomeDone } from './cache.ts'
import type { Executor } from './executor.ts'
import { readOperation } from './messages.ts'
import { ACK_LOCAL, belongs, Operation, operationRow } from './operation.ts'
import type { PlainRuns } from './plain-runs.ts'

/** Answers of one batch: beyond this no further operation is begun. The last ones that were begun together may go over it, by one long value. */
const MAX_ANSWER_BYTES = 512 * 1024
const KEPT_BYTES = 1024 * 1024

export class BatchServer {
  readonly #authority: Authority
  readonly #executor: Executor
  readonly #operation = new Operation()
  #answer = new ByteWriter(MAX_ANSWER_BYTES / 8)
  readonly #answers = new BatchRunAnswers(this.#answer)
  readonly #runs: PlainRuns
  readonly #run = new RequestRun()
  /** So many come next that are executed one by one. */
  #single = 0
  #refusedTotal = 0
  readonly #done: OutcomeDone = (error, outcome) => {
    if (error !== null) writeError(this.#answer, error.code, error.message)
    else if (outcome !== null) writeAnswer(this.#answer, this.#operation, outcome)
  }

  /** `runs` is of its own: what is executed for peers is counted where it was asked for. */
  constructor(calls: CacheCalls, authority: Authority, executor: Executor, runs: PlainRuns) {
    this.#runs = runs
    this.#run.versions = true
    this.#authority = authority
    this.#executor = executor
    calls.handle(KIND_BATCH, (_from, body, respond) => {
      if (respond !== null) this.#serve(body, respond)
    })
  }

  get refusedTotal(): number {
    return this.#refusedTotal
  }

  #serve(body: Buffer, respond: (answer: Buffer) => void): void {
    const reader = new ByteReader(body)
    const count = reader.u16()
    const answer = this.#answer
    answer.reset()
    this.#single = 0
    let left = count
    while (left > 0) {
      if (this.#single === 0) {
        left -= this.#runOf(reader, left)
        continue
      }
      try {
        const slot = reader.u16()
        readOperation(reader, this.#operation)
        this.#one(slot)
        left--
        this.#single--
      } catch (error) {
        // Those before it are executed, and answered: who asked must not take the whole for something that was not begun.
        if (!(error instanceof MalformedError) || left === count) throw error
        break
      }
    }
    respond(answer.view())
    if (answer.capacity > KEPT_BYTES) {
      this.#answer = new ByteWriter(MAX_ANSWER_BYTES / 8)
      this.#answers.writer = this.#answer
    }
  }

  /** Executes what comes next together, as far as that can be, and sets how many after it cannot. Answers how many it were. */
  #runOf(reader: ByteReader, left: number): number {
    const run = this.#run
    const count = this.#answer.length > MAX_ANSWER_BYTES ? 0 : readRun(reader.buffer, reader.at, left, run)
    const executed = count === 0 ? 0 : this.#runs.execute(run, this.#answers)
    if (executed > 0) reader.skip((run.end[executed - 1] as number) - reader.at)
    if (executed < count) this.#single = executed === 0 ? count : 1
    else this.#single = count === 0 ? 1 : 0
    return executed
  }

  #one(slot: number): void {
    const operation = this.#operation
    const answer = this.#answer
    const row = operationRow(operation.code)
    if (row === undefined) {
      writeError(answer, 'INTERNAL', `operation ${operation.code} is not known here`)
    } else if (!belongs(operation, slot, row.twoKeys)) {
      writeError(answer, 'CROSS_SLOT', `an operation on another slot than ${slot}`)
    } else if (!this.#authority.executes(slot)) {
      if (this.#authority.route(slot) === null || this.#authority.awaits(slot)) answer.u8(ANSWER_ALONE)
      else {
        this.#refusedTotal++
        writeRefusal(answer, this.#authority.term(slot))
      }
    } else if (operation.ack !== ACK_LOCAL || this.#authority.lacks(slot) || answer.length > MAX_ANSWER_BYTES) {
      answer.u8(ANSWER_ALONE)
    } else {
      this.#executor.run(operation, slot, 0, this.#done)
    }
  }
}
