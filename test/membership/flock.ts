/**
 * A flock: any number of members on virtual time and a network in memory, from one seed. Each bird is a process of its own, with its own clock;
 * what it is told is kept as text, so that a run can be compared with another.
 */
import { SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import type { Member, MemberMeta } from '../../src/membership/membership.ts'
import type { SwimOptions } from '../../src/membership/options.ts'
import { Swim } from '../../src/membership/swim.ts'
import type { ExchangeTransport } from '../../src/transport/transport.ts'
import { FakeClock, HostClock } from '../support/fake-clock.ts'
import { type MemoryHost, MemoryNetwork, type NetworkOptions } from '../support/memory-network.ts'

export const PORT = 7946

export interface Bird {
  readonly name: string
  readonly clock: HostClock
  readonly host: MemoryHost
  readonly swim: Swim
  /** `<ms> <name>/<generation> <previous state> -> <state>`, and `held dead`, `superseded`. */
  readonly told: string[]
}

export interface Hatching {
  readonly generation?: number
  readonly uid?: string
  readonly clusterId?: string
  /** Names of hosts; all of the flock's by default. */
  readonly seeds?: readonly string[]
  /** False: the test starts it. */
  readonly started?: boolean
  /** Where it runs; by default a host of its own name. */
  readonly host?: string
}

export class Flock {
  readonly clock = new FakeClock()
  readonly network: MemoryNetwork
  readonly birds = new Map<string, Bird>()
  /** While false every exchange times out: only packets pass. */
  exchangesPass = true
  exchangesBegun = 0
  readonly #random: SeededRandom
  readonly #options: Partial<SwimOptions>
  #generation = 1_000

  constructor(seed: number, network: Partial<NetworkOptions> = {}, options: Partial<SwimOptions> = {}) {
    this.#random = new SeededRandom(seed)
    this.network = new MemoryNetwork(this.clock, new SeededRandom(seed + 1), network)
    this.#options = options
  }

  /** Starts a process; an earlier one of this name is left to itself. */
  hatch(name: string, { generation = this.#generation++, uid = `uid-${name}-${generation}`, ...rest }: Hatching = {}): Bird {
    const clock = new HostClock(this.clock)
    const at = rest.host ?? name
    const host = this.network.host(at, clock)
    const told: string[] = []
    const tell = (text: string): void => {
      told.push(`${this.clock.now().toFixed(1)} ${text}`)
    }
    const swim = new Swim({
      clock,
      random: new SeededRandom(Math.floor(this.#random.next() * 2 ** 32)),
      packets: host.packets(PORT),
      exchanges: this.#interruptible(host.exchanges(PORT), clock),
      self: { name, generation, address: `${at}:${PORT}`, meta: meta(uid, at) },
      clusterId: rest.clusterId ?? 'flock',
      options: this.#options,
      events: {
        memberChanged: (member, previous) =>
          tell(`${member.name}/${member.generation} ${previous === undefined ? 'unknown' : previous.state} -> ${member.state}`),
        heldDead: () => tell('held dead'),
        superseded: () => tell('superseded'),
      },
      logger: SILENT,
    })
    const bird: Bird = { name, clock, host, swim, told }
    this.birds.set(name, bird)
    swim.setSeeds((rest.seeds ?? [...this.birds.keys()]).map((seed) => `${seed}:${PORT}`))
    if (rest.started ?? true) swim.start()
    return bird
  }

  /** `count` members `a-0` to `a-<n-1>` that know each other as seeds, all met. */
  hatchAll(count: number): Bird[] {
    const names = Array.from({ length: count }, (_, i) => `a-${i}`)
    const birds = names.map((name) => this.hatch(name, { seeds: names }))
    this.clock.runUntilTrue(() => this.agree(birds), 5_000, 'the flock meets')
    return birds
  }

  /** SIGKILL. */
  kill(bird: Bird): void {
    this.network.kill(bird.host.name)
  }

  /** Each of these holds all the others alive, in their present lives. */
  agree(birds: readonly Bird[]): boolean {
    return birds.every((bird) =>
      birds.every((other) => {
        if (bird === other) return true
        const held = bird.swim.member(other.name)
        return held !== undefined && held.state === 'alive' && held.generation === other.swim.self().generation
      }),
    )
  }

  /** Each of these, other than itself, holds `name` in `state`. */
  allHold(birds: readonly Bird[], name: string, state: Member['state']): boolean {
    return birds.every((bird) => bird.name === name || bird.swim.member(name)?.state === state)
  }

  /** No packet passes between the two groups, in either direction. */
  split(some: readonly Bird[], others: readonly Bird[]): void {
    for (const a of some) {
      for (const b of others) {
        this.network.cut(a.host.name, b.host.name)
        this.network.cut(b.host.name, a.host.name)
      }
    }
  }

  #interruptible(exchanges: ExchangeTransport, clock: HostClock): ExchangeTransport {
    return {
      exchange: (to, message, timeoutMs, done) => {
        this.exchangesBegun++
        if (this.exchangesPass) exchanges.exchange(to, message, timeoutMs, done)
        else clock.after(timeoutMs, () => done(new Error('timeout'), null))
      },
      onExchange: (handle) => exchanges.onExchange(handle),
    }
  }

  packetsSent(): number {
    return [...this.birds.values()].reduce((sum, bird) => sum + bird.swim.stats().packetsSentTotal, 0)
  }
}

export function meta(uid: string, host: string = 'host'): MemberMeta {
  return {
    peerAddress: `${host}:7947`,
    uid,
    zone: 'zone-a',
    leaving: false,
    forGood: false,
    tableVersion: 0,
    protocolMin: 1,
    protocolMax: 1,
    facePorts: { http: 8080, resp: 6379, cluster: 6380, text: 31_337, grpc: 50_051 },
  }
}
