/**
 * SWIM (Das, Gupta, Motivala, DSN 2002) with suspicion, refutation and Lifeguard (arXiv 1707.00788): membership by rumour.
 *
 * Every probe interval one member is pinged (prober.ts); one that stays silent is suspected, and dead when its trial ends without a refutation
 * (view.ts, suspicion.ts). News rides on pings and acks and goes to a few members in gossip rounds (dissemination.ts). Push/pull, the whole
 * state in both directions, makes a newcomer known at once, mends what gossip lost, and brings halves together that held each other dead
 * (seeds.ts). A member's load does not grow with the cluster.
 *
 * Beyond the papers: a life is `(name, generation)`, never an address; pings and acks name the life they mean; a later generation of a name
 * ends the earlier one without any detector; a fact from outside ends a life without appeal. A member that hears of a later life of its own
 * name becomes a yet later one while it has not joined, and gives up afterwards.
 *
 * It may run in a thread of its own, beside the one that serves the data, so that no pause there makes it miss a ping. Then it answers for a
 * data path that it does not share, and is told when that one hangs: acks say so, and when it lasts this member falls silent, as a stopped
 * process would, so that others take over what nobody serves here.
 *
 * Time, chance and the network are arguments; everything happens in a turn of a timer, a packet or an exchange, each of which first notices
 * whether this process stood still. It leaves to others: who is a candidate (discovery), what a change of the view means (placement,
 * replication).
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { OwnTime, PeerClock } from '../lib/cluster-time.ts'
import type { Logger } from '../lib/logger.ts'
import { type Random, randomBelow, sample } from '../lib/random.ts'
import type { Address, ExchangeTransport, PacketTransport } from '../transport/transport.ts'
import { Awareness } from './awareness.ts'
import { type Ack, Codec, type GossipMessage, type Ping, type PushPull } from './codec.ts'
import { Exchanger, type ExchangerPort } from './exchanger.ts'
import { Gossiper } from './gossiper.ts'
import { HungPeers } from './hung-peers.ts'
import { MemberList } from './member-list.ts'
import type { Member, MemberMeta, MemberState, Membership, MembershipEvents, MembershipStats } from './membership.ts'
import { DEFAULT_SWIM_OPTIONS, type SwimOptions } from './options.ts'
import { type OwnIdentity, OwnRecord } from './own-record.ts'
import { PeerClocks } from './peer-clocks.ts'
import { Prober, type ProberPort } from './prober.ts'
import { compareLives, isLive, isSameLife, MAX_ORDINAL, type MemberRecord } from './record.ts'
import { MAX_NAME_BYTES } from './record-codec.ts'
import { Reputation } from './reputation.ts'
import { Seeds } from './seeds.ts'
import { View } from './view.ts'

export interface SwimParts {
  readonly clock: Clock
  readonly random: Random
  readonly packets: PacketTransport
  readonly exchanges: ExchangeTransport
  readonly self: OwnIdentity
  /** Members of different clusters refuse each other's packets. */
  readonly clusterId: string
  readonly options?: Partial<SwimOptions>
  readonly events: MembershipEvents
  /** This member's own record changed, or it joined; in a turn of its own input, or inside `updateMeta`. */
  readonly ownChanged?: () => void
  /** A peer's clock is heard for the first time in its life, or it has settled. */
  readonly clocksChanged?: () => void
  /** What the transports dropped because nobody with a key had signed it. */
  readonly forgedTotal?: () => number
  readonly logger: Logger
}

/** Announcements under way at a time. */
const MAX_ANNOUNCEMENTS = 16
/** A farewell goes to so many in each of its rounds: in a small cluster, to all. */
const FAREWELL_PEERS = 10
const FAREWELL_ROUNDS = 4
const FAREWELL_INTERVAL_MS = 100
const MAX_NACK_AFTER_MS = 0xffff
/** So many are probed at once when this member has joined and its time is not settled. */
const JOIN_PROBES = 7

