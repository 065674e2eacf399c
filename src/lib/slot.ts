/**
 * Slots: 16,384 equal parts of the key space, numbered as Redis Cluster numbers them (cluster specification, "Key distribution model"),
 * so that its clients can follow us: CRC16/XMODEM of the key, or of what stands between the first `{` and the next `}` if that is not empty.
 */
import type { Bytes } from './bytes.ts'

export const SLOT_COUNT = 16_384

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const CRC_TABLE = crcTable()

/** The slot of the key in `bytes[start, end)`. Allocates nothing. */
export function slotOf(bytes: Bytes, start: number = 0, end: number = bytes.length): number {
  let from = start
  let to = end
  for (let i = start; i < end; i++) {
    if (bytes[i] !== OPEN_BRACE) continue
    let close = i + 1
    while (close < end && bytes[close] !== CLOSE_BRACE) close++
    if (close < end && close > i + 1) {
      from = i + 1
      to = close
    }
    break
  }
  let crc = 0
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ (CRC_TABLE[(crc >> 8) ^ (bytes[i] as number)] as number)
  return crc & (SLOT_COUNT - 1)
}

function crcTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = i << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1
    table[i] = crc & 0xffff
  }
  return table
}
