/**
 * Clients with a memory: each owns one key, writes 1, 2, 3, ... to it through whichever member it pleases, reads it back through others, and knows
 * what it was promised. With every write goes a key that is written once and never again, so that a frame that got lost stays lost. Beside them, at every event of the run, the rules about who may execute are checked for the slots of these keys.
 */
import { slotOf } from '../../src/lib/slot.ts'
import { type Cluster, get, type Life, set } from './cluster.ts'

export interface WorkloadOptions {
  readonly keys: number
  /** Between two requests of one client. */
  readonly intervalMs: number
  /** Is it a violation when two members execute one slot at one moment? True while all moves are planned. */
  readonly oneExecutor: boolean
}

interface Client {
  readonly key: string
  readonly slot: number
  /** The last number sent, and the last that was confirmed. */
  sent: number
  confirmed: number
}

/** Longer than any answer may take. */
const CLIENT_TIMEOUT_MS = 8000

export class Workload {
  /** What went wrong, in words. */
  readonly violations: string[] = []
  /** Requests that were refused or not answered, by reason. */
  readonly errors = new Map<string, number>()
  writes = 0
  reads = 0
  slowestMs = 0
  readonly #cluster: Cluster
  readonly #options: WorkloadOptions
  readonly #clients: Client[]
  #stopped = false
  #under = 0
  /** When false, a read may be older than what was confirmed: a crash may have taken the last writes. */
  exact = true
  /** Keys written once and confirmed. */
  readonly #once: string[] = []

  constructor(cluster: Cluster, options: WorkloadOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#clients = Array.from({ length: options.keys }, (_, i) => ({
      key: `key-${i}`,
      slot: slotOf(Buffer.from(`key-${i}`)),
      sent: 0,
      confirmed: 0,
    }))
    cluster.clock.observer = () => this.#checkExecutors()
    for (const client of this.#clients) this.#cluster.clock.after(cluster.random.next() * options.intervalMs, () => this.#write(client))
  }

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Lets what is under way come to its end. */
  stop(): void {
    this.#stopped = true
    this.#cluster.runUntil(() => this.#under === 0, 2 * CLIENT_TIMEOUT_MS, 'the clients to end')
  }

  /** Reads every key through every member. Answers how many confirmed writes are missing. */
  missing(): number {
    let missing = 0
    let open = 0
    for (const { key, confirmed } of this.#clients) {
      for (const life of this.#cluster.lives.values()) {
        open++
        get(life, key, (error, value) => {
          open--
          if (error !== null) this.violations.push(`${key} at ${life.name} at rest: ${error.message}`)
          else if (Number(value ?? 0) < confirmed) missing++
        })
      }
    }
    for (const [i, key] of this.#once.entries()) {
      const lives = [...this.#cluster.lives.values()]
      open++
      get(lives[i % lives.length] as Life, key, (_error, value) => {
        open--
        if (value !== key) missing++
      })
    }
    this.#cluster.runUntil(() => open === 0, 10_000, 'all keys to be read')
    return missing
  }

  #write(client: Client): void {
    if (this.#stopped) return
    const number = ++client.sent
    this.writes++
    this.#writeOnce(`once-${client.key}-${number}`, client)
    this.#ask('write', client, (life, done) => {
      set(life, client.key, String(number), (error) => {
        if (error === null) client.confirmed = number
        done(error === null ? null : error.code)
        this.#later(() => this.#read(client))
      })
    })
  }

  #writeOnce(key: string, client: Client): void {
    this.#ask('write', client, (life, done) => {
      set(life, key, key, (error) => {
        if (error === null) this.#once.push(key)
        done(error === null ? null : error.code)
      })
    })
  }

  #read(client: Client): void {
    if (this.#stopped) return
    const promised = client.confirmed
    this.reads++
    this.#ask('read', client, (life, done) => {
      get(life, client.key, (error, value) => {
        const number = Number(value ?? 0)
        const at = `${(this.#cluster.clock.now() / 1000).toFixed(3)} s: ${client.key} (slot ${client.slot}) through ${life.name}`
        if (error === null && number > client.sent) this.violations.push(`${at}: ${number} was never written`)
        if (error === null && this.exact && number < promised) this.violations.push(`${at}: ${number} after ${promised} was confirmed`)
        if (error === null && !this.exact && number < promised) client.confirmed = number
        done(error === null ? null : error.code)
        this.#later(() => this.#write(client))
      })
    })
  }

  #ask(what: string, client: Client, send: (life: Life, done: (reason: string | null) => void) => void): void {
    const lives = [...this.#cluster.lives.values()].filter(({ accepting }) => accepting)
    const life = lives[Math.floor(this.#cluster.random.next() * lives.length)]
    if (life === undefined) {
      this.#later(() => this.#write(client))
      return
    }
    const { clock } = this.#cluster
    const startedMs = clock.now()
    let over = false
    this.#under++
    const finish = (reason: string | null): void => {
      if (over) return
      over = true
      this.#under--
      timer.cancel()
      this.slowestMs = Math.max(this.slowestMs, clock.now() - startedMs)
      if (reason !== null) this.errors.set(`${what} ${reason}`, (this.errors.get(`${what} ${reason}`) ?? 0) + 1)
    }
    const timer = clock.after(CLIENT_TIMEOUT_MS, () => {
      finish('no answer')
      this.#later(() => this.#write(client))
    })
    send(life, (reason) => {
      if (over && this.exact) this.violations.push(`${client.key} through ${life.name}: answered twice or late`)
      finish(reason)
    })
  }

  #later(fn: () => void): void {
    this.#cluster.clock.after(this.#options.intervalMs * (0.5 + this.#cluster.random.next()), fn)
  }

  #checkExecutors(): void {
    if (this.violations.length > 20) return
    for (const { slot, key } of this.#clients) {
      let executor: Life | null = null
      for (const life of this.#cluster.lives.values()) {
        const { replication, membership } = life.node.inside
        if (!replication.isPrimary(slot)) continue
        const term = replication.term(slot)
        if (term?.name !== life.name || term.generation !== membership.self().generation) {
          this.violations.push(`${life.name} executes slot ${slot} under the term of ${term?.name}`)
        }
        if (executor !== null && this.#options.oneExecutor) {
          this.violations.push(
            `${(this.#cluster.clock.now() / 1000).toFixed(3)} s: ${executor.name} and ${life.name} both execute slot ${slot} of ${key}`,
          )
        }
        executor = life
      }
    }
  }
}
