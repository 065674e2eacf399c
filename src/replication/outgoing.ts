/**
 * The outgoing half of a replication session: what this member streams, as a primary, to one life of one follower.
 *
 * Frames of one turn, or 64 KiB of them, become one message with a sequence number; messages wait here until acknowledged, so that a stream that broke for a moment
 * resumes without a gap. What waits is bounded: over the bound everything is given up, a new epoch begins, and the follower's copies have to be
 * checked again. At most `WINDOW_BYTES` are under way, so a slow follower costs this member the backlog and nothing else.
 */
import { ByteReader, MESSAGE_HEADROOM } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Entry } from '../lib/entry.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { MessageMemory } from '../lib/message-memory.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { decodeAck, type FollowStatus, FrameWriter, heartbeat, type Progress } from './frames.ts'
import type { PeerIdentity, PeerLink } from './peers.ts'

/** What a follower is to one slot of this primary. */
export const UNFOLLOWED = 0
/** It gets every write, and lacks some or all of what was before. */
export const FOLLOWING = 1
/** Digests are being compared. */
export const CHECKING = 2
/** The snapshot is under way. */
export const FILLING = 3
/** The snapshot was applied; its word that the copy is complete is awaited. */
export const FILLED = 4
export const COMPLETE = 5
export type FollowState = 0 | 1 | 2 | 3 | 4 | 5

const IN_SYNC_MS = 1000
/** Stamps of entries are whole milliseconds, and were given a moment before their message was. */
const ROUNDING_MS = 20
const WINDOW_BYTES = 8 * 1024 * 1024
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024
/** Of more frames a message is made before the turn ends: what is copied and sent at once should not push everything else out of the processor's cache. */
const FLUSH_BYTES = 64 * 1024

/**
 * What became of what somebody waits for: the follower `held` it once; this life of it, or this member, is `gone`; or it is `void`, because the session
 * began anew, or the follower had no room for the write or goes by another holder of the slot.
 */
type Arrival = 'held' | 'gone' | 'void'

/** Somebody waits for the follower to have applied all up to a message. */
interface Confirmation {
  readonly sequence: number
  /** The slot that it is about; -1 for all, and for one that has been granted away since. */
  slot: number
  readonly done: (arrival: Arrival) => void
}

interface Waiting {
  readonly sequence: number
  readonly message: Buffer
  /** All that was written before has a lower one. */
  readonly stamp: Stamp
  readonly sinceMs: number
}

export interface OutgoingEvents {
  /** A number above all that this member has begun an epoch with, towards anybody: a follower tells by it that an earlier session was given up. */
  nextEpoch(): number
  /** Everything streamed so far is void: the follower follows nothing. */
  reset(outgoing: Outgoing): void
  /** The follower goes by another holder of slots that it was told to follow: it follows them no more. */
  disowned(outgoing: Outgoing): void
}

export class Outgoing {
  readonly peer: PeerIdentity
  /** When the stream began, in ms of the clock. */
  readonly beganMs: number
  /** By slot, a `FollowState`. */
  readonly states = new Uint8Array(SLOT_COUNT)
  /** By slot: when the present state began, in ms of the clock. */
  readonly sinceMs = new Float64Array(SLOT_COUNT)
  /** By slot: the message that carried the last frame about the state; the follower's word counts from its acknowledgement on. */
  readonly #controlSequence = new Float64Array(SLOT_COUNT)
  readonly #clock: Clock
  readonly #hybrid: HybridClock
  readonly #events: OutgoingEvents
  readonly #frames = new FrameWriter()
  readonly #memory = new MessageMemory()
  readonly #waiting: Waiting[] = []
  /** In ascending order of the sequence. */
  readonly #confirmations = new Set<Confirmation>()
  /** Slots that this member holds no more, of which somebody may still wait for a confirmation. */
  #lost: SlotSet | null = null
  #link: PeerLink | null = null
  /** The follower has said, on this link, where to go on. */
  #resumed = false
  #epoch: number
  #nextSequence = 1
  #sentSequence = 0
  #ackedSequence = 0
  #confirmed: Stamp = ZERO_STAMP
  #waitingBytes = 0
  #underWayBytes = 0
  #lastAckMs = Number.NEGATIVE_INFINITY
  /** When the follower sent its latest acknowledgement, by its own clock: told back to it. */
  #echo = 0
  #flushScheduled = false
  #closed = false
  /** Entries put into this epoch's stream. */
  #accepted = 0
  /** Slots that it follows and is not complete in. */
  readonly #incomplete = new SlotSet()
  /** Slots that it is complete in. */
  readonly #complete = new SlotSet()
  /** Before this time, in ms of the clock, no slot of the follower's is due to be led on, unless the state of one changes. */
  leadAtMs = 0

