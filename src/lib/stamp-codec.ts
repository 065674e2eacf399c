/** How a stamp travels: 48 bits of milliseconds, 16 bits of counter. */
import { type ByteReader, type ByteWriter, MalformedError } from './bytes.ts'
import { MAX_STAMP_MS, type Stamp } from './version.ts'

export function encodeStamp(writer: ByteWriter, { ms, counter }: Stamp): ByteWriter {
  return writer.u48(ms).u16(counter)
}

/** Throws a `MalformedError`, also for a stamp that none could be above. */
export function decodeStamp(reader: ByteReader): Stamp {
  return { ms: checkedMs(reader.u48()), counter: reader.u16() }
}

/** The milliseconds of a stamp that came. Throws a `MalformedError` for those that are too late to be followed by others. */
export function checkedMs(ms: number): number {
  if (ms > MAX_STAMP_MS) throw new MalformedError(`a stamp of ${ms} ms since 1970`)
  return ms
}
