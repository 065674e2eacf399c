/**
 * Read-ahead: the next keys of a walk through a slot that is too large to be looked through for every page.
 *
 * A store can be scanned in an order of its own, which is another on every member; to find the keys of some positions, all entries of the slot have to be
 * looked at. That is done for many pages at once, a bounded number of entries a turn: the keys of the positions ahead are kept in their order, and pages
 * are taken from there until the walk has left them behind. So a walk through n keys looks at n * (1 + n / `KEPT_KEYS`) entries, and not at n for every page. Two
 * walks that are further apart in one slot than what is kept, at the same time, spoil this for each other.
 *
 * What is kept of a slot must not be older than the walk that is given it, or it would lack keys that were there all the time. A walk that is in the middle
 * of the slot has had its page before this one from what was kept then, which was made for it or is newer than it; what is kept now was made then or later.
 * (A page of another kind that ends in the middle has it forgotten.) A walk that comes to the beginning of the slot has the slot looked through anew. All
 * this as long as the member serves the same slots: with another set of them everything is forgotten, since the page before may have come from another
 * member.
 */
import { ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/index.ts'
import type { Authority } from './authority.ts'
import { PARTS, positionOf, slotAt } from './slot-position.ts'

/** About so many keys are kept of a slot, */
const KEPT_KEYS = 65_536
/** and no more bytes of them, unless one position has more. */
const KEPT_BYTES = 4 * 1024 * 1024
/** Of so many slots at a time. */
const MAX_KEPT = 4
/** What nothing was taken from for so long is forgotten. */
const IDLE_MS = 30_000
/** Pages that may wait for a slot to be looked through: one after the other is. */
const MAX_WAITING = 64
/** Entries that are looked at in one turn, and the part of the slot, so that the largest is through in so many turns. */
export const LOOKED_AT_A_TURN = 2000
const MAX_TURNS = 1000

/** The keys of the positions from the one asked for up to `end`, in their order. To be read only. */
export interface Taken {
  readonly keys: readonly Buffer[]
  readonly end: number
}

export type TakenDone = (taken: Taken | null) => void

/** The keys of a range of positions of one slot. */
interface Kept {
  readonly from: number
  readonly to: number
  /** By position, counted from `from`, and for `to`: how many keys have positions before it. */
  readonly first: Uint32Array
  /** The keys' numbers, in the order of positions; by number, where a key ends; and all keys, one behind the other by number. */
  readonly order: Uint32Array
  readonly ends: Uint32Array
  readonly bytes: Buffer
  usedMs: number
}

interface Waiting {
  readonly from: number
  readonly parts: number
  readonly done: TakenDone
}

export class ReadAhead {
  readonly #clock: Clock
  readonly #authority: Pick<Authority, 'primaryVersion'>
  readonly #store: Pick<Store, 'scanSlot' | 'slotEntries'>
  /** By slot, what was made last of it; the one that was made first comes first. */
  readonly #kept = new Map<number, Kept>()
  /** Of the slots that this member served when what is kept was made. */
  #primaryVersion = -1
  readonly #waiting: Waiting[] = []
  /** The slot that is being looked through, -1 for none, and whether what is found is for the one page that it is looked through for alone. */
  #looking = -1
  #spoilt = false
  #sweeping = false

  constructor(clock: Clock, authority: Pick<Authority, 'primaryVersion'>, store: Pick<Store, 'scanSlot' | 'slotEntries'>) {
    this.#clock = clock
    this.#authority = authority
    this.#store = store
  }

  /**
   * The keys, tombstones' and expired ones' too, of up to `parts` positions from `from` on, all of one slot. At once, or when the slot has been looked
   * through. `null` if the slots that this member serves changed meanwhile, or too many wait.
   */
  take(from: number, parts: number, done: TakenDone): void {
    this.#forgetOld()
    const kept = this.#kept.get(slotAt(from))
    if (kept !== undefined && from % PARTS !== 0 && from >= kept.from && from < kept.to) {
      this.#give(kept, from, parts, done)
    } else if (this.#waiting.length >= MAX_WAITING) {
      done(null)
    } else {
      this.#waiting.push({ from, parts, done })
      if (this.#looking < 0) this.#lookNext()
    }
  }

  /** A page has ended in the middle of the slot that was not taken from here: the walk it was for may be younger than what is kept. */
  forget(slot: number): void {
    this.#kept.delete(slot)
    if (this.#looking === slot) this.#spoilt = true
  }

  #forgetOld(): void {
    const { primaryVersion } = this.#authority
    if (primaryVersion === this.#primaryVersion) return
    this.#primaryVersion = primaryVersion
    this.#kept.clear()
  }

  #lookNext(): void {
    const next = this.#waiting.shift()
    this.#looking = next === undefined ? -1 : slotAt(next.from)
    this.#spoilt = false
    if (next !== undefined) this.#look(next)
  }

  /** Looks through the slot, a piece a turn, for the keys of as many positions as may be kept. */
  #look({ from, parts, done }: Waiting): void {
    const { primaryVersion } = this.#authority
    const slot = slotAt(from)
    const entries = this.#store.slotEntries(slot)
    const piece = Math.max(LOOKED_AT_A_TURN, Math.ceil(entries / MAX_TURNS))
    const slotEnd = (slot + 1) * PARTS
    const wanted = Math.max(parts, Math.floor((PARTS * KEPT_KEYS) / Math.max(entries, 1)))
    const found = new Gathered(from, Math.min(slotEnd, from + wanted))
    let token: ReturnType<Store['scanSlot']> = null
    const step = (): void => {
      if (primaryVersion !== this.#authority.primaryVersion) {
        this.#lookNext()
        done(null)
        return
      }
      let looked = 0
      token = this.#store.scanSlot(slot, token, ({ key, keyStart, keyEnd }) => {
        found.add(positionOf(slot, key, keyStart, keyEnd), key, keyStart, keyEnd)
        return ++looked < piece
      })
      if (token !== null) {
        this.#clock.soon(step)
        return
      }
      this.#forgetOld()
      const kept = found.kept(this.#clock.now())
      if (!this.#spoilt) this.#keep(slot, kept)
      this.#give(kept, from, parts, done)
      this.#lookNext()
    }
    step()
  }

  #give(kept: Kept, from: number, parts: number, done: TakenDone): void {
    const { first, order, ends, bytes } = kept
    kept.usedMs = this.#clock.now()
    const end = Math.min(from + parts, kept.to)
    const numbers = order.subarray(first[from - kept.from], first[end - kept.from])
    const keys = Array.from(numbers, (number) => bytes.subarray(number === 0 ? 0 : (ends[number - 1] as number), ends[number] as number))
    done({ keys, end })
  }

  #keep(slot: number, kept: Kept): void {
    this.#kept.delete(slot)
    this.#kept.set(slot, kept)
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as number)
    this.#sweepLater()
  }

  #sweepLater(): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#clock.after(IDLE_MS, () => {
      this.#sweeping = false
      for (const [slot, { usedMs }] of this.#kept) if (usedMs <= this.#clock.now() - IDLE_MS) this.#kept.delete(slot)
      if (this.#kept.size > 0) this.#sweepLater()
    })
  }
}

