/** The room's door. */
export { HttpGateway, type HttpGatewayOptions } from './http-gateway.ts'
export { HTTP_ROUTES, type HttpRoute, type HttpStats, STATUS_CLASSES, type StatusClass } from './traffic.ts'