  constructor(peer: PeerIdentity, clock: Clock, hybrid: HybridClock, events: OutgoingEvents) {
    this.peer = peer
    this.#epoch = events.nextEpoch()
    this.#clock = clock
    this.beganMs = clock.now()
    this.#hybrid = hybrid
    this.#events = events
  }

  /** Bytes streamed or to be streamed that the follower has not confirmed. */
  get backlogBytes(): number {
    return this.#waitingBytes + this.#frames.bytes
  }

  get lastAckMs(): number {
    return this.#lastAckMs
  }

  /** For how long the follower, which is there, has not been heard over its stream; since it is there, if it never was. */
  silentMs(nowMs: number): number {
    return nowMs - Math.max(this.#lastAckMs, this.beganMs)
  }

  /** The same, while something waits for the follower's acknowledgement; else 0. */
  lagMs(nowMs: number): number {
    return this.backlogBytes > 0 ? this.silentMs(nowMs) : 0
  }

  get isOpen(): boolean {
    return this.#link !== null && this.#resumed
  }

  /** The follower has confirmed all below this stamp that was written to slots while it followed them. */
  get confirmed(): Stamp {
    return this.#confirmed
  }

  /** The slots that it follows. */
  followed(): SlotSet {
    return this.#complete.copy().addAll(this.#incomplete)
  }

  /** How many slots it follows and is not complete in. */
  get incomplete(): number {
    return this.#incomplete.size
  }

  /** Those. Not to be changed. */
  incompleteSlots(): SlotSet {
    return this.#incomplete
  }

  state(slot: number): FollowState {
    return this.states[slot] as FollowState
  }

  setState(slot: number, state: FollowState): void {
    if (state === UNFOLLOWED || state === COMPLETE) this.#incomplete.delete(slot)
    else this.#incomplete.add(slot)
    if (state === COMPLETE) this.#complete.add(slot)
    else this.#complete.delete(slot)
    this.states[slot] = state
    this.sinceMs[slot] = this.#clock.turn()
    this.leadAtMs = 0
  }

  /** `setState` of many. */
  setStates(slots: SlotSet, state: FollowState): void {
    const nowMs = this.#clock.turn()
    this.#incomplete.removeAll(slots)
    this.#complete.removeAll(slots)
    if (state === COMPLETE) this.#complete.addAll(slots)
    else if (state !== UNFOLLOWED) this.#incomplete.addAll(slots)
    for (const slot of slots) {
      this.states[slot] = state
      this.sinceMs[slot] = nowMs
    }
    this.leadAtMs = 0
  }

  /**
   * This member holds the slot no more. What it wrote there and did not grant away is with nobody who serves it, even where the follower reads it: it is
   * confirmed to nobody. O(1): who waits hears of it before the next acknowledgement counts.
   */
  lose(slot: number): void {
    this.setState(slot, UNFOLLOWED)
    if (this.#confirmations.size === 0) return
    this.#lost ??= new SlotSet()
    this.#lost.add(slot)
  }

  /** The same for many. */
  loseAll(slots: SlotSet): void {
    this.setStates(slots, UNFOLLOWED)
    if (this.#confirmations.size > 0) this.#lost = slots.copy().addAll(this.#lost ?? slots)
  }

  /** The frame about to be written speaks of the slot's state. */
  markControl(slot: number): void {
    this.#controlSequence[slot] = this.#nextSequence
  }

  markControls(slots: SlotSet): void {
    for (const slot of slots) this.#controlSequence[slot] = this.#nextSequence
  }

  /** Has the follower confirmed the last frame about the slot's state? */
  controlConfirmed(slot: number): boolean {
    return this.#ackedSequence >= (this.#controlSequence[slot] as number)
  }

  /** The slots that it is `inSync` in. */
  inSyncSlots(nowMs: number): SlotSet {
    return this.#isInTime(nowMs) ? this.#complete.copy() : new SlotSet()
  }

  /** Complete by its own word, and it has acknowledged all that has waited for a second or longer. */
  inSync(slot: number, nowMs: number): boolean {
    return this.states[slot] === COMPLETE && this.#isInTime(nowMs)
  }

  #isInTime(nowMs: number): boolean {
    if (nowMs - this.#lastAckMs >= IN_SYNC_MS) return false
    const [oldest] = this.#waiting
    return oldest === undefined || nowMs - oldest.sinceMs < IN_SYNC_MS
  }

  /** Has the follower acknowledged all that was written this long ago, or longer? */
  holdsFrom(ageMs: number, nowMs: number): boolean {
    if (this.#frames.bytes === 0 && this.#waiting.length === 0) return true
    return nowMs - (this.#waiting[0]?.sinceMs ?? nowMs) + ROUNDING_MS < ageMs
  }

  /**
   * Calls back once when the follower holds every write of the slot that was made so far: at once, if it does. One that does not follow the slot, or
   * not any more, has been sent nothing of it. Answers a function that ends the waiting.
   */
  whenConfirmed(slot: number, done: (arrival: Arrival) => void): () => void {
    if (this.#closed || this.states[slot] !== UNFOLLOWED) return this.whenApplied(done, slot)
    done('void')
    return () => {}
  }

  /** Calls back once when the follower has applied all that was streamed so far, of whatever slots: at once, if it has. Answers as above. */
  whenApplied(done: (arrival: Arrival) => void, slot: number = -1): () => void {
    this.#disappointLost()
    const sequence = this.#frames.bytes > 0 ? this.#nextSequence : this.#nextSequence - 1
    if (this.#closed) done('gone')
    else if (this.#ackedSequence >= sequence) done('held')
    else {
      const confirmation = { sequence, slot, done }
      this.#confirmations.add(confirmation)
      return () => this.#confirmations.delete(confirmation)
    }
    return () => {}
  }

  /** The slots are being granted away in this stream: what was written to them before comes before, whomever the follower goes by afterwards. */
  granting(slots: SlotSet): void {
    for (const confirmation of this.#confirmations) if (slots.has(confirmation.slot)) confirmation.slot = -1
  }

  /** Adds frames to this turn's message. */
  write(put: (frames: FrameWriter) => void): void {
    if (this.#closed) return
    put(this.#frames)
    if (this.#frames.bytes >= FLUSH_BYTES) this.flush()
    else this.#flushSoon()
  }

  /** Adds a write to this turn's message: `write`, without a closure for each. */
  writeEntry(entry: Entry): void {
    if (this.#closed) return
    this.#frames.entry(entry)
    this.#accepted++
    if (this.#frames.bytes >= FLUSH_BYTES) this.flush()
    else this.#flushSoon()
  }

  /** The entry was read here: told to a follower that is there to hear it, with the next message or beat. */
  touch(entry: Entry): void {
    if (this.isOpen) this.#frames.touch(entry)
  }

  /** Ends this turn's message now: what it grants must not wait for the rest of the turn. */
  flush(): void {
    if (!this.#closed && this.#frames.bytes > 0) this.#finish()
  }

  #finish(): void {
    const sequence = this.#nextSequence++
    // A stamp of its own: what is written after it is above it, so it parts what the follower has seen from what it has not.
    const stamp = this.#hybrid.next()
    const message = this.#frames.finish(this.#epoch, sequence, stamp, this.#progress(), this.#memory)
    this.#waiting.push({ sequence, message, stamp, sinceMs: this.#clock.now() })
    this.#waitingBytes += message.length
    if (this.#waitingBytes > MAX_BACKLOG_BYTES) this.#giveUp()
    else this.#pump()
  }

  /** Says that this member lives, and how far its clock is; what was gathered goes first, because the stamp vouches for it. */
  beat(): void {
    const sentBefore = this.#sentSequence
    if (!this.#closed && (this.#frames.bytes > 0 || this.#frames.hasTouches)) this.#finish()
    const last = this.#nextSequence - 1
    // A message that has just left says all that a heartbeat does.
    if (this.#sentSequence > sentBefore && this.#sentSequence === last) return
    if (!this.isOpen) return
    // Where nothing was written there is nothing to part, and a member that does not know the time yet gives no stamps.
    const stamp = last === 0 ? this.#hybrid.current() : this.#hybrid.next()
    this.#link?.send(heartbeat(this.#epoch, last, stamp, this.#progress()))
  }

  #progress(): Progress {
    return { accepted: this.#accepted, echo: this.#echo }
  }

  opened(link: PeerLink): void {
    this.#memory.abandon()
    this.#link = link
    this.#resumed = false
  }

  linkClosed(link: PeerLink): void {
    if (this.#link !== link) return
    this.#memory.abandon()
    this.#link = null
    this.#resumed = false
  }

  received(message: Buffer): void {
    const ack = decodeAck(new ByteReader(message))
    const sequence = ack.epoch === this.#epoch ? ack.sequence : 0
    this.#lastAckMs = this.#clock.now()
    this.#echo = Math.max(this.#echo, ack.sentMs)
    if (!this.#resumed) {
      this.#resumed = true
      this.#sentSequence = Math.max(sequence, this.#ackedSequence)
      this.#underWayBytes = 0
    }
    this.#disappointLost()
    // Before anything is confirmed: one that goes by another holder confirms nothing.
    if (ack.status !== null && ack.epoch === this.#epoch) this.#believe(ack.sequence, ack.status)
    this.#release(sequence, ack.refused ?? null)
    this.#pump()
  }

  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#waitingBytes = 0
    this.#link = null
    this.#disappoint('gone')
  }

  #release(sequence: number, refused: SlotSet | null): void {
    this.#ackedSequence = Math.max(this.#ackedSequence, sequence)
    let released = 0
    for (const { sequence: own, message, stamp } of this.#waiting) {
      if (own > this.#ackedSequence) break
      this.#confirmed = stamp
      released++
      this.#waitingBytes -= message.length
      if (own <= this.#sentSequence) this.#underWayBytes = Math.max(0, this.#underWayBytes - message.length)
      this.#memory.give(message)
    }
    if (released > 0) this.#waiting.splice(0, released)
    for (const confirmation of this.#confirmations) {
      if (confirmation.sequence > this.#ackedSequence) break
      this.#confirmations.delete(confirmation)
      // It may have read the write and had no room for it.
      confirmation.done(refused?.has(confirmation.slot) === true ? 'void' : 'held')
    }
  }

  #disappointLost(): void {
    const lost = this.#lost
    if (lost === null) return
    this.#lost = null
    this.#disappoint('void', ({ slot }) => slot >= 0 && lost.has(slot))
  }

  #disappoint(arrival: Arrival, chosen: (confirmation: Confirmation) => boolean = () => true): void {
    const disappointed = [...this.#confirmations].filter(chosen)
    for (const confirmation of disappointed) this.#confirmations.delete(confirmation)
    for (const { done } of disappointed) done(arrival)
  }

  #believe(sequence: number, { complete, elsewhere }: FollowStatus): void {
    // For most slots its word is no news: only the others are looked at.
    const disowned = this.#heard(elsewhere.copy().retainAll(this.#complete.copy().addAll(this.#incomplete)), sequence)
    const gained = this.#heard(complete.copy().retainAll(this.#incomplete).removeAll(disowned), sequence)
    const lost = this.#heard(this.#complete.copy().removeAll(complete).removeAll(disowned), sequence)
    if (gained.size > 0) this.setStates(gained, COMPLETE)
    if (lost.size > 0) this.setStates(lost, FOLLOWING)
    if (disowned.size === 0) return
    this.setStates(disowned, UNFOLLOWED)
    this.#disappoint('void', ({ slot }) => slot >= 0 && disowned.has(slot))
    this.#events.disowned(this)
  }

  /** Leaves those of the slots in the set whose state the follower had heard of when it had applied a message. */
  #heard(slots: SlotSet, sequence: number): SlotSet {
    for (const slot of slots) if ((this.#controlSequence[slot] as number) > sequence) slots.delete(slot)
    return slots
  }

  #pump(): void {
    if (this.#link === null || !this.#resumed) return
    const first = this.#waiting[0]?.sequence ?? 0
    for (let i = Math.max(0, this.#sentSequence - first + 1); i < this.#waiting.length; i++) {
      if (this.#underWayBytes >= WINDOW_BYTES) return
      const { sequence, message } = this.#waiting[i] as Waiting
      this.#link.send(message, MESSAGE_HEADROOM)
      this.#sentSequence = sequence
      this.#underWayBytes += message.length
    }
  }

  #flushSoon(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#clock.soon(() => {
      this.#flushScheduled = false
      this.flush()
    })
  }

  #giveUp(): void {
    this.#epoch = this.#events.nextEpoch()
    this.#nextSequence = 1
    this.#sentSequence = 0
    this.#ackedSequence = 0
    this.#memory.abandon()
    this.#waiting.length = 0
    this.#waitingBytes = 0
    this.#underWayBytes = 0
    this.#accepted = 0
    this.#frames.reset()
    this.setStates(this.#complete.copy().addAll(this.#incomplete), UNFOLLOWED)
    this.#events.reset(this)
    this.#disappoint('void')
  }
}
