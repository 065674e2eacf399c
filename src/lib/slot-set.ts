/**
 * A set of slots: a bitmap of 16,384 bits. On the wire it is whichever is shorter, the list of its members (two bytes each) or the 2 KiB bitmap;
 * ownership on a ring neither compresses nor run-length encodes, so nothing cleverer is tried.
 */
import { type ByteReader, type ByteWriter, MalformedError } from './bytes.ts'
import { SLOT_COUNT } from './slot.ts'

const BITMAP_BYTES = SLOT_COUNT / 8
const WORDS = BITMAP_BYTES / 4
/** Written in place of a count when the bitmap follows. */
const WHOLE_BITMAP = 0xffff
export class SlotSet {
  readonly #bits = new Uint8Array(BITMAP_BYTES)
  /** The same memory, for what is done to whole sets. */
  readonly #words = new Uint32Array(this.#bits.buffer)
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

  addAll(other: SlotSet): this {
    for (let i = 0; i < WORDS; i++) this.#words[i] = (this.#words[i] as number) | (other.#words[i] as number)
    return this.#counted()
  }

  removeAll(other: SlotSet): this {
    for (let i = 0; i < WORDS; i++) this.#words[i] = (this.#words[i] as number) & ~(other.#words[i] as number)
    return this.#counted()
  }

  /** Removes what `other` has not. */
  retainAll(other: SlotSet): this {
    for (let i = 0; i < WORDS; i++) this.#words[i] = (this.#words[i] as number) & (other.#words[i] as number)
    return this.#counted()
  }

  equals(other: SlotSet): boolean {
    if (this.#size !== other.#size) return false
    return this.#bits.every((byte, i) => byte === other.#bits[i])
  }

  /** The members, ascending, as they are now: what is added or deleted meanwhile does not change a walk. A generator would cost several times as much. */
  [Symbol.iterator](): ArrayIterator<number> {
    const slots = new Uint16Array(this.#size)
    let count = 0
    for (let i = 0; i < BITMAP_BYTES; i++) {
      let byte = this.#bits[i] as number
      while (byte !== 0) {
        slots[count++] = i * 8 + 31 - Math.clz32(byte & -byte)
        byte &= byte - 1
      }
    }
    return slots.values()
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
      return set.#counted()
    }
    if (count > SLOT_COUNT) throw new MalformedError(`a set of ${count} slots`)
    for (let i = 0; i < count; i++) {
      const slot = reader.u16()
      if (slot >= SLOT_COUNT) throw new MalformedError(`slot ${slot} is over ${SLOT_COUNT - 1}`)
      set.add(slot)
    }
    return set
  }

  #counted(): this {
    this.#size = 0
    for (let i = 0; i < WORDS; i++) this.#size += bitsOf(this.#words[i] as number)
    return this
  }
}

/** How many bits of a word are set: summed up in pairs, fours, bytes, and then all at once. */
function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
