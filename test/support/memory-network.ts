/**
 * A network in memory, driven by virtual time and a seed: packets may be lost, doubled and overtaken; streams keep their order, stall behind a cut
 * and break when it lasts (as keepalive would break them) or when a host dies. Every cut is between two hosts and may be one-way.
 *
 * A host is the part of an address before its last colon.
 */
import type { Random } from '../../src/lib/random.ts'
import type {
  Address,
  Channel,
  ExchangeTransport,
  MessageStream,
  MessageStreamHandlers,
  PacketTransport,
  StreamTransport,
} from '../../src/transport/transport.ts'
import type { FakeClock, HostClock } from './fake-clock.ts'

export interface NetworkOptions {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** Probabilities for packets, 0 to 1. */
  readonly loss: number
  readonly duplication: number
}

export type Arriving = 'packet' | 'exchange' | 'message'

/** How long a stream survives a cut: keepalive every 2 s, answered within 1 s. */
const STREAM_BREAKS_AFTER_MS = 3_000
const RETRY_MS = 50

export class MemoryNetwork {
  readonly #clock: FakeClock
  readonly #random: Random
  options: NetworkOptions
  readonly #hosts = new Map<string, MemoryHost>()
  /** `from>to` pairs between which nothing passes, and since when. */
  readonly #cuts = new Map<string, number>()
  readonly #streams = new Set<Wire>()
  /** Told of all that arrives, before it is handled: packets, halves of exchanges, messages of streams. */
  tap: ((kind: Arriving, from: string, to: string, bytes: Buffer) => void) | null = null

  constructor(clock: FakeClock, random: Random, options: Partial<NetworkOptions> = {}) {
    this.#clock = clock
    this.#random = random
    this.options = { minDelayMs: 0.2, maxDelayMs: 2, loss: 0, duplication: 0, ...options }
  }

  /** A machine of its own; an earlier one of the same name is gone from the network. */
  host(name: string, clock: HostClock): MemoryHost {
    const host = new MemoryHost(this, name, clock)
    this.#hosts.set(name, host)
    return host
  }

  cut(from: string, to: string): void {
    const pair = `${from}>${to}`
    if (this.#cuts.has(pair)) return
    this.#cuts.set(pair, this.#clock.now())
    this.#clock.after(STREAM_BREAKS_AFTER_MS, () => this.#breakStalled())
  }

  join(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`)
  }

  joinAll(): void {
    this.#cuts.clear()
  }

  passes(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`)
  }

  /** The host's process is dead: its streams break at the other ends, at once (the kernel resets them) or, with `silent`, as after a power cut. */
  kill(name: string, silent: boolean = false): void {
    const host = this.#hosts.get(name)
    if (host === undefined) return
    host.clock.kill()
    this.#hosts.delete(name)
    for (const wire of [...this.#streams]) {
      if (wire.touches(host)) this.#clock.after(silent ? STREAM_BREAKS_AFTER_MS : this.delay(), () => wire.break('reset'))
    }
  }

  delay(): number {
    const { minDelayMs, maxDelayMs } = this.options
    return minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs)
  }

