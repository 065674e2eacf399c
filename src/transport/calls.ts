/**
 * Calls: requests and one-way messages between members, over the request channel.
 *
 * What one turn of the event loop sends to one peer leaves as one message. An answer finds its caller by number. A call fails as `unreachable`
 * when it certainly did not leave, as `lost` when it may have arrived (the link broke, or the time ran out), as `busy` when too much is under
 * way to that peer, and as `refused` when the far side does not know the kind or could not read the body: so the caller knows what it may repeat.
 * What does not fit a message fails by itself, and is not worth repeating: a body as `too large`, before it leaves; an answer as `answer too large`, when
 * what was asked for has been done. The link, and all others that are under way on it, go on.
 */
import { ByteReader, ByteWriter, MalformedError, NO_BYTES } from '../lib/bytes.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Link, LinkHandlers, LinkUser, PeerIdentity } from './links.ts'
import { MAX_MESSAGE_BYTES } from './transport.ts'

export type CallFailure = 'unreachable' | 'lost' | 'busy' | 'refused' | 'too large' | 'answer too large'
/**
 * Called once, in a later turn unless it fails as `unreachable`, `busy` or `too large`. The body may be read until it returns; if it throws a `MalformedError`
 * over it, it is called again, as `lost`.
 */
export type CallDone = (failure: CallFailure | null, body: Buffer | null) => void
/** `respond` is `null` for a one-way message; else it is to be called once, or the caller runs into its time limit. */
export type CallHandler = (from: PeerIdentity, body: Buffer, respond: ((body: Buffer) => void) | null) => void

const TELL = 0
const CALL = 1
const ANSWER = 2
const FAILURE = 3
/** A failure too: to who does not know it, the call was refused. */
const OVERLONG = 4
const HEADER_BYTES = 10
const MAX_BODY_BYTES = MAX_MESSAGE_BYTES - HEADER_BYTES

/** Leaves at once when a turn has gathered this much. */
const FLUSH_BYTES = 1024 * 1024
/** Bytes queued to one peer beyond which calls are refused as `busy`. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024
/** The memory that is kept for the next turns, after one that sent more. */
const KEPT_BYTES = 4 * 1024 * 1024
const OUTBOX_BYTES = 4096

interface Pending {
  readonly done: CallDone
  readonly timer: Timer
}

export interface CallsStats {
  readonly sentTotal: number
  readonly messagesTotal: number
  readonly failedTotal: number
}

export class Calls implements LinkUser {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #handlers = new Map<number, CallHandler>()
  readonly #outboxes = new Map<string, Outbox>()
  readonly #openers: ((peer: PeerIdentity) => void)[] = []
  #sentTotal = 0
  #messagesTotal = 0
  #failedTotal = 0

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  handle(kind: number, handler: CallHandler): void {
    this.#handlers.set(kind, handler)
  }

  /** Called whenever a link to a peer opens. */
  onOpen(listener: (peer: PeerIdentity) => void): void {
    this.#openers.push(listener)
  }

  isOpen(name: string): boolean {
    return this.#outboxes.has(name)
  }

  /** The generation of the life that the open link leads to. */
  lifeOf(name: string): number | undefined {
    return this.#outboxes.get(name)?.peer.generation
  }

