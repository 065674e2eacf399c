/**
 * Glob: Redis's patterns (`stringmatchlen`) over bytes: `*`, `?`, `[abc]`, `[^a-z]`, `\` takes the next byte as it is.
 *
 * Only the last `*` is ever gone back to: what an earlier one has matched need not change, since whatever follows it was found at its first
 * place. So a match costs at most pattern times text, where Redis's recursion costs an exponential: `a*a*a*a*b` is no attack. That product is
 * bounded too: a match that takes more than 65,536 steps counts as none. A pattern and a key of 1 KiB each can be made to need more, but only on
 * purpose. Patterns are to be held against the limit of keys before they are used.
 */
import type { Bytes } from '../../lib/bytes.ts'

/** Elements and members of classes that one match may look at. */
const MAX_STEPS = 64 * 1024

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const CARET = 0x5e
const BACKSLASH = 0x5c
const DASH = 0x2d

/** Whether all of `text[start, end)` is as `pattern` says, and was found to be within `MAX_STEPS`. O(pattern x text), allocates nothing. */
export function matchesGlob(
  pattern: Bytes,
  text: Bytes,
  start: number = 0,
  end: number = text.length,
  ignoreCase: boolean = false,
): boolean {
  let p = 0
  let t = start
  let starAt = -1
  let retryAt = 0
  for (let steps = 0; steps < MAX_STEPS; ) {
    const from = p
    if (p < pattern.length && pattern[p] === STAR) {
      starAt = p++
      retryAt = t
      continue
    }
    if (t < end && p < pattern.length && matchesOne(pattern, p, text[t] as number, ignoreCase)) {
      p = nextElement(pattern, p)
      steps += p - from
      t++
      continue
    }
    if (t === end && p >= pattern.length) return true
    if (starAt < 0 || retryAt >= end) return false
    // A class that did not match was looked at all the same.
    steps += pattern[from] === OPEN ? nextElement(pattern, from) - from : 1
    p = starAt + 1
    t = ++retryAt
  }
  return false
}

/** Whether the element at `p`, which is no `*`, takes `byte`. */
function matchesOne(pattern: Bytes, p: number, byte: number, ignoreCase: boolean): boolean {
  const element = pattern[p] as number
  if (element === QUESTION) return true
  if (element === OPEN) return inClass(pattern, p + 1, byte, ignoreCase)
  // A backslash at the very end stands for itself.
  const literal = element === BACKSLASH && p + 1 < pattern.length ? (pattern[p + 1] as number) : element
  return ignoreCase ? lower(literal) === lower(byte) : literal === byte
}

function inClass(pattern: Bytes, p: number, byte: number, ignoreCase: boolean): boolean {
  const wanted = ignoreCase ? lower(byte) : byte
  const negated = pattern[p] === CARET
  if (negated) p++
  let found = false
  for (; p < pattern.length; p++) {
    const first = pattern[p] as number
    if (first === BACKSLASH && p + 1 < pattern.length) {
      p++
      if (pattern[p] === byte) found = true
    } else if (first === CLOSE) {
      break
    } else if (p + 2 < pattern.length && pattern[p + 1] === DASH) {
      const from = ignoreCase ? lower(first) : first
      const to = ignoreCase ? lower(pattern[p + 2] as number) : (pattern[p + 2] as number)
      if (wanted >= Math.min(from, to) && wanted <= Math.max(from, to)) found = true
      p += 2
    } else if ((ignoreCase ? lower(first) : first) === wanted) {
      found = true
    }
  }
  return found !== negated
}

/** Where the element after the one at `p` begins. A class that is not closed ends with the pattern, as in Redis. */
function nextElement(pattern: Bytes, p: number): number {
  const element = pattern[p] as number
  if (element === BACKSLASH && p + 1 < pattern.length) return p + 2
  if (element !== OPEN) return p + 1
  p++
  if (pattern[p] === CARET) p++
  for (; p < pattern.length; p++) {
    const byte = pattern[p] as number
    if (byte === BACKSLASH && p + 1 < pattern.length) p++
    else if (byte === CLOSE) return p + 1
    else if (p + 2 < pattern.length && pattern[p + 1] === DASH) p += 2
  }
  return pattern.length
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}
