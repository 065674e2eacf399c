/**
 * Listener: every connection of the HTTP face from its first byte on. It counts them, refuses those over `maxClients`, and lets the fast lane have
 * a connection until the ordinary server is needed.
 *
 * The socket is the ordinary server's own: only its handler of new connections is put aside, to be called with the connection when, and if, the
 * lane gives it up. So closing, time limits and everything else that Node does for its server stay Node's.
 */
import * as assert from 'node:assert/strict'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { CacheError } from '../../lib/errors.ts'
import { errorResponse } from './error-answer.ts'
import { FastLane, type FastLaneOptions } from './fast-lane.ts'

export interface ListenerOptions extends FastLaneOptions {
  readonly maxClients: number
}

/** A client that was refused gets so long to read why, before what it has sent meanwhile makes the kernel reset the connection. */
const REFUSAL_MS = 1_000
/** Of these at a time; beyond that a connection is closed without a word. */
const MAX_REFUSALS = 128

export class Listener {
  readonly #options: ListenerOptions
  readonly #lane: FastLane
  readonly #tooMany: string
  readonly #sockets = new Set<Socket>()
  #refusals = 0

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#lane = new FastLane(options)
    this.#tooMany = errorResponse(new CacheError('TOO_MANY_CLIENTS', `maxClients (${options.maxClients}) connections are open`))
  }

  /** From now on connections of `server` come here first. */
  attach(server: Server): void {
    const [serve, ...others] = server.listeners('connection')
    assert.ok(serve !== undefined && others.length === 0)
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => this.#accept(socket, () => serve.call(server, socket)))
  }

  /** Of answers that wait for their clients. O(connections). */
  get outputBytes(): number {
    let bytes = 0
    for (const { writableLength } of this.#sockets) bytes += writableLength
    return bytes
  }

  /** Begins to look for idle connections. */
  start(): void {
    this.#lane.start()
  }

  /** Ends connections that are idle; those with a request under way end with its answer. */
  close(): void {
    this.#lane.close()
  }

  /** Cuts what is left. */
  destroy(): void {
    this.#lane.destroy()
  }

  #accept(socket: Socket, serve: () => void): void {
    const { traffic } = this.#options.context
    if (traffic.connections >= this.#options.maxClients) {
      traffic.refusedConnectionsTotal++
      this.#refuse(socket)
      return
    }
    traffic.connections++
    this.#sockets.add(socket)
    socket.once('close', () => {
      traffic.connections--
      this.#sockets.delete(socket)
    })
    this.#lane.accept(socket, serve)
  }

  #refuse(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    if (this.#refusals === MAX_REFUSALS) {
      socket.destroy()
      return
    }
    this.#refusals++
    const deadline = this.#options.context.clock.after(REFUSAL_MS, () => socket.destroy())
    socket.once('close', () => {
      this.#refusals--
      deadline.cancel()
    })
    socket.resume()
    socket.end(this.#tooMany)
  }
}
