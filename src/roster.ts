/**
 * The roster of one node: what the cache is told of the cluster, put together from membership, which knows who is there, and replication, which knows
 * the copies. It keeps the addresses that operators have registered, too: they are asked for members like those that discovery knows.
 */
import type { ClusterMember, Copy, FollowerFigures, Joining, LossFigures, Roster } from './cache/index.ts'
import { type FacePorts, NO_PORTS } from './lib/face-ports.ts'
import type { Member, Membership } from './membership/index.ts'
import type { Replication } from './replication/index.ts'
import { parseAddress } from './transport/address.ts'
import type { Address } from './transport/transport.ts'

export interface NodeRosterParts {
  readonly membership: Membership
  readonly replication: () => Replication
  readonly leaving: () => boolean
  readonly ready: () => boolean
  readonly retire: () => void
  /** `registered` has changed. */
  readonly registeredChanged: () => void
}

/** More are of no use: whoever is met knows the others. */
const MAX_REGISTERED = 64

export class NodeRoster implements Roster {
  readonly #parts: NodeRosterParts
  readonly #registered = new Set<Address>()
  #ports: FacePorts = NO_PORTS
  #changes = 0

  constructor(parts: NodeRosterParts) {
    this.#parts = parts
  }

  /** Addresses that operators have registered. */
  get registered(): readonly Address[] {
    return [...this.#registered]
  }

  /** Something about a member has changed. */
  changed(): void {
    this.#changes++
  }

  /** This node's faces listen there. */
  announce(ports: FacePorts): void {
    this.#ports = ports
    this.#parts.membership.updateMeta({ facePorts: ports })
    this.changed()
  }

  get version(): string {
    return `${this.#changes} ${this.#parts.replication().survey.version}`
  }

  members(): readonly ClusterMember[] {
    const { leaving, membership } = this.#parts
    const self = describe(membership.self())
    // What was asked of membership a moment ago may not have been done yet.
    return [{ ...self, leaving: leaving(), ports: this.#ports }, ...membership.members().map(describe)]
  }

  copies(): (slot: number) => readonly Copy[] {
    return this.#parts.replication().survey.copies()
  }

  isComplete(slot: number): boolean {
    return this.#parts.replication().isComplete(slot)
  }

  isMoving(slot: number): boolean {
    return this.#parts.replication().survey.isMoving(slot)
  }

  followers(): readonly FollowerFigures[] {
    return this.#parts.replication().survey.followers()
  }

  lost(): LossFigures {
    return this.#parts.replication().stats().lost
  }

  ready(): boolean {
    return this.#parts.ready()
  }

  join(address: Address): Joining {
    if (parseAddress(address) === null) return 'malformed'
    const { membership, registeredChanged } = this.#parts
    const met = [membership.self(), ...membership.members()].some((member) => member.address === address && isThere(member))
    if (met) return 'met'
    this.#registered.delete(address)
    for (const oldest of this.#registered) if (this.#registered.size >= MAX_REGISTERED) this.#registered.delete(oldest)
    this.#registered.add(address)
    registeredChanged()
    return 'asked'
  }

  forget(address: Address): boolean {
    if (!this.#registered.delete(address)) return false
    this.#parts.registeredChanged()
    return true
  }

  retire(): void {
    this.#parts.retire()
  }
}

function isThere({ state }: Member): boolean {
  return state === 'alive' || state === 'suspect'
}

function describe({ name, generation, incarnation, state, address, meta }: Member): ClusterMember {
  const { leaving, zone, peerAddress, facePorts, tableVersion } = meta
  const host = parseAddress(address)?.host ?? ''
  return { name, generation, incarnation, state, leaving, zone, host, gossipAddress: address, peerAddress, ports: facePorts, tableVersion }
}
