/**
 * JackdawClient: a cache as an object. Every member answers every key, so any addresses will do; the pool keeps connections to them.
 *
 * Calls may run at the same time and then have no order between them, as they may travel on different connections; `await` one before the next, or
 * use `pipeline`, where the order matters. Every call takes `signal` and `timeoutMs`, and rejects with the classes of errors.ts.
 *
 * What is repeated after a lost connection: reads, and writes that end in the same state when executed twice (`set` without a condition,
 * `setMany`, `delete`, `expire`, `persist`, `flush`). `set` with a condition and `increment` are not; then `OutcomeUnknownError` says so.
 */
import { JackdawError, ServerError } from './errors.ts'
import { parseInfo, type ServerInfo } from './info.ts'
import { parseJson, toJson } from './json.ts'
import { type ClientOptions, checkWhole, readOptions } from './options.ts'
import type { PoolCounters } from './pool.ts'
import { bytesOf, bytesOrNull, entryOrNull, numberOf, pageOf } from './reply-shape.ts'
import type { Effect } from './request.ts'
import type { Argument, Reply } from './resp.ts'
import { type CallOptions, type Command, Sender } from './sender.ts'
import { refuseUnshareable } from './shared-connection.ts'
import { SingleFlight, untilAborted } from './single-flight.ts'

/** Strings are UTF-8. */
export type Key = string | Uint8Array
export type Value = string | Uint8Array

export interface TtlOptions extends CallOptions {
  /** Milliseconds until the value expires; it stays if not given. */
  readonly ttlMs?: number | undefined
}

export interface SetOptions extends TtlOptions {
  /** Only if there is no value yet. */
  readonly ifAbsent?: boolean | undefined
  /** Only if there is a value already. */
  readonly ifPresent?: boolean | undefined
  /** The value is one JSON text, and is stored as JSON, which HTTP answers as it is; else it is a string. The server refuses what is none. */
  readonly json?: boolean | undefined
}

/** All there is about a key, at one moment. */
export interface StoredEntry {
  readonly value: Buffer
  /** Whether it was stored as JSON; else as a string. */
  readonly json: boolean
  /** Milliseconds it has left; `Infinity` when it does not expire. */
  readonly ttlMs: number
}

export interface RepeatOptions extends CallOptions {
  /** Executing it twice is the same as once, so it may go out again when its outcome is unknown. Default false. */
  readonly idempotent?: boolean | undefined
}

export interface WalkOptions extends CallOptions {
  /** Keys that are asked for at a time. Default 1,000; a search takes 10,000 at most. `timeoutMs` is for one such page. */
  readonly pageSize?: number | undefined
}

export interface SearchOptions extends WalkOptions {
  readonly prefix?: Key | undefined
  readonly suffix?: Key | undefined
  /** Most keys in all. */
  readonly limit?: number | undefined
}

export interface KeysOptions extends WalkOptions {
  /** A pattern as Redis has them (`user:*`, `h?llo`, `[ab]*`). Default: every key. */
  readonly match?: Key | undefined
}

export interface ClientCounters extends PoolCounters {
  /** Values that `getOrSet` loaded but could not store. */
  unstored: number
}

/** Keys in one MGET, MSET or DEL: a member can answer it without holding others up. */
const BATCH_KEYS = 512
/** Bytes of values in one MSET, but for a single larger one. */
const BATCH_BYTES = 4 * 1024 * 1024
/** GETs that are asked for at a time: their answers come one by one, so that only the values themselves must fit the limits. */
const PIPELINED_GETS = 64
const PAGE_SIZE = 1000
const MAX_PAGE_SIZE = 100_000
/** A server answers no more of a search at a time. */
const MAX_SEARCH_PAGE = 10_000
const NO_KEY = -2
const NO_EXPIRY = -1

export class JackdawClient {
  readonly #sender: Sender
  readonly #flights = new SingleFlight<Buffer>()
  #unstored = 0

  /** Connects when the first call needs it. Throws `RangeError` for options that cannot be. */
  constructor(options: ClientOptions = {}) {
    this.#sender = new Sender(readOptions(options))
  }

