/**
 * Planner: who answers for which part of the key space, for questions that go to the whole cluster.
 *
 * A plan follows from the tables that the members publish, and holds only while they do: a question names the version of the callee's table that it
 * was planned by, and a callee whose table has changed since refuses; then the question is planned anew. So every key is answered for once. While a
 * slot is served by nobody there is no plan.
 */
import { ByteReader } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { CacheError } from '../lib/errors.ts'
import { SLOT_COUNT } from '../lib/slot.ts'
import type { Authority, CacheCalls } from './authority.ts'
import { ANSWER_DONE } from './messages.ts'

const RETRY_MS = 10
/** Some routes change with time alone. */
const REPLAN_MS = 50

export interface PlannedMember {
  /** `null` for the member itself. */
  readonly name: string | null
  readonly primaryVersion: number
}

export interface Plan {
  readonly routeVersion: number
  readonly members: readonly PlannedMember[]
}

/** One question to several members. */
export interface Question<T> {
  readonly kind: number
  readonly body: (primaryVersion: number) => Buffer
  /** This member's own answer, at once or later; `undefined` if it is to be asked again. */
  readonly here: (done: (answer: T | undefined) => void) => void
  /** Reads what follows `ANSWER_DONE`. Throws `MalformedError`. */
  readonly read: (reader: ByteReader) => T
}

export class Planner {
  readonly #clock: Clock
  readonly #calls: CacheCalls
  readonly #authority: Authority
  readonly #timeoutMs: number
  #plan: Plan | null = null
  #unplannedFor = -1
  #unplannedMs = 0

  constructor(clock: Clock, calls: CacheCalls, authority: Authority, timeoutMs: number) {
    this.#clock = clock
    this.#calls = calls
    this.#authority = authority
    this.#timeoutMs = timeoutMs
  }

  /** `null` while some slot has no holder, or a holder's table has not arrived. Kept until routes change; a `null` for a moment only. */
  plan(): Plan | null {
    const { routeVersion, primaryVersion } = this.#authority
    if (this.#plan?.routeVersion === routeVersion) return this.#plan
    const nowMs = this.#clock.now()
    if (this.#unplannedFor === routeVersion && nowMs - this.#unplannedMs < REPLAN_MS) return null
    this.#plan = null
    this.#unplannedFor = routeVersion
    this.#unplannedMs = nowMs
    const versions = new Map<string | null, number>()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const route = this.#authority.route(slot)
      if (route === null) return null
      if (route === 'here') {
        versions.set(null, primaryVersion)
        continue
      }
      const table = this.#authority.peerPrimaries(route)
      if (table === undefined || !table.primary.has(slot)) return null
      versions.set(route, table.primaryVersion)
    }
    this.#plan = { routeVersion, members: [...versions].map(([name, version]) => ({ name, primaryVersion: version })) }
    return this.#plan
  }

  /** Does a plan that named this version for this member still hold? */
  holds(primaryVersion: number): boolean {
    return primaryVersion === this.#authority.primaryVersion && !this.#authority.fenced
  }

  /**
   * Asks all members of one plan, or the one called `only`, and answers their answers; plans anew until one plan held for all or the time is over.
   * At once, when this member answers for everything.
   */
  ask<T>(question: Question<T>, done: (error: CacheError | null, answers: readonly { name: string | null; answer: T }[]) => void): void {
    this.#ask(question, undefined, this.#clock.now() + this.#timeoutMs, done)
  }

  /** The answer is `undefined` after an error, and where the member has no part in the plan any more. */
  askOne<T>(name: string | null, question: Question<T>, done: (error: CacheError | null, answer: T | undefined) => void): void {
    this.#ask(question, name, this.#clock.now() + this.#timeoutMs, (error, answers) => done(error, answers[0]?.answer))
  }

  #ask<T>(
    question: Question<T>,
    only: string | null | undefined,
    deadlineMs: number,
    done: (error: CacheError | null, answers: { name: string | null; answer: T }[]) => void,
  ): void {
    const retry = (): void => {
      if (this.#clock.now() < deadlineMs) this.#clock.after(RETRY_MS, () => this.#ask(question, only, deadlineMs, done))
      else done(new CacheError('TRY_AGAIN', `not every slot was served by a member within ${this.#timeoutMs} ms`), [])
    }
    const plan = this.plan()
    if (plan === null) {
      retry()
      return
    }
    const members = plan.members.filter(({ name }) => only === undefined || name === only)
    const answers: { name: string | null; answer: T }[] = []
    let open = members.length
    let stale = false
    const finish = (): void => {
      if (open > 0) return
      if (stale) retry()
      else done(null, answers)
    }
    finish()
    for (const { name, primaryVersion } of members) {
      this.#askMember(question, name, primaryVersion, (answer) => {
        open--
        if (answer === undefined) stale = true
        else answers.push({ name, answer })
        finish()
      })
    }
  }

  #askMember<T>(question: Question<T>, name: string | null, primaryVersion: number, done: (answer: T | undefined) => void): void {
    if (name === null) {
      if (this.holds(primaryVersion)) question.here(done)
      else done(undefined)
      return
    }
    this.#calls.call(name, question.kind, question.body(primaryVersion), this.#timeoutMs, (_failure, body) => {
      if (body === null) done(undefined)
      else {
        const reader = new ByteReader(body)
        done(reader.u8() === ANSWER_DONE ? question.read(reader) : undefined)
      }
    })
  }
}
