/**
 * Admin: what the platform asks of a member, on a port of its own so that it needs no client's rights and a network policy can tell them apart.
 *
 * `/livez` is 200 as long as the event loop turns and looks at nothing else: a member that waits for others must not be restarted for it.
 * `/readyz` and `/startupz` pass on what the node says of itself, 503 with the reason otherwise. `/metrics` is Prometheus' text.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../lib/logger.ts'
import type { Metrics } from './metrics.ts'

export interface Verdict {
  readonly ok: boolean
  /** One sentence, shown to whoever asks. */
  readonly reason: string
}

/** Asked at every probe: must be quick, and must not throw. */
export interface Health {
  ready(): Verdict
  started(): Verdict
}

export interface AdminOptions {
  readonly metrics: Metrics
  readonly health: Health
  readonly logger: Logger
}

const TEXT = 'text/plain; charset=utf-8'
/** A probe or scrape arrives in one packet; whoever takes longer holds a socket for nothing. */
const REQUEST_TIMEOUT_MS = 10_000

export class AdminServer {
  readonly #metrics: Metrics
  readonly #logger: Logger
  readonly #server: Server
  readonly #pages: ReadonlyMap<string, (response: ServerResponse) => void>

  constructor(options: AdminOptions) {
    const { health } = options
    this.#metrics = options.metrics
    this.#logger = options.logger
    this.#pages = new Map([
      ['/livez', (response: ServerResponse) => sendVerdict(response, { ok: true, reason: '' })],
      ['/readyz', (response: ServerResponse) => sendVerdict(response, health.ready())],
      ['/startupz', (response: ServerResponse) => sendVerdict(response, health.started())],
      ['/metrics', (response: ServerResponse) => this.#sendMetrics(response)],
    ])
    this.#server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }, (request, response) =>
      this.#answer(request, response),
    )
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** Ends every connection. Safe to call twice. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const page = this.#pages.get(request.url?.split('?', 1)[0] ?? '')
    if (page === undefined) {
      send(response, 404, TEXT, 'not found\n')
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      send(response, 405, TEXT, 'only GET and HEAD\n')
    } else {
      page(response)
    }
  }

  #sendMetrics(response: ServerResponse): void {
    this.#metrics.text().then(
      (text) => send(response, 200, this.#metrics.contentType, text),
      (error: unknown) => {
        this.#logger.error({ err: error }, 'metrics could not be collected')
        send(response, 500, TEXT, 'metrics could not be collected\n')
      },
    )
  }
}

function sendVerdict(response: ServerResponse, verdict: Verdict): void {
  send(response, verdict.ok ? 200 : 503, TEXT, `${verdict.ok ? 'ok' : verdict.reason}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
