/** The room's door. */
export { GrpcGateway, type GrpcGatewayOptions } from './grpc-gateway.ts'
export type { GrpcMethod, GrpcStats } from './traffic.ts'
