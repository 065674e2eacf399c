/**
 * Kubernetes discovery: the pods of one StatefulSet, and how many of them are meant to be.
 *
 * Two collections are kept up to date by list and watch (list-watch.ts): the pods under a label selector, and the StatefulSet itself, for
 * `spec.replicas`. What they bring is judged by pod-picture.ts; this file joins the two to the listener and to the real API.
 *
 * Of the client library only `KubeConfig` is used, for what is tedious to get right: where the API server is, which certificates it must show,
 * and the token of the service account, read again from its file when it is a minute old, since the kubelet rotates it. Requests go through
 * `node:https` with a connection each. There are few of them (two watches of minutes), a rotated certificate authority is picked up with the
 * next one, and after `close` no idle connection is left to hold the process. The library's generated API and its informer are not touched,
 * so a bundler leaves most of them out.
 *
 * This is the only file that imports the client. It costs memory and start-up time: import it lazily.
 */
import http from 'node:http'
import https from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/random.ts'
import type { ApiCall, ApiCollection, ApiEvent, ApiFailure, ApiPage, ApiSource, WatchHandlers } from './api-source.ts'
import type { Discovery, DiscoveryEvents } from './discovery.ts'
import { ListWatch } from './list-watch.ts'
import { type PictureChange, PodPicture } from './pod-picture.ts'

/** A page is a hundred pods; the API server refuses objects beyond 1.5 MiB each, and ours are a hundredth of that. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024
/** One event is one object. */
const MAX_EVENT_BYTES = 4 * 1024 * 1024
/** Of an answer that refuses, as much is read for its message. */
const MAX_REFUSAL_BYTES = 16 * 1024
/** Idle connections are probed by TCP after this, so that a server that vanished is noticed before the watch is due. */
const KEEP_ALIVE_MS = 30_000
const NEWLINE = 0x0a

export interface KubernetesDiscoveryOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly source: ApiSource
  readonly namespace: string
  /** Label selector that finds the pods, this one included. */
  readonly selector: string
  /** Name of the StatefulSet that owns them. */
  readonly statefulSet: string
  /** UID of the pod that runs this. */
  readonly selfUid: string
  /** Where each pod's gossip listens. */
  readonly gossipPort: number
}

export class KubernetesDiscovery implements Discovery {
  readonly #logger: Logger
  readonly #picture: PodPicture
  readonly #pods: ListWatch
  readonly #statefulSet: ListWatch
  #events: DiscoveryEvents | null = null
  #heard = false

