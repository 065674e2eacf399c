/**
 * Evictor: finds memory for what is to come, by throwing out what the policy gives up and by moving together what stays.
 *
 * A part of the memory is kept free, so that moving has somewhere to go and an overwrite that is no larger finds room even when nothing may be
 * evicted. While there is less, victims go one at a time. When there is enough and no piece of it is long enough, a run of neighbouring
 * blocks is cleared: the victim first, then what follows it, cold entries evicted with it and others given a second chance by being moved. So
 * freed space is always put to use again, at a cost in proportion to what is asked for.
 *
 * Tombstones go last, since a deletion forgotten early may come undone; except beyond 5 % of the memory, where they go first. They make room
 * under every policy, `noeviction` too: otherwise a full store would stay full for `tombstoneMs` after everything was deleted.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { type Random, randomBelow } from '../lib/random.ts'
import { BLOCK_ENTRY, BLOCK_HELD, type BlockType } from './arena.ts'
import type { Catalogue } from './catalogue.ts'
import type { Eviction } from './eviction.ts'
import type { RefList } from './ref-list.ts'
import type { DropReason, StoreOptions } from './store.ts'

/** The part of the memory that tombstones may take before they are evicted ahead of live entries. */
const TOMBSTONE_SHARE = 0.05
/** The part that is kept free. */
const RESERVE_SHARE = 1 / 64
/** Of so many random entries the most evictable goes. */
const SAMPLES = 6
/** So often a sample may show nothing that may go before the search becomes a walk. */
const MAX_BLANKS = 64
/** How many runs are tried when entries may be moved only. */
const MOVED_RUNS = 4

export class Evictor {
  readonly #catalogue: Catalogue
  readonly #options: StoreOptions
  readonly #eviction: Eviction
  readonly #random: Random
  readonly #reserveUnits: number
  /** Shown to `onDrop`. */
  readonly #dropped = new Entry()
  /** The entry that is to be overwritten: neither moved nor evicted. */
  #pinned = 0
  /** The victim for whose sake a run is cleared, and whether its neighbours may go with it: not for a tombstone. */
  #victim = 0
  #takesCold = false
  #nowMs = 0
  /** The samples, and their marks. */
  readonly #drawn = new Uint32Array(SAMPLES)
  readonly #marks = new Uint32Array(SAMPLES)
  /** How much of a reason there was to evict the last victims, averaged. */
  #usualReason: number | null = null
  evictedTotal = 0
  expiredTotal = 0

  constructor(catalogue: Catalogue, options: StoreOptions, eviction: Eviction, random: Random) {
    this.#catalogue = catalogue
    this.#options = options
    this.#eviction = eviction
    this.#random = random
    this.#reserveUnits = Math.floor(catalogue.arena.limitUnits * RESERVE_SHARE)
  }

  /** Tells the time, and which entry must stay where it is (0: none), for all that follows. */
  begin(nowMs: number, pinned: number): void {
    this.#nowMs = nowMs
    this.#pinned = pinned
  }

  /** The policy has changed: what was usual under the other is so no more. */
  forgetUsual(): void {
    this.#usualReason = null
  }

  /** Whether a block of this length can be had at all beside the segment that the indexes need. */
  canHold(units: number): boolean {
    const { arena } = this.#catalogue
    const beside = units > arena.sharedUnits ? arena.segmentUnits : 0
    return arena.chargeOf(units) + beside + this.#reserveUnits <= arena.limitUnits
  }

