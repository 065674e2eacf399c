/**
 * A cache that is one Map: for tests of the faces. Answers at once or later, fails when told to, and hands out scans in pages of a chosen size.
 * An entry in an answer is wiped after the callback, so that a face which keeps a view of it is found out.
 */
import type { Cache, GetDone, Limits, Scan, ScanPage, ScanQuery, SetManyResult, SetRequest, WriteDone } from '../../src/cache/cache.ts'
import { compareBytes, endsWith, NO_BYTES, startsWith } from '../../src/lib/bytes.ts'
import { Entry, VALUE_STRING, type ValueKind } from '../../src/lib/entry.ts'
import { CacheError } from '../../src/lib/errors.ts'

interface Held {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: ValueKind
  readonly ttlMs: number | null
}

const WIPED = 0x58

export class FakeCache implements Cache {
  readonly limits: Limits
  readonly held = new Map<string, Held>()
  /** Answers come in a later turn of the event loop. */
  later = false
  /** Every call is answered with this. */
  failure: CacheError | null = null
  /** Keys that cannot be written. */
  readonly broken = new Set<string>()
  /** Entries of a scan's page. */
  pageSize = 1000
  /** The page, counted from 0, that a scan answers with an error. */
  failingPage = -1
  /** Scans that were opened and are neither through nor closed. */
  openScans = 0
  readonly scans: ScanQuery[] = []
  pagesServed = 0
  #held: (() => void)[] | null = null

  constructor(limits: Limits = { maxKeyBytes: 64, maxValueBytes: 4096 }) {
    this.limits = limits
  }

  put(key: string | Buffer, value: string | Buffer, kind: ValueKind = VALUE_STRING): void {
    const bytes = Buffer.from(key as string)
    this.held.set(bytes.toString('latin1'), { key: bytes, value: Buffer.from(value as string), kind, ttlMs: null })
  }

  /** Answers wait until `release()`. */
  hold(): void {
    this.#held = []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const answer of held) answer()
  }

  get waiting(): number {
    return this.#held?.length ?? 0
  }

  get(key: Buffer, start: number, end: number, done: GetDone): void {
    const name = key.toString('latin1', start, end)
    this.#answer(() => {
      const found = this.held.get(name)
      if (this.failure !== null) done(this.failure, null)
      else if (found === undefined) done(null, null)
      else lend(found, (entry) => done(null, entry))
    })
  }

  set(request: SetRequest, done: WriteDone): void {
    this.setMany([request], (error, result) => done(error ?? result?.error ?? null, { existed: false }))
  }

  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void {
    const copies = requests.map((request) => ({ ...request, key: Buffer.from(request.key), value: Buffer.from(request.value) }))
    this.#answer(() => {
      if (this.failure !== null) {
        done(this.failure, null)
        return
      }
      const failed: Buffer[] = []
      for (const copy of copies) {
        if (this.broken.has(copy.key.toString())) failed.push(copy.key)
        else this.held.set(copy.key.toString('latin1'), copy)
      }
      const error = failed.length > 0 ? new CacheError('TRY_AGAIN', 'no member could answer') : null
      done(null, { set: copies.length - failed.length, failed, error })
    })
  }

  delete(key: Buffer, start: number, end: number, done: WriteDone): void {
    const existed = this.held.delete(key.toString('latin1', start, end))
    this.#answer(() => done(this.failure, { existed }))
  }

  scan(query: ScanQuery): Scan {
    this.scans.push(query)
    const entries = this.#matching(query)
    let page = 0
    let open = true
    const end = (): void => {
      if (open) this.openScans--
      open = false
    }
    this.openScans++
    return {
      next: (done) => {
        this.#answer(() => {
          if (!open) return
          this.pagesServed++
          if (this.failure !== null || page === this.failingPage) {
            end()
            done(this.failure ?? new CacheError('TRY_AGAIN', 'a member was lost'), null)
            return
          }
          const from = page++ * this.pageSize
          const answer: ScanPage = { entries: entries.slice(from, from + this.pageSize), done: from + this.pageSize >= entries.length }
          if (answer.done) end()
          done(null, answer)
        })
      },
      close: end,
    }
  }

  #matching(query: ScanQuery): Entry[] {
    const { prefix, suffix, after, values } = query
    return [...this.held.values()]
      .filter(({ key }) => startsWith(key, 0, key.length, prefix) && endsWith(key, 0, key.length, suffix))
      .filter(({ key }) => after === null || compareBytes(key, 0, key.length, after, 0, after.length) > 0)
      .sort((a, b) => Buffer.compare(a.key, b.key))
      .map((one) => entryOf(one, values ? one.value : NO_BYTES))
  }

  #answer(fn: () => void): void {
    if (this.#held !== null) this.#held.push(fn)
    else if (this.later) setImmediate(fn)
    else fn()
  }
}

function entryOf(held: Held, value: Buffer): Entry {
  const entry = new Entry().setKey(held.key).setValue(value)
  entry.kind = held.kind
  return entry
}

/** An entry amid other bytes, as the store has it, for the length of one call. */
function lend(held: Held, use: (entry: Entry) => void): void {
  const bytes = Buffer.concat([Buffer.from([WIPED]), held.value, Buffer.from([WIPED])])
  const entry = entryOf(held, NO_BYTES).setValue(bytes, 1, 1 + held.value.length)
  use(entry)
  bytes.fill(WIPED)
}
