/**
 * The incoming half of a replication session: what one life of a primary streams to this member.
 *
 * Frames are applied in order and acknowledged message by message. The session knows which slots it covers (the primary said `follow`), how far
 * it has come (the position, a stamp of the primary's clock below which nothing is missing) and when it last heard anything. Completeness is not
 * decided here: the frames tell `FollowEvents`, in order, what they mean.
 *
 * Entries that follow one another, and most do, are looked up together before the first is applied (`RequestRun`).
 *
 * How fresh it is, it measures by its own clock alone: each acknowledgement carries the time at which it is sent, the primary puts the latest into
 * whatever it sends next, and all that was written there before the primary read it comes no later. So neither clocks that differ nor messages that
 * were long under way make a copy look fresher than it is.
 */
import { ByteReader, MalformedError, NO_BYTES } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, keyEndAt, keyStartAt } from '../lib/entry-codec.ts'
import { RequestRun, RUN_CAPACITY } from '../lib/request-run.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeStamp } from '../lib/stamp-codec.ts'
import { type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { decodeTerm, type Term } from '../placement/index.ts'
import {
  encodeAck,
  type FollowStatus,
  FRAME_CHECK,
  FRAME_COMPARE,
  FRAME_COMPLETE,
  FRAME_DROP,
  FRAME_ENTRY,
  FRAME_FOLLOW,
  FRAME_GRANT,
  FRAME_HEADER_BYTES,
  FRAME_LIST,
  FRAME_MARKS,
  FRAME_PROGRESS,
  FRAME_TOUCH,
  FRAME_UNFOLLOW,
  type SlotCheck,
} from './frames.ts'
import { ANNOUNCE_MS, type Farewell } from './ledger.ts'
import { decodeMarks, type SlotMarks } from './mark-codec.ts'
import type { PeerIdentity, PeerLink } from './peers.ts'
import { decodeList, type SlotList } from './repair-codec.ts'

export interface FollowEvents {
  /** Entries with these keys come next, in this order. */
  ahead(run: RequestRun): void
  /** The next of those that were ahead, of that number. Answers the slot if there was no room for the entry, else -1. */
  entry(session: Incoming, entry: Entry, run: RequestRun, i: number): number
  dropped(entry: Entry): void
  /** The primary's clients read the entry: its key alone is set. */
  touched(entry: Entry): void
  follow(session: Incoming, term: Term, slots: SlotSet, fresh: boolean): void
  unfollow(session: Incoming, slots: SlotSet): void
  check(session: Incoming, term: Term, checks: readonly SlotCheck[]): void
  complete(session: Incoming, term: Term, checks: readonly SlotCheck[]): void
  grant(session: Incoming, number: number, term: Term, slots: SlotSet): void
  /** Tombstones of these slots were collected at the primary. */
  marks(marks: SlotMarks): void
  /** Digests to compare, of slots that are complete here. */
  compare(session: Incoming, term: Term, checks: readonly SlotCheck[]): void
  /** What the primary has of a slot. */
  list(session: Incoming, list: SlotList): void
  /** Frames of this session were given up: what it covered is incomplete. */
  gap(session: Incoming): void
  statusFor(session: Incoming): FollowStatus
}

export class Incoming {
  readonly peer: PeerIdentity
  /** The slots that the primary streams to this member, as it says. */
  readonly streamed = new SlotSet()
  readonly #clock: Clock
  readonly #events: FollowEvents
  readonly #entry = new Entry()
  /** The entries that come next. */
  readonly #run = new RequestRun()
  /** The body of the frame that is being read. */
  readonly #body = new ByteReader(NO_BYTES)
  #link: PeerLink | null = null
  #epoch = 0
  #applied = 0
  #position: Stamp = ZERO_STAMP
  #lastHeardMs: number
  /** Entries of this epoch: heard to have been accepted, and applied. */
  #announced = 0
  #appliedEntries = 0
  #busiest = 0
  #pace = { sinceMs: 0, announced: 0 }
  /** Slots with a refused write: not told yet, and all since the link opened, since what was told on the one before may not have arrived. */
  #refused: SlotSet | null = null
  #refusedOnLink: SlotSet | null = null
  #freshAtMs = Number.NEGATIVE_INFINITY
  /** What the message that is being read returns of this member's acknowledgements; 0 for none. */
  #echo = 0
  #statusDue = true
  #ackDue = false

  constructor(peer: PeerIdentity, clock: Clock, events: FollowEvents) {
    this.peer = peer
    this.#clock = clock
    this.#events = events
    this.#lastHeardMs = clock.now()
  }

  /** Of what this session covers, nothing with a stamp below this is missing. */
  get position(): Stamp {
    return this.#position
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  /** What is to be known of this primary if it is gone. */
  farewell(): Farewell {
    return {
      peer: this.peer,
      position: this.#position,
      announced: this.#announced,
      applied: this.#appliedEntries,
      busiest: Math.max(this.#busiest, this.#announced - this.#pace.announced),
      lastHeardMs: this.#lastHeardMs,
    }
  }

  /** Everything that the primary had written to what this session covers at this time, in ms of the clock, has been applied. */
  get freshAtMs(): number {
    return this.#freshAtMs
  }

  opened(link: PeerLink): void {
    this.#link?.close()
    this.#link = link
    this.#refused = this.#refusedOnLink
    this.#statusDue = true
    this.#ackSoon()
  }

  linkClosed(link: PeerLink): void {
    if (this.#link === link) this.#link = null
  }

  /** What is complete changed: the primary hears of it with the next acknowledgement. */
  statusChanged(): void {
    this.#statusDue = true
    this.#ackSoon()
  }

  received(message: Buffer): void {
    const reader = new ByteReader(message)
    const epoch = reader.u32()
    const sequence = reader.u48()
    const last = reader.u48()
    const stamp = decodeStamp(reader)
    if (epoch < this.#epoch) return
    this.#lastHeardMs = this.#clock.now()
    if (epoch > this.#epoch) {
      const first = this.#epoch === 0
      this.#epoch = epoch
      this.#applied = 0
      this.#appliedEntries = 0
      this.#announced = 0
      this.#pace.announced = 0
      if (!first) this.#events.gap(this)
    }
    if (sequence === 0) {
      // A member of an earlier version says nothing of either.
      if (reader.remaining >= 6) this.#heardAccepted(reader.u48())
      this.#echo = reader.remaining >= 6 ? reader.u48() : 0
      if (last === this.#applied) this.#reached(stamp)
    } else if (sequence === this.#applied + 1) {
      this.#applied = sequence
      this.#echo = 0
      try {
        this.#frames(reader)
      } catch (error) {
        // Some of its frames are lost to us, and asking for it again would bring the same bytes.
        this.#events.gap(this)
        throw error
      }
      this.#reached(stamp)
      this.#heardAccepted(this.#appliedEntries)
    } else if (sequence > this.#applied) {
      throw new MalformedError(`message ${sequence} after ${this.#applied}`)
    }
    this.#ackSoon()
  }

  #heardAccepted(entries: number): void {
    this.#announced = Math.max(this.#announced, entries)
    const pace = this.#pace
    this.#busiest = Math.max(this.#busiest, this.#announced - pace.announced)
    if (this.#lastHeardMs - pace.sinceMs < ANNOUNCE_MS) return
    pace.sinceMs = this.#lastHeardMs
    pace.announced = this.#announced
  }

  #refuse(slot: number): void {
    if (slot < 0) return
    this.#refused ??= new SlotSet()
    this.#refused.add(slot)
    this.#refusedOnLink ??= new SlotSet()
    this.#refusedOnLink.add(slot)
  }

  #reached(stamp: Stamp): void {
    this.#position = stamp
    if (this.#echo > 0) this.#freshAtMs = this.#echo
  }

  #ackSoon(): void {
    if (this.#ackDue) return
    this.#ackDue = true
    this.#clock.soon(() => {
      this.#ackDue = false
      if (this.#link === null) return
      const status = this.#statusDue ? this.#events.statusFor(this) : null
      this.#statusDue = false
      const sentMs = Math.floor(this.#clock.now())
      this.#link.send(encodeAck({ epoch: this.#epoch, sequence: this.#applied, sentMs, status, refused: this.#refused }))
      this.#refused = null
    })
  }

  #frames(reader: ByteReader): void {
    const run = this.#run
    while (reader.remaining > 0) {
      const count = readAhead(reader, run)
      if (count > 0) this.#events.ahead(run)
      for (let i = 0; i < count; i++) {
        const start = reader.at + FRAME_HEADER_BYTES
        const end = run.end[i] as number
        reader.skip(end - reader.at)
        const entry = decodeEntry(this.#body.over(reader.buffer, start, end), this.#entry)
        this.#refuse(this.#events.entry(this, entry, run, i))
        this.#appliedEntries++
      }
      if (count > 0) continue
      const type = reader.u8()
      const length = reader.u32()
      const start = reader.skip(length)
      this.#frame(type, this.#body.over(reader.buffer, start, start + length))
    }
  }

  #frame(type: number, body: ByteReader): void {
    switch (type) {
      case FRAME_ENTRY:
        // One that is whole was read ahead.
        throw new MalformedError('an entry that ends too early')
      case FRAME_DROP: {
        this.#entry.setVersion(body.u48(), body.u16(), body.text())
        const length = body.u16()
        const start = body.skip(length)
        this.#events.dropped(this.#entry.setKey(body.buffer, start, start + length))
        break
      }
      case FRAME_FOLLOW: {
        const term = decodeTerm(body)
        const fresh = body.u8() === 1
        this.#events.follow(this, term, SlotSet.decode(body), fresh)
        break
      }
      case FRAME_UNFOLLOW:
        this.#events.unfollow(this, SlotSet.decode(body))
        break
      case FRAME_CHECK:
        this.#events.check(this, decodeTerm(body), decodeChecks(body))
        break
      case FRAME_COMPLETE:
        this.#events.complete(this, decodeTerm(body), decodeChecks(body))
        break
      case FRAME_GRANT:
        this.#events.grant(this, body.u32(), decodeTerm(body), SlotSet.decode(body))
        break
      case FRAME_COMPARE:
        this.#events.compare(this, decodeTerm(body), decodeChecks(body))
        break
      case FRAME_LIST:
        this.#events.list(this, decodeList(body))
        break
      case FRAME_PROGRESS:
        this.#heardAccepted(body.u48())
        this.#echo = body.u48()
        break
      case FRAME_TOUCH:
        while (body.remaining > 0) {
          const length = body.u16()
          const start = body.skip(length)
          this.#events.touched(this.#entry.setKey(body.buffer, start, start + length))
        }
        break
      case FRAME_MARKS:
        this.#events.marks(decodeMarks(body))
        break
      default:
        // A newer version's frame: its length let us pass over it.
        break
    }
  }
}

/** Sets the keys of the entries that come next, and where each of their frames ends: as many as there are whole ones, and room. */
function readAhead({ buffer, at, remaining }: ByteReader, run: RequestRun): number {
  const end = at + remaining
  let i = 0
  while (i < RUN_CAPACITY && end - at >= FRAME_HEADER_BYTES && buffer[at] === FRAME_ENTRY) {
    const start = at + FRAME_HEADER_BYTES
    const next = start + buffer.readUInt32BE(at + 1)
    const key = next <= end ? keyStartAt(buffer, start, next) : -1
    if (key < 0) break
    run.keyStart[i] = key
    run.keyEnd[i] = keyEndAt(buffer, key)
    run.end[i] = next
    at = next
    i++
  }
  run.buffer = buffer
  run.count = i
  return i
}

function decodeChecks(body: ByteReader): SlotCheck[] {
  const count = body.u16()
  if (count > SLOT_COUNT) throw new MalformedError(`${count} checks`)
  const checks: SlotCheck[] = []
  for (let i = 0; i < count; i++) checks.push({ slot: body.u16() % SLOT_COUNT, high: body.u32(), low: body.u32() })
  return checks
}
