/**
 * Fast lane: plain GETs of keys, answered on the raw socket.
 *
 * A connection is here from its first byte until something comes that is not a whole request of the one plain shape (see plain-get.ts): that, unread,
 * and all that follows goes to the ordinary server, and the connection stays there. Here are what the connections of the lane share: the operation
 * and the memory that are used for every request, and the look for those that are idle.
 */
import type { Socket } from 'node:net'
import { OPERATION_GET, Operation } from '../../cache/operation.ts'
import type { Timer } from '../../lib/clock.ts'
import { AnswerBytes, Slab } from './answer-bytes.ts'
import { type Lane, LaneConnection, type LaneOptions } from './lane-connection.ts'

export interface FastLaneOptions extends LaneOptions {
  /** How long a connection that has been used may be idle. */
  readonly idleTimeoutMs: number
  /** How long one may be that has not. */
  readonly unusedTimeoutMs: number
  /** How often idle connections are looked for. */
  readonly checkMs: number
  readonly outputBufferLimitBytes: number
}

/** Answers that are gathered before they are sent. */
const SLAB_BYTES = 64 * 1024

export class FastLane implements Lane {
  readonly options: FastLaneOptions
  readonly operation = new Operation().reset(OPERATION_GET)
  readonly answers: AnswerBytes
  /** From so many bytes on, answers are sent. */
  readonly fullBytes: number
  /** For the answers to one chunk; empty in between. */
  slab = new Slab(SLAB_BYTES)
  readonly #connections = new Set<LaneConnection>()
  #timer: Timer | null = null

  constructor(options: FastLaneOptions) {
    this.options = options
    this.answers = new AnswerBytes(options.context.clock, options.idleTimeoutMs)
    this.fullBytes = Math.min(SLAB_BYTES / 2, options.outputBufferLimitBytes)
  }

  /** `serve` gives the socket to the ordinary server. */
  accept(socket: Socket, serve: () => void): void {
    this.#connections.add(new LaneConnection(this, socket, serve))
  }

  /** Its socket is closed, or with the ordinary server. */
  forget(connection: LaneConnection): void {
    this.#connections.delete(connection)
  }

  /** The bytes of the slab belong to a socket until it has sent them, or it has grown: the next answers get another. */
  replaceSlab(): void {
    this.slab = new Slab(SLAB_BYTES)
  }

  start(): void {
    const { context, checkMs } = this.options
    this.#timer = context.clock.after(checkMs, () => {
      this.#sweep(context.clock.now())
      this.start()
    })
  }

  close(): void {
    this.#timer?.cancel()
    for (const connection of this.#connections) if (connection.idle) connection.destroy()
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #sweep(nowMs: number): void {
    const { idleTimeoutMs, unusedTimeoutMs } = this.options
    for (const connection of this.#connections) {
      const { idle, used, lastMs } = connection
      if (idle && nowMs - lastMs > (used ? idleTimeoutMs : unusedTimeoutMs)) connection.destroy()
    }
  }
}