export class Swim implements Membership {
  readonly #clock: Clock
  readonly #random: Random
  readonly #packets: PacketTransport
  readonly #exchanger: Exchanger
  readonly #options: SwimOptions
  readonly #log: Logger
  readonly #ownChanged: () => void
  readonly #clocksChanged: () => void
  readonly #forgedTotal: () => number
  readonly #codec: Codec
  readonly #own: OwnRecord
  readonly #list: MemberList
  readonly #gossiper: Gossiper
  readonly #view: View
  readonly #awareness = new Awareness()
  readonly #reputation: Reputation
  readonly #hungPeers: HungPeers
  readonly #peerClocks = new PeerClocks()
  #time: OwnTime | null = null
  readonly #prober: Prober
  readonly #seeds: Seeds
  readonly #timers = new Set<Timer>()
  readonly #hintedMs = new Map<string, number>()
  #phase: 'new' | 'running' | 'leaving' | 'closed' = 'new'
  #joined = false
  #announcements = 0
  #lastTurnMs = 0
  #publishDue = false
  /** To be called when the farewell is over. */
  readonly #left: (() => void)[] = []
  /** How long the data path has been hanging, in ms. */
  #hungMs = 0
  #silent = false
  #packetsReceivedTotal = 0
  #packetsRefusedTotal = 0

  /** Throws a `RangeError` when the name, the generation or the meta does not fit a record. */
  constructor(parts: SwimParts) {
    const { clock, random, self } = parts
    if (self.name === '' || Buffer.byteLength(self.name) > MAX_NAME_BYTES) {
      throw new RangeError(`the name of a member has 1 to ${MAX_NAME_BYTES} bytes`)
    }
    if (!Number.isSafeInteger(self.generation) || self.generation < 0 || self.generation >= MAX_ORDINAL) {
      throw new RangeError(`a generation is a whole number from 0 to below ${MAX_ORDINAL}`)
    }
    this.#clock = clock
    this.#random = random
    this.#packets = parts.packets
    this.#options = { ...DEFAULT_SWIM_OPTIONS, ...parts.options }
    this.#log = parts.logger
    this.#ownChanged = parts.ownChanged ?? (() => {})
    this.#clocksChanged = parts.clocksChanged ?? (() => {})
    this.#forgedTotal = parts.forgedTotal ?? (() => 0)
    this.#codec = new Codec(parts.clusterId)
    this.#exchanger = new Exchanger(parts.exchanges, this.#codec, this.#options.exchangeTimeoutMs, this.#exchangerPort())
    this.#own = new OwnRecord(self, randomBelow(random, 2 ** 32), this.#ownChanged)
    this.#list = new MemberList(random)
    this.#gossiper = new Gossiper(clock, parts.packets, this.#codec, this.#options, this.#list, (ms, fn) => this.#later(ms, fn))
    this.#view = new View(clock, this.#options, this.#list, this.#gossiper, parts.events, parts.logger)
    this.#reputation = new Reputation(this.#own, this.#gossiper, this.#awareness, parts.events, parts.logger)
    this.#hungPeers = new HungPeers(this.#list, parts.logger)
    this.#prober = new Prober(clock, randomBelow(random, 2 ** 32), this.#options, this.#awareness, this.#proberPort())
    this.#seeds = new Seeds(random, this.#options.announceIntervalMs)
  }

