/**
 * Repair: the background round in which a primary compares its slots with every complete follower, all the time, whatever clients do.
 *
 * A few digests go into the stream every `STEP_MS`, so they are compared at one position of it, like those of a follower that is led to completeness. Of
 * a slot that differs the primary lists keys and versions, in the stream too, in shares of bounded size, one a step to a follower; the follower corrects
 * itself (`correction.ts`), and what it asks for is streamed to it, as fast as it confirms it: all at once could be more than a stream may hold back.
 *
 * What a follower found nothing to do about is settled: it is not listed again while the difference of the digests stays what it was, and that it does
 * while both take the same writes. One that comes back different is listed again later and later, so the copy of a full follower, which goes on
 * evicting by itself, costs little. Slots of more than `MAX_SLOT_ENTRIES` are compared and told of, and not listed.
 */
import { Entry } from '../lib/entry.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Version } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import { addCheck, type SlotCheck } from './frames.ts'
import { KIND_CORRECTION, KIND_DIFFERS } from './messages.ts'
import { COMPLETE, type Outgoing } from './outgoing.ts'
import type { PeerIdentity } from './peers.ts'
import {
  type Correction,
  decodeCorrection,
  decodeDifferences,
  MAX_LIST_BYTES,
  MAX_LISTED,
  NEWER_TAKEN,
  type SlotList,
  shareOf,
} from './repair-codec.ts'

const STEP_MS = 100
/** Digests in one step to one follower: a round of 5,461 slots takes 8.6 s and some 7 KB/s. */
const STEP_CHECKS = 64
/** A follower that has more than this to confirm is left alone. */
const MAX_BACKLOG_BYTES = 1024 * 1024
const MAX_SLOT_ENTRIES = 256 * 1024
const FIRST_WAIT_MS = 5_000
const MAX_WAIT_MS = 5 * 60 * 1000
/** Key length, stamp, writer's length. */
const LISTED_OVERHEAD = 2 + 8 + 1

export interface RepairStats {
  /** Slots, counted for each follower, that differed when they were last compared. */
  readonly divergentSlots: number
  /** Of those that were listed, the keys that differed. */
  readonly divergentKeys: number
  readonly repairsTotal: number
  readonly repairedEntriesTotal: number
  /** Since the last time that every slot had been compared, in ms; since the start before that. */
  readonly sinceRoundMs: number
}

/** A slot of one follower that differs. */
interface Divergence {
  high: number
  low: number
  reportedMs: number
  keys: number
  /** Shares of the list that are still to be sent; none while it waits for its time. */
  next: number
  shares: number
  /** What the follower did about the shares so far. */
  changed: number
  answered: number
  settled: boolean
  listed: number
  notBeforeMs: number
}

interface Progress {
  cursor: number
  roundMs: number
  /** When the round before began. */
  previousMs: number
  readonly divergent: Map<number, Divergence>
  /** What the follower lacks and has not been sent, in the order in which it was asked for. */
  wanted: Wanted[]
}

interface Wanted {
  readonly slot: number
  readonly key: Buffer
}

export class Repair {
  readonly #context: Context
  readonly #followers: Followers
  /** An entry of a follower that is newer than the primary's: false if there is no room for it. */
  readonly #merge: (entry: Entry, slot: number) => boolean
  readonly #progress = new Map<Outgoing, Progress>()
  readonly #found = new Entry()
  readonly #startedMs: number
  #lastStepMs = Number.NEGATIVE_INFINITY
  #repairsTotal = 0
  #repairedEntriesTotal = 0

