/**
 * Zones: from a slot's order without zones, the order in which its copies share a zone as late as possible.
 *
 * Names are sorted by how many of their own zone come before them, and among equals they stay as they were. So the first of each zone comes before the
 * second of any: R + 1 seats lie in R + 1 zones where there are as many, and otherwise no zone has two seats more than another that has names left.
 * The first name stays the first, so zones move no primary.
 *
 * A name without a zone is a zone of its own. Were all of them one zone, the first member of a running cluster that is told its zone would differ
 * from all the others, and be wished for as a copy of every slot; like this, zones that are told one by one move only what they have to.
 *
 * Nothing moves needlessly. When a name comes, those of its zone behind it count one more before them, and no place of the others is affected: of
 * the first k names either none changes, or the newcomer is one of them and exactly one is not any more.
 */

/** Where each name's zone is: equal numbers for equal zones. `null` where zones change no order: all the same, none, or each another. */
export type ZoneNumbers = readonly number[] | null

/** `names` in the order of the ring. The numbers do not depend on what zones are called, only on who shares one. */
export function numberZones(names: readonly string[], zoneOf: (name: string) => string): ZoneNumbers {
  const numbers = new Map<string, number>()
  let next = 0
  const all = names.map((name) => {
    const zone = zoneOf(name)
    const known = zone === '' ? undefined : numbers.get(zone)
    if (known !== undefined) return known
    if (zone !== '') numbers.set(zone, next)
    return next++
  })
  return next <= 1 || next === names.length ? null : all
}

/** Writes one slot's order into `target` at `start`: `order` holds, most wished for first, indexes into `zones`. O(n). */
export function spreadOverZones(order: readonly number[], zones: readonly number[], target: Uint16Array, start: number): void {
  /** By zone, how many of it have been seen; by that number, how many names have it. */
  const seen = new Map<number, number>()
  const rounds: number[] = []
  const roundOf = order.map((index) => {
    const zone = zones[index] as number
    const round = seen.get(zone) ?? 0
    seen.set(zone, round + 1)
    rounds[round] = (rounds[round] ?? 0) + 1
    return round
  })
  let end = start
  const next = rounds.map((count) => {
    const begin = end
    end += count
    return begin
  })
  for (const [i, index] of order.entries()) {
    const round = roundOf[i] as number
    const place = next[round] as number
    target[place] = index
    next[round] = place + 1
  }
}
