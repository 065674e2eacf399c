/** A gRPC face over a faked cache, on a port of its own, for the length of a test. */

import { GrpcGateway, type GrpcGatewayOptions, type GrpcStats } from '../../../src/gateway/grpc/index.ts'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { GrpcClient } from './grpc-client.ts'

export const CACHE = 'jackdaw.cache.v1.Cache'

export interface Running {
  readonly cache: FakeCache
  readonly gateway: GrpcGateway
  readonly port: number
  readonly client: GrpcClient
  /** What `observe` was called with. */
  readonly observed: string[]
  readonly connect: (service: string, file: string, options?: object) => GrpcClient
}

export async function withGateway(options: Partial<GrpcGatewayOptions>, use: (running: Running) => Promise<void>): Promise<void> {
  const cache = new FakeCache({ maxKeyBytes: 64, maxValueBytes: 1024 * 1024 })
  const observed: string[] = []
  const observe = (method: string, seconds: number): void => {
    observed.push(seconds >= 0 ? method : `${method} ended before it began`)
  }
  const defaults = {
    cache,
    clock: new SystemClock(),
    logger: SILENT,
    observe,
    ready: () => true,
    maxClients: 10,
    input: new InputBudget(2 ** 26),
    idleTimeoutMs: 0,
  }
  const gateway = new GrpcGateway({ ...defaults, ...options })
  const port = await gateway.listen('127.0.0.1', 0)
  const clients: GrpcClient[] = []
  const connect = (service: string, file: string, clientOptions: object = {}): GrpcClient => {
    const client = new GrpcClient(port, service, file, clientOptions)
    clients.push(client)
    return client
  }
  try {
    await use({ cache, gateway, port, client: connect(CACHE, 'cache.proto'), observed, connect })
  } finally {
    for (const client of clients) client.close()
    await gateway.close(100)
  }
}

export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 600 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  if (!condition()) throw new Error('did not come about within three seconds')
}

/** The statuses other than OK that calls ended with. */
export function failuresOf({ errorsTotal }: GrpcStats): Record<string, number> {
  return Object.fromEntries(Object.entries(errorsTotal).filter(([, count]) => count > 0))
}
