/** The room's door. */
export type { CommandName } from './command.ts'
export { TextGateway, type TextGatewayOptions } from './text-gateway.ts'
export type { TextStats } from './traffic.ts'
