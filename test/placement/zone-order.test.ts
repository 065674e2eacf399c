/** Zones: copies share one as late as possible, primaries and everything else stay where they were, and nothing moves needlessly. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom, shuffle } from '../../src/lib/random.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { Ring } from '../../src/placement/ring.ts'
import { View } from '../../src/placement/view.ts'
import { numberZones, spreadOverZones } from '../../src/placement/zone-order.ts'

const test = suite('zones')

type Zones = Readonly<Record<string, string>>

const zonesOf = (...zones: string[]): Zones => Object.fromEntries(zones.map((zone, ordinal) => [`jackdaw-${ordinal}`, zone]))
const ringOf = (zones: Zones): Ring => Ring.of(Object.keys(zones), (each) => zones[each] ?? '')
const orderOf = (ring: Ring, slot: number): string[] => ring.names.map((_, rank) => ring.at(slot, rank))
/** A member without a zone is alone in one. */
const zoneOf = (zones: Zones, name: string): string => zones[name] || `of ${name}`

/** One slot's order: the names as the ring would have them without zones, and as they are with zones. */
interface Spread {
  readonly plain: readonly string[]
  readonly zones: Zones
  readonly order: readonly string[]
}

function spread(plain: readonly string[], zones: Zones): Spread {
  const names = [...plain].sort()
  const numbers = numberZones(names, (name) => zones[name] ?? '')
  if (numbers === null) return { plain, zones, order: plain }
  const target = new Uint16Array(names.length)
  const indexes = plain.map((name) => names.indexOf(name))
  spreadOverZones(indexes, numbers, target, 0)
  return { plain, zones, order: [...target].map((index) => names[index] as string) }
}

/** Any order of up to eight members in any zones; the empty string is a member that has none. */
const someOrder: fc.Arbitrary<Spread> = fc.array(fc.constantFrom('', 'a', 'b', 'c'), { minLength: 2, maxLength: 8 }).chain((zones) => {
  const names = zones.map((_, i) => `${i}`)
  return fc.shuffledSubarray(names, { minLength: names.length }).map((plain) => spread(plain, Object.fromEntries(zones.entries())))
})
const THOROUGH = { numRuns: 5000 }

test('without zones, with one for all and with one each the ring is the one of the names alone', () => {
  const plain = Ring.of(Object.keys(zonesOf('', '', '', '', '', '')))
  for (const zones of [['', '', '', '', '', ''], Array(6).fill('only'), ['a', 'b', 'c', 'd', 'e', 'f'], ['a', '', 'b', '', 'c', '']]) {
    assert.is(ringOf(zonesOf(...zones)), plain)
  }
})

test('the same zones give the same ring, whatever they are called and in whatever order the members were met', () => {
  for (const [seed, zones] of [zonesOf('a', 'b', 'a', 'b'), zonesOf('b', '', 'b', 'a', 'a')].entries()) {
    const ring = ringOf(zones)
    assert.is(ringOf(Object.fromEntries(shuffle(new SeededRandom(seed), Object.entries(zones)))), ring)
    assert.is(ringOf(Object.fromEntries(Object.entries(zones).map(([name, zone]) => [name, zone && `other ${zone}`]))), ring)
  }
})

test('the ring of zones is, slot by slot, the plain one spread over them', () => {
  const zones = zonesOf('a', 'b', 'a', '', 'b', 'a')
  const [ring, plain] = [ringOf(zones), Ring.of(Object.keys(zones))]
  for (let slot = 0; slot < SLOT_COUNT; slot += 7) assert.equal(orderOf(ring, slot), spread(orderOf(plain, slot), zones).order)
})

test('however many copies there are, they lie in as many zones as there can be', () => {
  fc.assert(
    fc.property(someOrder, ({ plain, zones, order }) => {
      assert.equal([...order].sort(), [...plain].sort())
      const all = new Set(plain.map((name) => zoneOf(zones, name)))
      for (let seats = 1; seats <= order.length; seats++) {
        const used = new Set(order.slice(0, seats).map((name) => zoneOf(zones, name)))
        assert.is(used.size, Math.min(seats, all.size))
        // And where they have to share, they share evenly.
        const copies = (zone: string): number => order.slice(0, seats).filter((name) => zoneOf(zones, name) === zone).length
        const fewest = Math.min(...order.slice(seats).map((name) => copies(zoneOf(zones, name))))
        for (const zone of used) assert.ok(copies(zone) <= fewest + 1, `${zone} has ${copies(zone)} of ${seats}`)
      }
    }),
    THOROUGH,
  )
})

