/** A text face over a faked cache, on a port of its own, for the length of a test. */
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { TextGateway } from '../../../src/gateway/text/index.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { LineClient } from './line-client.ts'

export interface Running {
  readonly cache: FakeCache
  readonly gateway: TextGateway
  readonly client: LineClient
  readonly observed: string[]
}

export async function withGateway(use: (running: Running) => Promise<void>, cache: FakeCache = new FakeCache()): Promise<void> {
  const observed: string[] = []
  const gateway = new TextGateway({
    cache,
    clock: new SystemClock(),
    logger: SILENT,
    observe: (command, seconds) => observed.push(seconds >= 0 ? command : `${command} ended before it began`),
    input: new InputBudget(2 ** 26),
    maxClients: 10,
    outputBufferLimitBytes: 1024 * 1024,
    idleTimeoutMs: 0,
  })
  const client = new LineClient(await gateway.listen('127.0.0.1', 0))
  try {
    await use({ cache, gateway, client, observed })
  } finally {
    client.close()
    await gateway.close(100)
  }
}
