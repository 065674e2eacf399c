/**
 * Peer streams over gRPC (proto/peer.proto): one HTTP/2 connection a channel, so that a bulk copy delays no heartbeat, and one opaque `bytes` a
 * message, written and read in place: decoding messages field by field costs five times as much.
 *
 * grpc-js as it comes keeps dead connections for minutes (keepalive off), waits up to 120 s between attempts, and shares one connection for
 * equal targets; the options below end all three. It also ignores how much is queued, so `queuedBytes` counts what the stream has not taken.
 *
 * Its server leaves HTTP/2's window at 64 KiB, whatever the options say: what comes to a busy member would wait for its event loop after each 64 KiB, and
 * more so the busier it is. Node tells of every stream that is opened to it (`node:diagnostics_channel`), and with the first the window is made as wide as
 * the other direction's.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { assetPath } from '../lib/asset-path.ts'
import { MESSAGE_HEADROOM } from '../lib/bytes.ts'
import { MessageMemory } from '../lib/message-memory.ts'
import {
  type Address,
  CHANNELS,
  type Channel,
  MAX_MESSAGE_BYTES,
  type MessageStream,
  type MessageStreamHandlers,
  type StreamTransport,
} from './transport.ts'

const WINDOW_BYTES = 4 * 1024 * 1024
/** What a payload has in front of it, at the most. */
const HEADER_BYTES = 6
/** A message of this length is copied to memory that earlier ones have left; for a smaller one that would keep more memory than it saves. */
const LEAST_LENT_BYTES = 2048

const CONNECTION_OPTIONS: grpc.ChannelOptions = {
  'grpc.keepalive_time_ms': 2000,
  'grpc.keepalive_timeout_ms': 1000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES + HEADER_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES + HEADER_BYTES,
  'grpc-node.flow_control_window': WINDOW_BYTES,
}

type Duplex = grpc.ClientDuplexStream<Buffer, Buffer> | grpc.ServerDuplexStream<Buffer, Buffer>

const METHODS: Record<Channel, grpc.MethodDefinition<Buffer, Buffer>> = loadMethods()
const PATHS: ReadonlySet<unknown> = new Set(CHANNELS.map((channel) => METHODS[channel].path))
const widened = new WeakSet<ServerHttp2Session>()

// Once for the process: there is one channel of diagnostics for all servers, and the paths tell ours.
subscribe('http2.server.stream.start', (message) => {
  const { stream, headers } = message as { readonly stream: ServerHttp2Stream; readonly headers: IncomingHttpHeaders }
  const session = stream.session as ServerHttp2Session | undefined
  if (session === undefined || session.destroyed || widened.has(session) || !PATHS.has(headers[':path'])) return
  widened.add(session)
  // For the connection, and for its streams, this one among them.
  session.setLocalWindowSize(WINDOW_BYTES)
  session.settings({ initialWindowSize: WINDOW_BYTES })
})

export class GrpcStreams implements StreamTransport {
  readonly #server = new grpc.Server(CONNECTION_OPTIONS)
  readonly #open = new Set<MessageStream>()
  #accept: ((stream: MessageStream, channel: Channel) => MessageStreamHandlers) | null = null

  constructor() {
    const service: grpc.ServiceDefinition = Object.fromEntries(CHANNELS.map((channel) => [channel, METHODS[channel]]))
    const handlers = CHANNELS.map((channel) => [channel, (call: grpc.ServerDuplexStream<Buffer, Buffer>) => this.#arrived(call, channel)])
    this.#server.addService(service, Object.fromEntries(handlers))
  }

  onStream(accept: (stream: MessageStream, channel: Channel) => MessageStreamHandlers): void {
    this.#accept = accept
  }

  /** Resolves with the port bound; 0 asks for any. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound)
        else reject(error)
      })
    })
  }

  dial(to: Address, channel: Channel, handlers: MessageStreamHandlers): MessageStream {
    const client = new grpc.Client(to, grpc.credentials.createInsecure(), CONNECTION_OPTIONS)
    const method = METHODS[channel]
    const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, new grpc.Metadata())
    return this.#track(
      call,
      handlers,
      () => client.close(),
      () => call.cancel(),
    )
  }

  /** Ends all streams and the listener. */
  close(): void {
    for (const stream of this.#open) stream.close()
    this.#server.forceShutdown()
  }

  #arrived(call: grpc.ServerDuplexStream<Buffer, Buffer>, channel: Channel): void {
    if (this.#accept === null) {
      call.end()
      return
    }
    const accept = this.#accept
    let handlers: MessageStreamHandlers | null = null
    const stream = this.#track(
      call,
      { message: (message) => handlers?.message(message), closed: (reason) => handlers?.closed(reason) },
      () => {},
      () => call.end(),
    )
    handlers = accept(stream, channel)
  }

  #track(call: Duplex, handlers: MessageStreamHandlers, release: () => void, end: () => void): MessageStream {
    const forget = (): void => {
      this.#open.delete(stream)
      release()
    }
    const stream = openStream(call, handlers, forget, end)
    this.#open.add(stream)
    return stream
  }
}

