/**
 * Watches the data of all members at once: how many hold what was acknowledged, what a copy is worth that calls itself complete, what is deleted where, and
 * what waits. Looks when lives begin and end, when a copy is deleted, and every so often.
 */
import { ACK_REPLICA } from '../../../src/cache/operation.ts'
import { Entry } from '../../../src/lib/entry.ts'
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import { compareStamps } from '../../../src/lib/version.ts'
import { sameTerm } from '../../../src/placement/index.ts'
import type { Cluster, Life } from '../../support/cluster.ts'
import { CLIENTS, type Clients, type KeyHistory } from './clients.ts'
import type { Faults } from './faults.ts'
import { FLEETING, FLEETING_CLIENTS } from './fleeting.ts'
import type { Plan } from './plan.ts'
import type { Trace } from './trace.ts'
import type { Verdict } from './verdict.ts'

const LOOK_MS = 250
/** A copy whose primary is silent may call itself complete for 5 s and until the next review (following.ts); what it lacks then is younger than this. */
const SILENCE_MS = 7_000
/** How soon a member that stood still looks at its copies again: a second, and a tick. */
const AWAKE_MS = 1_500
/** A copy passes for one in sync for so long after its last acknowledgement (outgoing.ts), and a call takes its time. */
const IN_SYNC_MS = 1_500
/** A request waits at most twice, where it was asked and where it was forwarded to, and some have been given up by their clients. */
const MAX_PARKED = 8 * (CLIENTS + FLEETING_CLIENTS)
/** All that the clients of a run write is less. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024
/** What the repair round has under way at any moment. */
const REST_BYTES = 16 * 1024
/** Timers of one member at rest: ticks, probes, calls, streams. */
const MAX_TIMERS = 120

export interface DataWatchParts {
  readonly clients: Clients
  readonly faults: Faults
  readonly trace: Trace
  readonly verdict: Verdict
}

export class DataWatch {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #clients: Clients
  readonly #faults: Faults
  readonly #trace: Trace
  readonly #verdict: Verdict
  readonly #ready = new Set<Life>()
  /** Since a life ended, or the start: not every slot has had all its copies. */
  #degraded = true
  /** At the last look every slot had one holder, known to all, and all its copies. */
  #agreed = false
  /** When a life ended last. */
  #endedMs = Number.NEGATIVE_INFINITY
  /** By member, slot and version: since when a copy has lacked an entry that its primary has, in virtual time. */
  #lacking = new Map<string, number>()
  #looking = true

  constructor(cluster: Cluster, plan: Plan, parts: DataWatchParts) {
    this.#cluster = cluster
    this.#plan = plan
    this.#clients = parts.clients
    this.#faults = parts.faults
    this.#trace = parts.trace
    this.#verdict = parts.verdict
    const look = (): void => {
      if (!this.#looking) return
      this.#look()
      cluster.clock.after(LOOK_MS, look)
    }
    cluster.clock.after(LOOK_MS, look)
  }

  started(life: Life): void {
    this.#trace.effect(`${life.name} starts at ${life.host}`)
    const { replication, store } = life.node.inside
    const write = replication.write.bind(replication)
    replication.write = (entry, slot, place) => {
      const outcome = write(entry, slot, place)
      this.#trace.effect(`${life.name} writes ${entry.keyBytes()} at ${entry.ms}-${entry.counter}: ${outcome}`)
      return outcome
    }
    const dropped = replication.dropped.bind(replication)
    replication.dropped = (entry, slot, evicted) => {
      const wasComplete = replication.isComplete(slot)
      dropped(entry, slot, evicted)
      if (wasComplete && !replication.isComplete(slot)) {
        this.#verdict.broken(
          'eviction leaves copies complete',
          `slot ${slot} of ${life.name} is not complete any more without ${entry.keyBytes()}`,
        )
      }
    }
    const dropSlot = store.dropSlot.bind(store)
    store.dropSlot = (slot, most) => {
      this.#beforeDrop(life, slot)
      return dropSlot(slot, most)
    }
  }

