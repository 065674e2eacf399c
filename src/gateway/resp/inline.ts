/**
 * Inline: a line that somebody has typed, split into words as Redis splits it (`sdssplitargs`).
 *
 * Blanks part words. Between double quotes `\n \r \t \b \a \xHH` and `\` before anything else are escapes, between single quotes only `\'` is. A
 * closing quote ends its word.
 */
import type { Arguments } from './arguments.ts'

const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const BACKSLASH = 0x5c
const LETTER_X = 0x78

const ESCAPES = new Map([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x62, 0x08],
  [0x61, 0x07],
])

/** Fills `args` with the words of `line[start, end)`, in bytes of their own. False: a quote is not closed, or not followed by a blank. */
export function splitWords(line: Buffer, start: number, end: number, args: Arguments): boolean {
  // A word is never longer than the way it was written.
  const words = Buffer.allocUnsafe(end - start)
  args.reset(words)
  let used = 0
  let at = start
  for (;;) {
    while (at < end && isBlank(line[at] as number)) at++
    if (at === end) return true
    const from = used
    let quote = 0
    for (;;) {
      if (at === end) {
        if (quote !== 0) return false
        break
      }
      const byte = line[at] as number
      if (quote === 0) {
        if (isBlank(byte)) break
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte
        else words[used++] = byte
        at++
      } else if (byte === quote) {
        if (at + 1 < end && !isBlank(line[at + 1] as number)) return false
        at++
        break
      } else if (quote === DOUBLE_QUOTE && byte === BACKSLASH && at + 1 < end) {
        const hex = line[at + 1] === LETTER_X && at + 3 < end ? hexByte(line[at + 2] as number, line[at + 3] as number) : -1
        words[used++] = hex >= 0 ? hex : (ESCAPES.get(line[at + 1] as number) ?? (line[at + 1] as number))
        at += hex >= 0 ? 4 : 2
      } else if (quote === SINGLE_QUOTE && byte === BACKSLASH && line[at + 1] === SINGLE_QUOTE && at + 1 < end) {
        words[used++] = SINGLE_QUOTE
        at += 2
      } else {
        words[used++] = byte
        at++
      }
    }
    args.add(from, used)
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0
}

function hexByte(high: number, low: number): number {
  const h = hexDigit(high)
  const l = hexDigit(low)
  return h < 0 || l < 0 ? -1 : h * 16 + l
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1
}
