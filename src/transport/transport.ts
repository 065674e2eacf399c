/**
 * Transport: what the rooms ask of a network, so that a real one and a simulated one are the same to them.
 *
 * Three things, as different as the traffic they carry: packets that may be lost (gossip), short exchanges (push/pull, fallback ping), and
 * long-lived ordered streams between two members (requests, replication, bulk). Implementations: udp.ts, tcp.ts, grpc.ts; in memory under
 * test/support. Addresses are `host:port`; they are learned, dialled and forgotten, and never identify anybody.
 *
 * Callbacks come in a later turn of the event loop, never from inside the call that causes them, and never after `close`.
 */

/** Of a stream: it may hold one entry of the largest value allowed, or a turn's worth of small ones. Whoever sends a longer one breaks the stream. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024

/** `host:port`; an IPv6 host stands in brackets. */
export type Address = string

export interface PacketTransport {
  /** Bytes over this are refused with a `RangeError`: a packet is to fit one Ethernet frame. */
  readonly maxPacketBytes: number
  /** Best effort: an error of the network is a lost packet. */
  send(to: Address, packet: Buffer): void
  /** One receiver; the buffer is the receiver's to keep. */
  onPacket(receive: (packet: Buffer, from: Address) => void): void
}

export interface ExchangeTransport {
  /** Sends one message and waits for one. `done` is called exactly once: with the answer, or with an error after `timeoutMs` at the latest. */
  exchange(to: Address, message: Buffer, timeoutMs: number, done: (error: Error | null, answer: Buffer | null) => void): void
  /** One handler. It answers by calling `respond` once; not calling it lets the other side time out. */
  onExchange(handle: (message: Buffer, from: Address, respond: (answer: Buffer) => void) => void): void
}

/** One channel per purpose, so that a bulk copy delays no request and no heartbeat. */
export type Channel = 'request' | 'replication' | 'bulk'

export const CHANNELS: readonly Channel[] = ['request', 'replication', 'bulk']

export interface MessageStream {
  /**
   * Queues one message; order is kept, nothing is lost while the stream is open, nothing is said when it is not. Bounded by the caller's credit. The message
   * is copied before this returns. With `headroom`, so many bytes in front of it, in the same memory, are there to be written to, and it is copied later:
   * nobody writes to it until the other side has confirmed it, or the stream is over.
   */
  send(message: Buffer, headroom?: number): void
  /** Bytes queued here that the network has not taken. */
  readonly queuedBytes: number
  /** Ends the stream; `closed` is not called for one's own end. Safe to call twice. */
  close(): void
}

export interface MessageStreamHandlers {
  /** The far end accepted the stream (dialler only). */
  opened?(): void
  message(message: Buffer): void
  /** The stream ended or broke, or was never established. Called once. */
  closed(reason: string): void
}

export interface StreamTransport {
  dial(to: Address, channel: Channel, handlers: MessageStreamHandlers): MessageStream
  /** One acceptor: it is given each stream that arrives and answers with what shall be called for it. */
  onStream(accept: (stream: MessageStream, channel: Channel) => MessageStreamHandlers): void
}
