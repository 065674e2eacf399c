/**
 * A whole cluster in one process: real nodes on virtual time, a seeded network and a platform in memory. `cluster({ nodes: 5, seed })` starts it;
 * the same seed gives the same run. Clients are functions of the test: they call a node's cache as a gateway would.
 */
import type { CacheError } from '../../src/lib/errors.ts'
import { type Logger, SILENT } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { Swim } from '../../src/membership/index.ts'
import { Node, type NodeOptions } from '../../src/node.ts'
import { FakeClock, HostClock } from './fake-clock.ts'
import { MemoryNetwork, type NetworkOptions } from './memory-network.ts'
import { getOf, setOf } from './operations.ts'
import { Platform } from './platform.ts'

export interface ClusterOptions {
  readonly nodes: number
  readonly seed: number
  /** Copies beside the primary. Default 1. */
  readonly replicas?: number
  /** By ordinal. Default: nobody has one. */
  readonly zones?: readonly string[]
  readonly network?: Partial<NetworkOptions>
  readonly node?: Partial<NodeOptions>
  /** Prints the nodes' logs with virtual time: for looking at a failing seed. */
  readonly verbose?: boolean
  /** The code that a member runs, where it is not this version's. */
  readonly codeOf?: (name: string) => NodeCode | undefined
}

/** What a member is made of. */
export interface NodeCode {
  readonly Node: typeof Node
  readonly Swim: typeof Swim
}

const GOSSIP_PORT = 7946
const PEER_PORT = 7947
/** After a hand-over the listeners stay open until the endpoints have propagated, and close when the last requests are answered. */
const LISTEN_ON_MS = 3000
const LAST_REQUESTS_MS = 500

export interface StartOptions {
  /** Of its store; by default as all have. */
  readonly maxMemoryBytes?: number
  /** What the machine's wall clock is ahead by. Default: what it was for the name's last life. */
  readonly wallOffsetMs?: number
  /** A container that is started again in its pod: the address and the UID stay. */
  readonly inPlaceOf?: Life
}

/** One life of one name. */
export interface Life {
  readonly name: string
  readonly host: string
  readonly uid: string
  readonly clock: HostClock
  readonly node: Node
  superseded: boolean
  /** Its listeners are open: clients may ask it. */
  accepting: boolean
}

export class Cluster {
  readonly clock = new FakeClock()
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly platform: Platform
  /** The present life of each name. */
  readonly lives = new Map<string, Life>()
  readonly #options: ClusterOptions
  readonly #wallOffsetsMs = new Map<string, number>()
  /** Lives that are stopping in order, and whom to tell when they are gone. */
  readonly #stops = new Map<Life, () => void>()
  /** Told of every life when its node has been made and before it runs, and when it has ended: in order, or killed. */
  watcher: { started(life: Life): void; ended(life: Life, inOrder: boolean): void } | null = null
  #hosts = 0

  constructor(options: ClusterOptions) {
    this.#options = options
    this.random = new SeededRandom(options.seed)
    this.network = new MemoryNetwork(this.clock, new SeededRandom(options.seed ^ 0x5eed), options.network)
    this.platform = new Platform(options.nodes)
  }

