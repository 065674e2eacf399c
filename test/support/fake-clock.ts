/**
 * Virtual time. `FakeClock` runs what is due, in order, and time moves only when a test says so. `HostClock` is one machine's view of it: with
 * a wall clock of its own that may be off or jump, and which can stand still (a paused process hears nothing, then everything at once).
 */
import type { Clock, Timer } from '../../src/lib/clock.ts'

interface Due {
  readonly at: number
  readonly order: number
  fn: (() => void) | null
}

/** 2026-01-01T00:00:00Z: what every virtual wall clock shows at virtual time 0. */
export const EPOCH_MS = 1_767_225_600_000

export class FakeClock implements Clock {
  #now = 0
  #order = 0
  /** A binary heap by (at, order). */
  readonly #heap: Due[] = []
  /** Called after every event: where a simulation checks what must hold at every moment. */
  observer: (() => void) | null = null

  now(): number {
    return this.#now
  }

  turn(): number {
    return this.now()
  }

  wallMs(): number {
    return EPOCH_MS + Math.floor(this.#now)
  }

  after(ms: number, fn: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, ms), order: this.#order++, fn }
    this.#push(due)
    return {
      cancel: () => {
        due.fn = null
      },
    }
  }

  soon(fn: () => void): void {
    this.after(0, fn)
  }

  /** Timers that are set and not cancelled. O(timers). */
  get pending(): number {
    return this.#heap.reduce((sum, { fn }) => sum + (fn === null ? 0 : 1), 0)
  }

  /** Runs all that falls due within the next `ms`, then stands at that time. */
  advance(ms: number): void {
    this.runUntil(this.#now + ms)
  }

  runUntil(end: number): void {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > end) break
      this.#pop()
      this.#now = Math.max(this.#now, next.at)
      if (next.fn === null) continue
      next.fn()
      this.observer?.()
    }
    this.#now = Math.max(this.#now, end)
  }

  /** Advances until `done` answers true; throws after `limitMs` of virtual time. Looks every `stepMs`. */
  runUntilTrue(done: () => boolean, limitMs: number, what: string, stepMs: number = 10): void {
    const end = this.#now + limitMs
    while (!done()) {
      if (this.#now >= end) throw new Error(`${what}: not so after ${limitMs} ms of virtual time`)
      this.advance(stepMs)
    }
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(due, heap[parent] as Due)) break
      heap[at] = heap[parent] as Due
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Due
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Due, heap[child] as Due)) child++
      if (!before(heap[child] as Due, last)) break
      heap[at] = heap[child] as Due
      at = child
    }
    heap[at] = last
  }
}

function before(a: Due, b: Due): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order
}

export class HostClock implements Clock {
  readonly #base: FakeClock
  readonly #waiting: (() => void)[] = []
  #paused = false
  #dead = false
  /** Added to the wall clock: skew, or a jump while the host runs. */
  wallOffsetMs = 0

  constructor(base: FakeClock) {
    this.#base = base
  }

  now(): number {
    return this.#base.now()
  }

  turn(): number {
    return this.now()
  }

  wallMs(): number {
    return this.#base.wallMs() + this.wallOffsetMs
  }

  after(ms: number, fn: () => void): Timer {
    let live = true
    const timer = this.#base.after(ms, () => {
      this.run(() => {
        if (live) fn()
      })
    })
    return {
      cancel: () => {
        live = false
        timer.cancel()
      },
    }
  }

  soon(fn: () => void): void {
    this.after(0, fn)
  }

  /** Runs `fn` now, or when the host wakes; never once it is dead. All input of a host passes here. */
  run(fn: () => void): void {
    if (this.#dead) return
    if (this.#paused) this.#waiting.push(fn)
    else fn()
  }

  get paused(): boolean {
    return this.#paused
  }

  get dead(): boolean {
    return this.#dead
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    for (const fn of this.#waiting.splice(0)) this.after(0, fn)
  }

  /** Nothing of this host ever runs again: SIGKILL. */
  kill(): void {
    this.#dead = true
  }
}