function openStream(call: Duplex, handlers: MessageStreamHandlers, release: () => void, end: () => void): MessageStream {
  let over = false
  let queuedBytes = 0
  const memory = new MessageMemory()
  const finish = (reason: string): void => {
    if (over) return
    over = true
    release()
    handlers.closed(reason)
  }
  call.on('data', (message: Buffer) => {
    if (!over) handlers.message(message)
  })
  call.on('error', (error: Error) => finish(error.message))
  call.on('end', () => finish('ended by the other side'))
  call.on('close', () => finish('closed'))
  call.on('cancelled', () => finish('cancelled'))
  return {
    send: (message, headroom = 0) => {
      if (over) return
      const { length } = message
      queuedBytes += length
      // A stream that breaks may never say so: what it holds then goes with it.
      const lent = headroom >= HEADER_BYTES || length < LEAST_LENT_BYTES ? null : memory.take(length)
      lent?.set(message)
      call.write(lent === null ? encodePayload(message, headroom) : encodePayload(lent, MESSAGE_HEADROOM), () => {
        queuedBytes -= length
        // gRPC has made its own copy by now, behind its own header.
        if (lent !== null) memory.give(lent)
      })
    },
    get queuedBytes() {
      return queuedBytes
    },
    close: () => {
      if (over) return
      over = true
      end()
      release()
    },
  }
}

/** The service's methods with serializers for the one `bytes` field (field 1, wire type 2): it is read in place, and written before gRPC gets the message. */
function loadMethods(): Record<Channel, grpc.MethodDefinition<Buffer, Buffer>> {
  const definition = loadSync(assetPath('proto/peer.proto'))
  const service = definition['jackdaw.peer.v1.Peer'] as grpc.ServiceDefinition
  const method = (name: string): grpc.MethodDefinition<Buffer, Buffer> => ({
    ...(service[name] as grpc.MethodDefinition<Buffer, Buffer>),
    requestSerialize: (payload) => payload,
    requestDeserialize: decodePayload,
    responseSerialize: (payload) => payload,
    responseDeserialize: decodePayload,
  })
  return { request: method('Request'), replication: method('Replication'), bulk: method('Bulk') }
}

const PAYLOAD_TAG = 0x0a

/** The payload as a message: a copy, unless the `headroom` bytes in front of it, which it may overwrite, are enough for the header. */
export function encodePayload(payload: Buffer, headroom: number = 0): Buffer {
  let lengthBytes = 1
  for (let rest = payload.length >>> 7; rest !== 0; rest >>>= 7) lengthBytes++
  const headerBytes = 1 + lengthBytes
  const inPlace = headroom >= headerBytes
  const message = inPlace
    ? Buffer.from(payload.buffer, payload.byteOffset - headerBytes, headerBytes + payload.length)
    : Buffer.allocUnsafe(headerBytes + payload.length)
  message[0] = PAYLOAD_TAG
  let rest = payload.length
  for (let i = 1; i <= lengthBytes; i++) {
    message[i] = (rest & 0x7f) | (i < lengthBytes ? 0x80 : 0)
    rest >>>= 7
  }
  if (!inPlace) payload.copy(message, headerBytes)
  return message
}

/** Accepts exactly what `encodePayload` and any protobuf encoder make of a `Payload`; fields after the first are ignored. */
export function decodePayload(message: Buffer): Buffer {
  if (message.length === 0) return message
  if (message[0] !== PAYLOAD_TAG) throw new Error('a peer message does not begin with its payload')
  let length = 0
  let at = 1
  for (let shift = 0; ; shift += 7) {
    const byte = message[at++]
    if (byte === undefined || shift > 28) throw new Error('a peer message has a broken length')
    length += (byte & 0x7f) * 2 ** shift
    if ((byte & 0x80) === 0) break
  }
  if (length > message.length - at) throw new Error('a peer message is shorter than it says')
  return message.subarray(at, at + length)
}
