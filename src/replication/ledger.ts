/**
 * The ledger of lost writes: what this member knows to have been accepted and to be gone.
 *
 * Exact, by reason: `conflict`, a write that its primary accepted, that the other side of a partition had not seen, and that another primary's write of
 * the same key beat, counted where it was accepted; of several writes of one key on one side only the last can be lost, since it had itself taken the
 * place of the others. `stop`: entries that a member took with it when it left and had no heir. `discarded`: own writes, confirmed by no follower, given up
 * below a tombstone mark, or because the holder of their slot had no room for them.
 *
 * Bounded, for a primary that is gone: at least what it had announced and this follower had not applied, at most that and what it accepts in
 * `ANNOUNCE_MS` at its busiest, twice, because so long may its last announcement be in coming. It is an estimate where a primary was busier at its end
 * than ever before. Each life that ended has a window of its own. Should that member turn out to be alive the bound is struck out: exact counts follow when the two have met.
 *
 * Slots are counted as lost when they are claimed and no complete copy of them can be reached. Their last holder may only be cut off: if that very life is
 * back, its copy is as well, and they are counted as found.
 *
 * "Unseen" is told by positions: when a member is held to be gone, how far its stream had come here is kept, and what it stamped above that was not
 * seen here. Who was not streamed to by it, since it has come later, goes by what others tell of that with their tables. What comes from beyond such an end is
 * remembered: whatever is written in its place from then on knows of it. A position speaks of a stream, which carries many slots: where members heard one
 * to different ends, because cuts overlapped or followed each other, some writes are counted that were seen, and some are not that were lost.
 */
import { Entry } from '../lib/entry.ts'
import type { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp, type Version } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { PeerIdentity } from './peers.ts'
import type { Applied } from './slot-data.ts'
import { addToGroup, PARKED, PRIMARY } from './slot-table.ts'

/** A primary says at least this often how many writes it has accepted. */
export const ANNOUNCE_MS = 100
/** Of the lives that went so many are remembered; what was lost with earlier ones is added up. */
const MAX_WINDOWS = 64
/** Of so many names at most it is kept where others say that their streams ended: as many as a table tells of. */
const MAX_TOLD = 255
/** Of the writes that came from the other side of a cut so many are remembered. */
const MAX_MET = 65_536

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

/** How far anybody has heard the stream of a life that was held to be gone. */
export interface StreamEnd {
  readonly name: string
  readonly generation: number
  readonly position: Stamp
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
  /** By name: where others say that streams ended that did not come here, or the farthest that one of them says. */
  readonly #told = new Map<string, StreamEnd>()
  /** By name and generation: oldest first. */
  readonly #windows = new Map<string, LossWindow>()
  /** Of windows that are remembered no more. */
  readonly #earlier = { atLeast: 0, atMost: 0, windowMs: 0 }
  /** By name and generation of who held them last: how many slots were claimed without a complete copy. Oldest first. */
  readonly #emptied = new Map<string, number>()
  /** The slots that were claimed last, by the terms under which they were held. */
  #claimedFrom = new Map<Term, SlotSet>()
  /**
   * Writes that came from beyond the end of their writer's stream, and are known here since: what is written in their place knows of them. True for one that
   * was beaten, until its writer has been told.
   */
  readonly #met = new Map<string, boolean>()
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

