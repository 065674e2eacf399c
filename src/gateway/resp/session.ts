/**
 * Session: what one client has said about itself and asked for, from connecting to leaving.
 *
 * Plain state that commands read and change. What needs the socket or the queue of commands goes through `control`, what all sessions of the
 * gateway share through `hub`; so a command can be tried without either.
 */
import type { Cache } from '../../cache/cache.ts'
import { ACK_LOCAL, type AckMode } from '../../cache/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import type { PubSub, Receiver } from './pubsub.ts'
import type { ReplyWriter } from './reply-writer.ts'

/** A key that WATCH has seen, and how. */
export interface Watch {
  readonly key: Buffer
  readonly existed: boolean
  readonly ms: number
  readonly counter: number
  readonly writer: string
}

/** The next reply is left out (`skip`), all are (`off`), or `CLIENT REPLY SKIP` has just been said and its own reply is left out (`skipping`). */
export type ReplyMode = 'on' | 'off' | 'skip' | 'skipping'

/** What a session's connection does on behalf of its commands. */
export interface SessionControl extends Receiver {
  /** From now on commands are queued. */
  multi(): void
  /** Executes what is queued and writes EXEC's reply, now or later. */
  exec(): void
  /** Forgets what is queued. */
  discard(): void
  readonly inTransaction: boolean
  readonly queued: number
  /** Closes the connection once all that was written has been sent; nothing more is executed. */
  end(): void
  /** Cuts the connection now. */
  destroy(): void
  /** Writes what the client did not ask for; it is sent at the end of this turn. */
  send(write: (reply: ReplyWriter) => void): void
  /** Bytes that wait for the client to read them, and such of a command that has not arrived whole. */
  readonly outputBytes: number
  readonly inputBytes: number
}

/** Values that CONFIG GET shows, and CONFIG SET changes where that has a meaning. */
export interface Settings {
  /** Every name there is, in lower case. */
  names(): readonly string[]
  get(name: string): string
  /** Why `set` would not do, as a sentence; `null` when it would. Changes nothing. */
  refusal(name: string, value: string): string | null
  /** Only what `refusal` has let pass. */
  set(name: string, value: string): void
}

/** One section of INFO, in the order in which it is printed. */
export interface InfoSection {
  /** As Redis spells it: `Server`, `Memory`. */
  readonly name: string
  readonly fields: readonly (readonly [name: string, value: string | number])[]
}

/** CLIENT PAUSE: who waits until when. */
export interface Pause {
  readonly untilMs: number
  readonly writesOnly: boolean
}

/** What the sessions of one gateway share. */
export interface Hub {
  readonly clock: Clock
  readonly version: string
  readonly pubsub: PubSub
  readonly sessions: ReadonlyMap<number, Session>
  readonly settings: Settings
  readonly debugCommands: boolean
  /** What READONLY stands for. */
  readonly maxStaleMs: number
  /** Its clients know of clusters, and are sent where their keys are. */
  readonly cluster: boolean
  readonly pause: Pause | null
  setPause(pause: Pause | null): void
  info(): readonly InfoSection[]
  resetStats(): void
}

export class Session {
  readonly id: number
  /** `host:port` of the client and of this side. */
  readonly address: string
  readonly localAddress: string
  /** By `Clock.now`. */
  readonly createdAtMs: number
  readonly hub: Hub
  readonly control: SessionControl
  lastActiveMs: number
  name = ''
  libName = ''
  libVersion = ''
  noEvict = false
  /** Reads of this client count as no use for eviction. */
  noTouch = false
  /** When this client's writes are answered. */
  ack: AckMode = ACK_LOCAL
  /** How old what this client reads may be, in ms; 0: it reads from primaries. READONLY sets it, to the member's own bound, and CLIENT MAXSTALE. */
  maxStaleMs = 0
  /** ASKING was said: the next command is executed here, though its slot is not known to be served here yet. */
  asking = false
  replyMode: ReplyMode = 'on'
  protocol: 2 | 3 = 2
  /** `client|kill`; empty before the first. */
  lastCommand = ''
  commands = 0
  watches: Watch[] = []
  /** What this client has written to, from its first WAIT on; `null` before: most never ask. */
  writtenSlots: Set<number> | null = null
  /** The cache's `holderVersion` before the first write that no WAIT has confirmed; -1: all are, or have been told not to be. */
  unconfirmedSince = -1
  /** The same for writes that a WAIT has been asked about and has not confirmed; it is forgotten when the client goes on and writes. */
  askedSince = -1
  /** Channels and patterns, byte by byte as latin1. */
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()

  constructor(options: {
    readonly id: number
    readonly address: string
    readonly localAddress: string
    readonly hub: Hub
    readonly control: SessionControl
  }) {
    this.id = options.id
    this.address = options.address
    this.localAddress = options.localAddress
    this.hub = options.hub
    this.control = options.control
    this.createdAtMs = options.hub.clock.now()
    this.lastActiveMs = this.createdAtMs
  }

  /** To be called before a write is begun. */
  writes(cache: Pick<Cache, 'holderVersion'>): void {
    if (this.unconfirmedSince >= 0) return
    this.unconfirmedSince = cache.holderVersion
    this.askedSince = -1
  }

  get subscriptions(): number {
    return this.channels.size + this.patterns.size
  }
}
