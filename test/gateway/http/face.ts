/** An HTTP face for a test: with limits that do not come in the way, unless a test says so. */

import { HttpGateway, type HttpGatewayOptions } from '../../../src/gateway/http/index.ts'
import { InputBudget } from '../../../src/gateway/input-budget.ts'
import { SystemClock } from '../../../src/lib/clock.ts'
import { SILENT } from '../../../src/lib/logger.ts'

export function face(options: Pick<HttpGatewayOptions, 'cache'> & Partial<HttpGatewayOptions>): HttpGateway {
  return new HttpGateway({
    clock: new SystemClock(),
    logger: SILENT,
    observe: () => {},
    ready: () => ({ ok: true, reason: '' }),
    version: '1.2.3',
    maxBodyBytes: 16 * 1024,
    input: new InputBudget(64 * 1024 * 1024),
    maxClients: 1000,
    idleTimeoutMs: 100_000,
    outputBufferLimitBytes: 32 * 1024 * 1024,
    ...options,
  })
}

/** Waits, a second at most. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 2))
  if (!condition()) throw new Error('what was waited for did not come')
}