  /** The value's bytes; null if there is none. */
  async get(key: Key, options: CallOptions = {}): Promise<Buffer | null> {
    return bytesOrNull(await this.#sender.one(['GET', key], 'read', options))
  }

  /** The value as UTF-8. */
  async getText(key: Key, options: CallOptions = {}): Promise<string | null> {
    return (await this.get(key, options))?.toString() ?? null
  }

  /** The value parsed as JSON; null if there is none. `T` is what the caller expects: nothing checks it. Rejects with `NotJsonError`. */
  async getJson<T = unknown>(key: Key, options: CallOptions = {}): Promise<T | null> {
    const value = await this.get(key, options)
    return value === null ? null : parseJson<T>(key, value)
  }

  /** The value with its kind and its time to live; null if there is none. */
  async getEntry(key: Key, options: CallOptions = {}): Promise<StoredEntry | null> {
    return entryOrNull(await this.#sender.one(['GETENTRY', key], 'read', options))
  }

  /** False when the condition kept it from being stored. */
  async set(key: Key, value: Value, options: SetOptions = {}): Promise<boolean> {
    const { ifAbsent = false, ifPresent = false, json = false } = options
    if (ifAbsent && ifPresent) throw new TypeError('ifAbsent and ifPresent exclude each other')
    const command: Argument[] = [json ? 'SETJSON' : 'SET', key, value, ...expiryWords(options.ttlMs)]
    if (ifAbsent) command.push('NX')
    if (ifPresent) command.push('XX')
    const effect = ifAbsent || ifPresent ? 'once' : 'repeatable'
    return (await this.#sender.one(command, effect, options)) !== null
  }

  /** Stores JSON. Throws `TypeError` for what JSON cannot say, such as `undefined`. */
  async setJson(key: Key, value: unknown, options: Omit<SetOptions, 'json'> = {}): Promise<boolean> {
    return this.set(key, toJson(value), { ...options, json: true })
  }

  /** How many of the keys were there. Repeated after a lost connection it counts only what the last attempt found. */
  async delete(keys: Key | readonly Key[], options: CallOptions = {}): Promise<number> {
    let deleted = 0
    for (const batch of batches(typeof keys === 'string' || keys instanceof Uint8Array ? [keys] : keys, () => 0)) {
      deleted += numberOf(await this.#sender.one(['DEL', ...batch], 'repeatable', options))
    }
    return deleted
  }

  /** The values in the order of the keys, null where there is none. Many keys are asked for in batches, each with its own `timeoutMs`. */
  async getMany(keys: readonly Key[], options: CallOptions = {}): Promise<(Buffer | null)[]> {
    const values: (Buffer | null)[] = []
    for (let from = 0; from < keys.length; from += PIPELINED_GETS) {
      const some = keys.slice(from, from + PIPELINED_GETS)
      const commands = some.map((key): Argument[] => ['GET', key])
      const replies = await this.#sender.several(commands, 'read', options)
      for (const [i, key] of some.entries()) {
        const reply = replies[i]
        // A GET by itself is asked again with the patience that it needs, and rejects with what it is refused with.
        values.push(reply instanceof ServerError ? await this.get(key, options) : bytesOrNull(reply))
      }
    }
    return values
  }

  /** Stores all pairs, in batches; when it rejects, some may be stored and others not. */
  async setMany(entries: Iterable<readonly [Key, Value]>, options: TtlOptions = {}): Promise<void> {
    const expiry = expiryWords(options.ttlMs)
    for (const batch of batches(entries, ([, value]) => value.length)) {
      if (expiry.length === 0) await this.#sender.one(['MSET', ...batch.flat()], 'repeatable', options)
      else {
        const commands = batch.map(([key, value]) => ['SET', key, value, ...expiry])
        throwFirst(await this.#sender.several(commands, 'repeatable', options))
      }
    }
  }

  /**
   * The stored value, or what `load` brings, which is then stored. Callers for one key at the same time share one look-up and one `load`, with the
   * options of the first; its error goes to all of them and is not remembered. A caller's `signal` ends that caller's waiting only. If the loaded
   * value cannot be stored it is returned all the same, and counted (`counters().unstored`). All callers get the same buffer.
   */
  getOrSet(key: Key, load: () => Value | Promise<Value>, options: TtlOptions = {}): Promise<Buffer> {
    return this.#getOrSet(key, load, options, false)
  }

  /** `getOrSet` for JSON; every caller gets an object of its own. */
  async getOrSetJson<T>(key: Key, load: () => T | Promise<T>, options: TtlOptions = {}): Promise<T> {
    return parseJson<T>(key, await this.#getOrSet(key, async () => toJson(await load()), options, true))
  }

  /** The number after the addition; a key without a value counts from 0. Exact up to 2^53; beyond, ask `command(['INCRBY', ...])`. */
  async increment(key: Key, by: number = 1, options: CallOptions = {}): Promise<number> {
    checkWhole('the increment', by, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    return numberOf(await this.#sender.one(['INCRBY', key, by], 'once', options))
  }

  /** Milliseconds the value has left; `Infinity` when it does not expire, null when there is none. */
  async ttl(key: Key, options: CallOptions = {}): Promise<number | null> {
    const left = numberOf(await this.#sender.one(['PTTL', key], 'read', options))
    if (left === NO_KEY) return null
    return left === NO_EXPIRY ? Infinity : left
  }

  /** False if there is no value. */
  async expire(key: Key, ttlMs: number, options: CallOptions = {}): Promise<boolean> {
    return numberOf(await this.#sender.one(['PEXPIRE', key, checkTtl(ttlMs)], 'repeatable', options)) === 1
  }

  /** The value no longer expires. False if it did not before, or there is none. */
  async persist(key: Key, options: CallOptions = {}): Promise<boolean> {
    return numberOf(await this.#sender.one(['PERSIST', key], 'repeatable', options)) === 1
  }

  /** Keys that begin and end as asked, sorted by their bytes, fetched in pages as the loop goes on. Bytes that are no UTF-8 become U+FFFD. */
  async *search(options: SearchOptions): AsyncGenerator<string, void, undefined> {
    for await (const key of this.searchBytes(options)) yield key.toString()
  }

  /** `search` for keys of any bytes. */
  async *searchBytes(options: SearchOptions): AsyncGenerator<Buffer, void, undefined> {
    let left = checkWhole('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER)
    const pageSize = Math.min(readPageSize(options), MAX_SEARCH_PAGE)
    const words: Argument[] = ['SEARCH']
    if (options.prefix !== undefined) words.push('PREFIX', options.prefix)
    if (options.suffix !== undefined) words.push('SUFFIX', options.suffix)
    let from: Argument[] = []
    while (left > 0) {
      const page = pageOf(await this.#sender.one([...words, 'LIMIT', Math.min(left, pageSize), ...from], 'read', options))
      for (const key of page.keys.slice(0, left)) yield key
      left -= page.keys.length
      if (page.cursor === '') return
      from = ['CURSOR', page.cursor]
    }
  }

  /** All keys, in no order. A key that is there all the while comes at least once; while members change it may come twice. */
  async *keys(options: KeysOptions = {}): AsyncGenerator<string, void, undefined> {
    for await (const key of this.keysBytes(options)) yield key.toString()
  }

  /** `keys` for keys of any bytes. */
  async *keysBytes(options: KeysOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    const pageSize = readPageSize(options)
    const match: Argument[] = options.match === undefined ? [] : ['MATCH', options.match]
    let cursor = '0'
    do {
      const page = pageOf(await this.#sender.one(['SCAN', cursor, ...match, 'COUNT', pageSize], 'read', options))
      yield* page.keys
      cursor = page.cursor
    } while (cursor !== '0')
  }

  /** How many keys there are. */
  async size(options: CallOptions = {}): Promise<number> {
    return numberOf(await this.#sender.one(['DBSIZE'], 'read', options))
  }

  /** Deletes everything. */
  async flush(options: CallOptions = {}): Promise<void> {
    await this.#sender.one(['FLUSHALL'], 'repeatable', options)
  }

  async ping(options: CallOptions = {}): Promise<void> {
    await this.#sender.one(['PING'], 'read', options)
  }

  /** What the member that answers says of itself, as its text. */
  async info(section?: string, options: CallOptions = {}): Promise<string> {
    const words = section === undefined ? ['INFO'] : ['INFO', section]
    return bytesOf(await this.#sender.one(words, 'read', options)).toString()
  }

  /** What the member that answers says of itself, by section and name. */
  async stats(options: CallOptions = {}): Promise<ServerInfo> {
    return parseInfo(await this.info(undefined, options))
  }

  /** Any command, and its reply as it came. Throws `TypeError` for those that change the connection, which others share. */
  async command(words: Command, options: RepeatOptions = {}): Promise<Exclude<Reply, ServerError>> {
    refuseUnshareable(words)
    return this.#sender.one(words, effectOf(options), options)
  }

  /**
   * Several commands over one connection, executed in order, though others' may come between. The errors of single commands are among the replies;
   * none is repeated for itself. Without `idempotent` a connection that is lost before the last reply makes the outcome of all unknown.
   */
  async pipeline(commands: readonly Command[], options: RepeatOptions = {}): Promise<Reply[]> {
    for (const command of commands) refuseUnshareable(command)
    const effect = effectOf(options)
    if (commands.length !== 1) return this.#sender.several(commands, effect, options)
    try {
      return await this.#sender.several(commands, effect, options)
    } catch (error) {
      if (error instanceof ServerError) return [error]
      throw error
    }
  }

  /** The client's own figures since its start. */
  counters(): ClientCounters {
    return { ...this.#sender.pool.counters, unstored: this.#unstored }
  }

  /** Takes no further calls; resolves when those under way are settled and all connections closed. */
  close(): Promise<void> {
    return this.#sender.pool.close()
  }

  /** Fails what is under way with `ClientClosedError` and closes all connections now. */
  destroy(): void {
    this.#sender.pool.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #getOrSet(key: Key, load: () => Value | Promise<Value>, options: TtlOptions, json: boolean): Promise<Buffer> {
    const { ttlMs, timeoutMs, signal } = options
    expiryWords(ttlMs)
    const flight = this.#flights.fly(Buffer.from(key).toString('latin1'), async () => {
      const found = await this.get(key, { timeoutMs })
      if (found !== null) return found
      const loaded = await load()
      const value = typeof loaded === 'string' ? Buffer.from(loaded) : Buffer.from(loaded.buffer, loaded.byteOffset, loaded.byteLength)
      await this.set(key, value, { ttlMs, timeoutMs, json }).catch((error: unknown) => {
        if (!(error instanceof JackdawError)) throw error
        this.#unstored++
      })
      return value
    })
    return untilAborted(flight, signal)
  }
}

function effectOf({ idempotent = false }: RepeatOptions): Effect {
  return idempotent ? 'repeatable' : 'once'
}

function checkTtl(ttlMs: number): number {
  return checkWhole('ttlMs', ttlMs, 1, Number.MAX_SAFE_INTEGER)
}

function expiryWords(ttlMs: number | undefined): Argument[] {
  return ttlMs === undefined ? [] : ['PX', checkTtl(ttlMs)]
}

function readPageSize({ pageSize = PAGE_SIZE }: WalkOptions): number {
  return checkWhole('pageSize', pageSize, 1, MAX_PAGE_SIZE)
}

function throwFirst(replies: readonly Reply[]): void {
  for (const reply of replies) if (reply instanceof ServerError) throw reply
}

function* batches<T>(items: Iterable<T>, bytesOfOne: (item: T) => number): Generator<T[], void, undefined> {
  let batch: T[] = []
  let bytes = 0
  for (const item of items) {
    const more = bytesOfOne(item)
    if (batch.length === BATCH_KEYS || (batch.length > 0 && bytes + more > BATCH_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += more
  }
  if (batch.length > 0) yield batch
}
