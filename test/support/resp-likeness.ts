/**
 * Likeness: whether two servers' replies to the same command are the same, byte for byte where nothing else was agreed.
 */
import type { Likeness } from './command-stream.ts'
import { elementsOf, integerOf } from './raw-resp.ts'

/** Between the moments at which two servers execute the same command, rounding to seconds included. */
const TOLERANCE_MS = 10_000

export function alike(likeness: Likeness, queued: readonly Likeness[], one: Buffer, other: Buffer): boolean {
  if (one.equals(other)) return true
  switch (likeness) {
    case 'seconds':
      return near(one, other, TOLERANCE_MS / 1000)
    case 'milliseconds':
      return near(one, other, TOLERANCE_MS)
    case 'keys':
      return sameSet(elementsOf(one), elementsOf(other))
    case 'scan':
      return samePage(elementsOf(one), elementsOf(other))
    case 'exec':
      return sameResults(queued, elementsOf(one), elementsOf(other))
    default:
      return false
  }
}

/** Numbers below 0 mean something of their own. */
function near(one: Buffer, other: Buffer, tolerance: number): boolean {
  const a = integerOf(one)
  const b = integerOf(other)
  return a !== null && b !== null && a >= 0 && b >= 0 && Math.abs(a - b) <= tolerance
}

function sameSet(one: readonly Buffer[] | null, other: readonly Buffer[] | null): boolean {
  if (one === null || other === null || one.length !== other.length) return false
  const sorted = (elements: readonly Buffer[]): string => JSON.stringify(elements.map((bytes) => bytes.toString('latin1')).sort())
  return sorted(one) === sorted(other)
}

/** A cursor and keys. */
function samePage(one: readonly Buffer[] | null, other: readonly Buffer[] | null): boolean {
  const [cursor, keys] = one ?? []
  const [otherCursor, otherKeys] = other ?? []
  if (cursor === undefined || keys === undefined || otherCursor === undefined || otherKeys === undefined) return false
  return cursor.equals(otherCursor) && sameSet(elementsOf(keys), elementsOf(otherKeys))
}

function sameResults(queued: readonly Likeness[], one: readonly Buffer[] | null, other: readonly Buffer[] | null): boolean {
  if (one === null || other === null || one.length !== queued.length || other.length !== queued.length) return false
  return queued.every((likeness, i) => alike(likeness, [], one[i] as Buffer, other[i] as Buffer))
}
