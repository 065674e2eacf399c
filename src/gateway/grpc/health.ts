/**
 * Health: `grpc.health.v1.Health` (proto/health.proto), telling what `ready()` says.
 *
 * A check looks when it is asked. While somebody watches, readiness is looked at now and then. Watches never end by themselves, so a server that
 * closes has to end them.
 */
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Clock, Timer } from '../../lib/clock.ts'

type Serving = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'

interface HealthRequest {
  readonly service: string
}

interface HealthResponse {
  readonly status: Serving
}

type Watch = ServerWritableStream<HealthRequest, HealthResponse>

/** How late a watcher may learn of a change. */
const LOOK_MS = 250

export interface HealthOptions {
  readonly clock: Clock
  /** Names that have a status; the server itself has the empty one. */
  readonly services: readonly string[]
  readonly ready: () => boolean
}

export class Health {
  readonly #options: HealthOptions
  /** With the status that each was told last. */
  readonly #watches = new Map<Watch, Serving>()
  #timer: Timer | null = null

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** By the names of the calls in the proto file. */
  implementation(): UntypedServiceImplementation {
    return {
      Check: (call: ServerUnaryCall<HealthRequest, HealthResponse>, callback: sendUnaryData<HealthResponse>) => this.#check(call, callback),
      Watch: (call: Watch) => this.#watch(call),
    }
  }

  /** Tells the watchers now what has changed. */
  look(): void {
    for (const [watch, told] of this.#watches) {
      const now = this.#statusOf(watch.request.service)
      if (now === told) continue
      this.#watches.set(watch, now)
      watch.write({ status: now })
    }
  }

  /** Ends all watches. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = null
    for (const watch of this.#watches.keys()) watch.end()
    this.#watches.clear()
  }

  #statusOf(service: string): Serving {
    if (!this.#options.services.includes(service)) return 'SERVICE_UNKNOWN'
    return this.#options.ready() ? 'SERVING' : 'NOT_SERVING'
  }

  #check({ request }: ServerUnaryCall<HealthRequest, HealthResponse>, callback: sendUnaryData<HealthResponse>): void {
    const found = this.#statusOf(request.service)
    if (found === 'SERVICE_UNKNOWN') callback({ code: status.NOT_FOUND, details: 'there is no such service here' })
    else callback(null, { status: found })
  }

  #watch(call: Watch): void {
    const found = this.#statusOf(call.request.service)
    this.#watches.set(call, found)
    call.on('cancelled', () => this.#watches.delete(call))
    call.write({ status: found })
    this.#keepLooking()
  }

  #keepLooking(): void {
    if (this.#timer !== null || this.#watches.size === 0) return
    this.#timer = this.#options.clock.after(LOOK_MS, () => {
      this.#timer = null
      this.look()
      this.#keepLooking()
    })
  }
}
