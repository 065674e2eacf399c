/**
 * WriterPool: the slabs that replies are written into. A connection borrows one for as long as it has something to write, which is less than a turn
 * of the event loop, so that thousands of connections make do with a few.
 */
import { NOWHERE } from './collector.ts'
import { type Protocol, type ReplySink, ReplyWriter } from './reply-writer.ts'

const SLAB_BYTES = 64 * 1024
/** More than this many lie idle only after a burst. */
const MAX_IDLE = 16

export class WriterPool {
  readonly #idle: ReplyWriter[] = []

  borrow(sink: ReplySink, protocol: Protocol): ReplyWriter {
    const writer = this.#idle.pop() ?? new ReplyWriter(sink, SLAB_BYTES)
    writer.attach(sink, protocol)
    return writer
  }

  /** Nothing may be waiting in it. */
  giveBack(writer: ReplyWriter): void {
    writer.attach(NOWHERE, 2)
    if (this.#idle.length < MAX_IDLE) this.#idle.push(writer)
  }
}
