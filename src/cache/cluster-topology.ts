/**
 * The topology of a cluster: draws the picture from the routes and the roster when somebody asks for it and something has changed, and asks the
 * other members what only they know.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { clusterReport, faceAddress } from './cluster-report.ts'
import type { Roster } from './roster.ts'
import type { ClusterMember, ClusterReport, Copy, Joining, MemberFigures, Picture, SlotRange, Topology } from './topology.ts'
import { decodeFigures, encodeFigures, KIND_FIGURES, KIND_RETIRE } from './topology-messages.ts'

/** While routes change all the time, and many clients ask, the picture may be so old. Where it misleads them they are redirected. */
const REDRAW_MS = 100
const FIGURES_MS = 1000
const RETIRE_MS = 2000
const WORD = 2 ** 32

export interface ClusterTopologyParts {
  readonly name: string
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly store: Store
  readonly authority: Authority
  readonly calls: CacheCalls
  readonly roster: Roster
}

export class ClusterTopology implements Topology {
  readonly self: string
  readonly #clock: Clock
  readonly #hybrid: HybridClock
  readonly #store: Store
  readonly #authority: Authority
  readonly #calls: CacheCalls
  readonly #roster: Roster
  #routeVersion = -1
  #rosterVersion = ''
  #version = 0
  #picture: Picture | null = null
  #drawnMs = 0
  #members: ReadonlyMap<string, ClusterMember> | null = null

  constructor({ name, clock, hybrid, store, authority, calls, roster }: ClusterTopologyParts) {
    this.self = name
    this.#clock = clock
    this.#hybrid = hybrid
    this.#store = store
    this.#authority = authority
    this.#calls = calls
    this.#roster = roster
    calls.handle(KIND_FIGURES, (_from, _body, respond) => respond?.(encodeFigures(this.#ownFigures())))
    calls.handle(KIND_RETIRE, (_from, _body, respond) => {
      roster.retire()
      respond?.(NO_BYTES)
    })
  }

  get version(): number {
    const { routeVersion } = this.#authority
    const { version } = this.#roster
    if (routeVersion !== this.#routeVersion || version !== this.#rosterVersion) {
      if (version !== this.#rosterVersion) this.#members = null
      this.#routeVersion = routeVersion
      this.#rosterVersion = version
      this.#version++
    }
    return this.#version
  }

  picture(): Picture {
    const { version } = this
    const nowMs = this.#clock.now()
    if (this.#picture === null || (this.#picture.version !== version && nowMs - this.#drawnMs >= REDRAW_MS)) {
      this.#drawnMs = nowMs
      this.#picture = { version, members: this.#roster.members(), ranges: this.#ranges() }
    }
    return this.#picture
  }

  member(name: string): ClusterMember | undefined {
    void this.version
    this.#members ??= new Map(this.#roster.members().map((member) => [member.name, member]))
    return this.#members.get(name)
  }

  seat(slot: number): 'here' | string | null {
    if (this.#authority.executes(slot)) return 'here'
    // Until the heir has taken it, the heir would send a client back here.
    if (this.#roster.isMoving(slot)) return null
    const route = this.#authority.route(slot)
    if (route === null || route === 'here') return route
    return this.member(route)?.state === 'alive' ? route : null
  }

  heir(slot: number): string | null {
    const route = this.#roster.isMoving(slot) ? this.#authority.route(slot) : null
    return route !== null && route !== 'here' && this.member(route)?.state === 'alive' ? route : null
  }

  hasCopy(slot: number): boolean {
    return this.#roster.isComplete(slot)
  }

  keysHere(slot: number): number {
    return this.#store.slotLive(slot)
  }

  listKeysHere(slot: number, count: number): Buffer[] {
    const nowMs = this.#hybrid.physicalMs()
    const keys: Buffer[] = []
    if (count === 0) return keys
    this.#store.scanSlot(slot, null, (entry) => {
      if (!entry.tombstone && !entry.isExpired(nowMs)) keys.push(Buffer.from(entry.keyBytes()))
      return keys.length < count
    })
    return keys
  }

  report(withRanges: boolean, done: (report: ClusterReport) => void): void {
    this.#figures((figures) => done(clusterReport(this.picture(), figures, withRanges)))
  }

  join(address: string): Joining {
    return this.#roster.join(address)
  }

  retire(member: string, done: (error: CacheError | null, name: string | null) => void): void {
    const forgotten = this.#roster.forget(member)
    const found = this.#roster.members().find((candidate) => isThere(candidate.state) && isCalled(candidate, member))
    if (found === undefined) {
      if (forgotten) done(null, null)
      else done(new CacheError('MEMBER_NOT_FOUND', 'no member that is there has this name or address'), null)
    } else if (found.name === this.self) {
      this.#roster.retire()
      done(null, found.name)
    } else {
      this.#calls.call(found.name, KIND_RETIRE, NO_BYTES, RETIRE_MS, (failure) => {
        if (failure === null) done(null, found.name)
        else done(new CacheError('TRY_AGAIN', `${found.name} could not be asked to leave`), null)
      })
    }
  }

  #figures(done: (byName: ReadonlyMap<string, MemberFigures>) => void): void {
    const figures = new Map([[this.self, this.#ownFigures()]])
    const others = this.#roster.members().filter(({ name, state }) => name !== this.self && isThere(state))
    let open = others.length
    if (open === 0) done(figures)
    for (const { name } of others) {
      this.#calls.call(name, KIND_FIGURES, NO_BYTES, FIGURES_MS, (_failure, body) => {
        if (body !== null) figures.set(name, decodeFigures(body))
        open--
        if (open === 0) done(figures)
      })
    }
  }

  #ranges(): SlotRange[] {
    const copiesOf = this.#roster.copies()
    const ranges: SlotRange[] = []
    let from = 0
    let begun: Omit<SlotRange, 'from' | 'to'> | null = null
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const holder = this.#holder(slot)
      const weak = this.#authority.term(slot)?.strong === false
      const copies = copiesOf(slot)
      if (begun !== null && begun.holder === holder && begun.weak === weak && areSame(begun.copies, copies)) continue
      if (begun !== null) ranges.push({ from, to: slot - 1, ...begun })
      from = slot
      begun = { holder, weak, copies }
    }
    if (begun !== null) ranges.push({ from, to: SLOT_COUNT - 1, ...begun })
    return ranges
  }

