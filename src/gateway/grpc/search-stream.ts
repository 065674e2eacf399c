/**
 * Search stream: a walk over the keys, page by page, as fast as the client reads.
 *
 * A message carries about 64 KiB of keys and values, or one entry that is larger: below what clients accept by default. While the client does not
 * read, the walk stands still and nothing is gathered; one that reads nothing for `stallTimeoutMs` is given up. A call that was cancelled, or whose
 * deadline has passed, ends the walk.
 */
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Scan, ScanPage } from '../../cache/cache.ts'
import { NO_BYTES } from '../../lib/bytes.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { CacheError } from '../../lib/errors.ts'
import { type EntryMessage, entryMessage, type SearchRequest, type SearchResponse } from './messages.ts'
import { statusOf } from './status.ts'
import type { Traffic } from './traffic.ts'

const MESSAGE_BYTES = 64 * 1024

export type SearchCall = ServerWritableStream<SearchRequest, SearchResponse>

export interface SearchStreamOptions {
  readonly clock: Clock
  readonly traffic: Traffic
  /** 0: never. */
  readonly stallTimeoutMs: number
}

export class SearchStream {
  readonly #call: SearchCall
  readonly #scan: Scan
  readonly #options: SearchStreamOptions
  readonly #limit: number
  #entries: EntryMessage[] = []
  #bytes = 0
  #count = 0
  #lastKey: Buffer = NO_BYTES
  #stall: Timer | null = null
  #deadline: Timer | null = null
  #over = false

  constructor(call: SearchCall, scan: Scan, options: SearchStreamOptions) {
    this.#call = call
    this.#scan = scan
    this.#options = options
    this.#limit = call.request.limit === 0 ? Number.POSITIVE_INFINITY : call.request.limit
  }

  start(): void {
    this.#call.on('cancelled', () => this.#end())
    // grpc-js answers that the time is up, but while the client does not read, it tells us nothing.
    const { clock } = this.#options
    const deadlineMs = Number(this.#call.getDeadline())
    if (Number.isFinite(deadlineMs)) this.#deadline = clock.after(deadlineMs - clock.wallMs(), () => this.#end())
    this.#next()
  }

  #next(): void {
    if (this.#over) return
    this.#scan.next((error, page) => {
      if (this.#over) return
      if (page === null) this.#fail(error)
      else this.#take(page, 0)
    })
  }

  /** Sends the page's entries from the one at `from` on, and goes on with the next page: later, so that other calls have their turn. */
  #take(page: ScanPage, from: number): void {
    for (let i = from; i < page.entries.length; i++) {
      const entry = page.entries[i]
      if (entry === undefined) break
      if (this.#count === this.#limit) {
        this.#finish(this.#lastKey)
        return
      }
      if (this.#bytes > 0 && this.#bytes + entry.bytes > MESSAGE_BYTES) {
        this.#send(this.#lastKey, () => this.#take(page, i))
        return
      }
      const message = entryMessage(entry)
      this.#entries.push(message)
      this.#bytes += entry.bytes
      this.#count++
      this.#lastKey = message.key
    }
    if (page.done) this.#finish(NO_BYTES)
    else this.#options.clock.soon(() => this.#next())
  }

  /**
   * Goes on when the message has left, which waits for the client to read. So just one is under way: grpc-js itself would gather sixteen, however
   * large, and could not end a call in order whose time is up while more than one waits.
   */
  #send(cursor: Buffer, goOn: () => void): void {
    const { clock, traffic, stallTimeoutMs } = this.#options
    const entries = this.#entries
    this.#entries = []
    this.#bytes = 0
    if (stallTimeoutMs > 0) {
      this.#stall = clock.after(stallTimeoutMs, () => {
        traffic.timeoutsTotal++
        this.#fail(new CacheError('REQUEST_TIMEOUT', 'the answer was not read in time'))
      })
    }
    this.#call.write({ entries, cursor }, () => {
      this.#stall?.cancel()
      if (!this.#over) goOn()
    })
  }

  #finish(cursor: Buffer): void {
    this.#send(cursor, () => {
      this.#end()
      this.#call.end()
    })
  }

  #fail(error: CacheError | null): void {
    this.#end()
    this.#call.emit('error', statusOf(error))
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#stall?.cancel()
    this.#deadline?.cancel()
    this.#scan.close()
  }
}
