/**
 * One node: introduces the rooms to each other, and nothing more. Made by `main.ts` over real sockets and by the simulation over a network in
 * memory; a test builds ten in one process.
 *
 * Membership says who is there, discovery what the platform knows; from both follows the placement view, which is handed to replication. What
 * replication learns about routes wakes the cache. The rooms do not know each other.
 */
import { type Cache, type CacheStats, ClusterCache, type Limits } from './cache/index.ts'
import type { Candidate, Discovery, DiscoverySnapshot } from './discovery/index.ts'
import type { Clock, Timer } from './lib/clock.ts'
import type { TimeStats } from './lib/cluster-time.ts'
import { type FacePorts, NO_PORTS } from './lib/face-ports.ts'
import { HybridClock } from './lib/hybrid-clock.ts'
import type { Logger } from './lib/logger.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from './lib/protocol.ts'
import type { Random } from './lib/random.ts'
import type { Member, Membership, MembershipEvents, MembershipStats, OwnIdentity } from './membership/index.ts'
import { DEFAULT_GRACE, type Presence, type RejoinGrace, RingNames, View } from './placement/index.ts'
import { type PeerIdentity, Replication, type ReplicationStats, TICK_MS } from './replication/index.ts'
import { NodeRoster } from './roster.ts'
import { createStore, type EvictionPolicy, type Store, type StoreStats } from './store/index.ts'
import { Timekeeper } from './timekeeper.ts'
import { Calls, type CallsStats } from './transport/calls.ts'
import { Links } from './transport/links.ts'
import { Relay, type RelayStats } from './transport/relay.ts'
import type { Address, StreamTransport } from './transport/transport.ts'

export interface NodeOptions {
  readonly name: string
  /** Streams of another cluster are refused. */
  readonly clusterId: string
  /** Where the others reach this node's gossip and its peer streams. */
  readonly gossipAddress: Address
  readonly peerAddress: Address
  readonly podUid: string
  readonly zone: string
  /** Copies beside the primary. */
  readonly replicas: number
  readonly maxMemoryBytes: number
  readonly evictionPolicy: EvictionPolicy
  readonly limits: Limits
  readonly forwardTimeoutMs: number
  /** What a member does with writes that sees less than half of the members. */
  readonly partition: 'serve' | 'refuse'
  /** True when `wanted` of the discovery's snapshots is the whole truth (Kubernetes): a name that is not among them is not to come back. */
  readonly platformDecides: boolean
  readonly grace?: RejoinGrace
  /** How long a tombstone lives at least. Default 15 minutes: an absence that is no longer revives nothing, and needs no marks. */
  readonly tombstoneMs?: number
}

export interface NodeParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Makes this node's membership: in a thread of its own, or, in a simulation, right here. Called once, from the constructor. */
  readonly membership: (self: OwnIdentity, events: MembershipEvents) => Membership
  /** Tells once of each time when the thread of membership found this one standing still. */
  readonly hung: () => boolean
  readonly streams: StreamTransport
  readonly discovery: Discovery
  /** Another life of this node's name has taken its place: it has to end, at once. */
  readonly superseded: () => void
  /** The platform wanted this node gone for good, and wants it again: it is to stop in order, and to be started anew. */
  readonly wantedAgain: () => void
}

export interface NodeStats {
  readonly store: StoreStats
  readonly membership: MembershipStats
  readonly memberChangesTotal: number
  readonly replication: ReplicationStats
  readonly cache: CacheStats
  readonly calls: CallsStats
  readonly time: TimeStats
  readonly relay: RelayStats
  readonly draining: boolean
}

const TOMBSTONE_MS = 15 * 60 * 1000
const SWEEP_MS = 100
const SWEEP_STEPS = 500
/** A life that nobody has heard of for so long is taken to be over. */
const UNHEARD_MS = 10_000
const MAX_UNHEARD = 1000
/** Before the deadline of a stop at which a node gives up waiting for an heir. */
const GIVE_UP_MS = 5_000
const HAND_OVER_LOOK_MS = 20

