/**
 * The incoming half of a replication session: what one life of a primary streams to this member.
 *
 * Frames are applied in order and acknowledged message by message. The session knows which slots it covers (the primary said `follow`), how far
 * it has come (the position, a stamp of the primary's clock below which nothing is missing) and when it last heard anything. Completeness is not
 * decided here: the frames tell `FollowEvents`, in order, what they mean.
 *
 * How fresh it is, it measures by its own clock alone: each acknowledgement carries the time at which it is sent, the primary puts the latest into
 * whatever it sends next, and all that was written there before the primary read it comes no later. So neither clocks that differ nor messages that
 * were long under way make a copy look fresher than it is.
 */
import { ByteReader, MalformedError } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry } from '../lib/entry-codec.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeStamp } from '../lib/stamp-codec.ts'
import { type Stamp, ZERO_STAMP } from '../lib/version.ts'
import { decodeTerm, type Term } from '../placement/index.ts'
import {
  encodeAck,
  type FollowStatus,
  FRAME_CHECK,
  FRAME_COMPLETE,
  FRAME_DROP,
  FRAME_ENTRY,
  FRAME_FOLLOW,
  FRAME_GRANT,
  FRAME_UNFOLLOW,
  type SlotCheck,
} from './frames.ts'
import type { PeerIdentity, PeerLink } from './peers.ts'

export interface FollowEvents {
  entry(entry: Entry): void
  dropped(entry: Entry): void
  follow(session: Incoming, term: Term, slots: SlotSet, fresh: boolean): void
  unfollow(session: Incoming, slots: SlotSet): void
  check(session: Incoming, term: Term, checks: readonly SlotCheck[]): void
  complete(session: Incoming, term: Term, checks: readonly SlotCheck[]): void
  grant(session: Incoming, number: number, term: Term, slots: SlotSet): void
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
  #link: PeerLink | null = null
  #epoch = 0
  #applied = 0
  #position: Stamp = ZERO_STAMP
  #lastHeardMs: number
  #freshAtMs = Number.NEGATIVE_INFINITY
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

  /** Everything that the primary had written to what this session covers at this time, in ms of the clock, has been applied. */
  get freshAtMs(): number {
    return this.#freshAtMs
  }

  opened(link: PeerLink): void {
    this.#link?.close()
    this.#link = link
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
    const echo = reader.u48()
    if (epoch < this.#epoch) return
    this.#lastHeardMs = this.#clock.now()
    if (epoch > this.#epoch) {
      const first = this.#epoch === 0
      this.#epoch = epoch
      this.#applied = 0
      if (!first) this.#events.gap(this)
    }
    if (sequence === 0) {
      if (last === this.#applied) this.#reached(stamp, echo)
    } else if (sequence === this.#applied + 1) {
      this.#applied = sequence
      try {
        this.#frames(reader)
      } catch (error) {
        // Some of its frames are lost to us, and asking for it again would bring the same bytes.
        this.#events.gap(this)
        throw error
      }
      this.#reached(stamp, echo)
    } else if (sequence > this.#applied) {
      throw new MalformedError(`message ${sequence} after ${this.#applied}`)
    }
    this.#ackSoon()
  }

  #reached(stamp: Stamp, echo: number): void {
    this.#position = stamp
    if (echo > 0) this.#freshAtMs = echo
  }

  #ackSoon(): void {
    if (this.#ackDue) return
    this.#ackDue = true
    this.#clock.soon(() => {
      this.#ackDue = false
      if (this.#link === null) return
      const status = this.#statusDue ? this.#events.statusFor(this) : null
      this.#statusDue = false
      this.#link.send(encodeAck({ epoch: this.#epoch, sequence: this.#applied, sentMs: Math.floor(this.#clock.now()), status }))
    })
  }

  #frames(reader: ByteReader): void {
    while (reader.remaining > 0) {
      const type = reader.u8()
      const length = reader.u32()
      const start = reader.skip(length)
      this.#frame(type, new ByteReader(reader.buffer, start, start + length))
    }
  }

  #frame(type: number, body: ByteReader): void {
    switch (type) {
      case FRAME_ENTRY:
        this.#events.entry(decodeEntry(body, this.#entry))
        break
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
      default:
        // A newer version's frame: its length let us pass over it.
        break
    }
  }
}

function decodeChecks(body: ByteReader): SlotCheck[] {
  const count = body.u16()
  if (count > SLOT_COUNT) throw new MalformedError(`${count} checks`)
  const checks: SlotCheck[] = []
  for (let i = 0; i < count; i++) checks.push({ slot: body.u16() % SLOT_COUNT, high: body.u32(), low: body.u32() })
  return checks
}
