/**
 * Endings: what is left of an entry that has expired.
 *
 * Mostly nothing: what is older of the same key expired before it. But where an entry took the place of one that would have lasted longer, or of a
 * deletion (`outlived`; the store finds out, and it travels with the entry), a copy that missed the entry has that older one still, and would send it back
 * when nobody remembers better. So the primary writes a tombstone in its place, which lives as others do: until all seats have it, and it is old enough, or
 * memory is short of room; then the slot's mark rises to it.
 *
 * The tombstone's version follows from that of the entry alone: the next stamp, and no writer. So it beats nothing that was written since, on whichever
 * side of a cut, and two primaries that each end the same entry write the same.
 *
 * None is needed where no copy can have missed the entry: since well before it was written all members that may run have been there and been heard, all seats
 * have been complete, and all who follow have confirmed it. So a cluster in which all is well pays nothing for keys that are written first and told to expire after.
 */
import { type Entry, NEVER, VALUE_STRING } from '../lib/entry.ts'
import { MAX_COUNTER } from '../lib/version.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import type { Applied } from './slot-data.ts'

/** Copies that have no seat any more go ten seconds after all seats are complete, at the next look. */
const STRAY_COPIES_MS = 15_000

export interface EndingParts {
  /** Names that ought to exist and that nobody can vouch for. */
  readonly unaccounted: () => readonly string[]
  /** Writes a tombstone to a slot that this member holds. */
  readonly write: (tombstone: Entry, slot: number) => Applied
  /** There was no room for one. */
  readonly forgotten: (entry: Entry, slot: number) => void
}

type Copies = Pick<Followers, 'seatsCompleteForMs' | 'haveAllFrom' | 'hearsAll' | 'appendDrop'>

export class Endings {
  readonly #context: Context
  readonly #followers: Copies
  readonly #parts: EndingParts
  /** Since when every member that may be running has been there, and has been heard, in ms of the clock; -1 while one is not. */
  #wholeSinceMs = -1
  #ended: { readonly entry: Entry; readonly slot: number }[] = []
  #closed = false

  constructor(context: Context, followers: Copies, parts: EndingParts) {
    this.#context = context
    this.#followers = followers
    this.#parts = parts
  }

  /** Once a second: is anybody missing? One that cannot be streamed to cannot ask either whether it may delete what it has beyond its seats. */
  review(nowMs: number): void {
    const whole = this.#context.view().isWhole && this.#followers.hearsAll(nowMs) && this.#parts.unaccounted().length === 0
    if (!whole) this.#wholeSinceMs = -1
    else if (this.#wholeSinceMs < 0) this.#wholeSinceMs = nowMs
  }

  /** An entry of a slot that this member holds has expired, and leaves the store. Answers whether a tombstone takes its place, at the end of the turn. */
  ended(entry: Entry, slot: number): boolean {
    if (!entry.outlived || this.#isEverywhere(entry, slot)) return false
    // The store is in the midst of something.
    if (this.#ended.length === 0) this.#context.clock.soon(() => this.#bury())
    this.#ended.push({ entry: entry.copy(false), slot })
    return true
  }

  close(): void {
    this.#closed = true
  }

  #bury(): void {
    const ended = this.#ended
    this.#ended = []
    if (this.#closed) return
    for (const { entry, slot } of ended) {
      // Whoever holds the slot now has the entry, and ends it.
      if (!this.#context.table.isPrimary(slot)) continue
      const tombstone = entry.copy(false)
      tombstone.tombstone = true
      tombstone.kind = VALUE_STRING
      tombstone.expiresAtMs = NEVER
      if (entry.counter < MAX_COUNTER) tombstone.setVersion(entry.ms, entry.counter + 1, '')
      else tombstone.setVersion(entry.ms + 1, 0, '')
      if (this.#parts.write(tombstone, slot) !== 'full') continue
      this.#parts.forgotten(entry, slot)
      this.#followers.appendDrop(entry, slot)
    }
  }

  #isEverywhere({ ms }: Entry, slot: number): boolean {
    const { clock, hybrid, view } = this.#context
    const nowMs = clock.now()
    const ageMs = hybrid.physicalMs() - ms
    const neededMs = ageMs + STRAY_COPIES_MS
    if (this.#wholeSinceMs < 0 || nowMs - this.#wholeSinceMs < neededMs || !view().isWhole) return false
    return this.#followers.seatsCompleteForMs(slot, nowMs) >= neededMs && this.#followers.haveAllFrom(slot, ageMs, nowMs)
  }
}