export class Node {
  readonly cache: Cache
  readonly #options: NodeOptions
  readonly #parts: NodeParts
  readonly #clock: Clock
  readonly #membership: Membership
  readonly #store: Store
  readonly #links: Links
  readonly #calls: Calls
  readonly #relay: Relay
  readonly #hybrid: HybridClock
  readonly #timekeeper: Timekeeper
  readonly #replication: Replication
  readonly #cache: ClusterCache
  readonly #roster: NodeRoster
  readonly #ringNames: RingNames
  /** Pods that the platform has said are deleted. */
  readonly #goneUids = new Set<string>()
  /** By name and generation: since when a life is asked for that nobody has heard of, in ms of the clock. */
  readonly #unheardSinceMs = new Map<string, number>()
  #snapshot: DiscoverySnapshot = { candidates: [], wanted: [], heard: false }
  #evictionPolicy: EvictionPolicy
  #leaving = false
  #forGood = false
  /** The platform does not want this node. */
  #unwanted = false
  #ready = false
  /** It sees less than half of the members, and refuses writes for that. */
  #minority = false
  #memberChangesTotal = 0
  #timers: Timer[] = []
  #viewTimer: Timer | null = null
  #viewedNames = ''
  #view: View = new View({ ringNames: [], present: [], knownGone: [], replicas: 0 })
  #closed = false

