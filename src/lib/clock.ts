/**
 * Clock: the only way the product learns the time or asks to be called later.
 *
 * Everything that decides something takes a `Clock` as an argument, so a test can hold time in its hand. The system clock is made in
 * `src/main.ts` (and by the tools under `bench/`), the virtual one in `test/support/fake-clock.ts`.
 */
export interface Timer {
  /** Safe to call twice and after the timer fired. */
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds with a fraction; the origin is arbitrary, and the same for all threads of a process. Never steps back. */
  now(): number
  /**
   * `now()` as it was when it was first asked for in this callback of the event loop: cheap enough for every request, and as true as a time can be that
   * is read before something is done.
   */
  turn(): number
  /** Milliseconds since 1970 on this machine's wall clock: may step. What is to be compared with other members' times takes the hybrid logical clock's. */
  wallMs(): number
  /** Calls `fn` once, at least `ms` later; never synchronously. Timers set for the same instant fire in the order they were set. */
  after(ms: number, fn: () => void): Timer
  /** Calls `fn` at the end of this turn of the event loop, after the input that is at hand has been handled. Cannot be cancelled. */
  soon(fn: () => void): void
}

/** The longest delay Node's timers can hold; a longer one would fire at once (2^31 - 1 ms, 24.8 days). */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The machine's clock. Timers do not hold the process: the listeners do. */
export class SystemClock implements Clock {
  #turn = 0
  #fresh = false
  // Microtasks run when a callback of the event loop is through.
  readonly #expire = (): void => {
    this.#fresh = false
  }

  now(): number {
    return performance.now()
  }

  turn(): number {
    if (!this.#fresh) {
      this.#turn = performance.now()
      this.#fresh = true
      queueMicrotask(this.#expire)
    }
    return this.#turn
  }

  wallMs(): number {
    return Date.now()
  }

  after(ms: number, fn: () => void): Timer {
    const handle = setTimeout(fn, Math.min(Math.max(ms, 0), MAX_TIMER_MS))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }

  soon(fn: () => void): void {
    setImmediate(fn)
  }
}
