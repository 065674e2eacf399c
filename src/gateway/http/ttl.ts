/**
 * TTL: how long a value shall live, and other durations, as people write them: seconds (`30`, `0.5`), or a number with a unit (`500ms`, `5s`, `5m`, `2h`, `1d`).
 */
import { CacheError } from '../../lib/errors.ts'

const MS_BY_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Ten years of 365 days: far beyond any cache, and far below where sums of milliseconds lose exactness. */
export const MAX_TTL_MS = 10 * 365 * 86_400_000

/** As a regular expression. */
export const TTL_PATTERN = '^(\\d+(?:\\.\\d+)?)(ms|s|m|h|d)?$'
const TTL = new RegExp(TTL_PATTERN)

/** Milliseconds, rounded to whole ones; `null` for what is no duration. */
export function parseDurationMs(text: string): number | null {
  const [, number, unit = 's'] = TTL.exec(text) ?? []
  return number === undefined ? null : Math.round(Number(number) * (MS_BY_UNIT[unit] as number))
}

/** Throws `CacheError` TTL_INVALID for what is no duration, below 1 ms or over ten years. */
export function parseTtlMs(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === null) {
    throw new CacheError('TTL_INVALID', 'ttl must be a number of seconds, or a number with ms, s, m, h or d, such as 500ms or 5m')
  }
  if (ms < 1 || ms > MAX_TTL_MS) throw new CacheError('TTL_INVALID', 'ttl must be at least 1 ms and at most 10 years (3650d)')
  return ms
}
