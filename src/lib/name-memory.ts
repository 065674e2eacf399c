/**
 * Name memory: a name as text and as bytes. What members send names the same writer again and again; the last name is remembered in both its forms, so that
 * neither way makes anything while it stays the same.
 */
import { NO_BYTES, textAt } from './bytes.ts'

export class NameMemory {
  #name = ''
  #bytes: Buffer = NO_BYTES

  /** In UTF-8: to be read only, until the next call. */
  bytesOf(name: string): Buffer {
    if (name !== this.#name) {
      this.#name = name
      this.#bytes = Buffer.from(name)
    }
    return this.#bytes
  }

  /** The name whose `length` bytes lie at `start`. Throws a `MalformedError` for what is no UTF-8: the memory stays as it was. */
  nameAt(buffer: Buffer, start: number, length: number): string {
    const known = this.#bytes
    let i = 0
    if (known.length === length) while (i < length && buffer[start + i] === known[i]) i++
    if (known.length === length && i === length) return this.#name
    const name = textAt(buffer, start, length)
    this.bytesOf(name)
    return name
  }
}
