/**
 * Fleeting clients: they write keys that expire soon, read them again, and flush the cache now and then. What is past its time, or was written before a
 * flush, is never to be read again: not while members come and go, and not at rest.
 *
 * Only what was acknowledged counts, and only where all clocks agree. A flush is judged at rest: until then the other side of a cut has not heard of it.
 */
import { ACK_REPLICA, EXPIRY_IN } from '../../../src/cache/operation.ts'
import type { Cluster, Life } from '../../support/cluster.ts'
import { getOf, setOf } from '../../support/operations.ts'
import type { Clients } from './clients.ts'
import type { Plan } from './plan.ts'
import type { Trace } from './trace.ts'
import type { Verdict } from './verdict.ts'

const INTERVAL_MS = 60
const KEYS = 40
const SHORTEST_MS = 500
const LONGEST_MS = 6000
/** Members' clocks agree to within less, where the machines' do. */
const CLOCK_DOUBT_MS = 500
const FLUSH_SHARE = 0.01
/** Requests under way at a time, at most; what is not answered within so long is given up. */
export const FLEETING_CLIENTS = 4
/** How their keys begin. */
export const FLEETING = 'fleeting-'
const TIMEOUT_MS = 8000
/** What is written within a quarter of a second after a flush is flushed with it. */
const FLUSH_MARGIN_MS = 500

interface Written {
  readonly sentMs: number
  /** For how long it is to live; 0 for ever. */
  readonly ttlMs: number
  /** Infinite while it has not been. */
  acknowledgedMs: number
}

interface FleetingParts {
  readonly clients: Clients
  readonly trace: Trace
  readonly verdict: Verdict
}

export class Fleeting {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #parts: FleetingParts
  /** By value: no two writes have the same. */
  readonly #written = new Map<string, Written>()
  /** When the flushes began that were answered. */
  readonly #flushesMs: number[] = []
  #writing = false
  #underWay = 0

  constructor(cluster: Cluster, plan: Plan, parts: FleetingParts) {
    this.#cluster = cluster
    this.#plan = plan
    this.#parts = parts
  }

  start(): void {
    if (this.#plan.kind !== 'fleeting') return
    this.#writing = true
    this.#later()
  }

  stop(): void {
    this.#writing = false
  }

  /** Reads every key at rest, when all that was to expire has expired. */
  judge(): void {
    if (this.#plan.kind !== 'fleeting') return
    this.#cluster.clock.advance(LONGEST_MS + CLOCK_DOUBT_MS)
    for (let key = 0; key < KEYS; key++) this.#read(key, true)
    this.#cluster.runUntil(() => this.#underWay === 0, 2 * TIMEOUT_MS, 'fleeting keys to be read')
  }

  #act(): void {
    if (!this.#writing) return
    this.#later()
    if (this.#underWay >= FLEETING_CLIENTS) return
    const { random } = this.#cluster
    const draw = random.next()
    const key = Math.floor(random.next() * KEYS)
    if (draw < FLUSH_SHARE) this.#flush()
    else if (draw < 0.5) this.#write(key)
    else this.#read(key, false)
  }

  #later(): void {
    this.#cluster.clock.after(INTERVAL_MS * (0.5 + this.#cluster.random.next()), () => this.#act())
  }

  #write(key: number): void {
    const { clock, random } = this.#cluster
    const value = `fleeting ${this.#written.size}`
    const ttlMs = random.next() < 0.3 ? 0 : Math.floor(SHORTEST_MS + random.next() * (LONGEST_MS - SHORTEST_MS))
    const written: Written = { sentMs: clock.now(), ttlMs, acknowledgedMs: Number.POSITIVE_INFINITY }
    this.#written.set(value, written)
    const operation = setOf(nameOf(key), value, { ack: ACK_REPLICA, ...(ttlMs === 0 ? {} : { expiry: EXPIRY_IN, expiryMs: ttlMs }) })
    this.#at((life, over) =>
      life.node.cache.execute(operation, (error) => {
        over()
        if (error === null) written.acknowledgedMs = clock.now()
        this.#parts.trace.effect(`${life.name} answers set of ${nameOf(key)} for ${ttlMs} ms with ${error?.code ?? 'ok'} ${value}`)
      }),
    )
  }

  #read(key: number, atRest: boolean): void {
    const sentMs = this.#cluster.clock.now()
    this.#at((life, over) =>
      life.node.cache.execute(getOf(nameOf(key)), (_error, outcome) => {
        over()
        const value = outcome?.entry?.valueBytes().toString()
        if (value !== undefined) this.#judge(`${nameOf(key)}, read through ${life.name}, has "${value}"`, value, sentMs, atRest)
      }),
    )
  }

  #judge(what: string, value: string, sentMs: number, atRest: boolean): void {
    const { verdict } = this.#parts
    const written = this.#written.get(value)
    if (written === undefined) {
      verdict.broken('only what was asked for', `${what}, which was never written`)
      return
    }
    const { ttlMs, acknowledgedMs } = written
    if (!this.#plan.strict.ordered || !Number.isFinite(acknowledgedMs)) return
    const overMs = sentMs - acknowledgedMs - ttlMs
    if (ttlMs > 0 && overMs > CLOCK_DOUBT_MS) {
      verdict.broken('expired stays expired', `${what}, which was to live for ${ttlMs} ms, ${Math.round(overMs)} ms after its end`)
    }
    const flushedMs = this.#flushesMs.find((ms) => ms > acknowledgedMs)
    if (atRest && flushedMs !== undefined) {
      verdict.broken('flushed stays flushed', `${what}, acknowledged ${Math.round(flushedMs - acknowledgedMs)} ms before a flush`)
    }
  }

  /** What was written before, and what is written until it is over, need not be there any more. */
  #flush(): void {
    const { clients, trace } = this.#parts
    const { clock } = this.#cluster
    const beganMs = clock.now()
    clients.beginForgetting()
    this.#at((life, over) =>
      life.node.cache.flush((error, result) => {
        over()
        trace.effect(`${life.name} answers flush with ${error?.code ?? 'ok'}`)
        if (error !== null) return
        this.#flushesMs.push(beganMs)
        // Whoever was not reached, or is not known there, goes on below the line until it hears of it.
        const everybody = life.node.inside.replication.others().length + 1 === this.#cluster.lives.size
        if (result?.unreached.length === 0 && everybody) clock.after(FLUSH_MARGIN_MS, () => clients.endForgetting())
      }),
    )
  }

  /** Asks any member that takes requests, if there is one: `over` is to be called when it answers, or it has no more to say. */
  #at(send: (life: Life, over: () => void) => void): void {
    const lives = [...this.#cluster.lives.values()].filter(({ accepting }) => accepting)
    const life = lives[Math.floor(this.#cluster.random.next() * lives.length)]
    if (life === undefined) return
    this.#underWay++
    const over = (): void => {
      if (!waiting) return
      waiting = false
      this.#underWay--
      timer.cancel()
    }
    let waiting = true
    const timer = this.#cluster.clock.after(TIMEOUT_MS, over)
    life.clock.run(() => send(life, over))
  }
}

function nameOf(key: number): string {
  return `${FLEETING}${key}`
}
