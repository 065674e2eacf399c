/**
 * Pulls: what a claimant gets from other copies, and what it does about a copy that does not send it.
 *
 * Each copy is told which slots are wanted of it, and from which stamp on; it sends them by bulk and answers when they have arrived. Where that takes longer
 * than a call may last, the next call asks for half as many and waits twice as long, so what a copy sends comes to an end, however much it is. A slot is
 * ready when all copies that it is wanted from have answered or are gone, whatever others take for theirs. What is not ready after `PATIENCE_MS`, which is
 * less than a request waits, is taken all the same. From then on the slot lacks something: the pull goes on beside it, for as long as the copy's member is
 * there and the slot is held here, and until it has come whoever wants a key of the slot has the copies asked for that key first. Such questions go around
 * a cut link, which bulk does not. A copy that cannot be asked holds up nobody.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { Entry } from '../lib/entry.ts'
import { decodeEntry, encodeEntry } from '../lib/entry-codec.ts'
import { SLOT_COUNT, slotOf } from '../lib/slot.ts'
import { SlotSet } from '../lib/slot-set.ts'
import { decodeStamp, encodeStamp } from '../lib/stamp-codec.ts'
import type { Stamp } from '../lib/version.ts'
import type { Context } from './context.ts'
import type { Followers } from './followers.ts'
import { decodeMarks, encodeMarks, type SlotMarks } from './mark-codec.ts'
import { KIND_ENTRY, KIND_PULL } from './messages.ts'
import type { PeerIdentity } from './peers.ts'

const PULL_TIMEOUT_MS = 10_000
const MAX_PULL_TIMEOUT_MS = 10 * 60_000
const PATIENCE_MS = 2_000
const RETRY_MS = 100
const ASK_TIMEOUT_MS = 1000

export interface PullEvents {
  /** A claimant is to get what is here of these slots, under the marks that it knows. */
  pulled(slots: SlotSet, marks: SlotMarks): void
  /** Another copy has this of a slot that is held here. */
  found(entry: Entry, slot: number): void
}

/** What is wanted of one member. */
export interface Wanted {
  readonly slots: SlotSet
  /** The least of what the slots need: more than that does no harm. */
  since: Stamp
}

/** How much one call asks a copy for, and how long it waits. */
interface Stride {
  readonly slots: number
  readonly timeoutMs: number
}

const WHOLE: Stride = { slots: SLOT_COUNT, timeoutMs: PULL_TIMEOUT_MS }

interface Claim {
  /** By slot: the members that have not sent what they have. */
  readonly open: Map<number, Set<string>>
  /** Is the claim still being made? */
  readonly isCurrent: () => boolean
  readonly take: (slots: SlotSet) => void
  overdue: boolean
}

export class Pulls {
  readonly #context: Context
  readonly #followers: Pick<Followers, 'bulk'>
  readonly #events: PullEvents
  /** By slot that was taken without it: whose copies have not been pulled. */
  readonly #lacking = new Map<number, Set<string>>()
  readonly #entry = new Entry()

  constructor(context: Context, followers: Pick<Followers, 'bulk'>, events: PullEvents) {
    this.#context = context
    this.#followers = followers
    this.#events = events
    context.calls.handle(KIND_PULL, (from, body, respond) => {
      if (respond !== null) this.#servePull(from, body, respond)
    })
    context.calls.handle(KIND_ENTRY, (_from, body, respond) => respond?.(this.#serveEntry(new ByteReader(body))))
  }

  /** Slots that were taken before all was there that other copies have. */
  get lacking(): number {
    return this.#lacking.size
  }

  /** Has another copy of the slot, which is held here, what is missing here? */
  lacks(slot: number): boolean {
    return this.#lacking.size > 0 && this.#lacking.has(slot) && this.#context.table.isPrimary(slot)
  }

  /** Gets what is `wanted`, by member, for `slots`; `take` is called for those that are ready, in one or more parts, while the claim `isCurrent`. */
  get(slots: SlotSet, wanted: ReadonlyMap<string, Wanted>, isCurrent: () => boolean, take: (slots: SlotSet) => void): void {
    const open = new Map<number, Set<string>>()
    for (const [name, { slots: some }] of wanted) {
      for (const slot of some) {
        const names = open.get(slot)
        if (names === undefined) open.set(slot, new Set([name]))
        else names.add(name)
      }
    }
    const claim: Claim = { open, isCurrent, take, overdue: false }
    const ready = new SlotSet()
    for (const slot of slots) {
      this.#lacking.delete(slot)
      if (!open.has(slot)) ready.add(slot)
    }
    if (open.size > 0) this.#context.clock.after(PATIENCE_MS, () => this.#overdue(claim))
    if (ready.size > 0) take(ready)
    for (const [name, want] of wanted) this.#pull(claim, name, this.#context.view().generationOf(name), want, WHOLE)
  }

  /** Has the copies that the slot lacks asked for these keys, and applies what they have; calls back once, within a second. */
  ask(keys: readonly Buffer[], slot: number, done: () => void): void {
    const names = this.#lacking.get(slot) ?? new Set()
    let open = names.size * keys.length
    if (open === 0) done()
    for (const name of names) {
      for (const key of keys) {
        const writer = new ByteWriter(64 + key.length).u16(slot).block(key)
        encodeMarks(writer, this.#context.marks([slot]))
        this.#context.around.call(name, KIND_ENTRY, writer.toBuffer(), ASK_TIMEOUT_MS, (_failure, body) => {
          if (body !== null && body[0] === 1) this.#events.found(decodeEntry(new ByteReader(body, 1), this.#entry), slot)
          if (--open === 0) done()
        })
      }
    }
  }

  #overdue(claim: Claim): void {
    if (claim.open.size === 0) return
    claim.overdue = true
    if (!claim.isCurrent()) {
      claim.open.clear()
      return
    }
    const { logger } = this.#context
    for (const [slot, names] of claim.open) this.#lacking.set(slot, names)
    logger.warn(
      { slots: claim.open.size, copies: new Set([...claim.open.values()].flatMap((names) => [...names])).size },
      'taking slots of which other copies have not sent all',
    )
    claim.take(SlotSet.of(claim.open.keys()))
  }

