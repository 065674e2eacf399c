/**
 * The faces of one server: HTTP, RESP, text and gRPC, made alike, listening together, stopped together. Each knows the cache and nothing else.
 */
import type { Cache } from './cache/index.ts'
import type { Options } from './config/index.ts'
import { describeFaces, type FacesStats, type OutputBytes } from './face-metrics.ts'
import { GrpcGateway } from './gateway/grpc/index.ts'
import { HttpGateway } from './gateway/http/index.ts'
import { InputBudget } from './gateway/input-budget.ts'
import { type InfoSection, RespGateway, type Settings } from './gateway/resp/index.ts'
import { TextGateway } from './gateway/text/index.ts'
import type { Clock } from './lib/clock.ts'
import type { FacePorts } from './lib/face-ports.ts'
import type { Logger } from './lib/logger.ts'
import type { Metrics } from './observability/index.ts'

export interface FacesParts {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  readonly metrics: Metrics
  readonly ready: () => { readonly ok: boolean; readonly reason: string }
  /** What the RESP face tells of the node in INFO, and lets clients see and change with CONFIG. */
  readonly info: () => readonly InfoSection[]
  readonly settings: Settings
}

/** Of an HTTP connection, unless `idleTimeoutMs` says otherwise: above the 90 s that proxies keep theirs. */
const HTTP_IDLE_MS = 100_000

export class Faces {
  readonly #options: Options
  readonly #input: InputBudget
  readonly #http: HttpGateway
  readonly #resp: RespGateway
  readonly #text: TextGateway
  readonly #grpc: GrpcGateway

  constructor(options: Options, parts: FacesParts) {
    const { cache, clock, logger, version, metrics, ready, info, settings } = parts
    const { maxClients, maxInputBytes, outputBufferLimitBytes, idleTimeoutMs, maxBodyBytes } = options
    const observe = describeFaces(
      metrics,
      () => this.stats(),
      () => this.#outputBytes(),
    )
    const input = new InputBudget(maxInputBytes)
    const common = { cache, clock, logger, input, maxClients, outputBufferLimitBytes, idleTimeoutMs }
    this.#options = options
    this.#input = input
    this.#http = new HttpGateway({
      ...common,
      idleTimeoutMs: idleTimeoutMs === 0 ? HTTP_IDLE_MS : idleTimeoutMs,
      version,
      ready,
      maxBodyBytes,
      observe: observe.http,
    })
    this.#resp = new RespGateway({
      ...common,
      version,
      maxRequestBytes: maxBodyBytes,
      debugCommands: options.debugCommands === 'on',
      maxStaleMs: options.maxStaleMs,
      info,
      settings,
      observe: observe.resp,
    })
    this.#text = new TextGateway({ ...common, observe: observe.text })
    this.#grpc = new GrpcGateway({ ...common, ready: () => ready().ok, observe: observe.grpc })
  }

  /** Rejects when a port is taken. */
  async listen(): Promise<FacePorts> {
    const { host, httpPort, respPort, clusterPort, textPort, grpcPort } = this.#options
    return {
      http: await this.#http.listen(host, httpPort),
      resp: await this.#resp.listen(host, respPort),
      cluster: await this.#resp.listenForClusterClients(host, clusterPort),
      text: await this.#text.listen(host, textPort),
      grpc: await this.#grpc.listen(host, grpcPort),
    }
  }

  /** A stop is near: clients are asked to go elsewhere, and everybody is still served. */
  drain(): void {
    for (const face of this.#all()) face.drain()
  }

  /** Accepts nothing more, finishes what is being answered, and cuts what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#all().map((face) => face.close(graceMs)))
  }

  stats(): FacesStats {
    const { heldBytes, refusedTotal } = this.#input
    return {
      input: { heldBytes, refusedTotal },
      http: this.#http.stats(),
      resp: this.#resp.stats(),
      text: this.#text.stats(),
      grpc: this.#grpc.stats(),
    }
  }

  #outputBytes(): OutputBytes {
    return { http: this.#http.outputBytes, resp: this.#resp.outputBytes, text: this.#text.outputBytes }
  }

  #all(): readonly { drain(): void; close(graceMs: number): Promise<void> }[] {
    return [this.#http, this.#resp, this.#text, this.#grpc]
  }
}
