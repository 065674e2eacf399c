/**
 * Record: one piece of news about a member, and which of two pieces holds.
 *
 * A member's life is `(generation, mark)`: a restart begins another. Inside a life only the member itself raises its incarnation, so
 * `(generation, mark, incarnation)` fixes its address and meta, and whoever passes a record on passes it unchanged. What others think of that
 * life is the state. All members order records the same way, so news may come late, twice or in any order and all of them end with the same.
 */
import type { Member, MemberState } from './membership.ts'

/** Whom a message means, or who sent it. */
export interface Life {
  readonly name: string
  readonly generation: number
}

export interface MemberRecord extends Member {
  /** 32 random bits drawn at start: two lives that claim one generation are still two. */
  readonly mark: number
  /** Who suspects it, or held it dead; empty otherwise. Independent accusers shorten the trial (see suspicion.ts). */
  readonly accuser: string
  /** The end of this life came from outside (Kubernetes deleted the pod): no incarnation refutes it. */
  readonly fact: boolean
  /** `meta` as its member encoded it, with the fields that only later versions know: passed on as it is. */
  readonly metaBytes: Buffer
  /** Fields of the record that only later versions know: passed on as they are. */
  readonly extra: Buffer
}

/** Generations and incarnations stay below this, so that the next one always fits its 48 bits. */
export const MAX_ORDINAL = 2 ** 47

const RANK: Readonly<Record<MemberState, number>> = { alive: 0, suspect: 1, dead: 2, left: 3 }

/** Positive when `a` is of a later life of the name than `b`, 0 when of the same. */
export function compareLives(a: MemberRecord, b: MemberRecord): number {
  return a.generation - b.generation || a.mark - b.mark
}

/** Positive when `a` overrules `b`: the later life, then a fact, then the higher incarnation, then the worse state. */
export function compareRecords(a: MemberRecord, b: MemberRecord): number {
  return compareLives(a, b) || Number(a.fact) - Number(b.fact) || a.incarnation - b.incarnation || RANK[a.state] - RANK[b.state]
}

/** Alive or under suspicion: it is probed, hears gossip and counts. */
export function isLive(member: Member): boolean {
  return member.state === 'alive' || member.state === 'suspect'
}

export function isSameLife(a: Life, b: Life): boolean {
  return a.name === b.name && a.generation === b.generation
}