/** Keys of a range of positions, as they are found. The range gets narrower when they are too many. */
class Gathered {
  readonly #from: number
  #to: number
  #positions: number[] = []
  #ends: number[] = []
  #bytes = new ByteWriter()

  constructor(from: number, to: number) {
    this.#from = from
    this.#to = to
  }

  add(position: number, key: Buffer, start: number, end: number): void {
    if (position < this.#from || position >= this.#to) return
    this.#positions.push(position)
    this.#ends.push(this.#bytes.raw(key, start, end).length)
    while (this.#isTooMuch && this.#to > this.#from + 1) this.#narrow()
  }

  kept(usedMs: number): Kept {
    const first = new Uint32Array(this.#to - this.#from + 1)
    for (const position of this.#positions) {
      const next = position - this.#from + 1
      first[next] = (first[next] as number) + 1
    }
    for (let i = 1; i < first.length; i++) first[i] = (first[i] as number) + (first[i - 1] as number)
    const place = first.slice()
    const order = new Uint32Array(this.#positions.length)
    for (const [number, position] of this.#positions.entries()) {
      const at = position - this.#from
      order[place[at] as number] = number
      place[at] = (place[at] as number) + 1
    }
    return { from: this.#from, to: this.#to, first, order, ends: Uint32Array.from(this.#ends), bytes: this.#bytes.toBuffer(), usedMs }
  }

  get #isTooMuch(): boolean {
    return this.#bytes.length > KEPT_BYTES || this.#ends.length > 2 * KEPT_KEYS
  }

  /** To half of what it was. */
  #narrow(): void {
    const [positions, ends, bytes] = [this.#positions, this.#ends, this.#bytes.view()]
    this.#to = this.#from + ((this.#to - this.#from) >> 1)
    this.#positions = []
    this.#ends = []
    this.#bytes = new ByteWriter()
    for (const [i, position] of positions.entries()) {
      if (position >= this.#to) continue
      this.#positions.push(position)
      this.#ends.push(this.#bytes.raw(bytes, i === 0 ? 0 : (ends[i - 1] as number), ends[i] as number).length)
    }
  }
}
