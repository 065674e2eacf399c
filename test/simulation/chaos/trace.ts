/**
 * The trace of a run as one hash, over everything that arrived anywhere and everything that was done because of it: packets, halves of exchanges, messages
 * of streams, writes that a primary executed, answers to clients, lives that began and ended, each with its moment. Two runs of one seed have the same hash,
 * or something in the product draws on what was not handed to it.
 */
import type { Cluster } from '../../support/cluster.ts'

/** FNV-1a (Fowler, Noll, Vo), in two lanes of 32 bits with different beginnings: quick for short inputs, and nobody tries to fool it. */
const PRIME = 0x01000193

export class Trace {
  readonly #cluster: Cluster
  readonly #print: boolean
  #one = 0x811c9dc5 | 0
  #other = 0x2a3f17b9 | 0
  events = 0

  constructor(cluster: Cluster, print: boolean) {
    this.#cluster = cluster
    this.#print = print
    cluster.network.tap = (kind, from, to, bytes) => {
      this.#begin(kind)
      this.#text(from)
      this.#text(to)
      for (let i = 0; i < bytes.length; i++) this.#mix(bytes[i] as number)
    }
  }

  /** Something was done, in words. */
  effect(what: string): void {
    this.#begin('effect')
    this.#text(what)
    if (this.#print) console.log(`${(this.#cluster.clock.now() / 1000).toFixed(3)} ${what}`)
  }

  digest(): string {
    return [this.#one, this.#other].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** Each event begins with its kind and its moment, in ms and in millionths of one. */
  #begin(kind: string): void {
    this.events++
    this.#text(kind)
    const nowMs = this.#cluster.clock.now()
    this.#mix(Math.floor(nowMs))
    this.#mix(Math.floor((nowMs % 1) * 1e6))
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i))
  }

  #mix(value: number): void {
    this.#one = Math.imul(this.#one ^ value, PRIME)
    this.#other = Math.imul(this.#other ^ value, PRIME)
  }
}
