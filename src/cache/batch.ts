/**
 * Batch: operations for one peer, written down as they go out, and who waits for each. It keeps the bytes until all are answered: whatever cannot be
 * answered so is read from them again and goes on by itself. Used again and again.
 */
import { ByteReader, ByteWriter, NO_BYTES } from '../lib/bytes.ts'
import { MAX_BATCH_OPERATIONS } from './batch-messages.ts'
import type { OutcomeDone } from './cache.ts'
import { readOperation, writeOperation } from './messages.ts'
import { Operation } from './operation.ts'

const SLOT_BYTES = 2
const LENGTH_BYTES = 4
/** Where a peer is silent there may be as many batches as clients that wait. */
const CAPACITY = 512
const NOBODY: OutcomeDone = () => {}

export class Batch {
  /** The peer. */
  name = ''
  deadlineMs = 0
  /** The first so many have been answered. */
  answered = 0
  readonly #writer = new ByteWriter(CAPACITY)
  #count = 0
  #body: Buffer = NO_BYTES
  readonly #dones: OutcomeDone[] = []
  readonly #starts: number[] = []
  readonly #keyStarts: number[] = []
  readonly #keyEnds: number[] = []

  /** An empty one begins. */
  open(name: string, deadlineMs: number): this {
    this.name = name
    this.deadlineMs = deadlineMs
    this.answered = 0
    this.#writer.u16(0)
    return this
  }

  /** All that are in it are answered: nothing of them is held. */
  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#dones[i] = NOBODY
    this.#count = 0
    this.#body = NO_BYTES
    this.#writer.reset()
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#writer.length
  }

  /** The memory that it keeps. */
  get capacity(): number {
    return this.#writer.capacity
  }

  get full(): boolean {
    return this.#count === MAX_BATCH_OPERATIONS
  }

  add(operation: Operation, slot: number, done: OutcomeDone): void {
    const i = this.#count++
    const writer = this.#writer
    this.#starts[i] = writer.length
    writeOperation(writer.u16(slot), operation)
    const keyEnd = writer.length - (operation.valueEnd - operation.valueStart) - LENGTH_BYTES
    this.#keyEnds[i] = keyEnd
    this.#keyStarts[i] = keyEnd - (operation.keyEnd - operation.keyStart)
    this.#dones[i] = done
  }

  /** As it is sent. Nothing is added after this; the bytes lie here until `clear`. */
  body(): Buffer {
    const body = this.#writer.view()
    body.writeUInt16BE(this.#count)
    this.#body = body
    return body
  }

  get sent(): Buffer {
    return this.#body
  }

  done(i: number): OutcomeDone {
    return this.#dones[i] as OutcomeDone
  }

  code(i: number): number {
    return this.#body[(this.#starts[i] as number) + SLOT_BYTES] as number
  }

  slot(i: number): number {
    return this.#body.readUInt16BE(this.#starts[i] as number)
  }

  keyStart(i: number): number {
    return this.#keyStarts[i] as number
  }

  keyEnd(i: number): number {
    return this.#keyEnds[i] as number
  }

  /** With bytes of its own. */
  operation(i: number): Operation {
    return readOperation(new ByteReader(this.#body, (this.#starts[i] as number) + SLOT_BYTES), new Operation()).copy()
  }
}
