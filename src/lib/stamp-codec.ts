/** How a stamp travels: 48 bits of milliseconds, 16 bits of counter. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { Stamp } from './version.ts'

export function encodeStamp(writer: ByteWriter, { ms, counter }: Stamp): ByteWriter {
  return writer.u48(ms).u16(counter)
}

export function decodeStamp(reader: ByteReader): Stamp {
  return { ms: reader.u48(), counter: reader.u16() }
}
