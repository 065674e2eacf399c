/** What members tell of the cluster, while members come, die and leave for good. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterReport } from '../../src/cache/cache.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { type Cluster, cluster, get, type Life, set } from '../support/cluster.ts'

const test = suite('simulation: topology')

const PORTS = { http: 8080, resp: 6379, cluster: 6380, text: 31_337, grpc: 50_051 }

function running(nodes: number, seed: number): Cluster {
  const flock = cluster({ nodes, seed })
  flock.startAll()
  for (const { node } of flock.lives.values()) node.announce(PORTS)
  flock.untilReady()
  flock.untilAgreed()
  return flock
}

function report(flock: Cluster, life: Life): ClusterReport {
  let told: ClusterReport | null = null
  life.node.cache.topology.report(false, (answer) => {
    told = answer
  })
  flock.runUntil(() => told !== null, 1500, 'the report')
  return told as unknown as ClusterReport
}

/** Holders and complete copies, slot by slot. */
function drawn(life: Life): string[] {
  const slots: string[] = []
  for (const { from, to, holder, copies } of life.node.cache.topology.picture().ranges) {
    const complete = copies.filter((copy) => copy.complete).map(({ name }) => name)
    for (let slot = from; slot <= to; slot++) slots[slot] = `${holder}: ${complete.sort().join()}`
  }
  return slots
}

function retire(flock: Cluster, by: Life, member: string): CacheError | string | null {
  let answer: { error: CacheError | null; name: string | null } | null = null
  by.node.cache.topology.retire(member, (error, name) => {
    answer = { error, name }
  })
  flock.runUntil(() => answer !== null, 3000, 'the answer')
  const { error, name } = answer as unknown as { error: CacheError | null; name: string | null }
  return error ?? name
}

test('all members draw the same picture, every slot with a holder and complete copies, and it stays while nothing changes', () => {
  const flock = running(4, 1)
  flock.clock.advance(2000)
  const [first, ...others] = [...flock.lives.values()] as [Life, ...Life[]]
  const slots = drawn(first)
  assert.is(slots.length, SLOT_COUNT)
  for (const slot of slots) assert.match(slot, /^jackdaw-\d: jackdaw-\d$/)
  for (const life of others) assert.equal(drawn(life), slots)
  const { topology } = first.node.cache
  const picture = topology.picture()
  flock.clock.advance(10_000)
  assert.is(topology.version, picture.version)
  assert.is(topology.picture(), picture)
  for (const { name, state, ports, host } of picture.members) {
    assert.equal([state, ports, host], ['alive', PORTS, flock.life(name).host])
  }
  for (let slot = 0; slot < SLOT_COUNT; slot += 97) {
    const holder = (slots[slot] as string).split(':')[0]
    assert.is(topology.seat(slot), holder === first.name ? 'here' : holder)
  }
  flock.close()
})

test('the figures of all members add up', () => {
  const flock = running(3, 2)
  const life = flock.life('jackdaw-1')
  let written = 0
  for (let i = 0; i < 300; i++) set(life, `key-${i}`, 'value', (error) => (written += error === null ? 1 : 0))
  flock.runUntil(() => written === 300, 5000, 'the writes')
  flock.clock.advance(1000)
  const told = report(flock, life)
  assert.is(told.seenBy, 'jackdaw-1')
  assert.equal([told.unservedSlots, told.uncopiedSlots], [0, 0])
  const figures = told.members.map((member) => member.figures)
  const sum = (of: (one: NonNullable<(typeof figures)[number]>) => number): number =>
    figures.reduce((total, one) => total + (one === null ? Number.NaN : of(one)), 0)
  assert.is(
    sum(({ primarySlots }) => primarySlots),
    SLOT_COUNT,
  )
  assert.is(
    sum(({ completeSlots }) => completeSlots),
    2 * SLOT_COUNT,
  )
  assert.is(
    sum(({ entries }) => entries),
    600,
  )
  for (const one of figures) {
    assert.ok(one?.ready)
    assert.is(one.followers.length, 2)
    for (const { backlogBytes, incompleteSlots } of one.followers) assert.equal([backlogBytes, incompleteSlots], [0, 0])
  }
  assert.is(new Set(figures.map((one) => one?.digest)).size, 3)
  assert.equal(
    report(flock, flock.life('jackdaw-2')).members.find(({ name }) => name === 'jackdaw-0')?.figures?.digest,
    figures.find((_, i) => told.members[i]?.name === 'jackdaw-0')?.digest,
  )
  flock.close()
})

