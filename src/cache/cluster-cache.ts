/**
 * The cache of a cluster: checks the limits, finds the slot, and answers here or lets the forwarder, a walk or a gathering find who can.
 */
import type { Clock } from '../lib/clock.ts'
import { CacheError } from '../lib/errors.ts'
import type { HybridClock } from '../lib/hybrid-clock.ts'
import type { Random } from '../lib/random.ts'
import type { RequestRun } from '../lib/request-run.ts'
import { slotOf } from '../lib/slot.ts'
import type { Store } from '../store/index.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { BatchSender } from './batch-sender.ts'
import { BatchServer } from './batch-server.ts'
import type { Cache, FlushResult, Limits, OutcomeDone, Scan, ScanQuery, SetManyResult, SetRequest, SlotPage, Subscriber } from './cache.ts'
import { ClusterTopology } from './cluster-topology.ts'
import { OperationErrand, TransactionErrand } from './errand.ts'
import { type Each, Executor, giveOutcome, minority } from './executor.ts'
import { CONFIRM_SHARE, Forwarder, type ForwarderStats } from './forwarder.ts'
import { Gathering } from './gathering.ts'
import {
  ACK_LOCAL,
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_NONE,
  MAX_EXPIRY_MS,
  OPERATION_DELETE,
  OPERATION_DESCRIBE,
  OPERATION_GET,
  OPERATION_SET,
  Operation,
  operationRow,
} from './operation.ts'
import { Operations } from './operations.ts'
import { PlainRuns, type RunAnswers } from './plain-runs.ts'
import { Planner } from './planner.ts'
import type { Roster } from './roster.ts'
import { Scatter } from './scatter.ts'
import { SlotWalk } from './slot-walk.ts'
import type { Topology } from './topology.ts'

export interface ClusterCacheOptions {
  readonly clock: Clock
  readonly random: Random
  readonly hybrid: HybridClock
  readonly store: Store
  readonly authority: Authority
  readonly calls: CacheCalls
  readonly roster: Roster
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
  /** Operations of all other kinds, those in transactions included. */
  readonly otherOperationsTotal: number
  readonly transactionsTotal: number
  /** Reads that were allowed to be stale, at members that are not the primary: answered from a copy there, or forwarded. */
  readonly replicaReadsServedTotal: number
  readonly replicaReadsForwardedTotal: number
}

/** Of many writes, those that are done before anything else may be. */
const SET_SLICE = 500
/** The same for those that are only looked at. */
const CHECK_SLICE = 5000

export class ClusterCache implements Cache {
  readonly limits: Limits
  readonly topology: Topology
  readonly #clock: Clock
  readonly #hybrid: HybridClock
  readonly #authority: Authority
  readonly #operations: Operations
  readonly #plainRuns: PlainRuns
  readonly #executor: Executor
  readonly #confirmMs: number
  readonly #forwarder: Forwarder
  readonly #batches: BatchSender
  readonly #batchServer: BatchServer
  readonly #scatter: Scatter
  readonly #slotWalk: SlotWalk
  readonly #gathering: Gathering
  #getsTotal = 0
  #hitsTotal = 0
  #setsTotal = 0
  #deletesTotal = 0
  #otherOperationsTotal = 0
  #transactionsTotal = 0
  #replicaReadsServedTotal = 0
  #replicaReadsForwardedTotal = 0

