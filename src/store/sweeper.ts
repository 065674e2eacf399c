/**
 * Sweeper: finds entries that have expired and tombstones that have lived long enough, a few steps at a time.
 *
 * It goes round the lists of perishable entries from their ends to their beginnings. An entry that leaves is replaced by the list's last, which
 * the round has passed already, so none is passed over.
 */
import type { Catalogue } from './catalogue.ts'
import type { Evictor } from './evictor.ts'
import type { RefList } from './ref-list.ts'
import type { DropReason } from './store.ts'

export class Sweeper {
  readonly #catalogue: Catalogue
  readonly #evictor: Evictor
  readonly #tombstoneMs: number
  /** Where the round is: in this list, below this place. */
  #list: RefList
  #place = 0

  constructor(catalogue: Catalogue, evictor: Evictor, tombstoneMs: number) {
    this.#catalogue = catalogue
    this.#evictor = evictor
    this.#tombstoneMs = tombstoneMs
    this.#list = catalogue.volatile
  }

  /** As `Store.sweep`. */
  sweep(nowMs: number, maxSteps: number, mayDrop: (slot: number, reason: DropReason) => boolean): number {
    const { volatile, tombstones } = this.#catalogue
    let gone = 0
    for (let steps = Math.min(maxSteps, volatile.size + tombstones.size); steps > 0; steps--) {
      this.#place = Math.min(this.#place, this.#list.size)
      while (this.#place === 0) {
        if (volatile.size + tombstones.size === 0) return gone
        this.#list = this.#list === volatile ? tombstones : volatile
        this.#place = this.#list.size
      }
      const address = this.#list.at(--this.#place)
      const reason = this.#dueReason(address, nowMs)
      if (reason === null) continue
      const slot = this.#catalogue.slotOfEntry(address)
      if (!mayDrop(slot, reason)) continue
      this.#evictor.drop(address, slot, reason)
      gone++
    }
    return gone
  }

  #dueReason(address: number, nowMs: number): DropReason | null {
    const { records } = this.#catalogue
    if (records.isTombstone(address)) return nowMs - records.msOf(address) >= this.#tombstoneMs ? 'tombstone-collected' : null
    return records.isExpired(address, nowMs) ? 'expired' : null
  }
}
