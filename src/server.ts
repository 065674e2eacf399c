/**
 * One server: a node over real sockets, its faces, and the port the platform watches. `main.ts` runs one for a process; integration tests run
 * several on free ports.
 *
 * Its stop is a hand-over: the readiness goes, every answer asks for the connection to be closed, and requests are still accepted and served while
 * the slots move and the endpoints propagate; only then do the listeners close and the others hear `left`.
 */
import type { Options } from './config/index.ts'
import { type Discovery, StaticDiscovery } from './discovery/index.ts'
import { HttpGateway } from './gateway/http/index.ts'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import type { Random } from './lib/random.ts'
import { Node } from './node.ts'
import { describeNode } from './node-metrics.ts'
import { AdminServer, Metrics } from './observability/index.ts'
import { formatAddress, parseAddress } from './transport/address.ts'
import { GrpcStreams } from './transport/grpc.ts'
import { TcpExchanges } from './transport/tcp.ts'
import { UdpPackets } from './transport/udp.ts'

export interface ServerParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
  /** True for one server of a process: the process's own figures are shown with it. */
  readonly observesProcess: boolean
  /** Another life of this name is there: the process has to end. */
  readonly superseded: () => void
}

/** Where a server listens. */
export interface ServerPorts {
  readonly http: number
  readonly gossip: number
  readonly peer: number
  readonly admin: number
}

/** How long the last requests may take once the listeners are closed, and the farewell. */
const LAST_REQUESTS_MS = 10_000
const FAREWELL_MS = 500

const LATENCY_BOUNDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Server {
  readonly ports: ServerPorts
  readonly #options: Options
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #node: Node
  readonly #http: HttpGateway
  readonly #admin: AdminServer
  readonly #sockets: Sockets
  #draining = false

  private constructor(
    options: Options,
    parts: ServerParts,
    node: Node,
    http: HttpGateway,
    admin: AdminServer,
    sockets: Sockets,
    ports: ServerPorts,
  ) {
    this.#options = options
    this.#logger = parts.logger
    this.#clock = parts.clock
    this.#node = node
    this.#http = http
    this.#admin = admin
    this.#sockets = sockets
    this.ports = ports
  }

  /** Listens everywhere and begins to join. Rejects when a port is taken or the platform cannot be asked at all. */
  static async start(options: Options, parts: ServerParts): Promise<Server> {
    const { clock, random, logger, version } = parts
    const sockets = await openSockets(options, clock)
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
        platformDecides: options.discovery === 'kubernetes',
      },
      {
        clock,
        random,
        logger,
        packets: sockets.packets,
        exchanges: sockets.exchanges,
        streams: sockets.streams,
        discovery: await openDiscovery(options, parts),
        superseded: parts.superseded,
      },
    )
    const metrics = new Metrics(version)
    if (parts.observesProcess) metrics.observeProcess()
    const latency = metrics.histogram(
      'jackdaw_http_request_duration_seconds',
      'Time to answer an HTTP request, by route.',
      ['route'],
      LATENCY_BOUNDS,
    )
    const http = new HttpGateway({
      cache: node.cache,
      clock,
      logger,
      maxBodyBytes: options.maxBodyBytes,
      observe: (route, _status, seconds) => latency.observe(seconds, route),
    })
    describeNode(
      metrics,
      clock,
      () => node.stats(),
      () => http.stats(),
    )
    const draining = { reason: 'draining: this member is stopping', ok: false }
    const admin = new AdminServer({
      metrics,
      logger,
      health: {
        ready: () => (server.#draining ? draining : node.ready()),
        started: () => ({ ok: true, reason: 'the listeners are bound' }),
      },
    })
    const ports = {
      gossip,
      peer,
      http: await http.listen(options.host, options.httpPort),
      admin: await admin.listen(options.host, options.adminPort),
    }
    const server = new Server(options, parts, node, http, admin, sockets, ports)
    node.start()
    logger.info({ ...ports, advertise: options.advertiseHost, version }, 'listening')
    return server
  }

  ready(): { readonly ok: boolean; readonly reason: string } {
    return this.#node.ready()
  }

  /** Hands over, drains, leaves. Resolves when all is closed: true if everything found an heir. Within `stopTimeoutMs`, but for the last requests. */
  async stop(): Promise<boolean> {
    const { drainMs, stopTimeoutMs } = this.#options
    this.#draining = true
    this.#logger.info({ drainMs, stopTimeoutMs }, 'stopping: draining and handing over')
    this.#http.drain()
    const handedOver = new Promise<boolean>((resolve) => this.#node.handOver(stopTimeoutMs, resolve))
    await new Promise<void>((resolve) => this.#clock.after(drainMs, resolve))
    const all = await handedOver
    await this.#http.close(LAST_REQUESTS_MS)
    await new Promise<void>((resolve) => this.#node.stop(FAREWELL_MS, resolve))
    await this.#close()
    this.#logger.info({ all }, all ? 'stopped: everything was handed over' : 'stopped: some slots found no heir')
    return all
  }

  /** Ends now, without a word to anybody: for tests. */
  async destroy(): Promise<void> {
    this.#node.close()
    await this.#http.close(0)
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#admin.close()
    await this.#sockets.close()
  }
}

interface Sockets {
  readonly packets: UdpPackets
  readonly exchanges: TcpExchanges
  readonly streams: GrpcStreams
  readonly gossip: number
  readonly peer: number
  close(): Promise<void>
}

/** Gossip has one number for UDP and TCP: with port 0 the TCP listener follows what UDP got. */
async function openSockets(options: Options, clock: Clock): Promise<Sockets> {
  const { host } = options
  const packets = new UdpPackets({ host, port: options.gossipPort })
  await packets.listen()
  const gossip = parseAddress(packets.address())?.port as number
  const exchanges = new TcpExchanges({ host, port: gossip, clock })
  const streams = new GrpcStreams()
  await exchanges.listen()
  const peer = await streams.listen(host, options.peerPort)
  const close = async (): Promise<void> => {
    streams.close()
    await Promise.all([packets.close(), exchanges.close()])
  }
  return { packets, exchanges, streams, gossip, peer, close }
}

/** The Kubernetes client is loaded only where it is asked for: it costs memory and a tenth of a second. */
async function openDiscovery(options: Options, { clock, random, logger }: ServerParts): Promise<Discovery> {
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
