/**
 * How long nobody accepts writes when a member is gone without a word: from the signal, or the cut of its cable, to the first accepted write on each of
 * some of its slots, through the members that are left; the longest of these counts. Each member in turn, which then returns and is filled.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Network } from '../../test/support/namespaces.ts'
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { until } from '../../test/support/processes.ts'
import { type Figure, milliseconds, quantile } from './figure.ts'
import { keysOf, lineTo, slotsOf, withFlock } from './flock.ts'

const HOSTS = 5
/** So many of its slots are watched. */
const SLOTS = 8
const KILLS = 30
const QUICK_KILLS = 3
const KILLED_GOAL_MS = 3_000
const SILENT_GOAL_MS = 5_000
const ASK_AGAIN_MS = 5
const GIVE_UP_MS = 30_000
const RETURN_MS = 30_000

export async function measureFailover(quick: boolean): Promise<Figure[]> {
  const times = quick ? QUICK_KILLS : KILLS
  return withFlock({ hosts: HOSTS }, async (members, network) => {
    const killed = await outages(members, times, (host) => kill(members, host))
    const half = Math.ceil(times / 2)
    const stopped = await outages(members, half, (host) => standStill(members, host))
    const cut = await outages(members, half, (host) => cutOff(network, members, host))
    return [
      figure(`SIGKILL to the first accepted write, longest of ${SLOTS} slots, ${times} kills of one of ${HOSTS}`, killed, KILLED_GOAL_MS),
      figure(`the same for silence: SIGSTOP ${half} times, cable cut ${half} times`, [...stopped, ...cut], SILENT_GOAL_MS),
      { ...figure('of these, SIGSTOP', stopped, SILENT_GOAL_MS), goal: '', met: null },
      { ...figure('of these, cable cut', cut, SILENT_GOAL_MS), goal: '', met: null },
    ]
  })
}

function figure(what: string, outagesMs: readonly number[], goalMs: number): Figure {
  const p99 = quantile(outagesMs, 0.99)
  return {
    what,
    measured: `p50 ${milliseconds(quantile(outagesMs, 0.5))}, p99 ${milliseconds(p99)}`,
    goal: `p99 <= ${milliseconds(goalMs)}`,
    met: p99 <= goalMs,
  }
}

/** Resolves with the way back. */
type Fault = (host: number) => Promise<() => Promise<void>>

async function outages(members: NetworkedMembers, times: number, fault: Fault): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < times; i++) {
    const victim = i % HOSTS
    const through = (victim + 1) % HOSTS
    await until(async () => (await slotsOf(members, victim, through)) > 0, RETURN_MS, `${members.name(victim)} to serve slots again`)
    const keys = await keysOf(members, victim, through, SLOTS, `failover-${i}-`)
    const survivors = keys.map((_, n) => (victim + 1 + (n % (HOSTS - 1))) % HOSTS)
    const lines = await Promise.all(survivors.map((host) => lineTo(members, host)))
    try {
      for (const [n, line] of lines.entries()) await line.ask('SET', keys[n] as string, 'before')
      const since = performance.now()
      const goBack = await fault(victim)
      const accepted = await Promise.all(lines.map((line, n) => firstAccepted(line, keys[n] as string)))
      const longest = Math.max(...accepted) - since
      console.error(`  ${members.name(victim)}: ${milliseconds(longest)}`)
      found.push(longest)
      await goBack()
      await members.settled()
    } finally {
      for (const line of lines) line.close()
    }
  }
  return found
}

/** When a write of the key was first accepted, on the clock of this process. */
async function firstAccepted(line: Awaited<ReturnType<typeof lineTo>>, key: string): Promise<number> {
  const untilMs = performance.now() + GIVE_UP_MS
  for (;;) {
    const reply = await line.ask('SET', key, 'after')
    const nowMs = performance.now()
    if (reply[0] === 0x2b) return nowMs
    if (nowMs > untilMs) throw new Error(`${key}: ${reply}`)
    await pause(ASK_AGAIN_MS)
  }
}

async function kill(members: NetworkedMembers, host: number): Promise<() => Promise<void>> {
  members.signal(host, 'SIGKILL')
  return async () => {
    await members.ended(host)
    members.start(host)
    await members.ready(host)
  }
}

async function standStill(members: NetworkedMembers, host: number): Promise<() => Promise<void>> {
  members.signal(host, 'SIGSTOP')
  return async () => members.signal(host, 'SIGCONT')
}

async function cutOff(network: Network, members: NetworkedMembers, host: number): Promise<() => Promise<void>> {
  network.cut(host)
  return async () => {
    network.mend(host)
    await members.ready(host)
  }
}
