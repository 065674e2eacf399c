/**
 * The layout of what the replication and bulk channels carry; proto/peer.proto states it, this file reads and writes it.
 */
import { type ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Entry } from '../lib/entry.ts'
import { encodeEntry } from '../lib/entry-codec.ts'
import type { MessageMemory } from '../lib/message-memory.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { encodeStamp } from '../lib/stamp-codec.ts'
import type { Stamp } from '../lib/version.ts'
import { encodeTerm, type Term } from '../placement/index.ts'
import { encodeMarks, type SlotMarks } from './mark-codec.ts'
import { encodeList, type SlotList } from './repair-codec.ts'

export const FRAME_ENTRY = 1
export const FRAME_DROP = 2
export const FRAME_FOLLOW = 3
export const FRAME_UNFOLLOW = 4
export const FRAME_CHECK = 5
export const FRAME_COMPLETE = 6
export const FRAME_GRANT = 7
export const FRAME_MARKS = 8
export const FRAME_COMPARE = 9
export const FRAME_LIST = 10
export const FRAME_PROGRESS = 11
export const FRAME_TOUCH = 12

/** Of so many reads that a primary serves, its followers hear of one; each is worth as many to them. */
export const TOUCH_EVERY = 32

/** Bytes before a message's frames: epoch, sequence, last sequence, stamp. */
export const MESSAGE_HEADER_BYTES = 4 + 6 + 6 + 8
/** A frame's type and length. */
export const FRAME_HEADER_BYTES = 5
/** Touches that wait for a message: beyond this, samples are thinner. */
const MAX_TOUCH_BYTES = 16 * 1024

export interface SlotCheck {
  readonly slot: number
  readonly high: number
  readonly low: number
}

/** Gathers checks by the term that their slots are held under, as a frame has them. */
export function addCheck(checks: Map<Term, SlotCheck[]>, term: Term, check: SlotCheck): void {
  const list = checks.get(term)
  if (list === undefined) checks.set(term, [check])
  else list.push(check)
}

/** What every message and heartbeat says of a stream. */
export interface Progress {
  /** Entries put into this epoch's stream so far, sent or not. */
  readonly accepted: number
  /** See `Ack.sentMs`; 0 for none yet. */
  readonly echo: number
}

/** Gathers the frames of one message. */
export class FrameWriter {
  /** The frames, behind the place of the message's header. */
  readonly #writer = new ByteWriter(16 * 1024)
  readonly #touches = new ByteWriter(1024)

  constructor() {
    this.reset()
  }

  get bytes(): number {
    return this.#writer.length - MESSAGE_HEADER_BYTES
  }

  get hasTouches(): boolean {
    return this.#touches.length > 0
  }