  /** The memory of a life is gone: what nobody else holds is lost, and excused if another failure had not been mended. */
  ended(life: Life): void {
    this.#trace.effect(`${life.name} at ${life.host} has ended`)
    this.#ready.delete(life)
    this.#endedMs = this.#cluster.clock.now()
    for (const history of this.#clients.histories) {
      if (!isAcknowledged(history)) continue
      history.shaken ||= !this.#agreed || this.#faults.cutting
      if (!this.#degraded || history.excused || !this.#isHeld(life, history)) continue
      const others = [...this.#cluster.lives.values()].filter((other) => other !== life)
      history.excused = !others.some((other) => this.#isHeld(other, history))
    }
    // Who held the latest of a register or a counter is not looked up: two failures may have taken it.
    if (this.#degraded) this.#clients.memoryLost = true
    this.#degraded = true
  }

  /** No more looks. At rest nothing may wait. */
  judge(): void {
    this.#looking = false
    const { clock, lives, network } = this.#cluster
    for (const { name, node } of lives.values()) {
      const { cache, replication } = node.stats()
      if (cache.parked > 0 || replication.backlogBytes > REST_BYTES || replication.parkedSlots > 0) {
        const waits = `${cache.parked} requests, ${replication.backlogBytes} bytes and ${replication.parkedSlots} slots`
        this.#verdict.broken('queues are bounded', `at rest ${waits} wait at ${name}`)
      }
    }
    if (network.stalledBytes > 0) this.#verdict.broken('queues are bounded', `at rest ${network.stalledBytes} bytes wait on streams`)
    if (clock.pending > MAX_TIMERS * lives.size) this.#verdict.broken('queues are bounded', `${clock.pending} timers at rest`)
    // Members that are full drop each what it likes.
    if (this.#plan.kind !== 'pressure') this.#compareContents()
  }

  #look(): void {
    const { lives } = this.#cluster
    for (const life of lives.values()) {
      const { cache, replication } = life.node.stats()
      if (cache.parked > MAX_PARKED) this.#verdict.broken('queues are bounded', `${cache.parked} requests wait at ${life.name}`)
      if (replication.backlogBytes > MAX_BACKLOG_BYTES) {
        this.#verdict.broken('queues are bounded', `${replication.backlogBytes} bytes wait at ${life.name}`)
      }
      const ready = life.node.ready().ok
      if (!ready && this.#ready.has(life)) this.#verdict.broken('ready latches', `${life.name} was ready, and is not`)
      if (ready) this.#ready.add(life)
    }
    this.#agreed = this.#cluster.disagreement(this.#plan.kind === 'pressure') === null
    // One that is alone agrees with itself: nobody has copied what it holds.
    if (this.#agreed && lives.size > 1) this.#degraded = false
    if (this.#plan.kind !== 'pressure') this.#lookForGaps()
  }

  /**
   * What copies lack that call themselves complete under the term under which a primary serves. A stream may be silent for a while, and a member that
   * stood still has a moment to notice; one that is believed dead, or believes its primary dead, is asked for nothing.
   */
  #lookForGaps(): void {
    const { clock, lives } = this.#cluster
    const lacking = new Map<string, number>()
    for (const life of lives.values()) {
      if (this.#faults.stoodStill(life, AWAKE_MS)) continue
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        const primary = this.#primaryOf(life, slot)
        if (primary === null) continue
        const gap = this.#gap(life, primary, slot)
        if (gap === null) continue
        const id = `${life.host} ${slot} ${gap.keyBytes()} ${gap.ms} ${gap.counter}`
        const sinceMs = this.#lacking.get(id) ?? clock.now()
        lacking.set(id, sinceMs)
        if (clock.now() - sinceMs < SILENCE_MS || !isBelieved(life, primary) || !isBelieved(primary, life)) continue
        const lack = `lacks ${gap.keyBytes()}, which ${primary.name} has had for ${Math.round(clock.now() - sinceMs)} ms`
        this.#verdict.broken('complete is complete', `slot ${slot} at ${life.name} calls itself complete and ${lack}`)
      }
    }
    this.#lacking = lacking
  }

  /** Whose copy a member's complete copy should equal. */
  #primaryOf({ name, node }: Life, slot: number): Life | null {
    const { replication } = node.inside
    const term = replication.term(slot)
    if (term === null || term.name === name || !replication.isComplete(slot)) return null
    const primary = this.#cluster.lives.get(term.name)
    if (primary === undefined || primary.clock.paused || !primary.node.inside.replication.executes(slot)) return null
    return sameTerm(primary.node.inside.replication.term(slot), term) ? primary : null
  }

  /** The first entry of the primary's that the copy lacks. */
  #gap(life: Life, primary: Life, slot: number): Entry | null {
    const own = life.node.inside.store.slotDigest(slot)
    const theirs = primary.node.inside.store.slotDigest(slot)
    if (own.high === theirs.high && own.low === theirs.low) return null
    return entriesOf(primary, slot).find((entry) => !holds(life, entry)) ?? null
  }

  #beforeDrop(life: Life, slot: number): void {
    // Whoever was in sync a moment ago may have died since.
    if (this.#plan.kind === 'pressure' || this.#cluster.clock.now() - this.#endedMs < IN_SYNC_MS) return
    const others = [...this.#cluster.lives.values()].filter((other) => other !== life)
    const wanted = Math.min(this.#plan.replicas + 1, others.filter((other) => this.#isWanted(other)).length)
    for (const entry of entriesOf(life, slot)) {
      // A clock that runs far ahead has tombstones collected at once.
      if (entry.tombstone && !this.#plan.strict.ordered) continue
      const holders = others.filter((other) => holds(other, entry)).length
      if (holders >= wanted || this.#mayBeForgotten(entry)) continue
      this.#verdict.broken(
        'no copy goes before it is replaced',
        `${life.name} deletes slot ${slot} with ${entry.keyBytes()}, of which ${holders} other copies exist`,
      )
      return
    }
  }

  /** Is it past its time, or being flushed, or, where tombstones live briefly, was its key deleted, which perhaps nobody knows any more? */
  #mayBeForgotten(entry: Entry): boolean {
    const key = entry.keyBytes().toString()
    if (key.startsWith(FLEETING)) return true
    for (const { node } of this.#cluster.lives.values()) if (compareStamps(entry, node.inside.store.floor) <= 0) return true
    if (this.#plan.lifetimes.tombstoneMs === undefined) return false
    const history = this.#clients.histories.find((one) => one.key === key)
    return history?.steps.some(({ value, fate }) => value === undefined && fate !== 'refused') === true
  }

  /** Is it to stay, or to come back? Whoever leaves for good has no seat any more. */
  #isWanted(life: Life): boolean {
    const { platform } = this.#cluster
    return Array.from({ length: platform.replicas }, (_, ordinal) => platform.nameOf(ordinal)).includes(life.name)
  }

  /** Digests apart: the contents of complete copies, entry by entry. */
  #compareContents(): void {
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const lives = [...this.#cluster.lives.values()].filter(({ node }) => node.inside.replication.isComplete(slot))
      const primary = lives.find(({ node }) => node.inside.replication.isPrimary(slot))
      if (primary === undefined) continue
      const wanted = contentsOf(primary, slot)
      for (const life of lives) {
        const found = contentsOf(life, slot)
        for (const key of new Set([...wanted.keys(), ...found.keys()])) {
          const [one, other] = [wanted.get(key), found.get(key)]
          if (one === other) continue
          const differ = `slot ${slot}: ${key} is ${one} at ${primary.name} and ${other} at ${life.name}`
          this.#verdict.broken('owners hold the same', differ)
        }
      }
    }
  }

  /** Does a member hold what was acknowledged last: the value, or the deletion? */
  #isHeld({ node }: Life, { key, steps }: KeyHistory): boolean {
    const bytes = Buffer.from(key)
    const found = new Entry()
    const last = steps.findLast(({ fate }) => fate === 'acknowledged')
    return node.inside.store.peek(bytes, 0, bytes.length, found) && found.tombstone === (last?.value === undefined)
  }
}

function isAcknowledged({ kind, steps }: KeyHistory): boolean {
  return kind !== 'filler' && steps.some(({ fate, ack }) => fate === 'acknowledged' && ack >= ACK_REPLICA)
}

/** Does one believe this life of another to be alive? */
function isBelieved(by: Life, whom: Life): boolean {
  const member = by.node.inside.membership.member(whom.name)
  if (member?.generation !== whom.node.inside.membership.self().generation) return false
  return member.state === 'alive' || member.state === 'suspect'
}

/** Copies. */
function entriesOf({ node }: Life, slot: number): Entry[] {
  const entries: Entry[] = []
  node.inside.store.scanSlot(slot, null, (entry) => {
    entries.push(entry.copy())
    return true
  })
  return entries
}

/** The entry itself, or a newer one of its key. */
function holds({ node }: Life, entry: Entry): boolean {
  const found = new Entry()
  const key = entry.keyBytes()
  return node.inside.store.peek(key, 0, key.length, found) && compareStamps(found, entry) >= 0
}

/** By key: the version and what it says. */
function contentsOf(life: Life, slot: number): Map<string, string> {
  return new Map(
    entriesOf(life, slot).map((entry) => {
      const value = entry.tombstone ? 'deleted' : entry.valueBytes().toString().slice(0, 20)
      return [entry.keyBytes().toString(), `${value} of ${entry.ms}-${entry.counter}/${entry.writer}`]
    }),
  )
}
