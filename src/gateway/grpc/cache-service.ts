/**
 * Cache service: the calls of proto/cache.proto, each one question to the cache and one translation of its answer.
 */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Cache } from '../../cache/cache.ts'
import { ALWAYS, EXPIRY_IN, MAX_STALE_MS, OPERATION_DELETE, OPERATION_GET, OPERATION_SET, Operation } from '../../cache/operation.ts'
import { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import {
  type DeleteRequest,
  type DeleteResponse,
  entryMessage,
  type FlushResponse,
  type GetRequest,
  type GetResponse,
  readAck,
  readCondition,
  readKind,
  readTtlMs,
  readVersion,
  type SetRequest,
  type SetResponse,
  versionMessage,
} from './messages.ts'
import { type SearchCall, SearchStream, type SearchStreamOptions } from './search-stream.ts'
import { statusOf } from './status.ts'
import { type Done, unary } from './unary.ts'

export class CacheService {
  readonly #cache: Cache
  readonly #logger: Logger
  readonly #search: SearchStreamOptions

  constructor(cache: Cache, logger: Logger, search: SearchStreamOptions) {
    this.#cache = cache
    this.#logger = logger
    this.#search = search
  }

  /** By the names of the calls in the proto file. */
  implementation(): UntypedServiceImplementation {
    return {
      Get: unary<GetRequest, GetResponse>(this.#logger, (request, done) => this.#get(request, done)),
      Set: unary<SetRequest, SetResponse>(this.#logger, (request, done) => this.#set(request, done)),
      Delete: unary<DeleteRequest, DeleteResponse>(this.#logger, (request, done) => this.#delete(request, done)),
      Search: (call: SearchCall) => this.#searchKeys(call),
      Flush: unary<object, FlushResponse>(this.#logger, (_request, done) => this.#flush(done)),
    }
  }

  #get({ key, max_stale_ms }: GetRequest, done: Done<GetResponse>): void {
    if (max_stale_ms > MAX_STALE_MS) throw new CacheError('BODY_INVALID', `max_stale_ms is over a day: ${MAX_STALE_MS}`)
    const operation = new Operation().reset(OPERATION_GET).setKey(key)
    operation.maxStaleMs = max_stale_ms
    this.#cache.execute(operation, (error, outcome) => {
      if (outcome === null) {
        done(error, null)
      } else if (outcome.entry === null) {
        done(new CacheError('KEY_NOT_FOUND', 'no value is stored under the key'), null)
      } else {
        const { key: _, ...found } = entryMessage(outcome.entry)
        done(null, found)
      }
    })
  }

  #set(request: SetRequest, done: Done<SetResponse>): void {
    const { key, value } = request
    const operation = new Operation().reset(OPERATION_SET).setKey(key).setValue(value)
    operation.ack = readAck(request.ack)
    readCondition(operation, request)
    if (request.ttl_ms !== undefined) operation.setExpiry(EXPIRY_IN, readTtlMs(request.ttl_ms))
    // A value over the limit is refused for that by the cache, and need not be read before.
    if (value.length <= this.#cache.limits.maxValueBytes) operation.kind = readKind(request.kind, value)
    this.#cache.execute(operation, (error, outcome) => {
      if (outcome === null) done(error, null)
      else if (!outcome.written && operation.condition !== ALWAYS) done(notMet(), null)
      else done(null, { existed: outcome.existed, version: versionMessage(outcome) })
    })
  }

  #delete({ key, if_version, ack }: DeleteRequest, done: Done<DeleteResponse>): void {
    const operation = new Operation().reset(OPERATION_DELETE).setKey(key)
    operation.ack = readAck(ack)
    if (if_version !== null) readVersion(operation, if_version)
    this.#cache.execute(operation, (error, outcome) => {
      if (outcome === null) done(error, null)
      else if (!outcome.written && operation.condition !== ALWAYS) done(notMet(), null)
      else done(null, { existed: outcome.existed })
    })
  }

  #searchKeys(call: SearchCall): void {
    const { prefix, suffix, cursor, values } = call.request
    if (cursor.length > this.#cache.limits.maxKeyBytes) {
      call.emit('error', statusOf(new CacheError('QUERY_INVALID', 'cursor is not one that an earlier page had')))
      return
    }
    const scan = this.#cache.scan({ prefix, suffix, after: cursor.length === 0 ? null : cursor, values })
    new SearchStream(call, scan, this.#search).start()
  }

  #flush(done: Done<FlushResponse>): void {
    this.#cache.flush((error, result) => done(error, result))
  }
}

function notMet(): CacheError {
  return new CacheError('PRECONDITION_FAILED', 'the key is not in the state that the request demands')
}
