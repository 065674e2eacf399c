/**
 * Arriving messages: how much of requests that are not whole each connection may hold, told to the budget that all clients share.
 *
 * HTTP/2 keeps its streams to itself, and grpc-js tells of a message when it is whole. What can be known from outside is an upper bound: what has come on
 * a connection since it last had no call that waits for its request, and no more than so many messages of the largest size as wait. It is looked at
 * from time to time, while there is such a call.
 */
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { InputBudget, InputHolder } from '../input-budget.ts'

/** At 10 Gbit/s no more than 62 MB come in between. */
const LOOK_MS = 50

class Peer implements InputHolder {
  readonly socket: Socket
  /** Calls whose request is not whole. */
  waiting = 0
  /** `Socket.bytesRead` when there was none. */
  restedAtBytes = 0

  readonly #forget: (peer: Peer) => void

  constructor(socket: Socket, forget: (peer: Peer) => void) {
    this.socket = socket
    this.#forget = forget
  }

  /** Forgotten at once: until the socket tells that it is closed, the others would be refused for what it held. */
  refuseInput(): void {
    this.socket.destroy()
    this.#forget(this)
  }
}

export class ArrivingMessages {
  readonly #clock: Clock
  readonly #budget: InputBudget
  readonly #maxMessageBytes: number
  readonly #peers = new Map<string, Peer>()
  readonly #busy = new Set<Peer>()
  #timer: Timer | null = null

  constructor(clock: Clock, budget: InputBudget, maxMessageBytes: number) {
    this.#clock = clock
    this.#budget = budget
    this.#maxMessageBytes = maxMessageBytes
  }

  connected(socket: Socket): void {
    const name = nameOf(socket.remoteAddress, socket.remotePort)
    const peer = new Peer(socket, (refused) => this.#rest(refused))
    this.#peers.set(name, peer)
    socket.once('close', () => {
      this.#peers.delete(name)
      this.#rest(peer)
    })
  }

  /** A call has begun whose request is not whole. `name` is the client's address as grpc-js writes it. Answers what to call when it is, or never will be. */
  expect(name: string): () => void {
    const peer = this.#peers.get(name)
    if (peer === undefined) return () => {}
    peer.waiting++
    this.#busy.add(peer)
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look())
    let over = false
    return () => {
      if (over) return
      over = true
      if (--peer.waiting === 0) this.#rest(peer)
    }
  }

  close(): void {
    this.#timer?.cancel()
  }

  #rest(peer: Peer): void {
    peer.restedAtBytes = peer.socket.bytesRead
    this.#busy.delete(peer)
    this.#budget.hold(peer, 0, true)
  }

  #look(): void {
    this.#timer = null
    for (const peer of this.#busy) {
      const bytes = Math.min(peer.socket.bytesRead - peer.restedAtBytes, peer.waiting * this.#maxMessageBytes)
      this.#budget.hold(peer, bytes, true)
    }
    if (this.#busy.size > 0) this.#timer = this.#clock.after(LOOK_MS, () => this.#look())
  }
}

/** As grpc-js has it in `getPeer()`. */
function nameOf(host: string | undefined, port: number | undefined): string {
  return `${host}:${port}`
}
