/**
 * Cluster time: what one member takes for the time, and when it follows its own wall clock. Versions, terms and expiry stand on it.
 *
 * It is monotonic time plus an offset, so a wall clock that steps moves nothing by itself. A look compares: what this machine's wall clock shows, and
 * what peers have said of their wall clocks and of the time they go by (their clocks). All are kept as offsets from this member's monotonic time, in
 * which they stand still until somebody steps.
 *
 * A member that starts is unsettled: it goes by its wall clock, gives no stamps, and settles
 * - among peers that are settled, on the median of their clocks;
 * - among others that start as well, on the median of theirs and its own, as soon as most agree with it;
 * - at its own wall clock, where it knows of nobody else or nobody tells.
 *
 * A settled member follows its wall clock, by steps of any size, while the wall clocks of most members agree with it: a real step of all machines is
 * followed, and one machine whose clock jumps is not. One whose wall clock is on its own keeps its time, and goes over to that of most members if those
 * agree on another: they may have made a step that it did not. Where no most are to be had, as between two members, nobody moves.
 *
 * Of an even number the earlier middle is the median: too early an hour keeps entries too long, too late a one loses them.
 *
 * Pure: callers pass the times in. How peers are heard is the affair of membership, what is done with the offset that of `HybridClock`.
 */

/** What a peer last said of its time, as this member measured it. */
export interface PeerClock {
  readonly name: string
  readonly generation: number
  /** The time it goes by, less this member's monotonic time. */
  readonly clockOffsetMs: number
  /** Its machine's wall clock, less this member's monotonic time. */
  readonly wallOffsetMs: number
  readonly settled: boolean
  /** In this member's monotonic time. */
  readonly heardMs: number
}

/** What a member tells of the time it goes by. */
export interface OwnTime {
  /** Less its monotonic time. */
  readonly offsetMs: number
  readonly settled: boolean
}

export interface TimeLook {
  /** Monotonic. */
  readonly nowMs: number
  readonly wallMs: number
  /** Of live peers. */
  readonly peers: readonly PeerClock[]
  /** How many live peers there are, heard or not. */
  readonly live: number
  /** How many members are known beside this one, those that are held dead among them: being cut off makes nobody a majority. */
  readonly known: number
  /** It has met another member. */
  readonly met: boolean
  /** There is nobody else to be met. */
  readonly alone: boolean
}

/** What a look changed, for the log. `byMs`: how far the time moved, or would have. */
export interface TimeChange {
  readonly kind: 'settled' | 'followed' | 'refused' | 'yielded'
  readonly byMs: number
}

export interface TimeStats {
  /** How far this member's time is ahead of its machine's wall clock. */
  readonly aheadOfWallMs: number
  /** How far the peer that is furthest away is from this member's time. */
  readonly spreadMs: number
  /** Steps of the wall clock above 500 ms that were followed, and that were not. */
  readonly followedTotal: number
  readonly refusedTotal: number
}

/** Clocks that differ by less agree. More than NTP leaves between two machines, and than a measurement over a slow network is wrong. */
export const AGREEMENT_MS = 500
/** Once a wall clock was found on its own it has to come this close to be believed again: or a difference of just 500 ms would move it to and fro. */
const RECONCILED_MS = 250
/** Smaller differences are left alone: wall clocks are read in whole milliseconds. */
const DEAD_BAND_MS = 20
/** For so long a member that has met others waits to hear the time from them. */
const SETTLE_WAIT_MS = 2_000
/** So many clocks are enough for a median, however many members there are. */
const ENOUGH_CLOCKS = 5
/** What was heard longer ago is no vote any more: a live peer is heard once in a round of probes. */
const STALE_MS = 120_000

export class ClusterTime {
  #offsetMs: number
  #wallOffsetMs: number
  #settled = false
  #metMs: number | null = null
  /** The wall clock was found to be on its own. */
  #refusing = false
  #spreadMs = 0
  #followedTotal = 0
  #refusedTotal = 0

  constructor(nowMs: number, wallMs: number) {
    this.#wallOffsetMs = wallMs - nowMs
    this.#offsetMs = this.#wallOffsetMs
  }

