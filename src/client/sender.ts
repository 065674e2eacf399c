/**
 * Sender: makes requests of commands and gives them to the pool. What cannot be sent is refused here, before anything leaves: words that are no
 * words, values over the limit, times out of range.
 */

import { MAX_TIMER_MS } from './clock.ts'
import { type ServerError, ValueTooLargeError } from './errors.ts'
import { checkWhole, type Settings } from './options.ts'
import { Pool } from './pool.ts'
import { type Effect, Request } from './request.ts'
import { type Argument, encodeCommands, type Reply } from './resp.ts'

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up: it rejects with `AbortError`. What has been sent may still be executed. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for the whole call. Default: the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined
}

export type Command = readonly Argument[]

/** Most commands that travel as one. */
const MAX_COMMANDS = 65_536

export class Sender {
  readonly pool: Pool
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
    this.pool = new Pool(settings)
  }

  /** The reply to one command. Rejects with `ServerError` when that is an error. */
  async one(command: Command, effect: Effect, options: CallOptions): Promise<Exclude<Reply, ServerError>> {
    const [reply] = await this.several([command], effect, options)
    return reply as Exclude<Reply, ServerError>
  }

  /** The replies to commands that go over one connection, in order. An error of one command among several is a reply; of a command alone it is a rejection. */
  async several(commands: readonly Command[], effect: Effect, options: CallOptions): Promise<Reply[]> {
    if (commands.length === 0) return []
    checkWhole('the number of commands', commands.length, 1, MAX_COMMANDS)
    for (const command of commands) this.#check(command)
    const { clock, requestTimeoutMs } = this.#settings
    const timeoutMs = checkWhole('timeoutMs', options.timeoutMs ?? requestTimeoutMs, 1, MAX_TIMER_MS)
    const payload = encodeCommands(commands)
    const request = new Request({ payload, replies: commands.length, effect, clock, timeoutMs, signal: options.signal })
    this.pool.submit(request)
    return request.promise
  }

  #check(command: Command): void {
    if (command.length === 0) throw new TypeError('a command needs at least its name')
    const { maxValueBytes } = this.#settings
    for (const word of command) {
      if (word instanceof Uint8Array) {
        if (word.byteLength > maxValueBytes) throw new ValueTooLargeError(word.byteLength, maxValueBytes)
      } else if (typeof word === 'string') {
        const bytes = Buffer.byteLength(word)
        if (bytes > maxValueBytes) throw new ValueTooLargeError(bytes, maxValueBytes)
      } else if (typeof word === 'number' ? !Number.isFinite(word) : typeof word !== 'bigint') {
        throw new TypeError('keys, values and arguments are strings, Uint8Arrays or finite numbers')
      }
    }
  }
}