  /** Whether it can be had while the entry it is to replace is still there. */
  canHoldBoth(units: number, old: number): boolean {
    const { arena } = this.#catalogue
    if (this.#eviction.scope !== 'all' || units <= arena.sizeOf(old)) return true
    const beside = 2 * arena.segmentUnits
    return arena.chargeOf(units) + arena.chargeOf(arena.sizeOf(old)) + beside + this.#reserveUnits <= arena.limitUnits
  }

  /** Sees to it that so much is free, and the reserve with it. False, and nothing done, if that cannot be. */
  admit(units: number): boolean {
    const { arena, volatileUnits, tombstoneUnits } = this.#catalogue
    if (!this.canHold(units)) return false
    const wanted = arena.chargeOf(units) + this.#reserveUnits
    if (this.#eviction.scope !== 'all') {
      const mayGo = tombstoneUnits + (this.#eviction.scope === 'volatile' ? volatileUnits : 0)
      if (arena.spareUnits + mayGo < wanted) return false
    }
    while (arena.spareUnits < wanted) {
      const victim = this.#choose()
      if (victim === 0) return false
      this.#evict(victim)
    }
    return true
  }

  /** A block of at least so many units; 0 if neither evicting nor moving gets one. */
  readonly allocate = (units: number): number => {
    const { arena } = this.#catalogue
    let block = arena.allocate(units)
    if (block !== 0 || (units > arena.sharedUnits && this.#eviction.scope === 'none')) return block
    for (let runs = 0; block === 0; ) {
      const victim = this.#choose()
      if (victim !== 0) {
        block = this.#clearAt(victim, units)
      } else {
        if (runs++ === MOVED_RUNS || this.#catalogue.entries === 0) return 0
        block = this.#clearRun(this.#pick(), units)
      }
      if (block === 0) block = arena.allocate(units)
    }
    return block
  }

  /** Removes an entry and tells why. */
  drop(address: number, slot: number, reason: DropReason): void {
    const { arena, records } = this.#catalogue
    this.#catalogue.remove(address)
    if (reason === 'evicted') this.evictedTotal++
    else if (reason === 'expired') this.expiredTotal++
    records.show(address, this.#dropped)
    this.#options.onDrop?.(this.#dropped, slot, reason)
    arena.free(address)
  }

  #evict(address: number): void {
    const expired = this.#catalogue.records.isExpired(address, this.#nowMs)
    this.drop(address, this.#catalogue.slotOfEntry(address), expired ? 'expired' : 'evicted')
  }

  #clearAt(victim: number, units: number): number {
    this.#victim = victim
    this.#takesCold = !this.#catalogue.records.isTombstone(victim)
    const block = this.#clearRun(victim, units)
    // The run may have ended before it came to the victim, which goes all the same: each try must get on.
    if (this.#victim !== 0) this.#evict(victim)
    this.#victim = 0
    return block
  }

  /** Clears from an entry on. For what needs a segment of its own that is all of the entry's segment, which then can be let go. */
  #clearRun(address: number, units: number): number {
    const { arena } = this.#catalogue
    if (arena.isOwn(address)) return 0
    if (units <= arena.sharedUnits) return arena.clear(arena.runStart(address, false), units, this.#evacuate)
    const whole = arena.clear(arena.runStart(address, true), arena.blockUnitsAt(address), this.#evacuate)
    if (whole !== 0) arena.free(whole)
    return 0
  }

  readonly #evacuate = (address: number, type: BlockType): boolean => {
    const { arena, records } = this.#catalogue
    if (type === BLOCK_HELD || address === this.#pinned) return false
    const entry = type === BLOCK_ENTRY
    if (entry && address === this.#victim) {
      this.#victim = 0
      this.#evict(address)
      return true
    }
    const mayGo = entry && this.#mayEvict(address)
    if (mayGo && this.#takesCold && this.#eviction.isCold(this.#reasonFor(address), this.#usualReason ?? 0)) {
      this.#evict(address)
      return true
    }
    const to = arena.allocate(arena.sizeOf(address))
    if (to !== 0) this.#catalogue.move(address, to, type)
    else if (mayGo) this.#evict(address)
    else if (entry && records.isExpired(address, this.#nowMs)) this.#evict(address)
    else return false
    return true
  }

  #mayEvict(address: number): boolean {
    const { records } = this.#catalogue
    if (this.#eviction.scope === 'none' || records.isTombstone(address)) return false
    return this.#eviction.scope === 'all' || records.isPerishable(address)
  }

  #reasonFor(address: number): number {
    const { records } = this.#catalogue
    return this.#eviction.reason(records.markOf(address), records.expiryOf(address), this.#nowMs)
  }

  /** The next to go, 0 if nothing may. */
  #choose(): number {
    const { tombstones, tombstoneUnits, arena } = this.#catalogue
    const tombstonesFirst = tombstoneUnits > arena.limitUnits * TOMBSTONE_SHARE
    const oldest = tombstonesFirst ? this.#chooseFrom(tombstones, true) : 0
    if (oldest !== 0) return oldest
    const { scope } = this.#eviction
    const live = scope === 'all' ? this.#chooseFromAll() : scope === 'volatile' ? this.#chooseFrom(this.#catalogue.volatile, false) : 0
    return live === 0 ? this.#chooseFrom(tombstones, true) : live
  }

  #chooseFromAll(): number {
    const { entries, tombstones, records, forward } = this.#catalogue
    if (entries === tombstones.size) return 0
    const drawn = this.#drawn
    let best = 0
    for (let blanks = 0; best === 0 && blanks < MAX_BLANKS; blanks += SAMPLES) {
      // All are drawn before any is looked at, and looked at before any is judged: so the processor need not wait for one to fetch the next.
      forward.draw(this.#random, drawn)
      for (let i = 0; i < SAMPLES; i++) this.#marks[i] = records.markOf(drawn[i] as number)
      let most = Number.NEGATIVE_INFINITY
      for (let i = 0; i < SAMPLES; i++) {
        const address = drawn[i] as number
        if (address === this.#pinned || records.isTombstone(address)) continue
        const expired = records.isExpired(address, this.#nowMs)
        const reason = expired ? Number.POSITIVE_INFINITY : this.#reasonFor(address)
        if (reason <= most) continue
        best = address
        most = reason
      }
      if (best !== 0 && most !== Number.POSITIVE_INFINITY) this.#learn(most)
    }
    if (best !== 0) return best
    forward.visitAll(NO_BYTES, (address) => {
      if (address === this.#pinned || records.isTombstone(address)) return true
      best = address
      return false
    })
    return best
  }

  /** Of a list of perishable entries: the most evictable of a few, or the oldest of a few tombstones. */
  #chooseFrom(list: RefList, tombstones: boolean): number {
    const { records } = this.#catalogue
    let best = 0
    let most = Number.NEGATIVE_INFINITY
    const samples = Math.min(SAMPLES, list.size)
    const first = list.size <= SAMPLES ? 0 : -1
    for (let i = 0; i < samples; i++) {
      const address = list.at(first < 0 ? randomBelow(this.#random, list.size) : i)
      if (address === this.#pinned) continue
      const reason = tombstones
        ? -records.msOf(address)
        : records.isExpired(address, this.#nowMs)
          ? Number.POSITIVE_INFINITY
          : this.#reasonFor(address)
      if (reason <= most) continue
      best = address
      most = reason
    }
    if (best !== 0 && !tombstones && most !== Number.POSITIVE_INFINITY) this.#learn(most)
    return best
  }

  #learn(reason: number): void {
    this.#usualReason = this.#usualReason === null ? reason : this.#usualReason + (reason - this.#usualReason) / 16
  }

  #pick(): number {
    return this.#catalogue.forward.pick(this.#random)
  }
}
