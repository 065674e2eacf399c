/**
 * Links: the streams between this member and the other members' present lives, kept up while they live.
 *
 * Towards each peer one stream a channel is dialled, introduced by a handshake that names both identities and the range of protocol versions,
 * and dialled again after a break (50 ms, doubling to 1 s, with jitter). Streams that arrive are handed on once their hello has been believed.
 * A life that is over is dropped with its streams; a stream of an unknown life is accepted, because gossip may be the slower one.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../lib/protocol.ts'
import type { Random } from '../lib/random.ts'
import { type Address, CHANNELS, type Channel, type MessageStream, type MessageStreamHandlers, type StreamTransport } from './transport.ts'

export interface PeerIdentity {
  readonly name: string
  readonly generation: number
}

/** One open stream to one life of a peer. */
export interface Link {
  readonly peer: PeerIdentity
  readonly channel: Channel
  /** See `MessageStream.send`. */
  send(message: Buffer, headroom?: number): void
  readonly queuedBytes: number
  /** Gives the stream up; `closed` follows in a later turn, and a dialled link is dialled again. Safe to call twice. */
  close(): void
}

export interface LinkHandlers {
  message(message: Buffer): void
  /** The link broke; a dialled one is tried again by itself. */
  closed(reason: string): void
}

export interface LinkUser {
  /** A link that this member dialled is open. */
  dialled(link: Link): LinkHandlers
  /** A peer opened a link to this member. */
  accepted(link: Link): LinkHandlers
}

export interface LinksOptions {
  readonly self: () => PeerIdentity
  readonly clusterId: string
  readonly streams: StreamTransport
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** A dialled stream broke or could not be made: membership may want to look. */
  readonly onTrouble?: (name: string) => void
}

const MAGIC = Buffer.from('JKDW')
const ACCEPTED = 0
const REFUSED = 1
/** What whoever is refused is told: of this member nothing, since it may be anybody. */
type Refusal = 'another cluster' | 'another protocol' | 'another member, or another generation of it' | 'no hello'
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 1000

export class Links {
  readonly #options: LinksOptions
  readonly #users = new Map<Channel, LinkUser>()
  readonly #peers = new Map<string, PeerLinks>()
  /** Streams that arrived: ended at `close`. */
  readonly #accepted = new Set<MessageStream>()
  #closed = false

