/**
 * An HTTP client of the ingress that hides nothing: no retry, and a broken connection or a late answer is an answer with status 0.
 */
import { Agent, request } from 'node:http'

export interface Answer {
  /** 0 when there was no whole answer; `body` says why then. */
  readonly status: number
  readonly body: string
}

const TIMEOUT_MS = 3_000

export class IngressClient {
  readonly #base: string
  readonly #timeoutMs: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent: Agent

  /** `host` is the name that the ingress is asked for, where it has several; empty: that of the URL. */
  constructor(base: string, connections: number, timeoutMs: number = TIMEOUT_MS, host: string = '') {
    this.#base = base
    this.#timeoutMs = timeoutMs
    this.#headers = host === '' ? {} : { host }
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  get(path: string): Promise<Answer> {
    return this.#send('GET', path, null)
  }

  getKey(key: string): Promise<Answer> {
    return this.get(`get/${encodeURIComponent(key)}`)
  }

  set(pairs: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#send('POST', 'set', JSON.stringify(pairs))
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(method: string, path: string, body: string | null): Promise<Answer> {
    return new Promise((resolve) => {
      const fail = (error: Error) => resolve({ status: 0, body: error.message })
      const described = body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const headers = { ...this.#headers, ...described }
      const call = request(new URL(path, this.#base), { method, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
      })
      const timer = setTimeout(() => call.destroy(new Error(`no answer within ${this.#timeoutMs} ms`)), this.#timeoutMs)
      call.on('error', fail)
      call.on('close', () => clearTimeout(timer))
      call.end(body ?? undefined)
    })
  }
}
