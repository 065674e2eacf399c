/**
 * ListWatch: keeps a listener told of one collection of the Kubernetes API, for as long as the process lives and whatever the API does.
 *
 * The protocol is the API's own ("Efficient detection of changes"): list everything page by page, then watch from the version of that list. A
 * watch that ends is resumed from the last version seen, bookmarks included. The list is taken again when the server says that the version is
 * too old (410), when it refuses the watch or sends an error in it, and every five minutes, so that no defect of a watch lasts longer.
 *
 * The client library has an informer of its own. It is not used: an error other than 410 ends it for good, a listener that throws ends the
 * process, stopping it while it waits leaks a watch, and a connection that hangs in silence is not noticed.
 *
 * List and watch never run side by side. A list that is older than a watch's last event would lack a pod just added, and its absence would
 * pass for a deletion. A list that fails or stops half-way says nothing at all: the listener hears only of complete ones.
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { type Random, randomBelow } from '../lib/random.ts'
import type { ApiCall, ApiCollection, ApiEvent, ApiFailure, ApiPage, ApiSource } from './api-source.ts'

/** Items asked for in one page. A pod takes 10 to 20 KiB of JSON, so a page stays near 2 MiB. */
const PAGE_ITEMS = 100
/** Pages of one list, at most: no StatefulSet is that large, so a server that goes on is broken. */
const MAX_PAGES = 100
/** A page, or the head of a watch, is awaited this long. */
const ANSWER_TIMEOUT_MS = 15_000
/** A watch is asked to last this long, and up to `WATCH_JITTER_SECONDS` more, so that members do not come back all at once. */
const WATCH_SECONDS = 240
const WATCH_JITTER_SECONDS = 30
/** How long past its own end a watch may go on before it counts as hung. */
const WATCH_GRACE_MS = 15_000
/** The list is taken again this often, give or take a tenth. */
const RELIST_MS = 300_000
const MIN_BACKOFF_MS = 200
const MAX_BACKOFF_MS = 10_000
/** A watch that lasted this long was a good one: the next wait is the shortest again. */
const GOOD_WATCH_MS = MAX_BACKOFF_MS
/** The API's status for a version it no longer remembers. */
const GONE = 410
/** The server is overloaded and wants to be left alone: no reason for a list, which costs it more than a watch. */
const TOO_MANY_REQUESTS = 429

export interface ListWatchEvents {
  /** A complete list. */
  listed(items: readonly unknown[]): void
  /** `ADDED`, `MODIFIED` or `DELETED`, in the order of the server. */
  event(event: ApiEvent): void
}

export interface ListWatchOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly source: ApiSource
  readonly collection: ApiCollection
  /** An exception in one of these is logged, and what caused it counts as told. */
  readonly events: ListWatchEvents
}

export class ListWatch {
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #source: ApiSource
  readonly #collection: ApiCollection
  readonly #events: ListWatchEvents
  #closed = false
  #call: ApiCall | null = null
  /** The deadline of the call, or the wait for the next one: never both. */
  #timer: Timer | null = null
  #relistTimer: Timer | null = null
  /** Where the next watch goes on from; `null` if a list has to come first. */
  #resourceVersion: string | null = null
  /** Failures since the last good watch: the exponent of the wait. */
  #failures = 0
  /** The last thing logged was a failure. */
  #troubled = false

  constructor(options: ListWatchOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#logger = options.logger
    this.#source = options.source
    this.#collection = options.collection
    this.#events = options.events
  }

  start(): void {
    this.#next()
  }

  /** Nothing is told after this returns, and no connection stays open. */
  close(): void {
    this.#closed = true
    this.#drop()
    this.#relistTimer?.cancel()
  }

