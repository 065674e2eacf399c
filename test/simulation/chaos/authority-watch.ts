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
/** claims.ts, `FEW_WAIT_MS`, less what may lie between a member's own look and the one that is taken here. */
const FEW_WAIT_MS = 4900

type Identity = Pick<Term, 'name' | 'generation'>

interface Watched {
  readonly life: Life
  readonly startedMs: number
  routeVersion: number
  /** By slot: the term known last. */
  readonly known: (Term | null)[]
  /** By slot: is it primary? */
  readonly primary: Uint8Array
  /** By slot: since when the member has seen no living holder of it; infinite while it sees one. */
  readonly orphanSinceMs: Float64Array
  /** Lives that it has seen alive: one that was dead when it heard of it was never on its ring. */
  readonly met: Set<Life>
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
      orphanSinceMs: new Float64Array(SLOT_COUNT).fill(Number.POSITIVE_INFINITY),
      met: new Set(),
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
      for (const other of this.#cluster.lives.values())
        if (this.#knowsAlive(watched.life, other.node.inside.membership.self())) watched.met.add(other)
      this.#lookForOrphans(watched)
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
    if (!wasPrimary && before !== null) this.#holdFewBack(watched, slot, before)
    watched.orphanSinceMs[slot] = Number.POSITIVE_INFINITY
    if (!wasPrimary) for (const other of this.#watched.values()) if (other !== watched) this.#compare(watched, other, slot, before)
  }

  /** Which slots have no holder that the member sees alive? A change of its view changes its routes. */
  #lookForOrphans({ life, known, orphanSinceMs }: Watched): void {
    const nowMs = this.#cluster.clock.now()
    let last: Term | null = null
    let lives = false
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const term = known[slot] as Term | null
      if (term === null) continue
      if (term !== last) lives = this.#isOwn(life, term) || this.#knowsAlive(life, term)
      last = term
      if (lives) orphanSinceMs[slot] = Number.POSITIVE_INFINITY
      else orphanSinceMs[slot] = Math.min(nowMs, orphanSinceMs[slot] as number)
    }
  }

  /** A member has just become primary of a slot that another life held: by a grant, or because it has waited, or because it sees enough of the others. */
  #holdFewBack({ life, orphanSinceMs, met }: Watched, slot: number, before: Term): void {
    const orphanMs = this.#cluster.clock.now() - (orphanSinceMs[slot] as number)
    if (orphanMs < 0 || orphanMs >= FEW_WAIT_MS) return
    // Granted: who runs and has given a slot away may have said already that it leaves.
    const holder = [...this.#cluster.lives.values()].find((other) => this.#isOwn(other, before))
    if (holder !== undefined && !holder.node.inside.replication.isPrimary(slot)) return
    // A life that it has not met yet counts for nothing: that of its name which it has met is gone, perhaps by the platform's word.
    const running = [...this.#cluster.lives.values()].filter((other) => other === life || (met.has(other) && this.#counts(life, other)))
    const isSeen = ({ name }: Life): boolean => name === life.name || this.#seesAlive(life, name)
    const seen = running.filter(isSeen)
    // One that stops may be off the ring, or on it still.
    const staying = running.filter((other) => other === life || !this.#cluster.isStopping(other))
    // One that has just ended is there to whoever has not noticed.
    const ghosts = life.node.inside.membership
      .members()
      .filter(({ name }) => !this.#cluster.lives.has(name) && this.#seesAlive(life, name)).length
    if (2 * (seen.length + ghosts) >= running.length + ghosts || 2 * staying.filter(isSeen).length >= staying.length) return
    this.#verdict.broken(
      'the few wait',
      `slot ${slot}: ${life.name} sees ${seen.length} of ${running.length}, and takes it when it has had no holder for ${Math.round(orphanMs)} ms`,
    )
  }

  #counts(life: Life, other: Life): boolean {
    const member = life.node.inside.membership.member(other.name)
    return member?.generation === other.node.inside.membership.self().generation && member.state !== 'left'
  }

  #seesAlive(life: Life, name: string): boolean {
    const state = life.node.inside.membership.member(name)?.state
    return state === 'alive' || state === 'suspect'
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
  #knowsAlive(life: Life, { name, generation }: Identity): boolean {
    const member = life.node.inside.membership.member(name)
    return member?.generation === generation && (member.state === 'alive' || member.state === 'suspect')
  }
}
