/**
 * Key line: a key as it is printed, one a line, so that no key looks like two. Written as the text face writes keys: a line feed is `\n`, a carriage
 * return `\r`, and a backslash stands for itself, except before `n`, `r`, a backslash or a line break, where it is written twice.
 */
const SPECIAL = /\\(?=[nr\\\n\r])|[\n\r]/g
const WRITTEN: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' }

/** With the end of the line. Bytes that are no UTF-8 stay as they are. */
export function keyLine(key: Buffer): Buffer {
  const text = key.toString('latin1').replace(SPECIAL, (found) => WRITTEN[found] as string)
  return Buffer.from(`${text}\n`, 'latin1')
}
