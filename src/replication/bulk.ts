/**
 * Bulk: whole slots sent to one peer over a channel of their own, so that a copy delays neither writes nor heartbeats.
 *
 * Jobs are done in order; a message holds as many slots, or as much of one, as fit `MESSAGE_BYTES`, and at most `WINDOW_BYTES` are under way. One message
 * is made a turn, of `MAX_LOOKED_AT` entries at most, as what is older than wanted is looked at and not sent. A job is done when all of it has been
 * acknowledged, and fails when the link breaks: whoever ordered it decides whether to order it again. The receiver says with each acknowledgement what it had
 * no room for.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../lib/protocol.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { compareStamps, type Stamp } from '../lib/version.ts'
import type { PeerIdentity, PeerLink } from './peers.ts'
import type { SlotData } from './slot-data.ts'

const MESSAGE_BYTES = 256 * 1024
const WINDOW_BYTES = 1024 * 1024
/** Entries: some milliseconds. A message that is full of small ones has no more. */
const MAX_LOOKED_AT = 8192
/** slot, last, entries. */
const RUN_HEADER_BYTES = 2 + 1 + 4
/** Of a run: it ends its slot; its entries are gone at the sender, and are only to be judged; an earlier holder has told which of them were beaten. */
const LAST = 1
const REPLACED = 2
const JUDGED = 4
const ENTRY_LENGTH_BYTES = 4
const NO_ENTRIES: readonly Entry[] = []

/** Entries of one slot that the receiver had no room for. */
export interface Refused {
  readonly entries: number
  /** Of them, those that the sender accepted, or a member that is not there: nobody else gives account of them. */
  readonly own: number
}

export interface BulkJob {
  readonly slot: number
  /** Only entries whose stamp is at or above this. */
  readonly since: Stamp
  /** `refused` is absent where all of it was taken. */
  readonly done: (delivered: boolean, refused?: Refused) => void
  /** The first of it is about to be read from the store. Answers what is to be judged beside: writes that were here until just now. */
  readonly begun?: () => readonly Entry[]
  /** Another holder of the slot has told how many of these writes were beaten. */
  readonly judged?: boolean
}

interface UnderWay {
  readonly number: number
  readonly bytes: number
  /** Of which it holds something, and those of them that end in it. */
  readonly jobs: readonly BulkJob[]
  readonly finished: readonly BulkJob[]
}

export class BulkSender {
  readonly peer: PeerIdentity
  readonly #clock: Clock
  readonly #store: SlotData
  readonly #beaten: (writes: number) => void
  readonly #writer = new ByteWriter(MESSAGE_BYTES)
  #jobs: BulkJob[] = []
  /** Where the first job stands. */
  #token: { readonly token: unknown } | null = null
  /** Entries, for the message that is being made. */
  #lookedAt = 0
  #link: PeerLink | null = null
  #underWay: UnderWay[] = []
  #underWayBytes = 0
  /** What was refused of jobs that have not been acknowledged to their end. */
  readonly #refused = new Map<BulkJob, Refused>()
  #nextNumber = 1
  #scheduled = false
  bytesTotal = 0
  entriesTotal = 0

  /** `beaten` hears how many of this member's own writes the other has just found beaten by writes that this one had not seen. */
  constructor(peer: PeerIdentity, clock: Clock, store: SlotData, beaten: (writes: number) => void) {
    this.peer = peer
    this.#beaten = beaten
    this.#clock = clock
    this.#store = store
  }

  get isOpen(): boolean {
    return this.#link !== null
  }

  /** Queues a slot; `done` comes in a later turn. */
  send(job: BulkJob): void {
    this.#jobs.push(job)
    this.#pumpSoon()
  }

  opened(link: PeerLink): void {
    this.#link = link
    this.#pumpSoon()
  }

