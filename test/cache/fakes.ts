/**
 * Neighbours of the cache, as small as they can be: an authority whose routes the test writes down, and calls between members that take a
 * millisecond each way.
 */

import type { Authority, CacheCalls } from '../../src/cache/authority.ts'
import { Entry, VALUE_STRING } from '../../src/lib/entry.ts'
import { HybridClock } from '../../src/lib/hybrid-clock.ts'
import type { Place } from '../../src/lib/place.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import type { Stamp } from '../../src/lib/version.ts'
import { compareTerms, type Term } from '../../src/placement/index.ts'
import { createStore, type Store, type StoreOptions } from '../../src/store/index.ts'
import type { FakeClock } from '../support/fake-clock.ts'

const DELAY_MS = 1

/** One member: who it believes to serve each slot, and its own store. */
export class FakeMember implements Authority, CacheCalls {
  readonly name: string
  readonly store: Store
  readonly hybrid: HybridClock
  readonly terms = new Map<number, Term>()
  /** By slot: who is believed to serve it; a slot that is missing is served as `otherwise` says. */
  readonly routes = new Map<number, 'here' | string | null>()
  otherwise: 'here' | string | null = 'here'
  readonly adopted: { readonly term: Term; readonly slots: number[] }[] = []
  readonly written: { key: string; tombstone: boolean; ms: number; counter: number; writer: string; expiresAtMs: number }[] = []
  routeVersion = 1
  primaryVersion = 1
  holderVersion = 0
  /** By slot. */
  readonly passed = new Map<number, number>()
  readonly handlers = new Map<number, Parameters<CacheCalls['handle']>[1]>()
  readonly #network: FakeNetwork

  constructor(name: string, network: FakeNetwork, storeOptions: Partial<StoreOptions> = {}) {
    this.name = name
    this.#network = network
    this.hybrid = new HybridClock(network.clock)
    const options = { maxMemoryBytes: 64 * 1024 * 1024, evictionPolicy: 'allkeys-lru', tombstoneMs: 900_000, ...storeOptions } as const
    this.store = createStore(options, new SeededRandom(1))
    network.members.set(name, this)
  }

  route(slot: number): 'here' | string | null {
    this.asked++
    const route = this.routes.get(slot)
    return route === undefined ? this.otherwise : route
  }

  /** What other copies have of the slots that lack something, by slot: applied when they are asked. */
  readonly elsewhere = new Map<number, Entry[]>()
  readonly askedFor: string[] = []

  get lacking(): boolean {
    return this.elsewhere.size > 0
  }

  lacks(slot: number): boolean {
    return this.elsewhere.has(slot)
  }

  ask(keys: readonly Buffer[], slot: number, done: () => void): void {
    for (const key of keys) this.askedFor.push(key.toString())
    this.#network.clock.after(1, () => {
      for (const entry of this.elsewhere.get(slot) ?? []) this.store.apply(entry, this.hybrid.physicalMs(), slot)
      done()
    })
  }

  executes(slot: number): boolean {
    return this.route(slot) === 'here'
  }

  passedAt(slot: number): number {
    return this.passed.get(slot) ?? 0
  }

  fenced = false
  /** How often it was asked who serves a slot, and who can be reached. */
  asked = 0
  refusesWrites = false
  /** By slot; where nothing is said there is no copy. */
  readonly stale = new Map<number, number>()

  staleMs(slot: number): number {
    return this.stale.get(slot) ?? Number.POSITIVE_INFINITY
  }

  absent(): readonly string[] {
    return []
  }

  others(): readonly string[] {
    return [...this.#network.members.keys()].filter((name) => name !== this.name)
  }

  /** Slots that are being granted to it. */
  readonly granted = new Set<number>()

  awaits(slot: number): boolean {
    return this.granted.has(slot)
  }

  isPrimary(slot: number): boolean {
    return this.executes(slot)
  }

  term(slot: number): Term | null {
    return this.terms.get(slot) ?? null
  }

  adoptTerms(terms: ReadonlyMap<Term, SlotSet>): void {
    for (const [term, slots] of terms) {
      this.adopted.push({ term, slots: [...slots] })
      for (const slot of slots) {
        if (compareTerms(term, this.term(slot)) <= 0) continue
        this.terms.set(slot, term)
        this.routes.set(slot, term.name)
      }
    }
  }

  /** How many followers confirm what is written, by slot; none where nothing is said. */
  readonly followers = new Map<number, number>()
  /** Confirmations that are awaited: the test answers them. */
  readonly awaited: {
    readonly slot: number
    readonly all: boolean
    readonly timeoutMs: number
    readonly done: (confirmed: boolean) => void
  }[] = []

  raiseFloor(floor: Stamp): void {
    this.hybrid.observe(floor)
    this.store.raiseFloor(floor, this.hybrid.physicalMs())
  }

  confirmable(slot: number): boolean {
    return (this.followers.get(slot) ?? 0) > 0
  }

  confirm(slot: number, all: boolean, timeoutMs: number, done: (confirmed: boolean) => void): void {
    this.awaited.push({ slot, all, timeoutMs, done })
  }

  /** Whether the followers still take this member for the one that serves its slots. */
  affirmed = true

  affirm(slot: number, _timeoutMs: number, done: (serves: boolean) => void): void {
    done(this.affirmed && this.executes(slot))
  }

  countConfirmed(slots: Iterable<number>, _wanted: number, _timeoutMs: number, done: (followers: number) => void): void {
    done(Math.min(...[...slots].map((slot) => this.followers.get(slot) ?? 0)))
  }

  write(entry: Entry, slot: number, place?: Place): 'applied' | 'same' | 'stale' | 'full' {
    const { ms, counter, writer, tombstone, expiresAtMs } = entry
    this.written.push({ key: entry.keyBytes().toString(), tombstone, ms, counter, writer, expiresAtMs })
    return this.store.apply(entry, this.hybrid.physicalMs(), slot, place)
  }

  /** What the member called `name` says of itself, as far as it has been heard. */
  peerPrimaries(name: string): { readonly primaryVersion: number; readonly primary: SlotSet } | undefined {
    return this.#network.tables.get(name)
  }

  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: (failure: string | null, body: Buffer | null) => void): void {
    this.#network.call(this, name, kind, body, timeoutMs, done)
  }

  reaches(name: string): boolean {
    this.asked++
    return this.#network.failing.get(name) !== 'unreachable'
  }

  handle(kind: number, handler: Parameters<CacheCalls['handle']>[1]): void {
    this.handlers.set(kind, handler)
  }

  put(key: string, value: string, change: (entry: Entry) => void = () => {}): void {
    const entry = new Entry().setKey(Buffer.from(key)).setValue(Buffer.from(value)).setVersion(this.hybrid.physicalMs(), 0, this.name)
    entry.kind = VALUE_STRING
    change(entry)
    this.store.apply(entry, this.hybrid.physicalMs())
  }

  /** Leaves a tombstone where the key is. */
  bury(key: string): void {
    this.put(key, '', (entry) => {
      entry.tombstone = true
      entry.setVersion(entry.ms, 1, this.name)
    })
  }
}

