/**
 * RESP, text and gRPC as a checked client speaks them: keys and values are plain letters here, so nothing has to be escaped.
 *
 * RESP and text are spoken on connections that are made anew where a client library would (reconnecting-wire.ts). gRPC is @grpc/grpc-js as it comes, without
 * a retry policy; of the messages only the two fields are written and read that matter, key and value, which keeps the loader of proto files out.
 */
import { type Client, connectivityState, credentials, makeGenericClientConstructor, type ServiceError, status } from '@grpc/grpc-js'
import type { CheckedFace } from '../checked-keys.ts'
import { ReconnectingWire } from './reconnecting-wire.ts'

export interface CountingFace extends CheckedFace {
  /** Connections made so far. */
  connections(): number
  /** Requests that were sent a second time because a close crossed them; gRPC's own library does so unseen. */
  repeats(): number
  close(): void
}

export interface Target {
  readonly host: string
  readonly port: number
}

const DEADLINE_MS = 3_000
const NOT_FOUND = 'ERROR: Key not found'

export function respFace(target: Target): CountingFace {
  const wire = new ReconnectingWire({ ...target, complete: isWholeReply })
  const ask = async (...args: readonly string[]) => {
    const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
    return (await wire.ask(Buffer.from(`*${args.length}\r\n${parts.join('')}`))).toString()
  }
  return {
    async write(key, value) {
      const reply = await ask('SET', key, value)
      if (reply !== '+OK\r\n') throw new Error(reply.slice(0, 120))
    },
    async read(key) {
      const reply = await ask('GET', key)
      if (reply === '$-1\r\n') return null
      if (!reply.startsWith('$')) throw new Error(reply.slice(0, 120))
      return reply.slice(reply.indexOf('\r\n') + 2, -2)
    },
    ...counting(wire),
  }
}

export function textFace(target: Target): CountingFace {
  const wire = new ReconnectingWire({ ...target, complete: (bytes) => bytes.at(-1) === 0x0a })
  const ask = async (line: string) => (await wire.ask(Buffer.from(`${line}\n`))).toString().trimEnd()
  return {
    async write(key, value) {
      const answer = await ask(`SET ${key} ${value}`)
      if (answer !== 'OK') throw new Error(answer.slice(0, 120))
    },
    async read(key) {
      const answer = await ask(`GET ${key}`)
      if (answer === NOT_FOUND) return null
      if (answer.startsWith('ERROR: ')) throw new Error(answer.slice(0, 120))
      return answer
    },
    ...counting(wire),
  }
}

export function grpcFace({ host, port }: Target): CountingFace {
  // A connection of its own: channels to one address share theirs otherwise.
  const client = new CacheClient(`${host}:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  let connections = 0
  const channel = client.getChannel()
  const watch = (): void => {
    const state = channel.getConnectivityState(false)
    if (state === connectivityState.READY) connections++
    if (state !== connectivityState.SHUTDOWN) channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => watch())
  }
  watch()
  const call = (method: 'Get' | 'Set', request: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const path = `/jackdaw.cache.v1.Cache/${method}`
      const done = (error: ServiceError | null, answer?: Buffer) => (error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error))
      client.makeUnaryRequest(path, asIs, asIs, request, { deadline: Date.now() + DEADLINE_MS }, done)
    })
  return {
    async write(key, value) {
      await call('Set', Buffer.concat([field(1, key), field(2, value)]))
    },
    async read(key) {
      try {
        return firstField(await call('Get', field(1, key)))
      } catch (error) {
        if ((error as ServiceError).code === status.NOT_FOUND) return null
        throw error
      }
    },
    connections: () => connections,
    repeats: () => 0,
    close: () => client.close(),
  }
}

const CacheClient = makeGenericClientConstructor({}, 'Cache') as unknown as new (...args: ConstructorParameters<typeof Client>) => Client

function counting(wire: ReconnectingWire): Pick<CountingFace, 'connections' | 'repeats' | 'close'> {
  return { connections: () => wire.connections, repeats: () => wire.repeats, close: () => wire.close() }
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}

/** Of replies to SET and GET: one line, or a string with its length before it. */
function isWholeReply(bytes: Buffer): boolean {
  const line = bytes.indexOf('\r\n')
  if (line < 0) return false
  if (bytes[0] !== 0x24) return true
  const length = Number(bytes.toString('latin1', 1, line))
  return length < 0 || bytes.length >= line + 2 + length + 2
}

/** A field of bytes, as Protocol Buffers encode it. */
function field(number: number, text: string): Buffer {
  const bytes = Buffer.from(text)
  const head: number[] = [(number << 3) | 2]
  let length = bytes.length
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80)
  head.push(length)
  return Buffer.concat([Buffer.from(head), bytes])
}

/** The value of an answer: its first field. */
function firstField(message: Buffer): string {
  if (message[0] !== ((1 << 3) | 2)) throw new Error(`what came is no value: ${message.toString('hex', 0, 40)}`)
  let [length, shift, at] = [0, 0, 1]
  for (; ((message[at] ?? 0) & 0x80) !== 0; at++, shift += 7) length |= ((message[at] as number) & 0x7f) << shift
  length |= (message[at] as number) << shift
  return message.toString('utf8', at + 1, at + 1 + length)
}
