/**
 * Slow is not dead: one of five members gets a fifth of a core for as long as this takes, with two million keys loaded and clients reading, and nobody may
 * be held dead. The kernel's CPU quota does it (cgroups version 1); where it cannot be set, the process is stopped and resumed ten times a second.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { RESP_PORT } from '../../test/support/networked-members.ts'
import { RawClient } from '../../test/support/raw-resp.ts'
import { mixedKey } from '../loader.ts'
import type { Figure } from './figure.ts'
import { withFlock } from './flock.ts'
import { fillMembers } from './loading.ts'

const HOSTS = 5
const SLOW = 0
const KEYS = 2_000_000
const QUICK_KEYS = 200_000
const MINUTES = 10
const QUICK_MINUTES = 1
const PERIOD_MS = 100
const SHARE = 0.2
const VALUE = 'x'.repeat(32)
const READ_EVERY_MS = 5
const ANSWER_MS = 10_000
const CGROUPS = '/sys/fs/cgroup/cpu'
const GROUP_PREFIX = 'jackdaw-bench-'

export async function measureThrottled(quick: boolean): Promise<Figure[]> {
  const [keys, minutes] = quick ? [QUICK_KEYS, QUICK_MINUTES] : [KEYS, MINUTES]
  return withFlock({ hosts: HOSTS }, async (members) => {
    await fillMembers(members, HOSTS, keys, mixedKey, VALUE)
    const before = await changes(members)
    const throttle = new Throttle(members.pid(SLOW))
    let reads = 0
    let failed = 0
    try {
      const random = new SeededRandom(1)
      const open = (host: number): Promise<RawClient> =>
        RawClient.connect({ host: members.network.address(host), port: RESP_PORT }, ANSWER_MS)
      const lines = await Promise.all(members.running.map(open))
      const untilMs = performance.now() + minutes * 60_000
      for (let turn = 0; performance.now() < untilMs; turn++) {
        const host = turn % HOSTS
        const key = mixedKey(randomBelow(random, keys))
        const reply = await (lines[host] as RawClient).ask('GET', key).catch(() => null)
        reads++
        if (reply === null) {
          lines[host]?.close()
          lines[host] = await open(host)
        }
        if (reply === null || reply[0] !== 0x24 || reply[1] === 0x2d) failed++
        await pause(READ_EVERY_MS)
      }
      for (const line of lines) line.close()
    } finally {
      throttle.close()
    }
    const after = await changes(members)
    const deaths = after.deaths - before.deaths
    return [
      {
        what: `deaths in ${minutes} minutes, one of ${HOSTS} members at ${SHARE * 100} % of a core (${throttle.how}), ${keys.toLocaleString('en')} keys`,
        measured: `${deaths} (${after.suspicions - before.suspicions} suspicions, ${after.claimed - before.claimed} slots claimed; ${failed} of ${reads.toLocaleString('en')} reads failed)`,
        goal: '0',
        met: deaths === 0 && after.claimed === before.claimed,
      },
    ]
  })
}

interface Changes {
  readonly deaths: number
  readonly suspicions: number
  readonly claimed: number
}

async function changes(members: NetworkedMembers): Promise<Changes> {
  const sum = async (name: string): Promise<number> => {
    const figures = await Promise.all(members.running.map((host) => members.metric(host, name)))
    return figures.reduce((all, figure) => all + figure, 0)
  }
  return {
    deaths: members.said('"state":"dead"').length,
    suspicions: await sum('jackdaw_gossip_suspicions_total'),
    claimed: await sum('jackdaw_slots_claimed_total'),
  }
}

/** Lets a process have a share of one core. */
class Throttle {
  readonly how: string
  readonly #pid: number
  readonly #group = `${CGROUPS}/${GROUP_PREFIX}${process.pid}`
  readonly #timers: NodeJS.Timeout[] = []
  readonly #closeAtExit = (): void => this.close()

  constructor(pid: number) {
    this.#pid = pid
    this.how = this.#limit() ? 'CPU quota' : 'stopped and resumed'
    if (this.how !== 'CPU quota') this.#cycle()
    process.on('exit', this.#closeAtExit)
  }

  close(): void {
    process.off('exit', this.#closeAtExit)
    for (const timer of this.#timers) clearInterval(timer)
    if (this.how !== 'CPU quota') process.kill(this.#pid, 'SIGCONT')
    else removeGroup(this.#group)
  }

  #limit(): boolean {
    removeStaleGroups()
    try {
      mkdirSync(this.#group)
      writeFileSync(`${this.#group}/cpu.cfs_period_us`, String(PERIOD_MS * 1_000))
      writeFileSync(`${this.#group}/cpu.cfs_quota_us`, String(PERIOD_MS * 1_000 * SHARE))
      writeFileSync(`${this.#group}/cgroup.procs`, String(this.#pid))
      return true
    } catch {
      removeGroup(this.#group)
      return false
    }
  }

  #cycle(): void {
    this.#timers.push(
      setInterval(() => {
        process.kill(this.#pid, 'SIGSTOP')
        setTimeout(() => process.kill(this.#pid, 'SIGCONT'), PERIOD_MS * (1 - SHARE))
      }, PERIOD_MS),
    )
  }
}

/** Lets go whoever is in it. */
function removeGroup(group: string): void {
  if (!existsSync(group)) return
  try {
    for (const pid of readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean))
      writeFileSync(`${CGROUPS}/cgroup.procs`, pid)
    rmdirSync(group)
  } catch {
    // A process that is ending holds it: the next run removes it.
  }
}

/** What runs left behind that were killed; a group somebody is in stays. */
function removeStaleGroups(): void {
  if (!existsSync(CGROUPS)) return
  for (const name of readdirSync(CGROUPS)) {
    const group = `${CGROUPS}/${name}`
    if (name.startsWith(GROUP_PREFIX) && readFileSync(`${group}/cgroup.procs`, 'utf8') === '') removeGroup(group)
  }
}
