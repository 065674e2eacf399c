/**
 * JSON text: entries as the JSON that this face answers.
 *
 * A JSON value is answered byte for byte as it was sent; a string is quoted; a string whose bytes are not UTF-8 becomes `{"$base64":"..."}`, which
 * `POST /set` reads back. Works on bytes throughout: neither keys nor values are turned into JavaScript strings.
 */
import { isUtf8 } from 'node:buffer'
import type { ByteWriter } from '../../lib/bytes.ts'
import { type Entry, VALUE_JSON } from '../../lib/entry.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const BASE64_OPEN = Buffer.from('{"$base64":"')
const BASE64_CLOSE = Buffer.from('"}')

/** What stands for each byte inside a string; absent where the byte stands for itself. */
const ESCAPED: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1)) : undefined,
)

/** Appends bytes that are known to be UTF-8 as a JSON string. */
export function appendString(out: ByteWriter, bytes: Buffer, start: number, end: number): void {
  out.u8(QUOTE)
  let copied = start
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) continue
    if (at > copied) out.raw(bytes, copied, at)
    out.raw(ESCAPED[byte] as Buffer)
    copied = at + 1
  }
  if (end > copied) out.raw(bytes, copied, end)
  out.u8(QUOTE)
}

/** Appends the value of an entry, of whatever kind. */
export function appendValue(out: ByteWriter, entry: Entry): void {
  const { value, valueStart, valueEnd } = entry
  if (entry.kind === VALUE_JSON) {
    out.raw(value, valueStart, valueEnd)
  } else if (isUtf8(entry.valueBytes())) {
    appendString(out, value, valueStart, valueEnd)
  } else {
    out
      .raw(BASE64_OPEN)
      .raw(Buffer.from(value.toString('base64', valueStart, valueEnd), 'latin1'))
      .raw(BASE64_CLOSE)
  }
}
