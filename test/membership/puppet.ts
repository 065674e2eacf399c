/** A puppet: a member that says only what a test makes it say, and keeps what it is told. Its `pull` answers nothing on its own. */
import { Codec, type ExchangeMessage, encodeMessage, type GossipMessage } from '../../src/membership/codec.ts'
import type { MemberRecord } from '../../src/membership/record.ts'
import { HostClock } from '../support/fake-clock.ts'
import { type Bird, type Flock, meta, PORT } from './flock.ts'
import { record } from './samples.ts'

export class Puppet {
  readonly record: MemberRecord
  /** One element a packet. */
  readonly packets: GossipMessage[][] = []
  readonly exchanges: ExchangeMessage[] = []
  /** Called for each packet, after it was kept. */
  onMessages: (messages: readonly GossipMessage[]) => void = () => {}
  readonly #flock: Flock
  readonly #codec = new Codec('flock')
  readonly #transports: { packets: ReturnType<Bird['host']['packets']>; exchanges: ReturnType<Bird['host']['exchanges']> }

  constructor(flock: Flock, name: string, uid: string = `uid-${name}`) {
    this.#flock = flock
    const host = flock.network.host(name, new HostClock(flock.clock))
    this.record = record({ name, generation: 500, incarnation: 1, address: `${name}:${PORT}`, meta: meta(uid) })
    this.#transports = { packets: host.packets(PORT), exchanges: host.exchanges(PORT) }
    this.#transports.packets.onPacket((packet) => {
      const decoded = this.#codec.decodePacket(packet)
      if (!decoded.ok) throw new Error(decoded.reason)
      this.packets.push(decoded.value)
      this.onMessages(decoded.value)
    })
    this.#transports.exchanges.onExchange((message) => {
      const decoded = this.#codec.decodeExchange(message)
      if (decoded.ok && decoded.value !== null) this.exchanges.push(decoded.value)
    })
  }

  say(to: Bird, ...messages: GossipMessage[]): void {
    this.#transports.packets.send(`${to.host.name}:${PORT}`, this.#codec.encodePacket(messages.map(encodeMessage)))
  }

  /** Tells one record and lets it arrive. */
  tell(to: Bird, told: MemberRecord): void {
    this.say(to, { type: 'member', record: told })
    this.#flock.clock.advance(3)
  }

  /** A push/pull with the given records, and its answer once it is there. */
  pushPull(to: Bird, records: readonly MemberRecord[]): ExchangeMessage | null {
    return this.exchange(to, { type: 'push-pull', source: this.record, records })
  }

  exchange(to: Bird, message: ExchangeMessage): ExchangeMessage | null {
    let answered: ExchangeMessage | null = null
    this.#transports.exchanges.exchange(`${to.host.name}:${PORT}`, this.#codec.encodeExchange(message), 1_000, (_error, answer) => {
      const decoded = answer === null ? null : this.#codec.decodeExchange(answer)
      answered = decoded?.ok ? decoded.value : null
    })
    this.#flock.clock.advance(10)
    return answered
  }

  /** Answers every ping from now on, as `as`. */
  ackPings(to: Bird, as: MemberRecord = this.record): void {
    this.onMessages = (messages) => {
      for (const message of messages)
        if (message.type === 'ping') this.say(to, { type: 'ack', sequence: message.sequence, from: as, hung: false })
    }
  }

  heard<T extends GossipMessage['type']>(type: T): Extract<GossipMessage, { type: T }>[] {
    return this.packets.flat().filter((message): message is Extract<GossipMessage, { type: T }> => message.type === type)
  }
}
