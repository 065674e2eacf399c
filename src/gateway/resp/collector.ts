/**
 * Collector: a reply that is written before its turn has come, or bit by bit, kept apart until it may be sent.
 */
import { type Protocol, type ReplySink, ReplyWriter } from './reply-writer.ts'

const SLAB_BYTES = 4096

export class Collector implements ReplySink {
  readonly reply: ReplyWriter
  #chunks: Buffer[] = []
  #bytes = 0
  readonly #limitBytes: number
  readonly #overflow: () => void

  /** Beyond `limitBytes` nothing is kept and `overflow` is called; by default there is no limit. */
  constructor(protocol: Protocol, limitBytes: number = Number.POSITIVE_INFINITY, overflow: () => void = () => {}) {
    this.#limitBytes = limitBytes
    this.#overflow = overflow
    this.reply = new ReplyWriter(this, SLAB_BYTES)
    this.reply.protocol = protocol
  }

  get bytes(): number {
    return this.#bytes + this.reply.length
  }

  take(buffer: Buffer, end: number): boolean {
    this.#bytes += end
    if (this.#bytes > this.#limitBytes) {
      this.#chunks = []
      this.#overflow()
      return true
    }
    this.#chunks.push(buffer.subarray(0, end))
    return false
  }

  /** Moves all that was written to `target`. */
  moveTo(target: ReplyWriter): void {
    this.reply.flush()
    for (const chunk of this.#chunks) target.raw(chunk)
    this.#chunks = []
    this.#bytes = 0
  }
}

/** Where the replies go that a client does not want. */
export const NOWHERE: ReplySink = { take: () => true }
