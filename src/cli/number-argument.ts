/** Numbers and durations as they are typed. What cannot be read is commander's `InvalidArgumentError`, which it turns into a usage error. */
import { InvalidArgumentError } from 'commander'

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `30s`, `5m`, `2h`, `1d`; a number alone is seconds, as `?ttl=` has it. Whole milliseconds, at least one. */
export function readDuration(text: string): number {
  const match = DURATION.exec(text)
  const ms = Math.round(Number(match?.[1]) * (UNIT_MS[match?.[2] ?? 's'] as number))
  if (!Number.isSafeInteger(ms) || ms < 1) throw new InvalidArgumentError('It must be a duration such as 500ms, 30s, 5m, 2h or 1d.')
  return ms
}

/** A reader of whole numbers within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= least && number <= most)) throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return number
  }
}

/** From 0 to 1. */
export function readShare(text: string): number {
  const share = /^\d(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.')
  return share
}
