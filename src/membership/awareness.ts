/**
 * Awareness: how far this member may trust its own ears (Lifeguard's local health, LHA-Probe).
 *
 * A score from 0, well, to 3. Probes that fail without the nacks that well relays would have sent, having to refute oneself, and an event loop
 * that lags raise it; answered probes lower it. The probe interval is multiplied by the score plus one, so a member that is slow itself takes
 * its time before it accuses others.
 *
 * Lifeguard's score goes to 7. From there a member needs eighteen seconds of answered probes to be well again, at intervals of half a second, and whoever has
 * been cut off for a moment is at 7 when it is back: of five members that were cut off one after the other the later ones were missed after six to
 * eight seconds, as hardly anybody was left who asked after them in time. From 3 it takes five.
 */
const MAX_SCORE = 3
/** So much lag costs one point: half of the shortest probe timeout's slack is gone. */
const LAG_POINT_MS = 250

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
    this.apply(Math.floor(Math.max(0, lagMs) / LAG_POINT_MS))
  }

  scale(intervalMs: number): number {
    return intervalMs * (this.#score + 1)
  }
}
