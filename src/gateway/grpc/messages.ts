/**
 * Messages of proto/cache.proto as the loader hands them over, and their translation from and to what the cache understands. What cannot be
 * translated is a `CacheError`.
 */
import {
  ACK_ALL,
  ACK_LOCAL,
  ACK_REPLICA,
  type AckMode,
  IF_ABSENT,
  IF_PRESENT,
  IF_VERSION,
  type Operation,
  type Outcome,
} from '../../cache/operation.ts'
import { type Entry, VALUE_JSON, VALUE_STRING, type ValueKind } from '../../lib/entry.ts'
import { CacheError } from '../../lib/errors.ts'
import { isJson } from '../../lib/json-scanner.ts'

/** By name; a number is one that this version does not know. */
export type KindMessage = 'KIND_UNSPECIFIED' | 'KIND_STRING' | 'KIND_JSON' | number

/** By name; a number is one that this version does not know. */
export type AckMessage = 'ACK_UNSPECIFIED' | 'ACK_LOCAL' | 'ACK_REPLICA' | 'ACK_ALL' | number

export interface VersionMessage {
  readonly ms: number
  readonly counter: number
  readonly writer: string
}

export interface EntryMessage {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: KindMessage
  readonly version: VersionMessage
  readonly expires_at_ms: number
}

export interface GetRequest {
  readonly key: Buffer
  readonly max_stale_ms: number
}

export type GetResponse = Omit<EntryMessage, 'key'>

export interface SetRequest {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: KindMessage
  readonly ttl_ms?: number
  /** Which of the three was sent. */
  readonly condition?: 'if_absent' | 'if_present' | 'if_version'
  readonly if_absent?: boolean
  readonly if_present?: boolean
  readonly if_version?: VersionMessage
  readonly ack: AckMessage
}

export interface SetResponse {
  readonly existed: boolean
  readonly version: VersionMessage
}

export interface DeleteRequest {
  readonly key: Buffer
  readonly if_version: VersionMessage | null
  readonly ack: AckMessage
}

export interface DeleteResponse {
  readonly existed: boolean
}

export interface SearchRequest {
  readonly prefix: Buffer
  readonly suffix: Buffer
  readonly limit: number
  readonly cursor: Buffer
  readonly values: boolean
}

export interface SearchResponse {
  readonly entries: readonly EntryMessage[]
  readonly cursor: Buffer
}

export interface FlushResponse {
  readonly unreached: readonly string[]
}

/** Ten years of 365 days, as on the other faces. */
const MAX_TTL_MS = 10 * 365 * 86_400_000
const VERSION_MS_END = 2 ** 48
const VERSION_COUNTER_END = 2 ** 16

export function readKind(kind: KindMessage, value: Buffer): ValueKind {
  if (kind === 'KIND_UNSPECIFIED' || kind === 'KIND_STRING') return VALUE_STRING
  if (kind !== 'KIND_JSON') throw new CacheError('BODY_INVALID', 'kind is not one of KIND_STRING and KIND_JSON')
  if (!isJson(value)) throw new CacheError('BODY_INVALID', 'the value is said to be JSON, and is not one JSON text in UTF-8')
  return VALUE_JSON
}

const ACKS: ReadonlyMap<AckMessage, AckMode> = new Map([
  ['ACK_UNSPECIFIED', ACK_LOCAL],
  ['ACK_LOCAL', ACK_LOCAL],
  ['ACK_REPLICA', ACK_REPLICA],
  ['ACK_ALL', ACK_ALL],
])

/** What is not known here may promise more than could be kept, so it is refused. */
export function readAck(ack: AckMessage): AckMode {
  const mode = ACKS.get(ack)
  if (mode === undefined) throw new CacheError('BODY_INVALID', 'ack is not one of ACK_LOCAL, ACK_REPLICA and ACK_ALL')
  return mode
}

export function readTtlMs(ttlMs: number): number {
  if (ttlMs < 1 || ttlMs > MAX_TTL_MS) {
    throw new CacheError('TTL_INVALID', 'ttl_ms must be at least 1 and at most ten years (315360000000); leave it out for none')
  }
  return ttlMs
}

export function readVersion(operation: Operation, { ms, counter, writer }: VersionMessage): void {
  if (ms >= VERSION_MS_END || counter >= VERSION_COUNTER_END) {
    throw new CacheError('BODY_INVALID', 'if_version is not a version that an answer had')
  }
  operation.condition = IF_VERSION
  operation.setVersion(ms, counter, writer)
}

export function readCondition(operation: Operation, request: SetRequest): void {
  if (request.if_absent === true) operation.condition = IF_ABSENT
  else if (request.if_present === true) operation.condition = IF_PRESENT
  else if (request.if_version !== undefined && request.condition === 'if_version') readVersion(operation, request.if_version)
}

export function versionMessage({ ms, counter, writer }: Entry | Outcome): VersionMessage {
  return { ms, counter, writer }
}

/** With bytes of its own: the entry may be read for the length of a call only. */
export function entryMessage(entry: Entry): EntryMessage {
  return {
    key: Buffer.from(entry.keyBytes()),
    value: Buffer.from(entry.valueBytes()),
    kind: entry.kind === VALUE_JSON ? 'KIND_JSON' : 'KIND_STRING',
    version: versionMessage(entry),
    expires_at_ms: entry.expiresAtMs,
  }
}