  /** Who holds the slot, though it may be standing still at this moment. */
  #holder(slot: number): string | null {
    if (this.#authority.isPrimary(slot)) return this.self
    const route = this.#authority.route(slot)
    return route === 'here' ? this.self : route
  }

  #ownFigures(): MemberFigures {
    const { entries, bytes, maxBytes } = this.#store.stats()
    let primarySlots = 0
    let completeSlots = 0
    let high = 0
    let low = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.#roster.isComplete(slot)) completeSlots++
      if (!this.#authority.isPrimary(slot)) continue
      primarySlots++
      const digest = this.#store.slotDigest(slot)
      high = (high + (digest.high >>> 0)) % WORD
      low = (low + (digest.low >>> 0)) % WORD
    }
    return {
      ready: this.#roster.ready(),
      primarySlots,
      completeSlots,
      entries,
      bytes,
      maxBytes,
      digest: `${hex(high)}${hex(low)}`,
      followers: this.#roster.followers(),
      lost: this.#roster.lost(),
    }
  }
}

function isThere(state: ClusterMember['state']): boolean {
  return state === 'alive' || state === 'suspect'
}

function isCalled({ name, host, gossipAddress, peerAddress, ports }: ClusterMember, wanted: string): boolean {
  if (wanted === name || wanted === gossipAddress || wanted === peerAddress) return true
  return Object.values(ports).some((port) => port !== 0 && wanted === faceAddress(host, port))
}

function areSame(a: readonly Copy[], b: readonly Copy[]): boolean {
  return a.length === b.length && a.every((copy, i) => copy === b[i])
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
