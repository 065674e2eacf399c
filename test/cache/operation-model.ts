/**
 * What operation.ts promises, as the plainest model there is: a `Map` of plain objects and one function for each operation, written from the comments
 * of the interface alone. Versions are not foretold: the model says which keys get a new one, and is told afterwards what it was.
 */
import {
  ALWAYS,
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_KEEP,
  HEAD,
  IF_ABSENT,
  IF_EARLIER,
  IF_EXPIRING,
  IF_EXPIRING_AND_EARLIER,
  IF_LASTING,
  IF_LATER,
  IF_PRESENT,
  IF_UNCHANGED,
  IF_VERSION,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  UNLESS_VERSION,
  UNTOUCHED,
  WANT_OLD,
  WAS_LIVE,
} from '../../src/cache/operation.ts'
import { NEVER, VALUE_JSON, VALUE_STRING, type ValueKind } from '../../src/lib/entry.ts'
import type { ErrorCode } from '../../src/lib/errors.ts'
import type { Version } from '../../src/lib/version.ts'

/** What is known of a key. Values are strings of one character a byte. */
export interface Known {
  readonly value: string
  readonly kind: ValueKind
  readonly expiresAtMs: number
  readonly tombstone: boolean
  version: Version
}

export interface Expected {
  readonly error: ErrorCode | null
  readonly existed: boolean
  readonly written: boolean
  readonly entry: { readonly key: string; readonly value: string; readonly kind: ValueKind; readonly expiresAtMs: number } | null
  /** Of the entry: that which the key had before, or the new one. */
  readonly entryVersion: Version | 'new' | null
  readonly length: number
  /** Of the key: as known, new, or nothing that is promised. */
  readonly version: Version | 'new' | 'unsaid'
  /** Keys that were written, and are to be told their versions. */
  readonly changed: readonly string[]
}

const UNKNOWN: Version = { ms: 0, counter: 0, writer: '' }
/** Until it is told. */
const NOT_TOLD: Version = { ms: -1, counter: 0, writer: '' }
const INTEGER = /^(0|-?[1-9][0-9]*)$/
const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 63n - 1n

/** Either what is to be said of a write that did not happen, or the entry to be stored (`null`: to be deleted). */
type Plan =
  | { readonly error: ErrorCode }
  | { readonly unwritten: true }
  | { readonly store: Omit<Known, 'version' | 'tombstone'> | null; readonly answersNew?: boolean }

export class OperationModel {
  readonly known = new Map<string, Known>()
  readonly #maxValueBytes: number

  constructor(maxValueBytes: number) {
    this.#maxValueBytes = maxValueBytes
  }

  live(key: string, nowMs: number): Known | null {
    const known = this.known.get(key)
    if (known === undefined || known.tombstone) return null
    return known.expiresAtMs !== NEVER && known.expiresAtMs <= nowMs ? null : known
  }

  versionOf(key: string): Version {
    return this.known.get(key)?.version ?? UNKNOWN
  }

  /** The changed keys have versions that no version equals, until they are set. */
  run(operation: Operation, nowMs: number): Expected {
    const key = text(operation.key, operation.keyStart, operation.keyEnd)
    const live = this.live(key, nowMs)
    const before = this.versionOf(key)
    switch (operation.code) {
      case OPERATION_GET:
        return this.#get(operation, key, live, before)
      case OPERATION_REQUIRE:
        return unwritten(live, before, { written: this.#met(operation, key, live, nowMs) })
      case OPERATION_RENAME:
      case OPERATION_COPY:
        return this.#move(operation, key, live, before, nowMs)
    }
    const old = (operation.flags & WANT_OLD) !== 0 && live !== null ? shown(key, live) : null
    const plan = this.#plan(operation, key, live, nowMs)
    if ('error' in plan) return { ...unwritten(live, before), error: plan.error }
    const answered = { entry: old, entryVersion: old === null ? null : before }
    if ('unwritten' in plan || (plan.store === null && live === null)) return unwritten(live, before, answered)
    const stored = plan.store
    this.#store(key, stored)
    return {
      error: null,
      existed: live !== null,
      written: true,
      ...(plan.answersNew && stored !== null ? { entry: shown(key, stored), entryVersion: 'new' as const } : answered),
      length: stored?.value.length ?? 0,
      version: 'new',
      changed: [key],
    }
  }

  #get({ flags }: Operation, key: string, live: Known | null, before: Version): Expected {
    const said = (flags & (HEAD | UNTOUCHED)) !== 0 || live !== null
    const entry = live === null ? null : { ...shown(key, live), ...((flags & HEAD) !== 0 ? { value: '' } : {}) }
    return { ...unwritten(live, before, { entry, entryVersion: entry === null ? null : before }), version: said ? before : 'unsaid' }
  }

  #plan(operation: Operation, key: string, live: Known | null, nowMs: number): Plan {
    const value = text(operation.value, operation.valueStart, operation.valueEnd)
    const { code } = operation
    if (code === OPERATION_EXPIRE && live === null) return { unwritten: true }
    if (!this.#met(operation, key, live, nowMs)) return { unwritten: true }
    const kept = live?.expiresAtMs ?? NEVER
    switch (code) {
      case OPERATION_SET: {
        const expiresAtMs = expiryOf(operation, live, nowMs)
        return { store: isOver(expiresAtMs, nowMs) ? null : { value, kind: operation.kind, expiresAtMs: expiresAtMs ?? NEVER } }
      }
      case OPERATION_DELETE:
        return { store: null }
      case OPERATION_EXPIRE: {
        const expiresAtMs = expiryOf(operation, live, nowMs)
        if (isOver(expiresAtMs, nowMs)) return { store: null }
        if (expiresAtMs === null && live?.expiresAtMs === NEVER) return { unwritten: true }
        return { store: { value: live?.value ?? '', kind: live?.kind ?? VALUE_STRING, expiresAtMs: expiresAtMs ?? NEVER } }
      }
      case OPERATION_INCREMENT: {
        const stored = live?.value ?? '0'
        if (!isInteger(stored) || !isInteger(value)) return { error: 'NOT_AN_INTEGER' }
        const sum = BigInt(stored) + BigInt(value)
        if (sum < MIN_INTEGER || sum > MAX_INTEGER) return { error: 'OVERFLOW' }
        return { store: { value: String(sum), kind: VALUE_JSON, expiresAtMs: kept }, answersNew: true }
      }
      case OPERATION_APPEND:
        return this.#bounded({ value: (live?.value ?? '') + value, kind: VALUE_STRING, expiresAtMs: kept })
      case OPERATION_SET_RANGE: {
        if (value === '') return { unwritten: true }
        if (operation.offset > this.#maxValueBytes) return { error: 'VALUE_TOO_LARGE' }
        const padded = (live?.value ?? '').padEnd(operation.offset, '\0')
        const whole = padded.slice(0, operation.offset) + value + padded.slice(operation.offset + value.length)
        return this.#bounded({ value: whole, kind: VALUE_STRING, expiresAtMs: kept })
      }
    }
    throw new Error(`the model has no operation ${code}`)
  }

  #bounded(store: Omit<Known, 'version' | 'tombstone'>): Plan {
    return store.value.length > this.#maxValueBytes ? { error: 'VALUE_TOO_LARGE' } : { store }
  }

  #move(operation: Operation, key: string, live: Known | null, before: Version, nowMs: number): Expected {
    const other = text(operation.value, operation.valueStart, operation.valueEnd)
    if (live === null) return { ...unwritten(null, before), error: operation.code === OPERATION_RENAME ? 'KEY_NOT_FOUND' : null }
    const free = operation.condition === ALWAYS || this.live(other, nowMs) === null
    if (!free || other === key) return unwritten(live, before)
    const { value, kind, expiresAtMs } = live
    this.#store(other, { value, kind, expiresAtMs })
    const copied = operation.code === OPERATION_COPY
    if (!copied) this.#store(key, null)
    const changed = copied ? [other] : [key, other]
    const after = { length: copied ? value.length : 0, version: copied ? before : ('new' as const) }
    return { error: null, existed: true, written: true, entry: null, entryVersion: null, ...after, changed }
  }

