/**
 * Single flight: of several callers who want the same thing at the same time, one fetches it and all get what came. Nothing is kept: once the flight
 * has landed, with a value or an error, the next caller starts a new one.
 */
import { AbortError } from './errors.ts'

export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  /** `fetch` is called if no flight for `key` is under way. */
  fly(key: string, fetch: () => Promise<T>): Promise<T> {
    const underway = this.#flights.get(key)
    if (underway !== undefined) return underway
    const flight = fetch().finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }
}

/** What the flight brings, or `AbortError` as soon as the signal fires: this passenger leaves, the flight goes on. */
export function untilAborted<T>(flight: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return flight
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(new AbortError(signal.reason, 'maybe'))
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    flight.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
