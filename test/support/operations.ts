/**
 * Operations as tests write them down, one call each, and what became of them as plain objects that may be kept and compared. Keys and values are
 * text, in UTF-8 on the way in and one character a byte on the way out.
 */
import type { Cache } from '../../src/cache/cache.ts'
import { OPERATION_DELETE, OPERATION_GET, OPERATION_SET, Operation, type Outcome } from '../../src/cache/operation.ts'
import type { ValueKind } from '../../src/lib/entry.ts'
import type { CacheError, ErrorCode } from '../../src/lib/errors.ts'
import type { Version } from '../../src/lib/version.ts'

export type Change = Partial<
  Pick<Operation, 'flags' | 'condition' | 'expiry' | 'expiryMs' | 'ack' | 'maxStaleMs' | 'kind' | 'offset' | 'ms' | 'counter' | 'writer'>
>

export function operationOf(code: number, key: string | Buffer, value: string | Buffer = '', change: Change = {}): Operation {
  return Object.assign(new Operation().reset(code).setKey(Buffer.from(key)).setValue(Buffer.from(value)), change)
}

export function setOf(key: string | Buffer, value: string | Buffer, change: Change = {}): Operation {
  return operationOf(OPERATION_SET, key, value, change)
}

export function getOf(key: string | Buffer, change: Change = {}): Operation {
  return operationOf(OPERATION_GET, key, '', change)
}

export function deleteOf(key: string | Buffer, change: Change = {}): Operation {
  return operationOf(OPERATION_DELETE, key, '', change)
}

/** An entry that was told of, copied. */
export interface ToldEntry {
  readonly key: string
  readonly value: string
  readonly kind: ValueKind
  readonly expiresAtMs: number
  readonly version: string
}

/** An outcome, copied. */
export interface Told {
  readonly error: ErrorCode | null
  readonly existed: boolean
  readonly written: boolean
  readonly entry: ToldEntry | null
  readonly length: number
  readonly idleMs: number
  readonly frequency: number
  /** Of the key; `0-0/` when nothing is known of it. */
  readonly version: string
  readonly ms: number
  readonly counter: number
  readonly writer: string
}

function tell(outcome: Outcome): Told {
  const { error, existed, written, entry, length, idleMs, frequency, ms, counter, writer } = outcome
  const told =
    entry === null
      ? null
      : {
          key: entry.keyBytes().toString('latin1'),
          value: entry.valueBytes().toString('latin1'),
          kind: entry.kind,
          expiresAtMs: entry.expiresAtMs,
          version: textOf(entry),
        }
  return { error, existed, written, entry: told, length, idleMs, frequency, version: textOf(outcome), ms, counter, writer }
}

/** What was asked of a cache, and what was answered up to now. */
export class Asked {
  times = 0
  error: CacheError | null = null
  told: Told | null = null

  /** `pending`, an error's code, or `done`. */
  get state(): string {
    if (this.times === 0) return 'pending'
    return this.error?.code ?? 'done'
  }

  readonly answer = (error: CacheError | null, outcome: Outcome | null): void => {
    this.times++
    this.error = error
    this.told = outcome === null ? null : tell(outcome)
  }
}

export function ask(cache: Pick<Cache, 'execute'>, operation: Operation): Asked {
  const asked = new Asked()
  cache.execute(operation, asked.answer)
  return asked
}

export interface AskedTransaction {
  times: number
  state: string
  /** By the index of the operation, in the order in which they were told. */
  readonly told: Map<number, Told>
}

export function askTransaction(cache: Pick<Cache, 'transact'>, operations: readonly Operation[]): AskedTransaction {
  const asked: AskedTransaction = { times: 0, state: 'pending', told: new Map() }
  cache.transact(
    operations,
    (index, outcome) => {
      if (asked.times > 0) throw new Error('an outcome after the end of its transaction')
      if (asked.told.has(index)) throw new Error(`operation ${index} was told of twice`)
      asked.told.set(index, tell(outcome))
    },
    (error) => {
      asked.times++
      asked.state = error?.code ?? 'done'
    },
  )
  return asked
}

function textOf({ ms, counter, writer }: Version): string {
  return `${ms}-${counter}/${writer}`
}
