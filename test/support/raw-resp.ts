/**
 * RESP as bytes: a client that keeps replies just as they came, one Buffer each, and a reader that makes values of them for those replies of which
 * not every byte is fixed.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net'

export type Argument = string | Buffer

const ANSWER_MS = 10_000

/** A command as clients send it. Text is one byte a character. */
export function encodeCommand(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** Where the reply that begins at `at` ends; -1 if it has not all come. */
function endOfReply(bytes: Buffer, at: number): number {
  const line = bytes.indexOf('\r\n', at, 'latin1')
  if (line < 0) return -1
  const type = String.fromCharCode(bytes[at] as number)
  const rest = line + 2
  if ('+-:_,#('.includes(type)) return rest
  const count = Number(bytes.toString('latin1', at + 1, line))
  if ('$=!'.includes(type)) {
    const end = count < 0 ? rest : rest + count + 2
    return end > bytes.length ? -1 : end
  }
  if (!'*%~>'.includes(type)) throw new Error(`what came is no reply: ${bytes.toString('latin1', at, at + 80)}`)
  let end = rest
  for (let left = type === '%' ? count * 2 : count; left > 0; left--) {
    end = endOfReply(bytes, end)
    if (end < 0) return -1
  }
  return end
}

/** An aggregate's elements, each as its bytes; `null` for a reply that is none. */
export function elementsOf(reply: Buffer): Buffer[] | null {
  if (!'*%~>'.includes(String.fromCharCode(reply[0] as number))) return null
  const elements: Buffer[] = []
  for (let at = reply.indexOf('\r\n') + 2; at < reply.length; ) {
    const end = endOfReply(reply, at)
    elements.push(reply.subarray(at, end))
    at = end
  }
  return elements
}

/** The whole number of an integer reply. */
export function integerOf(reply: Buffer): number | null {
  const match = /^:(-?\d+)\r\n$/.exec(reply.toString('latin1'))
  return match === null ? null : Number(match[1])
}

export class RawClient {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #replies: Buffer[] = []
  #wanted = 0
  #settle: { resolve: (replies: Buffer[]) => void; reject: (error: Error) => void } | null = null
  #failure: Error | null = null
  readonly #answerMs: number

  private constructor(socket: Socket, answerMs: number) {
    this.#socket = socket
    this.#answerMs = answerMs
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** Rejects when nobody listens, or nobody says so within `answerMs`, which is also how long any answer may take. */
  static connect(target: NetConnectOpts, answerMs: number = ANSWER_MS): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(target)
      const late = setTimeout(() => socket.destroy(new Error('nobody answered the connection in time')), answerMs)
      socket.setNoDelay(true)
      socket.once('error', (error) => {
        clearTimeout(late)
        reject(error)
      })
      socket.once('connect', () => {
        clearTimeout(late)
        socket.removeAllListeners('error')
        resolve(new RawClient(socket, answerMs))
      })
    })
  }

  /** Sends the chunks, with a turn of the event loop between two of them, and answers the next `count` replies. */
  async exchange(chunks: readonly Buffer[], count: number): Promise<Buffer[]> {
    if (this.#failure !== null) throw this.#failure
    const answered = new Promise<Buffer[]>((resolve, reject) => {
      this.#wanted = count
      this.#settle = { resolve, reject }
    })
    const late = setTimeout(() => this.#fail(new Error(`${this.#replies.length} of ${count} replies came in time`)), this.#answerMs)
    for (const chunk of chunks) {
      this.#socket.write(chunk)
      await new Promise((resolve) => setImmediate(resolve))
    }
    try {
      this.#give()
      return await answered
    } finally {
      clearTimeout(late)
    }
  }

  async ask(...args: Argument[]): Promise<Buffer> {
    return (await this.exchange([encodeCommand(args)], 1))[0] as Buffer
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    let at = 0
    while (at < this.#received.length) {
      const end = endOfReply(this.#received, at)
      if (end < 0) break
      this.#replies.push(this.#received.subarray(at, end))
      at = end
    }
    this.#received = this.#received.subarray(at)
    this.#give()
  }

  #give(): void {
    if (this.#settle === null || this.#replies.length < this.#wanted) return
    this.#settle.resolve(this.#replies.splice(0, this.#wanted))
    this.#settle = null
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#settle?.reject(error)
    this.#settle = null
  }
}
