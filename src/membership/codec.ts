/**
 * Codec: what membership says over packets and exchanges, as bytes.
 *
 *     head      'JD' | cluster u64 | protocol min u8 | max u8 | current u8
 *     packet    head | count u8 | count times: type u8, length u16, body          (at most 1400 bytes)
 *     exchange  head | type u8, length u32, body                                  (at most 4 MiB)
 *
 * The cluster is the start of the SHA-256 of its id: addresses of pods are reused, and a packet that strays into another cluster must not
 * introduce members there. A sender whose range of protocols has nothing in common with ours is refused as well. Within a common protocol
 * a later version may send further types of messages, and further fields at the end of any body: both are skipped by their length, and bytes
 * after the last message too. Nothing is allocated from a length before it was compared with what arrived.
 */
import { createHash } from 'node:crypto'
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../lib/protocol.ts'
import type { Address } from '../transport/transport.ts'
import type { ToldClock } from './peer-clocks.ts'
import type { Life, MemberRecord } from './record.ts'
import { decodeRecord, encodeRecord, readName, readOrdinal } from './record-codec.ts'

export interface ProtocolRange {
  readonly min: number
  readonly max: number
  /** The one this sender's bytes are in. */
  readonly current: number
}

const PROTOCOL: ProtocolRange = { min: PROTOCOL_MIN, max: PROTOCOL_MAX, current: PROTOCOL_MAX }

export interface Ping {
  readonly type: 'ping'
  readonly sequence: number
  /** The life that is meant: another one does not answer with an ack. */
  readonly target: Life
  readonly source: Life
}

export interface PingRequest {
  readonly type: 'ping-request'
  readonly sequence: number
  readonly target: Life
  readonly address: Address
  /** A relay that has no answer after this many ms says so with a nack. */
  readonly nackAfterMs: number
}

export interface Ack {
  readonly type: 'ack'
  readonly sequence: number
  readonly from: Life
  /** It lives, but the thread that serves its data has not run for a second or more. */
  readonly hung: boolean
  /** Left out by earlier versions, by members that do not know their time yet, and by relays. */
  readonly clock?: ToldClock
}

export interface Nack {
  readonly type: 'nack'
  readonly sequence: number
}

export interface MemberNews {
  readonly type: 'member'
  readonly record: MemberRecord
}

export interface PushPull {
  readonly type: 'push-pull'
  readonly source: Life
  readonly records: readonly MemberRecord[]
}

export type GossipMessage = Ping | PingRequest | Ack | Nack | MemberNews
export type ExchangeMessage = PushPull | Ping | Ack

export type Refusal = 'malformed' | 'foreign' | 'protocol'
export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: Refusal }

export const MAX_MESSAGES = 255
export const MAX_PUSH_PULL_MEMBERS = 4096
const MAX_EXCHANGE_BYTES = 4 * 1024 * 1024
/** Left free in an exchange for whoever seals it (sealed-exchanges.ts). */
const MAX_SEAL_BYTES = 32

const MAGIC = 0x4a44
const CLUSTER_BYTES = 8
/** Head and count of a packet: what is left of `maxPacketBytes` is for messages. */
export const PACKET_HEAD_BYTES = 2 + CLUSTER_BYTES + 3 + 1

const TYPE_PING = 1
const TYPE_PING_REQUEST = 2
const TYPE_ACK = 3
const TYPE_NACK = 4
const TYPE_MEMBER = 5
const TYPE_PUSH_PULL = 6

const FLAG_HUNG = 1
/** The time follows: clock u48, wall clock u48. */
const FLAG_CLOCK = 2
const FLAG_SETTLED = 4
const MAX_TIME_MS = 2 ** 48 - 1

export class Codec {
  readonly #cluster: Buffer
  readonly #protocol: ProtocolRange

  constructor(clusterId: string, protocol: ProtocolRange = PROTOCOL) {
    this.#cluster = createHash('sha256').update(clusterId).digest().subarray(0, CLUSTER_BYTES)
    this.#protocol = protocol
  }

  /** `messages` come from `encodeMessage`; at most 255. */
  encodePacket(messages: readonly Buffer[]): Buffer {
    const writer = this.#head().u8(messages.length)
    for (const message of messages) writer.raw(message)
    return writer.toBuffer()
  }

