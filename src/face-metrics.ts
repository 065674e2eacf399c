/**
 * The metrics of the faces. Each face counts in plain numbers, which are read when scraped, and hands every latency to a histogram.
 */
import type { GrpcMethod, GrpcStats } from './gateway/grpc/index.ts'
import type { HttpRoute, HttpStats } from './gateway/http/index.ts'
import type { RespStats } from './gateway/resp/index.ts'
import type { CommandName, TextStats } from './gateway/text/index.ts'
import type { Metrics, Sample } from './observability/index.ts'

export interface FacesStats {
  readonly input: { readonly heldBytes: number; readonly refusedTotal: number }
  readonly http: HttpStats
  readonly resp: RespStats
  readonly text: TextStats
  readonly grpc: GrpcStats
}

/** By face, of answers that wait for their clients. Apart from the rest, since all connections are asked. */
export type OutputBytes = Readonly<Record<'http' | 'resp' | 'text', number>>

/** In seconds. */
const LATENCY_BOUNDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface Observers {
  readonly http: (route: HttpRoute, status: number, seconds: number) => void
  readonly resp: (command: string, seconds: number, times: number) => void
  readonly text: (command: CommandName, seconds: number) => void
  readonly grpc: (method: GrpcMethod, seconds: number) => void
}

/** Answers what the faces call for every request. */
export function describeFaces(metrics: Metrics, read: () => FacesStats, readOutput: () => OutputBytes): Observers {
  const counter = (name: string, help: string, read: () => number | Sample[], labels: string[] = []): void =>
    metrics.counter(`jackdaw_${name}`, help, read, labels)

  metrics.gauge('jackdaw_connections', 'Open connections of clients, by face.', () => connections(read()), ['face'])
  counter('connections_refused_total', 'Connections refused because maxClients were open, by face.', () => refused(read()), ['face'])
  counter(
    'slow_readers_total',
    'Connections closed because they left more than outputBufferLimitBytes unread; HTTP ones are read no further instead, and counted each time.',
    () => faces({ http: read().http.stalledReadersTotal, resp: read().resp.outputLimitKillsTotal, text: read().text.outputLimitTotal }),
    ['face'],
  )
  counter(
    'idle_connections_closed_total',
    'Connections closed because nothing, or half a request, came for too long, by face.',
    () => {
      const { resp, text, grpc } = read()
      return faces({ resp: resp.idleKillsTotal + resp.halfRequestKillsTotal, text: text.timeoutsTotal, grpc: grpc.timeoutsTotal })
    },
    ['face'],
  )

  metrics.gauge(
    'jackdaw_output_bytes',
    'Bytes of answers that clients have not taken yet, by face; gRPC keeps its own to itself.',
    () => faces(readOutput()),
    ['face'],
  )
  metrics.gauge(
    'jackdaw_input_bytes',
    'Bytes of requests of all faces that are not whole, are queued by MULTI, or are being executed.',
    () => read().input.heldBytes,
  )
  counter(
    'input_refused_total',
    'Requests refused because all that were arriving were over maxInputBytes.',
    () => read().input.refusedTotal,
  )

  counter('http_requests_total', 'HTTP requests answered.', () => httpSamples(read()), ['route', 'status'])
  counter('http_malformed_total', 'Input that was no HTTP request, or did not arrive whole in time.', () => read().http.malformedTotal)
  counter(
    'http_broken_streams_total',
    'Answers cut off after their first byte because the walk over the keys failed.',
    () => read().http.brokenStreamsTotal,
  )
  counter('http_fast_lane_total', 'Of the HTTP requests, those that the fast lane answered.', () => read().http.fastLaneTotal)

  counter('resp_commands_total', 'RESP commands executed.', () => byLabel('command', read().resp.commandsTotal), ['command'])
  counter('resp_read_bytes_total', 'Bytes that RESP clients sent.', () => read().resp.bytesInTotal)
  counter('resp_written_bytes_total', 'Bytes sent to RESP clients.', () => read().resp.bytesOutTotal)
  counter(
    'resp_redirects_total',
    'RESP commands of cluster clients that were sent to the member that serves the key.',
    () => read().resp.redirectsTotal,
  )
  counter('resp_protocol_errors_total', 'Input that was not RESP; the connection was closed.', () => read().resp.protocolErrorsTotal)
  counter('resp_messages_total', 'Published messages handed to subscribers of this member.', () => read().resp.messagesTotal)
  metrics.gauge('jackdaw_resp_subscribers', 'RESP connections with a subscription.', () => read().resp.subscribers)

  counter('text_commands_total', 'Lines of the text face answered.', () => byLabel('command', read().text.commandsTotal), ['command'])
  counter('text_errors_total', 'Of these, those that were answered with an error.', () => read().text.errorsTotal)
  counter('text_broken_listings_total', 'Listings of the text face that failed midway.', () => read().text.brokenListingsTotal)

  counter('grpc_calls_total', 'gRPC calls ended.', () => byLabel('method', read().grpc.callsTotal), ['method'])
  counter(
    'grpc_errors_total',
    'Of these, those that ended with another status than OK.',
    () => byLabel('status', read().grpc.errorsTotal),
    ['status'],
  )

  const latency = (name: string, help: string, label: string) =>
    metrics.histogram(`jackdaw_${name}_duration_seconds`, help, [label], LATENCY_BOUNDS)
  const http = latency('http_request', 'Time to answer an HTTP request, by route.', 'route')
  const resp = latency(
    'resp_command',
    'Time to execute a RESP command, by command. The commands of one piece of input share its time equally.',
    'command',
  )
  const text = latency('text_command', 'Time to answer a line of the text face, by command.', 'command')
  const grpc = latency('grpc_call', 'Time to end a gRPC call, by method.', 'method')
  return {
    http: (route, _status, seconds) => http.observe(seconds, route),
    resp: (command, seconds, times) => resp.observeMany(seconds, times, command),
    text: (command, seconds) => text.observe(seconds, command),
    grpc: (method, seconds) => grpc.observe(seconds, method),
  }
}

function connections({ http, resp, text, grpc }: FacesStats): Sample[] {
  return faces({ http: http.connections, resp: resp.connections, text: text.connections, grpc: grpc.connections })
}

function refused({ http, resp, text, grpc }: FacesStats): Sample[] {
  return faces({
    http: http.refusedConnectionsTotal,
    resp: resp.rejectedTotal,
    text: text.rejectedTotal,
    grpc: grpc.rejectedTotal,
  })
}

function httpSamples({ http }: FacesStats): Sample[] {
  return Object.entries(http.requestsTotal).flatMap(([route, byStatus]) =>
    Object.entries(byStatus).map(([status, value]) => ({ labels: { route, status }, value })),
  )
}

function faces(values: Readonly<Record<string, number>>): Sample[] {
  return byLabel('face', values)
}

function byLabel(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}
