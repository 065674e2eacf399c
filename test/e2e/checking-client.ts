/**
 * A client that knows what it should read. While something happens to the cluster it writes keys of its own, overwrites them, reads them back, and
 * keeps every answer that is not 200 and every value that is not the one it wrote last. Each key belongs to one worker, which waits for each
 * answer, so there is one right answer to every read.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { IngressClient } from './ingress-client.ts'

export interface CheckingOptions {
  /** Distinct keys in all; afterwards old ones are overwritten. */
  readonly maxKeys: number
  /** Pairs that `GET /` must have each time it is asked, about once a second; `null`: it is not asked. */
  readonly listed: Readonly<Record<string, unknown>> | null
  /** The name that the ingress is asked for; that of the URL without it. */
  readonly host?: string
}

export interface CheckingResult {
  readonly reads: number
  readonly writes: number
  readonly keys: number
  /** One sentence each, with the second in which it came. */
  readonly failures: readonly string[]
}

const WORKERS = 4
/** Between two operations of one worker. */
const PAUSE_MS = 25
const LIST_PAUSE_MS = 1_000
const SHOWN = 10

class CheckingClient {
  readonly #client: IngressClient
  readonly #options: CheckingOptions
  readonly #failures: string[] = []
  readonly #startedAt = performance.now()
  readonly #tasks: Promise<void>[] = []
  #stopped = false
  #reads = 0
  #writes = 0
  #keys = 0

  constructor(url: string, options: CheckingOptions) {
    this.#client = new IngressClient(url, WORKERS + 1, undefined, options.host)
    this.#options = options
    for (let worker = 0; worker < WORKERS; worker++) this.#tasks.push(this.#work(worker))
    if (options.listed !== null) this.#tasks.push(this.#list(options.listed))
  }

  /** Ends it: each worker reads all its keys once more. */
  async stop(): Promise<CheckingResult> {
    this.#stopped = true
    await Promise.all(this.#tasks)
    this.#client.close()
    return { reads: this.#reads, writes: this.#writes, keys: this.#keys, failures: this.#failures }
  }

  async #work(worker: number): Promise<void> {
    const written = new Map<string, string>()
    const maxKeys = Math.max(1, Math.floor(this.#options.maxKeys / WORKERS))
    for (let round = 0; !this.#stopped; round++) {
      const known = [...written.keys()]
      const latest = known.at(-1)
      const older = known[(round * 31) % known.length]
      // Three rounds in turn: write, read what was just written, read or overwrite something older.
      if (round % 3 === 1 && latest !== undefined) await this.#read(latest, written)
      else if (round % 6 === 2 && older !== undefined) await this.#read(older, written)
      else if (older !== undefined && (round % 6 === 5 || known.length >= maxKeys)) await this.#write(older, round, written)
      else await this.#write(`checked-${worker}-${known.length}`, round, written)
      await sleep(PAUSE_MS)
    }
    this.#keys += written.size
    for (const key of written.keys()) await this.#read(key, written)
  }

  async #write(key: string, round: number, written: Map<string, string>): Promise<void> {
    const value = `${round}:${'v'.repeat((round * 13) % 300)}`
    this.#writes++
    const { status, body } = await this.#client.set({ [key]: value })
    if (status === 200) written.set(key, value)
    // Whether it was written is not known: the key says nothing any more.
    else written.delete(key)
    if (status !== 200) this.#fail(`writing ${key}: ${status} ${body.slice(0, 120)}`)
  }

  async #read(key: string, written: Map<string, string>): Promise<void> {
    this.#reads++
    const { status, body } = await this.#client.getKey(key)
    const expected = JSON.stringify(written.get(key))
    if (status !== 200) this.#fail(`reading ${key}: ${status} ${body.slice(0, 120)}`)
    else if (body !== expected) this.#fail(`reading ${key}: stale, ${body.slice(0, 12)}... in place of ${expected.slice(0, 12)}...`)
  }

  async #list(pairs: Readonly<Record<string, unknown>>): Promise<void> {
    while (!this.#stopped) {
      this.#reads++
      const { status, body } = await this.#client.get('')
      if (status !== 200) this.#fail(`listing: ${status} ${body.slice(0, 120)}`)
      else this.#compareList(body, pairs)
      await sleep(LIST_PAUSE_MS)
    }
  }

  #compareList(body: string, pairs: Readonly<Record<string, unknown>>): void {
    try {
      const all = JSON.parse(body)
      const missing = Object.keys(pairs).filter((key) => JSON.stringify(all[key]) !== JSON.stringify(pairs[key]))
      if (missing.length > 0)
        this.#fail(`listing: ${missing.length} of ${Object.keys(pairs).length} pairs are missing or wrong, ${missing[0]} first`)
    } catch {
      this.#fail(`listing: not JSON: ${body.slice(-60)}`)
    }
  }

  #fail(what: string): void {
    this.#failures.push(`${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s: ${what}`)
  }
}

/** Runs `event` with such a client beside it, and throws unless the event succeeded and every answer was right. */
export async function whileChecking(url: string, options: CheckingOptions, event: () => Promise<void>): Promise<CheckingResult> {
  const client = new CheckingClient(url, options)
  const trouble: string[] = []
  await event().catch((error: unknown) => trouble.push(String(error)))
  const result = await client.stop()
  const { failures, reads, writes } = result
  if (failures.length > 0) {
    trouble.push(`the checking client saw ${failures.length} failures in ${reads} reads and ${writes} writes:`, ...failures.slice(0, SHOWN))
  }
  if (trouble.length > 0) throw new Error(trouble.join('\n'))
  return result
}
