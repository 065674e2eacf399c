/**
 * Remote membership: the `Membership` of a data path whose SWIM runs in another thread (membership-host.ts).
 *
 * It is a mirror: reading it asks nobody, and what is asked of it is passed on. News arrives within a turn of both event loops, and after a pause
 * of the data path as two letters at most that hold the outcome: lives that came and went meanwhile are not told, but the end of a life that was known
 * always is, before the one that follows it. Counts are up to half a second old.
 *
 * `heldDead` and `superseded` come when the news does. Nothing is called from inside a call into it, `declareGone` included.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../lib/clock.ts'
import type { OwnTime, PeerClock } from '../lib/cluster-time.ts'
import type { Logger } from '../lib/logger.ts'
import type { Address } from '../transport/transport.ts'
import { MAX_PUSH_PULL_MEMBERS } from './codec.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Member, MemberMeta, MemberState, Membership, MembershipEvents, MembershipStats } from './membership.ts'
import type { OwnIdentity } from './own-record.ts'
import { isLive } from './record.ts'
import { encodeMeta } from './record-codec.ts'
import { Correspondence, type Counts, type FromHost, type News, type ThreadPort, type ToHost, type Wishes } from './thread-messages.ts'

export interface RemoteMembershipParts {
  readonly clock: Clock
  readonly self: OwnIdentity
  readonly port: ThreadPort<ToHost, FromHost>
  /** Beats from the start to the end of this membership. */
  readonly heartbeat: Heartbeat
  readonly events: MembershipEvents
  readonly logger: Logger
}

/** How much longer than its own limit a farewell may take, until it counts as said. */
const FAREWELL_GRACE_MS = 1_000
/** Facts that wait for a thread that does not take them; the oldest is the one that gossip will find out by itself. */
const MAX_GONE = 4_096

const NO_COUNTS: Counts = {
  probesTotal: 0,
  probeFailuresTotal: 0,
  suspicionsTotal: 0,
  refutationsTotal: 0,
  packetsSentTotal: 0,
  packetsReceivedTotal: 0,
  packetsRefusedTotal: 0,
  packetsForgedTotal: 0,
  hungAnswersTotal: 0,
  localHealth: 0,
}

export class RemoteMembership implements Membership {
  readonly #parts: RemoteMembershipParts
  readonly #correspondence: Correspondence<Wishes>
  readonly #members = new Map<string, Member>()
  #phase: 'new' | 'running' | 'closed' = 'new'
  #self: Member
  /** What the meta shall be: ahead of what the other thread has published. */
  #wantedMeta: MemberMeta
  #joined = false
  #counts: Counts = NO_COUNTS
  #metaChange: Partial<MemberMeta> = {}
  #seeds: readonly Address[] | null = null
  readonly #gone = new Map<string, string>()
  readonly #hints = new Set<string>()
  #time: OwnTime | null = null
  #clocks: readonly PeerClock[] = []
  #leaveWithinMs: number | null = null
  readonly #left: (() => void)[] = []

  /** Throws a `RangeError` when the meta does not fit a record. */
  constructor(parts: RemoteMembershipParts) {
    encodeMeta(parts.self.meta)
    this.#parts = parts
    this.#self = { ...parts.self, incarnation: 0, state: 'alive' }
    this.#wantedMeta = parts.self.meta
    this.#correspondence = new Correspondence(
      () => this.#gather(),
      (wishes) => parts.port.post({ type: 'wishes', wishes }),
    )
    parts.port.onMessage((message) => {
      if (this.#phase !== 'running') return
      if (message.type === 'taken') this.#correspondence.taken()
      else this.#read(message.news)
    })
  }

