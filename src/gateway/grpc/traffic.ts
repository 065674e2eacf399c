/**
 * Traffic: which calls came and how they ended, in plain numbers.
 */
const METHODS = ['get', 'set', 'delete', 'search', 'flush', 'describe', 'register', 'unregister', 'other'] as const
/** `other`: health and reflection. */
export type GrpcMethod = (typeof METHODS)[number]

/** Called once for each call, when its status is decided; `seconds` since its head came. */
export type ObserveCall = (method: GrpcMethod, seconds: number) => void

export interface GrpcStats {
  /** Open now. */
  readonly connections: number
  readonly connectionsTotal: number
  /** Connections over `maxClients`. */
  readonly rejectedTotal: number
  readonly callsTotal: Readonly<Record<GrpcMethod, number>>
  /** Calls that ended with another status than OK, those that clients gave up among them. */
  readonly errorsTotal: number
  /** Calls given up because the request did not arrive whole, or the answer was not read, within `idleTimeoutMs`. */
  readonly timeoutsTotal: number
}

export class Traffic {
  readonly #observe: ObserveCall
  readonly #calls = Object.fromEntries(METHODS.map((method) => [method, 0])) as Record<GrpcMethod, number>
  errorsTotal = 0
  timeoutsTotal = 0

  constructor(observe: ObserveCall) {
    this.#observe = observe
  }

  count(method: GrpcMethod, failed: boolean, seconds: number): void {
    this.#calls[method]++
    if (failed) this.errorsTotal++
    this.#observe(method, seconds)
  }

  get callsTotal(): Readonly<Record<GrpcMethod, number>> {
    return { ...this.#calls }
  }
}

const OWN = ['/jackdaw.cache.v1.Cache/', '/jackdaw.cluster.v1.Cluster/'] as const

/** By the path of a call: `/jackdaw.cache.v1.Cache/Get`. */
export function methodOf(path: string): GrpcMethod {
  if (!OWN.some((service) => path.startsWith(service))) return 'other'
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  return METHODS.find((method) => method === name) ?? 'other'
}