  #next(): void {
    if (this.#closed) return
    if (this.#resourceVersion === null) this.#list('', [], 0)
    else this.#watch(this.#resourceVersion)
  }

  #list(continueToken: string, items: unknown[], pages: number): void {
    this.#expect(ANSWER_TIMEOUT_MS, 'the list was not answered')
    this.#call = this.#source.list(this.#collection, PAGE_ITEMS, continueToken, (result) => {
      this.#drop()
      if ('status' in result) this.#retry(result)
      else if (result.continueToken === '') this.#complete(items.concat(result.items), result)
      else if (pages + 1 === MAX_PAGES) this.#retry({ status: 0, message: `the list goes on after ${MAX_PAGES} pages` })
      // A page that fails, 410 included, ends the whole list: the next attempt begins with the first page again.
      else this.#list(result.continueToken, items.concat(result.items), pages + 1)
    })
  }

  #complete(items: readonly unknown[], last: ApiPage): void {
    this.#resourceVersion = last.resourceVersion
    this.#relistTimer?.cancel()
    this.#relistTimer = this.#clock.after(RELIST_MS * (0.9 + 0.2 * this.#random.next()), () => this.#relist())
    this.#tell(() => this.#events.listed(items))
    this.#next()
  }

  /** The hour of the regular list: whatever is under way, a wait included, makes room. */
  #relist(): void {
    this.#drop()
    this.#resourceVersion = null
    this.#next()
  }

  #watch(resourceVersion: string): void {
    const timeoutSeconds = WATCH_SECONDS + randomBelow(this.#random, WATCH_JITTER_SECONDS + 1)
    const startedAt = this.#clock.now()
    this.#expect(ANSWER_TIMEOUT_MS, 'the watch was not answered')
    this.#call = this.#source.watch(this.#collection, resourceVersion, timeoutSeconds, {
      opened: () => {
        this.#recovered()
        // The server ends every watch by itself, so one that is still there is hung, however quiet the collection may be.
        this.#expect(timeoutSeconds * 1000 + WATCH_GRACE_MS, 'the watch did not end in time')
      },
      event: (event) => this.#apply(event),
      ended: (failure) => {
        this.#drop()
        if (this.#clock.now() - startedAt >= GOOD_WATCH_MS) this.#failures = 0
        if (failure !== null && failure.status !== 0 && failure.status !== TOO_MANY_REQUESTS) this.#resourceVersion = null
        this.#retry(failure)
      },
    })
  }

  #apply(event: ApiEvent): void {
    if (event.type === 'ERROR') {
      this.#restart(readStatus(event.object))
      return
    }
    const resourceVersion = readResourceVersion(event.object)
    if (resourceVersion === null) {
      this.#restart({ status: 0, message: 'an event without a resourceVersion' })
      return
    }
    // First the version: should the listener throw, the event is not told again.
    this.#resourceVersion = resourceVersion
    if (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED') this.#tell(() => this.#events.event(event))
  }

  /** The watch cannot be trusted any further: gives it up, and lists after a wait. */
  #restart(failure: ApiFailure): void {
    this.#drop()
    this.#resourceVersion = null
    this.#retry(failure)
  }

  /** Comes back after a wait that doubles with each failure; its upper half is left to chance. `null`: the call ended in order. */
  #retry(failure: ApiFailure | null): void {
    const waitMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(this.#failures, 16)) * (0.5 + 0.5 * this.#random.next())
    this.#failures++
    if (failure !== null) this.#failed(failure, waitMs)
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = null
      this.#next()
    })
  }

  /** Sets the deadline of what is under way; replaces the earlier one. */
  #expect(ms: number, otherwise: string): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(ms, () => {
      this.#drop()
      this.#retry({ status: 0, message: `${otherwise} (${Math.round(ms / 1000)} s)` })
    })
  }

  /** Forgets the call and its deadline, or the wait. */
  #drop(): void {
    this.#call?.abort()
    this.#call = null
    this.#timer?.cancel()
    this.#timer = null
  }

  #tell(call: () => void): void {
    if (this.#closed) return
    try {
      call()
    } catch (error) {
      this.#logger.error({ err: error, path: this.#collection.path }, 'a listener of discovery threw')
    }
  }

  /** An outage is a warning once; its repetitions, one every few seconds, are for those who debug. */
  #failed(failure: ApiFailure, waitMs: number): void {
    const fields = { path: this.#collection.path, status: failure.status, reason: failure.message, waitMs: Math.round(waitMs) }
    if (this.#troubled || failure.status === GONE) this.#logger.debug(fields, 'the Kubernetes API did not answer as hoped')
    else this.#logger.warn(fields, 'the Kubernetes API did not answer as hoped; what is known stays')
    this.#troubled ||= failure.status !== GONE
  }

  #recovered(): void {
    if (this.#troubled) this.#logger.info({ path: this.#collection.path }, 'the Kubernetes API answers again')
    this.#troubled = false
  }
}

function readStatus(object: unknown): ApiFailure {
  const { code, message } = (object ?? {}) as { code?: unknown; message?: unknown }
  return { status: typeof code === 'number' ? code : 0, message: typeof message === 'string' ? message : 'an error without a message' }
}

function readResourceVersion(object: unknown): string | null {
  const version = (object as { metadata?: { resourceVersion?: unknown } } | null | undefined)?.metadata?.resourceVersion
  return typeof version === 'string' && version !== '' ? version : null
}
