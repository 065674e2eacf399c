/**
 * A planned stop under load: SIGTERM to one of three members, while clients write keys of its slots through the others, each as soon as its last write was
 * answered. What counts is the longest time that a client waited for an answer, errors, and writes that do not read back.
 */
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { until } from '../../test/support/processes.ts'
import type { RawClient } from '../../test/support/raw-resp.ts'
import { type Figure, milliseconds } from './figure.ts'
import { keysOf, lineTo, slotsOf, withFlock } from './flock.ts'

const HOSTS = 3
const CLIENTS = 8
const STOPS = 6
const QUICK_STOPS = 2
const PAUSE_GOAL_MS = 100
const RETURN_MS = 60_000
const WARM_WRITES = 200

export async function measurePlannedStop(quick: boolean): Promise<Figure[]> {
  return withFlock({ hosts: HOSTS }, async (members) => {
    const stops: Stop[] = []
    for (let i = 0; i < (quick ? QUICK_STOPS : STOPS); i++) {
      const stop = await stopOne(members, i % HOSTS, i)
      console.error(`  ${members.name(i % HOSTS)}: ${JSON.stringify(stop)}`)
      stops.push(stop)
    }
    const longest = Math.max(...stops.map(({ longestMs }) => longestMs))
    const sum = (of: (stop: Stop) => number): number => stops.reduce((all, stop) => all + of(stop), 0)
    const [writes, failed, lost] = [sum((stop) => stop.writes), sum((stop) => stop.failed), sum((stop) => stop.lost)]
    return [
      {
        what: `planned stop of one of ${HOSTS}, ${stops.length} times: writes failed and lost`,
        measured: `${failed} and ${lost} of ${writes.toLocaleString('en')}`,
        goal: '0 and 0',
        met: failed === 0 && lost === 0,
      },
      {
        what: 'planned stop: longest wait for an answer on a slot that moved',
        measured: milliseconds(longest),
        goal: `<= ${PAUSE_GOAL_MS} ms`,
        met: longest <= PAUSE_GOAL_MS,
      },
    ]
  })
}

interface Stop {
  readonly writes: number
  readonly failed: number
  readonly lost: number
  readonly longestMs: number
}

async function stopOne(members: NetworkedMembers, host: number, round: number): Promise<Stop> {
  const others = Array.from({ length: HOSTS }, (_, other) => other).filter((other) => other !== host)
  const through = others[0] as number
  await until(async () => (await slotsOf(members, host, through)) > 0, RETURN_MS, `${members.name(host)} to serve slots again`)
  const keys = await keysOf(members, host, through, CLIENTS, `stop-${round}-`)
  const clients = await Promise.all(keys.map(async (key, i) => new Writer(await lineTo(members, others[i % others.length] as number), key)))
  try {
    await until(async () => clients.every(({ writes }) => writes > WARM_WRITES), RETURN_MS, 'the writers to run')
    for (const client of clients) client.longestMs = 0
    members.signal(host, 'SIGTERM')
    const code = await members.ended(host)
    if (code !== 0) throw new Error(`${members.name(host)} ended with ${code}`)
    await Promise.all(clients.map((client) => client.stop()))
    let lost = 0
    for (const client of clients) if (!(await client.holds())) lost++
    const sum = (of: (client: Writer) => number): number => clients.reduce((all, client) => all + of(client), 0)
    return {
      writes: sum(({ writes }) => writes),
      failed: sum(({ failed }) => failed),
      lost,
      longestMs: Math.max(...clients.map(({ longestMs }) => longestMs)),
    }
  } finally {
    for (const client of clients) client.close()
    members.start(host)
    await members.ready(host)
    await members.settled()
  }
}

/** Writes 1, 2, 3, ... to one key. */
class Writer {
  writes = 0
  failed = 0
  longestMs = 0
  readonly #line: RawClient
  readonly #key: string
  readonly #done: Promise<void>
  #confirmed = 0
  #stopped = false

  constructor(line: RawClient, key: string) {
    this.#line = line
    this.#key = key
    this.#done = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  /** It reads back as it was last confirmed. */
  async holds(): Promise<boolean> {
    const value = String(this.#confirmed)
    return (await this.#line.ask('GET', this.#key)).toString() === `$${value.length}\r\n${value}\r\n`
  }

  close(): void {
    this.#stopped = true
    this.#line.close()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const number = this.writes + 1
      const sentMs = performance.now()
      const reply = await this.#line.ask('SET', this.#key, String(number)).catch((error: Error) => Buffer.from(`-${error.message}`))
      this.longestMs = Math.max(this.longestMs, performance.now() - sentMs)
      this.writes = number
      if (reply[0] === 0x2b) this.#confirmed = number
      else {
        this.failed++
        if (this.failed > 100) return
      }
    }
  }
}
