/**
 * Neighbours of the replication's parts, as small as they can be: a link between two handlers, calls that take a millisecond, a recorder of what
 * a stream says, a store.
 */
import * as assert from 'uvu/assert'
import { Entry, VALUE_STRING } from '../../src/lib/entry.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import { SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import type { RequestRun } from '../../src/lib/request-run.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import type { Term } from '../../src/placement/index.ts'
import type { Context } from '../../src/replication/context.ts'
import type { FollowStatus, SlotCheck } from '../../src/replication/frames.ts'
import type { FollowEvents, Incoming } from '../../src/replication/incoming.ts'
import type { SlotMarks } from '../../src/replication/mark-codec.ts'
import type { PeerCalls, PeerIdentity, PeerLink } from '../../src/replication/peers.ts'
import type { SlotList } from '../../src/replication/repair-codec.ts'
import { createStore, type Store } from '../../src/store/index.ts'
import type { FakeClock } from '../support/fake-clock.ts'

export const DELAY_MS = 1

export function peer(name: string, generation: number = 1): PeerIdentity {
  return { name, generation }
}

export function term(name: string, ms: number, strong: boolean = true, generation: number = 1): Term {
  return { ms, counter: 0, name, generation, strong }
}

export function entry(key: string, value: string, ms: number, counter: number = 0, writer: string = 'a'): Entry {
  const made = new Entry().setKey(Buffer.from(key)).setValue(Buffer.from(value)).setVersion(ms, counter, writer)
  made.kind = VALUE_STRING
  return made
}

export function newStore(maxMemoryBytes: number = 512 * 1024 * 1024): Store {
  return createStore({ maxMemoryBytes, evictionPolicy: 'allkeys-lru', tombstoneMs: 900_000 }, new SeededRandom(1))
}

/** What a part of replication is told of its member: nobody is gone, no mark is known, and what is beaten is counted nowhere. `given` says what is so, or otherwise. */
export function contextOf(given: Pick<Context, 'self' | 'clock' | 'calls' | 'table' | 'view'> & Partial<Context>): Context {
  return {
    hybrid: new HybridClock(given.clock),
    logger: SILENT,
    store: newStore(),
    around: given.calls,
    marks: () => new Map(),
    beaten: () => {},
    isGone: () => false,
    leaving: () => false,
    ...given,
  }
}

/** One end of a link. What is sent is delivered a millisecond later, in order, unless the link has been broken by then. */
export class FakeLink implements PeerLink {
  readonly peer: PeerIdentity
  readonly sent: Buffer[] = []
  /** Messages that wait while the link is held. */
  readonly #heldBack: Buffer[] = []
  readonly #clock: FakeClock
  readonly #receive: (message: Buffer) => void
  #held = false
  open = true

  constructor(clock: FakeClock, to: PeerIdentity, receive: (message: Buffer) => void = () => {}) {
    this.peer = to
    this.#clock = clock
    this.#receive = receive
  }

