/**
 * KeyWalk: keys of a walk in byte order, gathered as the bulk strings they will be in a reply, whose array begins with their number.
 *
 * So what waits is the bytes of the keys and nothing else, and it is bounded. Between two pages, and within one whose keys are slow to judge, others
 * have their turn; a client that has gone ends the walk.
 */
import type { ScanQuery } from '../../../cache/cache.ts'
import { ByteWriter } from '../../../lib/bytes.ts'
import type { Entry } from '../../../lib/entry.ts'
import type { CacheError } from '../../../lib/errors.ts'
import type { Call } from '../command.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { eachInTurns } from '../turn.ts'

const LINE_END = Buffer.from('\r\n', 'latin1')

interface KeyWalkOptions {
  readonly query: ScanQuery
  readonly matches: (entry: Entry) => boolean
  readonly maxKeys: number
  readonly maxBytes: number
}

class KeyList {
  readonly #bulks = new ByteWriter()
  /** The last key, for a cursor. */
  last: Buffer | null = null
  count = 0
  /** There are more keys than the limits let in. */
  more = false

  get bytes(): number {
    return this.#bulks.length
  }

  add(entry: Entry): void {
    const { key, keyStart, keyEnd } = entry
    this.#bulks
      .raw(Buffer.from(`$${keyEnd - keyStart}\r\n`, 'latin1'))
      .raw(key, keyStart, keyEnd)
      .raw(LINE_END)
    this.last = entry.keyBytes()
    this.count++
  }

  write(reply: ReplyWriter): void {
    reply.array(this.count)
    reply.raw(this.#bulks.toBuffer())
  }
}

/** `done` gets what was gathered when the walk is over or a limit is reached; it is not called for a client that has gone before the last page. */
export function walkKeys(
  { cache, session }: Pick<Call, 'cache' | 'session'>,
  { query, matches, maxKeys, maxBytes }: KeyWalkOptions,
  done: (error: CacheError | null, keys: KeyList) => void,
): void {
  const { clock, sessions } = session.hub
  const scan = cache.scan(query)
  const keys = new KeyList()

  function gather(entry: Entry): boolean {
    if (!matches(entry)) return true
    keys.more = keys.count >= maxKeys || keys.bytes >= maxBytes
    if (!keys.more) keys.add(entry)
    return !keys.more
  }

  function end(error: CacheError | null): void {
    scan.close()
    done(error, keys)
  }

  function next(): void {
    if (!sessions.has(session.id)) {
      scan.close()
      return
    }
    scan.next((error, page) => {
      if (page === null) {
        end(error)
        return
      }
      eachInTurns(clock, page.entries, gather, () => {
        if (keys.more || page.done) end(null)
        else clock.soon(next)
      })
    })
  }

  next()
}
