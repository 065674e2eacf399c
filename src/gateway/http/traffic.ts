/**
 * Traffic: how many answers of which kind left, in plain numbers.
 */
const HTTP_ROUTES = [
  '/',
  '/get/{key}',
  '/set',
  '/search',
  '/v1/{key}',
  '/flush',
  '/keys',
  '/keys/{key}',
  '/v1/keys/{key}',
  '/v1/ping',
  '/v1/readiness',
  '/ready',
  '/live',
  '/cluster',
  '/register',
  '/register/{address}',
  '/openapi.json',
  '/docs',
  '/docs/{file}',
  'other',
] as const
/** The route as it is documented, never the path that was sent. `other`: no route matched. */
export type HttpRoute = (typeof HTTP_ROUTES)[number]

const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const
export type StatusClass = (typeof STATUS_CLASSES)[number]

/** Called once for each answer, when its head is handed to the socket; `seconds` since the request was there to be handled. */
export type ObserveRequest = (route: HttpRoute, status: number, seconds: number) => void

export interface HttpStats {
  readonly requestsTotal: Readonly<Record<HttpRoute, Readonly<Record<StatusClass, number>>>>
  /** Input that was no HTTP request, or did not arrive whole in time. */
  readonly malformedTotal: number
  /** Answers that were cut off after their first byte because the walk over the keys failed. */
  readonly brokenStreamsTotal: number
  /** Of the requests, those that the fast lane answered. */
  readonly fastLaneTotal: number
  readonly connections: number
  /** Connections refused because `maxClients` were open. */
  readonly refusedConnectionsTotal: number
  /** Times that a connection was read no further because its answers were not taken. */
  readonly stalledReadersTotal: number
}

export class Traffic {
  readonly #observe: ObserveRequest
  readonly #requests = Object.fromEntries(HTTP_ROUTES.map((route) => [route, { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 }])) as Record<
    HttpRoute,
    Record<StatusClass, number>
  >
  malformedTotal = 0
  brokenStreamsTotal = 0
  fastLaneTotal = 0
  connections = 0
  refusedConnectionsTotal = 0
  stalledReadersTotal = 0

  constructor(observe: ObserveRequest) {
    this.#observe = observe
  }

  count(route: HttpRoute, status: number, seconds: number): void {
    this.#requests[route][classOf(status)]++
    this.#observe(route, status, seconds)
  }

  stats(): HttpStats {
    return {
      requestsTotal: this.#requests,
      malformedTotal: this.malformedTotal,
      brokenStreamsTotal: this.brokenStreamsTotal,
      fastLaneTotal: this.fastLaneTotal,
      connections: this.connections,
      refusedConnectionsTotal: this.refusedConnectionsTotal,
      stalledReadersTotal: this.stalledReadersTotal,
    }
  }
}

function classOf(status: number): StatusClass {
  return status < 300 ? '2xx' : status < 400 ? '3xx' : status < 500 ? '4xx' : '5xx'
}
