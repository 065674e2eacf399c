/**
 * A cache that is one Map: for tests of the faces. Answers at once or later, fails when told to, and hands out scans in pages of a chosen size.
 * An entry in an answer is wiped after the callback, so that a face which keeps a view of it is found out.
 */
import * as assert from 'node:assert/strict'
import type {
  Cache,
  FlushResult,
  Limits,
  OutcomeDone,
  Scan,
  ScanPage,
  ScanQuery,
  SetManyResult,
  SetRequest,
} from '../../src/cache/cache.ts'
import {
  ACK_LOCAL,
  type AckMode,
  ALWAYS,
  EXPIRY_IN,
  HEAD,
  IF_ABSENT,
  IF_PRESENT,
  IF_VERSION,
  OPERATION_DELETE,
  OPERATION_GET,
  OPERATION_SET,
  type Operation,
  type Outcome,
  operationRow,
  UNLESS_VERSION,
} from '../../src/cache/operation.ts'
import { compareBytes, endsWith, NO_BYTES, startsWith } from '../../src/lib/bytes.ts'
import { Entry, VALUE_STRING, type ValueKind } from '../../src/lib/entry.ts'
import { CacheError } from '../../src/lib/errors.ts'
import { FakeTopology } from './fake-topology.ts'

interface Held {
  readonly key: Buffer
  readonly value: Buffer
  readonly kind: ValueKind
  readonly ttlMs: number | null
  /** Of its version: 1 for the first write. */
  readonly counter: number
}

/** Of every version: a moment in 1970, and the writer. */
export const FAKE_MS = 1000
export const FAKE_WRITER = 'fake'

const WIPED = 0x58

export class FakeCache implements Cache {
  readonly limits: Limits
  readonly topology = new FakeTopology()
  readonly alone = true
  readonly nowMs = FAKE_MS
  readonly held = new Map<string, Held>()
  /** Answers come in a later turn of the event loop. */
  later = false
  /** Every call is answered with this. */
  failure: CacheError | null = null
  /** Keys that cannot be written. */
  readonly broken = new Set<string>()
  /** Keys whose writes nobody confirms. */
  readonly unconfirmed = new Set<string>()
  /** What was asked of all that write, in order. */
  readonly acks: AckMode[] = []
  /** Entries of a scan's page. */
  pageSize = 1000
  /** The page, counted from 0, that a scan answers with an error. */
  failingPage = -1
  /** Scans that were opened and are neither through nor closed. */
  openScans = 0
  readonly scans: ScanQuery[] = []
  pagesServed = 0
  readonly holderVersion = 0
  /** Operations executed, reads included. */
  executed = 0
  /** Members that a flush does not reach. */
  unreached: readonly string[] = []
  /** Called before an operation is executed: for what happens between two of them. */
  before: (operation: Operation) => void = () => {}
  #writes = 0
  #held: (() => void)[] | null = null

  constructor(limits: Limits = { maxKeyBytes: 64, maxValueBytes: 4096 }) {
    this.limits = limits
  }

  put(key: string | Buffer, value: string | Buffer, kind: ValueKind = VALUE_STRING): void {
    const bytes = Buffer.from(key as string)
    this.held.set(bytes.toString('latin1'), { key: bytes, value: Buffer.from(value as string), kind, ttlMs: null, counter: ++this.#writes })
  }

  /** Answers wait until `release()`. */
  hold(): void {
    this.#held = []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const answer of held) answer()
  }

  get waiting(): number {
    return this.#held?.length ?? 0
  }

  execute(operation: Operation, done: OutcomeDone): void {
    const copy = operation.copy()
    this.#answer(() => {
      this.before(copy)
      this.executed++
      if (operationRow(copy.code)?.writes === true) this.acks.push(copy.ack)
      if (this.failure !== null) done(this.failure, null)
      else this.#execute(copy, done)
    })
  }

  /** Everything goes through `execute`. */
  executeRun(): number {
    return 0
  }

  setMany(requests: readonly SetRequest[], done: (error: CacheError | null, result: SetManyResult | null) => void): void {
    const copies = requests.map((request) => ({ ...request, key: Buffer.from(request.key), value: Buffer.from(request.value) }))
    this.#answer(() => {
      if (this.failure !== null) {
        done(this.failure, null)
        return
      }
      const failed: Buffer[] = []
      const unconfirmed: Buffer[] = []
      let error: CacheError | null = null
      for (const copy of copies) {
        this.acks.push(copy.ack ?? ACK_LOCAL)
        const name = copy.key.toString()
        if (this.broken.has(name)) error ??= new CacheError('TRY_AGAIN', 'no member could answer')
        else {
          this.held.set(copy.key.toString('latin1'), { ...copy, counter: ++this.#writes })
          if (!this.unconfirmed.has(name)) continue
          error ??= new CacheError('NOT_CONFIRMED', 'nobody confirmed it')
          unconfirmed.push(copy.key)
        }
        failed.push(copy.key)
      }
      done(null, { set: copies.length - failed.length, failed, unconfirmed, error })
    })
  }

