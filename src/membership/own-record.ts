/**
 * This member's own record: what it says about itself, and the only place where its incarnation rises.
 *
 * Every change of the meta is a new incarnation, because `(generation, mark, incarnation)` has to fix it. The table version may change many
 * times a second, so a change of nothing else waits until `tableVersionIntervalMs` have passed since the last one was published.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import type { Address } from '../transport/transport.ts'
import type { MemberMeta } from './membership.ts'
import type { MemberRecord } from './record.ts'
import { encodeMeta } from './record-codec.ts'

export interface OwnIdentity {
  /** At most 128 bytes. */
  readonly name: string
  /** Above that of every earlier life, as far as this process can know; it is raised where peers know better. */
  readonly generation: number
  readonly address: Address
  readonly meta: MemberMeta
}

export class OwnRecord {
  #record: MemberRecord
  /** What the meta shall be; ahead of the record while a table version waits. */
  #wanted: MemberMeta
  #publishedMs = Number.NEGATIVE_INFINITY
  readonly #changed: () => void

  /** `changed` is called after each change of the record. */
  constructor(identity: OwnIdentity, mark: number, changed: () => void) {
    this.#changed = changed
    const metaBytes = encodeMeta(identity.meta)
    this.#wanted = identity.meta
    this.#record = { ...identity, incarnation: 0, state: 'alive', mark, accuser: '', fact: false, metaBytes, extra: NO_BYTES }
  }

  get record(): MemberRecord {
    return this.#record
  }

  /** Another life of this name has `generation`: ours becomes a later one. */
  outlive(generation: number): void {
    this.#become({ generation: generation + 1, incarnation: 0 })
  }

  /** A new incarnation, above `incarnation` too: refutes what was said about lower ones. */
  refute(incarnation: number): void {
    this.#become({ incarnation: Math.max(incarnation, this.#record.incarnation) + 1 })
  }

  leave(): void {
    this.#become({ state: 'left', incarnation: this.#record.incarnation + 1 })
  }

  /** Notes what the meta shall be. Throws a `RangeError`, and changes nothing, when it is over 512 bytes. */
  want(change: Partial<MemberMeta>): void {
    const wanted = { ...this.#wanted, ...change }
    encodeMeta(wanted)
    this.#wanted = wanted
  }

  /** In how many ms what is wanted may be published: 0 for now, undefined when it is what the record says. */
  publishInMs(nowMs: number, tableVersionIntervalMs: number): number | undefined {
    if (encodeMeta(this.#wanted).equals(this.#record.metaBytes)) return undefined
    const sameElse = encodeMeta({ ...this.#wanted, tableVersion: this.#record.meta.tableVersion }).equals(this.#record.metaBytes)
    return sameElse ? Math.max(0, this.#publishedMs + tableVersionIntervalMs - nowMs) : 0
  }

  publish(nowMs: number): void {
    this.#publishedMs = nowMs
    this.#become({ meta: this.#wanted, metaBytes: encodeMeta(this.#wanted), incarnation: this.#record.incarnation + 1 })
  }

  #become(change: Partial<MemberRecord>): void {
    this.#record = { ...this.#record, ...change }
    this.#changed()
  }
}