  get own(): OwnTime {
    return { offsetMs: this.#offsetMs, settled: this.#settled }
  }

  /** Before this is true the member may give no stamps. Stays true. */
  get settled(): boolean {
    return this.#settled
  }

  /** To be called every second or so, and more often until it is settled. O(n log n) in the number of peers. */
  look(look: TimeLook): TimeChange | null {
    const peers = look.peers.filter(({ heardMs }) => look.nowMs - heardMs <= STALE_MS)
    this.#wallOffsetMs = look.wallMs - look.nowMs
    const change = this.#settled ? this.#follow(look, peers) : this.#settle(look, peers)
    this.#spreadMs = Math.max(0, ...peers.map(({ clockOffsetMs }) => Math.abs(clockOffsetMs - this.#offsetMs)))
    return change
  }

  stats(): TimeStats {
    return {
      aheadOfWallMs: this.#offsetMs - this.#wallOffsetMs,
      spreadMs: this.#spreadMs,
      followedTotal: this.#followedTotal,
      refusedTotal: this.#refusedTotal,
    }
  }

  #settle({ nowMs, live, met, alone }: TimeLook, peers: readonly PeerClock[]): TimeChange | null {
    const wall = this.#wallOffsetMs
    if (Math.abs(wall - this.#offsetMs) >= DEAD_BAND_MS) this.#offsetMs = wall
    if (met) this.#metMs ??= nowMs
    if (this.#metMs === null && !alone) return null
    const waited = alone || (this.#metMs !== null && nowMs - this.#metMs >= SETTLE_WAIT_MS)
    const established = peers.filter(({ settled }) => settled).map(({ clockOffsetMs }) => clockOffsetMs)
    if (established.length > 0) {
      if (!waited && peers.length * 2 <= live && peers.length < ENOUGH_CLOCKS) return null
      this.#offsetMs = median(established)
    } else {
      const all = [wall, ...peers.map(({ clockOffsetMs }) => clockOffsetMs)]
      const middle = median(all)
      const agreed = all.length > 1 && isMost(count(all, middle, AGREEMENT_MS), all.length)
      if (!waited && !agreed) return null
      if (Math.abs(middle - wall) > AGREEMENT_MS) this.#offsetMs = middle
    }
    this.#settled = true
    return { kind: 'settled', byMs: this.#offsetMs - wall }
  }

  #follow({ known }: TimeLook, peers: readonly PeerClock[]): TimeChange | null {
    const wall = this.#wallOffsetMs
    const aheadMs = wall - this.#offsetMs
    const members = known + 1
    const walls = [wall, ...peers.map(({ wallOffsetMs }) => wallOffsetMs)]
    if (isMost(count(walls, wall, this.#refusing ? RECONCILED_MS : AGREEMENT_MS), members)) {
      this.#refusing = false
      if (Math.abs(aheadMs) < DEAD_BAND_MS) return null
      this.#offsetMs = wall
      if (Math.abs(aheadMs) <= AGREEMENT_MS) return null
      this.#followedTotal++
      return { kind: 'followed', byMs: aheadMs }
    }
    const clocks = peers.filter(({ settled }) => settled).map(({ clockOffsetMs }) => clockOffsetMs)
    const theirs = clocks.length === 0 ? this.#offsetMs : median(clocks)
    const awayMs = theirs - this.#offsetMs
    if (Math.abs(awayMs) > AGREEMENT_MS && isMost(count(clocks, theirs, AGREEMENT_MS), members)) {
      this.#offsetMs = theirs
      return { kind: 'yielded', byMs: awayMs }
    }
    if (this.#refusing || Math.abs(aheadMs) <= AGREEMENT_MS) return null
    this.#refusing = true
    this.#refusedTotal++
    return { kind: 'refused', byMs: aheadMs }
  }
}

function isMost(some: number, all: number): boolean {
  return some * 2 > all
}

/** How many of the offsets are within `toleranceMs` of this one. */
function count(offsets: readonly number[], offsetMs: number, toleranceMs: number): number {
  return offsets.filter((other) => Math.abs(other - offsetMs) <= toleranceMs).length
}

/** Of an even number the earlier middle. There is at least one. */
function median(offsets: readonly number[]): number {
  return [...offsets].sort((a, b) => a - b)[(offsets.length - 1) >> 1] as number
}
