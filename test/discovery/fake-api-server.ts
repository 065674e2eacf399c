/**
 * FakeApiServer: as much of the Kubernetes API as discovery asks for, over real HTTP on a port of the system's choice.
 *
 * It keeps pods and StatefulSets, numbers their changes, lists page by page from a snapshot, and streams watches as JSON lines from any version
 * it still remembers. It can refuse, hang, forget its history and go away. It applies no selector: what a test puts in is what comes out.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Kind = 'pods' | 'statefulsets'

export interface ApiObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

export interface SeenRequest {
  readonly kind: Kind
  readonly watch: boolean
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
}

interface Change {
  readonly version: number
  readonly kind: Kind
  readonly line: string
}

export class FakeApiServer {
  readonly requests: SeenRequest[] = []
  /** Answers the next requests that it returns true for; the request then gets nothing else. */
  intercept: ((request: SeenRequest, response: ServerResponse) => boolean) | null = null
  #server: Server | null = null
  #port = 0
  #version = 100
  #oldest = 100
  readonly #sockets = new Set<Socket>()
  readonly #objects: Record<Kind, Map<string, ApiObject>> = { pods: new Map(), statefulsets: new Map() }
  readonly #changes: Change[] = []
  readonly #watches: Record<Kind, Set<ServerResponse>> = { pods: new Set(), statefulsets: new Set() }
  readonly #snapshots = new Map<string, { items: ApiObject[]; version: number }>()

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get version(): number {
    return this.#version
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  openWatches(kind: Kind): number {
    return this.#watches[kind].size
  }

  /** Listens; after `down` on the same port again. */
  up(): Promise<void> {
    const server = createServer((request, response) => this.#handle(request, response))
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server = server
    return new Promise((resolve) => {
      server.listen(this.#port, '127.0.0.1', () => {
        this.#port = (server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  /** Breaks every connection and listens no more. */
  down(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise((resolve) => this.#server?.close(() => resolve()))
  }

  /** Adds the object, or replaces the one with the same name. */
  put(kind: Kind, object: ApiObject): void {
    const type = this.#objects[kind].has(object.metadata.name) ? 'MODIFIED' : 'ADDED'
    const stored = this.#stamp(object)
    this.#objects[kind].set(object.metadata.name, stored)
    this.#record(kind, type, stored)
  }

  remove(kind: Kind, name: string): void {
    const object = this.#objects[kind].get(name)
    if (object === undefined) throw new Error(`${kind} has no ${name}`)
    this.#objects[kind].delete(name)
    this.#record(kind, 'DELETED', this.#stamp(object))
  }

  /** Tells the watches a version that none of their objects has. */
  bookmark(kind: Kind): void {
    this.#version++
    this.send(kind, JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#version) } } }))
  }

  /** Puts a line of the test's own into the open watches. */
  send(kind: Kind, line: string): void {
    for (const response of this.#watches[kind]) response.write(`${line}\n`)
  }

  /** Ends the open watches in order, as their `timeoutSeconds` would. */
  endWatches(kind: Kind): void {
    for (const response of this.#watches[kind]) response.end()
    this.#watches[kind].clear()
  }

  /** Forgets every change so far: a watch from before is refused with 410. */
  compact(): void {
    this.#changes.length = 0
    this.#oldest = this.#version
  }

  listsOf(kind: Kind): SeenRequest[] {
    return this.requests.filter((request) => request.kind === kind && !request.watch)
  }

  watchesOf(kind: Kind): SeenRequest[] {
    return this.requests.filter((request) => request.kind === kind && request.watch)
  }

  #stamp(object: ApiObject): ApiObject {
    this.#version++
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } }
  }

  #record(kind: Kind, type: string, object: ApiObject): void {
    const line = JSON.stringify({ type, object })
    this.#changes.push({ version: this.#version, kind, line })
    this.send(kind, line)
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url)
    const kind: Kind = url.pathname.endsWith('/pods') ? 'pods' : 'statefulsets'
    const watch = url.searchParams.get('watch') === 'true'
    const seen: SeenRequest = { kind, watch, path: url.pathname, query: url.searchParams, authorization: request.headers.authorization }
    this.requests.push(seen)
    if (this.intercept?.(seen, response)) return
    if (watch) this.#watch(kind, Number(url.searchParams.get('resourceVersion')), response)
    else this.#list(kind, Number(url.searchParams.get('limit')), url.searchParams.get('continue') ?? '', response)
  }

  #list(kind: Kind, limit: number, token: string, response: ServerResponse): void {
    const [id = '', offset = '0'] = token.split(':')
    const snapshot = this.#snapshots.get(id) ?? { items: [...this.#objects[kind].values()], version: this.#version }
    const next = Number(offset) + limit
    let continueToken = ''
    if (next < snapshot.items.length) {
      const key = id === '' ? String(this.#snapshots.size) : id
      this.#snapshots.set(key, snapshot)
      continueToken = `${key}:${next}`
    }
    const items = snapshot.items.slice(Number(offset), next)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ items, metadata: { resourceVersion: String(snapshot.version), continue: continueToken } }))
  }

  #watch(kind: Kind, from: number, response: ServerResponse): void {
    if (from < this.#oldest) {
      refuse(response, 410, 'too old resource version')
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const change of this.#changes) if (change.kind === kind && change.version > from) response.write(`${change.line}\n`)
    this.#watches[kind].add(response)
    response.on('close', () => this.#watches[kind].delete(response))
  }
}

export function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ kind: 'Status', code: status, message }))
}

/** A pod of the StatefulSet `jackdaw`, running unless `changes` says otherwise. */
export function podObject(name: string, uid: string, changes: { metadata?: object; status?: object } = {}): ApiObject {
  return {
    metadata: { name, uid, ownerReferences: [{ kind: 'StatefulSet', name: 'jackdaw', controller: true }], ...changes.metadata },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      containerStatuses: [{ name: 'jackdaw', restartCount: 0, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }],
      ...changes.status,
    },
  }
}

export function statefulSetObject(replicas: number, ordinals?: { start: number }): ApiObject {
  return {
    metadata: { name: 'jackdaw', uid: 'set' },
    spec: ordinals === undefined ? { replicas } : { replicas, ordinals },
  }
}