  /** @internal */
  packet(from: MemoryHost, fromAddress: Address, to: Address, packet: Buffer): void {
    const copies = this.#random.next() < this.options.duplication ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.#random.next() < this.options.loss || !this.passes(from.name, hostOf(to))) continue
      this.#clock.after(this.delay(), () => {
        const host = this.#hosts.get(hostOf(to))
        host?.clock.run(() => {
          this.tap?.('packet', from.name, host.name, packet)
          host.receivePacket(to, Buffer.from(packet), fromAddress)
        })
      })
    }
  }

  /** @internal Delivers one message of an exchange if the path is open when it arrives. */
  deliver(from: string, to: string, fn: (host: MemoryHost) => void): void {
    if (!this.passes(from, to)) return
    this.#clock.after(this.delay(), () => {
      const host = this.#hosts.get(to)
      host?.clock.run(() => fn(host))
    })
  }

  /** @internal */
  dial(from: MemoryHost, to: Address, channel: Channel, handlers: MessageStreamHandlers): MessageStream {
    const wire = new Wire(this, this.#clock, from, channel, handlers)
    this.#streams.add(wire)
    this.deliver(from.name, hostOf(to), (host) => {
      if (wire.ended) return
      const accept = host.acceptors.get(to)
      if (accept === undefined) wire.break('refused')
      else wire.established(host, accept)
    })
    this.#clock.after(STREAM_BREAKS_AFTER_MS, () => {
      if (!wire.connected) wire.break('timeout')
    })
    return wire.near
  }

  /** Breaks all streams between two hosts, as a middlebox does that has forgotten them. */
  reset(one: string, other: string): void {
    for (const wire of [...this.#streams])
      if (wire.pairs().includes(`${one}>${other}`)) this.#clock.after(this.delay(), () => wire.break('reset'))
  }

  /** Bytes that streams hold back because their path is cut. */
  get stalledBytes(): number {
    let bytes = 0
    for (const wire of this.#streams) bytes += wire.stalledBytes
    return bytes
  }

  /** @internal */
  forget(wire: Wire): void {
    this.#streams.delete(wire)
  }

  #breakStalled(): void {
    for (const wire of [...this.#streams]) {
      for (const pair of wire.pairs()) {
        const since = this.#cuts.get(pair)
        if (since !== undefined && this.#clock.now() - since >= STREAM_BREAKS_AFTER_MS) wire.break('keepalive')
      }
    }
  }
}

export class MemoryHost {
  readonly name: string
  readonly clock: HostClock
  readonly acceptors = new Map<Address, (stream: MessageStream, channel: Channel) => MessageStreamHandlers>()
  readonly #network: MemoryNetwork
  readonly #receivers = new Map<Address, (packet: Buffer, from: Address) => void>()
  readonly #exchangers = new Map<Address, (message: Buffer, from: Address, respond: (answer: Buffer) => void) => void>()

  constructor(network: MemoryNetwork, name: string, clock: HostClock) {
    this.#network = network
    this.name = name
    this.clock = clock
  }

  packets(port: number): PacketTransport {
    const address = `${this.name}:${port}`
    return {
      maxPacketBytes: 1400,
      send: (to, packet) => {
        if (packet.length > 1400) throw new RangeError(`a packet of ${packet.length} bytes is over 1400`)
        if (!this.clock.dead) this.#network.packet(this, address, to, packet)
      },
      onPacket: (receive) => {
        this.#receivers.set(address, receive)
      },
    }
  }

  exchanges(port: number): ExchangeTransport {
    const address = `${this.name}:${port}`
    return {
      exchange: (to, message, timeoutMs, done) => {
        let answered = false
        const finish = (error: Error | null, answer: Buffer | null): void => {
          if (answered) return
          answered = true
          timer.cancel()
          done(error, answer)
        }
        const timer = this.clock.after(timeoutMs, () => finish(new Error('timeout'), null))
        this.#network.deliver(this.name, hostOf(to), (host) => {
          const handle = host.#exchangers.get(to)
          if (handle === undefined) {
            this.#network.deliver(host.name, this.name, () => finish(new Error('refused'), null))
            return
          }
          this.#network.tap?.('exchange', this.name, host.name, message)
          handle(Buffer.from(message), address, (answer) => {
            this.#network.deliver(host.name, this.name, (self) => {
              if (self !== this) return
              this.#network.tap?.('exchange', host.name, this.name, answer)
              finish(null, Buffer.from(answer))
            })
          })
        })
      },
      onExchange: (handle) => {
        this.#exchangers.set(address, handle)
      },
    }
  }

  streams(port: number): StreamTransport {
    const address = `${this.name}:${port}`
    return {
      dial: (to, channel, handlers) => this.#network.dial(this, to, channel, handlers),
      onStream: (accept) => {
        this.acceptors.set(address, accept)
      },
    }
  }

  receivePacket(to: Address, packet: Buffer, from: Address): void {
    this.#receivers.get(to)?.(packet, from)
  }
}

