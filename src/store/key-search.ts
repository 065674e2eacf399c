/**
 * Key search: live entries by prefix and suffix, in ascending byte order of their keys, a bounded part at a time.
 *
 * Two ways lead there. A walk goes through all keys with the prefix, in order, and passes over those without the suffix. A selection goes through
 * all keys with the suffix, which the order of reversed keys has together though in another order, and keeps the least of them in a heap (Floyd,
 * 1964; Williams, 1964). A page of the walk costs the keys passed over, a selection the number of keys with the suffix; the smaller is taken, and
 * neither exceeds ten times the root of the number of keys: of ten million some thirty thousand, at about 50 ns each. Between two parts nothing is
 * remembered but the key they go on from.
 */
import { compareBytes, startsWith } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import type { Catalogue } from './catalogue.ts'
import type { SearchQuery } from './store.ts'

/** Above this many keys with the suffix a selection would hold the event loop for more than 2 ms. */
const MAX_SELECTED = 32_768
/** A selection keeps this many: a page, and more. */
const KEPT = 128
/** What a page is taken to be when the costs are compared. */
const PAGE = 100

type Visit = (entry: Entry, slot: number) => boolean

export class KeySearch {
  readonly #catalogue: Catalogue
  readonly #shown = new Entry()
  /** Addresses of the least keys so far, the greatest of them first. */
  readonly #heap = new Uint32Array(KEPT)
  #size = 0

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  /** As `Store.search`. Looks at one entry at least, so that every call gets on. */
  search(query: SearchQuery, nowMs: number, maxSteps: number, visit: Visit): Buffer | null {
    const { prefix, suffix } = query
    if (suffix.length === 0) return this.#walk(query, nowMs, maxSteps, visit)
    const withSuffix = this.#catalogue.backward.estimate(suffix)
    if (withSuffix === 0) return null
    // Keys with the suffix are taken to be spread evenly among all.
    const walked = Math.min(this.#catalogue.forward.estimate(prefix), (PAGE * this.#catalogue.entries) / withSuffix)
    const selects = withSuffix <= MAX_SELECTED && withSuffix <= walked
    return selects ? this.#select(query, nowMs, maxSteps, visit) : this.#walk(query, nowMs, maxSteps, visit)
  }

  #walk({ prefix, suffix, after }: SearchQuery, nowMs: number, maxSteps: number, visit: Visit): Buffer | null {
    const { forward, records } = this.#catalogue
    const resumes = after !== null && compareBytes(after, 0, after.length, prefix, 0, prefix.length) >= 0
    // The least key above `after` is itself and a zero byte.
    if (resumes && !startsWith(after, 0, after.length, prefix)) return null
    const from = resumes ? Buffer.concat([after, Buffer.alloc(1)]) : prefix
    const passes = (address: number): boolean =>
      records.keyEndsWith(address, suffix) && records.keyBeginsWith(address, prefix) && records.isLive(address, nowMs)
    const stoppedAt = forward.walk(prefix, from, maxSteps, suffix.length > 0, passes, (address) => this.#show(address, visit))
    return stoppedAt === 0 ? null : this.#keyOf(stoppedAt)
  }

  #select(query: SearchQuery, nowMs: number, maxSteps: number, visit: Visit): Buffer | null {
    const all = this.#collect(query, nowMs)
    this.#sortHeap()
    for (let i = 0; i < this.#size; i++) {
      const address = this.#heap[i] as number
      const goOn = this.#show(address, visit)
      if (goOn && i + 1 < maxSteps && (all || i + 1 < this.#size)) continue
      return this.#keyOf(address)
    }
    return null
  }

  /** The least of those that have the suffix, have the prefix, lie above `after` and live. Answers whether these are all. */
  #collect({ prefix, suffix, after }: SearchQuery, nowMs: number): boolean {
    const { backward, records } = this.#catalogue
    const heap = this.#heap
    let all = true
    this.#size = 0
    backward.visitAll(suffix, (address) => {
      const full = this.#size === KEPT
      if (full && !this.#isBelow(address, heap[0] as number)) {
        all = false
        return true
      }
      if (after !== null && records.compareKey(address, after, 0, after.length) <= 0) return true
      if (!records.keyBeginsWith(address, prefix) || !records.isLive(address, nowMs)) return true
      if (full) {
        all = false
        this.#sink(0, address)
      } else {
        this.#rise(this.#size++, address)
      }
      return true
    })
    return all
  }

  /** Puts the heap's addresses in ascending order of their keys. */
  #sortHeap(): void {
    const size = this.#size
    while (this.#size > 1) {
      const last = --this.#size
      const address = this.#heap[last] as number
      this.#heap[last] = this.#heap[0] as number
      this.#sink(0, address)
    }
    this.#size = size
  }

  #rise(from: number, address: number): void {
    const heap = this.#heap
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isBelow(heap[parent] as number, address)) break
      heap[at] = heap[parent] as number
      at = parent
    }
    heap[at] = address
  }

  /** Lets an address take the place of the one at `from`. */
  #sink(from: number, address: number): void {
    const heap = this.#heap
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && this.#isBelow(heap[child] as number, heap[child + 1] as number)) child++
      if (!this.#isBelow(address, heap[child] as number)) break
      heap[at] = heap[child] as number
      at = child
    }
    heap[at] = address
  }

  #isBelow(a: number, b: number): boolean {
    const { records } = this.#catalogue
    const start = records.keyStart(b)
    return records.compareKey(a, records.bytesOf(b), start, start + records.keyLength(b)) < 0
  }

  #show(address: number, visit: Visit): boolean {
    this.#catalogue.records.show(address, this.#shown)
    return visit(this.#shown, this.#catalogue.slotOfEntry(address))
  }

  /** A copy. */
  #keyOf(address: number): Buffer {
    const { records } = this.#catalogue
    const start = records.keyStart(address)
    return Buffer.from(records.bytesOf(address).subarray(start, start + records.keyLength(address)))
  }
}
