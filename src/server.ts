/**
 * One server: a node over real sockets, its faces, and the port the platform watches. `main.ts` runs one for a process; integration tests run
 * several on free ports.
 *
 * Its stop is a hand-over: the readiness goes, every answer asks for the connection to be closed, and requests are still accepted and served while
 * the slots move and the endpoints propagate; only then do the listeners close and the others hear `left`.
 */
import type { Options } from './config/index.ts'
import { type Discovery, DnsDiscovery, ownHosts, StaticDiscovery, systemResolver } from './discovery/index.ts'
import { Faces } from './faces.ts'
import type { Clock } from './lib/clock.ts'
import type { FacePorts } from './lib/face-ports.ts'
import type { Logger } from './lib/logger.ts'
import type { Random } from './lib/random.ts'
import { MembershipThread } from './membership-thread.ts'
import { Node } from './node.ts'
import { describeNode } from './node-metrics.ts'
import { AdminServer, Metrics, type Verdict } from './observability/index.ts'
import { infoSections, redisSettings } from './redis-view.ts'
import { formatAddress } from './transport/address.ts'
import { GrpcStreams } from './transport/grpc.ts'

export interface ServerParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
  /** True for one server of a process: the process's own figures are shown with it. */
  readonly observesProcess: boolean
  /** Another life of this name is there: the process has to end. */
  readonly superseded: () => void
  /** The process has to stop in order, and to be started again. */
  readonly wantedAgain: () => void
  /** Nothing will be right again: the process has to end. */
  readonly failed: (error: Error) => void
}

/** Where a server listens. */
export interface ServerPorts extends FacePorts {
  readonly gossip: number
  readonly peer: number
  readonly admin: number
}

/** How long the last requests may take once the listeners are closed, if the stop has so long, and the farewell; and what is left for closing the rest. */
const LAST_REQUESTS_MS = 10_000
const FAREWELL_MS = 500
const CLOSING_MS = 1000

export class Server {
  readonly ports: ServerPorts
  readonly #options: Options
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #node: Node
  readonly #faces: Faces
  readonly #admin: AdminServer
  readonly #sockets: Sockets
  #draining = false

  private constructor(
    options: Options,
    parts: ServerParts,
    node: Node,
    faces: Faces,
    admin: AdminServer,
    sockets: Sockets,
    ports: ServerPorts,
  ) {
    this.#options = options
    this.#logger = parts.logger
    this.#clock = parts.clock
    this.#node = node
    this.#faces = faces
    this.#admin = admin
    this.#sockets = sockets
    this.ports = ports
  }

