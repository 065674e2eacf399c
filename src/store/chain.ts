/**
 * Chain: a doubly linked list whose links belong to the items, so that an item leaves or moves to the back in O(1) without being looked for.
 *
 * A link is in at most one chain at a time, and its owner knows in which. Orders of use and rounds of sweeping are kept this way rather than
 * by taking out of a `Map` and putting back in: a `Map` keeps a hole for each entry taken out, and now and then stands still to be rid of them.
 */
export class Link<T> {
  readonly item: T
  previous: Link<T> | null = null
  next: Link<T> | null = null

  constructor(item: T) {
    this.item = item
  }
}

export class Chain<T> {
  #first: Link<T> | null = null
  #last: Link<T> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#first?.item
  }

  /** The link must be in no chain. */
  pushBack(link: Link<T>): void {
    link.previous = this.#last
    if (this.#last === null) this.#first = link
    else this.#last.next = link
    this.#last = link
    this.#size++
  }

  /** The link must be in this chain. */
  remove(link: Link<T>): void {
    if (link.previous === null) this.#first = link.next
    else link.previous.next = link.next
    if (link.next === null) this.#last = link.previous
    else link.next.previous = link.previous
    link.previous = null
    link.next = null
    this.#size--
  }

  /** The link must be in this chain. */
  moveToBack(link: Link<T>): void {
    if (link === this.#last) return
    this.remove(link)
    this.pushBack(link)
  }

  /** Forgets all links without touching them: they must not be used again. */
  clear(): void {
    this.#first = null
    this.#last = null
    this.#size = 0
  }
}
