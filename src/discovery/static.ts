/**
 * Static discovery: a list of names and addresses that somebody wrote down.
 *
 * It tells its list once and is silent ever after: no fact ever comes from it. Every name on the list is meant to exist, and so is this member,
 * listed or not; with an empty list a member is alone and knows it, which lets it claim its slots without waiting for anybody.
 */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Address } from '../transport/transport.ts'
import type { Candidate, Discovery, DiscoveryEvents, DiscoverySnapshot } from './discovery.ts'

export interface Seed {
  readonly name: string
  /** Where its gossip is reached. */
  readonly address: Address
}

export interface StaticDiscoveryOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** This member's own name; it is wanted even if no seed bears it. */
  readonly self: string
  /** May be empty, and may name this member too, so that all members can be given the same list. */
  readonly seeds: readonly Seed[]
}

export class StaticDiscovery implements Discovery {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #snapshot: DiscoverySnapshot
  #closed = false

  /** Throws a `RangeError` if two seeds bear one name: a name is an identity, and the two addresses would pass for one member. */
  constructor(options: StaticDiscoveryOptions) {
    this.#clock = options.clock
    this.#logger = options.logger
    const candidates = new Map<string, Candidate>()
    for (const { name, address } of options.seeds) {
      if (candidates.has(name)) throw new RangeError(`two seeds are called ${name}`)
      candidates.set(name, { name, address, uid: '', knownNotRunning: false, stopping: false })
    }
    this.#snapshot = {
      candidates: [...candidates.values()],
      wanted: [...new Set([options.self, ...candidates.keys()])],
      heard: true,
    }
  }

  start(events: DiscoveryEvents): void {
    this.#clock.soon(() => {
      if (this.#closed) return
      try {
        events.changed(this.#snapshot)
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener of discovery threw')
      }
    })
  }

  close(): void {
    this.#closed = true
  }
}