  /** Listens everywhere and begins to join. Rejects when a port is taken or the platform cannot be asked at all. */
  static async start(options: Options, parts: ServerParts): Promise<Server> {
    const { clock, random, logger, version } = parts
    const sockets = await openSockets(options, parts)
    const { gossip, peer } = sockets
    const node = new Node(
      {
        name: options.name,
        clusterId: options.clusterId,
        gossipAddress: formatAddress(options.advertiseHost, gossip),
        peerAddress: formatAddress(options.advertiseHost, peer),
        podUid: options.podUid ?? '',
        zone: options.zone ?? '',
        replicas: options.replicas,
        maxMemoryBytes: options.maxMemoryBytes,
        evictionPolicy: options.evictionPolicy,
        limits: { maxKeyBytes: options.maxKeyBytes, maxValueBytes: options.maxValueBytes },
        forwardTimeoutMs: options.forwardTimeoutMs,
        partition: options.partition,
        platformDecides: options.discovery === 'kubernetes',
      },
      {
        clock,
        random,
        logger,
        membership: (self, events) => sockets.membership.membership(self, events),
        hung: () => sockets.membership.takeHung(),
        streams: sockets.streams,
        discovery: await openDiscovery(options, parts),
        superseded: parts.superseded,
        wantedAgain: parts.wantedAgain,
      },
    )
    const metrics = new Metrics(version)
    if (parts.observesProcess) metrics.observeProcess()
    describeNode(metrics, clock, () => node.stats())
    const draining = { reason: 'draining: this member is stopping', ok: false }
    const ready = (): Verdict => (server.#draining ? draining : node.ready())
    const faces = new Faces(options, {
      cache: node.cache,
      clock,
      logger,
      version,
      metrics,
      ready,
      info: () => infoSections(node, options),
      settings: redisSettings(node, options),
    })
    const admin = new AdminServer({
      metrics,
      logger,
      health: {
        ready,
        started: () => ({ ok: true, reason: 'the listeners are bound' }),
      },
    })
    const facePorts = await faces.listen()
    node.announce(facePorts)
    const ports = {
      gossip,
      peer,
      ...facePorts,
      admin: await admin.listen(options.host, options.adminPort),
    }
    const server = new Server(options, parts, node, faces, admin, sockets, ports)
    node.start()
    logger.info({ ...ports, advertise: options.advertiseHost, version }, 'listening')
    return server
  }

  ready(): { readonly ok: boolean; readonly reason: string } {
    return this.#node.ready()
  }

  /** Hands over, drains, leaves. Resolves when all is closed: true if everything found an heir. Within `stopTimeoutMs`: requests that outlast it are cut off. */
  async stop(): Promise<boolean> {
    const { drainMs, stopTimeoutMs } = this.#options
    const deadlineMs = this.#clock.now() + stopTimeoutMs - FAREWELL_MS - CLOSING_MS
    this.#draining = true
    this.#logger.info({ drainMs, stopTimeoutMs }, 'stopping: draining and handing over')
    this.#faces.drain()
    this.#node.leave(false)
    // Looked at when the draining is over: until then this member may have to take something over from one that died.
    await new Promise<void>((resolve) => this.#clock.after(drainMs, resolve))
    const all = await new Promise<boolean>((resolve) => this.#node.handOver(stopTimeoutMs - drainMs, resolve))
    await this.#faces.close(Math.max(0, Math.min(LAST_REQUESTS_MS, deadlineMs - this.#clock.now())))
    await new Promise<void>((resolve) => this.#node.stop(FAREWELL_MS, resolve))
    await this.#close()
    this.#logger.info({ all }, all ? 'stopped: everything was handed over' : 'stopped: some slots found no heir')
    return all
  }

  /** Ends now, without a word to anybody: for tests. */
  async destroy(): Promise<void> {
    this.#node.close()
    await this.#faces.close(0)
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#admin.close()
    await this.#sockets.close()
  }
}

interface Sockets {
  readonly membership: MembershipThread
  readonly streams: GrpcStreams
  readonly gossip: number
  readonly peer: number
  close(): Promise<void>
}

async function openSockets(options: Options, { clock, logger, failed }: ServerParts): Promise<Sockets> {
  const { host, clusterId } = options
  const membership = await MembershipThread.open(
    {
      host,
      port: options.gossipPort,
      clusterId,
      keys: options.gossipKeys,
      keysFile: options.gossipKeysFile,
      verifies: options.gossipVerify === 'on',
      logsDebug: options.logLevel === 'debug',
    },
    { clock, logger, failed },
  )
  const streams = new GrpcStreams()
  const peer = await streams.listen(host, options.peerPort)
  const close = async (): Promise<void> => {
    streams.close()
    await membership.close()
  }
  return { membership, streams, gossip: membership.port, peer, close }
}

/** The Kubernetes client is loaded only where it is asked for: it costs memory and a tenth of a second. */
async function openDiscovery(options: Options, { clock, random, logger }: ServerParts): Promise<Discovery> {
  if (options.discovery === 'dns') {
    return new DnsDiscovery({
      clock,
      random,
      logger,
      resolver: systemResolver(),
      dnsName: options.dnsName ?? '',
      self: options.name,
      advertiseHost: options.advertiseHost,
      ownHosts: ownHosts(),
      gossipPort: options.gossipPort,
    })
  }
  if (options.discovery !== 'kubernetes') return new StaticDiscovery({ clock, logger, self: options.name, seeds: options.seeds })
  const { inClusterSource, KubernetesDiscovery } = await import('./discovery/kubernetes.ts')
  return new KubernetesDiscovery({
    clock,
    random,
    logger,
    source: inClusterSource(),
    namespace: options.kubernetesNamespace ?? '',
    selector: options.kubernetesSelector ?? '',
    statefulSet: options.kubernetesStatefulSet ?? '',
    selfUid: options.podUid ?? '',
    gossipPort: options.gossipPort,
  })
}
