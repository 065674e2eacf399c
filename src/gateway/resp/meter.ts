/**
 * Meter: how often each command was called, and how long it took, cheap enough to stay on.
 *
 * The clock is read when a piece of input begins to be executed and when it is through; the commands in between share the time equally. A client
 * that pipelines nothing gets each command measured by itself. Commands answered later are measured each by its own time.
 */
import type { Clock } from '../../lib/clock.ts'
import type { Command } from './command-table.ts'

/** `times` calls of a command took `seconds` each. */
export type ObserveCommand = (command: string, seconds: number, times: number) => void

export class Meter {
  readonly #clock: Clock
  readonly #observe: ObserveCommand
  readonly #commands: readonly Command[]
  readonly #calls: Float64Array
  /** Of the piece under way. */
  readonly #fresh: Uint32Array
  readonly #touched: number[] = []
  #total = 0
  #active = false
  /** By `Clock.now`, when the piece under way began. */
  startedMs = 0
  /** Calls answered later that are still to be told: so many of one command and one piece, all at one time. */
  #lateTimes = 0
  #lateId = 0
  #lateStartedMs = 0
  #lateEndedMs = 0

  constructor(clock: Clock, commands: readonly Command[], observe: ObserveCommand) {
    this.#clock = clock
    this.#observe = observe
    this.#commands = commands
    this.#calls = new Float64Array(commands.length)
    this.#fresh = new Uint32Array(commands.length)
  }

  /** False when a piece is under way already: what is executed belongs to it. */
  begin(): boolean {
    if (this.#active) return false
    this.#active = true
    this.#tellLate()
    this.startedMs = this.#clock.now()
    return true
  }

  /** One call that is answered within the piece. */
  count(id: number): void {
    this.countMany(id, 1)
  }

  /** So many calls of one command, all answered within the piece. */
  countMany(id: number, times: number): void {
    if (times === 0) return
    this.#calls[id] = (this.#calls[id] as number) + times
    const fresh = this.#fresh[id] as number
    if (fresh === 0) this.#touched.push(id)
    this.#fresh[id] = fresh + times
    this.#total += times
  }

  /** One call that was answered later; `startedMs` is that of its piece. It is told when the next piece begins, at the latest. */
  countLate(id: number, startedMs: number): void {
    this.#calls[id] = (this.#calls[id] as number) + 1
    const endedMs = this.#clock.turn()
    if (id !== this.#lateId || startedMs !== this.#lateStartedMs || endedMs !== this.#lateEndedMs) {
      this.#tellLate()
      this.#lateId = id
      this.#lateStartedMs = startedMs
      this.#lateEndedMs = endedMs
    }
    this.#lateTimes++
  }

  end(): void {
    this.#active = false
    if (this.#total === 0) return
    const seconds = (this.#clock.now() - this.startedMs) / 1000 / this.#total
    for (const id of this.#touched) {
      this.#observe((this.#commands[id] as Command).name, seconds, this.#fresh[id] as number)
      this.#fresh[id] = 0
    }
    this.#touched.length = 0
    this.#total = 0
  }

  #tellLate(): void {
    if (this.#lateTimes === 0) return
    const { name } = this.#commands[this.#lateId] as Command
    this.#observe(name, (this.#lateEndedMs - this.#lateStartedMs) / 1000, this.#lateTimes)
    this.#lateTimes = 0
  }

  get callsTotal(): number {
    return this.#calls.reduce((sum, calls) => sum + calls, 0)
  }

  /** Commands that were called, by name. */
  calls(): Record<string, number> {
    const calls: Record<string, number> = {}
    for (const { id, name } of this.#commands) if ((this.#calls[id] as number) > 0) calls[name] = this.#calls[id] as number
    return calls
  }
}