  /** All jobs fail, those waiting too: what they were ordered for is to be looked at anew. */
  linkClosed(link: PeerLink): void {
    if (this.#link !== link) return
    this.#link = null
    this.fail()
  }

  fail(): void {
    const failed = [...this.#underWay.flatMap((message) => message.finished), ...this.#jobs]
    this.#jobs = []
    this.#underWay = []
    this.#underWayBytes = 0
    this.#token = null
    this.#refused.clear()
    for (const job of failed) job.done(false)
  }

  received(message: Buffer): void {
    const reader = new ByteReader(message)
    const number = reader.u32()
    if (reader.remaining >= 4) this.#beaten(reader.u32())
    // A receiver of an earlier version does not tell.
    if (reader.remaining >= 2) this.#note(number, reader)
    while (this.#underWay.length > 0 && (this.#underWay[0] as UnderWay).number <= number) {
      const arrived = this.#underWay.shift() as UnderWay
      this.#underWayBytes -= arrived.bytes
      for (const job of arrived.finished) {
        const refused = this.#refused.get(job)
        this.#refused.delete(job)
        job.done(true, refused)
      }
    }
    this.#pumpSoon()
  }

  #note(number: number, reader: ByteReader): void {
    const jobs = this.#underWay.find((message) => message.number === number)?.jobs ?? []
    const count = reader.u16()
    for (let i = 0; i < count; i++) {
      const slot = reader.u16() % SLOT_COUNT
      const entries = reader.u32()
      const own = reader.u32()
      for (const job of jobs) {
        if (job.slot !== slot) continue
        const known = this.#refused.get(job)
        this.#refused.set(job, { entries: (known?.entries ?? 0) + entries, own: (known?.own ?? 0) + own })
      }
    }
  }

  #pumpSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  /** One message a turn: the rest of the turn belongs to requests. */
  #pump(): void {
    if (this.#link === null || this.#jobs.length === 0 || this.#underWayBytes >= WINDOW_BYTES) return
    const number = this.#nextNumber++
    const finished: BulkJob[] = []
    this.#lookedAt = 0
    this.#writer.reset()
    this.#writer.u8(PROTOCOL_MIN).u8(PROTOCOL_MAX).u32(number)
    while (this.#jobs.length > finished.length && this.#hasRoom) {
      const job = this.#jobs[finished.length] as BulkJob
      if (this.#run(job)) finished.push(job)
    }
    const jobs = this.#jobs.slice(0, finished.length + (this.#token === null ? 0 : 1))
    this.#jobs.splice(0, finished.length)
    const message = this.#writer.toBuffer()
    this.#underWay.push({ number, bytes: message.length, jobs, finished })
    this.#underWayBytes += message.length
    this.bytesTotal += message.length
    this.#link.send(message)
    this.#pumpSoon()
  }

  get #hasRoom(): boolean {
    return this.#writer.length < MESSAGE_BYTES && this.#lookedAt < MAX_LOOKED_AT
  }

  /** Writes what fits of one slot; true when that was the last of it. */
  #run(job: BulkJob): boolean {
    const replaced = (this.#token === null && job.begun?.()) || NO_ENTRIES
    if (replaced.length > 0) {
      this.#writer.u16(job.slot).u8(REPLACED).u32(replaced.length)
      for (const entry of replaced) this.#put(entry)
    }
    const at = this.#writer.length
    const flags = job.judged === true ? JUDGED : 0
    this.#writer.u16(job.slot).u8(flags).u32(0)
    let entries = 0
    this.#token = this.#store.scanSlot(job.slot, this.#token, (entry) => {
      if (compareStamps(entry, job.since) >= 0) {
        this.#put(entry)
        entries++
      }
      this.#lookedAt++
      return this.#hasRoom
    })
    const last = this.#token === null
    this.#writer.patchU32(at + RUN_HEADER_BYTES - 4, entries)
    if (last) this.#writer.patchU8(at + 2, flags | LAST)
    this.entriesTotal += entries
    return last
  }

  #put(entry: Entry): void {
    const start = this.#writer.u32(0).length
    encodeEntry(this.#writer, entry)
    this.#writer.patchU32(start - ENTRY_LENGTH_BYTES, this.#writer.length - start)
  }
}

/**
 * Reads one bulk message: calls `apply` for each entry, with whether its sender knows already if it was beaten, or `judge` for one that the sender has no more,
 * and returns the number to acknowledge. Throws `MalformedError`.
 */
export function readBulk(
  message: Buffer,
  apply: (entry: Entry, slot: number, judged: boolean) => void,
  judge: (entry: Entry, slot: number) => void = () => {},
): number {
  const reader = new ByteReader(message)
  const min = reader.u8()
  const max = reader.u8()
  if (max < PROTOCOL_MIN || min > PROTOCOL_MAX) throw new MalformedError(`a snapshot of protocol ${min} to ${max}`)
  const number = reader.u32()
  const entry = new Entry()
  while (reader.remaining > 0) {
    const slot = reader.u16() % SLOT_COUNT
    const flags = reader.u8()
    const take = (flags & REPLACED) === 0 ? apply : judge
    const judged = (flags & JUDGED) !== 0
    const entries = reader.u32()
    for (let i = 0; i < entries; i++) {
      const length = reader.u32()
      const start = reader.skip(length)
      take(decodeEntry(new ByteReader(message, start, start + length), entry), slot, judged)
    }
  }
  return number
}

/** `beaten`: of the sender's own writes in the message, those that lost to writes it had not seen. `refused`: by slot, what there was no room for. */
export function encodeBulkAck(number: number, beaten: number, refused: ReadonlyMap<number, Refused>): Buffer {
  const writer = new ByteWriter(16).u32(number).u32(beaten).u16(refused.size)
  for (const [slot, { entries, own }] of refused) writer.u16(slot).u32(entries).u32(own)
  return writer.toBuffer()
}
