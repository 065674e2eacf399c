/**
 * Packets over UDP: gossip's own socket, so that no bulk copy stands in front of a ping.
 *
 * Best effort throughout. A packet that cannot be sent, because the socket is not bound, the address is none, or the kernel refuses, is a lost
 * packet, and membership is made for those. Addresses of members are numeric; a host name costs a look-up per packet.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { formatAddress, parseAddress } from './address.ts'
import type { Address, PacketTransport } from './transport.ts'

export interface UdpOptions {
  /** The local address to bind: `0.0.0.0` or `::` for all. Peers are reached in its family only. */
  readonly host: string
  /** 0 for one that is free: see `address()`. */
  readonly port: number
}

const MAX_PACKET_BYTES = 1400
/** Asked of the kernel, which may give less: a burst of gossip has to survive a busy event loop. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024

export class UdpPackets implements PacketTransport {
  readonly maxPacketBytes = MAX_PACKET_BYTES
  readonly #options: UdpOptions
  readonly #socket: Socket
  #receive: ((packet: Buffer, from: Address) => void) | null = null
  #state: 'new' | 'bound' | 'closed' = 'new'

  constructor(options: UdpOptions) {
    this.#options = options
    this.#socket = createSocket({ type: isIPv6(options.host) ? 'udp6' : 'udp4' })
    this.#socket.on('message', (packet, { address, port }) => {
      // What is over the limit is not ours: our own side never sends it.
      if (this.#state === 'bound' && packet.length <= MAX_PACKET_BYTES) this.#receive?.(packet, formatAddress(address, port))
    })
  }

  /** Rejects when the address cannot be bound. */
  async listen(): Promise<void> {
    this.#socket.bind({ address: this.#options.host, port: this.#options.port })
    await once(this.#socket, 'listening')
    // From here on an error of the socket is a lost packet.
    this.#socket.on('error', () => {})
    try {
      this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    } catch {
      // Some kernels refuse where others give less: then it stays as it was.
    }
    this.#state = 'bound'
  }

  /** Where the socket is bound; to be asked after `listen`. */
  address(): Address {
    const { address, port } = this.#socket.address()
    return formatAddress(address, port)
  }

  send(to: Address, packet: Buffer): void {
    if (packet.length > MAX_PACKET_BYTES) throw new RangeError(`a packet of ${packet.length} bytes is over ${MAX_PACKET_BYTES}`)
    const target = parseAddress(to)
    if (this.#state !== 'bound' || target === null) return
    this.#socket.send(packet, target.port, target.host, () => {})
  }

  onPacket(receive: (packet: Buffer, from: Address) => void): void {
    this.#receive = receive
  }

  /** Nothing is received after this is called. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await new Promise<void>((resolve) => this.#socket.close(resolve))
  }
}
