/**
 * Watches, after every event of a run, who executes what: the rules of terms, hand-over and claims as seen from outside, by one who sees all members at once.
 */
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import { compareTerms, sameTerm, type Term } from '../../../src/placement/index.ts'
import type { Cluster, Life } from '../../support/cluster.ts'
import type { Faults } from './faults.ts'
import type { Plan } from './plan.ts'
import type { Verdict } from './verdict.ts'

/** A member younger than this claims nothing unheld without having heard of everybody: claims.ts, `SILENT_MS`. */
const CLAIMS_ALONE_MS = 30_000

interface Watched {
  readonly life: Life
  readonly startedMs: number
  routeVersion: number
  /** By slot: the term known last. */
  readonly known: (Term | null)[]
  /** By slot: is it primary? */
  readonly primary: Uint8Array
  /** By slot: the term under which this member granted the slot away last. */
  readonly granted: (Term | null)[]
}

export class AuthorityWatch {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #faults: Faults
  readonly #verdict: Verdict
  readonly #watched = new Map<Life, Watched>()

  constructor(cluster: Cluster, plan: Plan, faults: Faults, verdict: Verdict) {
    this.#cluster = cluster
    this.#plan = plan
    this.#faults = faults
    this.#verdict = verdict
    cluster.clock.observer = () => this.#look()
  }

  started(life: Life): void {
    this.#watched.set(life, {
      life,
      startedMs: this.#cluster.clock.now(),
      routeVersion: 0,
      known: new Array(SLOT_COUNT).fill(null),
      primary: new Uint8Array(SLOT_COUNT),
      granted: new Array(SLOT_COUNT).fill(null),
    })
  }

  ended(life: Life): void {
    this.#watched.delete(life)
  }

  #look(): void {
    for (const watched of this.#watched.values()) {
      const { routeVersion } = watched.life.node.inside.replication
      if (routeVersion === watched.routeVersion) continue
      watched.routeVersion = routeVersion
      for (let slot = 0; slot < SLOT_COUNT; slot++) this.#lookAt(watched, slot)
    }
  }

  #lookAt(watched: Watched, slot: number): void {
    const { life, known, primary, granted } = watched
    const { replication } = life.node.inside
    const term = replication.term(slot)
    const isPrimary = replication.isPrimary(slot)
    const before = known[slot] as Term | null
    const wasPrimary = primary[slot] === 1
    if (term === before && isPrimary === wasPrimary) return
    known[slot] = term
    primary[slot] = isPrimary ? 1 : 0
    if (wasPrimary && !isPrimary && term !== null && !this.#isOwn(life, term)) {
      granted[slot] = replication.isComplete(slot) ? term : null
    }
    if (!isPrimary) return
    const at = `slot ${slot}: ${life.name}`
    if (term === null || !this.#isOwn(life, term)) {
      this.#verdict.broken('beaten is silent', `${at} executes under the term of ${term?.name ?? 'nobody'}`)
      return
    }
    if (before !== null && !sameTerm(before, term) && compareTerms(before, term) > 0 && this.#knowsAlive(life, before)) {
      this.#verdict.broken('beaten is silent', `${at} takes a term below that of ${before.name}, who is alive to it`)
    }
    if (!wasPrimary) for (const other of this.#watched.values()) if (other !== watched) this.#compare(watched, other, slot, before)
  }

  /** One member has just become primary of a slot: is another, and may it be? */
  #compare(watched: Watched, other: Watched, slot: number, before: Term | null): void {
    const { life } = watched
    const { replication } = other.life.node.inside
    if (!replication.isPrimary(slot)) return
    const both = `slot ${slot}: ${life.name} begins to execute while ${other.life.name} does`
    const { clock } = this.#cluster
    if (this.#plan.strict.oneExecutor) {
      this.#verdict.broken(this.#plan.strict.flawless ? 'planned moves have one executor' : 'one member executes', both)
      return
    }
    const handed = watched.granted[slot] ?? null
    const theirs = replication.term(slot)
    if (handed !== null && sameTerm(handed, theirs) && this.#knowsAlive(life, handed)) {
      this.#verdict.broken('planned moves have one executor', `${both}, to whom it had granted the slot and who is alive to it`)
    }
    const unmet = life.node.inside.membership.member(other.life.name) === undefined
    const young = clock.now() - watched.startedMs < CLAIMS_ALONE_MS
    if (before === null && unmet && young) {
      const cut = this.#faults.isCut(life.name, other.life.name) || this.#faults.isCut(other.life.name, life.name)
      this.#verdict.broken('empty claims ask everybody', `${both}, whom it has not met${cut ? ' behind a cut' : ''}`)
    }
  }

  #isOwn(life: Life, term: Term): boolean {
    return term.name === life.name && term.generation === life.node.inside.membership.self().generation
  }

  /** Does the member believe the holder of a term to be alive? */
  #knowsAlive(life: Life, { name, generation }: Term): boolean {
    const member = life.node.inside.membership.member(name)
    return member?.generation === generation && (member.state === 'alive' || member.state === 'suspect')
  }
}
