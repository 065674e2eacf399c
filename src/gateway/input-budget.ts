/**
 * Input budget: what all clients of all faces together may have sent of requests that cannot be forgotten yet, because they are not whole, are queued
 * between MULTI and EXEC, or are being executed.
 *
 * Each connection has limits of its own, but ten thousand of them, each half-way through a value, would fill the memory all the same. So every
 * holder tells how much it holds, and when all hold more than the limit, the one that holds most is refused, the earliest of equals: that is who stalls
 * or floods, while many small requests go on. What is being executed is counted and not refused, for its answer is under way.
 */
export interface InputHolder {
  /** Forgets what it holds, tells its client why (`InputBudget.refusal`) and ends the connection. Called in the midst of anybody's `hold`. */
  refuseInput(): void
}

export class InputBudget {
  readonly limitBytes: number
  /** What those who are refused are told. */
  readonly refusal: string
  /** By when they began. */
  readonly #refusable = new Map<InputHolder, number>()
  readonly #others = new Map<InputHolder, number>()
  heldBytes = 0
  refusedTotal = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
    this.refusal = `requests that are not whole are over maxInputBytes (${limitBytes}), and this one was the largest`
  }

  /** What `holder` holds from now on, in all; 0 for nothing. O(1), and O(holders) for each that has to be refused. */
  hold(holder: InputHolder, bytes: number, refusable: boolean): void {
    this.#note(holder, bytes, refusable)
    while (this.heldBytes > this.limitBytes) {
      const largest = this.#largest()
      if (largest === null) return
      // Counted until it has forgotten, and not chosen again.
      this.#note(largest, this.#refusable.get(largest) ?? 0, false)
      this.refusedTotal++
      largest.refuseInput()
    }
  }

  #note(holder: InputHolder, bytes: number, refusable: boolean): void {
    const before = this.#refusable.get(holder) ?? this.#others.get(holder) ?? 0
    const [now, other] = refusable ? [this.#refusable, this.#others] : [this.#others, this.#refusable]
    other.delete(holder)
    if (bytes === 0) now.delete(holder)
    else now.set(holder, bytes)
    this.heldBytes += bytes - before
  }

  #largest(): InputHolder | null {
    let largest: InputHolder | null = null
    let most = 0
    for (const [holder, bytes] of this.#refusable) {
      if (bytes <= most) continue
      most = bytes
      largest = holder
    }
    return largest
  }
}