  decodePacket(packet: Buffer): Decoded<GossipMessage[]> {
    return this.#decode(packet, (reader) => {
      const messages: GossipMessage[] = []
      for (let count = reader.u8(); count > 0; count--) {
        const type = reader.u8()
        const message = decodeBody(type, reader.raw(reader.u16()))
        if (message !== null) messages.push(message)
      }
      return messages
    })
  }

  /** A push/pull leaves out the last of its records where they are over 4096 or over 4 MiB. */
  encodeExchange(message: ExchangeMessage): Buffer {
    const writer = this.#head()
    if (message.type !== 'push-pull') {
      const encoded = encodeMessage(message)
      const bodyStart = 3
      return writer
        .u8(encoded[0] as number)
        .block(encoded, bodyStart)
        .toBuffer()
    }
    writer.u8(TYPE_PUSH_PULL)
    const lengthAt = writer.length
    writer.u32(0)
    life(writer, message.source)
    const countAt = writer.length
    writer.u32(0)
    let count = 0
    for (const record of message.records) {
      const encoded = encodeRecord(record)
      if (count === MAX_PUSH_PULL_MEMBERS || writer.length + 2 + encoded.length > MAX_EXCHANGE_BYTES - MAX_SEAL_BYTES) break
      writer.u16(encoded.length).raw(encoded)
      count++
    }
    writer.patchU32(countAt, count)
    writer.patchU32(lengthAt, writer.length - lengthAt - 4)
    return writer.toBuffer()
  }

  /** The value is null for a type of exchange that only later versions know. */
  decodeExchange(message: Buffer): Decoded<ExchangeMessage | null> {
    return this.#decode(message, (reader) => {
      if (message.length > MAX_EXCHANGE_BYTES) throw new MalformedError('the message is over the limit')
      const type = reader.u8()
      const body = reader.block()
      if (type === TYPE_PUSH_PULL) return decodePushPull(new ByteReader(body))
      if (type === TYPE_PING || type === TYPE_ACK) return decodeBody(type, body) as Ping | Ack
      return null
    })
  }

  #head(): ByteWriter {
    const { min, max, current } = this.#protocol
    return new ByteWriter().u16(MAGIC).raw(this.#cluster).u8(min).u8(max).u8(current)
  }

  #decode<T>(bytes: Buffer, decodeRest: (reader: ByteReader) => T): Decoded<T> {
    try {
      const reader = new ByteReader(bytes)
      if (reader.u16() !== MAGIC) return { ok: false, reason: 'malformed' }
      if (!reader.raw(CLUSTER_BYTES).equals(this.#cluster)) return { ok: false, reason: 'foreign' }
      const min = reader.u8()
      const max = reader.u8()
      reader.u8()
      if (min > this.#protocol.max || max < this.#protocol.min) return { ok: false, reason: 'protocol' }
      return { ok: true, value: decodeRest(reader) }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      return { ok: false, reason: 'malformed' }
    }
  }
}

/** One message with its type and length, to be put into packets. */
export function encodeMessage(message: GossipMessage): Buffer {
  const writer = new ByteWriter(64)
  let type: number
  switch (message.type) {
    case 'ping':
      type = TYPE_PING
      writer.u32(message.sequence)
      life(writer, message.target)
      life(writer, message.source)
      break
    case 'ping-request':
      type = TYPE_PING_REQUEST
      writer.u32(message.sequence)
      life(writer, message.target)
      writer.text(message.address).u16(message.nackAfterMs)
      break
    case 'ack':
      type = TYPE_ACK
      writer.u32(message.sequence)
      life(writer, message.from)
      writeHealth(writer, message)
      break
    case 'nack':
      type = TYPE_NACK
      writer.u32(message.sequence)
      break
    case 'member':
      type = TYPE_MEMBER
      writer.raw(encodeRecord(message.record))
      break
  }
  const body = writer.toBuffer()
  return new ByteWriter(body.length + 3).u8(type).u16(body.length).raw(body).toBuffer()
}

/** Null for what only later versions know. */
function decodeBody(type: number, body: Buffer): GossipMessage | null {
  const reader = new ByteReader(body)
  switch (type) {
    case TYPE_PING:
      return { type: 'ping', sequence: reader.u32(), target: readLife(reader), source: readLife(reader) }
    case TYPE_PING_REQUEST:
      return {
        type: 'ping-request',
        sequence: reader.u32(),
        target: readLife(reader),
        address: reader.text(),
        nackAfterMs: reader.u16(),
      }
    case TYPE_ACK:
      return { type: 'ack', sequence: reader.u32(), from: readLife(reader), ...readHealth(reader) }
    case TYPE_NACK:
      return { type: 'nack', sequence: reader.u32() }
    case TYPE_MEMBER:
      return { type: 'member', record: decodeRecord(body) }
    default:
      return null
  }
}

function decodePushPull(reader: ByteReader): PushPull {
  const source = readLife(reader)
  const count = reader.u32()
  if (count > MAX_PUSH_PULL_MEMBERS) throw new MalformedError(`${count} members in a push/pull`)
  const records: MemberRecord[] = []
  for (let i = 0; i < count; i++) records.push(decodeRecord(reader.raw(reader.u16())))
  return { type: 'push-pull', source, records }
}

function life(writer: ByteWriter, { name, generation }: Life): void {
  writer.text(name).u48(generation)
}

function readLife(reader: ByteReader): Life {
  return { name: readName(reader), generation: readOrdinal(reader) }
}

function writeHealth(writer: ByteWriter, { hung, clock }: Ack): void {
  writer.u8((hung ? FLAG_HUNG : 0) | (clock === undefined ? 0 : FLAG_CLOCK) | (clock?.settled ? FLAG_SETTLED : 0))
  if (clock !== undefined) writer.u48(bounded(clock.clockMs)).u48(bounded(clock.wallMs))
}

function readHealth(reader: ByteReader): Pick<Ack, 'hung' | 'clock'> {
  // The first version ends before the flags.
  const flags = reader.remaining > 0 ? reader.u8() : 0
  const hung = (flags & FLAG_HUNG) !== 0
  if ((flags & FLAG_CLOCK) === 0) return { hung }
  return { hung, clock: { clockMs: reader.u48(), wallMs: reader.u48(), settled: (flags & FLAG_SETTLED) !== 0 } }
}

/** A machine may take any time for the present one. */
function bounded(ms: number): number {
  return Math.min(Math.max(Math.floor(ms), 0), MAX_TIME_MS)
}