  get joined(): boolean {
    return this.#joined
  }

  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'running'
    this.#lastTurnMs = this.#clock.now()
    this.#packets.onPacket((packet, from) => this.#turn(() => this.#receivePacket(packet, from)))
    this.#exchanger.listen()
    const { gossipIntervalMs, probeIntervalMs, pushPullIntervalMs, announceIntervalMs } = this.#options
    this.#gossiper.spread(this.#own.record)
    this.#publish()
    this.#every(
      0,
      () => gossipIntervalMs,
      () => this.#gossipTurn(),
    )
    this.#every(
      this.#random.next() * probeIntervalMs,
      () => this.#awareness.scale(probeIntervalMs),
      () => this.#probeNext(),
    )
    // Jittered, so that members that started together do not go on together.
    this.#every(
      pushPullIntervalMs * this.#random.next(),
      () => pushPullIntervalMs * (0.75 + this.#random.next() / 2),
      () => this.#pushPullWith(this.#list.sampleLive(1)[0]),
    )
    const leisureMs = (): number => announceIntervalMs * (1 + this.#random.next())
    this.#every(leisureMs(), leisureMs, () => this.#announceToTheDead())
  }

  close(): void {
    this.#phase = 'closed'
    this.#prober.reset()
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  /** While a change of the table version waits to be published, still with the one before. */
  self(): Member {
    return this.#own.record
  }

  members(): readonly Member[] {
    return this.#list.all()
  }

  member(name: string): Member | undefined {
    return this.#list.get(name)
  }

  /** At most 256 are kept. */
  setSeeds(addresses: readonly Address[]): void {
    this.#seeds.replace(addresses, this.#clock.now())
  }

  /** Throws a `RangeError`, and changes nothing, when the meta would be over 512 bytes. */
  updateMeta(change: Partial<MemberMeta>): void {
    this.#own.want(change)
    this.#publish()
  }

  /** Tells the event loop's lag, measured here or in the data path: a member that is slow itself accuses others later. */
  reportLag(lagMs: number): void {
    this.#awareness.observeLag(lagMs)
  }

  /**
   * Tells for how long the thread that serves the data has not run: 0 when it does. After a while acks say so; after longer this member neither
   * says nor hears anything, until it is told 0 again. To be told at least ten times a second while it hangs.
   */
  reportHang(hungMs: number): void {
    this.#hungMs = hungMs
    const silent = hungMs >= this.#options.hungSilentMs
    if (silent === this.#silent) return
    if (silent) {
      this.#log.error({ hungMs: Math.round(hungMs) }, 'the data path hangs: falling silent, so that others take over')
      this.#prober.reset()
      this.#silent = true
      return
    }
    this.#silent = false
    this.#log.warn({}, 'the data path runs again: speaking again')
    this.#turn(() => {
      this.#stoodStill(0)
      // Whether this member was held dead meanwhile it has to know before anything else.
      this.#pushPullWith(this.#list.sampleLive(1)[0])
    })
  }

  tellTime(time: OwnTime): void {
    this.#time = time
  }

  clocks(): PeerClock[] {
    return this.#peerClocks.of(this.#list.live())
  }

  declareGone(name: string, uid: string): void {
    if (uid === '' || this.#phase === 'closed') return
    const self = this.#own.record
    if (name === self.name) {
      if (uid === self.meta.uid) this.#later(0, () => this.#reputation.supersede())
      return
    }
    const held = this.#list.get(name)
    // One that is held dead already becomes so beyond appeal; nothing is told, as nothing changes.
    if (held === undefined || held.meta.uid !== uid || held.fact) return
    this.#log.info({ member: name, generation: held.generation }, 'the life of a member is over, as a fact')
    this.#view.learn({ ...held, state: 'dead', fact: true, accuser: '' })
    this.#gossiper.promptly()
  }

  hintUnreachable(name: string): void {
    const held = this.#list.get(name)
    const nowMs = this.#clock.now()
    if (this.#phase !== 'running' || held === undefined || !isLive(held)) return
    if (nowMs - (this.#hintedMs.get(name) ?? Number.NEGATIVE_INFINITY) < this.#options.hintIntervalMs) return
    this.#hintedMs.set(name, nowMs)
    this.#prober.probe(held, true)
  }

  /** A second call waits for the farewell that the first one began. `close` ends it, and `done` is not called then. */
  leave(timeoutMs: number, done: () => void): void {
    if (this.#phase === 'new' || this.#phase === 'closed') {
      this.#phase = 'closed'
      this.#clock.soon(done)
      return
    }
    this.#left.push(done)
    if (this.#phase === 'leaving') return
    this.#phase = 'leaving'
    this.#prober.reset()
    this.#own.leave()
    this.#gossiper.spread(this.#own.record)
    const intervalMs = Math.min(FAREWELL_INTERVAL_MS, Math.max(0, timeoutMs) / FAREWELL_ROUNDS)
    this.#later(0, () => this.#farewell(FAREWELL_ROUNDS, intervalMs))
  }

  stats(): MembershipStats {
    const states: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 }
    for (const member of this.#list.all()) states[member.state]++
    return {
      ...states,
      probesTotal: this.#prober.probesTotal,
      probeFailuresTotal: this.#prober.failuresTotal,
      suspicionsTotal: this.#view.suspicionsTotal,
      refutationsTotal: this.#reputation.refutationsTotal,
      packetsSentTotal: this.#gossiper.packetsSentTotal,
      packetsReceivedTotal: this.#packetsReceivedTotal,
      packetsRefusedTotal: this.#packetsRefusedTotal,
      packetsForgedTotal: this.#forgedTotal(),
      hungAnswersTotal: this.#hungPeers.answersTotal,
      localHealth: this.#awareness.score,
    }
  }

  #farewell(rounds: number, intervalMs: number): void {
    if (rounds === 0 || this.#list.live().length === 0) {
      this.close()
      for (const done of this.#left) done()
      return
    }
    for (const { address } of this.#list.sampleLive(FAREWELL_PEERS)) this.#sendRecord(address, this.#own.record)
    this.#later(intervalMs, () => this.#farewell(rounds - 1, intervalMs))
  }

  // Turns: how input and time come in.

  /** Every input passes here. After a gap this process stood still, and what ran out meanwhile proves nothing. */
  #turn(fn: () => void): void {
    if (this.#phase !== 'running' && this.#phase !== 'leaving') return
    const nowMs = this.#clock.now()
    const gapMs = nowMs - this.#lastTurnMs
    this.#lastTurnMs = nowMs
    if (gapMs > this.#options.pauseMs) {
      this.#log.warn({ gapMs: Math.round(gapMs) }, 'this process stood still')
      this.#stoodStill(gapMs)
    }
    fn()
  }

  #stoodStill(gapMs: number): void {
    this.#prober.reset()
    this.#view.grantTime()
    this.#awareness.observeLag(gapMs)
  }

  #later(ms: number, fn: () => void): Timer {
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(timer)
      this.#turn(fn)
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  #every(firstMs: number, intervalMs: () => number, fn: () => void): void {
    this.#later(firstMs, () => {
      fn()
      if (this.#phase !== 'closed') this.#every(intervalMs(), intervalMs, fn)
    })
  }

  #gossipTurn(): void {
    if (this.#silent) return
    const convicted = this.#view.convict(this.#own.record.name)
    // Once and directly: if it lives after all, it is the one that has to know.
    for (const dead of convicted) this.#sendRecord(dead.address, dead)
    this.#gossiper.round()
    this.#announceToSeeds()
  }

  #publish(): void {
    if (this.#phase === 'closed' || this.#phase === 'leaving') return
    const waitMs = this.#own.publishInMs(this.#clock.now(), this.#options.tableVersionIntervalMs)
    if (waitMs === 0) {
      this.#own.publish(this.#clock.now())
      this.#gossiper.spread(this.#own.record)
      this.#gossiper.promptly()
    } else if (waitMs !== undefined && !this.#publishDue && this.#phase === 'running') {
      this.#publishDue = true
      this.#later(waitMs, () => {
        this.#publishDue = false
        this.#publish()
      })
    }
  }

  // Packets.

  #receivePacket(packet: Buffer, from: Address): void {
    if (this.#silent) return
    this.#packetsReceivedTotal++
    const decoded = this.#codec.decodePacket(packet)
    if (!decoded.ok) {
      this.#refuse(decoded.reason, from)
      return
    }
    for (const message of decoded.value) {
      // What is told to the product may make it close this member.
      if (this.#phase === 'closed') return
      switch (message.type) {
        case 'ping':
          this.#answerPing(message, from)
          break
        case 'ping-request':
          this.#prober.relay(from, message)
          break
        case 'ack':
          this.#acked(message)
          break
        case 'nack':
          this.#prober.nacked(message.sequence)
          break
        case 'member':
          if (message.record.name === this.#own.record.name) this.#reputation.hear(message.record, this.#joined)
          else this.#view.learn(message.record)
          break
      }
    }
  }

  #sendRecord(to: Address, record: MemberRecord): void {
    this.#gossiper.send(to, { type: 'member', record })
  }

  #refuse(reason: string, from: Address): void {
    this.#packetsRefusedTotal++
    this.#log.debug({ reason, from }, 'a packet or an exchange was refused')
  }

  // Probes.

  #probeNext(): void {
    if (this.#phase !== 'running' || this.#silent) return
    const target = this.#list.nextToProbe()
    if (target !== undefined) this.#prober.probe(target, false)
  }

  #answerPing({ sequence, target, source }: Ping, from: Address): void {
    if (!isSameLife(target, this.#own.record)) {
      // Meant for an earlier life of ours, or for whoever had this address before.
      this.#sendRecord(from, this.#own.record)
      return
    }
    const ack: GossipMessage = { type: 'ack', sequence, from: this.#own.record, ...this.#health() }
    // A prober that we do not hold alive has to know, so that it can refute, or give up where a later life of it is known.
    const held = this.#list.get(source.name)
    const tells = held !== undefined && (held.state !== 'alive' || held.generation > source.generation)
    if (tells) this.#gossiper.send(from, { type: 'member', record: held }, ack)
    else this.#gossiper.send(from, ack)
  }

  #acked(ack: Ack): void {
    const sentMs = this.#prober.acked(ack.sequence, ack.from, ack.hung)
    if (sentMs !== null) this.#noteHealth(ack, sentMs)
  }

  #noteHealth({ from, hung, clock }: Ack, sentMs: number): void {
    this.#hungPeers.note(from.name, hung)
    const held = this.#list.get(from.name)
    if (clock === undefined || held === undefined || !isSameLife(held, from)) return
    if (this.#peerClocks.note(from, clock, sentMs, this.#clock.now())) this.#clocksChanged()
  }

  #health(): Pick<Ack, 'hung' | 'clock'> {
    const hung = this.#hungMs >= this.#options.hungMs
    if (this.#time === null) return { hung }
    const { offsetMs, settled } = this.#time
    return { hung, clock: { clockMs: this.#clock.now() + offsetMs, wallMs: this.#clock.wallMs(), settled } }
  }

  #proberPort(): ProberPort {
    return {
      later: (ms, fn) => this.#later(ms, fn),
      sendPing: (to, sequence, target) => {
        const ping: GossipMessage = { type: 'ping', sequence, target, source: this.#own.record }
        const held = this.#list.get(target.name)
        // The accusation comes first, so that the ack already carries the refutation (Lifeguard's buddy system).
        if (held?.state === 'suspect') this.#gossiper.send(to, { type: 'member', record: held }, ping)
        else this.#gossiper.send(to, ping)
      },
      sendPingRequest: (relay, sequence, target, nackAfterMs) => {
        const bounded = Math.min(nackAfterMs, MAX_NACK_AFTER_MS)
        this.#gossiper.send(relay.address, { type: 'ping-request', sequence, target, address: target.address, nackAfterMs: bounded })
      },
      sendAck: (to, sequence, from, hung) => this.#gossiper.send(to, { type: 'ack', sequence, from, hung }),
      sendNack: (to, sequence) => this.#gossiper.send(to, { type: 'nack', sequence }),
      pingByExchange: (target, timeoutMs, answered) => {
        const sentMs = this.#clock.now()
        this.#exchanger.ping(target, timeoutMs, (ack) => {
          this.#noteHealth(ack, sentMs)
          answered()
        })
      },
      chooseRelays: (target, count) => this.#list.sampleLive(count, target.name),
      probeFailed: (target) => this.#accuse(target),
    }
  }

  #accuse(target: MemberRecord): void {
    const held = this.#list.get(target.name)
    if (held === undefined || compareLives(held, target) !== 0 || !isLive(held)) return
    this.#view.learn({ ...held, state: 'suspect', accuser: this.#own.record.name })
    this.#gossiper.promptly()
  }

  // Push/pull.

  #exchangerPort(): ExchangerPort {
    return {
      isSilent: () => this.#silent,
      health: () => this.#health(),
      self: () => this.#own.record,
      others: () => this.#list.all(),
      merge: (state) => this.#merge(state),
      refused: (reason, from) => this.#refuse(reason, from),
      turn: (fn) => this.#turn(fn),
    }
  }

  #merge({ source, records }: PushPull): void {
    for (const record of records) {
      if (this.#phase === 'closed') return
      if (record.name === this.#own.record.name) this.#reputation.hear(record, this.#joined)
      else this.#view.learnFromPushPull(record, source.name)
    }
    if (this.#joined || source.name === this.#own.record.name) return
    this.#joined = true
    this.#ownChanged()
    this.#log.info({ through: source.name, members: this.#view.size }, 'joined the cluster')
    if (this.#time?.settled !== false) return
    for (const peer of this.#list.sampleLive(JOIN_PROBES)) this.#prober.probe(peer, false)
  }

  #announceToSeeds(): void {
    const isMet = (address: Address, name: string | undefined): boolean => this.#isMet(address, name)
    for (const seed of this.#seeds.takeDue(this.#clock.now(), MAX_ANNOUNCEMENTS - this.#announcements, isMet)) {
      this.#announcements++
      this.#exchanger.pushPull(seed, (name) => {
        this.#announcements--
        this.#seeds.tried(seed, name, this.#joined, this.#clock.now())
      })
    }
  }

  #isMet(address: Address, name: string | undefined): boolean {
    const self = this.#own.record
    if (address === self.address || name === self.name) return true
    const answered = name === undefined ? undefined : this.#list.get(name)
    return (answered !== undefined && isLive(answered)) || this.#list.live().some((member) => member.address === address)
  }

  /** One of those that gossip holds dead may only be out of reach. Lives that ended as a fact, or in order, are not asked. */
  #announceToTheDead(): void {
    const dead = this.#list.all().filter((member) => member.state === 'dead' && !member.fact)
    this.#pushPullWith(sample(this.#random, dead, 1)[0])
  }

  #pushPullWith(peer: MemberRecord | undefined): void {
    if (peer !== undefined && this.#phase === 'running' && !this.#silent) this.#exchanger.pushPull(peer.address, () => {})
  }
}
