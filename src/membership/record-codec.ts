/**
 * The layout of one member's record, as it travels in gossip and in push/pull.
 *
 *     record  name text | generation u48 | mark u32 | incarnation u48 | state u8 | flags u8 | address text | accuser text
 *             | meta length u16, meta | fields of later versions
 *     meta    peer address text | uid text | zone text | flags u8 | table version u48 | protocol min u8 | protocol max u8
 *             | http port u16 | resp port u16 | cluster port u16 | text port u16 | grpc port u16 | fields of later versions
 *
 * Whoever frames a record tells its length. What is left of it after the known fields was appended by a later version: it is kept and passed
 * on, so that a member of that version hears it whole even when the news came through one of ours. A record in an unknown state is skipped.
 */
import { ByteReader, ByteWriter, MalformedError, NO_BYTES } from '../lib/bytes.ts'
import { type FacePorts, NO_PORTS } from '../lib/face-ports.ts'
import { MAX_META_BYTES, type MemberMeta, type MemberState } from './membership.ts'
import { MAX_ORDINAL, type MemberRecord } from './record.ts'

export const MAX_NAME_BYTES = 128
/** How much later versions may append to a record. The largest record then still fits a packet. */
const MAX_EXTRA_BYTES = 256

/** The position is the number on the wire: only ever append. */
const STATES: readonly MemberState[] = ['alive', 'suspect', 'dead', 'left']
const FLAG_FACT = 1
const FLAG_LEAVING = 1
const FLAG_FOR_GOOD = 2

/** Throws a `RangeError` for a meta that does not fit its 512 bytes. */
export function encodeMeta(meta: MemberMeta): Buffer {
  const { http, resp, cluster, text, grpc } = meta.facePorts
  const bytes = new ByteWriter(128)
    .text(meta.peerAddress)
    .text(meta.uid)
    .text(meta.zone)
    .u8((meta.leaving ? FLAG_LEAVING : 0) | (meta.forGood ? FLAG_FOR_GOOD : 0))
    .u48(meta.tableVersion)
    .u8(meta.protocolMin)
    .u8(meta.protocolMax)
    .u16(http)
    .u16(resp)
    .u16(cluster)
    .u16(text)
    .u16(grpc)
    .toBuffer()
  if (bytes.length > MAX_META_BYTES) throw new RangeError(`a meta of ${bytes.length} bytes is over the limit of ${MAX_META_BYTES}`)
  return bytes
}

function decodeMeta(bytes: Buffer): MemberMeta {
  const reader = new ByteReader(bytes)
  const peerAddress = reader.text()
  const uid = reader.text()
  const zone = reader.text()
  const flags = reader.u8()
  return {
    peerAddress,
    uid,
    zone,
    leaving: (flags & FLAG_LEAVING) !== 0,
    forGood: (flags & FLAG_FOR_GOOD) !== 0,
    tableVersion: reader.u48(),
    protocolMin: reader.u8(),
    protocolMax: reader.u8(),
    // The first version ends here.
    facePorts: reader.remaining === 0 ? NO_PORTS : readPorts(reader),
  }
}

function readPorts(reader: ByteReader): FacePorts {
  return { http: reader.u16(), resp: reader.u16(), cluster: reader.u16(), text: reader.u16(), grpc: reader.u16() }
}

export function encodeRecord(record: MemberRecord): Buffer {
  return new ByteWriter(256)
    .text(record.name)
    .u48(record.generation)
    .u32(record.mark)
    .u48(record.incarnation)
    .u8(STATES.indexOf(record.state))
    .u8(record.fact ? FLAG_FACT : 0)
    .text(record.address)
    .text(record.accuser)
    .u16(record.metaBytes.length)
    .raw(record.metaBytes)
    .raw(record.extra)
    .toBuffer()
}

/** Throws `MalformedError`. Keeps no view of `bytes`. */
export function decodeRecord(bytes: Buffer): MemberRecord {
  const reader = new ByteReader(bytes)
  const name = readName(reader)
  const generation = readOrdinal(reader)
  const mark = reader.u32()
  const incarnation = readOrdinal(reader)
  // A state that only later versions know is one of a member that is there: to pass it over would keep the member from joining.
  const state = STATES[reader.u8()] ?? 'alive'
  const flags = reader.u8()
  const address = reader.text()
  const accuser = reader.text()
  const metaLength = reader.u16()
  if (metaLength > MAX_META_BYTES) throw new MalformedError(`a meta of ${metaLength} bytes is over the limit of ${MAX_META_BYTES}`)
  if (Buffer.byteLength(accuser) > MAX_NAME_BYTES) throw new MalformedError('the name of an accuser is too long')
  const metaBytes = Buffer.from(reader.raw(metaLength))
  const meta = decodeMeta(metaBytes)
  if (reader.remaining > MAX_EXTRA_BYTES) throw new MalformedError(`${reader.remaining} unknown bytes at the end of a record`)
  const extra = reader.remaining === 0 ? NO_BYTES : Buffer.from(reader.raw(reader.remaining))
  return { name, generation, mark, incarnation, state, address, meta, accuser, fact: (flags & FLAG_FACT) !== 0, metaBytes, extra }
}

export function readName(reader: ByteReader): string {
  const name = reader.text()
  if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES) throw new MalformedError('a name is empty or too long')
  return name
}

export function readOrdinal(reader: ByteReader): number {
  const ordinal = reader.u48()
  if (ordinal >= MAX_ORDINAL) throw new MalformedError('a generation or incarnation is out of range')
  return ordinal
}
