/**
 * Tombstone marks: what keeps a deleted key deleted after its tombstone is gone.
 *
 * The mark of a slot is the highest version of a tombstone of it that was collected. Whatever is above the mark is beyond doubt; of what is at or below
 * it a copy may only speak if it was in sync since, because then it would have seen the deletion. So a copy that was last in sync below the mark gives
 * up its entries at or below it before it follows, sends anything back, or becomes the copy that others are filled from: the primary has those of them
 * that still live. Its own tombstones it keeps: they revive nothing.
 *
 * A mark rises where a tombstone is collected, at the primary, and travels to the followers in the stream, ahead of checks and grants; a claimant takes
 * the highest that it hears. How far a copy was in sync is known to the second, and errs to the past: a primary that was beaten, and whoever followed it,
 * was in sync until the one that beat it was last heard of before. One that was silent for a moment and acknowledges again counts as heard of only when it
 * has said, asked for it, which slots it holds.
 */
import type { Entry } from '../lib/entry.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { compareStamps, type Stamp, ZERO_STAMP } from '../lib/version.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import type { SlotMarks } from './mark-codec.ts'
import type { Outgoing } from './outgoing.ts'
import type { PeerIdentity } from './peers.ts'
import { NONE, PARKED, PRIMARY } from './slot-table.ts'

/** Two members' clocks agree to within this, in ms: so much earlier than the last contact may the other have gone its own way. */
const CONTACT_DOUBT_MS = 1000
/** Between two looks at who has been heard of, a second apart: in more than this there was a silence. */
const CONTACT_GAP_MS = 1500

export interface MarkParts {
  readonly followers: Pick<Followers, 'all' | 'of' | 'seatsCompleteForMs'>
  /** How far the stream of the slot's present holder has come here; `null` if it does not stream the slot to this member. */
  readonly position: (slot: number) => Stamp | null
  /** Asks a member which slots it holds, and calls back when that is known here, if it answers. */
  readonly hear: (peer: PeerIdentity, done: () => void) => void
  /** A write that this very member had accepted, and nobody else may have, was given up. */
  readonly discarded: (slot: number) => void
}

export class Marks {
  /** Entries given up because they lay at or below a mark that their copy had missed. */
  discardsTotal = 0
  readonly #context: Context
  readonly #parts: MarkParts
  readonly #ms = new Float64Array(SLOT_COUNT)
  readonly #counters = new Uint16Array(SLOT_COUNT)
  /** By slot: every tombstone with fewer milliseconds than this was seen here; 0 for a copy that was never complete. */
  readonly #syncedMs = new Float64Array(SLOT_COUNT)
  /** By slot: 1 where this member took over with a copy that was not complete, until all seats have what it has: it is in sync no further than that copy was. */
  readonly #unproven = new Uint8Array(SLOT_COUNT)
  /** By name: when a member last acknowledged anything, in ms since 1970 by the hybrid clock. */
  readonly #contacts = new Map<string, number>()
  /** By slot: what a follower had confirmed of what this member wrote there, when the two parted. `fromMs`, since 1970, is when its stream had begun. */
  readonly #confirmed: ({ readonly fromMs: number; readonly to: Stamp } | undefined)[] = []
  /** Marks that rose and have not been told to the followers. */
  #risen = new SlotSet()

  constructor(context: Context, parts: MarkParts) {
    this.#context = context
    this.#parts = parts
  }