test('a member that is killed is told dead, its slots go to others, and clients are not sent to it meanwhile', () => {
  const flock = running(3, 3)
  const life = flock.life('jackdaw-0')
  const { topology } = life.node.cache
  const { version } = topology
  const lost = drawn(life).flatMap((slot, i) => (slot.startsWith('jackdaw-2:') ? [i] : []))
  flock.kill('jackdaw-2', true)
  let sentThere = 0
  flock.runUntil(
    () => {
      const state = topology.member('jackdaw-2')?.state
      if (state !== 'alive') sentThere += lost.filter((slot) => topology.seat(slot) === 'jackdaw-2').length
      return state === 'dead' && topology.picture().ranges.every(({ holder }) => holder === 'jackdaw-0' || holder === 'jackdaw-1')
    },
    15_000,
    'the slots to be taken over',
  )
  assert.is(sentThere, 0)
  assert.ok(topology.version > version)
  assert.ok(report(flock, life).uncopiedSlots > lost.length / 2, 'what was copied there, or only there, has no complete copy yet')
  const dead = report(flock, life).members.find(({ name }) => name === 'jackdaw-2')
  assert.equal([dead?.state, dead?.slots, dead?.figures], ['dead', 0, null])
  flock.runUntil(() => report(flock, life).uncopiedSlots === 0, 60_000, 'a copy of every slot', 500)
  flock.close()
})

/** Slots of others that `life` copies, by what its picture says of these copies. */
function ownCopies(life: Life): { complete: number[]; partial: number[] } {
  const own = { complete: [] as number[], partial: [] as number[] }
  for (const { from, to, copies } of life.node.cache.topology.picture().ranges) {
    const copy = copies.find(({ name }) => name === life.name)
    if (copy === undefined) continue
    for (let slot = from; slot <= to; slot++) own[copy.complete ? 'complete' : 'partial'].push(slot)
  }
  return own
}

test('copies of a member that came back are told partial while it fills, and complete soon after', () => {
  const flock = running(3, 6)
  flock.kill('jackdaw-2')
  const watcher = flock.life('jackdaw-0')
  flock.runUntil(() => !drawn(watcher).some((slot) => slot.startsWith('jackdaw-2') || slot.startsWith('null')), 15_000, 'the takeover')
  const back = flock.start('jackdaw-2')
  const partial = { own: false, others: false }
  const completeSinceMs = new Map<number, number>()
  let lateMs = 0
  let told = 0
  for (let step = 0; step < 400; step++) {
    flock.clock.advance(10)
    for (const { holder, copies } of watcher.node.cache.topology.picture().ranges) {
      if (copies.some(({ name, complete }) => name === 'jackdaw-2' && !complete)) partial[holder === 'jackdaw-0' ? 'own' : 'others'] = true
    }
    for (const slot of ownCopies(back).partial) {
      if (!back.node.cache.topology.hasCopy(slot)) continue
      const since = completeSinceMs.get(slot) ?? flock.clock.now()
      completeSinceMs.set(slot, since)
      lateMs = Math.max(lateMs, flock.clock.now() - since)
    }
    told = Math.max(told, ownCopies(back).complete.length)
  }
  assert.equal(partial, { own: true, others: true })
  assert.ok(told > 1000, 'its copies became complete')
  assert.ok(lateMs < 400, `a copy that was complete was told partial for ${lateMs} ms`)
  flock.untilAgreed()
  flock.clock.advance(1000)
  for (const life of flock.lives.values()) for (const slot of drawn(life)) assert.match(slot, /^jackdaw-\d: jackdaw-\d$/)
  flock.close()
})

