/**
 * Key draw: one live entry by chance, out of the slots that may be drawn from.
 *
 * Entries are drawn from all there are until one will do. Where few will, that may take for ever: so after some thousand tries a slot is drawn by
 * the number of its live entries, an entry of it by its number, and from there the next that is live is taken. Only then are entries in the
 * shadow of such as have expired a little less likely than others.
 */
import { type Random, randomBelow } from '../lib/random.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Catalogue } from './catalogue.ts'

const MAX_TRIES = 2_000
/** Of entries on the walk. */
const MAX_LOOKS = 50_000

export class KeyDraw {
  readonly #catalogue: Catalogue
  readonly #random: Random
  #looks = 0

  constructor(catalogue: Catalogue, random: Random) {
    this.#catalogue = catalogue
    this.#random = random
  }

  /** The entry's address, 0 if none was found. */
  draw(nowMs: number, mayPick: (slot: number) => boolean): number {
    const { entries, tombstones, records, forward } = this.#catalogue
    if (entries === tombstones.size) return 0
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const address = forward.pick(this.#random)
      if (records.isLive(address, nowMs) && mayPick(this.#catalogue.slotOfEntry(address))) return address
    }
    return this.#walk(nowMs, mayPick)
  }

  #walk(nowMs: number, mayPick: (slot: number) => boolean): number {
    let eligible = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const live = this.#catalogue.live(slot)
      if (live > 0 && mayPick(slot)) eligible += live
    }
    if (eligible === 0) return 0
    let left = randomBelow(this.#random, eligible)
    let first = 0
    for (; first < SLOT_COUNT; first++) {
      const live = this.#catalogue.live(first)
      if (live === 0 || !mayPick(first)) continue
      if (left < live) break
      left -= live
    }
    this.#looks = 0
    const from = randomBelow(this.#random, this.#catalogue.tables.count(first))
    let address = this.#firstLive(first, from, nowMs)
    for (let i = 1; i <= SLOT_COUNT && address === 0 && this.#looks < MAX_LOOKS; i++) {
      const slot = (first + i) % SLOT_COUNT
      if (this.#catalogue.live(slot) > 0 && mayPick(slot)) address = this.#firstLive(slot, 0, nowMs)
    }
    return address
  }

  /** Of a slot's entries, but so many. */
  #firstLive(slot: number, but: number, nowMs: number): number {
    const { tables, records } = this.#catalogue
    let passed = 0
    let found = 0
    tables.visit(slot, 0, (_hash, address) => {
      if (passed++ < but) return true
      if (records.isLive(address, nowMs)) found = address
      return found === 0 && ++this.#looks < MAX_LOOKS
    })
    return found
  }
}
