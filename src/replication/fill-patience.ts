/**
 * Patience with followers that cannot be filled: one that has no room for a snapshot, and may evict nothing for it (`noeviction`), is not complete after
 * it. The slot is sent again later and later, from a second to five minutes, because room may come; a copy that fills in between and fails again soon
 * after goes on where it was.
 */
import type { Outgoing } from './outgoing.ts'

const FIRST_WAIT_MS = 1000
const MAX_WAIT_MS = 5 * 60 * 1000
/** A slot that has not failed for so long after its last wait begins anew. */
const FORGIVEN_MS = 60_000

interface Failures {
  count: number
  notBeforeMs: number
}

export class FillPatience {
  readonly #failures = new WeakMap<Outgoing, Map<number, Failures>>()

  /** The follower has read a whole snapshot and is not complete. */
  failed(outgoing: Outgoing, slot: number, nowMs: number): void {
    let slots = this.#failures.get(outgoing)
    if (slots === undefined) {
      slots = new Map()
      this.#failures.set(outgoing, slots)
    }
    const before = slots.get(slot)
    const count = before === undefined || nowMs - before.notBeforeMs > FORGIVEN_MS ? 0 : before.count
    slots.set(slot, { count: count + 1, notBeforeMs: nowMs + Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** count) })
  }

  mayFill(outgoing: Outgoing, slot: number, nowMs: number): boolean {
    const failures = this.#failures.get(outgoing)?.get(slot)
    return failures === undefined || nowMs >= failures.notBeforeMs
  }
}
