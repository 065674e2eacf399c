/**
 * The plan of one run, drawn from its seed: how many members, what kind of network, which clocks are off, and what happens when. Plain data: the same
 * seed has the same plan, and a plan can be printed.
 *
 * What a run may be held to follows from what happens in it (`strict`): where every move is planned no request may fail, where members only crash no two
 * may execute. Seeds take turns, so that any hundred of them have enough of each kind.
 */
import { SeededRandom } from '../../../src/lib/random.ts'
import type { RejoinGrace } from '../../../src/placement/index.ts'

export type FaultKind =
  | 'roll'
  | 'scale-up'
  | 'scale-down'
  | 'stop'
  | 'crash'
  | 'silent-crash'
  | 'crash-in-place'
  | 'pause'
  | 'split'
  | 'deaf'
  | 'one-way'
  | 'pair'
  | 'exile'
  | 'reset'
  | 'storm'
  | 'jump'
  | 'platform-away'

export interface Fault {
  readonly kind: FaultKind
  /** From the start of the chaos. */
  readonly atMs: number
  readonly forMs: number
  /** Chooses among the members that are there then: 0 to 1. */
  readonly draw: number
  readonly secondDraw: number
}

/** What follows from the faults of a run. */
export interface Strictness {
  /** Nothing is refused or unanswered, nothing is lost, no read is stale: all moves are planned. */
  readonly flawless: boolean
  /** No slot ever has two executors: nobody is cut off, nobody stands still. */
  readonly oneExecutor: boolean
  /** All clocks agree: the later write has the larger version, wherever it was made. */
  readonly ordered: boolean
}

export interface Plan {
  readonly seed: number
  readonly kind: 'planned' | 'crashes' | 'pressure' | 'exile' | 'fleeting' | 'mixed'
  readonly nodes: number
  readonly replicas: number
  readonly maxMemoryBytes: number
  /** How long seats are kept and tombstones live, where that is not as in the world. */
  readonly lifetimes: { readonly grace?: RejoinGrace; readonly tombstoneMs?: number }
  readonly loss: number
  readonly duplication: number
  readonly maxDelayMs: number
  readonly wallOffsetsMs: readonly number[]
  /** Between the starts of two members. */
  readonly staggerMs: number
  /** From the start on some members cannot reach others for so long; 0 for not at all. */
  readonly dividedMs: number
  readonly faults: readonly Fault[]
  readonly chaosMs: number
  readonly strict: Strictness
}

const HOUR_MS = 3_600_000
const PLANNED: readonly FaultKind[] = ['roll', 'scale-up', 'scale-down', 'stop', 'jump', 'platform-away', 'storm']
const CRASHES: readonly FaultKind[] = ['crash', 'silent-crash', 'crash-in-place', 'jump', 'platform-away']
const ALL: readonly FaultKind[] = [
  ...CRASHES,
  'roll',
  'scale-up',
  'scale-down',
  'stop',
  'pause',
  'split',
  'deaf',
  'one-way',
  'pair',
  'reset',
  'storm',
]
const KINDS = ['mixed', 'planned', 'mixed', 'crashes', 'mixed', 'pressure', 'mixed', 'mixed'] as const
/** What a store of the pressed members may hold: their own tables, and some hundred values. */
const PRESSED_BYTES = 640 * 1024
const AMPLE_BYTES = 64 * 1024 * 1024
/** One of so many seeds is of an exile: a member is cut off from all others for longer than they keep its seats and remember what was deleted. */
const RARE = 16
const EXILE_SEED = 10
/** As many are of clients whose keys expire, and who flush the cache. */
const FLEETING_SEED = 3
/** Both a tenth of what they are in the world, or less: an exile has to be longer than the two. */
const BRIEF: Plan['lifetimes'] = { grace: { stoppedGraceMs: 12_000, crashedGraceMs: 3000 }, tombstoneMs: 2000 }
const BESIDE_EXILE: readonly FaultKind[] = ['storm', 'reset', 'jump', 'platform-away', 'pair']

