/**
 * Collector: a reply that is written before its turn has come, or bit by bit, kept apart until it may be sent. May be used again once it was moved.
 */
import { type Protocol, type ReplySink, ReplyWriter } from './reply-writer.ts'

/** Most replies are shorter. */
const SLAB_BYTES = 512

export class Collector implements ReplySink {
  #reply: ReplyWriter | null = null
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #limitBytes = Number.POSITIVE_INFINITY
  #overflow: () => void = () => {}

  /** Begins a reply. Beyond `limitBytes` nothing is kept and `overflow` is called; by default there is no limit. */
  open(protocol: Protocol, limitBytes: number = Number.POSITIVE_INFINITY, overflow: () => void = () => {}): this {
    this.#limitBytes = limitBytes
    this.#overflow = overflow
    this.reply.protocol = protocol
    return this
  }

  get reply(): ReplyWriter {
    this.#reply ??= new ReplyWriter(this, SLAB_BYTES)
    return this.#reply
  }

  get bytes(): number {
    return this.#bytes + this.reply.length
  }

  take(buffer: Buffer, end: number): boolean {
    this.#bytes += end
    if (this.#bytes > this.#limitBytes) {
      this.#chunks.length = 0
      this.#overflow()
      return true
    }
    this.#chunks.push(buffer.subarray(0, end))
    return false
  }

  /** Moves all that was written to `target`. */
  moveTo(target: ReplyWriter): void {
    for (const chunk of this.#chunks) target.raw(chunk)
    this.#chunks.length = 0
    this.#bytes = 0
    this.reply.moveTo(target)
  }
}

/** Where the replies go that a client does not want. */
export const NOWHERE: ReplySink = { take: () => true }