  startAll(): void {
    for (let ordinal = 0; ordinal < this.#options.nodes; ordinal++) this.start(this.platform.nameOf(ordinal))
  }

  /** A new pod: a new address and UID, an empty store. Its wall clock is `wallOffsetMs` ahead; later lives of the name come back to that machine. */
  start(name: string, { wallOffsetMs = this.#wallOffsetsMs.get(name) ?? 0, maxMemoryBytes, inPlaceOf }: StartOptions = {}): Life {
    const number = ++this.#hosts
    const host = inPlaceOf?.host ?? `10.0.${number >> 8}.${number & 255}`
    const uid = inPlaceOf?.uid ?? `uid-${number}`
    const code = this.#options.codeOf?.(name) ?? { Node, Swim }
    const clock = new HostClock(this.clock)
    // Before the node is made, which reads it.
    clock.wallOffsetMs = wallOffsetMs
    this.#wallOffsetsMs.set(name, wallOffsetMs)
    const machine = this.network.host(host, clock)
    const random = new SeededRandom(this.#options.seed * 1000 + number)
    const logger = this.#options.verbose === true ? this.#printing(name) : SILENT
    const node = new code.Node(
      {
        name,
        clusterId: 'simulated',
        gossipAddress: `${host}:${GOSSIP_PORT}`,
        peerAddress: `${host}:${PEER_PORT}`,
        podUid: uid,
        zone: this.#options.zones?.[this.platform.ordinalOf(name)] ?? '',
        replicas: this.#options.replicas ?? 1,
        maxMemoryBytes: 64 * 1024 * 1024,
        evictionPolicy: 'allkeys-lru',
        limits: { maxKeyBytes: 1024, maxValueBytes: 1024 * 1024 },
        forwardTimeoutMs: 5000,
        partition: 'serve',
        platformDecides: true,
        ...this.#options.node,
        ...(maxMemoryBytes === undefined ? {} : { maxMemoryBytes }),
      },
      {
        clock,
        random,
        logger,
        membership: (self, events) =>
          new code.Swim({
            clock,
            random,
            logger,
            packets: machine.packets(GOSSIP_PORT),
            exchanges: machine.exchanges(GOSSIP_PORT),
            clusterId: 'simulated',
            self,
            events,
          }),
        hung: () => false,
        streams: machine.streams(PEER_PORT),
        discovery: this.platform.discovery(clock),
        superseded: () => {
          life.superseded = true
          this.kill(name)
        },
        wantedAgain: () => this.#restart(life),
      },
    )
    const life: Life = { name, host, uid, clock, node, superseded: false, accepting: true }
    this.lives.set(name, life)
    this.platform.create(name, uid, `${host}:${GOSSIP_PORT}`)
    this.watcher?.started(life)
    node.start()
    return life
  }

  life(name: string): Life {
    const life = this.lives.get(name)
    if (life === undefined) throw new Error(`no member ${name} is running`)
    return life
  }

  /** The wall clock of a member's machine is set: the member feels it while it runs, and its later lives begin with it. */
  setWallOffset(name: string, wallOffsetMs: number): void {
    this.#wallOffsetsMs.set(name, wallOffsetMs)
    const life = this.lives.get(name)
    if (life !== undefined) life.clock.wallOffsetMs = wallOffsetMs
  }

  /** SIGKILL. The platform's object stays, as when a container restarts in place, unless the pod was stopping: then this was its end. */
  kill(name: string, silent: boolean = false): void {
    const life = this.life(name)
    this.lives.delete(name)
    life.node.close()
    this.network.kill(life.host, silent)
    this.watcher?.ended(life, false)
    this.#stopped(life)
  }

  /** The process stops in order, and the kubelet starts its container anew. */
  #restart(life: Life): void {
    if (this.isStopping(life)) return
    life.node.handOver(30_000, () => {
      life.node.stop(500, () => {
        this.network.kill(life.host)
        if (this.lives.get(life.name) !== life) return
        this.lives.delete(life.name)
        this.watcher?.ended(life, true)
        this.start(life.name, { inPlaceOf: life })
      })
    })
  }

  /** A pod deleted in order: told, handed over, stopped, gone. `done` comes when the platform has forgotten it. */
  stop(name: string, done: () => void, graceMs: number = 30_000): void {
    const life = this.life(name)
    this.#stops.set(life, done)
    this.platform.stopping(name)
    life.node.handOver(graceMs, () => {
      // Listeners keep answering until the endpoints have propagated.
      life.clock.after(LISTEN_ON_MS, () => {
        life.accepting = false
        life.clock.after(LAST_REQUESTS_MS, () => {
          life.node.stop(500, () => {
            this.network.kill(life.host)
            if (this.lives.get(name) === life) this.lives.delete(name)
            this.watcher?.ended(life, true)
            this.#stopped(life)
          })
        })
      })
    })
  }

  /** The pod of a stopping life is gone, in order or not. */
  #stopped(life: Life): void {
    const done = this.#stops.get(life)
    if (done === undefined) return
    this.#stops.delete(life)
    this.platform.deleted(life.name)
    done()
  }

  isStopping(life: Life): boolean {
    return this.#stops.has(life)
  }

  /** `kubectl rollout restart`: from the highest ordinal down, each waits for the one before to be ready. */
  roll(done: () => void): void {
    const next = (ordinal: number): void => {
      if (ordinal < 0) {
        done()
        return
      }
      const name = this.platform.nameOf(ordinal)
      this.stop(name, () => {
        this.start(name)
        const look = (): void => {
          if (this.lives.get(name)?.node.ready().ok === true) this.clock.after(5000, () => next(ordinal - 1))
          else this.clock.after(100, look)
        }
        look()
      })
    }
    next(this.platform.replicas - 1)
  }

  runUntil(done: () => boolean, limitMs: number, what: string, stepMs: number = 10): void {
    try {
      this.clock.runUntilTrue(done, limitMs, what, stepMs)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.describe()} (seed ${this.#options.seed})`)
    }
  }

  untilReady(limitMs: number = 60_000): void {
    this.runUntil(() => [...this.lives.values()].every(({ node }) => node.ready().ok), limitMs, 'all ready')
  }

  /**
   * Every slot has one holder, all agree on it, and all seats hold equal data, unless they are full and `evicting`. Null when so, else what is not.
   */
  disagreement(evicting: boolean = false): string | null {
    const lives = [...this.lives.values()]
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const holders = lives.filter(({ node }) => node.inside.replication.executes(slot))
      if (holders.length !== 1) return `slot ${slot} is executed by ${holders.map(({ name }) => name).join(' and ') || 'nobody'}`
      const holder = holders[0] as Life
      const digest = holder.node.inside.store.slotDigest(slot)
      for (const { name, node } of lives) {
        const { replication, store } = node.inside
        const route = replication.route(slot)
        if (name !== holder.name && route !== holder.name) return `${name} believes slot ${slot} at ${route}, it is at ${holder.name}`
        if (name === holder.name || evicting || !replication.isComplete(slot)) continue
        const own = store.slotDigest(slot)
        if (own.high !== digest.high || own.low !== digest.low) return `slot ${slot} differs between ${holder.name} and ${name}`
      }
      const complete = lives.filter(({ node }) => node.inside.replication.isComplete(slot)).length
      const wanted = Math.min((this.#options.replicas ?? 1) + 1, lives.length)
      if (complete < wanted) return `slot ${slot} has ${complete} complete copies, not ${wanted}`
    }
    return null
  }

  untilAgreed(limitMs: number = 60_000): void {
    this.runUntil(() => this.disagreement() === null, limitMs, 'one view, equal owners', 250)
  }

  describe(): string {
    const lines = [...this.lives.values()].map(({ name, node }) => {
      const { replication } = node.inside
      const { primarySlots, completeSlots, parkedSlots, orphanSlots, incompleteFollowings } = replication.stats()
      const members = node.inside.membership.members().map((member) => `${member.name}:${member.state}`)
      return `${name} ready=${node.ready().ok} primary=${primarySlots} complete=${completeSlots} parked=${parkedSlots} orphan=${orphanSlots} incomplete=${incompleteFollowings} sees ${members.join(' ')}`
    })
    return `${this.disagreement() ?? 'agreed'}\n${lines.join('\n')}`
  }

  close(): void {
    for (const name of [...this.lives.keys()]) this.kill(name)
  }

  #printing(name: string): Logger {
    const print = (level: string) => (fields: object, message: string) => {
      console.log(`${(this.clock.now() / 1000).toFixed(3)} ${name} ${level} ${message} ${JSON.stringify(fields)}`)
    }
    return { debug: () => {}, info: print('info'), warn: print('warn'), error: print('error') }
  }
}

export function cluster(options: ClusterOptions): Cluster {
  return new Cluster(options)
}

/** Stores a string; `done` gets the error or null. */
export function set(life: Life, key: string, value: string, done: (error: CacheError | null) => void): void {
  life.node.cache.execute(setOf(key, value), (error) => done(error))
}

/** Reads a string; `undefined` for a miss. */
export function get(life: Life, key: string, done: (error: CacheError | null, value: string | undefined) => void): void {
  life.node.cache.execute(getOf(key), (error, outcome) => done(error, outcome?.entry?.valueBytes().toString()))
}
