/**
 * Plain runs: reads and writes without any option, executed as they come and answered in the same call.
 *
 * What `ClusterCache.execute` does for any operation is done here for these two alone, without an operation, an outcome and a callback for each, and the
 * keys of a run are looked up together. It stops at the first request that is not to be answered at once and without an error: that one is executed, or
 * refused, in the ordinary way.
 */
import { Entry, VALUE_STRING } from '../lib/entry.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { Place } from '../lib/place.ts'
import type { RequestRun } from '../lib/request-run.ts'
import { slotOf } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import type { Authority } from './authority.ts'

/** The answers of a run, in order. */
export interface RunAnswers {
  /** A read's: the value `bytes[start, end)`, valid during the call; `entry` has no more than that, unless the run asks for versions. */
  bulk(bytes: Buffer, start: number, end: number, entry: Entry): void
  /** A read's that found nothing. */
  nil(): void
  /** A write's: what was written, valid during the call, and whether something was there before. */
  ok(written: Entry, existed: boolean): void
}

/** A value of this length ends a run: the asker is to look at the clock, and at what waits to be sent. */
const LONG_BYTES = 4096

export class PlainRuns {
  getsTotal = 0
  hitsTotal = 0
  setsTotal = 0
  readonly #store: Store
  readonly #authority: Authority
  readonly #hybrid: HybridClock
  readonly #name: () => string
  /** A window into the store. */
  readonly #found = new Entry()
  readonly #written = new Entry()
  readonly #place = new Place()

  constructor(store: Store, authority: Authority, hybrid: HybridClock, name: () => string) {
    this.#store = store
    this.#authority = authority
    this.#hybrid = hybrid
    this.#name = name
    this.#written.kind = VALUE_STRING
  }

  /** Answers how many requests were executed, from the first one on. */
  execute(run: RequestRun, answers: RunAnswers): number {
    const { count, slot, valueStart, valueEnd } = run
    const authority = this.#authority
    if (authority.fenced || authority.lacking) return 0
    // Where the first is served elsewhere nothing is looked up: it is mostly so with all of them.
    if (count === 0 || !authority.isPrimary(slotOf(run.buffer, run.keyStart[0] as number, run.keyEnd[0] as number))) return 0
    const mayWrite = !authority.refusesWrites
    const nowMs = this.#hybrid.physicalMs()
    const found = this.#found
    this.#written.writer = this.#name()
    this.#store.findAll(run)
    let hits = 0
    let sets = 0
    let i = 0
    while (i < count && authority.isPrimary(slot[i] as number)) {
      let bytes = 0
      if ((valueStart[i] as number) >= 0) {
        if (!mayWrite || !this.#set(run, i, nowMs)) break
        sets++
        answers.ok(this.#written, this.#place.live)
        bytes = (valueEnd[i] as number) - (valueStart[i] as number)
      } else if (this.#store.getAt(run, i, nowMs, found)) {
        hits++
        bytes = found.valueEnd - found.valueStart
        answers.bulk(found.value, found.valueStart, found.valueEnd, found)
      } else {
        answers.nil()
      }
      i++
      if (bytes >= LONG_BYTES) break
    }
    this.getsTotal += i - sets
    this.hitsTotal += hits
    this.setsTotal += sets
    return i
  }

  /** False, and nothing done, if there is no room. */
  #set(run: RequestRun, i: number, nowMs: number): boolean {
    const { buffer } = run
    const place = this.#place
    const entry = this.#written
    const held = this.#store.placeAt(run, i, nowMs, place)
    entry.setKey(buffer, run.keyStart[i] as number, run.keyEnd[i] as number)
    entry.setValue(buffer, run.valueStart[i] as number, run.valueEnd[i] as number)
    this.#hybrid.stamp(entry, this.#store.floor, held ? place : null)
    return this.#authority.write(entry, run.slot[i] as number, place) !== 'full'
  }
}
