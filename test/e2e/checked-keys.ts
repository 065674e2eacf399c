/**
 * Keys that one worker writes, overwrites and reads back over any face. They are nobody else's and it waits for each answer, so there is one right
 * answer to every read; what is not that answer is kept as a sentence.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** One way to the cache. Both reject with a sentence when there was no good answer. */
export interface CheckedFace {
  write(key: string, value: string): Promise<void>
  /** `null` when the cache says that it does not have the key. */
  read(key: string): Promise<string | null>
}

export interface CheckedKeysOptions {
  /** What the keys begin with. */
  readonly prefix: string
  /** Distinct keys; afterwards old ones are overwritten. */
  readonly maxKeys: number
  /** Between two operations. */
  readonly pauseMs: number
  /** The cache is full, so a key may have been evicted: a miss is counted and forgotten, a wrong value is a failure all the same. */
  readonly mayMiss: boolean
}

export interface CheckingResult {
  readonly reads: number
  readonly writes: number
  readonly keys: number
  /** Reads of keys that were not there any more, where that is allowed. */
  readonly missed: number
  /** One sentence each, with the second in which it came. */
  readonly failures: readonly string[]
}

/** What all workers of a client have seen. */
export class Tally {
  readonly #failures: string[] = []
  readonly #startedAt = performance.now()
  reads = 0
  writes = 0
  keys = 0
  missed = 0

  fail(what: string): void {
    this.#failures.push(`${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s: ${what}`)
  }

  result(): CheckingResult {
    const { reads, writes, keys, missed } = this
    return { reads, writes, keys, missed, failures: this.#failures }
  }
}

export class CheckedKeys {
  readonly #face: CheckedFace
  readonly #options: CheckedKeysOptions
  readonly #tally: Tally
  readonly #written = new Map<string, string>()

  constructor(face: CheckedFace, options: CheckedKeysOptions, tally: Tally) {
    this.#face = face
    this.#options = options
    this.#tally = tally
  }

  /** Works until `stopped` says so, then reads all its keys once more. Never rejects. */
  async work(stopped: () => boolean): Promise<void> {
    const { maxKeys, prefix, pauseMs } = this.#options
    for (let round = 0; !stopped(); round++) {
      const known = [...this.#written.keys()]
      const latest = known.at(-1)
      const older = known[(round * 31) % known.length]
      // Three rounds in turn: write, read what was just written, read or overwrite something older.
      if (round % 3 === 1 && latest !== undefined) await this.#read(latest)
      else if (round % 6 === 2 && older !== undefined) await this.#read(older)
      else if (older !== undefined && (round % 6 === 5 || known.length >= maxKeys)) await this.#write(older, round)
      else await this.#write(`${prefix}-${known.length}`, round)
      await sleep(pauseMs)
    }
    this.#tally.keys += this.#written.size
    for (const key of [...this.#written.keys()]) await this.#read(key)
  }

  async #write(key: string, round: number): Promise<void> {
    const value = `${round}:${'v'.repeat((round * 13) % 300)}`
    this.#tally.writes++
    try {
      await this.#face.write(key, value)
      this.#written.set(key, value)
    } catch (error) {
      // Whether it was written is not known: the key says nothing any more.
      this.#written.delete(key)
      this.#tally.fail(`writing ${key}: ${(error as Error).message}`)
    }
  }

  async #read(key: string): Promise<void> {
    this.#tally.reads++
    const expected = this.#written.get(key)
    try {
      const value = await this.#face.read(key)
      if (value === null && this.#options.mayMiss) {
        this.#tally.missed++
        this.#written.delete(key)
      } else if (value === null) this.#tally.fail(`reading ${key}: it is not there`)
      else if (value !== expected)
        this.#tally.fail(`reading ${key}: stale, ${value.slice(0, 12)}... in place of ${expected?.slice(0, 12)}...`)
    } catch (error) {
      this.#tally.fail(`reading ${key}: ${(error as Error).message}`)
    }
  }
}
