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

  /** Counts one use. -1 if every number is in use by another. */
  take(name: string): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.#unused.pop() ?? this.#names.length
      if (number === MAX_WRITERS) return -1
      this.#numbers.set(name, number)
      this.#names[number] = name
      this.#uses[number] = 0
    }
    this.#uses[number] = (this.#uses[number] as number) + 1
    return number
  }

  /** Undoes one `take`. */
  give(number: number): void {
    const uses = (this.#uses[number] as number) - 1
    assert(uses >= 0, 'a writer is given back that was not taken')
    this.#uses[number] = uses
    if (uses > 0) return
    this.#numbers.delete(this.#names[number] as string)
    this.#unused.push(number)
  }

  nameOf(number: number): string {
    return this.#names[number] as string
  }

  clear(): void {
    this.#numbers.clear()
    this.#names.length = 0
    this.#uses.length = 0
    this.#unused.length = 0
  }
}
