/**
 * Escape: how a string keeps to its line.
 *
 * A line feed is written `\n`, a carriage return `\r`. A backslash stands for itself, except where it could be taken for the beginning of an escape:
 * before `n`, `r`, another backslash, or a line break, it is written twice. So `C:\temp` travels as it is typed, and `a\nb`, meant as four letters, is
 * `a\\nb`. Reading is the exact inverse: `\n`, `\r` and `\\` are one byte each, every other backslash is itself. All other bytes pass untouched.
 */
import type { Bytes, ByteWriter } from '../../lib/bytes.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const BACKSLASH = 0x5c
const LETTER_N = 0x6e
const LETTER_R = 0x72
const SPACE = 0x20

/** By the byte after a backslash: the byte that the two mean, or 0 when they are no escape. */
const MEANINGS = new Uint8Array(256)
MEANINGS[LETTER_N] = LINE_FEED
MEANINGS[LETTER_R] = CARRIAGE_RETURN
MEANINGS[BACKSLASH] = BACKSLASH

const ESCAPED_LINE_FEED = Buffer.from('\\n')
const ESCAPED_CARRIAGE_RETURN = Buffer.from('\\r')

/** Reads the escapes of a range where it stands and answers the new end: what they spell is never longer. */
export function unescapeInPlace(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== BACKSLASH) at++
  let to = at
  while (at < end) {
    const byte = bytes[at++] as number
    const meant = byte === BACKSLASH && at < end ? (MEANINGS[bytes[at] as number] as number) : 0
    if (meant !== 0) at++
    bytes[to++] = meant === 0 ? byte : meant
  }
  return to
}

/** Appends a range so that it has no line break and `unescapeInPlace` gives it back. Never more than twice as long. */
export function appendEscaped(out: ByteWriter, bytes: Bytes, start: number, end: number): void {
  let from = start
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte !== BACKSLASH && byte !== LINE_FEED && byte !== CARRIAGE_RETURN) continue
    if (byte === BACKSLASH) {
      // The run that follows begins with this very byte, so it comes twice.
      if (at + 1 < end && mayFollow(bytes[at + 1] as number)) out.raw(bytes, from, at + 1)
      else continue
      from = at
    } else {
      out.raw(bytes, from, at).raw(byte === LINE_FEED ? ESCAPED_LINE_FEED : ESCAPED_CARRIAGE_RETURN)
      from = at + 1
    }
  }
  out.raw(bytes, from, end)
}

/**
 * Appends a JSON text as it is. Line breaks can only stand between its tokens, where a space means the same; backslashes belong to its own strings.
 */
export function appendJson(out: ByteWriter, bytes: Bytes, start: number, end: number): void {
  let from = start
  for (let at = start; at < end; at++) {
    if (bytes[at] !== LINE_FEED && bytes[at] !== CARRIAGE_RETURN) continue
    out.raw(bytes, from, at).u8(SPACE)
    from = at + 1
  }
  out.raw(bytes, from, end)
}

/** Whether a backslash before this byte would read, or be written, as an escape. */
function mayFollow(byte: number): boolean {
  return MEANINGS[byte] !== 0 || byte === LINE_FEED || byte === CARRIAGE_RETURN
}
