/**
 * Awareness: how far this member may trust its own ears (Lifeguard's local health, LHA-Probe).
 *
 * A score from 0, well, to 7. Probes that fail without the nacks that well relays would have sent, having to refute oneself, and an event loop
 * that lags raise it; answered probes lower it. The probe interval is multiplied by the score plus one, so a member that is slow itself takes
 * its time before it accuses others.
 */
const MAX_SCORE = 7
/** So much lag costs one point: half of the shortest probe timeout's slack is gone. */
const LAG_POINT_MS = 250
/** One observation of lag costs at most this. */
const MAX_LAG_POINTS = 4

export class Awareness {
  #score = 0

  get score(): number {
    return this.#score
  }

  apply(delta: number): void {
    this.#score = Math.min(MAX_SCORE, Math.max(0, this.#score + delta))
  }

  /** The event loop, here or of the data path, answered this much too late. */
  observeLag(lagMs: number): void {
    this.apply(Math.min(MAX_LAG_POINTS, Math.floor(Math.max(0, lagMs) / LAG_POINT_MS)))
  }

  scale(intervalMs: number): number {
    return intervalMs * (this.#score + 1)
  }
}
