/**
 * How far a replica is behind while three members take 20,000 writes a second, each at the member that serves its key: measured from outside, as the time
 * of a write that asks for the acknowledgement of a replica (`CLIENT ACK replica`). That is the way to the primary, the stream, its application at the
 * replica, and the way back: more than the lag itself.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { RESP_PORT } from '../../test/support/networked-members.ts'
import { type Figure, milliseconds, quantile } from './figure.ts'
import { keysOf, lineTo, withFlock } from './flock.ts'
import { PacedLoad } from './paced-load.ts'

const HOSTS = 3
const PER_SECOND = 20_000
const VALUE_BYTES = 100
const KEYS_EACH = 20_000
const PROBE_EVERY_MS = 5
const SECONDS = 20
const QUICK_SECONDS = 4
const WARM_MS = 2_000
const GOAL_MS = 10

export async function measureReplicationLag(quick: boolean): Promise<Figure[]> {
  return withFlock({ hosts: HOSTS }, async (members, network) => {
    const keys = new Map<string, string[]>()
    for (let host = 0; host < HOSTS; host++)
      keys.set(`${network.address(host)}:${RESP_PORT}`, await keysOf(members, host, 0, KEYS_EACH, 'lag-'))
    const load = await PacedLoad.start({ keys, perSecond: PER_SECOND, valueBytes: VALUE_BYTES })
    try {
      await pause(WARM_MS)
      const [answeredBefore, startedMs] = [load.answered, performance.now()]
      const seconds = quick ? QUICK_SECONDS : SECONDS
      const untilMs = startedMs + seconds * 1_000
      const probes = await Promise.all([
        ...Array.from({ length: HOSTS }, (_, host) => probe(members, host, 'replica', untilMs)),
        ...Array.from({ length: HOSTS }, (_, host) => probe(members, host, 'local', untilMs)),
      ])
      const rate = (load.answered - answeredBefore) / ((performance.now() - startedMs) / 1_000)
      const [replica, local] = [probes.slice(0, HOSTS).flat(), probes.slice(HOSTS).flat()]
      const p99 = quantile(replica, 0.99)
      const spread = (times: readonly number[]): string =>
        `p50 ${milliseconds(quantile(times, 0.5))}, p99 ${milliseconds(quantile(times, 0.99))}`
      return [
        {
          what: `replication at ${Math.round(rate / 100) / 10} k writes/s: from a write's sending to the answer that a replica has it (${replica.length.toLocaleString('en')} writes)`,
          measured: spread(replica),
          goal: `p99 <= ${GOAL_MS} ms`,
          met: p99 <= GOAL_MS && rate > PER_SECOND * 0.95,
        },
        { what: 'beside it, the same without waiting for the replica', measured: spread(local), goal: '', met: null },
      ]
    } finally {
      load.stop()
    }
  })
}

async function probe(members: NetworkedMembers, host: number, ack: 'local' | 'replica', untilMs: number): Promise<number[]> {
  const [key] = (await keysOf(members, host, 0, 1, `probe-${ack}-`)) as [string]
  const line = await lineTo(members, host)
  const times: number[] = []
  try {
    await line.ask('CLIENT', 'ACK', ack)
    while (performance.now() < untilMs) {
      const sentMs = performance.now()
      const reply = await line.ask('SET', key, 'x')
      if (reply[0] !== 0x2b) throw new Error(`a write was answered ${reply}`)
      times.push(performance.now() - sentMs)
      await pause(PROBE_EVERY_MS)
    }
  } finally {
    line.close()
  }
  return times
}
