/**
 * Dissemination: the news that still travels (SWIM, section 4.1).
 *
 * One piece of news a member, encoded once; a newer one about the same member replaces it. Packets take what was sent least often first,
 * newest first among equals, and drop what has been sent often enough. Bounded by the number of names.
 */
interface News {
  readonly message: Buffer
  readonly order: number
  transmissions: number
}

/** How often one member passes on one piece of news: 4 times up to 9 members, 8 up to 99. */
export function retransmitLimit(multiplier: number, members: number): number {
  return multiplier * Math.ceil(Math.log10(members + 1))
}

export class Dissemination {
  readonly #news = new Map<string, News>()
  #order = 0

  get size(): number {
    return this.#news.size
  }

  has(name: string): boolean {
    return this.#news.has(name)
  }

  put(name: string, message: Buffer): void {
    this.#news.set(name, { message, order: this.#order++, transmissions: 0 })
  }

  /** Messages that fit `maxBytes` together, at most `maxMessages`; each counts as sent once more. O(n log n) of what is queued. */
  take(maxBytes: number, maxMessages: number, limit: number): Buffer[] {
    const taken: Buffer[] = []
    let bytes = 0
    const queued = [...this.#news].sort(([, a], [, b]) => a.transmissions - b.transmissions || b.order - a.order)
    for (const [name, news] of queued) {
      if (taken.length === maxMessages) break
      if (bytes + news.message.length > maxBytes) continue
      taken.push(news.message)
      bytes += news.message.length
      if (++news.transmissions >= limit) this.#news.delete(name)
    }
    return taken
  }
}
