/**
 * A figure of the cluster: what was measured, its goal, and whether it is met.
 */
export interface Figure {
  readonly what: string
  readonly measured: string
  readonly goal: string
  /** `null`: there is no goal, it is told for the sake of the others. */
  readonly met: boolean | null
}

/** The `share` quantile of the figures, as one of them (nearest rank). */
export function quantile(figures: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(figures).sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(2)} ms` : ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`
}