  #pull(claim: Claim, name: string, generation: number | undefined, want: Wanted, stride: Stride): void {
    const { calls, clock, marks, view } = this.#context
    const needed = this.#needed(claim, name, want.slots)
    if (needed.size === 0) return
    const slots = needed.size <= stride.slots ? needed : SlotSet.of([...needed].slice(0, stride.slots))
    const writer = encodeStamp(new ByteWriter(64), want.since)
    slots.encode(writer)
    encodeMarks(writer, marks(slots))
    const askedMs = clock.now()
    calls.call(name, KIND_PULL, writer.toBuffer(), stride.timeoutMs, (failure, answer) => {
      if (failure === null && answer !== null && new ByteReader(answer).u8() === 1) {
        this.#over(claim, name, slots)
        const brief = clock.now() - askedMs < stride.timeoutMs / 4
        this.#pull(claim, name, generation, want, brief ? { ...stride, slots: stride.slots * 2 } : stride)
      } else if (generation === undefined || view().generationOf(name) !== generation) {
        this.#over(claim, name, needed)
      } else {
        const next = failure === 'lost' ? shorter(stride, slots.size) : stride
        clock.after(RETRY_MS, () => this.#pull(claim, name, generation, want, next))
      }
    })
  }

  /** Of the slots that are wanted of a member, those that are being claimed, or are held and lack it. */
  #needed(claim: Claim, name: string, wanted: SlotSet): SlotSet {
    const { table } = this.#context
    const needed = new SlotSet()
    for (const slot of wanted) {
      const names = claim.open.get(slot)
      if (names?.has(name) !== true) continue
      if (claim.overdue ? this.#lacking.get(slot) === names && table.isPrimary(slot) : claim.isCurrent()) needed.add(slot)
      else this.#close(claim, slot)
    }
    return needed
  }

  /** A member has sent what it has, or is gone. */
  #over(claim: Claim, name: string, slots: SlotSet): void {
    const ready = new SlotSet()
    for (const slot of slots) {
      const names = claim.open.get(slot)
      names?.delete(name)
      if (names?.size !== 0) continue
      this.#close(claim, slot)
      ready.add(slot)
    }
    if (!claim.overdue && ready.size > 0 && claim.isCurrent()) claim.take(ready)
  }

  #close(claim: Claim, slot: number): void {
    if (this.#lacking.get(slot) === claim.open.get(slot)) this.#lacking.delete(slot)
    claim.open.delete(slot)
  }

  #servePull(from: PeerIdentity, body: Buffer, respond: (body: Buffer) => void): void {
    const reader = new ByteReader(body)
    const since = decodeStamp(reader)
    const slots = SlotSet.decode(reader)
    // A claimant of an earlier version knows of none.
    this.#events.pulled(slots, reader.remaining > 0 ? decodeMarks(reader) : new Map())
    const bulk = this.#followers.bulk(from)
    let open = slots.size
    let delivered = true
    const finish = (): void => {
      if (open === 0) respond(new ByteWriter(1).u8(delivered ? 1 : 0).toBuffer())
    }
    if (bulk === undefined || !bulk.isOpen || open === 0) {
      delivered = open === 0
      open = 0
      finish()
      return
    }
    for (const slot of slots) {
      bulk.send({
        slot,
        since,
        done: (arrived) => {
          open--
          delivered &&= arrived
          finish()
        },
      })
    }
  }

  #serveEntry(reader: ByteReader): Buffer {
    const slot = reader.u16() % SLOT_COUNT
    const key = reader.block()
    this.#events.pulled(SlotSet.of([slot]), decodeMarks(reader))
    const found = slotOf(key, 0, key.length) === slot && this.#context.store.peek(key, 0, key.length, this.#entry, slot)
    const writer = new ByteWriter(64).u8(found ? 1 : 0)
    if (found) encodeEntry(writer, this.#entry)
    return writer.toBuffer()
  }
}

/** After a call for so many slots that was not answered in its time: more of the same would only queue up behind what is on its way. */
function shorter({ timeoutMs }: Stride, slots: number): Stride {
  return { slots: Math.ceil(slots / 2), timeoutMs: Math.min(MAX_PULL_TIMEOUT_MS, timeoutMs * 2) }
}
