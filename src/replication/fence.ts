/**
 * The fence: a process that stood still, by its own clock or as the thread of membership saw it, does not know what was decided meanwhile. Before it executes anything it asks the others which terms they
 * know, and goes on when they have answered, or after a while.
 */
import { SlotSet } from '../lib/slot-set.ts'
import type { Claims } from './claims.ts'
import type { Context } from './context.ts'

/** The event loop stood still for so long: others may have taken over. */
const STALL_MS = 1000
const FENCE_MS = 500

export class Fence {
  readonly #context: Context
  readonly #claims: Claims
  readonly #hung: () => boolean
  readonly #lifted: () => void
  #lastTickMs: number
  #untilMs = 0

  /** `hung` tells once of each time when another thread found this one standing still. `lifted` is called when the fence is down again. */
  constructor(context: Context, claims: Claims, hung: () => boolean, lifted: () => void) {
    this.#context = context
    this.#claims = claims
    this.#hung = hung
    this.#lifted = lifted
    this.#lastTickMs = context.clock.now()
  }

  /** To be asked before anything is executed: the first event after a pause may come before the tick. */
  get up(): boolean {
    const nowMs = this.#context.clock.turn()
    this.#notice(nowMs)
    return nowMs < this.#untilMs
  }

  tick(nowMs: number): void {
    this.#notice(nowMs)
    this.#lastTickMs = nowMs
  }

  #notice(nowMs: number): void {
    const stalledMs = nowMs - this.#lastTickMs
    // Asked even when the own clock shows it: one pause is to raise the fence once.
    const hung = this.#hung()
    if (stalledMs < STALL_MS && !hung) return
    this.#lastTickMs = nowMs
    const { clock, logger, table } = this.#context
    const held = new SlotSet()
    for (const slots of table.primariesByTerm().values()) held.addAll(slots)
    if (held.size === 0) return
    const untilMs = nowMs + FENCE_MS
    this.#untilMs = untilMs
    logger.warn({ stalledMs: Math.round(stalledMs), hung }, 'the event loop stood still: asking before executing again')
    this.#claims.query(held, FENCE_MS, (answers) => {
      for (const answer of answers) {
        for (const [slot, { term }] of answer) if (term !== null) table.adopt(slot, term)
      }
      if (this.#untilMs === untilMs) this.#untilMs = 0
      this.#lifted()
    })
    clock.after(FENCE_MS, () => this.#lifted())
  }
}
