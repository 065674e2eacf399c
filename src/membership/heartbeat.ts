/**
 * Heartbeat: how the thread that runs membership sees whether the thread that serves the data runs, without asking it.
 *
 * Two numbers in memory that both threads share. The data path counts the first up every 50 ms; the watch looks at it as often, and once it has
 * not changed for a second counts the second up: so often has the data path hung. The data path reads that when it runs again, and knows
 * that it stood still even where its own clock did not show it.
 *
 * Only the watch measures. Where it stood still itself it begins anew: the whole process was stopped, and nothing is known against the data path.
 */
import type { Clock, Timer } from '../lib/clock.ts'

export const BEAT_MS = 50
/** Not advanced for so long: the data path hangs. */
export const HUNG_AFTER_MS = 1_000

const BEATS = 0
const HANGS = 1
const CELLS = 2

/** What a look found. */
export interface Pulse {
  /** Since when nothing has moved, in ms; 0 when it has moved since the last look, or has not begun. */
  readonly stillMs: number
  /** How late a beat came that was late; 0 otherwise. */
  readonly lagMs: number
}

/** The side of the data path. */
export class Heartbeat {
  /** To be given to the watch. */
  readonly memory = new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT)
  readonly #cells = new Int32Array(this.memory)
  readonly #clock: Clock
  #timer: Timer | null = null
  #hangsSeen = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(): void {
    Atomics.add(this.#cells, BEATS, 1)
    this.#timer = this.#clock.after(BEAT_MS, () => this.start())
  }

  /** The watch will find that the data path hangs: who closes this stops the watch as well. */
  close(): void {
    this.#timer?.cancel()
  }

  /** Whether the data path was found hanging since this was asked last. */
  takeHung(): boolean {
    const hangs = Atomics.load(this.#cells, HANGS)
    if (hangs === this.#hangsSeen) return false
    this.#hangsSeen = hangs
    return true
  }
}

/** The other side: looks every `BEAT_MS`. */
export class HeartbeatWatch {
  readonly #cells: Int32Array
  #beats = 0
  #movedMs = 0
  #lookedMs = Number.NEGATIVE_INFINITY
  #hung = false

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory)
  }

  look(nowMs: number): Pulse {
    const beats = Atomics.load(this.#cells, BEATS)
    const stoodStill = nowMs - this.#lookedMs > HUNG_AFTER_MS / 2
    this.#lookedMs = nowMs
    if (beats !== this.#beats || stoodStill) {
      const lagMs = stoodStill || this.#beats === 0 ? 0 : Math.max(0, nowMs - this.#movedMs - 2 * BEAT_MS)
      this.#beats = beats
      this.#movedMs = nowMs
      this.#hung = false
      return { stillMs: 0, lagMs }
    }
    if (beats === 0) return { stillMs: 0, lagMs: 0 }
    const stillMs = nowMs - this.#movedMs
    if (stillMs >= HUNG_AFTER_MS && !this.#hung) {
      this.#hung = true
      Atomics.add(this.#cells, HANGS, 1)
    }
    return { stillMs, lagMs: 0 }
  }
}
