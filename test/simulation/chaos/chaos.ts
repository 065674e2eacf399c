/**
 * One run of chaos: a whole cluster on virtual time, clients, and all the faults that a seed has planned; then everything heals, nothing new goes wrong, and
 * convergence is demanded in bounded virtual time. The outcome names the invariants that were broken, and has the hash of all that happened.
 */
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import { cluster } from '../../support/cluster.ts'
import { AuthorityWatch } from './authority-watch.ts'
import { Clients } from './clients.ts'
import { DataWatch } from './data-watch.ts'
import { Faults } from './faults.ts'
import { Fleeting } from './fleeting.ts'
import { LedgerWatch } from './ledger-watch.ts'
import { describePlan, planOf } from './plan.ts'
import { Trace } from './trace.ts'
import { Verdict, type Violation } from './verdict.ts'

export interface Outcome {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** Some violation is of an invariant that is not known to be open. */
  readonly failed: boolean
  /** The violations in words, a line each. */
  readonly story: readonly string[]
  readonly plan: string
  /** The same for each run of the seed with the same code. */
  readonly trace: string
  readonly events: number
  readonly virtualMs: number
  /** How requests ended. */
  readonly answers: Readonly<Record<string, number>>
}

const QUIET_MS = 1500
const AFTER_HEAL_MS = 2000
const AGREED_MS = 3000
/** Members whose seats are not kept for others any more, refilled and moved back: 30 s of grace, five to return, and time to spare. */
const CONVERGE_MS = 90_000
const MOVES_MS = 400_000
/** Ten seconds without a rival, and time to spare. */
const STRENGTHEN_MS = 15_000

/** Runs one seed. Does not throw for what the product does wrong. */
export function chaos(seed: number, { print = false }: { readonly print?: boolean } = {}): Outcome {
  const plan = planOf(seed)
  const run = cluster({
    nodes: plan.nodes,
    seed,
    replicas: plan.replicas,
    network: { loss: plan.loss, duplication: plan.duplication, maxDelayMs: plan.maxDelayMs },
    node: { maxMemoryBytes: plan.maxMemoryBytes, ...plan.lifetimes },
    verbose: print,
  })
  const verdict = new Verdict(() => run.clock.now())
  const trace = new Trace(run, print)
  const faults = new Faults(run, plan, trace)
  const clients = new Clients(run, plan, trace, verdict)
  const fleeting = new Fleeting(run, plan, { clients, trace, verdict })
  const authority = new AuthorityWatch(run, plan, faults, verdict)
  const data = new DataWatch(run, plan, { clients, faults, trace, verdict })
  const ledger = new LedgerWatch(run, plan, verdict)
  run.watcher = {
    started(life) {
      authority.started(life)
      data.started(life)
      ledger.started(life)
    },
    ended(life, inOrder) {
      authority.ended(life)
      data.ended(life)
      ledger.ended(life, inOrder)
    },
  }
  const within = (ms: number, done: () => boolean, stepMs: number): boolean => {
    const endMs = run.clock.now() + ms
    while (!done() && run.clock.now() < endMs) run.clock.advance(stepMs)
    return done()
  }
  faults.startAll()
  if (plan.dividedMs === 0 && !within(60_000, () => run.disagreement() === null, 100)) {
    verdict.broken('one view', `after the start: ${run.disagreement()}`)
  }
  clients.start()
  fleeting.start()
  run.clock.advance(QUIET_MS)
  faults.begin()
  run.clock.advance(plan.chaosMs)
  faults.heal()
  if (!within(MOVES_MS, () => faults.settled, 100)) verdict.broken('one view', `a planned move does not end\n${run.describe()}`)
  run.clock.advance(AFTER_HEAL_MS)
  clients.stop()
  fleeting.stop()
  const evicting = plan.kind === 'pressure'
  // A move may be under way at the very moment at which all agree: the heir has taken its slots, and who gave them has not heard of it (seed 79).
  const moving = (): boolean => [...run.lives.values()].some(({ node }) => node.stats().replication.parkedSlots > 0)
  const agreed = (): boolean =>
    clients.underWay === 0 && !moving() && run.disagreement(evicting) === null && membershipDisagreement(run.lives.values()) === null
  // For so long at a stretch: slots may still move back to whom they prefer.
  let agreedSinceMs = Number.POSITIVE_INFINITY
  const settled = (): boolean => {
    agreedSinceMs = agreed() ? Math.min(agreedSinceMs, run.clock.now()) : Number.POSITIVE_INFINITY
    return run.clock.now() - agreedSinceMs >= AGREED_MS
  }
  if (within(CONVERGE_MS, settled, 250)) {
    data.judge()
    clients.judge()
    fleeting.judge()
    ledger.judge()
    if (!within(STRENGTHEN_MS, () => weakSlots(run.lives.values()) === 0, 250)) {
      verdict.broken(
        'weak becomes strong',
        `${weakSlots(run.lives.values())} slots are held under weak terms ${STRENGTHEN_MS} ms after all agreed`,
      )
    }
  } else {
    const why =
      run.disagreement(evicting) ??
      membershipDisagreement(run.lives.values()) ??
      (moving() ? 'granted slots are not taken' : `${clients.underWay} requests are not answered`)
    verdict.broken(
      why.includes('differs') ? 'owners hold the same' : 'one view',
      `${why} ${CONVERGE_MS} ms after the last fault\n${run.describe()}`,
    )
  }
  const virtualMs = run.clock.now()
  run.close()
  return {
    seed,
    violations: verdict.violations,
    failed: verdict.failed,
    story: verdict.describe(),
    plan: describePlan(plan),
    trace: trace.digest(),
    events: trace.events,
    virtualMs,
    answers: Object.fromEntries(clients.answers),
  }
}

type Lives = Iterable<{ readonly name: string; readonly node: import('../../../src/node.ts').Node }>

function weakSlots(lives: Lives): number {
  let weak = 0
  for (const { node } of lives) {
    const { replication } = node.inside
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (replication.isPrimary(slot) && replication.term(slot)?.strong === false) weak++
  }
  return weak
}

/** All that run are alive to all others, under the generation they have. */
function membershipDisagreement(lives: Lives): string | null {
  const all = [...lives]
  for (const { name, node } of all) {
    for (const other of all) {
      if (other.name === name) continue
      const member = node.inside.membership.member(other.name)
      const { generation } = other.node.inside.membership.self()
      if (member?.state === 'alive' && member.generation === generation) continue
      return `to ${name}, ${other.name} of generation ${generation} is ${member?.state ?? 'unknown'} with generation ${member?.generation}`
    }
    for (const { name: stranger, state } of node.inside.membership.members()) {
      if ((state === 'alive' || state === 'suspect') && !all.some((other) => other.name === stranger))
        return `to ${name}, ${stranger} is ${state}`
    }
  }
  return null
}