  flush(done: (error: CacheError | null, result: FlushResult | null) => void): void {
    this.#answer(() => {
      if (this.failure !== null) {
        done(this.failure, null)
        return
      }
      this.held.clear()
      done(null, { unreached: this.unreached })
    })
  }

  transact(): void {
    assert.fail('transactions are not faked')
  }

  scanSlots(): void {
    assert.fail('walks in the order of slots are not faked')
  }

  size(): void {
    assert.fail('the size is not faked')
  }

  randomKey(): void {
    assert.fail('random keys are not faked')
  }

  publish(): void {
    assert.fail('messages are not faked')
  }

  confirm(_slots: Iterable<number>, _since: number, _wanted: number, _timeoutMs: number, done: (replicas: number) => void): void {
    done(0)
  }

  subscribe(): () => void {
    assert.fail('messages are not faked')
  }

  scan(query: ScanQuery): Scan {
    this.scans.push(query)
    const entries = this.#matching(query)
    let page = 0
    let open = true
    const end = (): void => {
      if (open) this.openScans--
      open = false
    }
    this.openScans++
    return {
      next: (done) => {
        this.#answer(() => {
          if (!open) return
          this.pagesServed++
          if (this.failure !== null || page === this.failingPage) {
            end()
            done(this.failure ?? new CacheError('TRY_AGAIN', 'a member was lost'), null)
            return
          }
          const from = page++ * this.pageSize
          const answer: ScanPage = { entries: entries.slice(from, from + this.pageSize), done: from + this.pageSize >= entries.length }
          if (answer.done) end()
          done(null, answer)
        })
      },
      close: end,
    }
  }

  #execute(operation: Operation, done: OutcomeDone): void {
    const key = Buffer.from(operation.key.subarray(operation.keyStart, operation.keyEnd))
    const name = key.toString('latin1')
    const old = this.held.get(name)
    const met = isMet(operation, old)
    switch (operation.code) {
      case OPERATION_GET: {
        const wantsValue = (operation.flags & HEAD) === 0
        if (old === undefined) done(null, outcomeOf(undefined, { existed: false, written: false, entry: null }))
        else lend(old, wantsValue, (entry) => done(null, outcomeOf(old, { existed: true, written: false, entry })))
        return
      }
      case OPERATION_SET: {
        const ttlMs = operation.expiry === EXPIRY_IN ? operation.expiryMs : null
        const value = Buffer.from(operation.value.subarray(operation.valueStart, operation.valueEnd))
        if (met) this.held.set(name, { key, value, kind: operation.kind, ttlMs, counter: ++this.#writes })
        break
      }
      case OPERATION_DELETE:
        if (met) this.held.delete(name)
        break
      default:
        assert.fail(`the operation ${operation.code} is not faked`)
    }
    done(null, outcomeOf(this.held.get(name), { existed: old !== undefined, written: met, entry: null }))
  }

  #matching(query: ScanQuery): Entry[] {
    const { prefix, suffix, after, values } = query
    return [...this.held.values()]
      .filter(({ key }) => startsWith(key, 0, key.length, prefix) && endsWith(key, 0, key.length, suffix))
      .filter(({ key }) => after === null || compareBytes(key, 0, key.length, after, 0, after.length) > 0)
      .sort((a, b) => Buffer.compare(a.key, b.key))
      .map((one) => entryOf(one, values ? one.value : NO_BYTES))
  }

  #answer(fn: () => void): void {
    if (this.#held !== null) this.#held.push(fn)
    else if (this.later) setImmediate(fn)
    else fn()
  }
}

function entryOf(held: Held, value: Buffer): Entry {
  const entry = new Entry().setKey(held.key).setValue(value)
  entry.kind = held.kind
  entry.setVersion(FAKE_MS, held.counter, FAKE_WRITER)
  return entry
}

function isMet({ condition, counter }: Operation, old: Held | undefined): boolean {
  switch (condition) {
    case ALWAYS:
      return true
    case IF_ABSENT:
      return old === undefined
    case IF_PRESENT:
      return old !== undefined
    case IF_VERSION:
      return old?.counter === counter
    case UNLESS_VERSION:
      return old?.counter !== counter
    default:
      assert.fail(`the condition ${condition} is not faked`)
  }
}

function outcomeOf(held: Held | undefined, fields: Pick<Outcome, 'existed' | 'written' | 'entry'>): Outcome {
  const version = held === undefined ? { ms: 0, counter: 0, writer: '' } : { ms: FAKE_MS, counter: held.counter, writer: FAKE_WRITER }
  return { error: null, length: held?.value.length ?? 0, idleMs: -1, frequency: -1, ...version, ...fields }
}

/** An entry amid other bytes, as the store has it, for the length of one call. */
function lend(held: Held, wantsValue: boolean, use: (entry: Entry) => void): void {
  const value = wantsValue ? held.value : NO_BYTES
  const bytes = Buffer.concat([Buffer.from([WIPED]), value, Buffer.from([WIPED])])
  const entry = entryOf(held, NO_BYTES).setValue(bytes, 1, 1 + value.length)
  use(entry)
  bytes.fill(WIPED)
}