  /** Throws a `RangeError` if `selfUid` is empty. */
  constructor(options: KubernetesDiscoveryOptions) {
    const { clock, random, logger, source, namespace, selector, statefulSet, selfUid, gossipPort } = options
    this.#logger = logger
    this.#picture = new PodPicture({ statefulSet, selfUid, gossipPort })
    const shared = { clock, random, logger, source }
    const space = encodeURIComponent(namespace)
    this.#pods = new ListWatch({
      ...shared,
      collection: { path: `/api/v1/namespaces/${space}/pods`, labelSelector: selector },
      events: { listed: (items) => this.#podsListed(items, selector), event: (event) => this.#podEvent(event) },
    })
    this.#statefulSet = new ListWatch({
      ...shared,
      collection: { path: `/apis/apps/v1/namespaces/${space}/statefulsets`, fieldSelector: `metadata.name=${statefulSet}` },
      events: {
        listed: (items) => this.#statefulSetListed(items, statefulSet),
        event: (event) => this.#tell(this.#picture.statefulSetSeen(event.object)),
      },
    })
  }

  start(events: DiscoveryEvents): void {
    this.#events = events
    this.#pods.start()
    this.#statefulSet.start()
  }

  close(): void {
    this.#events = null
    this.#pods.close()
    this.#statefulSet.close()
  }

  #podsListed(items: readonly unknown[], selector: string): void {
    const change = this.#picture.podsListed(items)
    if (!change.believed) this.#logger.warn({ selector, pods: items.length }, 'a list of pods lacks our own; nobody is removed by it')
    this.#tell(change)
  }

  #podEvent(event: ApiEvent): void {
    this.#tell(event.type === 'DELETED' ? this.#picture.podDeleted(event.object) : this.#picture.podSeen(event.object))
  }

  #statefulSetListed(items: readonly unknown[], name: string): void {
    if (items.length === 0)
      this.#logger.warn({ statefulSet: name }, 'there is no StatefulSet of this name; what is known of its size stays')
    for (const item of items) this.#tell(this.#picture.statefulSetSeen(item))
  }

  /** Facts first, so that a listener that is shown a new pod of a name knows already that the old one is gone. */
  #tell(change: PictureChange): void {
    for (const { name, uid } of change.gone) this.#call((events) => events.gone(name, uid))
    if (!change.changed) return
    const snapshot = this.#picture.snapshot()
    if (!snapshot.heard) return
    if (!this.#heard) this.#logger.info({ pods: snapshot.candidates.length, wanted: snapshot.wanted.length }, 'Kubernetes has been heard')
    this.#heard = true
    this.#call((events) => events.changed(snapshot))
  }

  /** One exception does not cost the listener what comes next. */
  #call(tell: (events: DiscoveryEvents) => void): void {
    if (this.#events === null) return
    try {
      tell(this.#events)
    } catch (error) {
      this.#logger.error({ err: error }, 'a listener of discovery threw')
    }
  }
}

/**
 * The API server as this pod's service account sees it. Needs `list` and `watch` on pods and StatefulSets of the namespace. Throws if this is
 * not a pod of a cluster.
 */
export function inClusterSource(): ApiSource {
  const config = new KubeConfig()
  config.loadFromCluster()
  return kubernetesSource(config)
}

/** The API server of the current context. Throws if it has none, or its address is no URL. */
export function kubernetesSource(config: KubeConfig): ApiSource {
  const server = config.getCurrentCluster()?.server
  if (server === undefined || !URL.canParse(server)) throw new Error('the address of the Kubernetes API is not known: is this a pod?')
  return new ClientSource(config, server)
}

class ClientSource implements ApiSource {
  readonly #config: KubeConfig
  readonly #server: string

  constructor(config: KubeConfig, server: string) {
    this.#config = config
    this.#server = server
  }

  list(collection: ApiCollection, limit: number, continueToken: string, done: (result: ApiPage | ApiFailure) => void): ApiCall {
    const url = this.#url(collection)
    url.searchParams.set('limit', String(limit))
    if (continueToken !== '') url.searchParams.set('continue', continueToken)
    const call = new Call(done)
    void this.#get(url, call, (response) => {
      readBody(response, MAX_PAGE_BYTES, call, (body) => call.end(readPage(body)))
    })
    return call
  }

  watch(collection: ApiCollection, resourceVersion: string, timeoutSeconds: number, handlers: WatchHandlers): ApiCall {
    const url = this.#url(collection)
    url.searchParams.set('watch', 'true')
    url.searchParams.set('allowWatchBookmarks', 'true')
    url.searchParams.set('resourceVersion', resourceVersion)
    url.searchParams.set('timeoutSeconds', String(timeoutSeconds))
    const call = new Call<ApiFailure | null>(handlers.ended)
    void this.#get(url, call, (response) => {
      handlers.opened()
      readEvents(response, call, handlers.event)
    })
    return call
  }

  #url(collection: ApiCollection): URL {
    const url = new URL(this.#server.replace(/\/$/, '') + collection.path)
    if (collection.labelSelector !== undefined) url.searchParams.set('labelSelector', collection.labelSelector)
    if (collection.fieldSelector !== undefined) url.searchParams.set('fieldSelector', collection.fieldSelector)
    return url
  }

  /** Sends the request; hands over a response of status 200, and ends the call with anything else. */
  async #get(url: URL, call: Call<ApiFailure>, accept: (response: http.IncomingMessage) => void): Promise<void> {
    const options: https.RequestOptions = { headers: { accept: 'application/json' } }
    try {
      await this.#config.applyToHTTPSOptions(options)
      if (call.over) return
      // The agent made for us keeps the certificate authority of its first day.
      options.agent = false
      const request = (url.protocol === 'https:' ? https : http).get(url, options)
      call.request = request
      request.on('error', (error) => call.end({ status: 0, message: error.message }))
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
      request.on('response', (response) => {
        if (call.over) return
        if (response.statusCode === 200) accept(response)
        else readBody(response, MAX_REFUSAL_BYTES, call, (body) => call.end(readRefusal(response, body)))
      })
    } catch (error) {
      // A token or certificate that cannot be read right now, or one that cannot be used.
      call.end({ status: 0, message: error instanceof Error ? error.message : String(error) })
    }
  }
}

