/**
 * A walk in the order of slots, for cursors that have to be small numbers and good on every member: SCAN.
 *
 * A position is a slot and a part of it: keys of one slot are told apart by 12 bits of a hash, which is the same everywhere. The cursor is the
 * position reached, so nobody remembers a walk, and what happens to slots meanwhile does not matter: each key has one position for ever. A page takes
 * whole slots until it has enough keys, or has looked at enough to find none; only a slot that is large by itself (hash tags) is given in parts, each of which looks at all its keys.
 */
import { type ByteReader, ByteWriter } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import type { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import type { SlotPage } from './cache.ts'
import { ANSWER_DONE, ANSWER_REFUSED, decodeSlots, encodeSlots, KIND_SLOTS } from './messages.ts'
import type { Planner } from './planner.ts'

const PARTS = 4096
const END = SLOT_COUNT * PARTS
/** Slots with more keys are given in parts when fewer are asked for. */
const WHOLE_SLOT_KEYS = 1000
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

  constructor(hybrid: HybridClock, calls: CacheCalls, authority: Authority, planner: Planner, store: Store) {
    this.#hybrid = hybrid
    this.#authority = authority
    this.#planner = planner
    this.#store = store
    calls.handle(KIND_SLOTS, (_from, body, respond) => {
      const { primaryVersion, cursor, count } = decodeSlots(body)
      respond?.(planner.holds(primaryVersion) ? encodeShare(this.#share(cursor, count)) : Buffer.of(ANSWER_REFUSED))
    })
  }

  /** See `Cache.scanSlots`. */
  page(cursor: number, count: number, done: (error: CacheError | null, page: SlotPage | null) => void): void {
    // One that nobody was given, which has 32 bits where it travels.
    const from = Math.min(cursor, END)
    const question = {
      kind: KIND_SLOTS,
      body: (primaryVersion: number) => encodeSlots({ primaryVersion, cursor: from, count }),
      here: () => this.#share(from, count),
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

  #share(cursor: number, count: number): Share {
    const found: Found[] = []
    let position = cursor
    let lookedAt = 0
    const room = new Room(found)
    while (position < END && found.length < count && lookedAt < MAX_LOOKED_AT && !room.full) {
      const slot = Math.floor(position / PARTS)
      const next = (slot + 1) * PARTS
      const keys = this.#store.slotLive(slot)
      if (keys === 0 || !this.#authority.isPrimary(slot)) {
        position = next
        continue
      }
      const whole = keys <= Math.max(WHOLE_SLOT_KEYS, count)
      const end = whole ? next : Math.min(next, position + Math.max(1, Math.floor((PARTS * count) / keys)))
      lookedAt += this.#store.slotEntries(slot)
      position = this.#collect(slot, position, end, room)
    }
    return { found, end: Math.min(position, END) }
  }

  /** Answers where it ended: at `end`, or before when there is no room for as much. */
  #collect(slot: number, from: number, end: number, room: Room): number {
    const nowMs = this.#hybrid.physicalMs()
    const first = slot * PARTS
    room.end = end
    this.#store.scanSlot(slot, null, (entry) => {
      const position = first + partOf(entry.key, entry.keyStart, entry.keyEnd)
      if (position < from || position >= room.end || entry.tombstone || entry.isExpired(nowMs)) return true
      room.add({ position, entry: entry.copy(false) })
      return true
    })
    room.close()
    return room.end
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

/** The top bits of FNV-1a (Fowler, Noll, Vo). */
function partOf(key: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  // Mixed once more: the top bits of a short key's hash are hardly touched.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return hash >>> 20
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
