/**
 * What replication asks of the transport between members, declared where it is used: node.ts hands in `Links` and `Calls`, a test whatever it likes.
 */
export interface PeerIdentity {
  readonly name: string
  readonly generation: number
}

export interface PeerLink {
  readonly peer: PeerIdentity
  /** See `MessageStream.send` in the room of transport. */
  send(message: Buffer, headroom?: number): void
  /** Gives the link up: its handlers' `closed` follows in a later turn. */
  close(): void
}

export interface PeerLinkHandlers {
  message(message: Buffer): void
  closed(reason: string): void
}

export interface PeerCalls {
  isOpen(name: string): boolean
  /** `failure` is null when `body` is an answer. */
  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: (failure: string | null, body: Buffer | null) => void): void
  tell(name: string, kind: number, body: Buffer): void
  handle(kind: number, handler: (from: PeerIdentity, body: Buffer, respond: ((body: Buffer) => void) | null) => void): void
  onOpen(listener: (peer: PeerIdentity) => void): void
}
