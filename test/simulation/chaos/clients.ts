/**
 * Clients and their history. Each client asks one thing after the other, of whichever member takes requests, over a network of its own that nobody cuts, and
 * remembers what it asked and what it was told. What the history may not say is judged while it grows (reads) and at rest (what is there at last).
 *
 * Four kinds of keys: such as are written once; registers of one client, numbered upwards and sometimes deleted; keys that are written, then deleted, each with
 * `ack=replica`, at once or, where a member is in exile meanwhile, later; and counters that many clients increment.
 */
import { ACK_ALL, ACK_LOCAL, ACK_REPLICA, type AckMode, OPERATION_INCREMENT, type Operation } from '../../../src/cache/operation.ts'
import { slotOf } from '../../../src/lib/slot.ts'
import { sameTerm } from '../../../src/placement/index.ts'
import type { Cluster, Life } from '../../support/cluster.ts'
import { deleteOf, getOf, operationOf, setOf } from '../../support/operations.ts'
import type { Plan } from './plan.ts'
import type { Trace } from './trace.ts'
import type { Verdict } from './verdict.ts'

/** `refused`: an error that says that nothing was executed. */
type Fate = 'under way' | 'acknowledged' | 'refused' | 'unknown'

interface Step {
  /** `undefined` for a deletion. */
  readonly value: string | undefined
  readonly ack: AckMode
  fate: Fate
  /** A deletion that was acknowledged and found nothing to delete. */
  idle: boolean
}

export interface KeyHistory {
  readonly key: string
  readonly kind: 'once' | 'register' | 'doomed' | 'filler'
  readonly steps: Step[]
  /** Two failures took what was acknowledged, before it could be copied again. */
  excused: boolean
  /** It was acknowledged when a member ended while others were cut off or disagreed. */
  shaken: boolean
}

interface Counter {
  readonly key: string
  acknowledged: number
  /** Sent, and not known to be refused. */
  possible: number
}

interface Answer {
  readonly fate: Exclude<Fate, 'under way'>
  readonly value: string | undefined
  /** There was an entry when it was executed. */
  readonly existed: boolean
  /** Both sides of a cut served the slot just then. */
  readonly divided: boolean
}

export const CLIENTS = 6
const COUNTERS = 4
/** In runs with an exile a key that is to be deleted lives for so long at most: it is to be known to who goes, and gone when it returns. */
const DOOMED_MS = 10_000
const INTERVAL_MS = 80
/** Longer than any answer may take. */
const TIMEOUT_MS = 8000
const NOT_EXECUTED: ReadonlySet<string> = new Set(['NO_REPLICAS', 'TRY_AGAIN', 'BUSY', 'OUT_OF_MEMORY'])
const NOTHING = { value: undefined, existed: false, divided: false } as const
const FILLER = 'x'.repeat(4000)

export class Clients {
  readonly histories: KeyHistory[] = []
  /** How requests ended, by what was said. */
  readonly answers = new Map<string, number>()
  /** Two failures at once took something: what was written before may be older. */
  memoryLost = false
  underWay = 0
  /** Flushes that are under way, or have not reached everybody. */
  #forgetting = 0
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #trace: Trace
  readonly #verdict: Verdict
  readonly #counters: Counter[] = Array.from({ length: COUNTERS }, (_, i) => ({ key: `counter-${i}`, acknowledged: 0, possible: 0 }))
  #writing = false

  constructor(cluster: Cluster, plan: Plan, trace: Trace, verdict: Verdict) {
    this.#cluster = cluster
    this.#plan = plan
    this.#trace = trace
    this.#verdict = verdict
  }

  start(): void {
    this.#writing = true
    for (let client = 0; client < CLIENTS; client++) {
      const register = this.#history(`register-${client}`, 'register')
      this.#later(() => this.#act(register))
    }
  }

  /** Nothing more is asked; what is under way comes to its end. */
  stop(): void {
    this.#writing = false
  }

  /** The cache is being flushed: what was written before, and is written until the end of it, need not be there at last. */
  beginForgetting(): void {
    this.#forgetting++
    this.memoryLost = true
    for (const history of this.histories) history.excused = true
  }

