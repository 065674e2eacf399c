/**
 * A cluster of this version and the next. The next one is this one with a rewrite (chaos/rewrites.ts) that says more: a protocol more, a field at the end of
 * a member's meta and of its record, a state that a member is in before it is alive, a frame and fields in the streams, a kind of call. Members are replaced
 * one by one, forwards and backwards, under clients: nothing fails and nothing is lost, and what the next version adds reaches its own kind through ours.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cluster, NodeCode } from '../support/cluster.ts'
import { FEW_SLOTS, fewerSlots, type Rewrite, rewrite } from './chaos/rewrites.ts'

const NEXT: readonly Rewrite[] = [
  { file: 'lib/protocol.ts', find: 'PROTOCOL_MAX = 1', replace: 'PROTOCOL_MAX = 2' },
  // A field more in what a member tells of itself, and one in its record.
  { file: 'membership/record-codec.ts', find: '    .u16(grpc)\n', replace: "    .u16(grpc)\n    .text('spare')\n" },
  {
    file: 'membership/record-codec.ts',
    find: '.raw(record.extra)',
    replace: ".raw(record.extra.length > 0 ? record.extra : Buffer.from('from the next'))",
  },
  // A state more: until it has said something of itself a second time a member is `fresh`, which to this version is alive.
  {
    file: 'membership/record-codec.ts',
    find: '.u8(STATES.indexOf(record.state))',
    replace: ".u8(record.state === 'alive' && record.incarnation < 2 ? 4 : STATES.indexOf(record.state))",
  },
  { file: 'membership/record-codec.ts', find: 'STATES[reader.u8()]', replace: "[...STATES, 'alive' as const][reader.u8()]" },
  // A frame more, behind every entry; a field more at the end of three frames.
  {
    file: 'replication/frames.ts',
    find: '    encodeEntry(this.#writer, entry)\n    this.#end(at)\n',
    replace:
      "    encodeEntry(this.#writer, entry)\n    this.#end(at)\n    const more = this.#begin(200)\n    this.#writer.text('spare')\n    this.#end(more)\n",
  },
  {
    file: 'replication/frames.ts',
    find: '    this.#writer.u8(fresh ? 1 : 0)\n    slots.encode(this.#writer)\n',
    replace: '    this.#writer.u8(fresh ? 1 : 0)\n    slots.encode(this.#writer)\n    this.#writer.u32(7)\n',
  },
  {
    file: 'replication/frames.ts',
    find: '    this.#writer.u32(number)\n    encodeTerm(this.#writer, term)\n    slots.encode(this.#writer)\n',
    replace: '    this.#writer.u32(number)\n    encodeTerm(this.#writer, term)\n    slots.encode(this.#writer)\n    this.#writer.u32(7)\n',
  },
  // A call more, with every publication.
  {
    file: 'replication/publication.ts',
    find: 'this.#context.calls.tell(member.name, KIND_TABLE, body)',
    replace: 'this.#context.calls.tell(member.name, 250, body), this.#context.calls.tell(member.name, KIND_TABLE, body)',
  },
]

rewrite([fewerSlots(FEW_SLOTS)])
rewrite([fewerSlots(FEW_SLOTS), ...NEXT], 'next')
const { cluster } = await import('../support/cluster.ts')
const { Workload } = await import('../support/workload.ts')
const nextNode = '../../src/node.ts?version=next'
const nextMembership = '../../src/membership/index.ts?version=next'
const next = {
  ...((await import(nextNode)) as Pick<NodeCode, 'Node'>),
  ...((await import(nextMembership)) as Pick<NodeCode, 'Swim'>),
}

const test = suite('simulation: this version and the next')

function rolled(run: Cluster): void {
  let done = false
  run.roll(() => {
    done = true
  })
  run.runUntil(() => done, 300_000, 'the roll to end', 100)
}

function codes(run: Cluster): string[] {
  return [...run.lives.values()].map(({ node }) => (node instanceof next.Node ? 'next' : 'this')).sort()
}

for (const seed of [1, 2]) {
  test(`members are replaced by the next version and back, one by one, and no request fails (seed ${seed})`, () => {
    let ofNext = (_name: string): boolean => false
    const run = cluster({
      nodes: 3,
      seed,
      network: { loss: seed === 2 ? 0.02 : 0, maxDelayMs: 1 + seed },
      codeOf: (name) => (ofNext(name) ? next : undefined),
    })
    run.startAll()
    run.untilReady()
    const workload = new Workload(run, { keys: 6, intervalMs: 100, oneExecutor: true })
    ofNext = (name) => name !== 'jackdaw-0'
    rolled(run)
    assert.equal(codes(run), ['next', 'next', 'this'])
    run.untilAgreed()
    ofNext = () => true
    rolled(run)
    assert.equal(codes(run), ['next', 'next', 'next'])
    ofNext = (name) => name === 'jackdaw-1'
    rolled(run)
    assert.equal(codes(run), ['next', 'this', 'this'])
    workload.stop()
    run.untilAgreed()
    assert.is(workload.missing(), 0)
    assert.equal([...workload.violations.slice(0, 5), ...workload.errors], [])
    assert.ok(workload.writes > 500)
    run.close()
  })
}

test('in a mixed cluster the slots of a killed member are taken over, whichever version it was of', () => {
  for (const victim of ['jackdaw-0', 'jackdaw-1']) {
    const run = cluster({ nodes: 4, seed: 7, codeOf: (name) => (Number(name.at(-1)) % 2 === 1 ? next : undefined) })
    run.startAll()
    run.untilReady()
    run.untilAgreed()
    assert.equal(codes(run), ['next', 'next', 'this', 'this'])
    const workload = new Workload(run, { keys: 6, intervalMs: 100, oneExecutor: true })
    workload.exact = false
    run.clock.advance(2000)
    run.kill(victim, true)
    run.clock.advance(8000)
    run.start(victim)
    run.clock.advance(8000)
    workload.stop()
    run.untilAgreed(90_000)
    assert.equal(workload.violations, [])
    run.close()
  }
})

test.run()
