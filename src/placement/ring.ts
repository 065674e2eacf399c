/**
 * The ring: for every slot, all names in the order in which they are wished for (the preference order).
 *
 * Points and lookups come from `hashring` (ketama: MD5, four points a digest), asked once a slot when the set of names changes and kept in a
 * table, so a lookup is an array read. Three of its habits are kept out: the number of points is given per server (its own arithmetic rounds
 * down at some sizes and moves keys between old members), names are sorted before it sees them, and it is never handed an empty list.
 *
 * The same names in the same zones give the same ring on every member, whatever the order in which they were met. Without zones, or with one for
 * all, the order is that of `hashring`; else it is spread over the zones (zone-order.ts).
 */
import HashRing from 'hashring'
import { SLOT_COUNT } from '../lib/slot.ts'
import { numberZones, spreadOverZones, type ZoneNumbers } from './zone-order.ts'

/** Digests a name; four points each. 640 points keep the fullest of ten members within some 8 % of the mean. */
const DIGESTS_PER_NAME = 160

/** Rings kept by their names and zones: a name that comes back finds its ring again, and a simulation's members share them. */
const MAX_REMEMBERED = 64
const remembered = new Map<string, Ring>()

export class Ring {
  /** Sorted. */
  readonly names: readonly string[]
  /** Row by slot: indexes into `names`, most wished for first. */
  readonly #order: Uint16Array
  /** By slot: the number of its order among those that there are. */
  readonly #pattern = new Uint16Array(SLOT_COUNT)

  private constructor(names: readonly string[], zones: ZoneNumbers) {
    this.names = names
    const count = names.length
    this.#order = new Uint16Array(SLOT_COUNT * count)
    if (count === 0) return
    const indexOf = new Map(names.map((name, index) => [name, index]))
    const ring = new HashRing(Object.fromEntries(names.map((name) => [serverOf(name), { vnodes: DIGESTS_PER_NAME }])))
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const order = ring.range(`slot-${slot}`, count).map((server) => indexOf.get(nameOf(server)) as number)
      if (zones === null) this.#order.set(order, slot * count)
      else spreadOverZones(order, zones, this.#order, slot * count)
    }
    const patterns = new Map<string, number>()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const row = this.#order.subarray(slot * count, (slot + 1) * count).join()
      const pattern = patterns.get(row) ?? patterns.size
      patterns.set(row, pattern)
      this.#pattern[slot] = pattern
    }
  }

  /** Some 40 ms for names and zones not seen lately, else a look-up. `zoneOf` answers an empty string for a name whose zone was never told. */
  static of(names: Iterable<string>, zoneOf: (name: string) => string = () => ''): Ring {
    const sorted = [...new Set(names)].sort()
    const zones = numberZones(sorted, zoneOf)
    const id = JSON.stringify(zones === null ? sorted : [sorted, zones])
    let ring = remembered.get(id)
    if (ring === undefined) {
      ring = new Ring(sorted, zones)
      if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value as string)
      remembered.set(id, ring)
    }
    return ring
  }

  /** The name at `rank` (0 is the most wished for) in the slot's preference order. `rank` must be below `names.length`. */
  at(slot: number, rank: number): string {
    return this.names[this.#order[slot * this.names.length + rank] as number] as string
  }

  /**
   * Slots with the same number, from 0, have the same preference order: there are six for three names, some hundred for five, and one a slot for ten. What
   * follows from the order alone has to be found out once for each.
   */
  pattern(slot: number): number {
    return this.#pattern[slot] as number
  }

  /** The rank of a name in the slot's order; `names.length` for one that is not on the ring. */
  rank(slot: number, name: string): number {
    const count = this.names.length
    for (let rank = 0; rank < count; rank++) if (this.at(slot, rank) === name) return rank
    return count
  }
}

/** hashring takes a trailing `:digits` for a port and leaves out what it deems the default one; a slash keeps any name whole. */
function serverOf(name: string): string {
  return `${name}/`
}

function nameOf(server: string): string {
  return server.slice(0, server.lastIndexOf('/'))
}
