/**
 * Traffic: which calls came and how they ended, in plain numbers.
 */
import { status } from '@grpc/grpc-js'

/** By code. */
const STATUS_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(status).flatMap(([name, code]) => (typeof code === 'number' && code !== status.OK ? [[code, name]] : [])),
)
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
  /** By the name of the status: calls that ended with another than OK. Those that clients gave up are `CANCELLED`. */
  readonly errorsTotal: Readonly<Record<string, number>>
  /** Calls given up because the request did not arrive whole, or the answer was not read, within `idleTimeoutMs`. */
  readonly timeoutsTotal: number
}

export class Traffic {
  readonly #observe: ObserveCall
  readonly #calls = Object.fromEntries(METHODS.map((method) => [method, 0])) as Record<GrpcMethod, number>
  readonly #errors: Record<string, number> = Object.fromEntries(Object.values(STATUS_NAMES).map((name) => [name, 0]))
  timeoutsTotal = 0

  constructor(observe: ObserveCall) {
    this.#observe = observe
  }

  /** `code`: of the status that it ended with. */
  count(method: GrpcMethod, code: number, seconds: number): void {
    this.#calls[method]++
    if (code !== status.OK) {
      // grpc-js makes one of what it does not know, and so do its clients.
      const name = STATUS_NAMES[code] ?? 'UNKNOWN'
      this.#errors[name] = (this.#errors[name] ?? 0) + 1
    }
    this.#observe(method, seconds)
  }

  get errorsTotal(): Readonly<Record<string, number>> {
    return { ...this.#errors }
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