  endForgetting(): void {
    this.#forgetting--
  }

  /** What is there at last: reads every key, each through another member. */
  judge(): void {
    let turn = 0
    for (const history of this.histories) {
      this.#ask('last read', getOf(history.key), turn++, ({ fate, value }) => {
        if (fate !== 'acknowledged') this.#verdict.broken('one view', `${history.key} cannot be read at rest`)
        else this.#judgeKey(history, value)
      })
    }
    for (const counter of this.#counters) {
      this.#ask('last read', getOf(counter.key), turn++, ({ value }) => this.#judgeCounter(counter, Number(value ?? 0)))
    }
    this.#cluster.runUntil(() => this.underWay === 0, 2 * TIMEOUT_MS, 'all keys to be read')
  }

  #act(register: KeyHistory): void {
    if (!this.#writing) return
    const { random } = this.#cluster
    const next = (): void => this.#later(() => this.#act(register))
    const draw = random.next()
    const { flawless } = this.#plan.strict
    const ack = flawless && random.next() < 0.5 ? ACK_LOCAL : ACK_REPLICA
    if (this.#plan.kind === 'pressure' && draw < 0.5)
      this.#write(this.#history(`filler-${this.histories.length}`, 'filler'), FILLER, ACK_LOCAL, next)
    else if (draw < 0.25) this.#write(this.#history(`once-${this.histories.length}`, 'once'), `${random.next()}`, ack, next)
    else if (draw < 0.5) this.#writeRegister(register, next)
    else if (draw < 0.65) this.#increment(next)
    else if (draw < 0.8) this.#doom(next)
    else this.#read(next)
  }

  #writeRegister(register: KeyHistory, next: () => void): void {
    const { random } = this.#cluster
    const acks: readonly AckMode[] = [ACK_LOCAL, ACK_REPLICA, ACK_ALL]
    const ack = acks[Math.floor(random.next() * acks.length)] as AckMode
    const value = random.next() < 0.2 ? undefined : String(register.steps.length + 1)
    this.#write(register, value, ack, next)
  }

  /** Writes a key, and once that is acknowledged deletes it through another member. */
  #doom(next: () => void): void {
    const history = this.#history(`doomed-${this.histories.length}`, 'doomed')
    const late = this.#plan.kind === 'exile'
    this.#write(history, 'doomed', ACK_REPLICA, (fate) => {
      const remove = (then: () => void): void => {
        if (fate === 'acknowledged' && this.#writing) this.#write(history, undefined, ACK_REPLICA, then)
        else then()
      }
      if (!late) remove(next)
      else {
        this.#cluster.clock.after(this.#cluster.random.next() * DOOMED_MS, () => remove(() => {}))
        next()
      }
    })
  }

  #write(history: KeyHistory, value: string | undefined, ack: AckMode, next: (fate: Fate) => void): void {
    const step: Step = { value, ack, fate: 'under way', idle: false }
    history.steps.push(step)
    history.excused ||= this.#forgetting > 0
    const operation = value === undefined ? deleteOf(history.key, { ack }) : setOf(history.key, value, { ack })
    this.#ask(value === undefined ? 'delete' : 'set', operation, null, ({ fate, existed, divided }) => {
      step.idle = value === undefined && fate === 'acknowledged' && !existed
      // What is not there on one side of a cut leaves no tombstone that could beat what the other side has: of that it promises nothing.
      step.fate = step.idle && divided ? 'unknown' : fate
      next(fate)
    })
  }

  #increment(next: () => void): void {
    const counter = this.#counters[Math.floor(this.#cluster.random.next() * COUNTERS)] as Counter
    counter.possible++
    this.#ask('increment', operationOf(OPERATION_INCREMENT, counter.key, '1', { ack: ACK_REPLICA }), null, ({ fate }) => {
      if (fate === 'acknowledged') counter.acknowledged++
      if (fate === 'refused') counter.possible--
      next()
    })
  }

  #read(next: () => void): void {
    const history = this.histories[Math.floor(this.#cluster.random.next() * this.histories.length)] as KeyHistory
    const promised = history.steps.findLastIndex(({ fate }) => fate === 'acknowledged')
    this.#ask('read', getOf(history.key), null, ({ fate, value }) => {
      next()
      if (fate !== 'acknowledged') return
      if (value !== undefined && !history.steps.some((step) => step.value === value)) {
        this.#verdict.broken('only what was asked for', `${history.key} has ${value}, which was never written`)
      }
      if (!this.#plan.strict.flawless || promised === -1) return
      if (!history.steps.slice(promised).some((step) => step.value === value)) {
        this.#verdict.broken('planned moves lose nothing', `a read of ${history.key} answers ${value}: ${storyOf(history)}`)
      }
    })
  }

  #judgeKey(history: KeyHistory, value: string | undefined): void {
    const { key, kind, steps, excused } = history
    const { flawless, ordered } = this.#plan.strict
    const story = (): string => `${value} at last: ${storyOf(history)}`
    if (value !== undefined && !steps.some((step) => step.value === value && step.fate !== 'refused')) {
      this.#verdict.broken('only what was asked for', `${key} has ${story()}`)
      return
    }
    if (this.#plan.kind === 'pressure' && value === undefined) return
    const durable = flawless ? ACK_LOCAL : ACK_REPLICA
    const last = steps.findLastIndex((step) => step.fate === 'acknowledged' && step.ack >= durable)
    if (last === -1) return
    // A write whose answer was lost may still be on its way, and come when it likes.
    const fine = steps.some((step, i) => step.value === value && (i >= last ? step.fate !== 'refused' : step.fate === 'unknown'))
    if (fine) return
    if (flawless) {
      this.#verdict.broken('planned moves lose nothing', `${key} has ${story()}`)
      return
    }
    if (excused || (kind === 'register' && (!ordered || this.memoryLost))) return
    if (value !== undefined && steps[last]?.idle) this.#verdict.broken('nothing to delete is true', `${key} has ${story()}`)
    else if (history.shaken) this.#verdict.broken('ack=replica survives cut and crash', `${key} has ${story()}`)
    else if (value !== undefined && kind === 'doomed') this.#verdict.broken('deleted stays deleted', `${key} has ${story()}`)
    else this.#verdict.broken('ack=replica survives', `${key} has ${story()}`)
  }

  #judgeCounter({ key, acknowledged, possible }: Counter, value: number): void {
    const count = `${key} stands at ${value}; ${acknowledged} increments were acknowledged, ${possible} may have been executed`
    if (value > possible) this.#verdict.broken('only what was asked for', count)
    if (value >= acknowledged || this.#plan.kind === 'pressure') return
    if (this.#plan.strict.flawless) this.#verdict.broken('planned moves lose nothing', count)
    else if (this.#plan.strict.oneExecutor && !this.memoryLost) this.#verdict.broken('ack=replica survives', count)
  }

  #history(key: string, kind: KeyHistory['kind']): KeyHistory {
    const history: KeyHistory = { key, kind, steps: [], excused: false, shaken: false }
    this.histories.push(history)
    return history
  }

  /** Asks one member: the `turn`th, or any. The request and its answer take their time, and what a dead member would say is not heard. */
  #ask(what: string, operation: Operation, turn: number | null, done: (answer: Answer) => void): void {
    const { clock, network, random } = this.#cluster
    // A Service leads to members that are ready; a client that has an address of its own asks whom it likes.
    const lives = [...this.#cluster.lives.values()].filter(
      ({ accepting, node }) => accepting && (!this.#plan.strict.flawless || node.ready().ok),
    )
    const life = lives[turn === null ? Math.floor(random.next() * lives.length) : turn % lives.length]
    if (life === undefined) {
      clock.after(0, () => done({ fate: 'refused', ...NOTHING }))
      return
    }
    let over = false
    this.underWay++
    const finish = (answer: Answer, said: string): void => {
      if (over) return
      over = true
      timer.cancel()
      this.underWay--
      this.answers.set(said, (this.answers.get(said) ?? 0) + 1)
      this.#trace.effect(`${life.name} answers ${what} of ${operation.keyBytes()} with ${said} ${answer.value?.slice(0, 20) ?? ''}`)
      if (answer.fate !== 'acknowledged' && this.#plan.strict.flawless && !(said === 'NO_REPLICAS' && this.#isAlone()))
        this.#verdict.broken(
          said === 'NOT_CONFIRMED' ? 'planned moves confirm' : 'planned moves lose nothing',
          `${what} of ${operation.keyBytes()} at ${life.name}: ${said}`,
        )
      done(answer)
    }
    const timer = clock.after(TIMEOUT_MS, () => finish({ fate: 'unknown', ...NOTHING }, 'silence'))
    clock.after(network.delay(), () => life.clock.run(() => this.#execute(life, operation, finish)))
  }

  #execute(life: Life, operation: Operation, finish: (answer: Answer, said: string) => void): void {
    const slot = slotOf(operation.keyBytes())
    const contested = this.#executors(slot) > 1
    const owed = this.#isOwed(slot)
    life.node.cache.execute(operation, (error, outcome) => {
      const value = outcome?.entry?.valueBytes().toString()
      const existed = outcome?.existed === true
      if (life.clock.dead || this.#cluster.lives.get(life.name) !== life) return
      const divided = owed || this.#isDivided(slot) || (contested && this.#haveMet(slot))
      this.#cluster.clock.after(this.#cluster.network.delay(), () => {
        if (error === null) finish({ fate: 'acknowledged', value, existed, divided }, 'ok')
        else finish({ fate: NOT_EXECUTED.has(error.code) ? 'refused' : 'unknown', ...NOTHING }, error.code)
      })
    })
  }

  /**
   * Do two members execute the slot, each with another member that goes by its term? Both sides of a cut serve (rules, "Who may execute"); one that was
   * replaced and does not know has nobody left that goes by its term. And when they have met, what the beaten side alone has is not with the other at once.
   */
  #isDivided(slot: number): boolean {
    const lives = [...this.#cluster.lives.values()]
    if (this.#isOwed(slot)) return true
    const sides = lives.filter((life) => {
      const { replication } = life.node.inside
      const term = replication.term(slot)
      // One that asks the others first, as it has not heard of them for a moment, is on a side all the same.
      if (term === null || !replication.isPrimary(slot)) return false
      // A weak one is on a side until it has heard itself that it was beaten: who followed it may have heard it before, and confirmed its writes before that.
      return !term.strong || lives.some((other) => other !== life && sameTerm(other.node.inside.replication.term(slot), term))
    })
    return sides.length > 1
  }

  /** Has a beaten side yet to send what it alone has of the slot? */
  #isOwed(slot: number): boolean {
    return [...this.#cluster.lives.values()].some(({ node }) => node.inside.replication.owes(slot))
  }

  #executors(slot: number): number {
    return [...this.#cluster.lives.values()].filter(({ node }) => node.inside.replication.executes(slot)).length
  }

  /** Do all go by one term? Where two executed when a request arrived, it was executed on one side of a cut, and answered when that had prevailed. */
  #haveMet(slot: number): boolean {
    const [first, ...others] = [...this.#cluster.lives.values()].map(({ node }) => node.inside.replication.term(slot))
    return others.every((term) => sameTerm(term, first ?? null))
  }

  /** Is at most one member there that could hold a copy, or was a moment ago? Then nobody can confirm a write, and that is no fault. */
  #isAlone(): boolean {
    const lives = [...this.#cluster.lives.values()]
    return lives.filter((life) => !this.#cluster.isStopping(life) && life.node.ready().ok).length < 2
  }

  #later(fn: () => void): void {
    this.#cluster.clock.after(INTERVAL_MS * (0.5 + this.#cluster.random.next()), fn)
  }
}

const ACKS = ['local', 'replica', 'all']

function storyOf({ steps }: KeyHistory): string {
  return steps
    .slice(-6)
    .map(
      ({ value, ack, fate, idle }) =>
        `${value === undefined ? 'delete' : `set ${value.slice(0, 20)}`} (${ACKS[ack]}) ${fate}${idle ? ', found nothing' : ''}`,
    )
    .join(', ')
}
