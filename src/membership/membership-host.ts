/**
 * Membership host: runs SWIM in a thread of its own and corresponds with the data path (thread-messages.ts), which holds a mirror of what it knows.
 *
 * It answers pings, refutes, suspects and gossips whatever the data path does. Twenty times a second it looks at the heartbeat of the data path
 * and at how late its own thread is, and tells SWIM of both. Everything that a thread needs comes as an argument; the real one is made by
 * membership-worker.ts, and tests run it on virtual time.
 */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/random.ts'
import type { ExchangeTransport, PacketTransport } from '../transport/transport.ts'
import { BEAT_MS, type HeartbeatWatch } from './heartbeat.ts'
import type { Member } from './membership.ts'
import type { SwimOptions } from './options.ts'
import type { OwnIdentity } from './own-record.ts'
import { isLive } from './record.ts'
import { Swim } from './swim.ts'
import {
  Correspondence,
  type FromHost,
  type LogLevel,
  type LogLine,
  type News,
  type ThreadPort,
  type ToHost,
  type Wishes,
} from './thread-messages.ts'

export interface MembershipHostParts {
  readonly clock: Clock
  readonly random: Random
  readonly packets: PacketTransport
  readonly exchanges: ExchangeTransport
  readonly clusterId: string
  readonly options?: Partial<SwimOptions>
  readonly watch: HeartbeatWatch
  readonly port: ThreadPort<FromHost, ToHost>
  /** What the transports dropped because nobody with a key had signed it. */
  readonly forgedTotal: () => number
  /** Whether lines of the level `debug` are wanted: there may be one for each packet. */
  readonly logsDebug: boolean
}

/** Lines kept for a data path that does not take them; what is beyond is counted. */
const MAX_LINES = 100
/** Counts go with other news, and by themselves this often. */
const COUNTS_MS = 500

export class MembershipHost {
  /** Logs by way of the data path, whose log it is. */
  readonly logger: Logger
  readonly #parts: MembershipHostParts
  readonly #correspondence: Correspondence<News>
  #swim: Swim | null = null
  #closed = false
  /** There is something to tell. */
  #due = false
  #offerDue = false
  readonly #changes = new Map<string, readonly Member[]>()
  #heldDead = false
  #superseded = false
  #left = false
  #lines: LogLine[] = []
  #linesLost = 0
  #lookedMs = 0
  #countedMs = 0

  /** Begins when it is told to start. */
  constructor(parts: MembershipHostParts) {
    this.#parts = parts
    this.#correspondence = new Correspondence(
      () => this.#gather(),
      (news) => parts.port.post({ type: 'news', news }),
    )
    const line = (level: LogLevel) => (fields: object, message: string) => this.#line([level, fields, message])
    this.logger = { debug: parts.logsDebug ? line('debug') : () => {}, info: line('info'), warn: line('warn'), error: line('error') }
    parts.port.onMessage((message) => this.#receive(message))
  }

  #receive(message: ToHost): void {
    if (this.#closed) return
    switch (message.type) {
      case 'start':
        this.#start(message.self)
        break
      case 'wishes':
        if (this.#swim !== null) this.#grant(this.#swim, message.wishes)
        this.#parts.port.post({ type: 'taken' })
        break
      case 'taken':
        this.#correspondence.taken()
        break
      case 'close':
        this.#closed = true
        this.#swim?.close()
        break
    }
  }

  #start(self: OwnIdentity): void {
    const { clock, random, packets, exchanges, clusterId, options = {}, forgedTotal } = this.#parts
    const swim = new Swim({
      clock,
      random,
      packets,
      exchanges,
      clusterId,
      options,
      self,
      forgedTotal,
      logger: this.logger,
      ownChanged: () => this.#tell(),
      clocksChanged: () => this.#tell(),
      events: {
        memberChanged: (member) => this.#noteChange(member),
        heldDead: () => {
          this.#heldDead = true
          this.#tell()
        },
        superseded: () => {
          this.#superseded = true
          this.#tell()
        },
      },
    })
    this.#swim = swim
    swim.start()
    this.#lookedMs = clock.now()
    this.#look(swim)
  }

  #grant(swim: Swim, { meta, seeds, gone, hints, time, leaveWithinMs }: Wishes): void {
    if (time !== null) swim.tellTime(time)
    if (seeds !== null) swim.setSeeds(seeds)
    if (Object.keys(meta).length > 0) swim.updateMeta(meta)
    for (const [name, uid] of gone) swim.declareGone(name, uid)
    for (const name of hints) swim.hintUnreachable(name)
    if (leaveWithinMs === null) return
    swim.leave(leaveWithinMs, () => {
      this.#left = true
      this.#tell()
    })
  }

  #look(swim: Swim): void {
    if (this.#closed) return
    const { clock, watch } = this.#parts
    const nowMs = clock.now()
    const { stillMs, lagMs } = watch.look(nowMs)
    swim.reportHang(stillMs)
    swim.reportLag(Math.max(lagMs, nowMs - this.#lookedMs - BEAT_MS))
    this.#lookedMs = nowMs
    if (nowMs - this.#countedMs >= COUNTS_MS) this.#tell()
    clock.after(BEAT_MS, () => this.#look(swim))
  }

  /** Later news of a member replaces earlier, but for the end of a life that another one follows. */
  #noteChange(member: Member): void {
    const [first, second] = this.#changes.get(member.name) ?? []
    const ends = first !== undefined && !isLive(first) && (second !== undefined || isLive(member))
    this.#changes.set(member.name, ends ? [first, member] : [member])
    this.#tell()
  }

  /** Further news of this turn goes with it. */
  #tell(): void {
    this.#due = true
    if (this.#offerDue) return
    this.#offerDue = true
    this.#parts.clock.soon(() => {
      this.#offerDue = false
      this.#correspondence.offer()
    })
  }

  #gather(): News | null {
    const swim = this.#swim
    if (swim === null || this.#closed || !this.#due) return null
    const news: News = {
      self: plain(swim.self()),
      joined: swim.joined,
      changes: [...this.#changes.values()].flat().map(plain),
      heldDead: this.#heldDead,
      superseded: this.#superseded,
      left: this.#left,
      counts: swim.stats(),
      clocks: swim.clocks(),
      lines: this.#linesLost === 0 ? this.#lines : [...this.#lines, ['warn', { lines: this.#linesLost }, 'lines of membership were lost']],
    }
    this.#countedMs = this.#parts.clock.now()
    this.#due = false
    this.#changes.clear()
    this.#heldDead = false
    this.#superseded = false
    this.#lines = []
    this.#linesLost = 0
    return news
  }

  #line(line: LogLine): void {
    if (this.#lines.length < MAX_LINES) this.#lines.push(line)
    else this.#linesLost++
    this.#tell()
  }
}

/** Without what only records of gossip have. */
function plain({ name, generation, incarnation, state, address, meta }: Member): Member {
  return { name, generation, incarnation, state, address, meta }
}
