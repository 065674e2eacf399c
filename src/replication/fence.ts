/**
 * The fence: a process that stood still, by its own clock or as the thread of membership saw it, or to which no peer has acknowledged anything for a
 * while, does not know what was decided meanwhile. Before it executes anything it asks the others which terms they know, and goes on when they have
 * answered, or after `FENCE_MS`, or `REPLACED_FENCE_MS` where it was away for long. A silence raises it twice: when it is noticed, and when it ends, as only
 * then can the others tell.
 */
import { SlotSet } from '../lib/slot-set.ts'
import type { Claims } from './claims.ts'
import type { Context } from './context.ts'

/** The event loop stood still for so long: others may have taken over. */
const STALL_MS = 1000
/** No peer acknowledged anything for so long: each says something every 100 ms. */
const SILENCE_MS = 1000
const FENCE_MS = 500
/**
 * Who was away for so long was held dead, and was replaced: one answer that is missing may be the one that says so. Links that have to be made anew take a
 * second when machines are busy, and requests wait for longer.
 */
const REPLACED_MS = 2500
const REPLACED_FENCE_MS = 2000
/** Before those that could not be asked are asked again: the links of one that stood still are broken, and made anew at once. */
const RETRY_MS = 50

export interface FenceEvents {
  /** Tells once of each time when another thread found this one standing still. */
  hung(): boolean
  /** When any of the peers that are there acknowledged something last, in ms of the clock; `-Infinity` if none ever has. */
  lastAckMs(): number
  /** It is to be asked what was decided meanwhile. */
  raised(): void
  /** The fence is down again. */
  lifted(): void
}

export class Fence {
  readonly #context: Context
  readonly #claims: Pick<Claims, 'query'>
  readonly #hung: () => boolean
  readonly #lastAckMs: () => number
  readonly #raised: () => void
  readonly #lifted: () => void
  #lastTickMs: number
  #untilMs = 0
  #silent = false
  #silentSinceMs = 0

  constructor(context: Context, claims: Pick<Claims, 'query'>, { hung, lastAckMs, raised, lifted }: FenceEvents) {
    this.#context = context
    this.#claims = claims
    this.#hung = hung
    this.#lastAckMs = lastAckMs
    this.#raised = raised
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
    this.#listen(nowMs)
  }

  #notice(nowMs: number): void {
    const stalledMs = nowMs - this.#lastTickMs
    // Asked even when the own clock shows it: one pause is to raise the fence once.
    const hung = this.#hung()
    if (stalledMs < STALL_MS && !hung) return
    this.#lastTickMs = nowMs
    this.#raise(nowMs, stalledMs, { stalledMs: Math.round(stalledMs), hung }, 'the event loop stood still: asking before executing again')
  }

  #listen(nowMs: number): void {
    // What arrived while this member stood still is yet to be read, and the fence is up anyway.
    if (nowMs < this.#untilMs) return
    const silentMs = nowMs - this.#lastAckMs()
    const silent = Number.isFinite(silentMs) && silentMs >= SILENCE_MS
    if (silent === this.#silent) return
    this.#silent = silent
    if (silent) this.#silentSinceMs = nowMs
    // The silent may have gone, and with them whoever could be asked.
    if (!Number.isFinite(silentMs)) return
    const message = silent ? 'no peer acknowledges anything: asking before executing again' : 'peers acknowledge again: asking them first'
    this.#raise(nowMs, silent ? 0 : SILENCE_MS + nowMs - this.#silentSinceMs, { silentMs: Math.round(silentMs) }, message)
  }

  #raise(nowMs: number, awayMs: number, fields: object, message: string): void {
    this.#raised()
    const { clock, logger, table } = this.#context
    const held = new SlotSet()
    for (const slots of table.primariesByTerm().values()) held.addAll(slots)
    if (held.size === 0) return
    const fenceMs = awayMs >= REPLACED_MS ? REPLACED_FENCE_MS : FENCE_MS
    const untilMs = nowMs + fenceMs
    this.#untilMs = untilMs
    logger.warn(fields, message)
    this.#ask(held, untilMs)
    clock.after(fenceMs, () => this.#lifted())
  }

  #ask(held: SlotSet, untilMs: number): void {
    const { clock, table } = this.#context
    this.#claims.query(held, untilMs - clock.now(), (answers, missing) => {
      for (const answer of answers) {
        for (const [slot, { term }] of answer) if (term !== null) table.adopt(slot, term)
      }
      if (this.#untilMs !== untilMs) return
      if (missing > 0) {
        if (clock.now() + RETRY_MS < untilMs) clock.after(RETRY_MS, () => this.#untilMs === untilMs && this.#ask(held, untilMs))
        return
      }
      this.#untilMs = 0
      this.#lifted()
    })
  }
}
