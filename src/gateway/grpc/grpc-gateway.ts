/**
 * The gRPC face: proto/cache.proto, proto/cluster.proto, health and reflection, over grpc-js.
 *
 * What is bounded: connections, calls at a time on each, the size of a message (by the size of a key and a value), the time in which a request has to
 * arrive whole and an answer has to be read, and how long a connection may be without a call or without answering a ping. How often clients ping
 * us is not judged. A message's fields are decoded one by one, so this is the face for interfaces that are typed, not the fastest one.
 *
 * A stop goes in two steps. `drain()`: health says NOT_SERVING, everything is accepted and served. `close()`: nothing new is accepted, clients are told
 * to go (GOAWAY), calls under way are finished.
 */
import type { Socket } from 'node:net'
import { type ConnectionInjector, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import type { Cache } from '../../cache/cache.ts'
import { assetPath } from '../../lib/asset-path.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { arrivalLimitMs } from '../arrival-limit.ts'
import type { InputBudget } from '../input-budget.ts'
import { ArrivingMessages } from './arriving-messages.ts'
import { CacheService } from './cache-service.ts'
import { watchCalls } from './call-watch.ts'
import { ClusterService } from './cluster-service.ts'
import { Health } from './health.ts'
import { Listener } from './listener.ts'
import { type GrpcStats, type ObserveCall, Traffic } from './traffic.ts'

export interface GrpcGatewayOptions {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  readonly observe: ObserveCall
  /** What health says until the drain begins. */
  readonly ready: () => boolean
  /** Connections beyond are told to go. */
  readonly maxClients: number
  /** For requests that are not whole, those of all faces together. */
  readonly input: InputBudget
  /** For a connection without a call, a request that does not arrive whole, and an answer that nobody reads; 0: never, but for requests (`arrivalLimitMs`). */
  readonly idleTimeoutMs: number
}

const CACHE_SERVICE = 'jackdaw.cache.v1.Cache'
const CLUSTER_SERVICE = 'jackdaw.cluster.v1.Cluster'
const HEALTH_SERVICE = 'grpc.health.v1.Health'
/** Field tags, lengths and all that is neither a key nor a value. */
const MESSAGE_MARGIN_BYTES = 1024
/** Calls at a time on one connection; more of them wait at the client. */
const MAX_CONCURRENT_CALLS = 100
/** A peer that is gone without a word is noticed after the two together. */
const PING_MS = 30_000
const PING_TIMEOUT_MS = 10_000
const PROTO_FILES = ['proto/cache.proto', 'proto/cluster.proto', 'proto/health.proto'] as const
/** Names stay as the proto file has them, because reflection passes them on. */
const PROTO_OPTIONS = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }

export class GrpcGateway {
  readonly #clock: Clock
  readonly #traffic: Traffic
  readonly #server: Server
  readonly #listener: Listener
  readonly #health: Health
  readonly #arriving: ArrivingMessages
  #injector: ConnectionInjector | null = null
  #draining = false

  constructor(options: GrpcGatewayOptions) {
    const { cache, clock, logger, maxClients, input, idleTimeoutMs } = options
    const { maxKeyBytes, maxValueBytes } = cache.limits
    this.#clock = clock
    this.#traffic = new Traffic(options.observe)
    const maxMessageBytes = 2 * maxKeyBytes + maxValueBytes + MESSAGE_MARGIN_BYTES
    const requestTimeoutMs = idleTimeoutMs || arrivalLimitMs(maxMessageBytes)
    this.#arriving = new ArrivingMessages(clock, input, maxMessageBytes)
    this.#server = new Server({
      interceptors: [watchCalls(this.#traffic, clock, this.#arriving, requestTimeoutMs)],
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_concurrent_streams': MAX_CONCURRENT_CALLS,
      'grpc.keepalive_time_ms': PING_MS,
      'grpc.keepalive_timeout_ms': PING_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
      ...(idleTimeoutMs > 0 ? { 'grpc.max_connection_idle_ms': idleTimeoutMs } : {}),
    })
    const ready = (): boolean => !this.#draining && options.ready()
    this.#health = new Health({ clock, services: ['', CACHE_SERVICE, CLUSTER_SERVICE], ready })
    const connected = (socket: Socket): void => {
      this.#arriving.connected(socket)
      this.#injector?.injectConnection(socket)
    }
    this.#listener = new Listener({ clock, logger, maxClients, prefaceTimeoutMs: idleTimeoutMs || arrivalLimitMs(0), connected })
    const cacheService = new CacheService(cache, logger, { clock, traffic: this.#traffic, stallTimeoutMs: idleTimeoutMs })
    this.#addServices(cacheService, new ClusterService(cache, logger))
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  listen(host: string, port: number): Promise<number> {
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
    return this.#listener.listen(host, port)
  }

  /** From now on health says NOT_SERVING, and watchers hear it at once; everything is still accepted and served. */
  drain(): void {
    this.#draining = true
    this.#health.look()
  }

  /** Accepts nothing more, finishes the calls under way, and after `graceMs` cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.drain()
    this.#health.close()
    const deadline = this.#clock.after(graceMs, () => this.#listener.destroy())
    const gone = this.#listener.close()
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    await gone
    deadline.cancel()
    this.#arriving.close()
  }

  /** Plain numbers, counted since start. */
  stats(): GrpcStats {
    const { connections, connectionsTotal, rejectedTotal } = this.#listener
    const { callsTotal, errorsTotal, timeoutsTotal } = this.#traffic
    return { connections, connectionsTotal, rejectedTotal, callsTotal, errorsTotal, timeoutsTotal }
  }

  #addServices(cacheService: CacheService, clusterService: ClusterService): void {
    const definition = loadSync(
      PROTO_FILES.map((name) => assetPath(name)),
      PROTO_OPTIONS,
    )
    this.#server.addService(definition[CACHE_SERVICE] as ServiceDefinition, cacheService.implementation())
    this.#server.addService(definition[CLUSTER_SERVICE] as ServiceDefinition, clusterService.implementation())
    this.#server.addService(definition[HEALTH_SERVICE] as ServiceDefinition, this.#health.implementation())
    new ReflectionService(definition).addToServer(this.#server)
  }
}
