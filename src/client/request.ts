/**
 * Request: one or more commands that travel together, from the call until its promise is settled.
 *
 * It carries the call's deadline and `AbortSignal` through waiting, sending and further attempts, and remembers whether an attempt may have been
 * executed: that is so once the operating system took all of its bytes, until an answer says otherwise. A command of which some bytes are missing
 * cannot be executed. What is given up while its answer is on the way keeps its place in the connection, so that later answers find their owners.
 *
 * It decides nothing about attempts: that is the pool's.
 */
import type { Clock, Timer } from './clock.ts'
import { AbortError, JackdawError, OutcomeUnknownError, ServerError, TimeoutError, type Touched } from './errors.ts'
import type { Reply } from './resp.ts'

/** `read` changes nothing; `repeatable` ends in the same state when executed twice; `once` does not. */
export type Effect = 'read' | 'repeatable' | 'once'

/** Where a request lies while it waits for its answer. */
export interface Carrier {
  /** The request's time is up and its answer is not there. */
  overdue(request: Request): void
}

export interface RequestOptions {
  readonly payload: Buffer
  /** How many replies answer the payload. */
  readonly replies: number
  readonly effect: Effect
  readonly clock: Clock
  /** From now until the result, all attempts included. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class Request {
  readonly payload: Buffer
  readonly effect: Effect
  readonly promise: Promise<Reply[]>
  /** Failed attempts so far; counted by the pool. */
  failures = 0
  /** Why the last attempt failed, for the message of a timeout. */
  lastError: Error | null = null
  sentAtMs = 0
  /** Called once when the promise is settled. */
  onSettled: (() => void) | null = null

  readonly #expected: number
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  readonly #timer: Timer
  readonly #onAbort = (): void => this.fail(new AbortError(this.#signal?.reason, this.touched))
  #replies: Reply[] = []
  #carrier: Carrier | null = null
  /** The system took all bytes of this attempt. */
  #flushed = false
  /** An earlier attempt may have been executed. */
  #mayHaveRun = false
  #settled = false
  #resolve!: (replies: Reply[]) => void
  #reject!: (error: Error) => void

  constructor(options: RequestOptions) {
    this.payload = options.payload
    this.effect = options.effect
    this.#expected = options.replies
    this.#clock = options.clock
    this.#timeoutMs = options.timeoutMs
    this.#signal = options.signal
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#timer = options.clock.after(options.timeoutMs, () => this.#expire())
    if (this.#signal?.aborted) this.#onAbort()
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get settled(): boolean {
    return this.#settled
  }

  /** Whether a failure now would leave a write in doubt. */
  get touched(): Touched {
    return this.effect !== 'read' && (this.#mayHaveRun || this.#flushed) ? 'maybe' : 'no'
  }

  /** Whether no attempt that is over can have been executed, or another one would do no harm. */
  get repeatable(): boolean {
    return this.effect !== 'once' || !this.#mayHaveRun
  }

  sentOn(carrier: Carrier): void {
    this.#carrier = carrier
    this.#replies = []
    this.sentAtMs = this.#clock.now()
  }

  flushed(): void {
    this.#flushed = true
  }

  /** True when this was the last reply: then `replies` has them all, and the attempt is over. */
  take(reply: Reply): boolean {
    this.#replies.push(reply)
    if (this.#replies.length < this.#expected) return false
    this.#endAttempt()
    return true
  }

  get replies(): readonly Reply[] {
    return this.#replies
  }

  /** The connection was lost before the answer. */
  interrupted(): void {
    this.#mayHaveRun ||= this.#flushed
    this.#endAttempt()
  }

  /** The answer says that the outcome of this attempt is unknown. */
  doubted(): void {
    this.#mayHaveRun = true
  }

  succeed(): void {
    if (this.#settle()) this.#resolve(this.#replies)
  }

  /** A write that some attempt left in doubt fails with `OutcomeUnknownError`, whatever happened last, unless `error` is one that says so itself. */
  fail(error: Error): void {
    const saysSo =
      error instanceof JackdawError && (error.touched === 'yes' || (error.touched === 'maybe' && !(error instanceof ServerError)))
    const doubt = this.touched === 'maybe' && !saysSo
    if (this.#settle()) this.#reject(doubt ? new OutcomeUnknownError(error) : error)
  }

  #expire(): void {
    const waitingFor = this.#carrier === null ? 'a connection' : 'the answer'
    this.fail(new TimeoutError(this.#timeoutMs, waitingFor, this.touched, this.lastError ?? undefined))
    this.#carrier?.overdue(this)
  }

  #endAttempt(): void {
    this.#carrier = null
    this.#flushed = false
    if (this.#settled) this.#timer.cancel()
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    // While an answer is on the way the deadline stays: it is what finds out that the connection is dead, even if nobody waits any more.
    if (this.#carrier === null) this.#timer.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.onSettled?.()
    return true
  }
}
