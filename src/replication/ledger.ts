/**
 * The ledger of lost writes: what this member knows to have been accepted and to be gone.
 *
 * Exact, by reason: `conflict`, a write that its primary accepted, that the other side of a partition had not seen, and that another primary's write of
 * the same key beat, counted where it was accepted; of several writes of one key on one side only the last can be lost, since it had itself taken the
 * place of the others. `stop`: entries that a member took with it when it left and had no heir. `discarded`: own writes given up below a
 * tombstone mark, or because the holder of their slot had no room for them.
 *
 * Bounded, for a primary that is gone: at least what it had announced and this follower had not applied, at most that and what it accepts in
 * `ANNOUNCE_MS` at its busiest, twice, because so long may its last announcement be in coming. It is an estimate where a primary was busier at its end
 * than ever before. Each life that ended has a window of its own. Should that member turn out to be alive the bound is struck out: exact counts follow when the two have met.
 *
 * Slots are counted as lost when they are claimed and no complete copy of them can be reached. Their last holder may only be cut off: if that very life is
 * back, its copy is as well, and they are counted as found.
 *
 * "Unseen" is told by positions: when a member is held to be gone, how far its stream had come here is kept, and what it stamped above that was not
 * seen here.
 */
import { Entry } from '../lib/entry.ts'
import type { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { PeerIdentity } from './peers.ts'
import { addToGroup, PARKED, PRIMARY } from './slot-table.ts'

/** A primary says at least this often how many writes it has accepted. */
export const ANNOUNCE_MS = 100
/** Of the lives that went so many are remembered; what was lost with earlier ones is added up. */
const MAX_WINDOWS = 64

/** How far a primary's stream had come when it was held to be gone. */
export interface Farewell {
  readonly peer: PeerIdentity
  readonly position: Stamp
  /** Writes that it said it had accepted for this follower, and those of them that arrived. */
  readonly announced: number
  readonly applied: number
  /** The most writes that it announced within `ANNOUNCE_MS`. */
  readonly busiest: number
  readonly lastHeardMs: number
}

/** What may have been lost with a primary that is gone. */
export interface LossWindow {
  readonly member: string
  readonly generation: number
  slots: number
  readonly atLeast: number
  readonly atMost: number
  /** From the last frame heard to the claim, in ms. */
  readonly windowMs: number
}

export interface LedgerStats {
  readonly conflict: number
  readonly stop: number
  readonly discarded: number
  readonly atLeast: number
  readonly atMost: number
  /** The longest of the windows, in ms. */
  readonly windowMs: number
}

export class Ledger {
  readonly #context: Context
  readonly #lost = { conflict: 0, stop: 0, discarded: 0 }
  readonly #farewells = new Map<string, Farewell & { readonly inOrder: boolean }>()
  /** By name and generation: oldest first. */
  readonly #windows = new Map<string, LossWindow>()
  /** Of windows that are remembered no more. */
  readonly #earlier = { atLeast: 0, atMost: 0, windowMs: 0 }
  /** By name and generation of who held them last: how many slots were claimed without a complete copy. Oldest first. */
  readonly #emptied = new Map<string, number>()
  /** The slots that were claimed last, by the terms under which they were held. */
  #claimedFrom = new Map<Term, SlotSet>()
  slotsLostTotal = 0
  slotsFoundTotal = 0
  readonly #held = new Entry()

  constructor(context: Context) {
    this.#context = context
  }

  get windows(): IterableIterator<LossWindow> {
    return this.#windows.values()
  }

  stats(): LedgerStats {
    let { atLeast, atMost, windowMs } = this.#earlier
    for (const window of this.#windows.values()) {
      atLeast += window.atLeast
      atMost += window.atMost
      windowMs = Math.max(windowMs, window.windowMs)
    }
    return { ...this.#lost, atLeast, atMost, windowMs }
  }

  count(reason: 'conflict' | 'stop' | 'discarded', writes: number): void {
    this.#lost[reason] += writes
  }

  /**
   * A member is held to be gone; `farewell` is absent if it streamed nothing to this one. One that left in order has handed everything over, or has
   * counted itself what it took along: its end leaves no window.
   */
  gone(name: string, farewell: Farewell | undefined, inOrder: boolean): void {
    if (farewell !== undefined) this.#farewells.set(name, { ...farewell, inOrder })
  }

  /** A member is there; if it is the very life that was held to be gone, nothing went with it. */
  present({ name, generation }: PeerIdentity): void {
    const life = lifeOf(name, generation)
    const slots = this.#emptied.get(life) ?? 0
    if (!this.#windows.delete(life) && slots === 0) return
    this.#emptied.delete(life)
    this.slotsFoundTotal += slots
    this.#context.logger.info(
      { member: name, slots },
      'a member that was held to be gone is back: what it has and what it accepted meanwhile is merged',
    )
  }

  /** Slots are about to be taken by a claim: whoever held them is gone. */
  claimed(slots: SlotSet): void {
    const { clock, logger, table } = this.#context
    const touched = new Set<LossWindow>()
    this.#claimedFrom = new Map()
    for (const slot of slots) {
      const term = table.term(slot)
      if (term !== null) addToGroup(this.#claimedFrom, term, slot)
      const farewell = term === null ? undefined : this.#farewells.get(term.name)
      if (term === null || farewell?.peer.generation !== term.generation || farewell.inOrder) continue
      const life = lifeOf(term.name, term.generation)
      let window = this.#windows.get(life)
      if (window === undefined) {
        const atLeast = Math.max(0, farewell.announced - farewell.applied)
        window = {
          member: term.name,
          generation: term.generation,
          slots: 0,
          atLeast,
          atMost: atLeast + 2 * farewell.busiest,
          windowMs: clock.now() - farewell.lastHeardMs,
        }
        this.#windows.set(life, window)
        if (this.#windows.size > MAX_WINDOWS) this.#addUpOldest()
      }
      window.slots++
      touched.add(window)
    }
    for (const window of touched) logger.warn({ ...window }, 'a primary is gone: what it may have taken along')
  }

  /** Of the slots that were claimed last, those of which no complete copy could be reached. */
  emptied(slots: SlotSet): void {
    for (const [{ name, generation }, held] of this.#claimedFrom) {
      let count = 0
      for (const slot of held) if (slots.has(slot)) count++
      if (count === 0) continue
      const life = lifeOf(name, generation)
      this.slotsLostTotal += count
      this.#emptied.set(life, (this.#emptied.get(life) ?? 0) + count)
      if (this.#emptied.size > MAX_WINDOWS) this.#emptied.delete(this.#emptied.keys().next().value as string)
    }
  }

  #addUpOldest(): void {
    const [life, { atLeast, atMost, windowMs }] = this.#windows.entries().next().value as [string, LossWindow]
    this.#windows.delete(life)
    this.#earlier.atLeast += atLeast
    this.#earlier.atMost += atMost
    this.#earlier.windowMs = Math.max(this.#earlier.windowMs, windowMs)
  }

  /**
   * An entry of another member's bulk is to be merged by `apply`. Answers whether a write of that very member was lost by it; one of ours is counted here.
   * What a third has written is judged by when its writer was last heard, and is counted where it was accepted only when the writer sends it.
   */
  merge(from: PeerIdentity, entry: Entry, slot: number, apply: () => 'applied' | 'same' | 'stale' | 'full'): boolean {
    const role = this.#context.table.role(slot)
    const farewell = this.#farewells.get(entry.writer)
    const unseen =
      (role === PRIMARY || role === PARKED) &&
      farewell !== undefined &&
      (entry.writer !== from.name || farewell.peer.generation === from.generation) &&
      compareStamps(entry, farewell.position) > 0 &&
      this.#context.store.peek(entry.key, entry.keyStart, entry.keyEnd, this.#held, slot) &&
      this.#held.writer !== entry.writer &&
      compareStamps(this.#held, farewell.position) > 0
    const outcome = apply()
    if (!unseen) return false
    if (outcome === 'applied') this.count('conflict', 1)
    return outcome === 'stale' && entry.writer === from.name
  }

  /** This member goes, and takes these many entries along. */
  stopped(slots: number, entries: number): void {
    if (slots === 0) return
    this.count('stop', entries)
    this.#context.logger.warn({ slots, entries }, 'leaving without an heir: what nobody else holds completely goes with this member')
  }
}

function lifeOf(name: string, generation: number): string {
  return `${name} ${generation}`
}
