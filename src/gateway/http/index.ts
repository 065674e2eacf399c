/** The room's door. */
export { HttpGateway, type HttpGatewayOptions } from './http-gateway.ts'
export { routeTable } from './route-table.ts'
export type { HttpRoute, HttpStats } from './traffic.ts'