/** One stream: two ends and what is under way between them. */
class Wire {
  readonly near: MessageStream
  ended = false
  connected = false
  readonly #network: MemoryNetwork
  readonly #clock: FakeClock
  readonly #channel: Channel
  readonly #dialler: MemoryHost
  #acceptor: MemoryHost | null = null
  readonly #diallerHandlers: MessageStreamHandlers
  #acceptorHandlers: MessageStreamHandlers | null = null
  /** By direction: nothing may arrive before this, so that order is kept. */
  readonly #arrival = { out: 0, back: 0 }
  readonly #early: Buffer[] = []
  readonly #stalled = { out: [] as Buffer[], back: [] as Buffer[] }

  constructor(network: MemoryNetwork, clock: FakeClock, dialler: MemoryHost, channel: Channel, handlers: MessageStreamHandlers) {
    this.#network = network
    this.#clock = clock
    this.#dialler = dialler
    this.#channel = channel
    this.#diallerHandlers = handlers
    this.near = this.#end('out')
  }

  touches(host: MemoryHost): boolean {
    return this.#dialler === host || this.#acceptor === host
  }

  get stalledBytes(): number {
    return [...this.#stalled.out, ...this.#stalled.back].reduce((sum, message) => sum + message.length, 0)
  }

  pairs(): string[] {
    if (this.#acceptor === null) return []
    return [`${this.#dialler.name}>${this.#acceptor.name}`, `${this.#acceptor.name}>${this.#dialler.name}`]
  }

  established(host: MemoryHost, accept: (stream: MessageStream, channel: Channel) => MessageStreamHandlers): void {
    this.connected = true
    this.#acceptor = host
    this.#acceptorHandlers = accept(this.#end('back'), this.#channel)
    for (const message of this.#early.splice(0)) this.#send('out', message)
    this.#network.deliver(host.name, this.#dialler.name, () => {
      if (!this.ended) this.#diallerHandlers.opened?.()
    })
  }

  break(reason: string): void {
    if (this.ended) return
    this.#finish()
    this.#dialler.clock.run(() => this.#diallerHandlers.closed(reason))
    this.#acceptor?.clock.run(() => this.#acceptorHandlers?.closed(reason))
  }

  #finish(): void {
    this.ended = true
    this.#network.forget(this)
  }

  #end(direction: 'out' | 'back'): MessageStream {
    const stalled = this.#stalled[direction]
    return {
      send: (message) => {
        if (this.ended) return
        if (this.#acceptor === null) this.#early.push(Buffer.from(message))
        else this.#send(direction, Buffer.from(message))
      },
      get queuedBytes() {
        return stalled.reduce((sum, message) => sum + message.length, 0)
      },
      close: () => {
        if (this.ended) return
        this.#finish()
        const other = direction === 'out' ? this.#acceptor : this.#dialler
        const handlers = direction === 'out' ? this.#acceptorHandlers : this.#diallerHandlers
        this.#clock.after(this.#network.delay(), () => other?.clock.run(() => handlers?.closed('ended by the other side')))
      },
    }
  }

  #send(direction: 'out' | 'back', message: Buffer): void {
    const queue = this.#stalled[direction]
    queue.push(message)
    if (queue.length === 1) this.#drain(direction)
  }

  /** Moves what is queued onto the network, or looks again later while the path is cut. */
  #drain(direction: 'out' | 'back'): void {
    if (this.ended || this.#acceptor === null) return
    const queue = this.#stalled[direction]
    const from = direction === 'out' ? this.#dialler : this.#acceptor
    const to = direction === 'out' ? this.#acceptor : this.#dialler
    if (!this.#network.passes(from.name, to.name)) {
      this.#clock.after(RETRY_MS, () => this.#drain(direction))
      return
    }
    for (const message of queue.splice(0)) {
      const at = Math.max(this.#arrival[direction], this.#clock.now() + this.#network.delay())
      this.#arrival[direction] = at
      this.#clock.after(at - this.#clock.now(), () => {
        if (this.ended) return
        to.clock.run(() => {
          const handlers = direction === 'out' ? this.#acceptorHandlers : this.#diallerHandlers
          if (this.ended) return
          this.#network.tap?.('message', from.name, to.name, message)
          handlers?.message(message)
        })
      })
    }
  }
}

function hostOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(':'))
}
