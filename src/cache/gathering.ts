/**
 * Gatherings: what concerns all members at once. Counting, drawing a key, flushing, publishing.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { Entry } from '../lib/entry.ts'
import { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Random } from '../lib/random.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import { decodeStamp, encodeStamp } from '../lib/stamp-codec.ts'
import { compareStamps, MAX_COUNTER, type Stamp } from '../lib/version.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import type { FlushResult, Subscriber } from './cache.ts'
import { ANSWER_DONE, ANSWER_REFUSED, KIND_CLOCK, KIND_CONFIRM, KIND_FLOOR, KIND_PUBLISH, KIND_RANDOM_KEY, KIND_SIZE } from './messages.ts'
import type { Planner, Question } from './planner.ts'

/** For one member's part in a flush or a message. */
const ASK_MS = 1000
/** Between attempts to send a message to a member that nothing can be sent to. */
const TELL_AGAIN_MS = 50
/** A peer may have this member wait for its followers so long. */
const MAX_CONFIRM_MS = 3_600_000
/** How far a flush reaches beyond the latest clock: what is written while it travels counts as written before. Below what a clock believes of others. */
const FLUSH_MARGIN_MS = 250

/** How many keys a member has; `null` is this one. */
interface MemberSize {
  readonly name: string | null
  readonly answer: number
}

export class Gathering {
  readonly #clock: Clock
  readonly #hybrid: HybridClock
  readonly #random: Random
  readonly #calls: CacheCalls
  readonly #authority: Authority
  readonly #planner: Planner
  readonly #store: Store
  readonly #subscribers = new Set<Subscriber>()

  constructor(clock: Clock, hybrid: HybridClock, random: Random, calls: CacheCalls, authority: Authority, planner: Planner, store: Store) {
    this.#clock = clock
    this.#hybrid = hybrid
    this.#random = random
    this.#calls = calls
    this.#authority = authority
    this.#planner = planner
    this.#store = store
    const planned = (kind: number, answer: () => Buffer): void =>
      calls.handle(kind, (_from, body, respond) => {
        respond?.(planner.holds(new ByteReader(body).u48()) ? answer() : Buffer.of(ANSWER_REFUSED))
      })
    planned(KIND_SIZE, () => new ByteWriter(16).u8(ANSWER_DONE).f64(this.#sizeHere()).toBuffer())
    planned(KIND_RANDOM_KEY, () => {
      const key = this.#randomKeyHere()
      const writer = new ByteWriter(64).u8(ANSWER_DONE).u8(key === null ? 0 : 1)
      return (key === null ? writer : writer.block(key)).toBuffer()
    })
    calls.handle(KIND_CLOCK, (_from, _body, respond) => respond?.(stampBody(this.#latest())))
    calls.handle(KIND_FLOOR, (_from, body, respond) => {
      this.#authority.raiseFloor(decodeStamp(new ByteReader(body)))
      respond?.(Buffer.of(ANSWER_DONE))
    })
    calls.handle(KIND_CONFIRM, (_from, body, respond) => {
      const reader = new ByteReader(body)
      const wanted = reader.u32()
      const timeoutMs = Math.min(reader.u32(), MAX_CONFIRM_MS)
      const slots = Array.from({ length: Math.min(reader.u32(), SLOT_COUNT) }, () => reader.u16())
      // Who does not name a life is of an earlier version.
      const generation = reader.remaining > 0 ? reader.u48() : 0
      const heard = (followers: number): void => respond?.(new ByteWriter(16).u32(followers).toBuffer())
      // A slot that is served elsewhere by now has no replica that could be asked for here.
      const isAsked = (slot: number): boolean =>
        authority.executes(slot) && (generation === 0 || authority.term(slot)?.generation === generation)
      if (slots.every(isAsked)) authority.countConfirmed(slots, wanted, timeoutMs, heard)
      else heard(0)
    })
    calls.handle(KIND_PUBLISH, (_from, body, respond) => {
      const reader = new ByteReader(body)
      const receivers = this.#deliver(reader.block(), reader.block())
      respond?.(new ByteWriter(16).u32(receivers).toBuffer())
    })
  }

  size(done: (error: CacheError | null, keys: number) => void): void {
    this.#planner.ask(this.#sizeQuestion(), (error, answers) =>
      done(
        error,
        answers.reduce((sum, { answer }) => sum + answer, 0),
      ),
    )
  }

  /** A member is drawn by how much it holds, then one of its keys. */
  randomKey(done: (error: CacheError | null, key: Buffer | null) => void): void {
    this.#planner.ask(this.#sizeQuestion(), (error, answers) => {
      if (error !== null) done(error, null)
      else this.#drawFrom(answers, done)
    })
  }

  /** Asks all for their clocks, then draws one line above them. See `Cache.flush`. */
  flush(done: (error: CacheError | null, result: FlushResult | null) => void): void {
    // Held dead, but perhaps only cut off: it goes on with what it has until it is met again.
    const unreached = new Set(this.#authority.absent())
    let latest = this.#latest()
    this.#askOthers(
      KIND_CLOCK,
      Buffer.alloc(0),
      (name, body) => {
        if (body === null) unreached.add(name)
        else {
          const clock = decodeStamp(new ByteReader(body))
          if (compareStamps(clock, latest) > 0) latest = clock
        }
      },
      () => {
        // Flush upon flush must not draw the line further and further from the time.
        const isAhead = latest.ms >= this.#hybrid.physicalMs() + FLUSH_MARGIN_MS
        const floor = { ms: latest.ms + (isAhead ? 1 : FLUSH_MARGIN_MS), counter: 0 }
        this.#authority.raiseFloor(floor)
        this.#askOthers(
          KIND_FLOOR,
          stampBody(floor),
          (name, body) => {
            // Whose clock was not heard stays named: what it wrote may lie above the line.
            if (body === null) unreached.add(name)
          },
          () => done(null, { unreached: [...unreached] }),
        )
      },
    )
  }

  publish(channel: Buffer, message: Buffer, done: (error: CacheError | null, receivers: number) => void): void {
    let receivers = this.#deliver(channel, message)
    const names = this.#authority.others()
    const body = new ByteWriter(16 + channel.length + message.length).block(channel).block(message).toBuffer()
    const untold: string[] = []
    let open = names.length
    const finish = (): void => {
      // Who has gone meanwhile has no subscribers any more.
      const there = new Set(this.#authority.others())
      const left = untold.filter((name) => there.has(name)).length
      done(left === 0 ? null : partlyPublished(receivers, left), receivers)
    }
    if (open === 0) finish()
    const untilMs = this.#clock.now() + ASK_MS
    for (const name of names) {
      this.#tell(name, body, untilMs, (answer) => {
        if (answer === null) untold.push(name)
        else receivers += new ByteReader(answer).u32()
        if (--open === 0) finish()
      })
    }
  }

