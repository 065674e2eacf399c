/**
 * Sealed packets: a packet transport whose packets carry a code that only holders of a key can make (see key-ring.ts).
 *
 *     sealed packet   packet | code 16 bytes
 *
 * What has no code, or a wrong one, is dropped and counted before anything of it is read. Nothing is encrypted: names, addresses and states can
 * be read by whoever sees the network.
 *
 * A packet that was recorded can be sent again, and it gains nothing. News is ordered by generation, mark and incarnation, so that old news ends
 * where it arrives; a name that everybody has forgotten (see member-list.ts) may be seen once more, is suspected and dies. An ack has to carry
 * the number of a probe under way, which starts at random and counts up. A ping or a request for one makes a member send one small packet for
 * each that was replayed.
 */
import type { Address, PacketTransport } from '../transport/transport.ts'
import { CODE_BYTES, type KeyRing } from './key-ring.ts'

export class SealedPackets implements PacketTransport {
  readonly maxPacketBytes: number
  readonly #inner: PacketTransport
  readonly #ring: KeyRing
  #forgedTotal = 0

  constructor(inner: PacketTransport, ring: KeyRing) {
    this.maxPacketBytes = inner.maxPacketBytes - CODE_BYTES
    this.#inner = inner
    this.#ring = ring
  }

  /** Packets without a code of one of the keys, dropped or, by a ring that does not verify, let through. */
  get forgedTotal(): number {
    return this.#forgedTotal
  }

  send(to: Address, packet: Buffer): void {
    this.#inner.send(to, Buffer.concat([packet, this.#ring.sign('packet', packet)]))
  }

  onPacket(receive: (packet: Buffer, from: Address) => void): void {
    this.#inner.onPacket((sealed, from) => {
      const end = Math.max(0, sealed.length - CODE_BYTES)
      const packet = sealed.subarray(0, end)
      if (this.#ring.accepts('packet', packet, sealed.subarray(end))) {
        receive(packet, from)
        return
      }
      this.#forgedTotal++
      if (!this.#ring.verifies) receive(sealed, from)
    })
  }
}
