/**
 * A set of slots: a bitmap of 16,384 bits. On the wire it is whichever is shorter, the list of its members (two bytes each) or the 2 KiB bitmap;
 * ownership on a ring neither compresses nor run-length encodes, so nothing cleverer is tried.
 */
import { type ByteReader, type ByteWriter, MalformedError } from './bytes.ts'
import { SLOT_COUNT } from './slot.ts'

const BITMAP_BYTES = SLOT_COUNT / 8
/** Written in place of a count when the bitmap follows. */
const WHOLE_BITMAP = 0xffff

export class SlotSet {
  readonly #bits = new Uint8Array(BITMAP_BYTES)
  #size = 0

  static of(slots: Iterable<number>): SlotSet {
    const set = new SlotSet()
    for (const slot of slots) set.add(slot)
    return set
  }

  static all(): SlotSet {
    const set = new SlotSet()
    set.#bits.fill(0xff)
    set.#size = SLOT_COUNT
    return set
  }

  get size(): number {
    return this.#size
  }

  has(slot: number): boolean {
    return ((this.#bits[slot >> 3] as number) & (1 << (slot & 7))) !== 0
  }

  add(slot: number): void {
    if (this.has(slot)) return
    this.#bits[slot >> 3] = (this.#bits[slot >> 3] as number) | (1 << (slot & 7))
    this.#size++
  }

  delete(slot: number): void {
    if (!this.has(slot)) return
    this.#bits[slot >> 3] = (this.#bits[slot >> 3] as number) & ~(1 << (slot & 7))
    this.#size--
  }

  copy(): SlotSet {
    const copy = new SlotSet()
    copy.#bits.set(this.#bits)
    copy.#size = this.#size
    return copy
  }

  clear(): void {
    this.#bits.fill(0)
    this.#size = 0
  }

  addAll(other: SlotSet): void {
    this.#size = 0
    for (let i = 0; i < BITMAP_BYTES; i++) {
      const byte = (this.#bits[i] as number) | (other.#bits[i] as number)
      this.#bits[i] = byte
      if (byte !== 0) this.#size += popCount(byte)
    }
  }

  equals(other: SlotSet): boolean {
    if (this.#size !== other.#size) return false
    return this.#bits.every((byte, i) => byte === other.#bits[i])
  }

  /** Ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < BITMAP_BYTES; i++) {
      const byte = this.#bits[i] as number
      if (byte === 0) continue
      for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) yield i * 8 + bit
    }
  }

  encode(writer: ByteWriter): void {
    if (this.#size * 2 < BITMAP_BYTES) {
      writer.u16(this.#size)
      for (const slot of this) writer.u16(slot)
    } else {
      writer.u16(WHOLE_BITMAP).raw(this.#bits)
    }
  }

  static decode(reader: ByteReader): SlotSet {
    const set = new SlotSet()
    const count = reader.u16()
    if (count === WHOLE_BITMAP) {
      set.#bits.set(reader.raw(BITMAP_BYTES))
      for (const byte of set.#bits) set.#size += popCount(byte)
      return set
    }
    if (count > SLOT_COUNT) throw new MalformedError(`a set of ${count} slots`)
    for (let i = 0; i < count; i++) {
      const slot = reader.u16()
      if (slot >= SLOT_COUNT) throw new MalformedError(`slot ${slot} is over ${SLOT_COUNT - 1}`)
      set.add(slot)
    }
    return set
  }
}

function popCount(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
