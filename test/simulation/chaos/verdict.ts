/**
 * The verdict on a run: the invariants by name, and which of them were broken, when and how.
 */

/** What a simulation holds the product to. */
export const INVARIANTS = {
  'one view': 'in bounded time after the last fault all members believe in the same members and the same holders of slots',
  'beaten is silent': 'no member executes under a term after it saw a higher one',
  'planned moves have one executor': 'no slot that was handed over has two executors',
  'one member executes': 'once views agree, and wherever members are neither cut off nor paused, one member executes a slot',
  'the few wait': 'no member that sees less than half of those that run takes a slot within 5 s of losing sight of its holder',
  'weak becomes strong': 'at rest, where all members see each other, no slot is held under a weak term for long',
  'empty claims ask everybody': 'no member takes a slot as unheld that a member it has not met holds',
  'owners hold the same': 'in bounded time after the last fault all complete copies are equal, tombstones included',
  'complete is complete':
    'a copy that calls itself complete lacks nothing that its primary has held for longer than a stream may be silent',
  'ack=replica survives': 'what was acknowledged with ack=replica is there after any one failure',
  'ack=replica survives cut and crash': 'the same, where the failure comes while members are cut off or disagree',
  'deleted stays deleted': 'no key returns whose deletion was acknowledged with ack=replica',
  'expired stays expired': 'nothing is read that has outlived its time',
  'flushed stays flushed': 'at rest nothing is there that was acknowledged before a flush began',
  'nothing to delete is true':
    'a deletion with ack=replica that finds nothing is answered by who executes the slot, or by one side of a cut, not by one that was replaced',
  'planned moves confirm': 'while all moves are planned every acknowledgement that was asked for comes',
  'planned moves lose nothing': 'while all moves are planned no request fails, no read is stale and no acknowledged write is lost',
  'losses are counted':
    'the ledger of lost writes has what was lost: exactly where nobody crashed and one cut was made, between its bounds where somebody crashed',
  'only what was asked for': 'no value is read that was never written, nothing refused is executed, and nothing is executed twice',
  'no copy goes before it is replaced': 'no copy is deleted whose entries are not with all owners',
  'eviction leaves copies complete':
    'an entry that is dropped takes nothing from the completeness of its copy, or a full cache could not roll',
  'ready latches': 'a member that was ready stays ready until it is to stop',
  'queues are bounded': 'what waits anywhere stays below its bound, and is gone at rest',
} as const

export type Invariant = keyof typeof INVARIANTS

/**
 * What the product is known not to keep yet, and how that comes about: such violations are told, and fail no test. When a night's run shows none any more, the
 * line is to go.
 */
export const OPEN: Partial<Record<Invariant, string>> = {}

export interface Violation {
  readonly invariant: Invariant
  /** Virtual time. */
  readonly atMs: number
  readonly what: string
}

/** Enough to see what went wrong; the rest is most often the same. */
const MAX_KEPT = 50

export class Verdict {
  readonly violations: Violation[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Was anything broken that the product is thought to keep? */
  get failed(): boolean {
    return this.violations.some(({ invariant }) => OPEN[invariant] === undefined)
  }

  broken(invariant: Invariant, what: string): void {
    if (this.violations.length < MAX_KEPT) this.violations.push({ invariant, atMs: this.#now(), what })
  }

  describe(): string[] {
    return this.violations.map(({ invariant, atMs, what }) => `${(atMs / 1000).toFixed(3)} s ${invariant}: ${what}`)
  }
}
