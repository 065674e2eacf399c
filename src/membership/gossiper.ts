/**
 * Gossiper: what leaves as packets, and the rounds in which news goes to a few members (SWIM, section 4.1).
 *
 * News rides on every packet that leaves, as much as fits. A round sends packets of nothing but news, and none when there is no news. Rounds
 * come every gossip interval; for what should not wait there is one out of turn, at most one every `promptGossipIntervalMs`.
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { Address, PacketTransport } from '../transport/transport.ts'
import { type Codec, encodeMessage, type GossipMessage, MAX_MESSAGES, PACKET_HEAD_BYTES } from './codec.ts'
import { Dissemination, retransmitLimit } from './dissemination.ts'
import type { MemberList } from './member-list.ts'
import type { SwimOptions } from './options.ts'
import type { MemberRecord } from './record.ts'

export class Gossiper {
  readonly #clock: Clock
  readonly #packets: PacketTransport
  readonly #codec: Codec
  readonly #options: SwimOptions
  readonly #list: MemberList
  readonly #later: (ms: number, fn: () => void) => Timer
  readonly #news = new Dissemination()
  #lastPromptMs = Number.NEGATIVE_INFINITY
  #promptDue = false
  #packetsSentTotal = 0

  /** `later` is `Clock.after`, silent once the member is closed. */
  constructor(
    clock: Clock,
    packets: PacketTransport,
    codec: Codec,
    options: SwimOptions,
    list: MemberList,
    later: (ms: number, fn: () => void) => Timer,
  ) {
    this.#clock = clock
    this.#packets = packets
    this.#codec = codec
    this.#options = options
    this.#list = list
    this.#later = later
  }

  get packetsSentTotal(): number {
    return this.#packetsSentTotal
  }

  /** Whether news about this member still travels. */
  spreads(name: string): boolean {
    return this.#news.has(name)
  }

  /** Passes on what is now held of a member, in place of what was. */
  spread(record: MemberRecord): void {
    this.#news.put(record.name, encodeMessage({ type: 'member', record }))
  }

  /**
   * One packet: what has to be said, in this order, and as much news as fits behind it. Of messages that do not fit one packet together, which
   * only the largest records do, each gets its own.
   */
  send(to: Address, ...messages: readonly GossipMessage[]): void {
    const said = messages.map(encodeMessage)
    const used = totalBytes(said)
    const [first, ...others] = messages
    if (used > this.#packets.maxPacketBytes && first !== undefined && others.length > 0) {
      this.send(to, first)
      this.send(to, ...others)
      return
    }
    const limit = retransmitLimit(this.#options.retransmitMultiplier, this.#list.live().length + 1)
    const news = this.#news.take(this.#packets.maxPacketBytes - used, MAX_MESSAGES - said.length, limit)
    this.#packetsSentTotal++
    this.#packets.send(to, this.#codec.encodePacket([...said, ...news]))
  }

  round(): void {
    if (this.#news.size === 0) return
    for (const member of this.#list.sampleLive(this.#options.gossipPeers)) {
      if (this.#news.size > 0) this.send(member.address)
    }
  }

  /** A round out of turn, now or as soon as the last one of these is long enough ago. */
  promptly(): void {
    if (this.#promptDue) return
    const waitMs = this.#lastPromptMs + this.#options.promptGossipIntervalMs - this.#clock.now()
    if (waitMs <= 0) {
      this.#lastPromptMs = this.#clock.now()
      this.round()
      return
    }
    this.#promptDue = true
    this.#later(waitMs, () => {
      this.#promptDue = false
      this.promptly()
    })
  }
}

function totalBytes(messages: readonly Buffer[]): number {
  return messages.reduce((sum, message) => sum + message.length, PACKET_HEAD_BYTES)
}
