/**
 * Surplus: what becomes of the copies that nobody streams to any more, and of what only they may hold.
 *
 * A copy without a seat, whose holder lives and does not stream to it, is offered for deletion once a second; the holder knows whether all seats have
 * theirs. A copy goes astray when its slot has another holder and no grant in its stream led there: the two were cut off from each other, or one is dead.
 * Of what was streamed to it before, it may hold the only copy, confirmed to a client perhaps. So it is sent to the holder, whoever that is, before it may
 * be deleted, unless digests have shown that the holder has it. What has a seat is filled and compared anyway, and is not sent from here.
 *
 * A copy that is deleted counts as none from that moment on; its entries are removed a few a turn, since a slot may have millions. If anything of the slot
 * comes meanwhile, or this member is about to take it, the rest stays: that is an old copy with gaps, as of a member that was away, and is treated as one. It
 * may be offered again.
 */
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import { decodeSlots, encodeSlots, KIND_SURPLUS } from './messages.ts'
import type { PeerIdentity } from './peers.ts'
import { addToGroup, NONE } from './slot-table.ts'

const ASK_TIMEOUT_MS = 1000
/** Entries of deleted copies that are removed in one turn: one or two ms. A slot counts as one more. */
export const REMOVED_A_TURN = 512

export interface SurplusParts {
  /** Does the slot's holder stream it to this member? */
  readonly isStreamed: (slot: number) => boolean
  /** Under which term the copy was streamed last, if that is not the slot's term now. */
  readonly leftUnder: (slot: number) => Term | null
  /** The copy is found to have gone astray, while the slot belongs to the holder of `term`. */
  readonly strayed: (slot: number, term: Term) => void
  /** Whoever streamed the slot here under another term than it has now vouches for nothing any more. */
  readonly letGo: (slot: number) => void
  /** The copy counts as deleted from now on. */
  readonly deleted: (slot: number) => void
  /** Is what is here of the slot still to be sent to its holder? */
  readonly owes: (slot: number) => boolean
  /** Sends the slots' entries to the holder of a term, which may lack them. */
  readonly sendBack: (slots: SlotSet, term: Term) => void
}

export class Surplus {
  readonly #context: Context
  readonly #parts: SurplusParts
  /** By slot: under which term the copy was streamed what its holder may lack, the first if there are several; `null` if it lacks nothing. */
  readonly #astrayUnder: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  /** Those that have one: of most moves it is none. */
  readonly #astray = new SlotSet()
  /** Slots whose copies have been deleted, and whose entries have not all been removed. */
  readonly #deleted = new Set<number>()
  #removing = false
  #closed = false

  constructor(context: Context, parts: SurplusParts) {
    this.#context = context
    this.#parts = parts
  }

  isAstray(slot: number): boolean {
    return this.#astray.has(slot)
  }

  /** Before the copy is streamed to by somebody else, or by nobody. */
  note(slot: number): void {
    const under = this.#parts.leftUnder(slot)
    if (under === null) return
    this.#astrayUnder[slot] ??= under
    this.#astray.add(slot)
    const { self, table } = this.#context
    const term = table.term(slot)
    if (term !== null && term.name !== self().name) this.#parts.strayed(slot, term)
  }

  /** The slot's holder has all that is here, or is about to be sent it. */
  settled(slot: number): void {
    if (!this.#astray.has(slot)) return
    this.#astrayUnder[slot] = null
    this.#astray.delete(slot)
  }

  /** A grant was read in the stream of `from`: all that this streamed came before, and the heir, who may have been heard of earlier, has it. */
  granted(slots: SlotSet, { name, generation }: PeerIdentity): void {
    for (const slot of slots.copy().retainAll(this.#astray)) {
      const under = this.#astrayUnder[slot] as Term
      if (under.name === name && under.generation === generation) this.settled(slot)
    }
  }

  /** Once a second. */
  review(): void {
    this.#returnAstray()
    this.#offer()
  }

  close(): void {
    this.#closed = true
  }

  /** A second late, as a grant may be on its way. */
  #returnAstray(): void {
    const { isGone, self, table, view } = this.#context
    const { name } = self()
    const astray = new Map<Term, SlotSet>()
    for (const holder of table.holders()) {
      if (isGone(holder.name, holder.generation)) continue
      for (const slot of holder.slots.copy().removeAll(table.engaged)) {
        if (!this.isAstray(slot)) this.note(slot)
        else if (!view().hasSeat(slot, name)) {
          this.#parts.letGo(slot)
          this.settled(slot)
          addToGroup(astray, table.term(slot) as Term, slot)
        }
      }
    }
    for (const [term, slots] of astray) this.#parts.sendBack(slots, term)
  }

  #offer(): void {
    const { isGone, table } = this.#context
    const surplus = new Map<string, SlotSet>()
    for (const { name, generation, slots } of table.holders()) {
      if (isGone(name, generation)) continue
      for (const slot of slots.copy().removeAll(table.engaged))
        if (table.hasCopy(slot) && this.#isSurplus(slot)) addToGroup(surplus, name, slot)
    }
    for (const [holder, slots] of surplus) this.#ask(holder, slots)
  }

  #ask(holder: string, slots: SlotSet): void {
    const { calls, logger, table } = this.#context
    calls.call(holder, KIND_SURPLUS, encodeSlots(slots), ASK_TIMEOUT_MS, (failure, body) => {
      if (failure !== null || body === null || this.#closed) return
      let dropped = 0
      for (const slot of decodeSlots(body)) {
        if (table.term(slot) === null || !this.#isSurplus(slot)) continue
        table.dropped(slot)
        this.#parts.deleted(slot)
        this.#deleted.add(slot)
        dropped++
      }
      if (dropped === 0) return
      logger.debug({ slots: dropped }, 'deleted surplus copies')
      if (!this.#removing) this.#remove()
    })
  }

  /** Removes entries of deleted copies: so many now, the rest in turns to come. */
  #remove(): void {
    const { clock, store, table } = this.#context
    let most = REMOVED_A_TURN
    for (const slot of this.#deleted) {
      if (most <= 0) break
      // It is a copy again, or about to be held: what has come since is not told from what was here.
      const wanted = table.hasCopy(slot) || table.role(slot) !== NONE
      if (!wanted) most -= 1 + store.dropSlot(slot, most)
      if (wanted || store.slotEntries(slot) === 0) this.#deleted.delete(slot)
    }
    this.#removing = this.#deleted.size > 0 && !this.#closed
    if (this.#removing) clock.soon(() => this.#remove())
  }

  /** Nobody streams to it, it has no seat, and its holder has all of it, for what is known here. */
  #isSurplus(slot: number): boolean {
    const { self, table, view } = this.#context
    if (table.role(slot) !== NONE || this.#parts.isStreamed(slot) || view().hasSeat(slot, self().name)) return false
    return !this.isAstray(slot) && this.#parts.leftUnder(slot) === null && !this.#parts.owes(slot)
  }
}