export class FakeNetwork {
  readonly clock: FakeClock
  readonly members = new Map<string, FakeMember>()
  readonly tables = new Map<string, { readonly primaryVersion: number; readonly primary: SlotSet }>()
  /** `asker>asked kind`, for each call. */
  readonly log: string[] = []
  /** How calls to a member fail, by its name, or by its name and the kind of call (`b 26`): at once, or as lost on the way back, after they were served. */
  readonly failing = new Map<string, 'unreachable' | 'busy' | 'lost' | 'answer lost' | 'refused' | 'too large' | 'answer too large'>()

  constructor(clock: FakeClock) {
    this.clock = clock
  }

  call(
    from: FakeMember,
    name: string,
    kind: number,
    body: Buffer,
    timeoutMs: number,
    done: (failure: string | null, body: Buffer | null) => void,
  ): void {
    this.log.push(`${from.name}>${name} ${kind}`)
    const failure = this.failing.get(name) ?? this.failing.get(`${name} ${kind}`)
    if (failure === 'unreachable' || failure === 'busy' || failure === 'too large') {
      done(failure, null)
      return
    }
    let over = false
    const finish = (reason: string | null, answer: Buffer | null): void => {
      if (over) return
      over = true
      timer.cancel()
      done(reason, answer)
    }
    const timer = this.clock.after(timeoutMs, () => finish('lost', null))
    this.clock.after(DELAY_MS, () => {
      if (failure === 'lost' || failure === 'refused') finish(failure, null)
      else {
        const serve = this.members.get(name)?.handlers.get(kind)
        serve?.({ name: from.name }, Buffer.from(body), (answer) => {
          const copy = Buffer.from(answer)
          this.clock.after(DELAY_MS, () => {
            if (failure === 'answer lost') finish('lost', null)
            else if (failure === 'answer too large') finish(failure, null)
            else finish(null, copy)
          })
        })
      }
    })
  }

  /** Every member serves what `holderOf` says, knows it of the others, and has published it. */
  settle(holderOf: (slot: number) => string | null): void {
    for (const member of this.members.values()) {
      const primary = new SlotSet()
      let changed = false
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        const holder = holderOf(slot)
        const route = holder === member.name ? 'here' : holder
        if (member.routes.get(slot) === route) continue
        changed ||= member.routes.get(slot) === 'here' || route === 'here'
        member.routes.set(slot, route)
      }
      for (const [slot, route] of member.routes) if (route === 'here') primary.add(slot)
      if (changed) member.primaryVersion++
      member.routeVersion++
      this.tables.set(member.name, { primaryVersion: member.primaryVersion, primary })
    }
  }
}
