/**
 * BatchServer: executes what peers ask for in batches, in one loop straight from the bytes that came, and writes the answers into one buffer.
 *
 * An operation is executed if this member serves its slot at this moment. Nothing waits here: what is in doubt, or waits for an acknowledgement, is
 * to be asked for by itself. The same goes for all that come when the answers have grown long: a message has to stay bounded, whatever is read.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { ANSWER_ALONE, KIND_BATCH, writeAnswer, writeError, writeRefusal } from './batch-messages.ts'
import type { OutcomeDone } from './cache.ts'
import type { Executor } from './executor.ts'
import { readOperation } from './messages.ts'
import { ACK_LOCAL, belongs, Operation, operationRow } from './operation.ts'

/** Answers of one batch: beyond this no further operation is begun. One value may go over it. */
const MAX_ANSWER_BYTES = 512 * 1024
const KEPT_BYTES = 1024 * 1024

export class BatchServer {
  readonly #authority: Authority
  readonly #executor: Executor
  readonly #operation = new Operation()
  #answer = new ByteWriter(MAX_ANSWER_BYTES / 8)
  #refusedTotal = 0
  readonly #done: OutcomeDone = (error, outcome) => {
    if (error !== null) writeError(this.#answer, error.code, error.message)
    else if (outcome !== null) writeAnswer(this.#answer, this.#operation, outcome)
  }

  constructor(calls: CacheCalls, authority: Authority, executor: Executor) {
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
    for (let i = 0; i < count; i++) {
      try {
        const slot = reader.u16()
        readOperation(reader, this.#operation)
        this.#one(slot)
      } catch (error) {
        // Those before it are executed, and answered: who asked must not take the whole for something that was not begun.
        if (!(error instanceof MalformedError) || i === 0) throw error
        break
      }
    }
    respond(answer.view())
    if (answer.capacity > KEPT_BYTES) this.#answer = new ByteWriter(MAX_ANSWER_BYTES / 8)
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
      if (this.#authority.route(slot) === null) answer.u8(ANSWER_ALONE)
      else {
        this.#refusedTotal++
        writeRefusal(answer, this.#authority.term(slot))
      }
    } else if (operation.ack !== ACK_LOCAL || answer.length > MAX_ANSWER_BYTES) {
      answer.u8(ANSWER_ALONE)
    } else {
      this.#executor.run(operation, slot, 0, this.#done)
    }
  }
}
