/**
 * A walk over the whole cluster in byte order of keys: a merge of one sorted stream of pages from every member, each answering for the slots it is
 * primary of.
 *
 * A walk holds to one plan (planner.ts) as long as that holds. Then all that was read ahead is thrown away and the walk is planned anew from the last
 * key it gave, so a key that stays is met exactly once, wherever its slot moves meanwhile. While a slot is served by nobody the walk waits, as a get
 * would.
 */
import { ByteReader, compareBytes } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Entry } from '../lib/entry.ts'
import { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import type { Scan, ScanPage, ScanQuery } from './cache.ts'
import {
  ANSWER_DONE,
  ANSWER_REFUSED,
  decodePage,
  decodeScan,
  encodePage,
  encodeScan,
  KIND_SCAN,
  type PartialPage,
  type ScanRequest,
} from './messages.ts'
import type { Plan, Planner } from './planner.ts'

/** Entries looked at in one call into the store: about a millisecond. */
const MAX_STEPS = 2000
const MAX_PAGE_ENTRIES = 512
const MAX_PAGE_BYTES = 256 * 1024
const RETRY_MS = 10
export class Scatter {
  readonly #clock: Clock
  readonly #hybrid: HybridClock
  readonly #calls: CacheCalls
  readonly #authority: Authority
  readonly #planner: Planner
  readonly #store: Store
  readonly #timeoutMs: number

  constructor(
    clock: Clock,
    hybrid: HybridClock,
    calls: CacheCalls,
    authority: Authority,
    planner: Planner,
    store: Store,
    timeoutMs: number,
  ) {
    this.#clock = clock
    this.#hybrid = hybrid
    this.#calls = calls
    this.#authority = authority
    this.#planner = planner
    this.#store = store
    this.#timeoutMs = timeoutMs
    calls.handle(KIND_SCAN, (_from, body, respond) => respond?.(this.#serve(decodeScan(body))))
  }

  scan(query: ScanQuery): Scan {
    return new Walk(this, this.#clock, query, this.#timeoutMs)
  }

  plan(): Plan | null {
    return this.#planner.plan()
  }

  /** One member's part of a page; `null` when the plan no longer holds. */
  fetch(name: string | null, request: ScanRequest, done: (page: PartialPage | null) => void): void {
    if (name === null) {
      // In a turn of its own: a walk that finds little must not hold this one.
      this.#clock.soon(() => done(this.#page(request)))
      return
    }
    this.#calls.call(name, KIND_SCAN, encodeScan(request), this.#timeoutMs, (_failure, body) => {
      if (body === null) done(null)
      else {
        const reader = new ByteReader(body)
        done(reader.u8() === ANSWER_DONE ? decodePage(reader) : null)
      }
    })
  }

  #serve(request: ScanRequest): Buffer {
    const page = this.#page(request)
    return page === null ? Buffer.of(ANSWER_REFUSED) : encodePage(page, request.values)
  }

  #page({ primaryVersion, prefix, suffix, after, values }: ScanRequest): PartialPage | null {
    if (!this.#planner.holds(primaryVersion)) return null
    const entries: Entry[] = []
    let bytes = 0
    const lookedTo = this.#store.search({ prefix, suffix, after }, this.#hybrid.physicalMs(), MAX_STEPS, (found, slot) => {
      if (!this.#authority.isPrimary(slot)) return true
      entries.push(found.copy(values))
      bytes += found.bytes
      return entries.length < MAX_PAGE_ENTRIES && bytes < MAX_PAGE_BYTES
    })
    return { entries, lookedTo }
  }
}

/** One member's stream of pages, as far as it has been read ahead. */
interface Source {
  readonly name: string | null
  readonly primaryVersion: number
  entries: Entry[]
  /** Of `entries`, how many have been given out. */
  given: number
  after: Buffer | null
  done: boolean
}

