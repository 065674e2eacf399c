/**
 * A walk in the order of slots, for cursors that have to be small numbers and good on every member: SCAN.
 *
 * A position is a slot and a part of it: keys of one slot are told apart by 12 bits of a hash, which is the same everywhere. The cursor is the
 * position reached, so nobody has to remember a walk, and what happens to slots meanwhile does not matter: each key has one position for ever. A page takes
 * whole slots until it has enough keys, or has looked at enough to find none; only a slot that is large by itself (hash tags) is given in parts, from what
 * `read-ahead.ts` has found of it. A page ends before such a slot, so that the page after it begins there.
 */
import { type ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import type { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import type { SlotPage } from './cache.ts'
import { ANSWER_DONE, ANSWER_REFUSED, decodeSlots, encodeSlots, KIND_SLOTS } from './messages.ts'
import type { Planner } from './planner.ts'
import { ReadAhead } from './read-ahead.ts'
import { END, PARTS, positionOf, slotAt } from './slot-position.ts'

/** Slots with more entries are given in parts when fewer are asked for. */
const WHOLE_SLOT_ENTRIES = 1000
/** A share that has looked at as many entries ends, though it found fewer: tombstones and expired entries cost as much as others. */
const MAX_LOOKED_AT = 10_000
/** Of keys. A share that has more of them ends at a position where it has less, or at the next: it travels in one message. */
const MAX_SHARE_BYTES = 1024 * 1024

interface Found {
  readonly position: number
  readonly entry: Entry
}

/** A member's share: what its slots have below the position `end`. */
interface Share {
  readonly found: readonly Found[]
  readonly end: number
}

export class SlotWalk {
  readonly #hybrid: HybridClock
  readonly #authority: Authority
  readonly #planner: Planner
  readonly #store: Store
  readonly #ahead: ReadAhead
  readonly #held = new Entry()

  constructor(clock: Clock, hybrid: HybridClock, calls: CacheCalls, authority: Authority, planner: Planner, store: Store) {
    this.#hybrid = hybrid
    this.#authority = authority
    this.#planner = planner
    this.#store = store
    this.#ahead = new ReadAhead(clock, authority, store)
    calls.handle(KIND_SLOTS, (_from, body, respond) => {
      const { primaryVersion, cursor, count } = decodeSlots(body)
      if (respond === null) return
      const refuse = (): void => respond(Buffer.of(ANSWER_REFUSED))
      if (!planner.holds(primaryVersion)) refuse()
      else this.#share(cursor, count, (share) => (share === undefined ? refuse() : respond(encodeShare(share))))
    })
  }

  /** See `Cache.scanSlots`. */
  page(cursor: number, count: number, done: (error: CacheError | null, page: SlotPage | null) => void): void {
    // One that nobody was given, which has 32 bits where it travels.
    const from = Math.min(cursor, END)
    const question = {
      kind: KIND_SLOTS,
      body: (primaryVersion: number) => encodeSlots({ primaryVersion, cursor: from, count }),
      here: (answered: (share: Share | undefined) => void) => this.#share(from, count, answered),
      read: readShare,
    }
    this.#planner.ask(question, (error, answers) => {
      if (error !== null) {
        done(error, null)
        return
      }
      const end = answers.reduce((least, { answer }) => Math.min(least, answer.end), END)
      const entries: Entry[] = []
      for (const { answer } of answers) for (const { position, entry } of answer.found) if (position < end) entries.push(entry)
      done(null, { entries, cursor: end === END ? 0 : end })
    })
  }

  /** At once, unless the page is one of a large slot. `undefined` if it is to be asked for again. */
  #share(cursor: number, count: number, done: (share: Share | undefined) => void): void {
    const found: Found[] = []
    let position = cursor
    let lookedAt = 0
    const room = new Room(found)
    while (position < END && found.length < count && lookedAt < MAX_LOOKED_AT && !room.full) {
      const slot = slotAt(position)
      const entries = this.#store.slotEntries(slot)
      const next = (slot + 1) * PARTS
      if (this.#store.slotLive(slot) === 0 || !this.#authority.isPrimary(slot)) {
        position = next
        continue
      }
      if (entries > Math.max(WHOLE_SLOT_ENTRIES, count)) {
        if (position > cursor) break
        this.#part(slot, position, Math.max(1, Math.floor((PARTS * count) / entries)), done)
        return
      }
      lookedAt += entries
      position = this.#collect(slot, position, room)
      if (position < next) this.#ahead.forget(slot)
    }
    done({ found, end: Math.min(position, END) })
  }

  /** Answers where it ended: with the slot, or before when there is no room for as much. */
  #collect(slot: number, from: number, room: Room): number {
    const nowMs = this.#hybrid.physicalMs()
    room.end = (slot + 1) * PARTS
    this.#store.scanSlot(slot, null, (entry) => {
      const position = positionOf(slot, entry.key, entry.keyStart, entry.keyEnd)
      if (position < from || position >= room.end || entry.tombstone || entry.isExpired(nowMs)) return true
      room.add({ position, entry: entry.copy(false) })
      return true
    })
    room.close()
    return room.end
  }

  /** What there is now of keys that were found ahead. */
  #part(slot: number, from: number, parts: number, done: (share: Share | undefined) => void): void {
    const { primaryVersion } = this.#authority
    this.#ahead.take(from, parts, (taken) => {
      if (taken === null || !this.#planner.holds(primaryVersion)) {
        done(undefined)
        return
      }
      const nowMs = this.#hybrid.physicalMs()
      const held = this.#held
      const found: Found[] = []
      const room = new Room(found)
      room.end = taken.end
      for (const key of taken.keys) {
        if (!this.#store.peek(key, 0, key.length, held, slot) || held.tombstone || held.isExpired(nowMs)) continue
        const position = positionOf(slot, key, 0, key.length)
        if (position < room.end) room.add({ position, entry: held.copy(false) })
      }
      room.close()
      done({ found, end: room.end })
    })
  }
}

