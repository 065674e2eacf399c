/**
 * Floor: the stamp at or below which everything is gone and stays gone, and what is known of the stamps that are held.
 *
 * It remembers the greatest stamp of all, and the greatest milliseconds of each slot, since what is held came: so a floor above everything is
 * known for one without a look at any entry, and a floor above nearly everything with a look at those slots only that were written since.
 */
import { Entry } from '../lib/entry.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { compareStamps, type Stamp, ZERO_STAMP } from '../lib/version.ts'
import type { Catalogue } from './catalogue.ts'

/** A copy of what lay in the arena, and the mark it bore. */
interface KeptEntry {
  readonly entry: Entry
  readonly mark: number
}

export class Floor {
  readonly #catalogue: Catalogue
  #stamp: Stamp = ZERO_STAMP
  /** Below every stamp until the floor is raised for the first time. */
  #ms = -1
  #counter = 0
  #greatestMs = -1
  #greatestCounter = 0
  readonly #newest = new Float64Array(SLOT_COUNT)

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  get stamp(): Stamp {
    return this.#stamp
  }

  /** The greatest stamp noted; `ZERO_STAMP` when nothing is. */
  get newest(): Stamp {
    return this.#greatestMs < 0 ? ZERO_STAMP : { ms: this.#greatestMs, counter: this.#greatestCounter }
  }

  /** Whether a stamp is at or below the floor. */
  covers(ms: number, counter: number): boolean {
    return ms < this.#ms || (ms === this.#ms && counter <= this.#counter)
  }

  /** Whether all that was noted is. */
  get coversAll(): boolean {
    return this.covers(this.#greatestMs, this.#greatestCounter)
  }

  /** Notes what is stored. */
  note(slot: number, ms: number, counter: number): void {
    if (ms > (this.#newest[slot] as number)) this.#newest[slot] = ms
    if (ms < this.#greatestMs || (ms === this.#greatestMs && counter <= this.#greatestCounter)) return
    this.#greatestMs = ms
    this.#greatestCounter = counter
  }

  /** False, and nothing done, if the stamp is not above the floor. */
  raise({ ms, counter }: Stamp): boolean {
    if (compareStamps({ ms, counter }, this.#stamp) <= 0) return false
    this.#stamp = { ms, counter }
    this.#ms = ms
    this.#counter = counter
    return true
  }

  /** Nothing is stored any more. The floor stays. */
  forget(): void {
    this.#greatestMs = -1
    this.#greatestCounter = 0
    this.#newest.fill(0)
  }

  /** Copies of all that is above the floor; `null` if that is more than so many or, keys and values alone, more than so many bytes. */
  copyAbove(mostEntries: number, mostBytes: number): KeptEntry[] | null {
    const { tables, records } = this.#catalogue
    const kept: KeptEntry[] = []
    let bytes = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if ((this.#newest[slot] as number) < this.#ms) continue
      tables.visit(slot, 0, (_hash, address) => {
        if (this.#coversEntry(address)) return true
        const entry = new Entry()
        records.show(address, entry)
        bytes += entry.bytes
        if (kept.length >= mostEntries || bytes > mostBytes) {
          bytes = Number.POSITIVE_INFINITY
          return false
        }
        entry.setKey(Buffer.from(entry.keyBytes())).setValue(Buffer.from(entry.valueBytes()))
        kept.push({ entry, mark: records.markOf(address) })
        return true
      })
      if (bytes > mostBytes) return null
    }
    return kept
  }

  /** The addresses of a slot's entries at or below the floor. */
  below(slot: number): number[] {
    const found: number[] = []
    this.#catalogue.tables.visit(slot, 0, (_hash, address) => {
      if (this.#coversEntry(address)) found.push(address)
      return true
    })
    return found
  }

  #coversEntry(address: number): boolean {
    const { records } = this.#catalogue
    return this.covers(records.msOf(address), records.counterOf(address))
  }
}
