/**
 * Surplus: what becomes of the copies that nobody streams to any more, and of what only they may hold.
 *
 * A copy without a seat, whose holder lives and does not stream to it, is offered for deletion once a second; the holder knows whether all seats have
 * theirs. A copy goes astray when its slot has another holder and no grant in its stream led there: the two were cut off from each other, or one is dead.
 * Of what was streamed to it before, it may hold the only copy, confirmed to a client perhaps. So it is sent to the holder, whoever that is, before it may
 * be deleted, unless digests have shown that the holder has it. What has a seat is filled and compared anyway, and is not sent from here.
 */
import { SLOT_COUNT } from '../lib/slot.ts'
import type { SlotSet } from '../lib/slot-set.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import { decodeSlots, encodeSlots, KIND_SURPLUS } from './messages.ts'
import type { PeerIdentity } from './peers.ts'
import { addToGroup, NONE } from './slot-table.ts'

const ASK_TIMEOUT_MS = 1000

export interface SurplusParts {
  /** Does the slot's holder stream it to this member? */
  readonly isStreamed: (slot: number) => boolean
  /** Under which term the copy was streamed last, if that is not the slot's term now. */
  readonly leftUnder: (slot: number) => Term | null
  /** The copy is found to have gone astray, while the slot belongs to the holder of `term`. */
  readonly strayed: (slot: number, term: Term) => void
  /** Whoever streamed the slot here under another term than it has now vouches for nothing any more. */
  readonly letGo: (slot: number) => void
  /** The copy has been deleted. */
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
  readonly #astray: (Term | null)[] = new Array(SLOT_COUNT).fill(null)
  #closed = false

  constructor(context: Context, parts: SurplusParts) {
    this.#context = context
    this.#parts = parts
  }

  isAstray(slot: number): boolean {
    return this.#astray[slot] !== null
  }

  /** Before the copy is streamed to by somebody else, or by nobody. */
  note(slot: number): void {
    const under = this.#parts.leftUnder(slot)
    if (under === null) return
    this.#astray[slot] ??= under
    const { self, table } = this.#context
    const term = table.term(slot)
    if (term !== null && term.name !== self().name) this.#parts.strayed(slot, term)
  }

  /** The slot's holder has all that is here, or is about to be sent it. */
  settled(slot: number): void {
    this.#astray[slot] = null
  }

  /** A grant was read in the stream of `from`: all that this streamed came before, and the heir, who may have been heard of earlier, has it. */
  granted(slot: number, { name, generation }: PeerIdentity): void {
    const astray = this.#astray[slot] as Term | null
    if (astray?.name === name && astray.generation === generation) this.#astray[slot] = null
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
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const term = table.term(slot)
      if (table.role(slot) !== NONE || term === null || isGone(term.name, term.generation)) continue
      if (!this.isAstray(slot)) this.note(slot)
      else if (!view().hasSeat(slot, name)) {
        this.#parts.letGo(slot)
        this.settled(slot)
        addToGroup(astray, term, slot)
      }
    }
    for (const [term, slots] of astray) this.#parts.sendBack(slots, term)
  }

  #offer(): void {
    const { isGone, table } = this.#context
    const surplus = new Map<string, SlotSet>()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const term = table.term(slot)
      if (term === null || !table.hasCopy(slot) || !this.#isSurplus(slot)) continue
      if (!isGone(term.name, term.generation)) addToGroup(surplus, term.name, slot)
    }
    for (const [holder, slots] of surplus) this.#ask(holder, slots)
  }

  #ask(holder: string, slots: SlotSet): void {
    const { calls, logger, store, table } = this.#context
    calls.call(holder, KIND_SURPLUS, encodeSlots(slots), ASK_TIMEOUT_MS, (failure, body) => {
      if (failure !== null || body === null || this.#closed) return
      let dropped = 0
      for (const slot of decodeSlots(body)) {
        if (table.term(slot) === null || !this.#isSurplus(slot)) continue
        store.dropSlot(slot)
        table.dropped(slot)
        this.#parts.deleted(slot)
        dropped++
      }
      if (dropped > 0) logger.debug({ slots: dropped }, 'deleted surplus copies')
    })
  }

  /** Nobody streams to it, it has no seat, and its holder has all of it, for what is known here. */
  #isSurplus(slot: number): boolean {
    const { self, table, view } = this.#context
    if (table.role(slot) !== NONE || this.#parts.isStreamed(slot) || view().hasSeat(slot, self().name)) return false
    return !this.isAstray(slot) && this.#parts.leftUnder(slot) === null && !this.#parts.owes(slot)
  }
}
