/**
 * The arena: five members in a network of their own, the last of them behind a proxy that delays, clients that check what they read all the time, and the
 * faults that are done to the members. Each fault heals, and ends when all is quiet again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Network } from '../support/namespaces.ts'
import { NetworkedMembers } from '../support/networked-members.ts'
import { CheckingClients } from './checking-clients.ts'
import { DelayingProxy } from './delaying-proxy.ts'

export const HOSTS = 5
/** The host that all others reach through the proxy. */
const DISTANT = HOSTS - 1
const DISTANCE_MS = 15
const CLIENTS = 6
const GOSSIP_PORT = 7946
const PEER_PORT = 7947
/** Above the time in which a silent member is held dead, and its slots are taken over. */
const SILENCE_MS = 4_000
/** Below it. */
const HICCUP_MS = 700

export class Arena {
  readonly members: NetworkedMembers
  readonly clients: CheckingClients
  readonly proxy: DelayingProxy
  readonly #network: Network
  readonly #apart: Set<number>

  private constructor(network: Network, members: NetworkedMembers, proxy: DelayingProxy, seed: number) {
    const apart = new Set<number>()
    this.#network = network
    this.members = members
    this.proxy = proxy
    this.#apart = apart
    const asked = (): string[] => members.running.filter((host) => !apart.has(host)).map((host) => network.address(host))
    this.clients = new CheckingClients({ clients: CLIENTS, seed, members: asked })
  }

  static async open(seed: number): Promise<Arena> {
    const network = new Network(HOSTS)
    const distant = network.standIn(DISTANT)
    const advertised = (host: number): string => (host === DISTANT ? distant : network.address(host))
    const members = new NetworkedMembers(network, { seeds: HOSTS, advertised })
    const proxy = await DelayingProxy.start({
      listen: distant,
      target: network.address(DISTANT),
      tcpPorts: [GOSSIP_PORT, PEER_PORT],
      udpPorts: [GOSSIP_PORT],
      delayMs: DISTANCE_MS,
    })
    try {
      await members.startAll()
      return new Arena(network, members, proxy, seed)
    } catch (error) {
      proxy.close()
      await members.close()
      network.close()
      throw new Error(`${(error as Error).message}; the members said last:\n${members.lastWords(20)}`, { cause: error })
    }
  }

  /** Killed with all it holds, and started again empty. */
  async kill(host: number): Promise<void> {
    this.members.signal(host, 'SIGKILL')
    await this.members.ended(host)
    await pause(SILENCE_MS / 2)
    this.members.start(host)
    await this.members.ready(host)
    await this.members.settled()
  }

  /** It stands still for longer than it takes to be replaced, and then goes on as if nothing had been. Clients ask it as soon as it runs. */
  async stand(host: number): Promise<void> {
    this.#apart.add(host)
    this.members.signal(host, 'SIGSTOP')
    await pause(SILENCE_MS)
    this.members.signal(host, 'SIGCONT')
    this.#apart.delete(host)
    await this.members.settled()
  }

  /** Too short to be replaced. */
  async hiccup(host: number): Promise<void> {
    this.members.signal(host, 'SIGSTOP')
    await pause(HICCUP_MS)
    this.members.signal(host, 'SIGCONT')
    await this.members.settled()
  }

  async cut(host: number): Promise<void> {
    await this.#whileApart(host, async () => {
      this.#network.cut(host)
      await pause(SILENCE_MS)
      this.#network.mend(host)
    })
  }

  /** It hears nobody, and everybody hears it. */
  async deafen(host: number): Promise<void> {
    await this.#whileApart(host, async () => {
      this.#network.deafen(
        host,
        this.members.running.filter((other) => other !== host),
      )
      await pause(SILENCE_MS)
      this.#network.undeafen(host)
    })
  }

  /** It does not hear one of the others. Both stay members, and clients ask both. */
  async deafenTo(host: number, other: number): Promise<void> {
    this.#network.deafen(host, [other])
    await pause(SILENCE_MS)
    this.#network.undeafen(host)
    await this.members.settled()
  }

  /** Asked to stop, and started again: it is to hand over all it holds. */
  async roll(host: number): Promise<void> {
    this.#apart.add(host)
    this.members.signal(host, 'SIGTERM')
    await this.members.ended(host)
    this.members.start(host)
    await this.members.ready(host)
    this.#apart.delete(host)
    await this.members.settled()
  }

  /** Stops the clients, and has them read every key through every member. */
  async verify(): Promise<void> {
    await this.clients.stop()
    await this.clients.verify(this.members.running.map((host) => this.#network.address(host)))
  }

  async close(): Promise<void> {
    await this.clients.stop()
    this.proxy.close()
    await this.members.close()
    this.#network.close()
  }

  /** No client asks it until it is one of the others again: what it serves alone is nobody's promise. */
  async #whileApart(host: number, happening: () => Promise<void>): Promise<void> {
    this.#apart.add(host)
    try {
      await happening()
      await this.members.settled()
    } finally {
      this.#apart.delete(host)
    }
  }
}
