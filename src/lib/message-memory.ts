/**
 * Message memory: where a stream's messages lie until nobody needs them: who took room for one says when.
 *
 * A message that is copied to memory of its own costs more than its copy: the garbage collector counts bytes outside its heap, and at tens of megabytes a
 * second of them it marks the whole heap several times a second, in threads that take the processor from the primary. So messages lie one behind the
 * other in chunks, and a chunk whose messages have all been given back is written again. While the other side keeps up that is one chunk.
 *
 * What a follower has to confirm is given back if it was sent over one link, and confirmed over it: another link, which broke, may still hold it.
 */
import { MESSAGE_HEADROOM } from './bytes.ts'

const CHUNK_BYTES = 256 * 1024
/** A larger message has memory of its own. */
const MAX_SHARED_BYTES = CHUNK_BYTES / 2
const MAX_SPARE = 4

interface Chunk {
  readonly bytes: Buffer
  /** What is free begins here. */
  at: number
  /** Messages in it that have not been given back. */
  held: number
}

export class MessageMemory {
  /** All that have messages which may be given back, and the one that is being filled, by their memory: few. */
  readonly #chunks = new Map<ArrayBufferLike, Chunk>()
  readonly #spare: Chunk[] = []
  #filling: Chunk | null = null

  /** Room for a message of `length` bytes, with `MESSAGE_HEADROOM` bytes in front of it that belong to nobody. */
  take(length: number): Buffer {
    const needed = MESSAGE_HEADROOM + length
    if (needed > MAX_SHARED_BYTES) return Buffer.allocUnsafeSlow(needed).subarray(MESSAGE_HEADROOM)
    const chunk = this.#chunkFor(needed)
    const at = chunk.at + MESSAGE_HEADROOM
    chunk.at = at + length
    chunk.held++
    return chunk.bytes.subarray(at, at + length)
  }

  /** Nobody reads the message any more. */
  give(message: Buffer): void {
    const chunk = this.#chunks.get(message.buffer)
    if (chunk === undefined || --chunk.held > 0) return
    if (chunk === this.#filling) chunk.at = 0
    else this.#putBy(chunk)
  }

  /** A link is gone that may hold what it was given: none of the memory in use is written again. */
  abandon(): void {
    this.#chunks.clear()
    this.#filling = null
  }

  #chunkFor(needed: number): Chunk {
    const last = this.#filling
    if (last !== null && last.at + needed <= CHUNK_BYTES) return last
    const chunk = this.#spare.pop() ?? { bytes: Buffer.allocUnsafeSlow(CHUNK_BYTES), at: 0, held: 0 }
    this.#chunks.set(chunk.bytes.buffer, chunk)
    this.#filling = chunk
    return chunk
  }

  #putBy(chunk: Chunk): void {
    this.#chunks.delete(chunk.bytes.buffer)
    if (this.#spare.length >= MAX_SPARE) return
    chunk.at = 0
    this.#spare.push(chunk)
  }
}
