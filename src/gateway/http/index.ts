/** The room's door. */
export { HttpGateway, type HttpGatewayOptions } from './http-gateway.ts'
export type { HttpRoute, HttpStats, StatusClass } from './traffic.ts'
