/** A gRPC client as any user would make one from the proto file, with promises and errors one can look at. */
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const root = new URL('../../../', import.meta.url).pathname
const OPTIONS = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }

/** Status code, sentence and stable name of an error. */
export interface Failure {
  readonly code: number
  readonly details: string
  readonly name: string
}

type Method = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, answer: unknown) => void,
) => void

export interface Stream extends NodeJS.EventEmitter {
  cancel(): void
  pause(): void
  resume(): void
  end(): void
  write(message: object): void
}

export class GrpcClient {
  readonly #client: Client

  /** `service` by its full name, from a proto file under `proto/` or with an absolute path. */
  constructor(port: number, service: string, file: string, options: object = {}) {
    const definition = loadSync(file.startsWith('/') ? file : `${root}proto/${file}`, OPTIONS)
    let found: unknown = loadPackageDefinition(definition)
    for (const name of service.split('.')) found = (found as GrpcObject)[name]
    const local = { 'grpc.use_local_subchannel_pool': 1, ...options }
    this.#client = new (found as ServiceClientConstructor)(`127.0.0.1:${port}`, credentials.createInsecure(), local)
  }

  /** The answer, or the `Failure`; never rejects. */
  call<T>(method: string, request: object = {}, options: object = {}): Promise<T> {
    return new Promise((resolve) => {
      const call = (this.#client as unknown as Record<string, Method>)[method] as Method
      call.call(this.#client, request, new Metadata(), { deadline: Date.now() + 5000, ...options }, (error, answer) => {
        resolve((error === null ? answer : failureOf(error)) as T)
      })
    })
  }

  stream(method: string, request?: object, options: object = {}): Stream {
    const call = (this.#client as unknown as Record<string, (...args: unknown[]) => Stream>)[method]
    const settings = { deadline: Date.now() + 5000, ...options }
    return (request === undefined ? call?.call(this.#client, settings) : call?.call(this.#client, request, settings)) as Stream
  }

  /** Everything that a stream brings, and how it ended: `null` for OK. */
  collect<T>(method: string, request: object, options: object = {}): Promise<{ messages: T[]; failure: Failure | null }> {
    const messages: T[] = []
    const stream = this.stream(method, request, options)
    stream.on('data', (message: T) => messages.push(message))
    return new Promise((resolve) => {
      stream.on('error', (error: ServiceError) => resolve({ messages, failure: failureOf(error) }))
      stream.on('end', () => resolve({ messages, failure: null }))
    })
  }

  close(): void {
    this.#client.close()
  }
}

export function failureOf(error: ServiceError): Failure {
  return { code: error.code, details: error.details, name: String(error.metadata.get('jackdaw-code')[0] ?? '') }
}
