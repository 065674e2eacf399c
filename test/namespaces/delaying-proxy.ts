/**
 * A proxy that delays: listens at an address of this process and hands on to a host, packet by packet (UDP) and byte by byte (TCP), `delayMs` later in
 * each direction, in order. Who is told this address in place of the host's is as far away as that.
 */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export interface ProxyPlan {
  readonly listen: string
  readonly target: string
  readonly tcpPorts: readonly number[]
  readonly udpPorts: readonly number[]
  readonly delayMs: number
}

export class DelayingProxy {
  readonly #plan: ProxyPlan
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #datagrams = new Set<Datagrams>()
  /** Bytes and packets that went through. */
  passed = 0

  private constructor(plan: ProxyPlan) {
    this.#plan = plan
  }

  static async start(plan: ProxyPlan): Promise<DelayingProxy> {
    const proxy = new DelayingProxy(plan)
    for (const port of plan.tcpPorts) await proxy.#listenTcp(port)
    for (const port of plan.udpPorts) await proxy.#listenUdp(port)
    return proxy
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
    for (const datagrams of this.#datagrams) datagrams.close()
    this.#datagrams.clear()
  }

  async #listenTcp(port: number): Promise<void> {
    const { listen, target } = this.#plan
    const server = createServer((near) => {
      const far = connect({ host: target, port, noDelay: true })
      near.setNoDelay(true)
      this.#handOn(near, far)
      this.#handOn(far, near)
    })
    server.listen(port, listen)
    await once(server, 'listening')
    this.#servers.push(server)
  }

  #handOn(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    // Timers of the same length fire in the order in which they were set.
    from.on('data', (bytes) => {
      this.passed++
      setTimeout(() => {
        if (to.writable) to.write(bytes)
      }, this.#plan.delayMs)
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      setTimeout(() => to.destroy(), this.#plan.delayMs)
    })
  }

  async #listenUdp(port: number): Promise<void> {
    const { listen, target, delayMs } = this.#plan
    const near = createSocket('udp4')
    /** By sender: the socket whose port the host sees, so that its answers find their way back. */
    const returns = new Map<string, Datagrams>()
    near.on('message', (packet, { address, port: senderPort }) => {
      const sender = `${address}:${senderPort}`
      let far = returns.get(sender)
      if (far === undefined) {
        far = createSocket('udp4')
        far.on('error', () => {})
        far.on('message', (answer) => this.#later(() => near.send(answer, senderPort, address), delayMs))
        returns.set(sender, far)
        this.#datagrams.add(far)
      }
      const out = far
      this.#later(() => out.send(packet, port, target), delayMs)
    })
    near.on('error', () => {})
    near.bind(port, listen)
    await once(near, 'listening')
    this.#datagrams.add(near)
  }

  #later(send: () => void, delayMs: number): void {
    this.passed++
    setTimeout(() => {
      if (this.#datagrams.size > 0) send()
    }, delayMs)
  }
}
