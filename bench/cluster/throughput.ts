/**
 * Throughput of RESP in a cluster, with pipelines and one request at a time: asked of the member that serves the keys and of one that has to forward, and
 * with a replica and without.
 *
 * What is forwarded takes the processors of two members. Where they share all cores with each other and the load that is the sum of what all of them do;
 * with the asked member alone on its core it is what one that is asked for others' keys can take.
 */
import { readFileSync } from 'node:fs'
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { SERVER_CORE } from '../machine.ts'
import { ratioText, thousands } from '../report.ts'
import { median, type Spread, spreadOf } from '../rounds.ts'
import { cpuTicks } from '../server-process.ts'
import type { Figure } from './figure.ts'
import { keysOf, withFlock } from './flock.ts'
import { type Command, runPipelines } from './pipelines.ts'

const CONNECTIONS = 50
/** Requests that a connection sends together, and of how many a round is made. */
const LOADS = [
  { depth: 16, requests: 400_000 },
  { depth: 1, requests: 100_000 },
] as const
const KEYS = 50_000
const VALUE = 'x'.repeat(100)
const ROUNDS = 3
const FORWARD_GOAL = 0.6
const REPLICATION_GOAL = 0.8
const TICK_MICROS = 10_000

type Load = (typeof LOADS)[number]

interface Measured {
  readonly perSecond: number
  /** Of all members that are counted, for one request. */
  readonly cpuMicros: number
}

/** What is asked of whom, and whose processor time is counted. */
interface Ask {
  readonly host: number
  readonly keys: readonly string[]
  readonly counted: readonly number[]
}

/** The first of two has a core of its own, the other shares one with the load. */
const APART = (host: number): number => (host === 0 ? SERVER_CORE : 1 - SERVER_CORE)

export async function measureForwarding(quick: boolean): Promise<Figure[]> {
  return [
    // One member alone on its core: the same one is asked for its own keys, and for those of the other.
    ...(await withFlock({ hosts: 2, flags: { replicas: 0 }, core: APART }, async (members) => {
      const [own, others] = [await keysOf(members, 0, 0, KEYS, 'key:'), await keysOf(members, 1, 0, KEYS, 'key:')]
      const counted = [0]
      return forwardingOf(
        members,
        { host: 0, keys: own, counted },
        { host: 0, keys: others, counted },
        'alone on its core, no replica',
        quick,
      )
    })),
    // Three members on all cores, which they share with the load.
    ...(await withFlock({ hosts: 3 }, async (members) => {
      const keys = await keysOf(members, 0, 0, KEYS, 'key:')
      const counted = members.running
      return forwardingOf(members, { host: 0, keys, counted }, { host: 1, keys, counted }, 'all members and the load on all cores', quick)
    })),
  ]
}

async function forwardingOf(members: NetworkedMembers, local: Ask, forwarded: Ask, where: string, quick: boolean): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const ask of [local, forwarded]) await benchmark(members, ask, 'SET', LOADS[0], KEYS)
  for (const command of ['SET', 'GET'] as const) {
    for (const load of LOADS) {
      for (const ask of [local, forwarded]) await benchmark(members, ask, command, load, load.requests / 2)
      const measured: Record<'local' | 'forwarded', Measured[]> = { local: [], forwarded: [] }
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        measured.local.push(await benchmark(members, local, command, load))
        measured.forwarded.push(await benchmark(members, forwarded, command, load))
      }
      const what = `${command} at a member that forwards it, next to the one that serves it; ${where}`
      figures.push(compared(what, load, measured.forwarded, measured.local, FORWARD_GOAL))
    }
  }
  return figures
}

/** The primary has a core of its own; its replica shares the other with the load, with replication and without. */
export async function measureReplicationCost(quick: boolean): Promise<Figure[]> {
  const measured: Record<'with' | 'without', Measured[][]> = { with: LOADS.map(() => []), without: LOADS.map(() => []) }
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
    for (const how of ['without', 'with'] as const) {
      await withFlock({ hosts: 2, flags: { replicas: how === 'with' ? 1 : 0 }, core: APART }, async (members) => {
        const ask = { host: 0, keys: await keysOf(members, 0, 0, KEYS, 'key:'), counted: [0] }
        await benchmark(members, ask, 'SET', LOADS[0], KEYS)
        for (const [i, load] of LOADS.entries()) {
          await benchmark(members, ask, 'SET', load, load.requests / 2)
          measured[how][i]?.push(await benchmark(members, ask, 'SET', load))
        }
      })
    }
  }
  const what = 'SET with a replica, next to the same without one; the primary alone on its core'
  return LOADS.map((load, i) => compared(what, load, measured.with[i] ?? [], measured.without[i] ?? [], REPLICATION_GOAL))
}

function compared(what: string, { depth }: Load, subject: readonly Measured[], other: readonly Measured[], goal: number): Figure {
  const ratio: Spread = spreadOf(subject.map(({ perSecond }, round) => perSecond / (other[round] as Measured).perSecond))
  const told = (measured: readonly Measured[]): string =>
    `${thousands(median(measured.map(({ perSecond }) => perSecond)))}/s (${median(measured.map(({ cpuMicros }) => cpuMicros)).toFixed(1)} µs of CPU)`
  return {
    what: `${what}; ${depth > 1 ? `pipeline ${depth}` : 'no pipeline'}, ${CONNECTIONS} connections`,
    measured: `${ratioText(ratio)} x: ${told(subject)}, ${told(other)}`,
    goal: `>= ${goal.toFixed(1)} x`,
    met: ratio.median >= goal,
  }
}

async function benchmark(
  members: NetworkedMembers,
  { host, keys, counted }: Ask,
  command: Command,
  { depth, requests: whole }: Load,
  requests: number = whole,
): Promise<Measured> {
  const address = members.network.address(host)
  const before = cpuOf(members, counted)
  const perSecond = await runPipelines({ address, connections: CONNECTIONS, depth, command, keys, value: VALUE, requests })
  return { perSecond, cpuMicros: ((cpuOf(members, counted) - before) * TICK_MICROS) / requests }
}

function cpuOf(members: NetworkedMembers, hosts: readonly number[]): number {
  return hosts.reduce((sum, host) => sum + cpuTicks(readFileSync(`/proc/${members.pid(host)}/stat`, 'utf8')), 0)
}
