/** Lines of a stream of bytes, each bounded, so that a file without line ends does not fill the memory. */
import { isUtf8 } from 'node:buffer'
import { UsageError } from './exit-code.ts'

export interface Line {
  readonly text: string
  /** Counted from 1. */
  readonly number: number
  /** Bytes of the stream up to its end, line end included. */
  readonly endsAt: number
}

const LF = 0x0a

/** Throws `UsageError` for a line over `maxBytes`, or one that is not UTF-8. The last line needs no line end. */
export async function* boundedLines(stream: AsyncIterable<unknown>, maxBytes: number): AsyncGenerator<Line, void, undefined> {
  let pieces: Buffer[] = []
  let pending = 0
  let number = 0
  let endsAt = 0
  const finish = (lineEndBytes: number): Line => {
    const bytes = Buffer.concat(pieces)
    pieces = []
    pending = 0
    number++
    endsAt += bytes.length + lineEndBytes
    if (!isUtf8(bytes)) throw new UsageError(`line ${number}: not UTF-8`)
    return { text: bytes.toString(), number, endsAt }
  }
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let at = 0
    while (at < chunk.length) {
      const end = chunk.indexOf(LF, at)
      const piece = chunk.subarray(at, end === -1 ? chunk.length : end)
      pending += piece.length
      if (pending > maxBytes) throw new UsageError(`line ${number + 1}: longer than ${maxBytes} bytes`)
      pieces.push(piece)
      if (end === -1) break
      yield finish(1)
      at = end + 1
    }
  }
  if (pending > 0) yield finish(0)
}
