/**
 * A client of the ingress that knows what it should read. While something happens to the cluster it writes keys of its own, overwrites them, reads them
 * back (checked-keys.ts), and keeps every answer that is not 200 and every value that is not the one it wrote last.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CheckedFace, CheckedKeys, type CheckingResult, Tally } from './checked-keys.ts'
import { IngressClient } from './ingress-client.ts'

export interface CheckingOptions {
  /** Distinct keys in all; afterwards old ones are overwritten. */
  readonly maxKeys: number
  /** Pairs that `GET /` must have each time it is asked, about once a second; `null`: it is not asked. */
  readonly listed: Readonly<Record<string, unknown>> | null
  /** The name that the ingress is asked for; that of the URL without it. */
  readonly host?: string
  /** The cache is full: keys may be gone, but never wrong. */
  readonly mayMiss?: boolean
}

const WORKERS = 4
/** Between two operations of one worker. */
const PAUSE_MS = 25
const LIST_PAUSE_MS = 1_000
const SHOWN = 10

class CheckingClient {
  readonly #client: IngressClient
  readonly #tally = new Tally()
  readonly #tasks: Promise<void>[] = []
  #stopped = false

  constructor(url: string, { maxKeys, listed, host, mayMiss = false }: CheckingOptions) {
    this.#client = new IngressClient(url, WORKERS + 1, undefined, host)
    const face = httpFace(this.#client)
    for (let worker = 0; worker < WORKERS; worker++) {
      const options = { prefix: `checked-${worker}`, maxKeys: Math.max(1, Math.floor(maxKeys / WORKERS)), pauseMs: PAUSE_MS, mayMiss }
      this.#tasks.push(new CheckedKeys(face, options, this.#tally).work(() => this.#stopped))
    }
    if (listed !== null) this.#tasks.push(this.#list(listed))
  }

  /** Ends it: each worker reads all its keys once more. */
  async stop(): Promise<CheckingResult> {
    this.#stopped = true
    await Promise.all(this.#tasks)
    this.#client.close()
    return this.#tally.result()
  }

  async #list(pairs: Readonly<Record<string, unknown>>): Promise<void> {
    while (!this.#stopped) {
      this.#tally.reads++
      const { status, body } = await this.#client.get('')
      if (status !== 200) this.#tally.fail(`listing: ${status} ${body.slice(0, 120)}`)
      else this.#compareList(body, pairs)
      await sleep(LIST_PAUSE_MS)
    }
  }

  #compareList(body: string, pairs: Readonly<Record<string, unknown>>): void {
    try {
      const all = JSON.parse(body)
      const missing = Object.keys(pairs).filter((key) => JSON.stringify(all[key]) !== JSON.stringify(pairs[key]))
      if (missing.length > 0)
        this.#tally.fail(`listing: ${missing.length} of ${Object.keys(pairs).length} pairs are missing or wrong, ${missing[0]} first`)
    } catch {
      this.#tally.fail(`listing: not JSON: ${body.slice(-60)}`)
    }
  }
}

function httpFace(client: IngressClient): CheckedFace {
  return {
    async write(key, value) {
      const { status, body } = await client.set({ [key]: value })
      if (status !== 200) throw new Error(`${status} ${body.slice(0, 120)}`)
    },
    async read(key) {
      const { status, body } = await client.getKey(key)
      if (status === 404) return null
      if (status !== 200) throw new Error(`${status} ${body.slice(0, 120)}`)
      return String(JSON.parse(body))
    },
  }
}

/** One sentence about what such clients saw that they should not have; nothing where all was well. */
export function complaints(who: string, { failures, reads, writes }: CheckingResult): readonly string[] {
  if (failures.length === 0) return []
  return [`${who} saw ${failures.length} failures in ${reads} reads and ${writes} writes:`, ...failures.slice(0, SHOWN)]
}

/** Runs `event` with such a client beside it, and throws unless the event succeeded and every answer was right. */
export async function whileChecking(url: string, options: CheckingOptions, event: () => Promise<void>): Promise<CheckingResult> {
  const client = new CheckingClient(url, options)
  const trouble: string[] = []
  await event().catch((error: unknown) => trouble.push(String(error)))
  const result = await client.stop()
  trouble.push(...complaints('the checking client', result))
  if (trouble.length > 0) throw new Error(trouble.join('\n'))
  return result
}
