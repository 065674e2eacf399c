/**
 * Key search: live entries by prefix and suffix, in ascending byte order of their keys, a bounded part at a time.
 *
 * Two ways lead there. A walk goes through all keys with the prefix, in order, and passes over those without the suffix. A selection takes all
 * keys with the suffix from the order of reversed keys, which has them in another order, and puts the first few of them straight with a heap
 * (Floyd, 1964; Williams, 1964). The walk costs its steps, the selection the number of keys with the suffix, so it is for few: up to 2,500,
 * and fewer than a part of those with the prefix. Between two parts nothing is remembered but the key they go on from.
 */
import { type Bytes, compareBytes, endsWith, startsWith } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import type { Catalogue } from './catalogue.ts'
import type { SearchQuery } from './store.ts'

/** Above this many keys with the suffix a selection would hold the event loop for longer than 2 ms. */
const MAX_SELECTED = 2_500

export class KeySearch {
  readonly #catalogue: Catalogue
  readonly #shown = new Entry()
  /** Addresses, in heap order while a selection goes on. */
  readonly #heap = new Uint32Array(MAX_SELECTED)
  #size = 0

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  /** As `Store.search`. Looks at one entry at least, so that every call gets on. */
  search(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null {
    const { prefix, suffix } = query
    if (suffix.length === 0) return this.#walk(query, nowMs, maxSteps, visit)
    const { forward, backward } = this.#catalogue
    const withSuffix = backward.countOf(suffix, MAX_SELECTED)
    if (withSuffix === 0) return null
    // A walk that is through within its steps, or a selection that is no smaller than the walk, would gain nothing.
    const walks = withSuffix > MAX_SELECTED || forward.countOf(prefix, withSuffix) <= withSuffix
    return walks ? this.#walk(query, nowMs, maxSteps, visit) : this.#select(query, nowMs, maxSteps, visit)
  }

  #walk(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null {
    const { forward } = this.#catalogue
    const { prefix, suffix, after } = query
    const resumes = after !== null && compareBytes(after, 0, after.length, prefix, 0, prefix.length) >= 0
    const from = resumes ? after : prefix
    const shown = this.#shown
    let steps = 0
    let stoppedAt: Buffer | null = null
    forward.visitFrom(from, 0, from.length, (address) => {
      this.#catalogue.records.show(address, shown)
      const { key, keyStart, keyEnd } = shown
      if (steps === 0 && resumes && isKey(shown, after)) return true
      if (!startsWith(key, keyStart, keyEnd, prefix)) return false
      steps++
      let goOn = true
      if (!shown.tombstone && !shown.isExpired(nowMs) && endsWith(key, keyStart, keyEnd, suffix)) {
        goOn = visit(shown, this.#catalogue.slotOfEntry(address))
      }
      if (goOn && steps < maxSteps) return true
      this.#catalogue.records.show(address, shown)
      stoppedAt = Buffer.from(shown.keyBytes())
      return false
    })
    return stoppedAt
  }

  #select(query: SearchQuery, nowMs: number, maxSteps: number, visit: (entry: Entry, slot: number) => boolean): Buffer | null {
    this.#collect(query)
    const { records } = this.#catalogue
    const shown = this.#shown
    for (let at = (this.#size >> 1) - 1; at >= 0; at--) this.#sink(at)
    for (let steps = 1; this.#size > 0; steps++) {
      const address = this.#takeFirst()
      records.show(address, shown)
      const goOn = shown.tombstone || shown.isExpired(nowMs) || visit(shown, this.#catalogue.slotOfEntry(address))
      if (goOn && steps < maxSteps) continue
      records.show(address, shown)
      return Buffer.from(shown.keyBytes())
    }
    return null
  }

  /** All that have the suffix, have the prefix and lie above `after`. */
  #collect({ prefix, suffix, after }: SearchQuery): void {
    const { backward, records } = this.#catalogue
    const shown = this.#shown
    this.#size = 0
    backward.visitFrom(suffix, 0, suffix.length, (address) => {
      records.show(address, shown)
      const { key, keyStart, keyEnd } = shown
      if (!endsWith(key, keyStart, keyEnd, suffix)) return false
      if (!startsWith(key, keyStart, keyEnd, prefix)) return true
      if (after === null || compareBytes(key, keyStart, keyEnd, after, 0, after.length) > 0) this.#heap[this.#size++] = address
      return true
    })
  }

  #takeFirst(): number {
    const first = this.#heap[0] as number
    this.#heap[0] = this.#heap[--this.#size] as number
    this.#sink(0)
    return first
  }

  #sink(from: number): void {
    const heap = this.#heap
    const address = heap[from] as number
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && this.#isBelow(heap[child + 1] as number, heap[child] as number)) child++
      if (!this.#isBelow(heap[child] as number, address)) break
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
}

function isKey(entry: Entry, key: Bytes): boolean {
  return compareBytes(entry.key, entry.keyStart, entry.keyEnd, key, 0, key.length) === 0
}