  constructor(options: LinksOptions) {
    this.#options = options
    options.streams.onStream((stream, channel) => this.#accept(stream, channel))
  }

  /** Who is told of the links of a channel. To be set before the first peer. */
  use(channel: Channel, user: LinkUser): void {
    this.#users.set(channel, user)
  }

  /** Keeps links to this life of a peer; links to an earlier life of the name, or to another address, are dropped. */
  keep(peer: PeerIdentity, address: Address): void {
    if (this.#closed) return
    const known = this.#peers.get(peer.name)
    if (known?.peer.generation === peer.generation && known.address === address) return
    known?.close()
    this.#peers.set(peer.name, new PeerLinks(this.#options, this.#users, peer, address))
  }

  drop(name: string): void {
    this.#peers.get(name)?.close()
    this.#peers.delete(name)
  }

  close(): void {
    this.#closed = true
    for (const name of [...this.#peers.keys()]) this.drop(name)
    for (const stream of this.#accepted) stream.close()
    this.#accepted.clear()
  }

  #accept(stream: MessageStream, channel: Channel): MessageStreamHandlers {
    let handlers: LinkHandlers | null = null
    let over = false
    this.#accepted.add(stream)
    const ended = (reason: string): void => {
      if (over) return
      over = true
      this.#accepted.delete(stream)
      if (!this.#closed) handlers?.closed(reason)
    }
    return {
      message: (message) => {
        if (this.#closed || over) return
        if (handlers !== null) {
          handlers.message(message)
          return
        }
        const peer = this.#believe(message, stream)
        const user = this.#users.get(channel)
        if (peer === null || user === undefined) return
        handlers = user.accepted(linkOver(stream, peer, channel, () => this.#options.clock.soon(() => ended('given up here'))))
      },
      closed: ended,
    }
  }

  /** Reads a hello; answers it. `null` when it was refused: why in full, with what this member is, is in its own log alone. */
  #believe(message: Buffer, stream: MessageStream): PeerIdentity | null {
    const self = this.#options.self()
    let refusal: Refusal
    let why: string
    try {
      const reader = new ByteReader(message)
      if (!reader.raw(MAGIC.length).equals(MAGIC)) throw new MalformedError('no hello')
      const min = reader.u8()
      const max = reader.u8()
      const cluster = reader.text()
      const from = { name: reader.text(), generation: reader.u48() }
      const to = { name: reader.text(), generation: reader.u48() }
      if (cluster !== this.#options.clusterId) {
        refusal = 'another cluster'
        why = `cluster ${this.#options.clusterId}, not ${cluster}`
      } else if (max < PROTOCOL_MIN || min > PROTOCOL_MAX) {
        refusal = 'another protocol'
        why = `protocol ${PROTOCOL_MIN} to ${PROTOCOL_MAX}, not ${min} to ${max}`
      } else if (to.name !== self.name || to.generation !== self.generation) {
        refusal = 'another member, or another generation of it'
        why = `${self.name} of generation ${self.generation}, not ${to.name} of ${to.generation}`
      } else {
        stream.send(new ByteWriter(16).raw(MAGIC).u8(ACCEPTED).u8(Math.min(max, PROTOCOL_MAX)).toBuffer())
        return from
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      refusal = 'no hello'
      why = error.message
    }
    this.#options.logger.warn({ why }, 'refused a peer stream')
    stream.send(new ByteWriter(64).raw(MAGIC).u8(REFUSED).text(refusal).toBuffer())
    return null
  }
}

/** The dialled links to one life of one peer. */
class PeerLinks {
  readonly peer: PeerIdentity
  readonly address: Address
  readonly #options: LinksOptions
  readonly #users: ReadonlyMap<Channel, LinkUser>
  readonly #streams = new Map<Channel, MessageStream>()
  readonly #timers = new Map<Channel, Timer>()
  readonly #handlers = new Map<Channel, LinkHandlers>()
  #closed = false

  constructor(options: LinksOptions, users: ReadonlyMap<Channel, LinkUser>, peer: PeerIdentity, address: Address) {
    this.#options = options
    this.#users = users
    this.peer = peer
    this.address = address
    for (const channel of CHANNELS) if (users.has(channel)) this.#dial(channel, FIRST_RETRY_MS)
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers.values()) timer.cancel()
    for (const stream of this.#streams.values()) stream.close()
    for (const handlers of this.#handlers.values()) handlers.closed('peer dropped')
    this.#handlers.clear()
  }

  #dial(channel: Channel, retryMs: number): void {
    const user = this.#users.get(channel) as LinkUser
    let established = false
    let over = false
    const ended = (reason: string): void => {
      if (this.#closed || over) return
      over = true
      const handlers = this.#handlers.get(channel)
      this.#handlers.delete(channel)
      handlers?.closed(reason)
      if (this.#closed) return
      this.#options.onTrouble?.(this.peer.name)
      this.#retry(channel, established ? FIRST_RETRY_MS : Math.min(retryMs * 2, MAX_RETRY_MS))
    }
    const stream = this.#options.streams.dial(this.address, channel, {
      message: (message) => {
        if (this.#closed || over) return
        const handlers = this.#handlers.get(channel)
        if (handlers !== undefined) {
          handlers.message(message)
          return
        }
        const refusal = readWelcome(message)
        if (refusal === null) {
          established = true
          this.#handlers.set(
            channel,
            user.dialled(linkOver(stream, this.peer, channel, () => this.#options.clock.soon(() => ended('given up here')))),
          )
        } else {
          this.#options.logger.warn({ peer: this.peer.name, channel, why: refusal }, 'a peer refused our stream')
          over = true
          stream.close()
          this.#retry(channel, MAX_RETRY_MS)
        }
      },
      closed: ended,
    })
    this.#streams.set(channel, stream)
    const self = this.#options.self()
    stream.send(
      new ByteWriter(128)
        .raw(MAGIC)
        .u8(PROTOCOL_MIN)
        .u8(PROTOCOL_MAX)
        .text(this.#options.clusterId)
        .text(self.name)
        .u48(self.generation)
        .text(this.peer.name)
        .u48(this.peer.generation)
        .toBuffer(),
    )
  }

  #retry(channel: Channel, delayMs: number): void {
    const jittered = delayMs * (0.5 + this.#options.random.next() / 2)
    this.#timers.set(
      channel,
      this.#options.clock.after(jittered, () => {
        if (!this.#closed) this.#dial(channel, delayMs)
      }),
    )
  }
}

function linkOver(stream: MessageStream, peer: PeerIdentity, channel: Channel, givenUp: () => void): Link {
  return {
    peer,
    channel,
    send: (message, headroom) => stream.send(message, headroom),
    get queuedBytes() {
      return stream.queuedBytes
    },
    close: () => {
      stream.close()
      givenUp()
    },
  }
}

/** `null` for a welcome, else why not. */
function readWelcome(message: Buffer): string | null {
  try {
    const reader = new ByteReader(message)
    if (!reader.raw(MAGIC.length).equals(MAGIC)) return 'it does not speak our protocol'
    return reader.u8() === ACCEPTED ? null : reader.text()
  } catch {
    return 'its welcome is malformed'
  }
}
