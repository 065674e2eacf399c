/**
 * The view: what this member holds of all others, and what each piece of news does to it.
 *
 * News that overrules what is held (see record.ts) is taken, told to the product and passed on; all other news ends here. A suspect gets a
 * trial, and further accusers shorten it. News of a later life of a name first ends the earlier one. What only somebody else concluded, `dead`, in a
 * push/pull or of a member that stands no trial here, or has just begun to, is taken for an accusation, so that a member that lives gets the chance to say so: one that
 * could not be heard, or could not hear, has held all others dead meanwhile, and is believed by nobody when it is back.
 */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Gossiper } from './gossiper.ts'
import type { MemberList } from './member-list.ts'
import type { MembershipEvents } from './membership.ts'
import type { SwimOptions } from './options.ts'
import { compareLives, compareRecords, isLive, type MemberRecord } from './record.ts'
import { Suspicion, suspicionOptions } from './suspicion.ts'

export class View {
  readonly #clock: Clock
  readonly #options: SwimOptions
  readonly #list: MemberList
  readonly #gossiper: Gossiper
  readonly #events: Pick<MembershipEvents, 'memberChanged'>
  readonly #log: Logger
  readonly #suspicions = new Map<string, Suspicion>()
  #suspicionsTotal = 0

  constructor(
    clock: Clock,
    options: SwimOptions,
    list: MemberList,
    gossiper: Gossiper,
    events: Pick<MembershipEvents, 'memberChanged'>,
    log: Logger,
  ) {
    this.#clock = clock
    this.#options = options
    this.#list = list
    this.#gossiper = gossiper
    this.#events = events
    this.#log = log
  }

  get suspicionsTotal(): number {
    return this.#suspicionsTotal
  }

  /** This member and the live others. */
  get size(): number {
    return this.#list.live().length + 1
  }

  /** News about another member, from anywhere. */
  learn(record: MemberRecord): void {
    const held = this.#list.get(record.name)
    if (held === undefined) {
      if (this.#list.makeRoom()) this.#adopt(record, undefined)
      else this.#log.warn({ member: record.name }, 'no room for another member')
      return
    }
    const later = compareLives(record, held)
    if (later > 0) {
      this.#adopt(record, isLive(held) ? this.#end(held) : held)
    } else if (later === 0) {
      // It stopped in order and its pod was deleted afterwards: a fact, but it stays `left`.
      const news: MemberRecord = record.fact && held.state === 'left' ? { ...held, fact: true } : record
      if (news.state === 'dead' && !news.fact && this.#wasNotHeard(held)) this.learn({ ...news, state: 'suspect' })
      else if (compareRecords(news, held) > 0) this.#adopt(news, held)
      else this.#confirm(news, held)
    }
  }

  /** News from a push/pull with `source`. */
  learnFromPushPull(record: MemberRecord, source: string): void {
    const held = this.#list.get(record.name)
    const concluded = record.state === 'dead' && !record.fact
    const accuses = concluded && held !== undefined && isLive(held) && compareLives(record, held) === 0
    this.learn(accuses ? { ...record, state: 'suspect', accuser: source } : record)
  }

  /** Calls those dead whose trial is over, and returns them. */
  convict(accuser: string): MemberRecord[] {
    const nowMs = this.#clock.now()
    const convicted: MemberRecord[] = []
    for (const [name, suspicion] of [...this.#suspicions]) {
      if (suspicion.deadlineMs > nowMs) continue
      const held = this.#list.get(name)
      if (held === undefined || held.state !== 'suspect') continue
      const dead: MemberRecord = { ...held, state: 'dead', accuser }
      this.#log.info({ member: name, generation: held.generation }, 'a suspect did not refute and is held dead')
      this.learn(dead)
      convicted.push(dead)
    }
    return convicted
  }

  /** This process stood still: what it did not hear speaks against nobody. */
  grantTime(): void {
    for (const suspicion of this.#suspicions.values()) suspicion.grantTime(this.#clock.now())
  }

  /** Ends the life of `held` because a later one of its name is known. The earlier life need not be passed on: the later one says it all. */
  #end(held: MemberRecord): MemberRecord {
    const ended: MemberRecord = { ...held, state: 'dead' }
    this.#suspicions.delete(held.name)
    this.#list.put(ended)
    this.#events.memberChanged(ended, held)
    return ended
  }

  #adopt(record: MemberRecord, previous: MemberRecord | undefined): void {
    if (record.state === 'suspect') {
      const { probeIntervalMs, suspicionMultiplier, suspicionMaxMultiplier } = this.#options
      const options = suspicionOptions(this.size, probeIntervalMs, suspicionMultiplier, suspicionMaxMultiplier)
      this.#suspicions.set(record.name, new Suspicion(options, record.accuser, this.#clock.now()))
      this.#suspicionsTotal++
    } else {
      this.#suspicions.delete(record.name)
    }
    this.#list.put(record)
    this.#gossiper.spread(record)
    if (previous === undefined || tellsApart(record, previous)) this.#events.memberChanged(record, previous)
  }

  /** It has had no chance to refute, as far as is known here. */
  #wasNotHeard(held: MemberRecord): boolean {
    return held.state === 'alive' || (held.state === 'suspect' && this.#suspicions.get(held.name)?.isFresh(this.#clock.now()) === true)
  }

  #confirm(news: MemberRecord, held: MemberRecord): void {
    if (news.state !== 'suspect' || held.state !== 'suspect' || news.incarnation !== held.incarnation) return
    if (this.#suspicions.get(held.name)?.confirm(news.accuser)) this.#gossiper.spread(news)
  }
}

/** Whether the product has to hear of the difference: a mere refutation is none. */
function tellsApart(a: MemberRecord, b: MemberRecord): boolean {
  return a.state !== b.state || a.address !== b.address || compareLives(a, b) !== 0 || !a.metaBytes.equals(b.metaBytes)
}