class Walk implements Scan {
  readonly #scatter: Scatter
  readonly #clock: Clock
  readonly #query: ScanQuery
  readonly #prefix: Buffer
  readonly #suffix: Buffer
  readonly #timeoutMs: number
  #sources: Source[] | null = null
  /** The last key given out: all that is at or below it is behind us. */
  #after: Buffer | null
  #closed = false

  constructor(scatter: Scatter, clock: Clock, query: ScanQuery, timeoutMs: number) {
    this.#scatter = scatter
    this.#clock = clock
    this.#query = query
    this.#prefix = Buffer.from(query.prefix)
    this.#suffix = Buffer.from(query.suffix)
    this.#after = query.after === null ? null : Buffer.from(query.after)
    this.#timeoutMs = timeoutMs
  }

  close(): void {
    this.#closed = true
    this.#sources = null
  }

  next(done: (error: CacheError | null, page: ScanPage | null) => void): void {
    this.#advance(this.#clock.now() + this.#timeoutMs, done)
  }

  #advance(deadlineMs: number, done: (error: CacheError | null, page: ScanPage | null) => void): void {
    if (this.#closed) return
    const again = (): void => this.#advance(deadlineMs, done)
    if (this.#sources === null) this.#sources = this.#begin()
    if (this.#sources === null) {
      if (this.#clock.now() < deadlineMs) this.#clock.after(RETRY_MS, again)
      else done(new CacheError('TRY_AGAIN', `not every slot was served by a member within ${this.#timeoutMs} ms`), null)
      return
    }
    const sources = this.#sources
    const dry = sources.filter((source) => !source.done && source.given === source.entries.length)
    if (dry.length === 0) {
      done(null, this.#merge(sources))
      return
    }
    let open = dry.length
    let stale = false
    for (const source of dry) {
      this.#scatter.fetch(source.name, this.#request(source), (page) => {
        if (page === null) stale = true
        else take(source, page)
        if (--open > 0 || this.#closed) return
        if (!stale) again()
        else {
          this.#sources = null
          if (this.#clock.now() < deadlineMs) this.#clock.after(RETRY_MS, again)
          else done(new CacheError('TRY_AGAIN', `slots kept moving for ${this.#timeoutMs} ms`), null)
        }
      })
    }
  }

  #begin(): Source[] | null {
    const plan = this.#scatter.plan()
    if (plan === null) return null
    return plan.members.map(({ name, primaryVersion }) => ({
      name,
      primaryVersion,
      entries: [],
      given: 0,
      after: this.#after,
      done: false,
    }))
  }

  #request(source: Source): ScanRequest {
    return {
      primaryVersion: source.primaryVersion,
      prefix: this.#prefix,
      suffix: this.#suffix,
      after: source.after,
      values: this.#query.values,
    }
  }

  /** Gives out, in order, what no source can still undercut; stops where one would have to be read first. */
  #merge(sources: readonly Source[]): ScanPage {
    const entries: Entry[] = []
    let bytes = 0
    while (entries.length < MAX_PAGE_ENTRIES && bytes < MAX_PAGE_BYTES) {
      let lowest: Source | null = null
      let dry = false
      for (const source of sources) {
        const entry = source.entries[source.given]
        if (entry === undefined) dry ||= !source.done
        else if (lowest === null || compareKeys(entry, lowest.entries[lowest.given] as Entry) < 0) lowest = source
      }
      if (dry || lowest === null) break
      const entry = lowest.entries[lowest.given++] as Entry
      if (this.#after !== null && compareBytes(entry.key, entry.keyStart, entry.keyEnd, this.#after, 0, this.#after.length) <= 0) continue
      entries.push(entry)
      bytes += entry.bytes
      this.#after = entry.keyBytes()
    }
    return { entries, done: sources.every((source) => source.done && source.given === source.entries.length) }
  }
}

function take(source: Source, page: PartialPage): void {
  source.entries = page.entries
  source.given = 0
  source.after = page.lookedTo
  source.done = page.lookedTo === null
}

function compareKeys(a: Entry, b: Entry): number {
  return compareBytes(a.key, a.keyStart, a.keyEnd, b.key, b.keyStart, b.keyEnd)
}
