/**
 * Scan answer: a walk over all keys as one JSON array or object, page by page, as fast as the client reads.
 *
 * Nothing leaves before 64 KiB are gathered or the walk is over: so a small answer has a length and travels in one write, and a walk that fails
 * early is answered with an error. One that fails later resets the connection: JSON cut short by an orderly end could be taken for a smaller
 * cache. A client that stops reading stops the walk, until the server gives up its connection. With a `limit` the answer is gathered whole, since
 * the link to the next page stands in its head.
 *
 * Keys that are not UTF-8 are left out and counted: in a header of an answer that was gathered whole, in a trailer of one that is streamed, since
 * its head has left long before the count is known.
 */

import { isUtf8 } from 'node:buffer'
import type { Scan } from '../../cache/cache.ts'
import { ByteWriter } from '../../lib/bytes.ts'
import type { Entry } from '../../lib/entry.ts'
import type { CacheError } from '../../lib/errors.ts'
import { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET } from '../../lib/json-scanner.ts'
import type { Exchange } from './exchange.ts'
import { appendString, appendValue } from './json-text.ts'
import { JSON_TYPE } from './media-type.ts'

export const SKIPPED_KEYS_HEADER = 'x-jackdaw-skipped-keys'

/** Gathered before anything is sent, and sent at once. */
const CHUNK_BYTES = 64 * 1024
/** A limited answer ends early beyond this, and links to the rest: its entries may be large. */
const MAX_GATHERED_BYTES = 4 * 1024 * 1024

export interface ScanAnswerOptions {
  /** True: an object of pairs. False: an array of keys. */
  readonly values: boolean
  /** At most so many entries, and a link to those that follow. */
  readonly limit: number | null
  /** The `Link` to the entries after a key. */
  readonly linkAfter: (key: Buffer) => string
  /** No more than this, and one entry, is gathered at a time. */
  readonly maxBytes: number
}

export class ScanAnswer {
  readonly #exchange: Exchange
  readonly #scan: Scan
  readonly #options: ScanAnswerOptions
  readonly #chunkBytes: number
  readonly #gatheredBytes: number
  readonly #out = new ByteWriter()
  #count = 0
  #skipped = 0
  #lastKey: Buffer | null = null
  #streaming = false
  #over = false

  constructor(exchange: Exchange, scan: Scan, options: ScanAnswerOptions) {
    this.#exchange = exchange
    this.#scan = scan
    this.#options = options
    this.#chunkBytes = Math.min(CHUNK_BYTES, options.maxBytes)
    this.#gatheredBytes = Math.min(MAX_GATHERED_BYTES, options.maxBytes)
    this.#out.u8(options.values ? OPEN_BRACE : OPEN_BRACKET)
  }

  start(): void {
    this.#exchange.reply.raw.on('close', () => this.#end())
    this.#next()
  }

  #next(): void {
    if (this.#over) return
    this.#scan.next((error, page) => {
      if (this.#over) return
      if (error !== null || page === null) this.#fail(error)
      else if (!this.#appendAll(page.entries)) this.#finish(true)
      else if (page.done) this.#finish(false)
      else this.#flush()
    })
  }

  /** False once the limit is reached and there is more. */
  #appendAll(entries: readonly Entry[]): boolean {
    for (const entry of entries) {
      const { limit } = this.#options
      if (limit !== null && (this.#count === limit || this.#out.length >= this.#gatheredBytes)) return false
      if (!isUtf8(entry.keyBytes())) {
        this.#skipped++
        continue
      }
      this.#append(entry)
    }
    return true
  }

  #append(entry: Entry): void {
    const out = this.#out
    if (this.#count++ > 0) out.u8(COMMA)
    appendString(out, entry.key, entry.keyStart, entry.keyEnd)
    if (this.#options.values) {
      out.u8(COLON)
      appendValue(out, entry)
    }
    if (this.#options.limit !== null) this.#lastKey = entry.keyBytes()
  }

  #finish(more: boolean): void {
    const { raw } = this.#exchange.reply
    this.#out.u8(this.#options.values ? CLOSE_BRACE : CLOSE_BRACKET)
    if (this.#streaming) {
      if (this.#hasTrailer) raw.addTrailers({ [SKIPPED_KEYS_HEADER]: String(this.#skipped) })
      raw.end(this.#out.toBuffer())
    } else {
      if (this.#skipped > 0) this.#exchange.header(SKIPPED_KEYS_HEADER, String(this.#skipped))
      if (more && this.#lastKey !== null) this.#exchange.header('link', this.#options.linkAfter(this.#lastKey))
      this.#exchange.send(200, JSON_TYPE, this.#out.toBuffer())
    }
    this.#end()
  }

  /** Sends what is gathered, if it is enough, and goes on when the client has taken it: never deeper in the same stack, and not before others had a turn. */
  #flush(): void {
    const { reply, context, isHead } = this.#exchange
    if (this.#options.limit !== null || this.#out.length < this.#chunkBytes) {
      context.clock.soon(() => this.#next())
      return
    }
    if (!this.#streaming) {
      this.#streaming = true
      if (this.#hasTrailer) this.#exchange.header('trailer', SKIPPED_KEYS_HEADER)
      this.#exchange.beginStream(JSON_TYPE)
    }
    if (isHead) {
      reply.raw.end()
      this.#end()
      return
    }
    const taken = reply.raw.write(this.#out.toBuffer())
    this.#out.reset()
    if (taken) context.clock.soon(() => this.#next())
    else reply.raw.once('drain', () => this.#next())
  }

  /** Trailers follow the pieces of a body: HTTP/1.0 has no pieces, and the answer to HEAD no body. */
  get #hasTrailer(): boolean {
    return this.#exchange.reply.request.raw.httpVersion === '1.1' && !this.#exchange.isHead
  }

  #fail(error: CacheError | null): void {
    const { reply, context } = this.#exchange
    if (this.#streaming) {
      context.traffic.brokenStreamsTotal++
      context.logger.warn({ code: error?.code, route: this.#exchange.route }, 'answer cut off: the walk over the keys failed')
      reply.raw.socket?.resetAndDestroy()
    } else {
      this.#exchange.fail(error)
    }
    this.#end()
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#scan.close()
  }
}
