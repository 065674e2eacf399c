/**
 * A trial: one store under test beside the plainest model there is, a `Map` of plain objects, with every step taken on both and compared.
 *
 * What a store may choose for itself the model does not foretell but follows: which entry is evicted it learns from `onDrop`, and checks that it
 * was there, for that reason, at that moment. Two walks may be under way while the content changes, a search and a slot scan; the trial keeps
 * for each which keys have stayed since it began, since those it must meet.
 */
import * as assert from 'uvu/assert'
import { Entry, NEVER } from '../../src/lib/entry.ts'
import { compareStamps, compareVersions, type Stamp, type Version } from '../../src/lib/version.ts'
import type { DropReason, EvictionPolicy, ScanToken, Store, StoreOptions } from '../../src/store/store.ts'
import { embedded, fill, type Held, latin1, read, slotOfKey } from './held.ts'

export type MakeStore = (options: StoreOptions) => Store

export interface TrialOptions {
  readonly maxMemoryBytes: number
  readonly evictionPolicy: EvictionPolicy
  /** True if the limit is meant to be reached. */
  readonly tight: boolean
}

export const START_MS = 1_767_225_600_000
export const TOMBSTONE_MS = 50

interface SearchWalk {
  readonly prefix: string
  readonly suffix: string
  after: string | null
  stayed: Set<string>
  readonly met: Set<string>
}

interface ScanWalk {
  readonly slot: number
  token: ScanToken | null
  stayed: Set<string>
  readonly met: Set<string>
}

export class Trial {
  readonly store: Store
  readonly held = new Map<string, Held>()
  readonly #options: TrialOptions
  readonly #emptyBytes: number
  now = START_MS
  /** What is being done, for `onDrop` to judge by. */
  #doing:
    | { readonly what: 'apply'; readonly key: string }
    | { readonly what: 'sweep'; readonly mayDrop: (slot: number) => boolean }
    | null = null
  #drops = 0
  #evicted = 0
  #expired = 0
  #search: SearchWalk | null = null
  #scan: ScanWalk | null = null
  /** Both ways: equal content has one digest, and one digest one content. */
  readonly #digestOf = new Map<string, string>()
  readonly #contentOf = new Map<string, string>()
  readonly #slots = new Set<number>()

  constructor(make: MakeStore, options: TrialOptions) {
    this.#options = options
    this.store = make({
      maxMemoryBytes: options.maxMemoryBytes,
      evictionPolicy: options.evictionPolicy,
      tombstoneMs: TOMBSTONE_MS,
      onDrop: (entry, slot, reason) => this.#onDrop(entry, slot, reason),
    })
    this.#emptyBytes = this.store.stats().bytes
  }

  apply(next: Held): void {
    const entry = fill(new Entry(), next)
    this.#apply(next, entry)
  }

