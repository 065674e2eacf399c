/**
 * Rotation: which address to connect to next.
 *
 * Every new connection goes to the address after the last one's, so that a client's connections spread over the members. An address that failed is
 * tried after all others for a while that doubles with each failure (backoff.ts); it is never left out, for it may be the only one that lives.
 */
import type { Address } from './address.ts'
import type { Backoff } from './backoff.ts'
import type { Clock, Random } from './clock.ts'

interface Place {
  readonly address: Address
  failures: number
  /** Until when the others go first. */
  avoidedUntilMs: number
}

export class Rotation {
  readonly #places: readonly Place[]
  readonly #backoff: Backoff
  readonly #clock: Clock
  #next: number

  /** Begins at an address by chance, so that a fleet of clients with one list does not begin at one member. `addresses` has at least one. */
  constructor(addresses: readonly Address[], backoff: Backoff, clock: Clock, random: Random) {
    this.#places = addresses.map((address) => ({ address, failures: 0, avoidedUntilMs: 0 }))
    this.#backoff = backoff
    this.#clock = clock
    this.#next = Math.floor(random() * addresses.length)
  }

  /** All addresses, each once, in the order to try them in. Each call begins one further. */
  order(): Address[] {
    const turned = [...this.#places.slice(this.#next), ...this.#places.slice(0, this.#next)]
    this.#next = (this.#next + 1) % this.#places.length
    const now = this.#clock.now()
    const good = turned.filter((place) => !avoided(place, now))
    const bad = turned.filter((place) => avoided(place, now)).sort((a, b) => a.avoidedUntilMs - b.avoidedUntilMs)
    return [...good, ...bad].map(({ address }) => address)
  }

  failed(address: Address): void {
    const place = this.#placeOf(address)
    place.failures++
    place.avoidedUntilMs = this.#clock.now() + this.#backoff.delayMs(place.failures)
  }

  succeeded(address: Address): void {
    const place = this.#placeOf(address)
    place.failures = 0
  }

  #placeOf(address: Address): Place {
    return this.#places.find((place) => place.address === address) as Place
  }
}

function avoided(place: Place, nowMs: number): boolean {
  return place.failures > 0 && nowMs < place.avoidedUntilMs
}
