/**
 * A paced load: so many SETs a second over a few connections, evenly, in small bursts, whatever the server takes: what is not answered in time piles
 * up, and the rate of answers tells.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeCommand } from '../../test/support/raw-resp.ts'

export interface PacedPlan {
  /** Where each key is to be written: a connection for each address. */
  readonly keys: ReadonlyMap<string, readonly string[]>
  readonly perSecond: number
  readonly valueBytes: number
}

const TICK_MS = 2
const REPLY_BYTES = '+OK\r\n'.length

export class PacedLoad {
  readonly #lanes: Lane[]
  readonly #timer: NodeJS.Timeout
  readonly #startedMs = performance.now()
  #sent = 0

  private constructor(lanes: Lane[], perSecond: number) {
    this.#lanes = lanes
    this.#timer = setInterval(() => this.#tick(perSecond), TICK_MS)
  }

  static async start({ keys, perSecond, valueBytes }: PacedPlan): Promise<PacedLoad> {
    const value = 'x'.repeat(valueBytes)
    const lanes: Lane[] = []
    for (const [address, own] of keys) {
      const [host = '', port] = address.split(':')
      const socket = connect({ host, port: Number(port), noDelay: true })
      await once(socket, 'connect')
      lanes.push(
        new Lane(
          socket,
          own.map((key) => encodeCommand(['SET', key, value])),
        ),
      )
    }
    return new PacedLoad(lanes, perSecond)
  }

  /** Writes answered with OK. Throws when there was any other answer. */
  get answered(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.answered, 0)
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const lane of this.#lanes) lane.close()
  }

  #tick(perSecond: number): void {
    const due = Math.floor(((performance.now() - this.#startedMs) / 1000) * perSecond) - this.#sent
    const each = Math.floor(due / this.#lanes.length)
    for (const lane of this.#lanes) lane.send(each)
    this.#sent += each * this.#lanes.length
  }
}

class Lane {
  readonly #socket: Socket
  readonly #commands: readonly Buffer[]
  #next = 0
  #bytes = 0
  #failure: string | null = null

  constructor(socket: Socket, commands: readonly Buffer[]) {
    this.#socket = socket
    this.#commands = commands
    socket.on('data', (bytes: Buffer) => {
      this.#bytes += bytes.length
      const at = bytes.indexOf('-', 0, 'latin1')
      if (at >= 0) this.#failure ??= bytes.toString('latin1', at, at + 80)
    })
    socket.on('error', (error) => {
      this.#failure ??= error.message
    })
  }

  get answered(): number {
    if (this.#failure !== null) throw new Error(`the paced load was answered ${this.#failure}`)
    return this.#bytes / REPLY_BYTES
  }

  send(count: number): void {
    if (count <= 0) return
    const burst: Buffer[] = []
    for (let i = 0; i < count; i++) burst.push(this.#commands[this.#next++ % this.#commands.length] as Buffer)
    this.#socket.write(Buffer.concat(burst))
  }

  close(): void {
    this.#socket.destroy()
  }
}
