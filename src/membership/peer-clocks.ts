/**
 * Peer clocks: what peers say of their time with an ack, measured against this member's monotonic time.
 *
 * A peer writes both readings down when it answers, at some moment between ping and ack; half-way between is wrong by half a round trip at most (Cristian,
 * 1989). Answers that took long are left out, and so are those that came through others: a relay passes on no clock.
 */
import type { PeerClock } from '../lib/cluster-time.ts'
import type { Life, MemberRecord } from './record.ts'

/** What an ack tells of the time at the moment it was written, in ms since 1970. */
export interface ToldClock {
  /** The time the member goes by. */
  readonly clockMs: number
  /** What its machine's wall clock shows. */
  readonly wallMs: number
  /** False while it has only just started, and goes by nothing but that. */
  readonly settled: boolean
}

/** An answer that took longer tells too little. */
const MAX_ROUND_TRIP_MS = 500

export class PeerClocks {
  /** By name; at most one for each member that is remembered. */
  readonly #heard = new Map<string, PeerClock>()

  /** `from` is a member that is remembered. Answers whether this is more than a repetition: the first of this life, or it has settled since. */
  note({ name, generation }: Life, { clockMs, wallMs, settled }: ToldClock, sentMs: number, receivedMs: number): boolean {
    if (receivedMs - sentMs > MAX_ROUND_TRIP_MS) return false
    const last = this.#heard.get(name)
    const atMs = (sentMs + receivedMs) / 2
    this.#heard.set(name, {
      name,
      generation,
      clockOffsetMs: clockMs - atMs,
      wallOffsetMs: wallMs - atMs,
      settled,
      heardMs: receivedMs,
    })
    return last === undefined || last.generation !== generation || last.settled !== settled
  }

  /** Those of these members, in these lives; the others' are forgotten. */
  of(live: readonly MemberRecord[]): PeerClock[] {
    const clocks: PeerClock[] = []
    for (const { name, generation } of live) {
      const clock = this.#heard.get(name)
      if (clock?.generation === generation) clocks.push(clock)
    }
    if (clocks.length < this.#heard.size) {
      this.#heard.clear()
      for (const clock of clocks) this.#heard.set(clock.name, clock)
    }
    return clocks
  }
}
