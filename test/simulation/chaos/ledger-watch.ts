/**
 * Watches the ledgers of lost writes of all members that ever ran, and holds what they say together against the history of writes, which knows what was lost.
 *
 * Where nobody crashed: as many as were lost were counted, as `conflict`, `discarded` or gone with a member that stopped (`stop`). Where somebody did: no more
 * were lost than those and the upper bounds together, no fewer than the exact ones and the lower bounds. A bound is never kept for a life that runs.
 *
 * It cannot be exact, and why:
 * - Keys that are evicted, expire or are flushed leave no trace in the history (`pressure`, `fleeting`): there only is too much counting found.
 * - What a member brings along that leaves without an heir (`stop`) are entries, some of which a copy with gaps has as well: they bound from above.
 * - The tombstone of an exile's key may be collected before the exile returns with an older life of the key: nobody knows of it, and nobody need.
 * - A write to a slot that nobody followed dies with its member unheard of, and so does all that the last who knew of it took along.
 * - In slots that were claimed without a complete copy the ledger counts slots, not writes, once somebody has crashed.
 * - "Unseen" is told by how far a stream came, and a stream carries many slots. Where two cuts overlap or follow each other closely (or one meets a crash),
 *   members hear the same stream to different ends: what one has seen is taken for what another has. Each of the two counts, the ledger's and the checker's,
 *   is then at most twice the other and four more; of 600 seeds twelve are not equal. Where each cut stands alone, of whatever kind, all are.
 */
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import type { Cluster, Life } from '../../support/cluster.ts'
import type { Fault, FaultKind, Plan } from './plan.ts'
import type { Verdict } from './verdict.ts'
import { type Write, WriteHistory } from './write-history.ts'

const CUTS: ReadonlySet<FaultKind> = new Set(['split', 'deaf', 'one-way', 'pair', 'exile', 'pause'])
const CRASHES: ReadonlySet<FaultKind> = new Set(['crash', 'silent-crash', 'crash-in-place'])
/** What one cut has left is mended within this. */
const MENDED_MS = 8000
/** A division begins at least so long before the first fault can: chaos.ts. */
const QUIET_MS = 1500

export class LedgerWatch {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #verdict: Verdict
  readonly #history: WriteHistory
  readonly #lives: Life[] = []
  readonly #crashed = new Set<Life>()
  /** By slot, when in virtual time: it was claimed without a complete copy, or the last member ended that knew who held it. */
  readonly #emptiedMs = new Float64Array(SLOT_COUNT)
  readonly #forgottenMs = new Float64Array(SLOT_COUNT)

  constructor(cluster: Cluster, plan: Plan, verdict: Verdict) {
    this.#cluster = cluster
    this.#plan = plan
    this.#verdict = verdict
    this.#history = new WriteHistory(cluster)
  }

  started(life: Life): void {
    this.#lives.push(life)
    this.#history.started(life)
    const { ledger } = life.node.inside.replication
    const emptied = ledger.emptied.bind(ledger)
    ledger.emptied = (slots) => {
      emptied(slots)
      for (const slot of slots) this.#emptiedMs[slot] = this.#cluster.clock.now()
    }
  }

  ended(life: Life, inOrder: boolean): void {
    if (!inOrder) this.#crashed.add(life)
    const others = [...this.#cluster.lives.values()]
    for (let slot = 0; slot < SLOT_COUNT; slot++)
      if (others.every(({ node }) => node.inside.replication.term(slot) === null)) this.#forgottenMs[slot] = this.#cluster.clock.now()
  }

  /** At rest, before anything is closed. */
  judge(): void {
    const sum = { exact: 0, stop: 0, atLeast: 0, atMost: 0 }
    for (const { node } of this.#lives) {
      const { conflict, discarded, stop, atLeast, atMost } = node.inside.replication.ledger.stats()
      sum.exact += conflict + discarded
      sum.stop += stop
      sum.atLeast += atLeast
      sum.atMost += atMost
    }
    const lost = this.#history.lost()
    const known = lost.last.filter((write) => this.#isKnown(write))
    const crashed = this.#crashed.size > 0
    const most = sum.exact + sum.stop + (crashed ? sum.atMost : 0)
    const counts = `${sum.exact} writes, ${sum.stop} that went along, ${sum.atLeast} to ${sum.atMost} in crashes`
    if (known.length > this.#doubt(most)) {
      const some = known.slice(0, 5).map(({ key, version, life }) => `${key} of ${version.ms}-${version.counter} at ${life.name}`)
      this.#verdict.broken(
        'losses are counted',
        `${known.length} writes were lost, among them ${some.join(', ')}; the ledger has ${counts}`,
      )
    }
    if (sum.exact + sum.atLeast > this.#doubt(crashed ? lost.all : lost.last.length)) {
      this.#verdict.broken('losses are counted', `${lost.last.length} writes were lost, ${lost.all} in all; the ledger has ${counts}`)
    }
    this.#judgeWindows()
  }

  /** A member that runs took nothing along. */
  #judgeWindows(): void {
    for (const { name, node } of this.#cluster.lives.values()) {
      for (const { member, generation, atMost } of node.inside.replication.ledger.windows) {
        if (this.#cluster.lives.get(member)?.node.inside.membership.self().generation !== generation) continue
        this.#verdict.broken('losses are counted', `${name} counts up to ${atMost} writes as gone with ${member}, which runs`)
      }
    }
  }

  /** Could anybody know that this write was lost? */
  #isKnown({ atMs, collected, followed, life, slot }: Write): boolean {
    if (this.#plan.kind === 'pressure' || this.#plan.kind === 'fleeting' || collected) return false
    if (atMs < (this.#forgottenMs[slot] as number)) return false
    if (!followed && this.#crashed.has(life)) return false
    return this.#crashed.size === 0 || atMs >= (this.#emptiedMs[slot] as number)
  }

  #doubt(count: number): number {
    return isTangled(this.#plan) ? 2 * count + 4 : count
  }
}

/** Is there a cut so close to another, or to a crash, that members may have parted from one another at different times? */
function isTangled({ dividedMs, faults }: Plan): boolean {
  const times = (kinds: ReadonlySet<FaultKind>, lasts: boolean): Pick<Fault, 'atMs' | 'forMs'>[] =>
    faults.filter(({ kind }) => kinds.has(kind)).map(({ atMs, forMs }) => ({ atMs, forMs: lasts ? forMs : 0 }))
  const cuts = times(CUTS, true)
  if (dividedMs > 0) cuts.push({ atMs: -QUIET_MS, forMs: dividedMs })
  const all = [...cuts, ...times(CRASHES, false)]
  const follows = (one: Pick<Fault, 'atMs' | 'forMs'>, next: Pick<Fault, 'atMs'>): boolean =>
    next.atMs >= one.atMs && next.atMs - one.atMs - one.forMs < MENDED_MS
  return cuts.some((cut) => all.some((other) => other !== cut && (follows(cut, other) || follows(other, cut))))
}