test('zones move no primary, and leave members of one zone, and the first of each zone, in the order they had', () => {
  fc.assert(
    fc.property(someOrder, ({ plain, zones, order }) => {
      assert.is(order[0], plain[0])
      for (const zone of ['a', 'b', 'c']) {
        const inZone = (name: string): boolean => zones[name] === zone
        assert.equal(order.filter(inZone), plain.filter(inZone))
      }
      const isFirst = (name: string): boolean => plain.find((other) => zoneOf(zones, other) === zoneOf(zones, name)) === name
      assert.equal(order.filter(isFirst), plain.filter(isFirst))
    }),
    THOROUGH,
  )
})

test('a member that goes leaves its seats to one other each, and all other seats where they are; one that comes takes no more', () => {
  fc.assert(
    fc.property(someOrder, fc.nat(), ({ plain, zones, order }, pick) => {
      const gone = plain[pick % plain.length] as string
      // The ring without it has the others in the order they had.
      const rest = spread(
        plain.filter((name) => name !== gone),
        zones,
      ).order
      for (let seats = 1; seats < order.length; seats++) {
        const had = order.slice(0, seats)
        const has = rest.slice(0, seats)
        const lost = had.filter((name) => !has.includes(name))
        assert.equal(lost, had.includes(gone) ? [gone] : [], `${order.join()} became ${rest.join()}`)
      }
    }),
    THOROUGH,
  )
})

test('a member that is told another zone moves one seat of a slot at most', () => {
  fc.assert(
    fc.property(someOrder, fc.nat(), fc.constantFrom('', 'a', 'b'), ({ plain, zones, order }, pick, zone) => {
      const after = spread(plain, { ...zones, [plain[pick % plain.length] as string]: zone }).order
      for (let seats = 1; seats < order.length; seats++) {
        const lost = order.slice(0, seats).filter((name) => !after.slice(0, seats).includes(name))
        assert.ok(lost.length <= 1, `${order.join()} became ${after.join()}`)
      }
    }),
    THOROUGH,
  )
})

test('the first member of a cluster that is told its zone moves nothing', () => {
  assert.is(ringOf(zonesOf('', '', 'a', '', '')), ringOf(zonesOf('', '', '', '', '')))
})

for (const zones of [
  ['a', 'b', 'a', 'b', 'a', 'b'],
  ['a', 'b', 'c', 'a', 'b', 'c'],
  ['a', 'a', 'a', 'a', 'a', 'a'],
]) {
  test(`in the zones ${zones.join()} no member has more than 1.15 times its share of first or of all seats`, () => {
    const ring = ringOf(zonesOf(...zones))
    for (const seats of [1, 2]) {
      const counts = new Map<string, number>()
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        for (let rank = 0; rank < seats; rank++) counts.set(ring.at(slot, rank), (counts.get(ring.at(slot, rank)) ?? 0) + 1)
      }
      const ratio = Math.max(...counts.values()) / ((SLOT_COUNT * seats) / zones.length)
      assert.ok(ratio <= 1.15, `${ratio} with ${seats} seats`)
    }
  })
}

test('for a member that is away one of another zone stands in where there is any', () => {
  const zones = zonesOf('a', 'b', 'a', 'b', 'a', 'b')
  for (const away of Object.keys(zones)) {
    const present = Object.keys(zones).filter((name) => name !== away)
    const view = new View({
      ringNames: Object.keys(zones),
      present: present.map((name) => ({ name, generation: 1, leaving: false })),
      knownGone: [],
      replicas: 2,
      zoneOf: (name) => zones[name] ?? '',
    })
    for (let slot = 0; slot < SLOT_COUNT; slot += 32) {
      const first = view.firstAvailable(slot, () => true) as string
      const copies = [first, ...view.followers(slot, first)]
      assert.is(new Set(copies.map((name) => zones[name])).size, 2, `slot ${slot}: ${copies.join()}`)
    }
  }
})

test('an order is spread by how many of a zone came before, where it is to stand', () => {
  const names = ['p', 'q', 'r', 's', 't', 'u']
  const zones = numberZones(names, (name) => ({ p: 'a', q: 'a', r: 'a', s: 'b', t: 'b' })[name] ?? '') as number[]
  const target = new Uint16Array(8)
  spreadOverZones([0, 1, 2, 3, 4, 5], zones, target, 1)
  assert.equal([...target], [0, 0, 3, 5, 1, 4, 2, 0])
})

test.run()