  /** The entry was read: told with the next message, which this alone does not make. */
  touch({ key, keyStart, keyEnd }: Entry): void {
    if (this.#touches.length < MAX_TOUCH_BYTES) this.#touches.u16(keyEnd - keyStart).raw(key, keyStart, keyEnd)
  }

  entry(entry: Entry): void {
    const at = this.#begin(FRAME_ENTRY)
    encodeEntry(this.#writer, entry)
    this.#end(at)
  }

  drop(entry: Entry): void {
    const at = this.#begin(FRAME_DROP)
    encodeStamp(this.#writer, entry).text(entry.writer)
    this.#writer.u16(entry.keyEnd - entry.keyStart).raw(entry.key, entry.keyStart, entry.keyEnd)
    this.#end(at)
  }

  /** `fresh`: nothing has been written under this term yet, so who is complete up to it stays so. */
  follow(term: Term, slots: SlotSet, fresh: boolean): void {
    const at = this.#begin(FRAME_FOLLOW)
    encodeTerm(this.#writer, term)
    this.#writer.u8(fresh ? 1 : 0)
    slots.encode(this.#writer)
    this.#end(at)
  }

  unfollow(slots: SlotSet): void {
    const at = this.#begin(FRAME_UNFOLLOW)
    slots.encode(this.#writer)
    this.#end(at)
  }

  check(term: Term, checks: readonly SlotCheck[]): void {
    this.#termAndChecks(FRAME_CHECK, term, checks)
  }

  complete(term: Term, checks: readonly SlotCheck[]): void {
    this.#termAndChecks(FRAME_COMPLETE, term, checks)
  }

  grant(number: number, term: Term, slots: SlotSet): void {
    const at = this.#begin(FRAME_GRANT)
    this.#writer.u32(number)
    encodeTerm(this.#writer, term)
    slots.encode(this.#writer)
    this.#end(at)
  }

  /** As `check`, of followers that are complete and stay so. */
  compare(term: Term, checks: readonly SlotCheck[]): void {
    this.#termAndChecks(FRAME_COMPARE, term, checks)
  }

  list(list: SlotList): void {
    const at = this.#begin(FRAME_LIST)
    encodeList(this.#writer, list)
    this.#end(at)
  }

  marks(marks: SlotMarks): void {
    const at = this.#begin(FRAME_MARKS)
    encodeMarks(this.#writer, marks)
    this.#end(at)
  }

  /** The whole message, in that memory or in its own, and an empty writer for the next. */
  finish(epoch: number, sequence: number, stamp: Stamp, { accepted, echo }: Progress, memory: MessageMemory | null = null): Buffer {
    if (this.hasTouches) {
      this.#writer.u8(FRAME_TOUCH).block(this.#touches.view())
      this.#touches.reset()
    }
    const at = this.#begin(FRAME_PROGRESS)
    this.#writer.u48(accepted).u48(echo)
    this.#end(at)
    HEADER.reset()
    encodeStamp(HEADER.u32(epoch).u48(sequence).u48(sequence), stamp)
    const { buffer, length } = this.#writer
    HEADER.buffer.copy(buffer, 0, 0, MESSAGE_HEADER_BYTES)
    const message = memory === null ? Buffer.allocUnsafe(length) : memory.take(length)
    buffer.copy(message, 0, 0, length)
    this.reset()
    return message
  }

  reset(): void {
    this.#writer.reset()
    this.#touches.reset()
    this.#writer.claim(MESSAGE_HEADER_BYTES)
  }

  #termAndChecks(type: number, term: Term, checks: readonly SlotCheck[]): void {
    const at = this.#begin(type)
    encodeTerm(this.#writer, term)
    this.#writer.u16(checks.length)
    for (const { slot, high, low } of checks) this.#writer.u16(slot).u32(high).u32(low)
    this.#end(at)
  }

  /** Where the body starts. */
  #begin(type: number): number {
    const at = this.#writer.claim(FRAME_HEADER_BYTES)
    this.#writer.buffer[at] = type
    return at + FRAME_HEADER_BYTES
  }

  #end(bodyStart: number): void {
    const { buffer, length } = this.#writer
    const bodyLength = length - bodyStart
    buffer[bodyStart - 4] = bodyLength >>> 24
    buffer[bodyStart - 3] = bodyLength >>> 16
    buffer[bodyStart - 2] = bodyLength >>> 8
    buffer[bodyStart - 1] = bodyLength
  }
}

const HEADER = new ByteWriter(MESSAGE_HEADER_BYTES)

export function heartbeat(epoch: number, last: number, stamp: Stamp, { accepted, echo }: Progress): Buffer {
  const writer = new ByteWriter(MESSAGE_HEADER_BYTES + 12).u32(epoch).u48(0).u48(last)
  return encodeStamp(writer, stamp).u48(accepted).u48(echo).toBuffer()
}

/** What a follower says of the slots that it was told to follow. */
export interface FollowStatus {
  /** Slots that are complete under a term of the primary's. */
  readonly complete: SlotSet
  /** Slots that another member holds, as far as the follower knows. */
  readonly elsewhere: SlotSet
}

export interface Ack {
  readonly epoch: number
  readonly sequence: number
  /**
   * When it was sent, in whole ms of the follower's own clock, which nobody else can read: the primary's next message returns the latest, so that the
   * follower knows as of when it has heard everything. 0: not told.
   */
  readonly sentMs: number
  /** `null` when nothing changed since the last. */
  readonly status: FollowStatus | null
  /** Slots of which the follower had no room for a write, among those that this acknowledges; left out or `null` for none. */
  readonly refused?: SlotSet | null | undefined
}

const WITH_ELSEWHERE = 1
const WITH_REFUSED = 2

export function encodeAck({ epoch, sequence, sentMs, status, refused }: Ack): Buffer {
  const writer = new ByteWriter(32)
    .u32(epoch)
    .u48(sequence)
    .u8(status === null ? 0 : 1)
  status?.complete.encode(writer)
  // An earlier version knows no more.
  const elsewhere = status === null || status.elsewhere.size === 0 ? null : status.elsewhere
  writer.u48(sentMs).u8((elsewhere === null ? 0 : WITH_ELSEWHERE) | (refused ? WITH_REFUSED : 0))
  elsewhere?.encode(writer)
  refused?.encode(writer)
  return writer.toBuffer()
}

export function decodeAck(reader: ByteReader): Ack {
  const epoch = reader.u32()
  const sequence = reader.u48()
  const complete = reader.u8() === 1 ? SlotSet.decode(reader) : null
  const knowsMore = reader.remaining > 0
  const sentMs = knowsMore ? reader.u48() : 0
  const parts = knowsMore ? reader.u8() : 0
  const elsewhere = (parts & WITH_ELSEWHERE) === 0 ? new SlotSet() : SlotSet.decode(reader)
  const refused = (parts & WITH_REFUSED) === 0 ? null : SlotSet.decode(reader)
  return { epoch, sequence, sentMs, status: complete === null ? null : { complete, elsewhere }, refused }
}
