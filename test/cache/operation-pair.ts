/**
 * A whole cache of one node and its model side by side, told the same: all that is answered and all that is held afterwards is compared.
 */
import * as assert from 'uvu/assert'
import type { ClusterCache } from '../../src/cache/cluster-cache.ts'
import { HEAD, OPERATION_REQUIRE, type Operation, UNTOUCHED } from '../../src/cache/operation.ts'
import { compareVersions, type Version } from '../../src/lib/version.ts'
import { EPOCH_MS, FakeClock } from '../support/fake-clock.ts'
import { localCache } from '../support/local-cache.ts'
import { ask, askTransaction, getOf, type Told } from '../support/operations.ts'
import { type Expected, OperationModel } from './operation-model.ts'

export const MAX_VALUE_BYTES = 64
export const KEYS = ['a', 'b', 'c'] as const
const ZERO: Version = { ms: 0, counter: 0, writer: '' }

export class Pair {
  readonly clock = new FakeClock()
  readonly cache: ClusterCache
  readonly model = new OperationModel(MAX_VALUE_BYTES)
  /** The largest version given so far. */
  last: Version = ZERO

  constructor() {
    this.cache = localCache({ clock: this.clock, limits: { maxKeyBytes: 64, maxValueBytes: MAX_VALUE_BYTES } }).cache
  }

  get nowMs(): number {
    return EPOCH_MS + Math.floor(this.clock.now())
  }

  /** Does it on both and compares all that was told, and all that is held afterwards. */
  run(operation: Operation, what: string = ''): Told | null {
    const asked = ask(this.cache, operation)
    assert.is(asked.times, 1, `${what} is answered inside the call`)
    this.compare(this.model.run(operation, this.nowMs), asked.told, asked.error?.code ?? null, what)
    this.compareAll(what)
    return asked.told
  }

  compare(expected: Expected, told: Told | null, code: string | null, what: string): void {
    if (expected.error !== null) {
      assert.is(code, expected.error, what)
      return
    }
    assert.is(code, null, what)
    if (told === null) throw new Error('no outcome')
    const { existed, written, length, entry } = expected
    const { version, ...shown } = told.entry ?? { version: '' }
    assert.equal(
      { existed: told.existed, written: told.written, length: told.length, entry: told.entry === null ? null : shown },
      { existed, written, length, entry },
      what,
    )
    assert.equal([told.idleMs, told.frequency], [-1, -1], what)
    if (expected.version !== 'new' && expected.version !== 'unsaid') assert.equal(plainVersion(told), plainVersion(expected.version), what)
    this.#adopt(expected.changed, what)
    if (expected.version === 'new') assert.ok(compareVersions(told, ZERO) > 0, what)
    if (expected.entryVersion === 'new') assert.is(version, told.version, what)
    else if (expected.entryVersion !== null) assert.is(version, textOf(expected.entryVersion), what)
  }

  /** The same as one transaction. */
  transact(operations: readonly Operation[], what: string = ''): void {
    const asked = askTransaction(this.cache, operations)
    assert.equal([asked.times, asked.state], [1, 'done'], what)
    // One transaction has one moment, but a version for each of its writes: they are compared when all is done.
    const told = [...asked.told]
    const expected: [number, Expected][] = []
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i] as Operation
      const one = this.model.run(operation, this.nowMs)
      expected.push([i, one])
      if (operation.code === OPERATION_REQUIRE && !one.written) i += operation.offset
    }
    assert.equal(
      told.map(([i, { error, existed, written, length, entry }]) => ({ i, error, existed, written, length, value: entry?.value ?? null })),
      expected.map(([i, { error, existed, written, length, entry }]) => ({
        i,
        error,
        existed,
        written,
        length,
        value: entry?.value ?? null,
      })),
      what,
    )
    this.#adopt(new Set(expected.flatMap(([, { changed }]) => changed)), what)
    this.compareAll(what)
  }

  /** Everything is held as the model has it, and nothing has another version than it had. */
  compareAll(what: string): void {
    for (const key of KEYS) {
      const { told } = ask(this.cache, getOf(key, { flags: UNTOUCHED }))
      const live = this.model.live(key, this.nowMs)
      const wanted = live === null ? null : { value: live.value, kind: live.kind, expiresAtMs: live.expiresAtMs }
      const held = told?.entry
      const { value, kind, expiresAtMs } = held ?? {}
      assert.equal(held ? { value, kind, expiresAtMs } : null, wanted, `${what}: ${key} afterwards`)
      assert.equal(plainVersion(told as Told), plainVersion(this.model.versionOf(key)), `${what}: version of ${key} afterwards`)
    }
  }

  /** The versions of what was written: above all that were given before. */
  #adopt(changed: Iterable<string>, what: string): void {
    const before = this.last
    for (const key of changed) {
      const version = plainVersion(ask(this.cache, getOf(key, { flags: HEAD })).told as Told)
      assert.ok(compareVersions(version, before) > 0, `${what}: ${textOf(version)} is not above ${textOf(before)}`)
      if (compareVersions(version, this.last) > 0) this.last = version
      const known = this.model.known.get(key)
      if (known !== undefined) known.version = version
    }
  }
}

function plainVersion({ ms, counter, writer }: Version): Version {
  return { ms, counter, writer }
}

function textOf({ ms, counter, writer }: Version): string {
  return `${ms}-${counter}/${writer}`
}
