/**
 * Slot scan: a slot's entries, tombstones and expired ones too, in ascending order of their hashes, and of their keys where those are equal. A
 * scan's token is where it stopped: what comes or goes in between moves nothing across that point.
 */
import { Entry } from '../lib/entry.ts'
import type { Catalogue } from './catalogue.ts'
import type { ScanToken } from './store.ts'

/** At this hash and, as several keys may share it, this key. */
interface ScanPoint {
  readonly hash: number
  readonly key: Buffer
}

export class SlotScan {
  readonly #catalogue: Catalogue
  readonly #shown = new Entry()

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  /** As `Store.scanSlot`. `visit` must not change the store. O(1) each. */
  scan(slot: number, token: ScanToken | null, visit: (entry: Entry) => boolean): ScanToken | null {
    const { tables, records } = this.#catalogue
    const from = token === null ? null : (token.token as ScanPoint)
    const shown = this.#shown
    let hash = -1
    let group: number[] = []
    let stoppedAt: ScanPoint | null = null
    const visitGroup = (): boolean => {
      if (group.length > 1) group.sort((a, b) => this.#compareKeys(a, b))
      for (const address of group) {
        if (from !== null && hash === from.hash && records.compareKey(address, from.key, 0, from.key.length) <= 0) continue
        records.show(address, shown)
        if (visit(shown)) continue
        records.show(address, shown)
        stoppedAt = { hash, key: Buffer.from(shown.keyBytes()) }
        return false
      }
      return true
    }
    let goOn = true
    tables.visit(slot, from === null ? 0 : from.hash, (next, address) => {
      if (next === hash) {
        group.push(address)
        return true
      }
      goOn = visitGroup()
      hash = next
      group = [address]
      return goOn
    })
    if (goOn) visitGroup()
    return stoppedAt === null ? null : { token: stoppedAt }
  }

  #compareKeys(a: number, b: number): number {
    const { records } = this.#catalogue
    const start = records.keyStart(a)
    return -records.compareKey(b, records.bytesOf(a), start, start + records.keyLength(a))
  }
}