  constructor(context: Context, followers: Followers, merge: (entry: Entry, slot: number) => boolean) {
    this.#context = context
    this.#followers = followers
    this.#merge = merge
    this.#startedMs = context.clock.now()
    context.calls.handle(KIND_DIFFERS, (from, body) => this.#differs(from, body))
    context.calls.handle(KIND_CORRECTION, (from, body, respond) => {
      const taken = this.#corrected(from, body)
      respond?.(Buffer.of(taken ? NEWER_TAKEN : 0))
    })
  }

  tick(nowMs: number): void {
    if (nowMs - this.#lastStepMs < STEP_MS) return
    this.#lastStepMs = nowMs
    const current = new Set(this.#followers.all())
    for (const outgoing of this.#progress.keys()) if (!current.has(outgoing)) this.#progress.delete(outgoing)
    for (const outgoing of current) {
      if (!outgoing.isOpen || outgoing.backlogBytes > MAX_BACKLOG_BYTES) continue
      let progress = this.#progress.get(outgoing)
      if (progress === undefined) {
        progress = { cursor: 0, roundMs: nowMs, previousMs: nowMs, divergent: new Map(), wanted: [] }
        this.#progress.set(outgoing, progress)
      }
      this.#sendWanted(outgoing, progress)
      this.#compare(outgoing, progress, nowMs)
      if (progress.wanted.length === 0) this.#list(outgoing, progress, nowMs)
    }
  }

  stats(): RepairStats {
    const nowMs = this.#context.clock.now()
    let divergentSlots = 0
    let divergentKeys = 0
    let oldestMs = this.#progress.size === 0 ? nowMs : Number.POSITIVE_INFINITY
    for (const { divergent, previousMs } of this.#progress.values()) {
      oldestMs = Math.min(oldestMs, previousMs)
      for (const { keys } of divergent.values()) {
        divergentSlots++
        divergentKeys += keys
      }
    }
    return {
      divergentSlots,
      divergentKeys,
      repairsTotal: this.#repairsTotal,
      repairedEntriesTotal: this.#repairedEntriesTotal,
      sinceRoundMs: nowMs - Math.max(oldestMs, this.#startedMs),
    }
  }

  #compare(outgoing: Outgoing, progress: Progress, nowMs: number): void {
    const { store, table } = this.#context
    const checks = new Map<Term, SlotCheck[]>()
    let taken = 0
    for (; progress.cursor < SLOT_COUNT && taken < STEP_CHECKS; progress.cursor++) {
      const slot = progress.cursor
      if (outgoing.state(slot) !== COMPLETE || !table.isPrimary(slot)) continue
      taken++
      addCheck(checks, table.term(slot) as Term, { slot, ...store.slotDigest(slot) })
    }
    for (const [term, list] of checks) outgoing.write((frames) => frames.compare(term, list))
    if (progress.cursor < SLOT_COUNT) return
    progress.cursor = 0
    // What was not told of in a whole round and the one under way is well.
    for (const [slot, { reportedMs }] of progress.divergent) if (reportedMs < progress.previousMs) progress.divergent.delete(slot)
    progress.previousMs = progress.roundMs
    progress.roundMs = nowMs
  }

  #differs(from: PeerIdentity, body: Buffer): void {
    const outgoing = this.#followers.outgoing(from)
    const progress = outgoing === undefined ? undefined : this.#progress.get(outgoing)
    if (outgoing === undefined || progress === undefined) return
    const nowMs = this.#context.clock.now()
    for (const { slot, high, low } of decodeDifferences(body)) {
      if (outgoing.state(slot) !== COMPLETE || !this.#context.table.isPrimary(slot)) continue
      const known = progress.divergent.get(slot)
      if (known === undefined) {
        const fresh = {
          high,
          low,
          reportedMs: nowMs,
          keys: 0,
          next: 0,
          shares: 0,
          changed: 0,
          answered: 0,
          settled: false,
          listed: 0,
          notBeforeMs: nowMs,
        }
        progress.divergent.set(slot, fresh)
        continue
      }
      known.reportedMs = nowMs
      if (known.high !== high || known.low !== low) known.settled = false
      known.high = high
      known.low = low
      if (known.shares === 0 && !known.settled) known.notBeforeMs = Math.max(known.notBeforeMs, nowMs)
    }
  }

  /** One share of one slot. */
  #list(outgoing: Outgoing, progress: Progress, nowMs: number): void {
    const { store, table, logger } = this.#context
    for (const [slot, divergence] of progress.divergent) {
      if (divergence.settled || nowMs < divergence.notBeforeMs || store.slotEntries(slot) > MAX_SLOT_ENTRIES) continue
      if (outgoing.state(slot) !== COMPLETE || !table.isPrimary(slot)) continue
      if (divergence.shares === 0) {
        divergence.shares = Math.max(1, Math.ceil((1.5 * store.slotEntries(slot)) / MAX_LISTED))
        divergence.next = 0
        divergence.changed = 0
        divergence.answered = 0
        divergence.keys = 0
        this.#repairsTotal++
        logger.debug({ follower: outgoing.peer.name, slot }, 'a copy differs: listing the slot')
      }
      const list = this.#listOf(slot, divergence.next, divergence.shares)
      if (list === null) {
        // Keys too long, or unevenly shared: smaller shares, from the first.
        divergence.shares = Math.min(0xffff, divergence.shares * 2)
        divergence.next = 0
        divergence.answered = 0
        return
      }
      outgoing.write((frames) => frames.list(list))
      divergence.next++
      if (divergence.next === divergence.shares) {
        divergence.shares = 0
        divergence.listed++
        // Time for the answers; and ever more of it for what keeps coming back.
        divergence.notBeforeMs = nowMs + Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(20, divergence.listed))
      }
      return
    }
  }

  #listOf(slot: number, share: number, shares: number): SlotList | null {
    const { store, table, hybrid } = this.#context
    const versions = new Map<string, Version>()
    let bytes = 0
    store.scanSlot(slot, null, (entry) => {
      if (shareOf(entry.key, entry.keyStart, entry.keyEnd, shares) !== share) return true
      bytes += entry.keyEnd - entry.keyStart + entry.writer.length + LISTED_OVERHEAD
      versions.set(entry.keyBytes().toString('latin1'), { ms: entry.ms, counter: entry.counter, writer: entry.writer })
      return versions.size <= MAX_LISTED && (bytes <= MAX_LIST_BYTES || versions.size === 1)
    })
    if (versions.size > MAX_LISTED || (bytes > MAX_LIST_BYTES && versions.size > 1)) return null
    return { term: table.term(slot) as Term, slot, share, shares, stamp: hybrid.next(), versions }
  }

  /** The follower has read a share. Answers whether all that is newer there is here now. */
  #corrected(from: PeerIdentity, body: Buffer): boolean {
    const outgoing = this.#followers.outgoing(from)
    const correction = decodeCorrection(body)
    const { slot } = correction
    const { table, hybrid } = this.#context
    if (outgoing === undefined || outgoing.state(slot) !== COMPLETE || !table.isPrimary(slot)) return false
    const progress = this.#progress.get(outgoing)
    if (progress !== undefined) this.#want(outgoing, progress, correction)
    let taken = true
    for (const entry of correction.newer) if (!entry.isExpired(hybrid.physicalMs()) && !this.#merge(entry, slot)) taken = false
    this.#account(progress?.divergent.get(slot), correction)
    return taken
  }

  /** What is too much is asked for again when the slot is listed next. */
  #want(outgoing: Outgoing, progress: Progress, { slot, wanted }: Correction): void {
    if (progress.wanted.length >= MAX_LISTED) return
    for (const key of wanted) progress.wanted.push({ slot, key: Buffer.from(key) })
    this.#sendWanted(outgoing, progress)
  }

  /** As much as there is room for. */
  #sendWanted(outgoing: Outgoing, progress: Progress): void {
    const { store, table } = this.#context
    let sent = 0
    for (const { slot, key } of progress.wanted) {
      if (outgoing.backlogBytes > MAX_BACKLOG_BYTES) break
      sent++
      if (outgoing.state(slot) !== COMPLETE || !table.isPrimary(slot)) continue
      if (store.peek(key, 0, key.length, this.#found, slot)) outgoing.writeEntry(this.#found)
    }
    if (sent > 0) progress.wanted = progress.wanted.slice(sent)
  }

  #account(divergence: Divergence | undefined, { shares, dropped, left, wanted, newer }: Correction): void {
    const changed = dropped + wanted.length + newer.length
    this.#repairedEntriesTotal += changed
    if (divergence === undefined) return
    divergence.keys += changed + left
    // What it had no room for is tried again, when it is its turn: room may come.
    divergence.changed += changed + left
    divergence.answered++
    // It read all of the list and could do nothing.
    if (divergence.shares === 0 && divergence.answered === shares && divergence.changed === 0) divergence.settled = true
  }
}
