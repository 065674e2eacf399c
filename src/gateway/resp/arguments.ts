/**
 * Arguments: one parsed command, as offsets into the bytes it came in.
 *
 * The parser fills the same object again and again, so a command costs no string and no Buffer unless somebody asks for one. The bytes stay as they
 * are for as long as the object does: input is never overwritten, only forgotten. Whoever keeps a command beyond its call takes `copyAll`.
 */
import { NO_BYTES } from '../../lib/bytes.ts'

const INITIAL_CAPACITY = 8
/** Arrays that a huge command has left behind are given back at the next one. */
const KEPT_CAPACITY = 1024

/** Bit that an ASCII letter's two cases differ in. */
const CASE_BIT = 0x20

export class Arguments {
  buffer: Buffer = NO_BYTES
  /** How many there are, the command's name included. */
  count = 0
  #starts = new Int32Array(INITIAL_CAPACITY)
  #ends = new Int32Array(INITIAL_CAPACITY)

  start(i: number): number {
    return this.#starts[i] as number
  }

  end(i: number): number {
    return this.#ends[i] as number
  }

  length(i: number): number {
    return (this.#ends[i] as number) - (this.#starts[i] as number)
  }

  /** A view. */
  bytes(i: number): Buffer {
    return this.buffer.subarray(this.#starts[i], this.#ends[i])
  }

  copy(i: number): Buffer {
    return Buffer.from(this.bytes(i))
  }

  text(i: number, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    return this.buffer.toString(encoding, this.#starts[i], this.#ends[i])
  }

  /** Whether argument `i` is `word`, which is in upper case, whatever the case of the argument's ASCII letters. */
  is(i: number, word: string): boolean {
    const start = this.#starts[i] as number
    if ((this.#ends[i] as number) - start !== word.length) return false
    for (let at = 0; at < word.length; at++) {
      const byte = this.buffer[start + at] as number
      const wanted = word.charCodeAt(at)
      if (byte !== wanted && (byte < 0x61 || byte > 0x7a || (byte ^ CASE_BIT) !== wanted)) return false
    }
    return true
  }

  /** An independent copy with bytes of its own. */
  copyAll(): Arguments {
    let bytes = 0
    for (let i = 0; i < this.count; i++) bytes += this.length(i)
    const copy = new Arguments()
    copy.buffer = Buffer.allocUnsafe(bytes)
    let at = 0
    for (let i = 0; i < this.count; i++) {
      const end = at + this.buffer.copy(copy.buffer, at, this.#starts[i], this.#ends[i])
      copy.add(at, end)
      at = end
    }
    return copy
  }

  /** For the parser: begins a command. */
  reset(buffer: Buffer): void {
    this.buffer = buffer
    this.count = 0
    if (this.#starts.length > KEPT_CAPACITY) this.#resize(INITIAL_CAPACITY)
  }

  /** For the parser: one more argument, `buffer[start, end)`. Amortised O(1). */
  add(start: number, end: number): void {
    const i = this.count
    if (i === this.#starts.length) this.#resize(i * 2)
    this.#starts[i] = start
    this.#ends[i] = end
    this.count = i + 1
  }

  /** For the parser: the same bytes are now in another buffer, `distance` further to the front. */
  rebase(buffer: Buffer, distance: number): void {
    this.buffer = buffer
    if (distance === 0) return
    for (let i = 0; i < this.count; i++) {
      this.#starts[i] = (this.#starts[i] as number) - distance
      this.#ends[i] = (this.#ends[i] as number) - distance
    }
  }

  #resize(capacity: number): void {
    const starts = new Int32Array(capacity)
    const ends = new Int32Array(capacity)
    starts.set(this.#starts.subarray(0, this.count))
    ends.set(this.#ends.subarray(0, this.count))
    this.#starts = starts
    this.#ends = ends
  }
}