  constructor(options: ClusterCacheOptions) {
    const { clock, random, hybrid, store, authority, calls, forwardTimeoutMs, limits } = options
    const planner = new Planner(clock, calls, authority, forwardTimeoutMs)
    this.#clock = clock
    this.limits = limits
    this.topology = new ClusterTopology({ name: options.name(), clock, hybrid, store, authority, calls, roster: options.roster })
    this.#hybrid = hybrid
    this.#authority = authority
    this.#operations = new Operations(store, authority, hybrid, options.name, limits.maxValueBytes)
    this.#plainRuns = new PlainRuns(store, authority, hybrid, options.name)
    this.#executor = new Executor(this.#operations, authority)
    this.#confirmMs = forwardTimeoutMs * CONFIRM_SHARE
    this.#forwarder = new Forwarder(clock, calls, authority, this.#executor, forwardTimeoutMs)
    this.#batches = new BatchSender({
      clock,
      calls,
      forwarder: this.#forwarder,
      timeoutMs: forwardTimeoutMs,
      errandOf: (operation, slot, done) => this.#errandOf(operation, slot, done),
      hit: () => {
        this.#hitsTotal++
      },
    })
    this.#batchServer = new BatchServer(calls, authority, this.#executor, new PlainRuns(store, authority, hybrid, options.name))
    this.#scatter = new Scatter(clock, hybrid, calls, authority, planner, store, forwardTimeoutMs)
    this.#slotWalk = new SlotWalk(clock, hybrid, calls, authority, planner, store)
    this.#gathering = new Gathering(clock, hybrid, random, calls, authority, planner, store)
  }

  get alone(): boolean {
    return this.#authority.others().length === 0
  }

  get holderVersion(): number {
    return this.#authority.holderVersion
  }

  get nowMs(): number {
    return this.#hybrid.physicalMs()
  }

  execute(operation: Operation, done: OutcomeDone): void {
    const refusal = this.#check(operation)
    if (refusal !== null) {
      done(refusal, null)
      return
    }
    const slot = slotOf(operation.key, operation.keyStart, operation.keyEnd)
    if (operationRow(operation.code)?.twoKeys && !this.#mayCombine(operation, slot)) {
      done(crossSlot(), null)
      return
    }
    this.#count(operation)
    if (!this.#isWhollyHere(slot) && !this.#mayReadHere(operation, slot)) {
      this.#forward(operation, slot, done)
      return
    }
    if (operation.ack !== ACK_LOCAL) {
      this.#executor.run(operation, slot, this.#confirmMs, done)
      return
    }
    const outcome = this.#operations.run(operation, slot)
    if (operation.code === OPERATION_GET && outcome.existed) this.#hitsTotal++
    giveOutcome(outcome, done)
  }

  executeRun(run: RequestRun, answers: RunAnswers): number {
    return this.#plainRuns.execute(run, answers)
  }

  transact(operations: readonly Operation[], each: Each, done: (error: CacheError | null) => void): void {
    let slot = -1
    let here = true
    let oneSlot = true
    for (const operation of operations) {
      const refusal = this.#check(operation)
      if (refusal !== null) {
        done(refusal)
        return
      }
      const own = slotOf(operation.key, operation.keyStart, operation.keyEnd)
      const second = operationRow(operation.code)?.twoKeys ? secondSlot(operation) : own
      if (second !== own) {
        oneSlot = false
        here &&= this.#isWhollyHere(second)
      }
      if (slot === -1) slot = own
      else if (own !== slot) oneSlot = false
      here &&= this.#isWhollyHere(own)
    }
    if (slot === -1) {
      done(null)
      return
    }
    if (!oneSlot && !this.alone) {
      done(crossSlot())
      return
    }
    if (!oneSlot && !here) {
      done(new CacheError('TRY_AGAIN', 'this member does not serve all slots yet'))
      return
    }
    this.#transactionsTotal++
    for (const operation of operations) this.#count(operation)
    here ||= operations.every((operation) => this.#mayReadHere(operation, slot))
    const list = here ? operations : operations.map((operation) => operation.copy())
    const counted: Each = (index, outcome) => {
      if (list[index]?.code === OPERATION_GET && outcome.existed) this.#hitsTotal++
      each(index, outcome)
    }
    const errand = new TransactionErrand(list, slot, this.#executor, counted, done)
    if (here) errand.execute(this.#confirmMs)
    else this.#forwarder.run(errand)
  }

  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void {
    const scratch = new Operation()
    const checkFrom = (from: number): void => {
      const end = Math.min(requests.length, from + CHECK_SLICE)
      for (let i = from; i < end; i++) {
        const refusal = this.#check(setOf(scratch, requests[i] as SetRequest))
        if (refusal === null) continue
        done(refusal, null)
        return
      }
      if (end < requests.length) this.#clock.soon(() => checkFrom(end))
      else this.#setChecked(requests, done)
    }
    checkFrom(0)
  }

  #setChecked(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void {
    let open = requests.length
    let set = 0
    let firstError: CacheError | null = null
    const errors: (CacheError | null)[] = []
    const keysOf = (of: (error: CacheError) => boolean): Buffer[] =>
      requests.filter((_, i) => errors[i] != null && of(errors[i])).map(({ key }) => key)
    const finish = (): void => {
      if (open > 0) return
      const unconfirmed = keysOf(({ code }) => code === 'NOT_CONFIRMED')
      done(null, { set, failed: keysOf(() => true), unconfirmed, error: firstError })
    }
    finish()
    const executeFrom = (from: number): void => {
      const end = from + SET_SLICE
      for (const [i, request] of requests.slice(from, end).entries()) {
        this.execute(setOf(new Operation(), request), (error) => {
          errors[from + i] = error
          if (error === null) set++
          else firstError ??= error
          open--
          finish()
        })
      }
      if (end < requests.length) this.#clock.soon(() => executeFrom(end))
    }
    executeFrom(0)
  }

  scan(query: ScanQuery): Scan {
    return this.#scatter.scan(query)
  }

  scanSlots(cursor: number, count: number, done: (error: CacheError | null, page: SlotPage | null) => void): void {
    this.#slotWalk.page(cursor, count, done)
  }

  size(done: (error: CacheError | null, keys: number) => void): void {
    this.#gathering.size(done)
  }

  randomKey(done: (error: CacheError | null, key: Buffer | null) => void): void {
    this.#gathering.randomKey(done)
  }

  flush(done: (error: CacheError | null, result: FlushResult | null) => void): void {
    if (this.#authority.refusesWrites) done(minority(), null)
    else this.#gathering.flush(done)
  }

  publish(channel: Buffer, message: Buffer, done: (error: CacheError | null, receivers: number) => void): void {
    this.#gathering.publish(channel, message, done)
  }

  confirm(slots: Iterable<number>, since: number, wanted: number, timeoutMs: number, done: (replicas: number) => void): void {
    this.#gathering.confirm(slots, since, wanted, timeoutMs, done)
  }

  subscribe(subscriber: Subscriber): () => void {
    return this.#gathering.subscribe(subscriber)
  }

  /** Routes may have changed: what waits looks again. */
  routesChanged(): void {
    this.#forwarder.wake()
  }

  close(): void {
    this.#forwarder.close()
    this.#batches.close()
  }

  stats(): CacheStats {
    const forwarder = this.#forwarder.stats()
    return {
      ...forwarder,
      forwardedTotal: forwarder.forwardedTotal + this.#batches.sentTotal,
      refusedTotal: forwarder.refusedTotal + this.#batchServer.refusedTotal,
      getsTotal: this.#getsTotal + this.#plainRuns.getsTotal,
      hitsTotal: this.#hitsTotal + this.#plainRuns.hitsTotal,
      setsTotal: this.#setsTotal + this.#plainRuns.setsTotal,
      deletesTotal: this.#deletesTotal,
      otherOperationsTotal: this.#otherOperationsTotal,
      transactionsTotal: this.#transactionsTotal,
      replicaReadsServedTotal: this.#replicaReadsServedTotal,
      replicaReadsForwardedTotal: this.#replicaReadsForwardedTotal,
    }
  }

  #forward(operation: Operation, slot: number, done: OutcomeDone): void {
    const route = this.#authority.route(slot)
    if (route !== null && route !== 'here' && this.#batches.send(operation, slot, route, done)) return
    this.#forwarder.run(this.#errandOf(operation.copy(), slot, done))
  }

  /** `operation` has bytes of its own. */
  #errandOf(operation: Operation, slot: number, done: OutcomeDone): OperationErrand {
    const counted: OutcomeDone = (error, outcome) => {
      if (operation.code === OPERATION_GET && outcome?.existed) this.#hitsTotal++
      done(error, outcome)
    }
    return new OperationErrand(operation, slot, this.#executor, counted)
  }

  /** Executed here, and nothing of it is elsewhere only. */
  #isWhollyHere(slot: number): boolean {
    return this.#authority.executes(slot) && !this.#authority.lacks(slot)
  }

  /** Whether a slot's copy here may answer in its primary's place. What has expired is hidden there too; it stays until the primary says that it is gone. */
  #mayReadHere({ code, maxStaleMs }: Operation, slot: number): boolean {
    if (maxStaleMs === 0 || (code !== OPERATION_GET && code !== OPERATION_DESCRIBE)) return false
    if (this.#authority.staleMs(slot) > maxStaleMs) {
      this.#replicaReadsForwardedTotal++
      return false
    }
    this.#replicaReadsServedTotal++
    return true
  }

  /** Whether an operation on two keys can be atomic: both in one slot, or every slot here. */
  #mayCombine(operation: Operation, slot: number): boolean {
    const second = secondSlot(operation)
    return second === slot || (this.alone && this.#authority.executes(second))
  }

  #count({ code }: Operation): void {
    if (code === OPERATION_GET) this.#getsTotal++
    else if (code === OPERATION_SET) this.#setsTotal++
    else if (code === OPERATION_DELETE) this.#deletesTotal++
    else this.#otherOperationsTotal++
  }

  #check(operation: Operation): CacheError | null {
    const { code, keyStart, keyEnd, valueStart, valueEnd, expiry } = operation
    const { maxKeyBytes, maxValueBytes } = this.limits
    const keyBytes = keyEnd - keyStart
    if (keyBytes > maxKeyBytes || keyBytes === 0) return keyRefusal(keyBytes, maxKeyBytes)
    if (code === OPERATION_GET) return null
    // Here and not at the primary alone: that may be on the other side, and the write would wait for it.
    if (this.#authority.refusesWrites && operationRow(code)?.writes) return minority()
    const valueBytes = valueEnd - valueStart
    if (operationRow(code)?.twoKeys && (valueBytes > maxKeyBytes || valueBytes === 0)) return keyRefusal(valueBytes, maxKeyBytes)
    if (valueBytes > maxValueBytes)
      return new CacheError('VALUE_TOO_LARGE', `the value has ${valueBytes} bytes, over the limit of ${maxValueBytes}`)
    if (expiry === EXPIRY_NONE) return null
    return this.#checkExpiry(operation)
  }

  #checkExpiry({ code, expiry, expiryMs }: Operation): CacheError | null {
    if (expiry !== EXPIRY_IN && expiry !== EXPIRY_AT) return null
    const from = expiry === EXPIRY_IN ? this.#hybrid.physicalMs() : 0
    // An expiry that has passed deletes; to store something that is over at once is a mistake.
    const positive = code !== OPERATION_SET || expiry === EXPIRY_AT || expiryMs > 0
    if (positive && from + expiryMs <= MAX_EXPIRY_MS && expiryMs >= -MAX_EXPIRY_MS) return null
    return new CacheError('TTL_INVALID', `the time to live is above 0 and at most ${MAX_EXPIRY_MS - Math.floor(from)} ms`)
  }
}

function secondSlot({ value, valueStart, valueEnd }: Operation): number {
  return slotOf(value, valueStart, valueEnd)
}

function crossSlot(): CacheError {
  return new CacheError('CROSS_SLOT', "Keys in request don't hash to the same slot")
}

function keyRefusal(bytes: number, maxKeyBytes: number): CacheError {
  return new CacheError('KEY_INVALID', bytes === 0 ? 'the key is empty' : `the key has ${bytes} bytes, over the limit of ${maxKeyBytes}`)
}

function setOf(operation: Operation, { key, value, kind, ttlMs, ack = ACK_LOCAL }: SetRequest): Operation {
  operation.reset(OPERATION_SET).setKey(key).setValue(value)
  operation.kind = kind
  operation.ack = ack
  return ttlMs === null ? operation : operation.setExpiry(EXPIRY_IN, ttlMs)
}
