/**
 * A connection that behaves as those of client libraries do: one that its server closed while it rested is made anew for the next request, and a request
 * that the close crossed on its way, so that no byte of an answer came, is sent once more on a new connection. All else is an error.
 */
import { connect, type Socket } from 'node:net'

export interface WireOptions {
  readonly host: string
  readonly port: number
  /** Whether these bytes are one whole answer. */
  complete(bytes: Buffer): boolean
}

const CONNECT_MS = 1_000
const ANSWER_MS = 3_000

class ClosedBeforeAnswer extends Error {}

export class ReconnectingWire {
  readonly #options: WireOptions
  #socket: Socket | null = null
  #received: Buffer = Buffer.alloc(0)
  #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void } | null = null
  /** Connections made, the first included. */
  connections = 0
  /** Requests that were sent a second time. */
  repeats = 0

  constructor(options: WireOptions) {
    this.#options = options
  }

  /** One request at a time. */
  async ask(request: Buffer): Promise<Buffer> {
    try {
      return await this.#attempt(request)
    } catch (error) {
      if (!(error instanceof ClosedBeforeAnswer)) throw error
      this.repeats++
      return await this.#attempt(request)
    }
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
  }

  async #attempt(request: Buffer): Promise<Buffer> {
    const socket = this.#socket ?? (await this.#connect())
    const answered = new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
    // A connection without an answer in time is not used again: what comes late would answer the next request.
    const late = setTimeout(() => this.#lose(socket, new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS)
    socket.write(request)
    try {
      return await answered
    } finally {
      clearTimeout(late)
    }
  }

  #connect(): Promise<Socket> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true })
      const late = setTimeout(() => socket.destroy(new Error(`no connection to ${host}:${port} within ${CONNECT_MS} ms`)), CONNECT_MS)
      socket.once('error', reject)
      socket.on('close', () => clearTimeout(late))
      socket.once('connect', () => {
        clearTimeout(late)
        socket.off('error', reject)
        socket.on('data', (bytes: Buffer) => this.#take(socket, bytes))
        socket.on('error', () => this.#ended(socket))
        socket.on('end', () => this.#ended(socket))
        socket.on('close', () => this.#ended(socket))
        this.#socket = socket
        this.#received = Buffer.alloc(0)
        this.connections++
        resolve(socket)
      })
    })
  }

  #take(socket: Socket, bytes: Buffer): void {
    if (socket !== this.#socket) return
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    if (this.#waiting === null) {
      this.#lose(socket, new Error('bytes that nobody asked for'))
      return
    }
    if (!this.#options.complete(this.#received)) return
    const { resolve } = this.#waiting
    const answer = this.#received
    this.#waiting = null
    this.#received = Buffer.alloc(0)
    resolve(answer)
  }

  #ended(socket: Socket): void {
    const broken = this.#received.length > 0
    this.#lose(socket, broken ? new Error('closed in the middle of an answer') : new ClosedBeforeAnswer('closed before an answer, twice'))
  }

  #lose(socket: Socket, error: Error): void {
    if (socket !== this.#socket) return
    this.#socket = null
    socket.destroy()
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}
