/**
 * WriterPool: the slabs that replies are written into. A connection borrows one for as long as it has something to write, which is less than a turn
 * of the event loop, so that thousands of connections make do with a few.
 *
 * Answers that come from elsewhere, and messages, are for many connections in one turn, and each keeps its slab until the turn's end: what comes together
 * leaves together. When all are lent the one that has had its slab the longest sends what it has, rather than that a slab is made for less than a turn:
 * the garbage collector counts their bytes, and would mark the whole heap for every few hundred of them.
 */
import { NOWHERE } from './collector.ts'
import { type Protocol, type ReplySink, ReplyWriter } from './reply-writer.ts'

const SLAB_BYTES = 64 * 1024
/** More than this many exist only where as many connections cannot give theirs back. */
const MAX_SLABS = 16

/** Who can send what it has written, and give the slab back, whenever it is asked. */
export interface Borrower {
  giveBack(): void
}

export class WriterPool {
  readonly #idle: ReplyWriter[] = []
  /** In the order in which they borrowed. */
  readonly #borrowers = new Set<Borrower>()

  borrow(sink: ReplySink, protocol: Protocol): ReplyWriter {
    const writer = this.#idle.pop() ?? this.#reclaimed() ?? new ReplyWriter(sink, SLAB_BYTES)
    writer.attach(sink, protocol)
    return writer
  }

  /** The borrower need not have its slab: it may be asked for it until `keep`. */
  mayReclaim(borrower: Borrower): void {
    this.#borrowers.add(borrower)
  }

  /** It is being written to, or was given back. */
  keep(borrower: Borrower): void {
    this.#borrowers.delete(borrower)
  }

  /** Nothing may be waiting in it. */
  giveBack(writer: ReplyWriter): void {
    writer.attach(NOWHERE, 2)
    if (this.#idle.length < MAX_SLABS) this.#idle.push(writer)
  }

  #reclaimed(): ReplyWriter | undefined {
    if (this.#borrowers.size < MAX_SLABS) return undefined
    for (const borrower of this.#borrowers) {
      this.#borrowers.delete(borrower)
      borrower.giveBack()
      break
    }
    return this.#idle.pop()
  }
}
