/**
 * Throughput of RESP in a cluster, pipelined: asked of the member that serves the keys and of one that has to forward, and with a replica and without.
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
const PIPELINE = 16
const KEYS = 50_000
const VALUE = 'x'.repeat(100)
const ROUNDS = 3
const REQUESTS = 400_000
const QUICK_REQUESTS = 200_000
const FORWARD_GOAL = 0.6
const REPLICATION_GOAL = 0.8
const TICK_MICROS = 10_000

interface Measured {
  readonly perSecond: number
  /** Of all members together, for one request. */
  readonly cpuMicros: number
}

/** Three members on all cores, which they share with the load. */
export async function measureForwarding(quick: boolean): Promise<Figure[]> {
  return withFlock({ hosts: 3 }, async (members) => {
    const keys = await keysOf(members, 0, 0, KEYS, 'key:')
    await benchmark(members, 0, 'SET', keys, KEYS)
    const figures: Figure[] = []
    for (const command of ['SET', 'GET'] as const) {
      await benchmark(members, 0, command, keys, QUICK_REQUESTS)
      await benchmark(members, 1, command, keys, QUICK_REQUESTS)
      const local: Measured[] = []
      const forwarded: Measured[] = []
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        const requests = quick ? QUICK_REQUESTS : REQUESTS
        local.push(await benchmark(members, 0, command, keys, requests))
        forwarded.push(await benchmark(members, 1, command, keys, requests))
      }
      figures.push(compared(`${command} at a member that forwards it, next to the one that serves it`, forwarded, local, FORWARD_GOAL))
    }
    return figures
  })
}

/** The primary has a core of its own; its replica shares the other with the load, with replication and without. */
export async function measureReplicationCost(quick: boolean): Promise<Figure[]> {
  const requests = quick ? QUICK_REQUESTS : REQUESTS
  const measured: Record<'with' | 'without', Measured[]> = { with: [], without: [] }
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
    for (const how of ['without', 'with'] as const) {
      const flags = { replicas: how === 'with' ? 1 : 0 }
      const core = (host: number): number => (host === 0 ? SERVER_CORE : 1 - SERVER_CORE)
      await withFlock({ hosts: 2, flags, core }, async (members) => {
        const keys = await keysOf(members, 0, 0, KEYS, 'key:')
        await benchmark(members, 0, 'SET', keys, KEYS)
        await benchmark(members, 0, 'SET', keys, QUICK_REQUESTS)
        measured[how].push(await benchmark(members, 0, 'SET', keys, requests, [0]))
      })
    }
  }
  return [
    compared(
      'SET with a replica, next to the same without one, the primary alone on its core',
      measured.with,
      measured.without,
      REPLICATION_GOAL,
    ),
  ]
}

function compared(what: string, subject: readonly Measured[], other: readonly Measured[], goal: number): Figure {
  const ratio: Spread = spreadOf(subject.map(({ perSecond }, round) => perSecond / (other[round] as Measured).perSecond))
  const told = (measured: readonly Measured[]): string =>
    `${thousands(median(measured.map(({ perSecond }) => perSecond)))}/s (${median(measured.map(({ cpuMicros }) => cpuMicros)).toFixed(1)} µs of CPU)`
  return {
    what: `${what}; pipeline ${PIPELINE}, ${CONNECTIONS} connections`,
    measured: `${ratioText(ratio)} x: ${told(subject)}, ${told(other)}`,
    goal: `>= ${goal.toFixed(1)} x`,
    met: ratio.median >= goal,
  }
}

async function benchmark(
  members: NetworkedMembers,
  host: number,
  command: Command,
  keys: readonly string[],
  requests: number,
  counted: readonly number[] = members.running,
): Promise<Measured> {
  const address = members.network.address(host)
  const before = cpuOf(members, counted)
  const perSecond = await runPipelines({ address, connections: CONNECTIONS, depth: PIPELINE, command, keys, value: VALUE, requests })
  return { perSecond, cpuMicros: ((cpuOf(members, counted) - before) * TICK_MICROS) / requests }
}

function cpuOf(members: NetworkedMembers, hosts: readonly number[]): number {
  return hosts.reduce((sum, host) => sum + cpuTicks(readFileSync(`/proc/${members.pid(host)}/stat`, 'utf8')), 0)
}