export function planOf(seed: number): Plan {
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ 0xc4a05)
  const between = (low: number, high: number): number => low + random.next() * (high - low)
  const whole = (low: number, high: number): number => Math.floor(between(low, high + 1))
  const often = (probability: number): boolean => random.next() < probability
  const exile = seed % RARE === EXILE_SEED
  const kind = exile ? 'exile' : seed % RARE === FLEETING_SEED ? 'fleeting' : (KINDS[seed % KINDS.length] as Plan['kind'])
  const nodes = often(0.6) ? 3 : whole(exile ? 3 : 2, 5)
  const skewed = often(kind === 'planned' ? 0.5 : 0.25)
  const wallOffsetsMs = Array.from({ length: nodes + 2 }, () => {
    if (!skewed) return 0
    return Math.floor(often(0.3) ? between(-HOUR_MS, HOUR_MS) : between(-400, 400))
  })
  const known = exile ? BESIDE_EXILE : kind === 'planned' ? PLANNED : kind === 'crashes' ? CRASHES : ALL
  // A few kinds in each run: what all of them do together hides what one of them does.
  const kinds = known.filter(() => often(0.45))
  if (kinds.length === 0) kinds.push(known[whole(0, known.length - 1)] as FaultKind)
  const faults: Fault[] = []
  let atMs = 0
  const count = kind === 'planned' ? whole(1, 3) : whole(2, 7)
  for (let i = 0; i < count; i++) {
    atMs += kind === 'crashes' ? between(500, 9000) : between(0, 5000)
    const fault = kinds[whole(0, kinds.length - 1)] as FaultKind
    const forMs = often(0.3) ? between(50, 1000) : between(1000, 14_000)
    const drawn = { kind: fault, atMs, forMs, draw: random.next(), secondDraw: random.next() }
    // Three that are all alone for longer than tombstones live: that is known to be open (docs/architecture.md).
    if (!exile || nodes > 3 || fault !== 'pair') faults.push(drawn)
  }
  if (exile)
    faults.push({
      kind: 'exile',
      atMs: between(3000, 6000),
      forMs: between(14_000, 24_000),
      draw: random.next(),
      secondDraw: random.next(),
    })
  const dividedMs = kind === 'mixed' && often(0.15) ? between(500, 12_000) : 0
  return {
    seed,
    kind,
    nodes,
    replicas: often(0.75) ? 1 : 2,
    maxMemoryBytes: kind === 'pressure' ? PRESSED_BYTES : AMPLE_BYTES,
    lifetimes: exile ? BRIEF : {},
    loss: often(0.5) ? 0 : between(0, 0.05),
    duplication: often(0.5) ? 0 : between(0, 0.05),
    maxDelayMs: between(1, often(0.8) ? 6 : 25),
    wallOffsetsMs,
    staggerMs: often(0.5) ? 0 : between(0, 600),
    dividedMs,
    faults,
    chaosMs: Math.max(...faults.map((fault) => fault.atMs + fault.forMs)),
    strict: {
      flawless: kind === 'planned',
      oneExecutor: kind === 'planned' || kind === 'crashes',
      ordered: !skewed && !faults.some((fault) => fault.kind === 'jump'),
    },
  }
}

export function describePlan(plan: Plan): string {
  const { seed, kind, nodes, replicas, loss, duplication, maxDelayMs, wallOffsetsMs, staggerMs, dividedMs } = plan
  const offsets = wallOffsetsMs.some((offset) => offset !== 0) ? `, clocks off by ${wallOffsetsMs.join(', ')} ms` : ''
  const lines = plan.faults.map((fault) => `  ${(fault.atMs / 1000).toFixed(3)} s ${fault.kind} for ${(fault.forMs / 1000).toFixed(3)} s`)
  const network = `loss ${loss.toFixed(3)}, doubled ${duplication.toFixed(3)}, delay up to ${maxDelayMs.toFixed(1)} ms`
  const start = `started ${staggerMs.toFixed(0)} ms apart${dividedMs > 0 ? `, divided for ${dividedMs.toFixed(0)} ms` : ''}`
  return [`seed ${seed}: ${kind}, ${nodes} members, ${replicas} replicas, ${network}${offsets}, ${start}`, ...lines].join('\n')
}
