/** Cluster time: whose clock a newcomer takes, which steps of the wall clock are followed, and by whom. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterTime, type PeerClock, type TimeChange, type TimeLook } from '../../src/lib/cluster-time.ts'

const test = suite('cluster time')

const HOUR_MS = 3_600_000
/** What every monotonic clock shows in these tests, and what a wall clock that is right does. */
const NOW_MS = 5_000
const RIGHT_MS = 1_767_225_600_000
const RIGHT_OFFSET_MS = RIGHT_MS - NOW_MS

interface PeerSituation {
  /** How far its time and its wall clock are ahead of what is right. */
  readonly clock?: number
  readonly wall?: number
  readonly settled?: boolean
  readonly heardMs?: number
}

function peer({ clock = 0, wall = clock, settled = true, heardMs = NOW_MS }: PeerSituation, i: number = 0): PeerClock {
  return {
    name: `peer-${i}`,
    generation: 1,
    clockOffsetMs: RIGHT_OFFSET_MS + clock,
    wallOffsetMs: RIGHT_OFFSET_MS + wall,
    settled,
    heardMs,
  }
}

interface Situation extends Partial<Omit<TimeLook, 'peers'>> {
  readonly peers?: readonly PeerSituation[]
  /** How far this machine's wall clock is ahead of what is right. */
  readonly wall?: number
}

function lookAt(time: ClusterTime, { peers = [], wall = 0, ...rest }: Situation): TimeChange | null {
  const { length } = peers
  return time.look({
    nowMs: NOW_MS,
    wallMs: RIGHT_MS + wall,
    peers: peers.map(peer),
    live: length,
    known: length,
    met: length > 0,
    alone: false,
    ...rest,
  })
}

/** How far a member's time is ahead of what is right. */
const aheadMs = (time: ClusterTime): number => time.own.offsetMs - RIGHT_OFFSET_MS

function starting(wall: number = 0): ClusterTime {
  return new ClusterTime(NOW_MS, RIGHT_MS + wall)
}

/** A member whose time is right, in a cluster of that many peers whose clocks are. */
function settledAmong(peers: number): ClusterTime {
  const time = starting()
  lookAt(time, peers === 0 ? { alone: true } : { peers: Array(peers).fill({}) })
  assert.ok(time.settled)
  assert.is(aheadMs(time), 0)
  return time
}

test('a member that knows of nobody else takes its own wall clock', () => {
  const time = starting(HOUR_MS)
  assert.equal(lookAt(time, { wall: HOUR_MS, alone: true }), { kind: 'settled', byMs: 0 })
  assert.is(aheadMs(time), HOUR_MS)
})

test('before it has met anybody a member goes by its wall clock, and is not settled', () => {
  const time = starting()
  assert.is(lookAt(time, { wall: 3 * HOUR_MS }), null)
  assert.not.ok(time.settled)
  assert.is(aheadMs(time), 3 * HOUR_MS)
})

for (const wall of [HOUR_MS, -HOUR_MS, 0]) {
  test(`a joiner whose wall clock is ${wall} ms off takes the median of its peers' clocks`, () => {
    const time = starting(wall)
    assert.equal(lookAt(time, { wall, peers: [{ clock: 7 }, { clock: 2 * HOUR_MS }, { clock: -HOUR_MS }] }), {
      kind: 'settled',
      byMs: 7 - wall,
    })
    assert.is(aheadMs(time), 7)
  })
}

test('a joiner takes the clocks of its peers, not what their wall clocks show', () => {
  const time = starting()
  lookAt(time, {
    peers: [
      { clock: 7_000, wall: 0 },
      { clock: 7_000, wall: 0 },
    ],
  })
  assert.is(aheadMs(time), 7_000)
})

test('of two clocks it takes the earlier: an early clock keeps entries, a late one loses them', () => {
  const time = starting()
  lookAt(time, { peers: [{ clock: HOUR_MS }, { clock: 3 }] })
  assert.is(aheadMs(time), 3)
})

