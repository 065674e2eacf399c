/** The door of the RESP face. */
export { COMMANDS } from './command-list.ts'
export type { ObserveCommand } from './meter.ts'
export { RespGateway, type RespGatewayOptions } from './resp-gateway.ts'
export type { RespStats } from './resp-stats.ts'
export type { InfoSection, Settings } from './session.ts'
