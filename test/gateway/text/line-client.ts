/** A client of the telnet face that sends what it is told and gathers what comes; every wait is bounded. */
import { connect, type Socket } from 'node:net'

const WAIT_MS = 5000

export class LineClient {
  readonly socket: Socket
  #chunks: Buffer[] = []
  /** Ever. */
  receivedBytes = 0
  /** How the connection ended; `null` while it is open. */
  ended: 'closed' | 'reset' | null = null
  #wake: () => void = () => {}

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.receivedBytes += chunk.length
      this.#wake()
    })
    this.socket.on('error', () => {
      this.ended = 'reset'
    })
    this.socket.on('close', () => {
      this.ended ??= 'closed'
      this.#wake()
    })
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes)
    return this
  }

  get received(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }

  get text(): string {
    return this.received.toString()
  }

  /** So many lines, without their ends; what was received is used up. */
  async lines(count: number): Promise<string[]> {
    await this.until(() => this.text.split('\n').length > count || this.ended !== null)
    const lines = this.text.split('\n')
    this.#chunks = [Buffer.from(lines.slice(count).join('\n'))]
    return lines.slice(0, count)
  }

  /** All that comes until the connection ends. */
  async rest(): Promise<string> {
    await this.until(() => this.ended !== null)
    return this.text
  }

  async until(condition: () => boolean): Promise<void> {
    const timer = setTimeout(() => {
      this.socket.destroy(new Error('waited too long'))
      this.#wake()
    }, WAIT_MS)
    while (!condition() && this.ended === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    clearTimeout(timer)
    if (!condition())
      throw new Error(`the connection ended (${this.ended}) before what was waited for; received: ${this.text.slice(0, 200)}`)
  }

  close(): void {
    this.socket.destroy()
  }
}