  get joined(): boolean {
    return this.#joined
  }

  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'running'
    this.#parts.heartbeat.start()
    this.#parts.port.post({ type: 'start', self: this.#parts.self })
    this.#correspondence.offer()
  }

  /** The other thread stops; who started that thread ends it. */
  close(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#parts.heartbeat.close()
    this.#parts.port.post({ type: 'close' })
  }

  self(): Member {
    return this.#self
  }

  members(): readonly Member[] {
    return [...this.#members.values()]
  }

  member(name: string): Member | undefined {
    return this.#members.get(name)
  }

  setSeeds(addresses: readonly Address[]): void {
    this.#seeds = addresses
    this.#offer()
  }

  /** Throws a `RangeError`, and changes nothing, when the meta would be over 512 bytes. */
  updateMeta(change: Partial<MemberMeta>): void {
    const wanted = { ...this.#wantedMeta, ...change }
    encodeMeta(wanted)
    this.#wantedMeta = wanted
    this.#metaChange = { ...this.#metaChange, ...change }
    this.#offer()
  }

  declareGone(name: string, uid: string): void {
    if (uid === '') return
    this.#gone.set(uid, name)
    const [oldest] = this.#gone.keys()
    if (this.#gone.size > MAX_GONE && oldest !== undefined) this.#gone.delete(oldest)
    this.#offer()
  }

  hintUnreachable(name: string): void {
    const held = this.#members.get(name)
    if (held === undefined || !isLive(held)) return
    this.#hints.add(name)
    this.#offer()
  }

  tellTime(time: OwnTime): void {
    this.#time = time
    this.#offer()
  }

  clocks(): readonly PeerClock[] {
    return this.#clocks
  }

  /** A second call waits for the farewell that the first one began. `close` ends it, and `done` is not called then. */
  leave(timeoutMs: number, done: () => void): void {
    const { clock } = this.#parts
    if (this.#phase !== 'running') {
      this.close()
      clock.soon(done)
      return
    }
    this.#left.push(done)
    if (this.#left.length > 1) return
    this.#leaveWithinMs = timeoutMs
    this.#offer()
    clock.after(timeoutMs + FAREWELL_GRACE_MS, () => this.#farewellSaid())
  }

  stats(): MembershipStats {
    const states: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 }
    for (const { state } of this.#members.values()) states[state]++
    return { ...this.#counts, ...states }
  }

  #offer(): void {
    if (this.#phase === 'running') this.#correspondence.offer()
  }

  #gather(): Wishes | null {
    const wishes: Wishes = {
      meta: this.#metaChange,
      seeds: this.#seeds,
      gone: [...this.#gone].map(([uid, name]) => [name, uid]),
      hints: [...this.#hints],
      time: this.#time,
      leaveWithinMs: this.#leaveWithinMs,
    }
    const { meta, seeds, gone, hints, time, leaveWithinMs } = wishes
    const isAny = Object.keys(meta).length + gone.length + hints.length > 0 || seeds !== null || time !== null || leaveWithinMs !== null
    if (!isAny) return null
    this.#metaChange = {}
    this.#seeds = null
    this.#gone.clear()
    this.#hints.clear()
    this.#time = null
    this.#leaveWithinMs = null
    return wishes
  }

  #read(news: News): void {
    const { logger, events, port } = this.#parts
    for (const [level, fields, message] of news.lines) logger[level](fields, message)
    this.#self = news.self
    this.#joined = news.joined
    this.#counts = news.counts
    this.#clocks = news.clocks
    port.post({ type: 'taken' })
    if (news.superseded) events.superseded()
    // What is told to the product may make it close this membership.
    if (news.heldDead && this.#isRunning()) events.heldDead()
    for (const member of news.changes) if (this.#isRunning()) this.#change(member)
    if (news.left) this.#farewellSaid()
  }

  #isRunning(): boolean {
    return this.#phase === 'running'
  }

  #change(member: Member): void {
    const previous = this.#members.get(member.name)
    if (previous === undefined) this.#makeRoom()
    this.#members.set(member.name, member)
    if (tellsApart(member, previous)) this.#parts.events.memberChanged(member, previous)
  }

  /** Whom the other thread has forgotten to make room, this one forgets as well. */
  #makeRoom(): void {
    if (this.#members.size < MAX_PUSH_PULL_MEMBERS) return
    for (const member of this.#members.values()) {
      if (isLive(member)) continue
      this.#members.delete(member.name)
      return
    }
  }

  #farewellSaid(): void {
    if (this.#phase !== 'running') return
    this.close()
    for (const done of this.#left) done()
  }
}

/** A suspicion, say, that came and went between two letters leaves nothing to tell. */
function tellsApart(a: Member, b: Member | undefined): boolean {
  if (b === undefined || a.state !== b.state || a.generation !== b.generation || a.address !== b.address) return true
  // Not by its bytes: what a stranger said of itself need not fit a record when it is written again.
  return !isDeepStrictEqual(a.meta, b.meta)
}