/** One request: ends once, and never after it was given up. */
class Call<Result> implements ApiCall {
  request: http.ClientRequest | null = null
  over = false
  readonly #ended: (result: Result) => void

  constructor(ended: (result: Result) => void) {
    this.#ended = ended
  }

  end(result: Result): void {
    if (this.over) return
    this.abort()
    this.#ended(result)
  }

  abort(): void {
    this.over = true
    this.request?.destroy()
  }
}

/** Collects a whole body; one that breaks off or is too long ends the call. */
function readBody(response: http.IncomingMessage, maxBytes: number, call: Call<ApiFailure>, done: (body: string) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxBytes) call.end({ status: response.statusCode ?? 0, message: `the answer is longer than ${maxBytes} bytes` })
    else chunks.push(chunk)
  })
  response.on('error', (error) => call.end({ status: 0, message: error.message }))
  response.on('end', () => {
    if (!call.over) done(Buffer.concat(chunks).toString())
  })
}

/** One JSON object a line. */
function readEvents(response: http.IncomingMessage, call: Call<ApiFailure | null>, tell: (event: ApiEvent) => void): void {
  let parts: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    let from = 0
    while (!call.over) {
      const newline = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, newline === -1 ? chunk.length : newline)
      bytes += part.length
      if (bytes > MAX_EVENT_BYTES) {
        call.end({ status: 200, message: `an event is longer than ${MAX_EVENT_BYTES} bytes` })
        return
      }
      parts.push(part)
      if (newline === -1) return
      const line = Buffer.concat(parts, bytes).toString()
      parts = []
      bytes = 0
      from = newline + 1
      const event = readEvent(line)
      if (event === null) call.end({ status: 200, message: 'an event that is no JSON' })
      else tell(event)
    }
  })
  response.on('error', (error) => call.end({ status: 0, message: error.message }))
  response.on('end', () => call.end(null))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function readEvent(line: string): ApiEvent | null {
  const event = parse(line) as { type?: unknown; object?: unknown } | null
  return typeof event?.type === 'string' ? { type: event.type, object: event.object } : null
}

function readPage(body: string): ApiPage | ApiFailure {
  const list = parse(body) as { items?: unknown; metadata?: { resourceVersion?: unknown; continue?: unknown } } | null
  const resourceVersion = list?.metadata?.resourceVersion
  const next = list?.metadata?.continue ?? ''
  if (!Array.isArray(list?.items) || typeof resourceVersion !== 'string' || resourceVersion === '' || typeof next !== 'string') {
    return { status: 200, message: 'the answer is no list' }
  }
  return { items: list.items, resourceVersion, continueToken: next }
}

function readRefusal(response: http.IncomingMessage, body: string): ApiFailure {
  const status = response.statusCode ?? 0
  const message = (parse(body) as { message?: unknown } | null)?.message
  return { status, message: typeof message === 'string' ? message : (response.statusMessage ?? '') }
}