test('a member that is asked to leave for good gives all it holds away, loses nothing, and goes on answering', () => {
  const flock = running(3, 4)
  const by = flock.life('jackdaw-0')
  const leaver = flock.life('jackdaw-1')
  let written = 0
  for (let i = 0; i < 200; i++) set(by, `key-${i}`, `value-${i}`, (error) => (written += error === null ? 1 : 0))
  flock.runUntil(() => written === 200, 5000, 'the writes')
  assert.is((retire(flock, by, 'nobody') as CacheError).code, 'MEMBER_NOT_FOUND')
  assert.is(retire(flock, by, `${leaver.host}:6380`), 'jackdaw-1')
  flock.runUntil(() => !drawn(by).some((slot) => slot.includes('jackdaw-1')), 30_000, 'its slots to be elsewhere, copies too')
  flock.runUntil(() => drawn(by).every((slot) => /: jackdaw-\d$/.test(slot)), 30_000, 'a copy of each beside its holder')
  const told = report(flock, by).members.find(({ name }) => name === 'jackdaw-1')
  assert.equal([told?.state, told?.leaving, told?.slots, told?.figures?.primarySlots], ['alive', true, 0, 0])
  let read = 0
  for (let i = 0; i < 200; i++) get(leaver, `key-${i}`, (error, value) => (read += error === null && value === `value-${i}` ? 1 : 0))
  flock.runUntil(() => read === 200, 5000, 'every key to be read through the member that left its slots')
  assert.is(retire(flock, leaver, 'jackdaw-1'), 'jackdaw-1', 'one may be asked itself, and again')
  flock.close()
})

test('what is held here of a slot is counted and listed', () => {
  const flock = running(2, 5)
  const life = flock.life('jackdaw-0')
  let written = 0
  for (const key of ['{tag}a', '{tag}b', '{tag}c']) set(life, key, 'value', () => written++)
  flock.runUntil(() => written === 3, 5000, 'the writes')
  flock.clock.advance(1000)
  const { topology } = life.node.cache
  const slot = slotOf(Buffer.from('tag'))
  assert.is(topology.keysHere(slot), 3)
  assert.equal(topology.listKeysHere(slot, 10).map(String).sort(), ['{tag}a', '{tag}b', '{tag}c'])
  assert.is(topology.listKeysHere(slot, 2).length, 2)
  assert.equal(topology.listKeysHere(slot, 0), [])
  assert.ok(topology.hasCopy(slot))
  flock.close()
})

test('a member that was not wanted for a moment gives everything away, begins anew and is a member like the others', () => {
  const flock = running(3, 5)
  const before = flock.life('jackdaw-2')
  const wrong: string[] = []
  const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`)
  for (const key of keys) {
    set(flock.life('jackdaw-0'), key, key, (error) => {
      if (error !== null) wrong.push(`set ${key}: ${error.code}`)
    })
  }
  flock.clock.advance(1000)
  flock.platform.scale(2)
  flock.clock.advance(700)
  flock.platform.scale(3)
  flock.clock.advance(60_000)
  flock.untilReady()
  flock.untilAgreed()
  const after = flock.life('jackdaw-2')
  assert.is.not(after, before)
  assert.is(after.uid, before.uid)
  assert.not(after.node.leaving)
  for (const { node } of flock.lives.values()) assert.ok(node.stats().replication.primarySlots > 4000)
  for (const key of keys) {
    get(after, key, (error, value) => {
      if (value !== key) wrong.push(`get ${key}: ${error?.code ?? value}`)
    })
  }
  flock.clock.advance(1000)
  assert.equal(wrong, [])
  flock.close()
})

test.run()