test('a joiner waits until it has heard most of its peers, five of many, or for two seconds', () => {
  const few = starting(HOUR_MS)
  assert.is(lookAt(few, { wall: HOUR_MS, peers: [{}, {}], live: 4 }), null)
  assert.is(lookAt(few, { wall: HOUR_MS, peers: [{}, {}], live: 4, nowMs: NOW_MS + 1_999 }), null)
  assert.is(lookAt(few, { wall: HOUR_MS, peers: [{}, {}], live: 4, nowMs: NOW_MS + 2_000 })?.kind, 'settled')
  assert.is(lookAt(starting(), { peers: [{}, {}, {}], live: 4 })?.kind, 'settled')
  assert.is(lookAt(starting(), { peers: [{}, {}, {}, {}, {}], live: 400 })?.kind, 'settled')
})

test('where nobody tells the time a member takes its own after two seconds', () => {
  const time = starting(HOUR_MS)
  assert.is(lookAt(time, { wall: HOUR_MS, met: true, live: 2 }), null)
  assert.equal(lookAt(time, { wall: HOUR_MS, met: true, live: 2, nowMs: NOW_MS + 2_000, wallMs: RIGHT_MS + HOUR_MS + 2_000 }), {
    kind: 'settled',
    byMs: 0,
  })
})

test('members that start together settle where most of them agree, the one that is off included', () => {
  const right = { settled: false }
  const off = { settled: false, clock: HOUR_MS }
  const good = starting()
  assert.is(lookAt(good, { peers: [off], live: 2 }), null, 'one against one')
  assert.is(lookAt(good, { peers: [off, right] })?.kind, 'settled')
  assert.is(aheadMs(good), 0)
  const bad = starting(HOUR_MS)
  assert.is(lookAt(bad, { wall: HOUR_MS, peers: [right, right] })?.kind, 'settled')
  assert.is(aheadMs(bad), 0)
})

test('two that start together and differ take the earlier clock, both of them, after two seconds', () => {
  for (const [own, other] of [
    [0, HOUR_MS],
    [HOUR_MS, 0],
  ] as const) {
    const time = starting(own)
    const situation = { wall: own, peers: [{ settled: false, clock: other }] }
    assert.is(lookAt(time, situation), null)
    assert.is(lookAt(time, { ...situation, nowMs: NOW_MS + 2_000, wallMs: RIGHT_MS + own + 2_000 })?.kind, 'settled')
    assert.is(aheadMs(time), 0)
  }
})

test('those that started right agree at once, and keep their own clocks', () => {
  const time = starting(30)
  assert.equal(lookAt(time, { wall: 30, peers: [{ settled: false, clock: -30 }], live: 2 }), { kind: 'settled', byMs: 0 })
  assert.is(aheadMs(time), 30)
})

for (const jump of [HOUR_MS, -HOUR_MS, 501]) {
  test(`one wall clock that jumps by ${jump} ms is not followed, and that is told once`, () => {
    for (const peers of [1, 2, 4]) {
      const time = settledAmong(peers)
      const situation = { wall: jump, peers: Array(peers).fill({}) }
      assert.equal(lookAt(time, situation), { kind: 'refused', byMs: jump })
      assert.is(lookAt(time, situation), null)
      assert.is(aheadMs(time), 0)
      assert.equal(time.stats(), { aheadOfWallMs: -jump, spreadMs: 0, followedTotal: 0, refusedTotal: 1 })
    }
  })

  test(`a step of ${jump} ms that most wall clocks made is followed`, () => {
    const time = settledAmong(4)
    const stepped = { clock: 0, wall: jump }
    assert.is(lookAt(time, { wall: jump, peers: [stepped, {}, {}, {}] })?.kind, 'refused', 'two of five')
    const situation = { wall: jump, peers: [stepped, stepped, {}, {}] }
    assert.equal(lookAt(time, situation), { kind: 'followed', byMs: jump }, 'three of five')
    assert.is(lookAt(time, situation), null)
    assert.is(aheadMs(time), jump)
    assert.equal(time.stats(), { aheadOfWallMs: 0, spreadMs: jump > 0 ? jump : -jump, followedTotal: 1, refusedTotal: 1 })
  })
}

test('members that are held dead count: who is cut off does not follow its own clock', () => {
  const time = settledAmong(2)
  assert.is(lookAt(time, { wall: HOUR_MS, live: 0, known: 2 })?.kind, 'refused')
  assert.is(lookAt(time, { wall: HOUR_MS, live: 0, known: 0 })?.kind, 'followed', 'once it knows of nobody else')
})

