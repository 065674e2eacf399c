/**
 * A few members of a fake network, each with a whole cache, and slots that the test deals out to them: for what concerns all members at once.
 */
import * as assert from 'uvu/assert'
import type { SlotPage } from '../../src/cache/cache.ts'
import { ClusterCache } from '../../src/cache/cluster-cache.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { loneRoster } from '../support/fake-topology.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

export const NAMES = ['a', 'b', 'c'] as const
export const TIMEOUT_MS = 5000

export class CacheFlock {
  readonly clock = new FakeClock()
  readonly network = new FakeNetwork(this.clock)
  readonly caches = new Map<string, ClusterCache>()
  /** By slot. */
  readonly holders: (string | null)[]

  constructor(names: readonly string[] = NAMES) {
    this.holders = Array.from({ length: SLOT_COUNT }, (_, slot) => names[slot % names.length] as string)
    for (const [i, name] of names.entries()) {
      const member = new FakeMember(name, this.network)
      const cache = new ClusterCache({
        clock: this.clock,
        random: new SeededRandom(i + 1),
        hybrid: member.hybrid,
        store: member.store,
        authority: member,
        calls: member,
        roster: loneRoster(name),
        name: () => name,
        limits: { maxKeyBytes: 64, maxValueBytes: 1024 },
        forwardTimeoutMs: TIMEOUT_MS,
      })
      this.caches.set(name, cache)
    }
    this.settle()
  }

  settle(): void {
    this.network.settle((slot) => this.holders[slot] as string | null)
  }

  member(name: string): FakeMember {
    return this.network.members.get(name) as FakeMember
  }

  cache(name: string): ClusterCache {
    return this.caches.get(name) as ClusterCache
  }

  holderOf(key: string): FakeMember {
    return this.member(this.holders[slotOf(Buffer.from(key))] as string)
  }

  /** Stores keys at their holders, and as copies everywhere else. */
  put(keys: readonly string[]): void {
    for (const key of keys) for (const member of this.network.members.values()) member.put(key, `value of ${key}`)
  }

  /** Runs `ask` until it has called back, once. */
  wait<T>(ask: (done: (error: CacheError | null, answer: T) => void) => void, limitMs: number = TIMEOUT_MS + 1000): T | string {
    const answers: (T | string)[] = []
    ask((error, answer) => {
      answers.push(error?.code ?? answer)
    })
    this.clock.runUntilTrue(() => answers.length > 0, limitMs, 'an answer', 1)
    this.clock.advance(20)
    assert.is(answers.length, 1, 'answered once')
    return answers[0] as T | string
  }

  size(by: string = 'a'): number | string {
    return this.wait<number>((done) => this.cache(by).size(done))
  }

  page(cursor: number, count: number, by: string = 'a'): SlotPage | string {
    return this.wait<SlotPage | null>((done) => this.cache(by).scanSlots(cursor, count, done)) as SlotPage | string
  }

  /** All keys from 0 to 0, each page through another member. `between` is called before every page but the first. */
  walk(count: number, between: () => void = () => {}): { keys: string[]; pages: number; largest: number } {
    const keys: string[] = []
    let cursor = 0
    let largest = 0
    for (let pages = 1; ; pages++) {
      assert.ok(pages < 20_000, 'it ends')
      const page = this.page(cursor, count, NAMES[pages % this.caches.size] as string)
      if (typeof page === 'string') throw new Error(page)
      largest = Math.max(largest, page.entries.length)
      keys.push(...page.entries.map((entry) => entry.keyBytes().toString()))
      assert.ok(page.cursor === 0 || page.cursor > cursor, 'it goes forward')
      assert.ok(Number.isInteger(page.cursor) && page.cursor < 2 ** 48)
      cursor = page.cursor
      if (cursor === 0) return { keys, pages, largest }
      between()
    }
  }
}

export function numbered(count: number, prefix: string = 'key:'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`)
}
