/**
 * The cache of a cluster: checks the limits, finds the slot, and answers here or lets the forwarder and the walk find who can.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { VALUE_STRING } from '../lib/entry.ts'
import { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import { slotOf } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import type { Cache, GetDone, Limits, Scan, ScanQuery, SetManyResult, SetRequest, WriteDone } from './cache.ts'
import { Forwarder, type ForwarderStats, type OperationDone } from './forwarder.ts'
import { OPERATION_DELETE, OPERATION_GET, OPERATION_SET } from './messages.ts'
import { Operations } from './operations.ts'
import { Scatter } from './scatter.ts'

/** Ten years. */
const MAX_TTL_MS = 10 * 365 * 24 * 3600 * 1000

export interface ClusterCacheOptions {
  readonly clock: Clock
  readonly hybrid: HybridClock
  readonly store: Store
  readonly authority: Authority
  readonly calls: CacheCalls
  /** This member's name: the writer of the versions it gives. */
  readonly name: () => string
  readonly limits: Limits
  readonly forwardTimeoutMs: number
}

export interface CacheStats extends ForwarderStats {
  readonly getsTotal: number
  readonly hitsTotal: number
  readonly setsTotal: number
  readonly deletesTotal: number
}

export class ClusterCache implements Cache {
  readonly limits: Limits
  readonly #authority: Authority
  readonly #operations: Operations
  readonly #forwarder: Forwarder
  readonly #scatter: Scatter
  #getsTotal = 0
  #hitsTotal = 0
  #setsTotal = 0
  #deletesTotal = 0

  constructor(options: ClusterCacheOptions) {
    const { clock, hybrid, store, authority, calls, forwardTimeoutMs } = options
    this.limits = options.limits
    this.#authority = authority
    this.#operations = new Operations(store, authority, hybrid, options.name)
    this.#forwarder = new Forwarder(clock, calls, authority, this.#operations, forwardTimeoutMs)
    this.#scatter = new Scatter(clock, hybrid, calls, authority, store, forwardTimeoutMs)
  }

  get(key: Buffer, start: number, end: number, done: GetDone): void {
    const refusal = this.#checkKey(end - start)
    if (refusal !== null) {
      done(refusal, null)
      return
    }
    this.#getsTotal++
    const slot = slotOf(key, start, end)
    if (this.#authority.executes(slot)) {
      const { entry } = this.#operations.get(key, start, end)
      if (entry !== null) this.#hitsTotal++
      done(null, entry)
      return
    }
    const operation = {
      code: OPERATION_GET,
      key: Buffer.from(key.subarray(start, end)),
      value: NO_BYTES,
      kind: VALUE_STRING,
      ttlMs: null,
    } as const
    this.#forwarder.run(operation, slot, (error, outcome) => {
      if (outcome?.entry) this.#hitsTotal++
      done(error, outcome?.entry ?? null)
    })
  }

  set(request: SetRequest, done: WriteDone): void {
    const refusal = this.#checkSet(request)
    if (refusal === null) this.#set(request, writeDone(done))
    else done(refusal, null)
  }

  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void {
    for (const request of requests) {
      const refusal = this.#checkSet(request)
      if (refusal !== null) {
        done(refusal, null)
        return
      }
    }
    let open = requests.length
    let set = 0
    let firstError: CacheError | null = null
    const failed: boolean[] = []
    const finish = (): void => {
      if (open === 0) done(null, { set, failed: requests.filter((_, i) => failed[i]).map(({ key }) => key), error: firstError })
    }
    if (open === 0) finish()
    for (const [i, request] of requests.entries()) {
      this.#set(request, (error, outcome) => {
        const problem = error ?? outcomeError(outcome?.error ?? null)
        if (problem === null) set++
        else {
          failed[i] = true
          firstError ??= problem
        }
        open--
        finish()
      })
    }
  }

  delete(key: Buffer, start: number, end: number, done: WriteDone): void {
    const refusal = this.#checkKey(end - start)
    if (refusal !== null) {
      done(refusal, null)
      return
    }
    this.#deletesTotal++
    const operation = {
      code: OPERATION_DELETE,
      key: Buffer.from(key.subarray(start, end)),
      value: NO_BYTES,
      kind: VALUE_STRING,
      ttlMs: null,
    } as const
    this.#forwarder.run(operation, slotOf(key, start, end), writeDone(done))
  }

  scan(query: ScanQuery): Scan {
    return this.#scatter.scan(query)
  }

  /** Routes may have changed: what waits looks again. */
  routesChanged(): void {
    this.#forwarder.wake()
  }

  close(): void {
    this.#forwarder.close()
  }

  stats(): CacheStats {
    return {
      ...this.#forwarder.stats(),
      getsTotal: this.#getsTotal,
      hitsTotal: this.#hitsTotal,
      setsTotal: this.#setsTotal,
      deletesTotal: this.#deletesTotal,
    }
  }

  #set(request: SetRequest, done: OperationDone): void {
    this.#setsTotal++
    this.#forwarder.run({ code: OPERATION_SET, ...request }, slotOf(request.key), done)
  }

  #checkKey(length: number): CacheError | null {
    if (length === 0) return new CacheError('KEY_INVALID', 'the key is empty')
    if (length > this.limits.maxKeyBytes)
      return new CacheError('KEY_INVALID', `the key has ${length} bytes, over the limit of ${this.limits.maxKeyBytes}`)
    return null
  }

  #checkSet({ key, value, ttlMs }: SetRequest): CacheError | null {
    const { maxValueBytes } = this.limits
    if (ttlMs !== null && !(ttlMs > 0 && ttlMs <= MAX_TTL_MS)) {
      return new CacheError('TTL_INVALID', `the time to live is above 0 and at most ${MAX_TTL_MS} ms`)
    }
    if (value.length > maxValueBytes)
      return new CacheError('VALUE_TOO_LARGE', `the value has ${value.length} bytes, over the limit of ${maxValueBytes}`)
    return this.#checkKey(key.length)
  }
}

function writeDone(done: WriteDone): OperationDone {
  return (error, outcome) => {
    const problem = error ?? outcomeError(outcome?.error ?? null)
    done(problem, problem === null ? { existed: outcome?.existed ?? false } : null)
  }
}

function outcomeError(code: CacheError['code'] | null): CacheError | null {
  return code === null ? null : new CacheError(code, 'the memory limit is reached and nothing may be evicted')
}