test('a step of 500 ms is followed without a word, and less than 20 ms is left alone', () => {
  const time = settledAmong(2)
  const peers = [{}, {}]
  assert.is(lookAt(time, { wall: 19, peers }), null)
  assert.is(aheadMs(time), 0)
  assert.is(lookAt(time, { wall: 500, peers }), null)
  assert.is(aheadMs(time), 500)
  assert.is(time.stats().followedTotal, 0)
})

test('a wall clock that creeps away is followed no further than 500 ms from most', () => {
  const time = settledAmong(2)
  for (let wall = 0; wall < 20_000; wall += 100) {
    lookAt(time, { wall, peers: [{}, {}] })
    assert.ok(aheadMs(time) <= 500)
  }
  assert.is(aheadMs(time), 500)
})

test('once refused, a wall clock has to come within 250 ms of most to be believed again', () => {
  const time = settledAmong(2)
  const peers = [{}, {}]
  lookAt(time, { wall: HOUR_MS, peers })
  lookAt(time, { wall: 400, peers })
  assert.is(aheadMs(time), 0)
  lookAt(time, { wall: 250, peers })
  assert.is(aheadMs(time), 250)
  assert.is(lookAt(time, { wall: HOUR_MS, peers })?.kind, 'refused', 'and the next jump is told again')
})

test('who is left behind by most goes over to their time, and stays there', () => {
  const time = settledAmong(2)
  const peers = [
    { clock: HOUR_MS, wall: HOUR_MS },
    { clock: HOUR_MS + 20, wall: HOUR_MS },
  ]
  assert.equal(lookAt(time, { peers }), { kind: 'yielded', byMs: HOUR_MS })
  assert.is(aheadMs(time), HOUR_MS)
  assert.is(lookAt(time, { peers })?.kind, 'refused')
  assert.is(lookAt(time, { peers }), null)
  assert.is(aheadMs(time), HOUR_MS)
})

test('one whose wall clock most agree with does not go over to a wrong time, however many go by it', () => {
  const time = settledAmong(2)
  assert.is(
    lookAt(time, {
      peers: [
        { clock: HOUR_MS, wall: 0 },
        { clock: HOUR_MS, wall: 0 },
      ],
    }),
    null,
  )
  assert.is(aheadMs(time), 0)
})

test('what was heard two minutes ago is no vote any more', () => {
  const time = settledAmong(2)
  const stepped = { clock: 0, wall: HOUR_MS }
  const situation = { wall: HOUR_MS, peers: [stepped, stepped] }
  const later = NOW_MS + 120_001
  assert.is(lookAt(time, { ...situation, nowMs: later, wallMs: RIGHT_MS + HOUR_MS + 120_001 })?.kind, 'refused')
  assert.is(lookAt(time, { ...situation, nowMs: later - 1, wallMs: RIGHT_MS + HOUR_MS + 120_000 })?.kind, 'followed')
})

/**
 * Members look one after the other, at what the others go by at that moment; wall clocks stay as they are. Answers their times in the end.
 */
function settleDown(walls: readonly number[], order: readonly number[]): number[] {
  const times = walls.map(() => settledAmong(walls.length - 1))
  for (let round = 0; round < 4; round++) {
    for (const index of order) {
      const peers = walls.map((wall, i) => ({ wall, clock: aheadMs(times[i] as ClusterTime) })).filter((_, i) => i !== index)
      lookAt(times[index] as ClusterTime, { wall: walls[index] as number, peers })
    }
  }
  return times.map(aheadMs)
}

test('wherever wall clocks go, members come to rest at one time: that of most wall clocks, else the one they had', () => {
  const someWalls = fc.array(fc.constantFrom(0, HOUR_MS, -HOUR_MS, 2 * HOUR_MS), { minLength: 2, maxLength: 7 })
  const shuffled = someWalls.chain((walls) =>
    fc.tuple(fc.constant(walls), fc.shuffledSubarray([...walls.keys()], { minLength: walls.length })),
  )
  fc.assert(
    fc.property(shuffled, ([walls, order]) => {
      const most = walls.find((wall) => walls.filter((other) => other === wall).length * 2 > walls.length) ?? 0
      assert.equal(
        settleDown(walls, order),
        walls.map(() => most),
      )
    }),
    { numRuns: 1000 },
  )
})

test.run()
