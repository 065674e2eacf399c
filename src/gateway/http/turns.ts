/**
 * Turns: the requests of one connection, one after another.
 *
 * Node hands out every request that a chunk holds at once. Here the next one waits until the answer before it has been taken by the socket: so a
 * pipeline is executed in its order, however its answers come, and a client that sends thousands of requests and reads nothing costs one answer,
 * not thousands. The body of a request that waits is not read.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Waiting {
  /** `null` for the end of the connection. */
  readonly request: IncomingMessage | null
  readonly go: () => void
}

export class Turns {
  /** Requests that wait behind the one under way; absent for a connection without one. */
  readonly #waiting = new WeakMap<Socket, Waiting[]>()

  /** Calls `go` when it is the turn of `request`; never, if the connection ends before. */
  take(request: IncomingMessage, response: ServerResponse, go: () => void): void {
    const { socket } = request
    response.once('close', () => this.#pass(socket))
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      this.#waiting.set(socket, [])
      go()
    } else {
      waiting.push({ request, go })
    }
  }

  /** Calls `go` when all that was asked before is answered, but for a request whose body is not there and never will be. */
  last(socket: Socket, go: () => void): void {
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      go()
      return
    }
    while (needsMore(waiting.at(-1)?.request ?? null)) waiting.pop()
    waiting.push({ request: null, go })
  }

  #pass(socket: Socket): void {
    const next = this.#waiting.get(socket)?.shift()
    if (next === undefined || socket.destroyed) this.#waiting.delete(socket)
    else next.go()
  }
}

/** Whether it cannot be answered before more of it has come: a body is read to its end, but not that of a GET. */
export function needsMore(request: IncomingMessage | null): boolean {
  return request !== null && !request.complete && request.method !== 'GET' && request.method !== 'HEAD'
}
