/**
 * The members that are measured: real processes in network namespaces, on the cores they are given, with keys whose holder is known.
 */
import { availableParallelism } from 'node:os'
import { SLOT_COUNT, slotOf } from '../../src/lib/slot.ts'
import { Network } from '../../test/support/namespaces.ts'
import { type Flags, NetworkedMembers, RESP_PORT } from '../../test/support/networked-members.ts'
import { RawClient } from '../../test/support/raw-resp.ts'

export interface FlockPlan {
  readonly hosts: number
  /** How many of them are started, and known to all; all of them where nothing is said. */
  readonly seeds?: number
  readonly flags?: Flags
  /** The core of a host; all cores where nothing is said. */
  readonly core?: (host: number) => number
}

/** The load of a run is on one core; what is measured is not to inherit that. */
const ALL_CORES = `0-${availableParallelism() - 1}`

/** Starts members, calls `measure` when all slots have their copies, and ends them whatever comes of it. */
export async function withFlock<T>(plan: FlockPlan, measure: (members: NetworkedMembers, network: Network) => Promise<T>): Promise<T> {
  const { hosts, seeds = hosts, flags = {}, core } = plan
  const network = new Network(hosts)
  const members = new NetworkedMembers(network, {
    seeds,
    flags: { 'max-memory-bytes': '2GiB', ...flags },
    wrap: (host) => ['taskset', '--cpu-list', core === undefined ? ALL_CORES : String(core(host))],
  })
  try {
    await members.startAll()
    return await measure(members, network)
  } catch (error) {
    throw new Error(`${(error as Error).message}; the members said last:\n${members.lastWords(20)}`, { cause: error })
  } finally {
    await members.close()
    network.close()
  }
}

export function lineTo(members: NetworkedMembers, host: number): Promise<RawClient> {
  return RawClient.connect({ host: members.network.address(host), port: RESP_PORT })
}

/** By slot: the host that serves it, as `through` sees it; -1 for none. */
async function holders(members: NetworkedMembers, through: number): Promise<Int16Array> {
  const holders = new Int16Array(SLOT_COUNT).fill(-1)
  const { members: reported } = await members.report(through, true)
  for (const { name, ranges = [] } of reported) {
    const host = Number(name.slice(name.lastIndexOf('-') + 1))
    for (const [from, to] of ranges) holders.fill(host, from, to + 1)
  }
  return holders
}

/** So many keys, in different slots as far as there are as many, that `host` serves now. */
export async function keysOf(members: NetworkedMembers, host: number, through: number, count: number, prefix: string): Promise<string[]> {
  const served = await holders(members, through)
  if (!served.includes(host)) throw new Error(`${members.name(host)} serves no slot`)
  const keys: string[] = []
  for (let i = 0; keys.length < count; i++) {
    const key = `${prefix}${i}`
    if (served[slotOf(Buffer.from(key))] === host) keys.push(key)
  }
  return keys
}

/** How many slots a host serves, as `through` sees it. */
export async function slotsOf(members: NetworkedMembers, host: number, through: number): Promise<number> {
  const { members: reported } = await members.report(through)
  return reported.find(({ name }) => name === members.name(host))?.slots ?? 0
}
