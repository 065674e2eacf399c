/**
 * Placement: how many look-ups a second one thread makes, from the bytes of a key to the member that is first in its preference order. Beside it the same
 * answer asked of `hashring` itself, which the ring's points come from: what a table of slots is for.
 */
import HashRing from 'hashring'
import { slotOf } from '../src/lib/slot.ts'
import { View } from '../src/placement/index.ts'
import { ratioText, type Section, thousands } from './report.ts'
import { median, type Plan, spreadOf } from './rounds.ts'

const KEYS = 100_000
const LOOKUPS = 20_000_000
const RIVAL_LOOKUPS = 1_000_000
const QUICK_SHARE = 20
const GOAL = 10_000_000
const SIZES = [3, 50]

export function measurePlacement({ quick, rounds }: Plan): Section {
  const rows = SIZES.map((count) => {
    const names = Array.from({ length: count }, (_, i) => `jackdaw-${i}`)
    const present = names.map((name) => ({ name, generation: 1, leaving: false }))
    const { ring } = new View({ ringNames: names, present, knownGone: [], replicas: 1 })
    const rival = new HashRing(names)
    const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}:name`)
    const bytes = keys.map((key) => Buffer.from(key))
    const share = quick ? QUICK_SHARE : 1
    const own: number[] = []
    const others: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const ownRate = rate(LOOKUPS / share, (i) => {
        const key = bytes[i % KEYS] as Buffer
        return ring.at(slotOf(key, 0, key.length), 0)
      })
      const rivalRate = rate(RIVAL_LOOKUPS / share, (i) => rival.get(keys[i % KEYS] as string))
      // The first is for the compiler.
      if (round > 0) {
        own.push(ownRate)
        others.push(rivalRate)
      }
    }
    const ratios = spreadOf(own.map((perSecond, i) => perSecond / (others[i] as number)))
    return [
      String(count),
      `${(median(own) / 1e6).toFixed(1)} M`,
      thousands(median(others)),
      ratioText(ratios),
      `>= ${GOAL / 1e6} M: ${median(own) >= GOAL ? 'met' : 'missed'}`,
    ]
  })
  return {
    title: 'Placement: look-ups',
    text: `From a key's bytes to the name that is first in its preference order, ${KEYS.toLocaleString('en')} keys of some 15 bytes, one thread, medians of ${rounds} rounds. The rival is \`hashring\` asked for every key, with its own points.`,
    head: ['members', 'look-ups a second', 'hashring', 'ratio', 'goal'],
    rows,
    notes: [],
  }
}

/** Look-ups a second. What is found is used, or the compiler would leave it out. */
function rate(count: number, lookUp: (i: number) => string): number {
  let length = 0
  const startedMs = performance.now()
  for (let i = 0; i < count; i++) length += lookUp(i).length
  const seconds = (performance.now() - startedMs) / 1_000
  if (length === 0) throw new Error('nothing was found')
  return count / seconds
}
