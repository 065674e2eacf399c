/**
 * Probes: whether this member lives, and whether it is ready. The platform asks on the port for metrics and health; these are for those who look
 * from where the clients are.
 */
import type { Exchange } from './exchange.ts'
import type { Content, Route, RouteParts } from './route.ts'

const text = (example: string): Content => ({ type: 'text/plain', schema: { type: 'string' }, example })

export function probeRoutes({ ready }: RouteParts): Route[] {
  const alive = (path: '/live' | '/v1/ping', operationId: string): Route => ({
    method: 'GET',
    path,
    operationId,
    tag: 'probes',
    summary: 'Whether this member answers',
    parameters: [],
    answers: [{ status: 200, description: 'It does.', contents: [text('OK')] }],
    errors: [],
    handle: (exchange) => exchange.sendText(200, 'OK'),
  })
  const readiness = (path: '/ready' | '/v1/readiness', operationId: string): Route => ({
    method: 'GET',
    path,
    operationId,
    tag: 'probes',
    summary: 'Whether this member holds all it should, and is not about to stop',
    parameters: [],
    answers: [
      { status: 200, description: 'It is ready.', contents: [text('OK')] },
      { status: 503, description: 'It is not, with the reason.', contents: [text('draining: this member is stopping')] },
    ],
    errors: [],
    handle: (exchange) => sendReadiness(exchange, ready),
  })
  return [alive('/live', 'live'), alive('/v1/ping', 'ping'), readiness('/ready', 'ready'), readiness('/v1/readiness', 'readiness')]
}

function sendReadiness(exchange: Exchange, ready: RouteParts['ready']): void {
  const { ok, reason } = ready()
  if (ok) exchange.sendText(200, 'OK')
  else exchange.sendText(503, reason)
}
