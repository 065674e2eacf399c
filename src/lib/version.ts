/**
 * Versions: what makes the last writer win. A version is a hybrid logical clock stamp (Kulkarni et al., 2014), 48 bits of milliseconds since 1970
 * and 16 bits of counter, and the writer's name as the tie-break. The larger wins, everywhere, always.
 */
export interface Stamp {
  readonly ms: number
  readonly counter: number
}

export interface Version extends Stamp {
  /** The name of the member that gave the version. */
  readonly writer: string
}

export const ZERO_STAMP: Stamp = { ms: 0, counter: 0 }

export const MAX_COUNTER = 0xffff

/** No stamp that comes from elsewhere is later (it is the year 6429): there is room in its 48 bits for those that are to be above it. */
export const MAX_STAMP_MS = 2 ** 47

export function compareStamps(a: Stamp, b: Stamp): number {
  return a.ms - b.ms || a.counter - b.counter
}

export function compareVersions(a: Version, b: Version): number {
  return a.ms - b.ms || a.counter - b.counter || (a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : 0)
}

/** `ms-counter`, as logs and ETags show it. */
export function formatStamp(stamp: Stamp): string {
  return `${stamp.ms}-${stamp.counter}`
}
