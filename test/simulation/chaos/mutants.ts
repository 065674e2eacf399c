/**
 * Mutants: rules of the product, each replaced by one that is wrong. A simulation that is worth its time finds every one of them: `npm run simulate --
 * --mutant NAME` hunts for a seed, and the test replays the seed that is pinned here. They are put in by a rewrite of the source when it is loaded
 * (rewrites.ts), so the product knows nothing of them; one whose snippet is gone is refused, and has to be written anew.
 */
import type { Rewrite } from './rewrites.ts'

export interface Mutant {
  /** What goes wrong in the world with such a product. */
  readonly consequence: string
  readonly rewrites: readonly Rewrite[]
  /** A seed that finds it. */
  readonly seed: number
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'leaving-moves-authority': {
    consequence: 'who hears that a primary leaves takes its slots over before the tail of its stream has arrived',
    rewrites: [
      {
        file: 'replication/claims.ts',
        find: 'if (isGone(name, generation)) unheld',
        replace: 'if (isGone(name, generation) || this.#context.view().isLeaving(name)) unheld',
      },
      {
        file: 'replication/claims.ts',
        find: 'if (holding !== undefined && this.#isBetter(',
        replace: 'if (holding !== undefined && !this.#context.view().isLeaving(name) && this.#isBetter(',
      },
      {
        file: 'replication/claims.ts',
        find: 'if (known !== null && !this.#isOurs(known) && !isGone(known.name, known.generation)) {',
        replace:
          'if (known !== null && !this.#isOurs(known) && !this.#context.view().isLeaving(known.name) && !isGone(known.name, known.generation)) {',
      },
    ],
    seed: 9,
  },
  'session-without-generation': {
    consequence: 'a container that restarts in place is taken for its earlier life: sessions, grants and terms of that life count on',
    rewrites: [
      {
        file: 'replication/followers.ts',
        find: `    const outgoing = this.#outgoing.get(peer.name)
    return outgoing?.peer.generation === peer.generation ? outgoing : undefined`,
        replace: '    return this.#outgoing.get(peer.name)',
      },
      {
        file: 'replication/followers.ts',
        find: `    const bulk = this.#bulk.get(peer.name)
    return bulk?.peer.generation === peer.generation ? bulk : undefined`,
        replace: '    return this.#bulk.get(peer.name)',
      },
      {
        file: 'replication/outgoing.ts',
        find: 'const sequence = ack.epoch === this.#epoch ? ack.sequence : 0',
        replace: 'const sequence = ack.sequence',
      },
      {
        file: 'replication/following.ts',
        find: 'session.peer.generation < link.peer.generation',
        replace: 'false',
      },
      {
        file: 'replication/following.ts',
        find: 'session.peer.generation > link.peer.generation',
        replace: 'false',
      },
    ],
    seed: 5,
  },
  'empty-claim-on-partial-view': {
    consequence: 'a newcomer that has met one of two peers claims slots that the other holds, and is empty',
    rewrites: [
      { file: 'replication/claims.ts', find: 'unheld && unaccounted.length > 0 && waitedMs < SILENT_MS', replace: 'false' },
      { file: 'node.ts', find: 'settled && (this.#membership.joined || this.#isAlone())', replace: 'settled' },
    ],
    seed: 22,
  },
  'complete-after-held-dead': {
    consequence: 'a member that was held dead goes on to call its copies complete, though it was streamed nothing meanwhile',
    rewrites: [
      { file: 'node.ts', find: 'heldDead: () => this.#replication.heldDead()', replace: 'heldDead: () => {}' },
      // Else the silence of the primary, noticed as soon as it is back, would hide it.
      { file: 'replication/replication.ts', find: '    this.#following.doubtSilent(this.#options.clock.now())\n', replace: '' },
    ],
    seed: 24,
  },
  'eviction-clears-completeness': {
    consequence: 'where memory is full no copy is ever complete, and a roll stops',
    rewrites: [
      {
        file: 'replication/replication.ts',
        find: '    if (!this.#table.isPrimary(slot)) return\n',
        replace: '    if (!this.#table.isPrimary(slot)) this.#table.markPartial(slot)\n    if (!this.#table.isPrimary(slot)) return\n',
      },
    ],
    seed: 5,
  },
  'readiness-not-latched': {
    consequence: 'one death makes every survivor unready, and the Service is empty with all data present',
    rewrites: [
      {
        file: 'node.ts',
        find: '    this.#replication.tick()\n',
        replace: '    this.#replication.tick()\n    this.#ready &&= this.#replication.seatsComplete()\n',
      },
    ],
    seed: 1,
  },
  'claim-without-asking': {
    consequence: 'members claim the slots of a dead one without asking who has the better copy, or another claim',
    rewrites: [
      {
        file: 'replication/claims.ts',
        find: 'if (name === this.#context.self().name || round.waiting.has(name) || round.answers.has(name)) continue',
        replace: 'continue',
      },
    ],
    seed: 11,
  },
  'tombstone-mark-ignored': {
    consequence: 'a copy that was away for longer than tombstones live brings deleted keys back',
    rewrites: [{ file: 'replication/marks.ts', find: 'const mark = this.of(slot)\n', replace: 'const mark: Stamp = ZERO_STAMP\n' }],
    seed: 10,
  },
  'surplus-dropped-early': {
    consequence: 'a copy without a seat is deleted while the seats are still being filled',
    rewrites: [
      {
        file: 'replication/replication.ts',
        find: 'this.#followers.seatsCompleteForMs(slot, nowMs) >= SURPLUS_WAIT_MS',
        replace: 'nowMs >= 0',
      },
      { file: 'replication/replication.ts', find: 'const SURPLUS_WAIT_MS = 10_000\n', replace: '' },
    ],
    seed: 28,
  },
  'increment-retried': {
    consequence: 'an increment whose answer was lost is sent again, and counts twice',
    rewrites: [
      {
        file: 'cache/operation.ts',
        find: 'return known.repeatable && operation.condition === ALWAYS && (operation.flags & WANT_OLD) === 0',
        replace: 'return operation.condition === ALWAYS && (operation.flags & WANT_OLD) === 0',
      },
    ],
    seed: 362,
  },
  'few-claim-at-once': {
    consequence: 'who sees less than half of all claims at once what the others hold, before anybody can say that they are alive',
    rewrites: [{ file: 'replication/claims.ts', find: "sight === 'few' && waitedMs < FEW_WAIT_MS", replace: 'false' }],
    seed: 5,
  },
  'weak-for-ever': {
    consequence:
      'a primary that claimed on one half keeps its weak term when it sees most again, and is beaten by any member that comes back with a strong one',
    rewrites: [{ file: 'replication/replication.ts', find: 'if (weak.size > 0) this.#handOver.renew(weak, true)', replace: '' }],
    seed: 19,
  },
  'every-claim-strong': {
    consequence: 'a member that is cut off claims everything for good, and its later terms beat those of the majority',
    rewrites: [{ file: 'replication/claims.ts', find: 'this.#claim(round, weak, false)', replace: 'this.#claim(round, weak, true)' }],
    seed: 10,
  },
  'claim-without-pulling': {
    consequence:
      'a complete claimant executes without what another copy heard of the dead primary after it: what that one had confirmed is gone',
    rewrites: [
      {
        file: 'replication/claims.ts',
        find: 'if (complete && compareStamps(theirs.position, mine.position) <= 0) continue',
        replace: 'if (complete) continue',
      },
    ],
    seed: 822,
  },
  'crash-takes-what-was-heard-of': {
    consequence:
      'the bound of a crash leaves out what the dead primary accepted after its last word, and the ledger says that nothing was lost',
    rewrites: [{ file: 'replication/ledger.ts', find: 'atMost: atLeast + 2 * farewell.busiest', replace: 'atMost: atLeast' }],
    seed: 11,
  },
  'discards-uncounted': {
    consequence:
      'what a member accepted in exile and has to give up, since it cannot be told from what was deleted meanwhile, is lost in silence',
    rewrites: [
      { file: 'replication/replication.ts', find: "discarded: () => this.ledger.count('discarded', 1)", replace: 'discarded: () => {}' },
    ],
    seed: 10,
  },
}