  #met(operation: Operation, key: string, live: Known | null, nowMs: number): boolean {
    const named = (version: Version): boolean =>
      version.ms === operation.ms && version.counter === operation.counter && version.writer === operation.writer
    const oldMs = live === null || live.expiresAtMs === NEVER ? Number.POSITIVE_INFINITY : live.expiresAtMs
    const newMs = expiryOf(operation, live, nowMs) ?? Number.POSITIVE_INFINITY
    switch (operation.condition) {
      case ALWAYS:
        return true
      case IF_ABSENT:
        return live === null
      case IF_PRESENT:
        return live !== null
      case IF_VERSION:
        return live !== null && named(live.version)
      case UNLESS_VERSION:
        return live === null || !named(live.version)
      case IF_LASTING:
        return live !== null && live.expiresAtMs === NEVER
      case IF_EXPIRING:
        return live !== null && live.expiresAtMs !== NEVER
      case IF_LATER:
        return live !== null && newMs > oldMs
      case IF_EARLIER:
        return live !== null && newMs < oldMs
      case IF_EXPIRING_AND_EARLIER:
        return live !== null && live.expiresAtMs !== NEVER && newMs < oldMs
      case IF_UNCHANGED:
        // What is not known of has never been written, or been forgotten.
        return (!this.known.has(key) || named(this.versionOf(key))) && (live !== null) === ((operation.flags & WAS_LIVE) !== 0)
    }
    throw new Error(`the model has no condition ${operation.condition}`)
  }

  #store(key: string, stored: Omit<Known, 'version' | 'tombstone'> | null): void {
    if (stored !== null) this.known.set(key, { ...stored, tombstone: false, version: NOT_TOLD })
    else this.known.set(key, { value: '', kind: VALUE_STRING, expiresAtMs: NEVER, tombstone: true, version: NOT_TOLD })
  }
}

/** `null` for none. */
function expiryOf({ expiry, expiryMs }: Operation, live: Known | null, nowMs: number): number | null {
  if (expiry === EXPIRY_KEEP) return live === null || live.expiresAtMs === NEVER ? null : live.expiresAtMs
  if (expiry === EXPIRY_IN) return Math.max(1, Math.ceil(nowMs + expiryMs))
  if (expiry === EXPIRY_AT) return Math.max(1, Math.ceil(expiryMs))
  return null
}

function isOver(expiresAtMs: number | null, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs
}

function unwritten(live: Known | null, before: Version, change: Partial<Expected> = {}): Expected {
  const length = live?.value.length ?? 0
  const said = {
    error: null,
    existed: live !== null,
    written: false,
    entry: null,
    entryVersion: null,
    length,
    version: before,
    changed: [],
  }
  return { ...said, ...change }
}

function shown(key: string, { value, kind, expiresAtMs }: Omit<Known, 'version' | 'tombstone'>): NonNullable<Expected['entry']> {
  return { key, value, kind, expiresAtMs }
}

function isInteger(digits: string): boolean {
  if (!INTEGER.test(digits)) return false
  const number = BigInt(digits)
  return number >= MIN_INTEGER && number <= MAX_INTEGER
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end)
}
