/** A RESP face on a free port, before a real cache of one node: with limits that do not come in the way, unless a test says so. */
import { InputBudget } from '../../src/gateway/input-budget.ts'
import { RespGateway, type RespGatewayOptions } from '../../src/gateway/resp/index.ts'
import { SystemClock } from '../../src/lib/clock.ts'
import { SILENT } from '../../src/lib/logger.ts'

export function respFace(options: Pick<RespGatewayOptions, 'cache'> & Partial<RespGatewayOptions>): RespGateway {
  return new RespGateway({
    clock: new SystemClock(),
    logger: SILENT,
    version: '1.2.3',
    input: new InputBudget(64 * 1024 * 1024),
    maxClients: 1000,
    outputBufferLimitBytes: 32 * 1024 * 1024,
    idleTimeoutMs: 0,
    maxRequestBytes: 16 * 1024 * 1024,
    debugCommands: false,
    maxStaleMs: 1000,
    observe: () => {},
    info: () => [],
    settings: { names: () => [], get: () => '', refusal: () => 'there is no such setting', set: () => {} },
    ...options,
  })
}
