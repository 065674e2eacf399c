/**
 * Slots: 16,384 equal parts of the key space, numbered as Redis Cluster numbers them (cluster specification, "Key distribution model"),
 * so that its clients can follow us: CRC16/XMODEM of the key, or of what stands between the first `{` and the next `}` if that is not empty.
 */
import type { Bytes } from './bytes.ts'

export const SLOT_COUNT = 16_384

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Four bytes at a time ("slicing by four"): `T0` steps the sum over one byte, `T1` to `T3` over one byte that one to three others follow.
 */
const T0 = firstTable()
const T1 = nextTable(T0)
const T2 = nextTable(T1)
const T3 = nextTable(T2)

/** The slot of the key in `bytes[start, end)`. Allocates nothing. */
export function slotOf(bytes: Bytes, start: number = 0, end: number = bytes.length): number {
  // Nearly all keys have no tag: they are summed up while one is looked for.
  let crc = 0
  let i = start
  for (; i + 4 <= end; i += 4) {
    const a = bytes[i] as number
    const b = bytes[i + 1] as number
    const c = bytes[i + 2] as number
    const d = bytes[i + 3] as number
    if (a === OPEN_BRACE || b === OPEN_BRACE || c === OPEN_BRACE || d === OPEN_BRACE) return slotOfTagged(bytes, start, end, i)
    crc = (T3[(crc >> 8) ^ a] as number) ^ (T2[(crc & 0xff) ^ b] as number) ^ (T1[c] as number) ^ (T0[d] as number)
  }
  for (; i < end; i++) {
    const a = bytes[i] as number
    if (a === OPEN_BRACE) return slotOfTagged(bytes, start, end, i)
    crc = ((crc << 8) & 0xffff) ^ (T0[(crc >> 8) ^ a] as number)
  }
  return crc & (SLOT_COUNT - 1)
}

/** There is a brace at `from` or within the three bytes after it, and none before. */
function slotOfTagged(bytes: Bytes, start: number, end: number, from: number): number {
  let open = from
  while (bytes[open] !== OPEN_BRACE) open++
  let close = open + 1
  while (close < end && bytes[close] !== CLOSE_BRACE) close++
  return close < end && close > open + 1 ? crc16(bytes, open + 1, close) : crc16(bytes, start, end)
}

function crc16(bytes: Bytes, start: number, end: number): number {
  let crc = 0
  let i = start
  for (; i + 4 <= end; i += 4) {
    crc =
      (T3[(crc >> 8) ^ (bytes[i] as number)] as number) ^
      (T2[(crc & 0xff) ^ (bytes[i + 1] as number)] as number) ^
      (T1[bytes[i + 2] as number] as number) ^
      (T0[bytes[i + 3] as number] as number)
  }
  for (; i < end; i++) crc = ((crc << 8) & 0xffff) ^ (T0[(crc >> 8) ^ (bytes[i] as number)] as number)
  return crc & (SLOT_COUNT - 1)
}

function firstTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = i << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1
    table[i] = crc & 0xffff
  }
  return table
}

function nextTable(before: Uint16Array): Uint16Array {
  return before.map((crc) => ((crc << 8) & 0xffff) ^ (T0[crc >> 8] as number))
}
