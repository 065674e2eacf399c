/**
 * Terms: who holds a slot. A term is the stamp at which a member took the slot, that member's identity, and a mark: strong, or weak when the
 * taker could not see more than half of the ring. Strong beats weak, then the later stamp, then the larger name; so of any two terms every
 * member prefers the same one.
 */
import type { ByteReader, ByteWriter } from '../lib/bytes.ts'
import { decodeStamp } from '../lib/stamp-codec.ts'
import { compareStamps, type Stamp } from '../lib/version.ts'

export interface Term extends Stamp {
  readonly name: string
  /** The life of the holder that took it: a reborn member holds nothing. */
  readonly generation: number
  readonly strong: boolean
}

/** Positive when `a` prevails. `null`, no term at all, yields to any. */
export function compareTerms(a: Term | null, b: Term | null): number {
  if (a === b) return 0
  if (a === null) return -1
  if (b === null) return 1
  if (a.strong !== b.strong) return a.strong ? 1 : -1
  return compareStamps(a, b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.generation - b.generation)
}

export function sameTerm(a: Term | null, b: Term | null): boolean {
  return a === b || compareTerms(a, b) === 0
}

/**
 * The terms last written and read, so that one that comes again comes as the same object: thousands of slots share a term, are compared one by one
 * whenever a table arrives, and a look at the object tells that nothing changed.
 */
const RECENT = 64
const recent: Term[] = []
let oldest = 0

function remember(term: Term): void {
  if (recent.includes(term)) return
  recent[oldest] = term
  oldest = (oldest + 1) % RECENT
}

export function encodeTerm(writer: ByteWriter, term: Term): void {
  remember(term)
  writer
    .u48(term.ms)
    .u16(term.counter)
    .u48(term.generation)
    .u8(term.strong ? 1 : 0)
    .text(term.name)
}

/** Throws a `MalformedError`. */
export function decodeTerm(reader: ByteReader): Term {
  const { ms, counter } = decodeStamp(reader)
  const generation = reader.u48()
  const strong = reader.u8() === 1
  const term = { ms, counter, generation, strong, name: reader.text() }
  const known = recent.find((other) => other.ms === ms && sameTerm(other, term))
  if (known !== undefined) return known
  remember(term)
  return term
}