  constructor(options: NodeOptions, parts: NodeParts) {
    this.#options = options
    this.#parts = parts
    const { clock, random, logger } = parts
    this.#clock = clock
    this.#hybrid = new HybridClock(clock)
    this.#evictionPolicy = options.evictionPolicy
    this.#ringNames = new RingNames(options.grace ?? DEFAULT_GRACE)
    this.#membership = this.#makeMembership()
    this.#timekeeper = new Timekeeper({
      clock,
      hybrid: this.#hybrid,
      membership: this.#membership,
      logger,
      alone: () => this.#isAlone(),
      isOver: ({ meta }) => this.#goneUids.has(meta.uid),
    })
    this.#roster = new NodeRoster({
      membership: this.#membership,
      replication: () => this.#replication,
      leaving: () => this.#leaving,
      ready: () => this.#ready && !this.#leaving,
      retire: () => this.leave(true),
      registeredChanged: () => this.#seed(),
    })
    this.#calls = new Calls(clock, logger)
    this.#relay = new Relay({ calls: this.#calls, clock, random, others: () => this.#others() })
    this.#links = new Links({
      self: () => this.#identity(),
      clusterId: options.clusterId,
      streams: parts.streams,
      clock,
      random,
      logger,
      onTrouble: (name) => this.#membership.hintUnreachable(name),
    })
    this.#store = createStore(
      {
        maxMemoryBytes: options.maxMemoryBytes,
        evictionPolicy: options.evictionPolicy,
        tombstoneMs: options.tombstoneMs ?? TOMBSTONE_MS,
        onDrop: (entry, slot, reason) => this.#replication.dropped(entry, slot, reason === 'evicted'),
      },
      random,
    )
    this.#replication = new Replication({
      self: () => this.#identity(),
      clock,
      hybrid: this.#hybrid,
      logger,
      store: this.#store,
      calls: this.#calls,
      around: this.#relay,
      isGone: (name, generation) => this.#isGone(name, generation),
      mayClaim: () => this.#mayClaim(),
      unaccounted: () => this.#unaccounted(),
      outOfReach: () => this.#outOfReach(),
      hung: parts.hung,
      refusesWrites: () => this.#minority,
      routesChanged: () => this.#cache.routesChanged(),
      tablePublished: (tableVersion) => this.#membership.updateMeta({ tableVersion }),
    })
    this.#links.use('request', this.#calls)
    this.#links.use('replication', this.#replication.replicationLinks())
    this.#links.use('bulk', this.#replication.bulkLinks())
    this.#cache = new ClusterCache({
      clock,
      random,
      hybrid: this.#hybrid,
      store: this.#store,
      authority: this.#replication,
      calls: this.#relay,
      roster: this.#roster,
      name: () => options.name,
      limits: options.limits,
      forwardTimeoutMs: options.forwardTimeoutMs,
    })
    this.cache = this.#cache
  }

  start(): void {
    this.#ringNames.appeared(this.#options.name, false)
    this.#refreshView()
    this.#timekeeper.tick()
    this.#membership.start()
    this.#parts.discovery.start({
      changed: (snapshot) => this.#discovered(snapshot),
      gone: (name, uid) => this.#platformSaysGone(name, uid),
    })
    this.#every(TICK_MS, () => this.#tick())
    this.#every(SWEEP_MS, () => {
      this.#store.sweep(this.#hybrid.physicalMs(), SWEEP_STEPS, (slot, reason) =>
        this.#replication.maySweep(slot, reason === 'tombstone-collected'),
      )
    })
    // The grace of absent names ends without an event.
    this.#every(1000, () => {
      if (this.#ringNames.names(this.#clock.now()).join() !== this.#viewedNames) this.#refreshView()
    })
  }

  /** Latches once all own seats were complete at one moment; ends only with the node's own stop. */
  ready(): { readonly ok: boolean; readonly reason: string } {
    if (this.#ready) return { ok: true, reason: 'ready' }
    if (!this.#timekeeper.settled) return { ok: false, reason: 'no other member has been met yet, or none has told the time' }
    const { orphanSlots, completeSlots } = this.#replication.stats()
    return { ok: false, reason: `filling: ${completeSlots} slots complete here, ${orphanSlots} without a holder` }
  }

  /** The faces listen there: the other members are told, who lead their clients to them. */
  announce(ports: FacePorts): void {
    this.#roster.announce(ports)
  }

  get leaving(): boolean {
    return this.#leaving
  }

  /** Begins to give away what this node holds; it goes on answering. Safe to call again, with `forGood` too. */
  leave(forGood: boolean): void {
    if (this.#leaving && (this.#forGood || !forGood)) return
    this.#leaving = true
    this.#forGood ||= forGood
    this.#parts.logger.info({ forGood: this.#forGood }, 'leaving: handing over')
    this.#ringNames.appeared(this.#options.name, this.#forGood)
    this.#membership.updateMeta({ leaving: true, forGood: this.#forGood })
    this.#roster.changed()
    this.#replication.leave()
    this.#refreshView()
  }

  /** Leaves, and calls `done` when all has been handed over or `timeoutMs` is nearly over: true for all. */
  handOver(timeoutMs: number, done: (all: boolean) => void): void {
    this.leave(false)
    const deadlineMs = this.#clock.now() + timeoutMs - GIVE_UP_MS
    const look = (): void => {
      if (this.#closed) return
      const over = this.#replication.handedOver()
      if (over || this.#clock.now() >= deadlineMs) {
        this.#replication.stopped()
        done(over && this.#replication.stats().primarySlots === 0)
      } else this.#clock.after(HAND_OVER_LOOK_MS, look)
    }
    look()
  }

  /** Says `left` to the others, then closes. */
  stop(timeoutMs: number, done: () => void): void {
    this.#membership.leave(timeoutMs, () => {
      this.#replication.stopped()
      this.close()
      done()
    })
  }

  /** Ends at once, as a crash would but for the sockets, which are the caller's. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    this.#viewTimer?.cancel()
    this.#parts.discovery.close()
    this.#cache.close()
    this.#replication.close()
    this.#membership.close()
    this.#links.close()
  }

  stats(): NodeStats {
    return {
      store: this.#store.stats(),
      membership: this.#membership.stats(),
      memberChangesTotal: this.#memberChangesTotal,
      replication: this.#replication.stats(),
      cache: this.#cache.stats(),
      calls: this.#calls.stats(),
      time: this.#timekeeper.stats(),
      relay: this.#relay.stats(),
      draining: this.#leaving,
    }
  }

  get evictionPolicy(): EvictionPolicy {
    return this.#evictionPolicy
  }

  /** Until the next start. */
  setEvictionPolicy(policy: EvictionPolicy): void {
    this.#evictionPolicy = policy
    this.#store.setEvictionPolicy(policy)
  }

  /** For the simulation's invariants and, later, the cluster page. */
  get inside(): { readonly replication: Replication; readonly membership: Membership; readonly store: Store } {
    return { replication: this.#replication, membership: this.#membership, store: this.#store }
  }

  #identity(): PeerIdentity {
    const { name, generation } = this.#membership.self()
    return { name, generation }
  }

  /** The other members that nobody suspects. */
  #others(): PeerIdentity[] {
    return this.#membership.members().filter(({ state }) => state === 'alive')
  }

  #makeMembership(): Membership {
    const { clock, membership } = this.#parts
    const { name, gossipAddress, peerAddress, podUid, zone } = this.#options
    const meta = {
      peerAddress,
      uid: podUid,
      zone,
      leaving: false,
      forGood: false,
      tableVersion: 0,
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_MAX,
      facePorts: NO_PORTS,
    }
    // A later start has a larger number, and where this wall clock is behind that of the earlier life, membership learns of the earlier life and goes above it.
    const generation = Math.floor(clock.wallMs())
    return membership(
      { name, generation, address: gossipAddress, meta },
      {
        memberChanged: (member, previous) => this.#memberChanged(member, previous),
        heldDead: () => this.#replication.heldDead(),
        superseded: () => this.#parts.superseded(),
      },
    )
  }

  #tick(): void {
    this.#timekeeper.tick()
    this.#replication.tick()
    if (!this.#ready && !this.#leaving && this.#mayClaim() && this.#replication.seatsComplete()) {
      this.#ready = true
      this.#parts.logger.info({ members: this.#membership.stats().alive + 1 }, 'ready: every own seat is complete')
    }
  }

  #memberChanged(member: Member, previous: Member | undefined): void {
    if (this.#closed) return
    this.#roster.changed()
    const { name, generation, state, meta } = member
    if (state !== previous?.state || generation !== previous.generation) {
      this.#memberChangesTotal++
      this.#parts.logger.info({ member: name, generation, state, was: previous?.state ?? 'unknown' }, 'member changed')
    }
    if (state === 'alive' || state === 'suspect') {
      this.#ringNames.appeared(name, meta.forGood)
      this.#replication.peerPresent({ name, generation })
      this.#links.keep({ name, generation }, meta.peerAddress)
      this.#viewSoon()
      this.#replication.peerTableVersion({ name, generation }, meta.tableVersion)
    } else if (previous === undefined || previous.state === 'alive' || previous.state === 'suspect') {
      const stopped = state === 'left' || this.#goneUids.has(meta.uid)
      this.#ringNames.went(name, meta.forGood ? 'for-good' : stopped ? 'stopped' : 'crashed', this.#clock.now())
      this.#links.drop(name)
      this.#refreshView()
      this.#replication.peerGone(name, state === 'left')
    }
  }

  #discovered(snapshot: DiscoverySnapshot): void {
    if (this.#closed) return
    this.#snapshot = snapshot
    const { name } = this.#options
    this.#seed()
    if (snapshot.heard && this.#options.platformDecides) {
      this.#ringNames.judgeBy((other) => !snapshot.wanted.includes(other))
      const own = snapshot.candidates.find((candidate) => this.#isOwn(candidate))
      const wanted = snapshot.wanted.includes(name)
      if (own !== undefined) this.#heed(own.stopping, wanted)
    }
    this.#viewSoon()
  }

  /** What the platform says of this pod. Who gives everything away for good cannot take that back, so one that is wanted again begins anew. */
  #heed(stopping: boolean, wanted: boolean): void {
    if (stopping || !wanted) this.leave(!wanted)
    if (!wanted) this.#unwanted = true
    else if (this.#unwanted && !stopping) {
      this.#unwanted = false
      this.#parts.wantedAgain()
    }
  }

  /** Whom to ask for members: where discovery knows some to be, and where operators have said so. */
  #seed(): void {
    const others = this.#snapshot.candidates.filter((candidate) => candidate.name !== this.#options.name)
    const addresses = others.map(({ address }) => address).filter((address) => address !== null)
    this.#membership.setSeeds([...addresses, ...this.#roster.registered])
  }

  #platformSaysGone(name: string, uid: string): void {
    if (this.#closed || uid === '' || uid === this.#options.podUid) return
    this.#goneUids.add(uid)
    this.#membership.declareGone(name, uid)
    this.#viewSoon()
  }

  #isOwn({ name, uid }: Candidate): boolean {
    return name === this.#options.name && uid === this.#options.podUid
  }

  /** Many changes in one turn make one view. */
  #viewSoon(): void {
    this.#viewTimer ??= this.#clock.after(0, () => this.#refreshView())
  }

  #refreshView(): void {
    if (this.#closed) return
    this.#viewTimer?.cancel()
    this.#viewTimer = null
    const self = this.#membership.self()
    const present: Presence[] = [{ name: self.name, generation: self.generation, leaving: this.#leaving }]
    const knownGone: string[] = []
    for (const { name, generation, state, meta } of this.#membership.members()) {
      if (state === 'alive' || state === 'suspect') present.push({ name, generation, leaving: meta.leaving })
      else if (state === 'left' || this.#goneUids.has(meta.uid)) {
        knownGone.push(name)
        this.#ringNames.accounted(name)
      }
    }
    const nowMs = this.#clock.now()
    const ringNames = this.#ringNames.names(nowMs)
    const missing = this.#ringNames.missing(nowMs)
    this.#viewedNames = ringNames.join()
    const { replicas } = this.#options
    this.#view = new View({ ringNames, present, knownGone, missing, replicas, zoneOf: (name) => this.#zoneOf(name) })
    this.#noticeSide()
    this.#replication.setView(this.#view)
  }

  /**
   * Every name on the ring has been a member, so its zone was told; while it is away it keeps the one of its last life, as it keeps its seats. Nothing
   * that only the platform says counts: members hear that at different moments.
   */
  #zoneOf(name: string): string {
    const member = name === this.#options.name ? this.#membership.self() : this.#membership.member(name)
    return member?.meta.zone ?? ''
  }

  #noticeSide(): void {
    if (this.#options.partition === 'serve' || this.#minority === this.#view.isMinority) return
    this.#minority = this.#view.isMinority
    const seen = [...this.#view.present()].length
    if (this.#minority) this.#parts.logger.warn({ seen }, 'less than half of the members can be seen: writes are refused')
    else this.#parts.logger.info({ seen }, 'half of the members or more can be seen again: writes are accepted')
  }

  #isGone(name: string, generation: number): boolean {
    const self = this.#membership.self()
    if (name === self.name) return generation !== self.generation
    const member = this.#membership.member(name)
    if (member === undefined || member.generation < generation) return this.#unheardTooLong(name, generation)
    return member.generation > generation || member.state === 'dead' || member.state === 'left'
  }

  #unheardTooLong(name: string, generation: number): boolean {
    const id = `${name} ${generation}`
    const since = this.#unheardSinceMs.get(id)
    if (since === undefined) {
      if (this.#unheardSinceMs.size >= MAX_UNHEARD) this.#unheardSinceMs.clear()
      this.#unheardSinceMs.set(id, this.#clock.now())
      return false
    }
    return this.#clock.now() - since > UNHEARD_MS
  }

  /** Before one push/pull a member claims nothing, unless it knows of nobody else; nor before it knows the time, of which its terms are made. */
  #mayClaim(): boolean {
    return this.#timekeeper.settled && (this.#membership.joined || this.#isAlone())
  }

  #isAlone(): boolean {
    const { heard, candidates, wanted } = this.#snapshot
    const { name } = this.#options
    return heard && candidates.every((other) => other.name === name) && wanted.every((other) => other === name)
  }

  /** Names that should exist and that nobody can vouch for. */
  #unaccounted(): string[] {
    const { heard, candidates } = this.#snapshot
    if (!heard) return ['discovery']
    return this.#mayRun([...candidates.map((candidate) => this.#nameOf(candidate)), ...this.#ringNames.names(this.#clock.now())])
  }

  /** Names of members that may be running on the other side of a cut, however long it has lasted. */
  #outOfReach(): string[] {
    const nowMs = this.#clock.now()
    return this.#mayRun([...this.#ringNames.names(nowMs), ...this.#ringNames.missing(nowMs)])
  }

  /** Of these names and all that are wanted, those that are not present, and of which nobody knows that they do not run. */
  #mayRun(others: readonly string[]): string[] {
    const { candidates, wanted } = this.#snapshot
    const notRunning = new Set(candidates.filter((candidate) => candidate.knownNotRunning).map(({ name }) => name))
    if (this.#options.platformDecides)
      for (const name of wanted) if (!candidates.some((candidate) => candidate.name === name)) notRunning.add(name)
    return [...new Set([...wanted, ...others])].filter((name) => {
      if (notRunning.has(name) || this.#view.generationOf(name) !== undefined) return false
      const member = this.#membership.member(name)
      return member === undefined || (member.state !== 'left' && !this.#goneUids.has(member.meta.uid))
    })
  }

  /** Where the source knows addresses only, the member that is there; one whom nobody has met has its address for a name. */
  #nameOf({ name, address }: Candidate): string {
    return name ?? this.#membership.members().find((member) => member.address === address)?.name ?? `${address}`
  }

  #every(ms: number, fn: () => void): void {
    const index = this.#timers.length
    const again = (): void => {
      if (this.#closed) return
      this.#timers[index] = this.#clock.after(ms, again)
      fn()
    }
    this.#timers.push(this.#clock.after(ms, again))
  }
}