  of(slot: number): Stamp {
    const ms = this.#ms[slot] as number
    return ms === 0 ? ZERO_STAMP : { ms, counter: this.#counters[slot] as number }
  }

  /** May the entry have been deleted, by a tombstone that is collected? */
  isDoubtful(entry: Entry, slot: number): boolean {
    const ms = this.#ms[slot] as number
    if (entry.tombstone || entry.ms > ms || ms === 0) return false
    return entry.ms < ms || entry.counter <= (this.#counters[slot] as number)
  }

  /** The marks of those of the slots that have one. */
  among(slots: Iterable<number>): Map<number, Stamp> {
    const marks = new Map<number, Stamp>()
    for (const slot of slots) if (this.#ms[slot] !== 0) marks.set(slot, this.of(slot))
    return marks
  }

  /** A tombstone left the store without anything in its place. */
  collected(tombstone: Entry, slot: number): void {
    if (this.#raise(slot, tombstone)) this.#risen.add(slot)
  }

  heard(marks: SlotMarks): void {
    for (const [slot, mark] of marks) this.#raise(slot, mark)
  }

  /**
   * May tombstones of the slot be collected when they are old enough? Only once every seat has them, and by a member that sees more than half of all: on
   * the smaller side of a cut seats are given away, and what is missing there may be all that the slot had.
   */
  mayCollect(slot: number): boolean {
    const { clock, table, view } = this.#context
    return table.isPrimary(slot) && view().sight() === 'most' && this.#parts.followers.seatsCompleteForMs(slot, clock.now()) >= 0
  }

  /**
   * Before the copy of a slot that this member does not hold is filled from, or follows, another: gives up what it must not send. Answers how many
   * entries went. O(entries of the slot) if it was out of sync when the mark rose, else O(1).
   */
  settle(slot: number): number {
    const mark = this.of(slot)
    const { store, table } = this.#context
    const syncedMs = this.#inSyncMs(slot)
    if (mark.ms < syncedMs || mark.ms === 0) return 0
    const self = this.#context.self().name
    const doubtful: Entry[] = []
    if (table.hasCopy(slot) || store.slotEntries(slot) > 0) {
      store.scanSlot(slot, null, (entry) => {
        if (this.isDoubtful(entry, slot)) doubtful.push(entry.copy(false))
        return true
      })
    }
    for (const entry of doubtful) {
      store.drop(entry.key, entry.keyStart, entry.keyEnd, entry)
      // What was there when the copy was in sync is at the primary, or was rightly removed.
      if (entry.writer === self && entry.ms >= syncedMs && !this.isConfirmed(entry, slot)) this.#parts.discarded(slot)
    }
    this.discardsTotal += doubtful.length
    this.#syncedMs[slot] = mark.ms + 1
    return doubtful.length
  }

  /** This member is about to take the slot by a claim. */
  taking(slot: number): void {
    this.settle(slot)
    this.#unproven[slot] = this.#context.table.isComplete(slot) ? 0 : 1
  }

  /** Another member holds a slot that was ours, or that we followed another for: since it was last heard of, it may have collected what we have not seen. */
  beaten(slot: number, by: PeerIdentity): void {
    for (const outgoing of this.#parts.followers.of(slot)) this.#parted(slot, outgoing)
    this.#syncedMs[slot] = Math.min(this.#inSyncMs(slot), Math.max(0, this.#contactMs(by.name) - CONTACT_DOUBT_MS))
  }

  /** A member is held to be gone: when it was last heard of, exactly. */
  parting(name: string): void {
    for (const outgoing of this.#parts.followers.all()) {
      if (outgoing.peer.name !== name) continue
      this.#contact(outgoing.peer, outgoing.lastAckMs)
      for (const slot of outgoing.followed()) this.#parted(slot, outgoing)
    }
  }

  #parted(slot: number, { beganMs, confirmed: to }: Outgoing): void {
    const { clock, hybrid } = this.#context
    const fromMs = hybrid.physicalMs() - (clock.now() - beganMs)
    const known = this.#confirmed[slot]
    if (known === undefined) this.#confirmed[slot] = { fromMs, to }
    else if (fromMs <= known.to.ms && compareStamps(known.to, to) < 0)
      this.#confirmed[slot] = { fromMs: Math.min(fromMs, known.fromMs), to }
  }

  /**
   * Had somebody else an own write when they parted? Then what the holder has instead is of one who knew of it. Of what was written before its stream began a
   * follower says nothing.
   */
  isConfirmed(entry: Entry, slot: number): boolean {
    const known = this.#confirmed[slot]
    return known !== undefined && entry.ms >= known.fromMs && compareStamps(entry, known.to) < 0
  }

  /** When a member last acknowledged anything, in ms since 1970; 0 for never. */
  #contactMs(name: string): number {
    return this.#contacts.get(name) ?? 0
  }

  /** Whether the copy was ever complete: only then can it have anything that its primary lacks. */
  wasInSync(slot: number): boolean {
    return this.#inSyncMs(slot) > 0
  }

  /** Once a second: how far each copy is in sync, who has been heard of, and news of marks for the followers. */
  review(): void {
    const { table } = this.#context
    for (const { peer, lastAckMs } of this.#parts.followers.all()) this.#contact(peer, lastAckMs)
    for (const slot of table.completeSet()) {
      if (this.#unproven[slot] === 1 && (table.role(slot) === NONE || this.mayCollect(slot))) this.#unproven[slot] = 0
      this.#syncedMs[slot] = this.#inSyncMs(slot)
    }
    if (this.#risen.size === 0) return
    const risen = this.#risen
    this.#risen = new SlotSet()
    for (const outgoing of this.#parts.followers.all()) {
      const marks = this.among([...risen].filter((slot) => table.isPrimary(slot) && this.#parts.followers.of(slot).includes(outgoing)))
      if (marks.size > 0) outgoing.write((frames) => frames.marks(marks))
    }
  }

  /** A member acknowledged something at `lastAckMs` of the clock. After a silence it may hold slots of ours, and have collected what we have not seen. */
  #contact(peer: PeerIdentity, lastAckMs: number): void {
    const { clock, hybrid } = this.#context
    if (!Number.isFinite(lastAckMs)) return
    const heardMs = hybrid.physicalMs() - (clock.now() - lastAckMs)
    const knownMs = this.#contacts.get(peer.name) ?? Number.NEGATIVE_INFINITY
    if (heardMs - knownMs < CONTACT_GAP_MS) this.#contacts.set(peer.name, heardMs)
    else this.#parts.hear(peer, () => this.#contacts.set(peer.name, heardMs))
  }

  #inSyncMs(slot: number): number {
    const { hybrid, table } = this.#context
    const role = table.role(slot)
    const holds = role === PRIMARY || role === PARKED
    if (!table.isComplete(slot) || (holds && this.#unproven[slot] === 1)) return this.#syncedMs[slot] as number
    if (holds) return hybrid.physicalMs()
    return this.#parts.position(slot)?.ms ?? (this.#syncedMs[slot] as number)
  }

  #raise(slot: number, { ms, counter }: Stamp): boolean {
    if (compareStamps({ ms, counter }, this.of(slot)) <= 0) return false
    this.#ms[slot] = ms
    this.#counters[slot] = counter
    return true
  }
}
