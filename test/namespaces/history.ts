/**
 * History: what a client may read of its keys, by what it was told of its writes.
 *
 * A key belongs to one client, which waits for every answer, so a read has one right answer: what was confirmed last. After a write or a delete whose
 * answer did not come, or was an error, there are two, and the key is retired: it is not written again, and in the end it has to hold one of the two.
 * Values are unlike each other, so that a wrong answer says what went wrong: a confirmed write that is lost, an older value that is stale, a deleted key
 * that has returned, or a value that nobody wrote.
 */

/** The value of a key that is not there. */
type Held = string | null

interface KeyHistory {
  /** All that was ever sent, in order; where in it the last confirmed one is, -1 at first. */
  readonly sent: Held[]
  confirmedAt: number
  /** The last of `sent` may or may not have been executed. */
  inDoubt: boolean
}

export class History {
  readonly #keys = new Map<string, KeyHistory>()

  keys(): string[] {
    return [...this.#keys.keys()]
  }

  /** Keys that may still be written. */
  open(): string[] {
    return [...this.#keys].flatMap(([key, { inDoubt }]) => (inDoubt ? [] : [key]))
  }

  /** A write, or a delete where `value` is `null`, is on its way. */
  sent(key: string, value: Held): void {
    let history = this.#keys.get(key)
    if (history === undefined) {
      history = { sent: [], confirmedAt: -1, inDoubt: false }
      this.#keys.set(key, history)
    }
    if (history.inDoubt) throw new Error(`${key} is retired`)
    history.sent.push(value)
    history.inDoubt = true
  }

  /** It was confirmed. One that is never confirmed retires its key. */
  confirmed(key: string): void {
    const history = this.#keys.get(key)
    if (history === undefined || !history.inDoubt) throw new Error(`nothing was sent for ${key}`)
    history.confirmedAt = history.sent.length - 1
    history.inDoubt = false
  }

  /** What is wrong with a value that was read, in words; `null` if nothing is. */
  verdict(key: string, value: Held): string | null {
    const history = this.#keys.get(key)
    const { sent, confirmedAt, inDoubt } = history ?? { sent: [], confirmedAt: -1, inDoubt: false }
    const expected = confirmedAt < 0 ? null : (sent[confirmedAt] as Held)
    if (value === expected || (inDoubt && value === sent.at(-1))) return null
    const wanted = `${expected ?? 'nothing'}${inDoubt ? ` or ${sent.at(-1) ?? 'nothing'}` : ''}`
    if (value === null) return `lost: ${key} holds nothing in place of ${wanted}`
    if (!sent.includes(value)) return `never written: ${key} holds ${value}`
    return `${expected === null ? 'resurrected' : 'stale'}: ${key} holds ${value} in place of ${wanted}`
  }
}