  send(message: Buffer): void {
    if (!this.open) return
    this.sent.push(message)
    if (this.#held) this.#heldBack.push(message)
    else this.#deliver(message)
  }

  /** Nothing is delivered until `release`. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    for (const message of this.#heldBack.splice(0)) this.#deliver(message)
  }

  close(): void {
    this.open = false
  }

  #deliver(message: Buffer): void {
    this.#clock.after(DELAY_MS, () => {
      if (this.open) this.#receive(Buffer.from(message))
    })
  }
}

/** Writes down, in words, what a stream told. */
export class Recorder implements FollowEvents {
  readonly told: string[] = []
  confirmed: SlotSet = new SlotSet()
  elsewhere: SlotSet = new SlotSet()

  /** Answers this for every entry. */
  refusedSlot = -1

  #ahead: string[] = []

  ahead({ buffer, count, keyStart, keyEnd }: RequestRun): void {
    assert.equal(this.#ahead, [], 'entries that were ahead did not come')
    this.#ahead = Array.from({ length: count }, (_, i) => buffer.toString('latin1', keyStart[i], keyEnd[i]))
  }

  entry(_session: Incoming, read: Entry): number {
    assert.is(this.#ahead.shift(), read.keyBytes().toString('latin1'), 'another entry was ahead')
    const what = read.tombstone ? 'tombstone' : read.valueBytes().toString('latin1')
    this.told.push(`entry ${read.keyBytes().toString('latin1')}=${what} @${read.ms}-${read.counter}-${read.writer}`)
    return this.refusedSlot
  }

  dropped(read: Entry): void {
    this.told.push(`drop ${read.keyBytes().toString('latin1')} @${read.ms}-${read.counter}-${read.writer}`)
  }

  touched(read: Entry): void {
    this.told.push(`touched ${read.keyBytes().toString('latin1')}`)
  }

  follow(_session: Incoming, under: Term, slots: SlotSet, fresh: boolean): void {
    this.told.push(`follow ${words(under)}: ${[...slots]}${fresh ? ' fresh' : ''}`)
  }

  unfollow(_session: Incoming, slots: SlotSet): void {
    this.told.push(`unfollow ${[...slots]}`)
  }

  check(_session: Incoming, under: Term, checks: readonly SlotCheck[]): void {
    this.told.push(`check ${words(under)}: ${checks.map(({ slot, high, low }) => `${slot}:${high}:${low}`)}`)
  }

  complete(_session: Incoming, under: Term, checks: readonly SlotCheck[]): void {
    this.told.push(`complete ${words(under)}: ${checks.map(({ slot, high, low }) => `${slot}:${high}:${low}`)}`)
  }

  grant(_session: Incoming, number: number, under: Term, slots: SlotSet): void {
    this.told.push(`grant ${number} ${words(under)}: ${[...slots]}`)
  }

  marks(marks: SlotMarks): void {
    this.told.push(`marks ${[...marks].map(([slot, { ms, counter }]) => `${slot}@${ms}-${counter}`)}`)
  }

  compare(_session: Incoming, under: Term, checks: readonly SlotCheck[]): void {
    this.told.push(`compare ${words(under)}: ${checks.map(({ slot, high, low }) => `${slot}:${high}:${low}`)}`)
  }

  list(_session: Incoming, { term: under, slot, share, shares, versions }: SlotList): void {
    this.told.push(`list ${words(under)}: ${slot} ${share}/${shares} ${[...versions.keys()]}`)
  }

  gap(): void {
    this.told.push('gap')
  }

  statusFor(): FollowStatus {
    return { complete: this.confirmed, elsewhere: this.elsewhere }
  }
}

function words(of: Term): string {
  return `${of.name}/${of.generation}@${of.ms}-${of.counter}${of.strong ? '!' : '?'}`
}

/** The request channel between fake members: everybody registers by name, a call takes a millisecond each way. */
export class FakeNetwork {
  readonly #clock: FakeClock
  readonly members = new Map<string, FakeCalls>()
  /** `from>to` pairs between which nothing passes: such calls time out. */
  readonly cut = new Set<string>()
  readonly log: string[] = []

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  join(identity: PeerIdentity): FakeCalls {
    const calls = new FakeCalls(this, this.#clock, identity)
    this.members.set(identity.name, calls)
    return calls
  }
}

type Handler = Parameters<PeerCalls['handle']>[1]

export class FakeCalls implements PeerCalls {
  readonly identity: PeerIdentity
  readonly handlers = new Map<number, Handler>()
  readonly #network: FakeNetwork
  readonly #clock: FakeClock

  constructor(network: FakeNetwork, clock: FakeClock, identity: PeerIdentity) {
    this.#network = network
    this.#clock = clock
    this.identity = identity
  }

  isOpen(name: string): boolean {
    return this.#network.members.has(name)
  }

  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: (failure: string | null, body: Buffer | null) => void): void {
    const to = this.#network.members.get(name)
    if (to === undefined) {
      done('unreachable', null)
      return
    }
    this.#network.log.push(`${this.identity.name}>${name} ${kind}`)
    let over = false
    const finish = (failure: string | null, answer: Buffer | null): void => {
      if (over) return
      over = true
      timer.cancel()
      done(failure, answer)
    }
    const timer = this.#clock.after(timeoutMs, () => finish('lost', null))
    this.#carry(name, () => {
      const handler = to.handlers.get(kind)
      if (handler === undefined) to.#carry(this.identity.name, () => finish('refused', null))
      else handler(this.identity, body, (answer) => to.#carry(this.identity.name, () => finish(null, answer)))
    })
  }

  tell(name: string, kind: number, body: Buffer): void {
    this.#network.log.push(`${this.identity.name}>${name} tell ${kind}`)
    this.#carry(name, () => this.#network.members.get(name)?.handlers.get(kind)?.(this.identity, body, null))
  }

  handle(kind: number, handler: Handler): void {
    this.handlers.set(kind, handler)
  }

  onOpen(): void {}

  #carry(name: string, fn: () => void): void {
    this.#clock.after(DELAY_MS, () => {
      if (!this.#network.cut.has(`${this.identity.name}>${name}`)) fn()
    })
  }
}