/** What a share has found, kept to `MAX_SHARE_BYTES`: where that is too little, what has the highest positions is left for the next share. */
class Room {
  /** What is at or above this position is not taken. */
  end = END
  readonly #found: Found[]
  #bytes = 0
  #cutAbove = 2 * MAX_SHARE_BYTES

  constructor(found: Found[]) {
    this.#found = found
  }

  get full(): boolean {
    return this.#bytes >= MAX_SHARE_BYTES
  }

  add(found: Found): void {
    this.#found.push(found)
    this.#bytes += found.entry.bytes
    // Seldom enough that sorting costs little for each.
    if (this.#bytes > this.#cutAbove) this.#cut()
  }

  close(): void {
    if (this.#bytes > MAX_SHARE_BYTES) this.#cut()
  }

  #cut(): void {
    const list = this.#found.sort((a, b) => a.position - b.position)
    let bytes = 0
    let kept = 0
    // All keys of one position go together.
    while (kept < list.length && (bytes < MAX_SHARE_BYTES || list[kept]?.position === list[kept - 1]?.position)) {
      bytes += (list[kept] as Found).entry.bytes
      kept++
    }
    this.#cutAbove = 2 * bytes
    const next = list[kept]
    if (next === undefined) return
    this.end = next.position
    list.length = kept
    this.#bytes = bytes
  }
}

function encodeShare({ found, end }: Share): Buffer {
  const writer = new ByteWriter(1024).u8(ANSWER_DONE).u32(end).u32(found.length)
  for (const { position, entry } of found) encodeEntry(writer.u32(position), entry, false)
  return writer.toBuffer()
}

/** The entries are views of the answer, which is nobody else's. */
function readShare(reader: ByteReader): Share {
  const end = reader.u32()
  const count = reader.u32()
  const found: Found[] = []
  for (let i = 0; i < count; i++) found.push({ position: reader.u32(), entry: decodeEntry(reader, new Entry()) })
  return { found, end }
}