  /** Sends a message again for as long as it has certainly not left, and never after that: nobody is to get it twice. */
  #tell(name: string, body: Buffer, untilMs: number, done: (answer: Buffer | null) => void): void {
    const leftMs = untilMs - this.#clock.now()
    this.#calls.call(name, KIND_PUBLISH, body, Math.max(1, leftMs), (failure, answer) => {
      const again = (failure === 'unreachable' || failure === 'busy') && leftMs > TELL_AGAIN_MS
      if (again && this.#authority.others().includes(name)) {
        this.#clock.after(TELL_AGAIN_MS, () => this.#tell(name, body, untilMs, done))
      } else done(answer)
    })
  }

  /** See `Cache.confirm`. Each member counts for the slots that it serves. */
  confirm(slots: Iterable<number>, since: number, wanted: number, timeoutMs: number, done: (replicas: number) => void): void {
    const byName = new Map<string | null, number[]>()
    for (const slot of slots) {
      const route = this.#authority.route(slot)
      const name = this.#authority.passedAt(slot) > since ? '' : route === 'here' ? null : (route ?? '')
      const list = byName.get(name)
      if (list === undefined) byName.set(name, [slot])
      else list.push(slot)
    }
    // A slot that nobody serves has no replica that could be asked for, and one that another than its writer serves may have lost what was written.
    let least = byName.has('') || byName.size === 0 ? 0 : Number.POSITIVE_INFINITY
    byName.delete('')
    let open = byName.size
    const heard = (replicas: number): void => {
      least = Math.min(least, replicas)
      if (--open === 0) done(least)
    }
    if (open === 0) done(0)
    for (const [name, list] of byName) {
      if (name === null) this.#authority.countConfirmed(list, wanted, timeoutMs, heard)
      else {
        const body = new ByteWriter(64).u32(wanted).u32(timeoutMs).u32(list.length)
        for (const slot of list) body.u16(slot)
        // The life that is asked is to be the one that is known here: a later one of the same name may have lost what was written.
        body.u48(list.reduce((least, slot) => Math.min(least, this.#authority.term(slot)?.generation ?? 0), Number.MAX_SAFE_INTEGER))
        this.#calls.call(name, KIND_CONFIRM, body.toBuffer(), timeoutMs + ASK_MS, (_failure, answer) => {
          heard(answer === null ? 0 : new ByteReader(answer).u32())
        })
      }
    }
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  /** Of the members that are left: one whose keys have all expired has none to give, and then another is drawn. */
  #drawFrom(sizes: readonly MemberSize[], done: (error: CacheError | null, key: Buffer | null) => void): void {
    const keys = sizes.reduce((sum, { answer }) => sum + answer, 0)
    if (keys === 0) {
      done(null, null)
      return
    }
    const drawn = draw(sizes, this.#random.next() * keys)
    const question: Question<Buffer | null> = {
      kind: KIND_RANDOM_KEY,
      body: encodeVersion,
      here: (answered: (key: Buffer | null) => void) => answered(this.#randomKeyHere()),
      read: (reader) => (reader.u8() === 1 ? Buffer.from(reader.block()) : null),
    }
    this.#planner.askOne(drawn, question, (error, key) => {
      if (error !== null) done(error, null)
      else if (key === undefined) this.randomKey(done)
      else if (key !== null) done(null, key)
      else
        this.#drawFrom(
          sizes.filter(({ name }) => name !== drawn),
          done,
        )
    })
  }

  #deliver(channel: Buffer, message: Buffer): number {
    let receivers = 0
    for (const subscriber of this.#subscribers) receivers += subscriber(channel, message)
    return receivers
  }

  /** At or above every stamp that was given here, or is held here: one of a member that is gone may lie above every clock. */
  #latest(): Stamp {
    const clock = this.#hybrid.current()
    const { floor, newest } = this.#store
    const latest = compareStamps(clock, newest) > 0 ? clock : newest
    // Stamps above a floor that the clock does not believe are in its millisecond.
    return compareStamps(latest, floor) > 0 ? latest : { ms: floor.ms, counter: MAX_COUNTER }
  }

  #askOthers(kind: number, body: Buffer, each: (name: string, answer: Buffer | null) => void, done: () => void): void {
    const names = this.#authority.others()
    let open = names.length
    if (open === 0) done()
    for (const name of names) {
      this.#calls.call(name, kind, body, ASK_MS, (_failure, answer) => {
        each(name, answer)
        if (--open === 0) done()
      })
    }
  }

  #sizeQuestion(): Question<number> {
    return {
      kind: KIND_SIZE,
      body: encodeVersion,
      here: (answered: (keys: number) => void) => answered(this.#sizeHere()),
      read: (reader: ByteReader) => reader.f64(),
    }
  }

  #sizeHere(): number {
    let keys = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.#authority.isPrimary(slot)) keys += this.#store.slotLive(slot)
    return keys
  }

  #randomKeyHere(): Buffer | null {
    const into = new Entry()
    const found = this.#store.randomKey(this.#hybrid.physicalMs(), (slot) => this.#authority.isPrimary(slot), into)
    return found ? Buffer.from(into.keyBytes()) : null
  }
}

/** The member that holds the key at this place in the sum of all. */
function draw(sizes: readonly MemberSize[], place: number): string | null {
  let below = 0
  for (const { name, answer } of sizes) {
    below += answer
    if (place < below) return name
  }
  return null
}

function encodeVersion(primaryVersion: number): Buffer {
  return new ByteWriter(16).u48(primaryVersion).toBuffer()
}

function stampBody(stamp: Stamp): Buffer {
  return encodeStamp(new ByteWriter(16), stamp).toBuffer()
}

function partlyPublished(receivers: number, untold: number): CacheError {
  const who = untold === 1 ? 'one member' : `${untold} members`
  return new CacheError(
    'PARTLY_PUBLISHED',
    `delivered to ${receivers} subscribers; ${who} could not be told, or did not answer, and may have more`,
  )
}