  /** Where the streams of members ended that were held to be gone, by what is known here: others are told. Members that come later hold slots of theirs, too. */
  ends(): StreamEnd[] {
    return [...new Set([...this.#farewells.keys(), ...this.#told.keys()])].map((name) => this.#endOf(name) as StreamEnd)
  }

  /** Another member says where a stream ended. */
  told(end: StreamEnd): void {
    const known = this.#told.get(end.name)
    if (
      known !== undefined &&
      (known.generation > end.generation || (known.generation === end.generation && compareStamps(known.position, end.position) >= 0))
    )
      return
    this.#told.set(end.name, end)
    if (this.#told.size > MAX_TOLD) this.#told.delete(this.#told.keys().next().value as string)
  }

  /** By this member's own ears, if the life of which others tell is not a later one. */
  #endOf(name: string): StreamEnd | undefined {
    const own = this.#farewells.get(name)
    const told = this.#told.get(name)
    if (own === undefined || (told !== undefined && told.generation > own.peer.generation)) return told
    return { name, generation: own.peer.generation, position: own.position }
  }

  /** Was the entry written after its writer's stream was last heard here? `from` sends it. */
  #isUnseen(from: PeerIdentity, entry: Entry): boolean {
    const end = this.#endOf(entry.writer)
    // A later life of that name, whose stream goes on, may have written it.
    const present = entry.writer === from.name ? from.generation : this.#context.view().generationOf(entry.writer)
    return end !== undefined && (present === undefined || present === end.generation) && compareStamps(entry, end.position) > 0
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
  merge(from: PeerIdentity, entry: Entry, slot: number, apply: () => Applied): boolean {
    const verdict = this.#verdictOn(from, entry, slot)
    this.#merged(entry, verdict, apply())
    return entry.writer === from.name && this.#takeBeaten(entry)
  }

  /** The same for an entry of a stream: its sender does not know yet that it was beaten. What it lost it sends again, and hears of then. */
  mergeStreamed(from: PeerIdentity, entry: Entry, slot: number, apply: () => Applied): Applied {
    const verdict = this.#verdictOn(from, entry, slot)
    const outcome = apply()
    this.#merged(entry, verdict, outcome)
    return outcome
  }

  /** An own write of another member's, which it has no more: what this member has took its place there. Answers whether that was written without knowledge of it. */
  judge(from: PeerIdentity, entry: Entry, slot: number): boolean {
    const role = this.#context.table.role(slot)
    if ((role !== PRIMARY && role !== PARKED) || entry.writer !== from.name || !this.#isUnseen(from, entry)) return false
    if (!this.#met.has(idOf(entry))) this.#meet(entry, true)
    return this.#takeBeaten(entry)
  }

  /** Of an entry that is about to be merged: does it come as news, and has what is in its place been written without knowledge of it? */
  #verdictOn(from: PeerIdentity, entry: Entry, slot: number): 'known' | 'news' | 'rival' {
    const role = this.#context.table.role(slot)
    const end = this.#endOf(entry.writer)
    if ((role !== PRIMARY && role !== PARKED) || end === undefined || !this.#isUnseen(from, entry) || this.#met.has(idOf(entry)))
      return 'known'
    const held = this.#held
    if (!this.#context.store.peek(entry.key, entry.keyStart, entry.keyEnd, held, slot)) return 'news'
    return held.writer !== entry.writer && compareStamps(held, end.position) > 0 ? 'rival' : 'news'
  }

  #merged(entry: Entry, verdict: 'known' | 'news' | 'rival', outcome: Applied): void {
    if (verdict === 'known' || outcome === 'full') return
    if (verdict === 'rival' && outcome === 'applied') this.count('conflict', 1)
    if (verdict === 'rival' || outcome !== 'stale') this.#meet(entry, verdict === 'rival' && outcome === 'stale')
  }

  #meet(entry: Entry, beaten: boolean): void {
    this.#met.set(idOf(entry), beaten)
    if (this.#met.size > MAX_MET) this.#met.delete(this.#met.keys().next().value as string)
  }

  /** Was it beaten, and has its writer not been told? Then it is being told now. */
  #takeBeaten(entry: Entry): boolean {
    const id = idOf(entry)
    if (this.#met.get(id) !== true) return false
    this.#met.set(id, false)
    return true
  }

  /** This member goes, and takes these many entries along. */
  stopped(slots: number, entries: number): void {
    if (slots === 0) return
    this.count('stop', entries)
    this.#context.logger.warn({ slots, entries }, 'leaving without an heir: what nobody else holds completely goes with this member')
  }
}

function idOf({ ms, counter, writer }: Version): string {
  return `${ms} ${counter} ${writer}`
}

function lifeOf(name: string, generation: number): string {
  return `${name} ${generation}`
}
