/**
 * Writers that never pause for long: each writes key after key of one slot (they share a hash tag), so that the longest time in which one of them
 * had no success is what a failure cost its slot, at most one interval and one attempt too long. What was acknowledged is remembered with its
 * moment: afterwards every key is read, and each one missing is an acknowledged write that was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { IngressClient } from './ingress-client.ts'

const WRITERS = 16
const INTERVAL_MS = 20
/** An attempt that takes longer has failed, and the next one may reach another pod. */
const ATTEMPT_MS = 500
const READ_TIMEOUT_MS = 10_000

interface Written {
  readonly key: string
  readonly value: number
  readonly atMs: number
}

interface Writer {
  readonly tag: string
  readonly written: Written[]
  attempts: number
  failures: number
  acceptedAtMs: number
  longestGapMs: number
}

export interface Losses {
  readonly acknowledged: number
  readonly lost: number
  /** Of the lost ones, the first and the last moment of acknowledgement after `eventAtMs`: negative before it. `null` when none is lost. */
  readonly firstMs: number | null
  readonly lastMs: number | null
}

export class Hammer {
  readonly #url: string
  readonly #http: IngressClient
  readonly #writers: readonly Writer[]
  readonly #stop = new AbortController()
  readonly #hammering: Promise<unknown>

  /** Begins at once. `label` sets its keys apart from those of others. */
  constructor(url: string, label: string) {
    this.#url = url
    this.#http = new IngressClient(url, WRITERS, ATTEMPT_MS)
    this.#writers = Array.from({ length: WRITERS }, (_, i) => {
      return { tag: `{${label}-${i}}`, written: [], attempts: 0, failures: 0, acceptedAtMs: performance.now(), longestGapMs: 0 }
    })
    this.#hammering = Promise.all(this.#writers.map((writer) => this.#hammer(writer)))
  }

  /** Gaps and failures are counted from here on. */
  forget(): void {
    for (const writer of this.#writers) {
      writer.longestGapMs = 0
      writer.failures = 0
    }
  }

  /** One key of each slot that is written to. */
  sampleKeys(): readonly string[] {
    return this.#writers.map(({ tag }) => `${tag}-0`)
  }

  /** Over all writers, a gap that has not ended included. */
  longestGapMs(): number {
    return Math.max(...this.#writers.map(({ longestGapMs, acceptedAtMs }) => Math.max(longestGapMs, performance.now() - acceptedAtMs)))
  }

  failures(): number {
    return this.#writers.reduce((sum, { failures }) => sum + failures, 0)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#hammering
    this.#http.close()
  }

  /** Reads all that was acknowledged. Throws when a key has another value, or cannot be read. */
  async losses(eventAtMs: number): Promise<Losses> {
    const client = new IngressClient(this.#url, WRITERS, READ_TIMEOUT_MS)
    const lost: number[] = []
    await Promise.all(
      this.#writers.map(async ({ written }) => {
        for (const { key, value, atMs } of written) {
          const { status, body } = await client.getKey(key)
          if (status === 404) lost.push(atMs - eventAtMs)
          else if (status !== 200 || body !== String(value)) throw new Error(`reading ${key}: ${status} ${body.slice(0, 120)}`)
        }
      }),
    )
    client.close()
    const acknowledged = this.#writers.reduce((sum, { written }) => sum + written.length, 0)
    if (lost.length === 0) return { acknowledged, lost: 0, firstMs: null, lastMs: null }
    return { acknowledged, lost: lost.length, firstMs: Math.round(Math.min(...lost)), lastMs: Math.round(Math.max(...lost)) }
  }

  async #hammer(writer: Writer): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const dueMs = performance.now() + INTERVAL_MS
      const value = writer.attempts++
      const key = `${writer.tag}-${value}`
      const { status } = await this.#http.set({ [key]: value })
      const nowMs = performance.now()
      if (status === 200) {
        writer.written.push({ key, value, atMs: nowMs })
        writer.longestGapMs = Math.max(writer.longestGapMs, nowMs - writer.acceptedAtMs)
        writer.acceptedAtMs = nowMs
      } else {
        writer.failures++
      }
      await sleep(Math.max(1, dueMs - nowMs))
    }
  }
}