  /** Applies under key `to` a value that lies in the store's own bytes: those of `from`, the key's or the value's. */
  applyWindow(from: string, to: string, part: 'key' | 'value', version: Version): void {
    const source = new Entry()
    const target = new Entry()
    if (!this.#peek(from, source) || !this.#peek(to, target)) return
    const next: Held = {
      key: to,
      value: (part === 'key' ? source.keyBytes() : source.valueBytes()).toString('latin1'),
      kind: 0,
      tombstone: false,
      expiresAtMs: NEVER,
      ms: version.ms,
      counter: version.counter,
      writer: version.writer,
    }
    const entry = new Entry().setKey(target.key, target.keyStart, target.keyEnd).setVersion(version.ms, version.counter, version.writer)
    if (part === 'key') entry.setValue(source.key, source.keyStart, source.keyEnd)
    else entry.setValue(source.value, source.valueStart, source.valueEnd)
    this.#apply(next, entry)
  }

  get(key: string): void {
    const held = this.held.get(key)
    const { bytes, start, end } = embedded(key)
    const entry = new Entry()
    const found = this.store.get(bytes, start, end, this.now, entry)
    assert.is(found, held !== undefined && this.#isLive(held), `get ${JSON.stringify(key)}`)
    if (found) assert.equal(read(entry), held)
    else assert.equal(entry, new Entry(), 'a miss leaves the entry untouched')
  }

  peek(key: string): void {
    const entry = new Entry()
    const found = this.#peek(key, entry)
    assert.is(found, this.held.has(key), `peek ${JSON.stringify(key)}`)
    if (found) assert.equal(read(entry), this.held.get(key))
  }

  drop(key: string, version: Version): void {
    const held = this.held.get(key)
    const { bytes, start, end } = embedded(key)
    const dropped = this.store.drop(bytes, start, end, version)
    assert.is(dropped, held !== undefined && compareVersions(held, version) === 0, `drop ${JSON.stringify(key)}`)
    if (dropped) this.held.delete(key)
    this.check()
  }

  /** Which of the slot's entries go, where not all do, is the store's choice. */
  dropSlot(slot: number, most: number = Number.MAX_SAFE_INTEGER): void {
    const keys = [...this.held.keys()].filter((key) => slotOfKey(key) === slot)
    const dropped = this.store.dropSlot(slot, most)
    assert.is(dropped, Math.min(most, keys.length), `of ${keys.length} entries of slot ${slot}, ${most} at the most`)
    const entry = new Entry()
    for (const key of keys) if (dropped === keys.length || !this.#peek(key, entry)) this.held.delete(key)
    this.check()
  }

  clear(): void {
    this.store.clear()
    this.held.clear()
    this.check()
  }

  raiseFloor(stamp: Stamp): void {
    const before = this.store.floor
    this.store.raiseFloor(stamp, this.now)
    const { ms, counter } = compareStamps(stamp, before) > 0 ? stamp : before
    assert.equal(this.store.floor, { ms, counter }, 'the floor never falls')
    for (const [key, held] of this.held) if (compareStamps(held, stamp) <= 0) this.held.delete(key)
    this.check()
  }

  randomKey(mayPick: (slot: number) => boolean): void {
    const entry = new Entry()
    const found = this.store.randomKey(this.now, mayPick, entry)
    const eligible = [...this.held.values()].filter((held) => this.#isLive(held) && mayPick(slotOfKey(held.key)))
    assert.is(found, eligible.length > 0, 'a random key is found where there is one')
    if (found) assert.ok(eligible.includes(this.held.get(read(entry).key) as Held), 'a random key is live, of a slot that may be picked')
    if (found) assert.equal(read(entry), this.held.get(read(entry).key))
    else assert.equal(entry, new Entry(), 'a miss leaves the entry untouched')
  }

  describe(key: string): void {
    const held = this.held.get(key)
    const { bytes, start, end } = embedded(key)
    const facts = this.store.describe(bytes, start, end, this.now)
    assert.is(facts !== null, held !== undefined && this.#isLive(held), `describe ${JSON.stringify(key)}`)
    if (facts === null || held === undefined) return
    assert.ok(facts.bytes > held.key.length + held.value.length, `${facts.bytes} bytes are said to be all that it takes`)
    assert.ok(facts.bytes <= this.store.stats().bytes)
    assert.is(facts.frequency, null, 'no policy here goes by frequency')
    assert.ok(facts.idleMs !== null && facts.idleMs >= 0 && facts.idleMs <= this.now - START_MS)
  }

  wait(ms: number): void {
    this.now += ms
    this.check()
  }

  sweep(maxSteps: number, mayDrop: (slot: number) => boolean): void {
    const before = this.#drops
    this.#doing = { what: 'sweep', mayDrop }
    const gone = this.store.sweep(this.now, maxSteps, mayDrop)
    this.#doing = null
    assert.is(gone, this.#drops - before, 'sweep tells how many went')
    assert.ok(gone <= maxSteps, 'sweep looks at no more than it may')
    this.check()
  }

  /** Sweeps for two rounds: nothing that is due is left. */
  sweepAll(maxSteps: number): void {
    const twoRounds = 2 * this.held.size
    for (let looked = 0; looked < twoRounds; looked += maxSteps) this.sweep(maxSteps, () => true)
    for (const held of this.held.values()) assert.not.ok(this.#isDue(held), `${JSON.stringify(held.key)} is due and was not swept`)
  }

  /** Begins a search, abandoning the one under way. */
  beginSearch(prefix: string, suffix: string, after: string | null): void {
    const stayed = new Set<string>()
    for (const held of this.held.values()) {
      const { key } = held
      if (this.#isLive(held) && key.startsWith(prefix) && key.endsWith(suffix) && (after === null || key > after)) stayed.add(key)
    }
    this.#search = { prefix, suffix, after, stayed, met: new Set() }
  }

  /** One page of the search under way; false if there is none, or it is through. */
  searchPage(maxSteps: number, take: number): boolean {
    const walk = this.#search
    if (walk === null) return false
    const page: string[] = []
    let last = walk.after
    const query = { prefix: latin1(walk.prefix), suffix: latin1(walk.suffix), after: walk.after === null ? null : latin1(walk.after) }
    const stoppedAt = this.store.search(query, this.now, maxSteps, (entry, slot) => {
      const shown = read(entry)
      const held = this.held.get(shown.key)
      assert.equal(shown, held, 'search shows what is held')
      assert.ok(held !== undefined && this.#isLive(held), 'search shows live entries only')
      assert.ok(shown.key.startsWith(walk.prefix) && shown.key.endsWith(walk.suffix), 'search shows what was asked for')
      assert.ok(last === null || shown.key > last, 'search ascends')
      assert.is(slot, slotOfKey(shown.key))
      last = shown.key
      page.push(shown.key)
      walk.met.add(shown.key)
      return page.length < take
    })
    assert.ok(page.length <= Math.min(take, maxSteps), 'a page is bounded by its visitor and by its steps')
    const reached = stoppedAt?.toString('latin1') ?? null
    for (const key of walk.stayed) {
      if (reached === null || key <= reached) assert.ok(walk.met.has(key), `search passed over ${JSON.stringify(key)}`)
    }
    if (reached === null) {
      this.#search = null
      return false
    }
    assert.ok(walk.after === null || reached > walk.after, 'every page gets on')
    assert.ok(last === null || reached >= last, 'what was shown is not shown again')
    if (page.length === take) assert.is(reached, last, 'a visitor that has enough stops the search where it is')
    walk.after = reached
    return true
  }

  /** Begins a scan of a slot, abandoning the one under way. */
  beginScan(slot: number): void {
    this.#scan = { slot, token: null, stayed: new Set([...this.held.keys()].filter((key) => slotOfKey(key) === slot)), met: new Set() }
  }

  /** One page of the scan under way; false if there is none, or it is through. */
  scanPage(take: number): boolean {
    const walk = this.#scan
    if (walk === null) return false
    let taken = 0
    walk.token = this.store.scanSlot(walk.slot, walk.token, (entry) => {
      const shown = read(entry)
      assert.equal(shown, this.held.get(shown.key), 'a scan shows what is held')
      assert.is(slotOfKey(shown.key), walk.slot)
      walk.met.add(shown.key)
      return ++taken < take
    })
    assert.ok(taken <= take)
    if (walk.token !== null) return true
    for (const key of walk.stayed) assert.ok(walk.met.has(key), `the scan passed over ${JSON.stringify(key)}`)
    this.#scan = null
    return false
  }

  /** Everything that can be compared after any step. */
  check(): void {
    const { entries, tombstones, bytes, maxBytes, evictedTotal, expiredTotal } = this.store.stats()
    let heldTombstones = 0
    let payload = 0
    const contents = new Map<number, string[]>()
    const live = new Map<number, number>()
    for (const slot of this.#slots) contents.set(slot, [])
    for (const held of this.held.values()) {
      if (held.tombstone) heldTombstones++
      payload += held.key.length + held.value.length
      const slot = slotOfKey(held.key)
      this.#slots.add(slot)
      if (!held.tombstone) live.set(slot, (live.get(slot) ?? 0) + 1)
      const line = JSON.stringify([held.key, held.ms, held.counter, held.writer, held.tombstone])
      const lines = contents.get(slot)
      if (lines === undefined) contents.set(slot, [line])
      else lines.push(line)
    }
    assert.equal({ entries, tombstones }, { entries: this.held.size - heldTombstones, tombstones: heldTombstones })
    assert.equal({ evictedTotal, expiredTotal }, { evictedTotal: this.#evicted, expiredTotal: this.#expired })
    assert.is(maxBytes, this.#options.maxMemoryBytes)
    assert.ok(bytes <= maxBytes, `${bytes} bytes are over the limit of ${maxBytes}`)
    assert.ok(bytes >= payload, `${bytes} bytes are said to hold ${payload}`)
    if (this.held.size === 0) assert.is(bytes, this.#emptyBytes, 'nothing held, nothing counted')
    for (const [slot, lines] of contents) {
      assert.is(this.store.slotEntries(slot), lines.length)
      assert.is(this.store.slotLive(slot), live.get(slot) ?? 0)
      const digest = JSON.stringify(this.store.slotDigest(slot))
      const content = lines.sort().join()
      assert.is(this.#digestOf.get(content) ?? digest, digest, 'equal content has an equal digest')
      assert.is(this.#contentOf.get(digest) ?? content, content, 'other content has another digest')
      this.#digestOf.set(content, digest)
      this.#contentOf.set(digest, content)
    }
    this.#narrowWalks()
  }

  /** Compares all that the store holds, in every way of reading it, and leaves it empty. */
  finish(make: MakeStore, empty: 'drop' | 'dropSlot' | 'clear' | 'sweep'): void {
    while (this.searchPage(3, 2));
    while (this.scanPage(2));
    this.beginSearch('', '', null)
    this.searchPage(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    for (const slot of this.#slots) {
      this.beginScan(slot)
      this.scanPage(Number.MAX_SAFE_INTEGER)
    }
    this.#checkWindows()
    this.#checkRebuilt(make)
    if (empty === 'clear') this.clear()
    else if (empty === 'dropSlot') for (const slot of this.#slots) this.dropSlot(slot)
    else if (empty === 'drop') for (const held of [...this.held.values()]) this.drop(held.key, held)
    else {
      for (const held of [...this.held.values()]) {
        this.apply({ ...held, value: '', tombstone: true, expiresAtMs: NEVER, ms: Math.max(this.now, this.store.floor.ms, held.ms) + 1 })
      }
      this.wait(TOMBSTONE_MS + 100)
      this.sweepAll(4)
    }
    assert.is(this.held.size, 0)
    this.check()
  }

  /** Windows stay true as long as nothing changes, however much is read. */
  #checkWindows(): void {
    const windows = [...this.held.keys()].map((key) => {
      const entry = new Entry()
      this.#peek(key, entry)
      return entry
    })
    for (const key of this.held.keys()) this.get(key)
    assert.equal(windows.map(read), [...this.held.values()])
  }

  /** The same content, arrived in the opposite order and over older versions, has the same digests. */
  #checkRebuilt(make: MakeStore): void {
    const other = make({ maxMemoryBytes: this.#options.maxMemoryBytes, evictionPolicy: 'noeviction', tombstoneMs: TOMBSTONE_MS })
    const entry = new Entry()
    for (const held of [...this.held.values()].reverse()) {
      if (!this.#options.tight) other.apply(fill(entry, { ...held, ms: held.ms - 1, tombstone: !held.tombstone }), this.now)
      assert.is(other.apply(fill(entry, held), this.now), 'applied')
    }
    for (const slot of this.#slots) assert.equal(other.slotDigest(slot), this.store.slotDigest(slot))
  }

  #apply(next: Held, entry: Entry): void {
    const { key } = next
    const old = this.held.get(key)
    const order = old === undefined ? 1 : compareVersions(next, old)
    const before = this.#drops
    this.#doing = { what: 'apply', key }
    const outcome = this.store.apply(entry, this.now)
    this.#doing = null
    if (compareStamps(next, this.store.floor) <= 0) assert.is(outcome, 'stale', 'what the floor covers does not come back')
    else if (order <= 0) assert.is(outcome, order === 0 ? 'same' : 'stale')
    else if (outcome === 'full') this.#checkFull(next, old)
    else assert.is(outcome, 'applied')
    if (outcome === 'applied') this.held.set(key, next)
    else assert.is(this.#drops, before, 'what is not applied changes nothing')
    this.check()
  }

  #checkFull(next: Held, old: Held | undefined): void {
    assert.ok(this.#options.tight, 'full, far below the limit')
    assert.is(this.#options.evictionPolicy, 'noeviction', 'full, though others could have been evicted')
    const smaller = old !== undefined && next.value.length <= old.value.length
    assert.not.ok(smaller, 'a deletion, and a value that is not larger, always find room')
  }

  #onDrop(entry: Entry, slot: number, reason: DropReason): void {
    const shown = read(entry)
    const held = this.held.get(shown.key)
    assert.ok(held !== undefined, `${JSON.stringify(shown.key)} was dropped, and was not held`)
    assert.equal(shown, held)
    assert.is(slot, slotOfKey(shown.key))
    assert.ok(this.#doing !== null, 'entries are dropped by apply and sweep only')
    if (this.#doing.what === 'apply') {
      assert.is.not(shown.key, this.#doing.key, 'the entry that is applied is not evicted')
      assert.ok(this.#options.tight, 'evicted, far below the limit')
      assert.is(reason, !held.tombstone && !this.#isLive(held) ? 'expired' : 'evicted')
      if (this.#options.evictionPolicy === 'noeviction') assert.ok(reason === 'expired' || held.tombstone, 'noeviction evicts nothing live')
    } else {
      assert.ok(this.#isDue(held), `${JSON.stringify(held.key)} was swept before its time`)
      assert.is(reason, held.tombstone ? 'tombstone-collected' : 'expired')
      assert.ok(this.#doing.mayDrop(slot), 'swept where nothing may be dropped')
    }
    this.held.delete(shown.key)
    this.#drops++
    if (reason === 'evicted') this.#evicted++
    if (reason === 'expired') this.#expired++
  }

  #peek(key: string, into: Entry): boolean {
    const { bytes, start, end } = embedded(key)
    return this.store.peek(bytes, start, end, into)
  }

  #narrowWalks(): void {
    if (this.#search !== null) {
      for (const key of this.#search.stayed) {
        const held = this.held.get(key)
        if (held === undefined || !this.#isLive(held)) this.#search.stayed.delete(key)
      }
    }
    if (this.#scan !== null) {
      for (const key of this.#scan.stayed) if (!this.held.has(key)) this.#scan.stayed.delete(key)
    }
  }

  #isLive(held: Held): boolean {
    return !held.tombstone && (held.expiresAtMs === NEVER || held.expiresAtMs > this.now)
  }

  #isDue(held: Held): boolean {
    return held.tombstone ? held.ms + TOMBSTONE_MS <= this.now : !this.#isLive(held)
  }
}
