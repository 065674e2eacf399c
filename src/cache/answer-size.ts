/**
 * Answer size: how long the answer to a transaction may become, found before any of it is executed. What is executed for a peer leaves in one message, and a
 * message has a bound; once a transaction has written it is too late to refuse it.
 *
 * It is a bound from above. A value counts as long as it is now, or as long as the operations before may have made it: a condition may hold or not, and
 * what a demand leaves out may be left out or not. It costs a look at each key that is read, and nothing where nothing is read.
 */
import {
  ALWAYS,
  EXPIRY_NONE,
  HEAD,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DELETE,
  OPERATION_EXPIRE,
  OPERATION_GET,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET,
  OPERATION_SET_RANGE,
  type Operation,
  WANT_OLD,
} from './operation.ts'

/** An outcome and the fixed part of its entry, with names of members as long as they mostly are. */
const OUTCOME_BYTES = 192
/** A whole number of 64 bits, and the longest text of a fraction. */
const INTEGER_BYTES = 20
const FRACTION_BYTES = 5200

/** Bytes of the value that is stored under a key now; 0 for none. */
export type LengthOf = (key: Buffer, start: number, end: number) => number

export function answerBytes(list: readonly Operation[], lengthOf: LengthOf, maxValueBytes: number): number {
  let bytes = list.length * OUTCOME_BYTES
  if (!list.some(tellsEntry)) return bytes
  const sizes = new Sizes(lengthOf)
  let certain = true
  for (const operation of list) {
    const { code, flags, key, keyStart, keyEnd, value, valueStart, valueEnd, condition, expiry, offset } = operation
    const given = valueEnd - valueStart
    if (code === OPERATION_REQUIRE) {
      certain &&= operation.offset === 0
      continue
    }
    if (code === OPERATION_INCREMENT || code === OPERATION_INCREMENT_FLOAT) {
      const sum = code === OPERATION_INCREMENT ? INTEGER_BYTES : FRACTION_BYTES
      bytes += keyEnd - keyStart + sum
      sizes.grow(key, keyStart, keyEnd, sum)
      continue
    }
    if (tellsEntry(operation)) {
      bytes += keyEnd - keyStart
      if (code !== OPERATION_GET || (flags & HEAD) === 0) bytes += sizes.of(key, keyStart, keyEnd)
    }
    switch (code) {
      case OPERATION_SET:
        if (certain && condition === ALWAYS && expiry === EXPIRY_NONE) sizes.put(key, keyStart, keyEnd, given)
        else sizes.grow(key, keyStart, keyEnd, given)
        break
      case OPERATION_APPEND: {
        const sum = sizes.of(key, keyStart, keyEnd) + given
        sizes.grow(key, keyStart, keyEnd, Math.min(sum, maxValueBytes))
        break
      }
      case OPERATION_SET_RANGE:
        if (given > 0 && offset + given <= maxValueBytes) sizes.grow(key, keyStart, keyEnd, offset + given)
        break
      case OPERATION_RENAME:
      case OPERATION_COPY:
        sizes.grow(value, valueStart, valueEnd, sizes.of(key, keyStart, keyEnd))
        break
      default:
    }
  }
  return bytes
}

/** Whether its outcome may have an entry. */
function tellsEntry({ code, flags }: Operation): boolean {
  if (code === OPERATION_GET || code === OPERATION_INCREMENT || code === OPERATION_INCREMENT_FLOAT) return true
  return (flags & WANT_OLD) !== 0 && (code === OPERATION_SET || code === OPERATION_DELETE || code === OPERATION_EXPIRE)
}

/** How long the value of each key may be, as far as the operations looked at have come. */
class Sizes {
  readonly #lengthOf: LengthOf
  readonly #known = new Map<string, number>()

  constructor(lengthOf: LengthOf) {
    this.#lengthOf = lengthOf
  }

  of(key: Buffer, start: number, end: number): number {
    const name = key.toString('latin1', start, end)
    let length = this.#known.get(name)
    if (length === undefined) {
      length = this.#lengthOf(key, start, end)
      this.#known.set(name, length)
    }
    return length
  }

  put(key: Buffer, start: number, end: number, length: number): void {
    this.#known.set(key.toString('latin1', start, end), length)
  }

  grow(key: Buffer, start: number, end: number, length: number): void {
    this.put(key, start, end, Math.max(length, this.of(key, start, end)))
  }
}