  /** The body is copied before it returns. `now`: it leaves at once, with all that waits for the end of the turn. */
  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: CallDone, now: boolean = false): void {
    const outbox = this.#outboxes.get(name)
    const failure = outbox === undefined ? 'unreachable' : outbox.refusal(body.length)
    if (outbox === undefined || failure !== null) {
      this.#failedTotal++
      done(failure, null)
      return
    }
    this.#sentTotal++
    outbox.call(kind, body, timeoutMs, done)
    if (now) outbox.flush()
  }

  /** Best effort: lost when there is no link. */
  tell(name: string, kind: number, body: Buffer): void {
    if (body.length > MAX_BODY_BYTES) this.#logger.warn({ peer: name, kind, bytes: body.length }, 'a message is too long to be sent')
    else this.#outboxes.get(name)?.put(kind, TELL, 0, body)
  }

  stats(): CallsStats {
    return { sentTotal: this.#sentTotal, messagesTotal: this.#messagesTotal, failedTotal: this.#failedTotal }
  }

  dialled(link: Link): LinkHandlers {
    const outbox = new Outbox(link, this.#clock, this.#logger, () => this.#messagesTotal++)
    this.#outboxes.set(link.peer.name, outbox)
    for (const listener of this.#openers) listener(link.peer)
    return {
      message: (message) => this.#read(link, message, (_kind, shape, number, body) => outbox.answered(shape, number, body)),
      closed: () => {
        if (this.#outboxes.get(link.peer.name) === outbox) this.#outboxes.delete(link.peer.name)
        this.#failedTotal += outbox.fail()
      },
    }
  }

  accepted(link: Link): LinkHandlers {
    const outbox = new Outbox(link, this.#clock, this.#logger, () => this.#messagesTotal++)
    return {
      message: (message) => this.#read(link, message, (kind, shape, number, body) => this.#serve(link, outbox, kind, shape, number, body)),
      closed: () => outbox.fail(),
    }
  }

  #serve(link: Link, outbox: Outbox, kind: number, shape: number, number: number, body: Buffer): void {
    const handler = this.#handlers.get(kind)
    const fail = (): void => outbox.put(kind, FAILURE, number, NO_BYTES)
    if (handler === undefined) {
      if (shape === CALL) fail()
      return
    }
    try {
      handler(link.peer, body, shape === CALL ? (answer) => outbox.answer(kind, number, answer) : null)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#logger.warn({ peer: link.peer.name, kind, why: error.message }, 'a peer sent a request that cannot be read')
      if (shape === CALL) fail()
    }
  }

  #read(link: Link, message: Buffer, item: (kind: number, shape: number, number: number, body: Buffer) => void): void {
    try {
      const reader = new ByteReader(message)
      while (reader.remaining > 0) {
        const kind = reader.u8()
        const shape = reader.u8()
        const number = reader.u32()
        item(kind, shape, number, reader.block())
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#logger.warn({ peer: link.peer.name, why: error.message }, 'a peer sent a message that cannot be read')
      link.close()
    }
  }
}

/** What goes to one peer, gathered until the end of the turn, and who waits for answers. */
class Outbox {
  readonly #link: Link
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #sent: () => void
  #writer = new ByteWriter(OUTBOX_BYTES)
  readonly #pending = new Map<number, Pending>()
  #nextNumber = 1
  #scheduled = false
  #closed = false

  constructor(link: Link, clock: Clock, logger: Logger, sent: () => void) {
    this.#link = link
    this.#clock = clock
    this.#logger = logger
    this.#sent = sent
  }

  get peer(): PeerIdentity {
    return this.#link.peer
  }

  get queuedBytes(): number {
    return this.#link.queuedBytes + this.#writer.length
  }

  /** Why a call with a body of so many bytes cannot leave; `null` when it can. */
  refusal(bodyBytes: number): CallFailure | null {
    if (bodyBytes > MAX_BODY_BYTES) return 'too large'
    return this.queuedBytes + bodyBytes > MAX_QUEUED_BYTES ? 'busy' : null
  }

  call(kind: number, body: Buffer, timeoutMs: number, done: CallDone): void {
    const number = this.#nextNumber
    this.#nextNumber = number === 0xffffffff ? 1 : number + 1
    const timer = this.#clock.after(timeoutMs, () => {
      if (this.#pending.delete(number)) done('lost', null)
    })
    this.#pending.set(number, { done, timer })
    this.put(kind, CALL, number, body)
  }

  answer(kind: number, number: number, body: Buffer): void {
    if (body.length <= MAX_BODY_BYTES) {
      this.put(kind, ANSWER, number, body)
      return
    }
    this.#logger.warn({ peer: this.peer.name, kind, bytes: body.length }, 'an answer is too long to be sent')
    this.put(kind, OVERLONG, number, NO_BYTES)
  }

  /** The body fits a message. */
  put(kind: number, shape: number, number: number, body: Buffer): void {
    if (this.#closed) return
    if (this.#writer.length > 0 && this.#writer.length + HEADER_BYTES + body.length > FLUSH_BYTES) this.flush()
    this.#writer.u8(kind).u8(shape).u32(number).block(body)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  answered(shape: number, number: number, body: Buffer): void {
    const pending = this.#pending.get(number)
    if (pending === undefined) return
    this.#pending.delete(number)
    pending.timer.cancel()
    if (shape !== ANSWER) {
      pending.done(shape === OVERLONG ? 'answer too large' : 'refused', null)
      return
    }
    try {
      pending.done(null, body)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#logger.warn({ peer: this.#link.peer.name, why: error.message }, 'a peer sent an answer that cannot be read')
      pending.done('lost', null)
    }
  }

  /** The link is gone: all who wait hear that their call may have arrived. Returns how many. */
  fail(): number {
    this.#closed = true
    const waiting = [...this.#pending.values()]
    this.#pending.clear()
    for (const { done, timer } of waiting) {
      timer.cancel()
      done('lost', null)
    }
    return waiting.length
  }

  flush(): void {
    if (this.#closed || this.#writer.length === 0) return
    this.#sent()
    this.#link.send(this.#writer.view())
    if (this.#writer.capacity > KEPT_BYTES) this.#writer = new ByteWriter(OUTBOX_BYTES)
    else this.#writer.reset()
  }
}
