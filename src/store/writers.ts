/**
 * Writers: a number of 16 bits for the name of each member whose version some entry bears. A number is free again with the last such entry.
 */
import assert from 'node:assert/strict'

const MAX_WRITERS = 2 ** 16

export class Writers {
  readonly #numbers = new Map<string, number>()
  readonly #names: string[] = []
  readonly #uses: number[] = []
  readonly #unused: number[] = []
  /** The last taken: most often the next, too. */
  #lastName: string | null = null
  #lastNumber = 0

  /** Counts one use. -1 if every number is in use by another. */
  take(name: string): number {
    if (name === this.#lastName) {
      this.#uses[this.#lastNumber] = (this.#uses[this.#lastNumber] as number) + 1
      return this.#lastNumber
    }
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.#unused.pop() ?? this.#names.length
      if (number === MAX_WRITERS) return -1
      this.#numbers.set(name, number)
      this.#names[number] = name
      this.#uses[number] = 0
    }
    this.#uses[number] = (this.#uses[number] as number) + 1
    this.#lastName = name
    this.#lastNumber = number
    return number
  }

  /** Undoes one `take`. */
  give(number: number): void {
    const uses = (this.#uses[number] as number) - 1
    assert(uses >= 0, 'a writer is given back that was not taken')
    this.#uses[number] = uses
    if (uses > 0) return
    this.#lastName = null
    this.#numbers.delete(this.#names[number] as string)
    this.#unused.push(number)
  }

  /** -1 for one that no entry bears. */
  numberOf(name: string): number {
    return name === this.#lastName ? this.#lastNumber : (this.#numbers.get(name) ?? -1)
  }

  nameOf(number: number): string {
    return this.#names[number] as string
  }

  clear(): void {
    this.#lastName = null
    this.#numbers.clear()
    this.#names.length = 0
    this.#uses.length = 0
    this.#unused.length = 0
  }
}
